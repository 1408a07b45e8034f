"""Security group rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import Conflict, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron import quota, rule_forms
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.refusal import answered
from mockcloud.neutron.tables import default_security_group
from mockcloud.neutron.tables import security_group_rules as table
from mockcloud.neutron.tables import security_groups as groups_table


def _group(tx: Transaction, group_id: str) -> Row:
    group = tx.one(select(groups_table).where(groups_table.c.id == group_id))
    if group is None:
        raise NotFound(f"Security group {group_id} does not exist", type="SecurityGroupNotFound")
    return group


def _group_target(tx: Transaction, row: Row) -> dict[str, Any]:
    owner = _group(tx, row["security_group_id"])["project_id"]
    return {"security_group:project_id": owner, "security_group:tenant_id": owner}


def _new(ctx: Context, tx: Transaction, row: Row) -> None:
    quota.check(tx, row["project_id"], "security_group_rule")
    with answered():
        row |= rule_forms.canonical(row)
    if row["remote_group_id"] is not None:
        remote = _group(tx, row["remote_group_id"])
        if remote["project_id"] != row["project_id"] and not remote["shared"] and not ctx.can("context_is_admin"):
            raise NotFound(f"Security group {row['remote_group_id']} does not exist", type="SecurityGroupNotFound")
    defaults = default_security_group.c.security_group_id
    row["belongs_to_default_sg"] = tx.scalar(select(defaults).where(defaults == row["security_group_id"])) is not None
    _check_new(tx, row)


def _check_new(tx: Transaction, row: Row) -> None:
    wanted = rule_forms.key(row)
    same = (table.c.security_group_id == row["security_group_id"], table.c.direction == row["direction"])
    for other in tx.all(select(table).where(*same)):
        if rule_forms.key(other) == wanted:
            raise Conflict(f"Security group rule already exists. Rule id is {other['id']}.", type="SecurityGroupRuleExists")


def _more(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    for view in views:
        view.pop("tags")  # a rule has none
        view |= {"normalized_cidr": rule_forms.normalized(view["remote_ip_prefix"]), "remote_address_group_id": None}


def _visible(ctx: Context, rule: Table) -> Any:
    return rule.c.security_group_id.in_(select(groups_table.c.id).where(groups_table.c.project_id == ctx.project_id))


security_group_rules = Collection(
    "security_group_rule",
    table,
    "/v2.0/security-group-rules",
    kind="SecurityGroupRule",
    sentence="Security group rule {id} does not exist",
    defaults={"ethertype": "IPv4"},
    before_create=_new,
    more=_more,
    target=_group_target,
    visible=_visible,
    verbs=("list", "show", "create", "delete"),
)
