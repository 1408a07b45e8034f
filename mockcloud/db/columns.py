"""Columns that every service's tables share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime


def timestamp(name: str, nullable: bool = True) -> Column[Any]:
    """A point in time, naive UTC as everywhere in OpenStack's databases."""
    return Column(name, DateTime(), nullable=nullable)


def created() -> Column[Any]:
    return timestamp("created_at", nullable=False)


def updated() -> Column[Any]:
    return timestamp("updated_at")


def deleted() -> Column[Any]:
    """Set on rows that stay after deletion."""
    return timestamp("deleted_at")
