"""Security groups: each project has a default one, made at its first use."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import String, bindparam, cast, delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.db.prepared import Prepared
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict
from mockcloud.http.reply import Json, Query
from mockcloud.neutron import quota
from mockcloud.neutron.collection import Collection, repeated
from mockcloud.neutron.security_group_rules import security_group_rules
from mockcloud.neutron.tables import default_security_group, ports
from mockcloud.neutron.tables import security_group_rules as rules_table
from mockcloud.neutron.tables import security_groups as table
from mockcloud.neutron.tags import Tags

_DEFAULT = Prepared(
    select(default_security_group.c.security_group_id).where(default_security_group.c.project_id == bindparam("project_id"))
)


def ensure_default_group(ctx: Context, tx: Transaction, project_id: str) -> str:
    """The id of the project's default group."""
    found = tx.scalar(_DEFAULT, project_id=project_id)
    if found is not None:
        return str(found)
    group: Row = {"id": str(uuid.uuid4()), "project_id": project_id, "name": "default", "description": "Default security group"}
    tx.insert(table, **group, stateful=True, shared=False, tags=[], revision_number=1, created_at=ctx.now(), updated_at=ctx.now())
    tx.insert(default_security_group, project_id=project_id, security_group_id=group["id"])
    for ethertype in ("IPv4", "IPv6"):
        _insert_rule(ctx, tx, group, direction="egress", ethertype=ethertype, default=True)
        _insert_rule(ctx, tx, group, direction="ingress", ethertype=ethertype, remote_group_id=group["id"], default=True)
    return str(group["id"])


def _insert_rule(ctx: Context, tx: Transaction, group: Row, default: bool = False, **values: Any) -> None:
    tx.insert(
        rules_table, id=str(uuid.uuid4()), project_id=group["project_id"], security_group_id=group["id"], description="", tags=[],
        revision_number=1, created_at=ctx.now(), updated_at=ctx.now(), belongs_to_default_sg=default, **values,
    )  # fmt: skip


def _check_name(name: str) -> None:
    if name.lower() == "default":
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    _check_name(row["name"])
    ensure_default_group(ctx, tx, row["project_id"])
    quota.check(tx, row["project_id"], "security_group")
    quota.check(tx, row["project_id"], "security_group_rule", 2)


def _egress_rules(ctx: Context, tx: Transaction, row: Row) -> None:
    for ethertype in ("IPv4", "IPv6"):
        _insert_rule(ctx, tx, row, direction="egress", ethertype=ethertype)


def _changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    if new["stateful"] != old["stateful"] and _used(tx, old["id"]):
        raise _in_use(old["id"])
    if new["name"] != old["name"]:
        _check_name(new["name"])
        if old["name"] == "default":
            raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")


def _gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if _used(tx, row["id"]):
        raise _in_use(row["id"])
    if row["name"] == "default" and not ctx.can("context_is_admin"):
        raise Conflict("Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault")
    tx.execute(delete(rules_table).where((rules_table.c.security_group_id == row["id"]) | (rules_table.c.remote_group_id == row["id"])))


def _used(tx: Transaction, group_id: str) -> bool:
    return tx.scalar(select(ports.c.id).where(cast(ports.c.security_groups, String).contains(group_id)).limit(1)) is not None


def _in_use(group_id: str) -> Conflict:
    return Conflict(f"Security Group {group_id} in use.", type="SecurityGroupInUse")


def _with_rules(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    groups = {view["id"]: view for view in views}
    for view in views:
        view["security_group_rules"] = []
    rules = select(rules_table).where(rules_table.c.security_group_id.in_(groups)).order_by(rules_table.c.created_at, rules_table.c.id)
    for rule in security_group_rules.views(ctx, tx, tx.all(rules)):
        groups[rule["security_group_id"]]["security_group_rules"].append(rule)


class SecurityGroups(Collection):
    """A list shows the caller's default group, even if nobody used it before."""

    async def _list(self, ctx: Context, query: Query) -> Json:
        def ensure() -> None:
            with ctx.db.transaction() as tx:
                ensure_default_group(ctx, tx, ctx.project_id)

        if ctx.project_id and ctx.can("create_default_security_group"):
            repeated(ensure)
        return await super()._list(ctx, query)


security_groups = SecurityGroups(
    "security_group",
    table,
    "/v2.0/security-groups",
    kind="SecurityGroup",
    sentence="Security group {id} does not exist",
    before_create=_new,
    after_create=_egress_rules,
    before_update=_changed,
    before_delete=_gone,
    more=_with_rules,
    adds=("security_group_rules",),
)
tags = Tags(security_groups)
