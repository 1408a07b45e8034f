"""placement's database."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, String, Table

from mockcloud.db.columns import created, updated

metadata = MetaData()

resource_providers = Table(
    "resource_providers",
    metadata,
    Column("uuid", String(36), primary_key=True),
    created(),
    updated(),
    Column("name", String(200), nullable=False, unique=True),
    Column("generation", Integer, nullable=False, default=0),
    Column("parent_provider_uuid", String(36)),
    Column("root_provider_uuid", String(36), nullable=False),
    Column("aggregates", JSON, nullable=False, default=list),
    Column("traits", JSON, nullable=False, default=list),
)

inventories = Table(
    "inventories",
    metadata,
    Column("provider_uuid", String(36), primary_key=True),
    Column("resource_class", String(255), primary_key=True),
    Column("total", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("min_unit", Integer, nullable=False),
    Column("max_unit", Integer, nullable=False),
    Column("step_size", Integer, nullable=False),
    Column("allocation_ratio", Float, nullable=False),
)

consumers = Table(
    "consumers",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("project_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("consumer_type", String(255)),
    Index("ix_consumers_project", "project_id"),
)

allocations = Table(
    "allocations",
    metadata,
    Column("consumer_uuid", String(36), primary_key=True),
    Column("provider_uuid", String(36), primary_key=True),
    Column("resource_class", String(255), primary_key=True),
    Column("used", Integer, nullable=False),
    Index("ix_allocations_provider", "provider_uuid"),
)

custom_classes = Table("resource_classes", metadata, Column("name", String(255), primary_key=True))
custom_traits = Table("traits", metadata, Column("name", String(255), primary_key=True))
