"""nova's database: what the API, the scheduler and the conductor share. The compute never sees it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from mockcloud.db.columns import created, deleted, timestamp, updated

metadata = MetaData()

instances = Table(
    "instances",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    created(),
    updated(),
    deleted(),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("display_name", String(255), nullable=False),
    Column("display_description", Text),
    Column("hostname", String(255)),
    Column("reservation_id", String(36)),
    Column("launch_index", Integer, nullable=False, default=0),
    # states
    Column("vm_state", String(32)),
    Column("task_state", String(64)),
    Column("power_state", Integer, nullable=False, default=0),
    Column("progress", Integer, nullable=False, default=0),
    Column("locked", Boolean, nullable=False, default=False),
    Column("locked_by", String(16)),
    Column("locked_reason", String(255)),
    # where
    Column("host", String(255)),
    Column("node", String(255)),
    Column("launched_on", String(255)),
    Column("availability_zone", String(255)),  # as asked
    Column("host_zone", String(255)),  # of the host when the server came there; empty: the default one
    timestamp("scheduled_at"),
    timestamp("launched_at"),
    timestamp("terminated_at"),
    # what
    Column("image_ref", String(255)),  # empty when booted from a volume
    Column("kernel_id", String(255)),
    Column("ramdisk_id", String(255)),
    Column("flavor", JSON, nullable=False),  # the flavor as it was at the request: id, flavorid, name, vcpus, memory_mb, ...
    Column("memory_mb", Integer, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("root_gb", Integer, nullable=False),
    Column("ephemeral_gb", Integer, nullable=False, default=0),
    Column("swap", Integer, nullable=False, default=0),
    Column("key_name", String(255)),
    Column("key_data", Text),
    Column("user_data", Text),
    Column("config_drive", Boolean, nullable=False, default=False),
    Column("disk_config", String(16), nullable=False, default="MANUAL"),  # AUTO or MANUAL
    Column("access_ip_v4", String(39)),
    Column("access_ip_v6", String(39)),
    Column("root_device_name", String(255)),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("tags", JSON, nullable=False, default=list),
    Column("security_groups", JSON, nullable=False, default=list),  # the names or ids asked for
    Column("scheduler_hints", JSON, nullable=False, default=dict),
    Column("image_properties", JSON, nullable=False, default=dict),
    Column("trusted_certs", JSON),
    Column("network_info", JSON, nullable=False, default=list),  # instance_info_caches of the real one
    Column("old_flavor", JSON),
    Column("new_flavor", JSON),
    Column("old_vm_state", String(32)),
    Index("ix_instances_host", "host", "deleted_at"),
    Index("ix_instances_project", "project_id", "deleted_at"),
)

instance_faults = Table(
    "instance_faults",
    metadata,
    Column("id", Integer, primary_key=True),
    created(),
    Column("instance_uuid", String(36), nullable=False, index=True),
    Column("code", Integer, nullable=False),
    Column("message", String(255)),
    Column("details", Text),
    Column("host", String(255)),
)

instance_actions = Table(
    "instance_actions",
    metadata,
    Column("id", Integer, primary_key=True),
    created(),
    updated(),
    Column("instance_uuid", String(36), nullable=False, index=True),
    Column("action", String(255), nullable=False),
    Column("request_id", String(255), nullable=False),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    timestamp("start_time"),
    timestamp("finish_time"),
    Column("message", String(255)),
)

instance_actions_events = Table(
    "instance_actions_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("action_id", Integer, nullable=False, index=True),
    Column("event", String(255), nullable=False),
    timestamp("start_time"),
    timestamp("finish_time"),
    Column("result", String(255)),
    Column("traceback", Text),
    Column("details", Text),
    Column("host", String(255)),
)

block_device_mapping = Table(
    "block_device_mapping",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    created(),
    updated(),
    Column("instance_uuid", String(36), nullable=False, index=True),
    Column("source_type", String(16), nullable=False),  # blank, image, snapshot, volume
    Column("destination_type", String(16), nullable=False),  # local, volume
    Column("boot_index", Integer),
    Column("device_name", String(255)),
    Column("guest_format", String(255)),
    Column("disk_bus", String(255)),
    Column("device_type", String(32)),
    Column("volume_id", String(36), index=True),
    Column("snapshot_id", String(36)),
    Column("image_id", String(36)),
    Column("volume_size", Integer),
    Column("volume_type", String(255)),
    Column("delete_on_termination", Boolean, nullable=False, default=False),
    Column("attachment_id", String(36)),
    Column("connection_info", JSON),
    Column("tag", String(255)),
)

migrations = Table(
    "migrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    created(),
    updated(),
    Column("instance_uuid", String(36), nullable=False, index=True),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    Column("source_compute", String(255)),
    Column("source_node", String(255)),
    Column("dest_compute", String(255)),
    Column("dest_node", String(255)),
    Column("dest_host", String(255)),
    Column("status", String(32), nullable=False),  # pre-migrating, migrating, post-migrating, finished, confirmed, reverted, error
    Column("migration_type", String(16), nullable=False),  # resize, migration, live-migration, evacuation
    Column("old_flavor", JSON),
    Column("new_flavor", JSON),
)

services = Table(
    "services",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    created(),
    updated(),
    Column("host", String(255), nullable=False),
    Column("binary", String(255), nullable=False),  # nova-scheduler, nova-conductor, nova-compute
    Column("topic", String(255)),
    Column("report_count", Integer, nullable=False, default=0),
    timestamp("last_seen_up"),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("disabled_reason", String(255)),
    Column("forced_down", Boolean, nullable=False, default=False),
    UniqueConstraint("host", "binary"),
)

compute_nodes = Table(
    "compute_nodes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),  # also the resource provider's uuid in placement
    created(),
    updated(),
    Column("host", String(255), nullable=False),
    Column("hypervisor_hostname", String(255), nullable=False),
    Column("hypervisor_type", String(32), nullable=False),
    Column("hypervisor_version", Integer, nullable=False),
    Column("host_ip", String(39)),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mb", Integer, nullable=False),
    Column("local_gb", Integer, nullable=False),
    Column("vcpus_used", Integer, nullable=False, default=0),
    Column("memory_mb_used", Integer, nullable=False, default=0),
    Column("local_gb_used", Integer, nullable=False, default=0),
    Column("running_vms", Integer, nullable=False, default=0),
    Column("cpu_allocation_ratio", Float, nullable=False, default=4.0),
    Column("ram_allocation_ratio", Float, nullable=False, default=1.0),
    Column("disk_allocation_ratio", Float, nullable=False, default=1.0),
    Column("reserved_host_memory_mb", Integer, nullable=False, default=512),
    Column("cpu_info", JSON, nullable=False, default=dict),
    Column("supported_instances", JSON, nullable=False, default=list),
    Column("stats", JSON, nullable=False, default=dict),  # num_instances, io_workload, failed_builds, ...
    UniqueConstraint("host", "hypervisor_hostname"),
)

flavors = Table(
    "flavors",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("flavorid", String(255), nullable=False, unique=True),
    created(),
    updated(),
    Column("name", String(255), nullable=False, unique=True),
    Column("description", Text),
    Column("memory_mb", Integer, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("root_gb", Integer, nullable=False, default=0),
    Column("ephemeral_gb", Integer, nullable=False, default=0),
    Column("swap", Integer, nullable=False, default=0),
    Column("rxtx_factor", Float, nullable=False, default=1.0),
    Column("is_public", Boolean, nullable=False, default=True),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("extra_specs", JSON, nullable=False, default=dict),
)

flavor_projects = Table(
    "flavor_projects",
    metadata,
    Column("flavor_id", Integer, primary_key=True),
    Column("project_id", String(255), primary_key=True),
)

key_pairs = Table(
    "key_pairs",
    metadata,
    Column("id", Integer, primary_key=True),
    created(),
    Column("user_id", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(8), nullable=False, default="ssh"),
    Column("fingerprint", String(255), nullable=False),
    Column("public_key", Text, nullable=False),
    UniqueConstraint("user_id", "name"),
)

aggregates = Table(
    "aggregates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    created(),
    updated(),
    Column("name", String(255), nullable=False, unique=True),
    Column("hosts", JSON, nullable=False, default=list),
    Column("metadata", JSON, nullable=False, default=dict),  # availability_zone among it
)

instance_groups = Table(
    "instance_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    created(),
    Column("project_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("policy", String(64), nullable=False),  # affinity, anti-affinity, soft-affinity, soft-anti-affinity
    Column("rules", JSON, nullable=False, default=dict),  # max_server_per_host
)

instance_group_members = Table(
    "instance_group_members",
    metadata,
    Column("group_uuid", String(36), primary_key=True),
    Column("instance_uuid", String(36), primary_key=True),
)

quotas = Table(
    "quotas",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("hard_limit", Integer, nullable=False),
)

project_user_quotas = Table(
    "project_user_quotas",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("user_id", String(255), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("hard_limit", Integer, nullable=False),
)

quota_classes = Table(
    "quota_classes",
    metadata,
    Column("class_name", String(255), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("hard_limit", Integer, nullable=False),
)
