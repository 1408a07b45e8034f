"""cinder's database: the API, the scheduler and the volume manager share it."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from mockcloud.db.columns import created, timestamp, updated

metadata = MetaData()

volumes = Table(
    "volumes",
    metadata,
    Column("id", String(36), primary_key=True),
    created(),
    updated(),
    Column("project_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("display_name", String(255)),
    Column("display_description", String(255)),
    Column("size", Integer, nullable=False),
    Column("new_size", Integer),  # asked for while extending: the difference is reserved quota
    Column("status", String(255), nullable=False),
    Column("previous_status", String(255)),
    Column("attach_status", String(255), nullable=False, default="detached"),
    Column("migration_status", String(255)),
    Column("volume_type_id", String(36), nullable=False),
    Column("snapshot_id", String(36)),
    Column("source_volid", String(36)),
    Column("availability_zone", String(255)),
    Column("host", String(255)),  # host@backend#pool, once the scheduler has chosen
    Column("service_uuid", String(36)),
    Column("bootable", Boolean, nullable=False, default=False),
    Column("multiattach", Boolean, nullable=False, default=False),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("admin_metadata", JSON, nullable=False, default=dict),  # readonly, attached_mode
    Column("glance_metadata", JSON, nullable=False, default=dict),  # of the image that the volume was made from
    timestamp("scheduled_at"),
    timestamp("launched_at"),
    timestamp("terminated_at"),
    Index("ix_volumes_project", "project_id"),
)

volume_attachment = Table(
    "volume_attachment",
    metadata,
    Column("id", String(36), primary_key=True),
    created(),
    updated(),
    Column("volume_id", String(36), ForeignKey("volumes.id"), nullable=False, index=True),
    Column("instance_uuid", String(36), index=True),
    Column("attached_host", String(255)),
    Column("mountpoint", String(255)),
    Column("attach_status", String(255), nullable=False),  # reserved, attaching, attached, error_attaching, ...
    Column("attach_mode", String(36)),
    Column("connector", JSON),
    Column("connection_info", JSON),
    timestamp("attach_time"),
    timestamp("detach_time"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", String(36), primary_key=True),
    created(),
    updated(),
    Column("project_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("volume_id", String(36), ForeignKey("volumes.id"), nullable=False, index=True),
    Column("volume_type_id", String(36)),
    Column("volume_size", Integer, nullable=False),
    Column("display_name", String(255)),
    Column("display_description", String(255)),
    Column("status", String(255), nullable=False),
    Column("progress", String(255)),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("glance_metadata", JSON, nullable=False, default=dict),
    Index("ix_snapshots_project", "project_id"),
)

volume_types = Table(
    "volume_types",
    metadata,
    Column("id", String(36), primary_key=True),
    created(),
    updated(),
    Column("name", String(255), nullable=False, unique=True),
    Column("description", String(255)),
    Column("is_public", Boolean, nullable=False, default=True),
    Column("extra_specs", JSON, nullable=False, default=dict),
)

volume_type_projects = Table(
    "volume_type_projects",
    metadata,
    Column("volume_type_id", String(36), ForeignKey("volume_types.id"), primary_key=True),
    Column("project_id", String(255), primary_key=True),
)

quotas = Table(
    "quotas",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(300), primary_key=True),
    Column("hard_limit", BigInteger, nullable=False),
)

quota_classes = Table(
    "quota_classes",
    metadata,
    Column("class_name", String(255), primary_key=True),
    Column("resource", String(300), primary_key=True),
    Column("hard_limit", BigInteger, nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("uuid", String(36), primary_key=True),
    created(),
    updated(),
    Column("host", String(255), nullable=False),
    Column("binary", String(255), nullable=False),
    Column("availability_zone", String(255), nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("disabled_reason", String(255)),
    UniqueConstraint("host", "binary"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String(36), primary_key=True),
    created(),
    Column("project_id", String(255), nullable=False, index=True),
    Column("request_id", String(255)),
    Column("resource_type", String(36)),
    Column("resource_uuid", String(255)),
    Column("event_id", String(255), nullable=False),
    Column("message_level", String(255), nullable=False),
    Column("user_message", Text, nullable=False),
    timestamp("expires_at"),
)
