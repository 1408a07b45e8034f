"""Servers that have no cell yet: build requests, in the dialect cells_v2. In classic there is never one.

Whoever asks for such a server is answered from its build request, a row with the columns of `instances`, so that a server is
neither missing nor there twice while it moves into its cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import FromClause, Select, Table, bindparam, delete, select, union_all
from sqlalchemy.sql.visitors import replacement_traverse

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.nova.api_tables import build_requests, instance_mappings, request_specs
from mockcloud.nova.tables import instances

_ONE = Prepared(select(build_requests).where(build_requests.c.uuid == bindparam("uuid")))
_ANY = Prepared(select(build_requests.c.id).limit(1))


def find_request(tx: Transaction, uuid: str) -> Row | None:
    return tx.one(_ONE, uuid=uuid) if tx.knows(build_requests) else None


def table_of(server: Mapping[str, Any]) -> Table:
    """Where the row of a server is. That of a build request has its disks in it."""
    return build_requests if "block_device_mappings" in server else instances


def disks_of(request: Mapping[str, Any]) -> list[Row]:
    """As rows of `block_device_mapping` will be."""
    return [{**disk, "instance_uuid": request["uuid"]} for disk in request["block_device_mappings"]]


def withdraw(tx: Transaction, uuid: str) -> Row | None:
    """Ends a server that has no cell yet: what was its build request. None when there is none (any more)."""
    request = find_request(tx, uuid)
    if request is not None:
        erase(tx, [uuid])
    return request


def erase(tx: Transaction, uuids: Sequence[str]) -> None:
    """As if nobody had asked for these servers."""
    tx.execute(delete(build_requests).where(build_requests.c.uuid.in_(uuids)))
    for table in (request_specs, instance_mappings):
        tx.execute(delete(table).where(table.c.instance_uuid.in_(uuids)))


# lists

_COLUMNS = [column.name for column in instances.c]
_EVERYWHERE = union_all(select(instances), select(*(build_requests.c[name] for name in _COLUMNS))).subquery("servers")


def with_requests(tx: Transaction, stmt: Select[Any]) -> tuple[Select[Any], FromClause]:
    """The same statement over servers with and without a cell, and what it is over: in one order, each server once."""
    if not tx.knows(build_requests) or tx.one(_ANY) is None:
        return stmt, instances

    def replaced(element: Any, **_: Any) -> Any:
        if element is instances:
            return _EVERYWHERE
        return _EVERYWHERE.c[element.name] if getattr(element, "table", None) is instances else None

    everywhere: Any = replacement_traverse(stmt, {}, replaced)
    return everywhere, _EVERYWHERE
