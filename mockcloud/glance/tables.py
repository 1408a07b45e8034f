"""glance's database."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table

from mockcloud.db.columns import created, updated

metadata = MetaData()

images = Table(
    "images",
    metadata,
    Column("id", String(36), primary_key=True),
    created(),
    updated(),
    Column("name", String(255)),
    Column("status", String(30), nullable=False),
    Column("visibility", String(9), nullable=False, default="shared"),
    Column("protected", Boolean, nullable=False, default=False),
    Column("os_hidden", Boolean, nullable=False, default=False),
    Column("owner", String(255)),
    Column("container_format", String(20)),
    Column("disk_format", String(20)),
    Column("min_disk", Integer, nullable=False, default=0),
    Column("min_ram", Integer, nullable=False, default=0),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    Column("tags", JSON, nullable=False, default=list),
    Column("properties", JSON, nullable=False, default=dict),
    Index("ix_images_owner", "owner"),
)

image_members = Table(
    "image_members",
    metadata,
    Column("image_id", String(36), primary_key=True),
    Column("member_id", String(255), primary_key=True),
    created(),
    updated(),
    Column("status", String(20), nullable=False),
)
