"""The database of nova's API in the dialect cells_v2: what is known of a server before it has a cell."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Integer, MetaData, String, Table

from mockcloud.db.columns import created, updated
from mockcloud.nova.tables import instances

metadata = MetaData(schema="nova_api")

CELL0 = "00000000-0000-0000-0000-000000000000"  # where servers are that no host was found for
CELL1 = "c7a5f0b2-2d0f-4c2e-8a55-5a1f1d6f0c01"  # the only cell with hosts

# The instance is kept as its columns, so that who asks for a server sees no difference.
build_requests = instances.to_metadata(metadata, name="build_requests")
build_requests.append_column(Column("block_device_mappings", JSON, nullable=False))

request_specs = Table(
    "request_specs",
    metadata,
    Column("id", Integer, primary_key=True),
    created(),
    updated(),
    Column("instance_uuid", String(36), nullable=False, unique=True),
    Column("spec", JSON, nullable=False),
)

instance_mappings = Table(
    "instance_mappings",
    metadata,
    Column("id", Integer, primary_key=True),
    created(),
    updated(),
    Column("instance_uuid", String(36), nullable=False, unique=True),
    Column("cell_id", String(36)),  # the cell's uuid; empty until a host is chosen
    Column("project_id", String(255), nullable=False),
    Column("user_id", String(255)),
    Column("queued_for_delete", Boolean, nullable=False, default=False),
)
