"""neutron's database. Attributes with a colon stand in columns with an underscore (`router:external`: `router_external`)."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, MetaData, String, Table, UniqueConstraint
from sqlalchemy.schema import SchemaItem

from mockcloud.db.columns import timestamp
from mockcloud.neutron.segments import DEFAULT_TYPE

metadata = MetaData()


def _standard(name: str, *columns: SchemaItem, named: bool = True) -> Table:
    """A resource's table: the attributes that all of neutron's resources have, and its own."""
    shared: list[SchemaItem] = [
        Column("id", String(36), primary_key=True),
        Column("project_id", String(255), nullable=False, index=True),
        Column("description", String(255), nullable=False, default=""),
        Column("tags", JSON, nullable=False, default=list),
        Column("revision_number", Integer, nullable=False, default=1),
        timestamp("created_at", nullable=False),
        timestamp("updated_at", nullable=False),
    ]
    if named:
        shared.append(Column("name", String(255), nullable=False, default=""))
    return Table(name, metadata, *shared, *columns)


networks = _standard(
    "networks",
    Column("status", String(16), nullable=False, default="ACTIVE"),
    Column("admin_state_up", Boolean, nullable=False, default=True),
    Column("shared", Boolean, nullable=False, default=False),
    Column("router_external", Boolean, nullable=False, default=False),
    Column("is_default", Boolean, nullable=False, default=False),
    Column("port_security_enabled", Boolean, nullable=False, default=True),
    Column("mtu", Integer, nullable=False, default=0),
    Column("availability_zone_hints", JSON, nullable=False, default=list),
    Column("provider_network_type", String(32), nullable=False, default=DEFAULT_TYPE),
    Column("provider_physical_network", String(64)),
    Column("provider_segmentation_id", Integer),
)

subnets = _standard(
    "subnets",
    Column("network_id", String(36), ForeignKey("networks.id"), nullable=False, index=True),
    Column("ip_version", Integer, nullable=False),
    Column("cidr", String(64), nullable=False),
    Column("gateway_ip", String(64)),
    Column("allocation_pools", JSON, nullable=False),
    Column("dns_nameservers", JSON, nullable=False, default=list),
    Column("host_routes", JSON, nullable=False, default=list),
    Column("enable_dhcp", Boolean, nullable=False, default=True),
    Column("ipv6_ra_mode", String(16)),
    Column("ipv6_address_mode", String(16)),
    Column("service_types", JSON, nullable=False, default=list),
)

ports = _standard(
    "ports",
    Column("network_id", String(36), ForeignKey("networks.id"), nullable=False, index=True),
    Column("status", String(16), nullable=False, default="DOWN"),
    Column("admin_state_up", Boolean, nullable=False, default=True),
    Column("mac_address", String(32), nullable=False),
    Column("device_id", String(255), nullable=False, default="", index=True),
    Column("device_owner", String(255), nullable=False, default=""),
    Column("security_groups", JSON, nullable=False, default=list),
    Column("port_security_enabled", Boolean, nullable=False, default=True),
    Column("allowed_address_pairs", JSON, nullable=False, default=list),
    Column("extra_dhcp_opts", JSON, nullable=False, default=list),
    Column("binding_host_id", String(255), nullable=False, default=""),
    Column("binding_profile", JSON, nullable=False, default=dict),
    Column("binding_vnic_type", String(64), nullable=False, default="normal"),
    Column("binding_vif_type", String(64), nullable=False, default="unbound"),
    Column("binding_vif_details", JSON, nullable=False, default=dict),
    UniqueConstraint("network_id", "mac_address"),
)

ipallocations = Table(
    "ipallocations",
    metadata,
    Column("subnet_id", String(36), ForeignKey("subnets.id"), primary_key=True),
    Column("ip_address", String(64), primary_key=True),
    Column("port_id", String(36), ForeignKey("ports.id"), nullable=False, index=True),
    Column("network_id", String(36), nullable=False),
    Column("position", Integer, nullable=False, default=0),  # in the port's fixed_ips
)

security_groups = _standard(
    "security_groups",
    Column("stateful", Boolean, nullable=False, default=True),
    Column("shared", Boolean, nullable=False, default=False),
)

default_security_group = Table(  # which of a project's groups is its default one
    "default_security_group",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("security_group_id", String(36), ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False),
)

security_group_rules = _standard(
    "security_group_rules",
    Column("security_group_id", String(36), ForeignKey("security_groups.id"), nullable=False, index=True),
    Column("direction", String(8), nullable=False),
    Column("ethertype", String(8), nullable=False),
    Column("protocol", String(40)),
    Column("port_range_min", Integer),
    Column("port_range_max", Integer),
    Column("remote_ip_prefix", String(64)),
    Column("remote_group_id", String(36)),
    Column("belongs_to_default_sg", Boolean, nullable=False, default=False),
    named=False,
)

routers = _standard(  # their ports name them as device_id
    "routers",
    Column("status", String(16), nullable=False, default="ACTIVE"),
    Column("admin_state_up", Boolean, nullable=False, default=True),
    Column("enable_snat", Boolean, nullable=False, default=True),
    Column("routes", JSON, nullable=False, default=list),
    Column("availability_zone_hints", JSON, nullable=False, default=list),
)

floatingips = _standard(
    "floatingips",
    Column("status", String(16), nullable=False, default="DOWN"),
    Column("floating_network_id", String(36), ForeignKey("networks.id"), nullable=False, index=True),
    Column("floating_ip_address", String(64), nullable=False),
    Column("floating_port_id", String(36), nullable=False),  # holds the address
    Column("port_id", String(36), index=True),
    Column("fixed_ip_address", String(64)),
    Column("router_id", String(36), index=True),
    UniqueConstraint("floating_network_id", "port_id", "fixed_ip_address"),
    named=False,
)

quotas = Table(
    "quotas",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("limit", Integer, nullable=False),
)
