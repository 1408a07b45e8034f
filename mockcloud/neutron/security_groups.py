"""Security groups and their rules."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any

from sqlalchemy import String, cast, delete, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict
from mockcloud.http.reply import Json
from mockcloud.neutron import quota
from mockcloud.neutron.collection import Collection
from mockcloud.neutron.tables import ports
from mockcloud.neutron.tables import security_group_rules as rules_table
from mockcloud.neutron.tables import security_groups as table

PROTOCOLS = ("ah", "dccp", "egp", "esp", "gre", "icmp", "icmpv6", "igmp", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt",
             "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp")  # fmt: skip
WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132", "33", "136")
ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")


def ensure_default_group(ctx: Context, tx: Transaction, project_id: str) -> str:
    """The project's default group: made at its first use."""
    found = tx.scalar(select(table.c.id).where(table.c.project_id == project_id, table.c.name == "default"))
    if found is not None:
        return str(found)
    group: Row = {"id": str(uuid.uuid4()), "project_id": project_id, "name": "default", "description": "Default security group"}
    tx.insert(table, **group, stateful=True, shared=False, tags=[], revision_number=1, created_at=ctx.now(), updated_at=ctx.now())
    for ethertype in ("IPv4", "IPv6"):
        _insert_rule(ctx, tx, group, direction="egress", ethertype=ethertype, default=True)
        _insert_rule(ctx, tx, group, direction="ingress", ethertype=ethertype, remote_group_id=group["id"], default=True)
    return str(group["id"])


def _insert_rule(ctx: Context, tx: Transaction, group: Row, default: bool = False, **values: Any) -> None:
    tx.insert(
        rules_table, id=str(uuid.uuid4()), project_id=group["project_id"], security_group_id=group["id"], description="", tags=[],
        revision_number=1, created_at=ctx.now(), updated_at=ctx.now(), belongs_to_default_sg=default, **values,
    )  # fmt: skip


def _new_group(ctx: Context, tx: Transaction, row: Row) -> None:
    ensure_default_group(ctx, tx, row["project_id"])
    quota.check(tx, row["project_id"], "security_group")
    if row["name"] == "default":
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")


def _egress_rules(ctx: Context, tx: Transaction, row: Row) -> None:
    for ethertype in ("IPv4", "IPv6"):
        _insert_rule(ctx, tx, row, direction="egress", ethertype=ethertype)


def _changed_group(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    if old["name"] == "default" and new["name"] != "default":
        raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")


def _group_gone(ctx: Context, tx: Transaction, row: Row) -> None:
    if tx.scalar(select(ports.c.id).where(cast(ports.c.security_groups, String).contains(row["id"])).limit(1)) is not None:
        raise Conflict(f"Security Group {row['id']} in use.", type="SecurityGroupInUse")
    if row["name"] == "default" and not ctx.can("context_is_admin"):
        raise Conflict("Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault")
    tx.execute(delete(rules_table).where(rules_table.c.security_group_id == row["id"]))


def _with_rules(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    found = tx.all(select(rules_table).where(rules_table.c.security_group_id.in_([view["id"] for view in views])))
    shown = security_group_rules.views(ctx, tx, found)
    for view in views:
        view["security_group_rules"] = [rule for rule in shown if rule["security_group_id"] == view["id"]]


class SecurityGroups(Collection):
    """A list makes the caller's default group, if it is not there yet."""

    async def _list(self, ctx: Context, query: Any) -> Json:
        if ctx.project_id and "member" in ctx.roles:
            with ctx.db.transaction() as tx:
                ensure_default_group(ctx, tx, ctx.project_id)
        return await super()._list(ctx, query)


security_groups = SecurityGroups(
    "security_group",
    table,
    "/v2.0/security-groups",
    kind="SecurityGroup",
    sentence="Security group {id} does not exist",
    before_create=_new_group,
    after_create=_egress_rules,
    before_update=_changed_group,
    before_delete=_group_gone,
    more=_with_rules,
)


# rules


def _group_target(tx: Transaction, row: Row) -> dict[str, Any]:
    owner = tx.scalar(select(table.c.project_id).where(table.c.id == row["security_group_id"]))
    return {"security_group:project_id": owner, "security_group:tenant_id": owner} if owner else {}


def _new_rule(ctx: Context, tx: Transaction, row: Row) -> None:
    group = security_groups.find(ctx, tx, row["security_group_id"])
    quota.check(tx, row["project_id"], "security_group_rule")
    normalise_rule(row)
    if row["remote_group_id"] is not None:
        security_groups.find(ctx, tx, row["remote_group_id"])
    row["belongs_to_default_sg"] = group["name"] == "default"
    same = select(rules_table.c.id).where(*(rules_table.c[name] == row[name] if row[name] is not None else rules_table.c[name].is_(None) for name in SAME))  # fmt: skip  # noqa: E501
    if (found := tx.scalar(same.limit(1))) is not None:
        raise Conflict(f"Security group rule already exists. Rule id is {found}.", type="SecurityGroupRuleExists")


SAME = ("security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")


def normalise_rule(row: Row) -> None:
    """Checks a rule and writes it canonically; raises neutron's refusals."""
    ethertype = str(row["ethertype"] or "IPv4").lower()
    if ethertype not in ("ipv4", "ipv6"):
        raise BadRequest(f"Security group rule for ethertype '{row['ethertype']}' not supported. Allowed values are ['IPv4', 'IPv6'].", type="SecurityGroupRuleInvalidEtherType")  # fmt: skip  # noqa: E501
    row["ethertype"] = "IPv6" if ethertype == "ipv6" else "IPv4"
    row["protocol"] = _protocol(row["protocol"])
    if row["remote_ip_prefix"] is not None and row["remote_group_id"] is not None:
        raise BadRequest("Only remote_ip_prefix or remote_group_id may be provided.", type="SecurityGroupMultipleRemoteEntites")
    if row["remote_ip_prefix"] is not None:
        row["remote_ip_prefix"] = _prefix(row["remote_ip_prefix"], row["ethertype"])
    for name in ("port_range_min", "port_range_max"):
        row[name] = _port(row[name])
    _check_range(row)


def _protocol(given: Any) -> str | None:
    if given is None or str(given).lower() == "any":
        return None
    protocol = str(given).lower()
    if not (protocol in PROTOCOLS or (protocol.isdecimal() and int(protocol) <= 255)):
        raise BadRequest(f"Security group rule protocol {given} not supported. Only protocol values {list(PROTOCOLS)} and integer representations [0 to 255] are supported.", type="SecurityGroupRuleInvalidProtocol")  # fmt: skip  # noqa: E501
    return protocol


def _prefix(given: str, ethertype: str) -> str:
    try:
        network = ipaddress.ip_network(given, strict=False)
    except ValueError as error:
        raise BadRequest(f"Invalid CIDR {given} given as IP prefix.", type="InvalidCIDR") from error
    if network.version != (6 if ethertype == "IPv6" else 4):
        raise BadRequest(f"Conflicting value ethertype {ethertype} for CIDR {given}", type="SecurityGroupRuleParameterConflict")
    return str(network)


def _port(given: Any) -> int | None:
    if given is None or given == "":
        return None
    try:
        return int(given)
    except ValueError as error:
        raise BadRequest(f"Invalid value for port {given}", type="SecurityGroupInvalidPortValue") from error


def _check_range(row: Row) -> None:
    low, high, protocol = row["port_range_min"], row["port_range_max"], row["protocol"]
    if low is None and high is None:
        return
    if protocol in ICMP:
        if any(value is not None and not 0 <= value <= 255 for value in (low, high)):
            raise BadRequest(f"Invalid value for ICMP type or code: {low}, {high}. It must be 0 to 255.", type="SecurityGroupInvalidIcmpValue")
        if low is None:
            raise BadRequest(f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.", type="SecurityGroupMissingIcmpType")  # fmt: skip  # noqa: E501
        return
    if protocol is None:
        raise BadRequest("Must also specify protocol if port range is given.", type="SecurityGroupProtocolRequiredWithPorts")
    if protocol not in WITH_PORTS:
        raise BadRequest(f"Port range is not supported for protocol {protocol}.", type="SecurityGroupInvalidProtocolForPort")
    if low is None or high is None or low > high:
        raise BadRequest("For TCP/UDP protocols, port_range_min must be <= port_range_max", type="SecurityGroupInvalidPortRange")
    if low < 1 or high > 65535:
        raise BadRequest(f"Invalid value for port {low if low < 1 else high}", type="SecurityGroupInvalidPortValue")


def _rule_views(ctx: Context, tx: Transaction, views: list[Json]) -> None:
    for view in views:
        view |= {"normalized_cidr": view["remote_ip_prefix"], "remote_address_group_id": None}


security_group_rules = Collection(
    "security_group_rule",
    rules_table,
    "/v2.0/security-group-rules",
    kind="SecurityGroupRule",
    sentence="Security group rule {id} does not exist",
    before_create=_new_rule,
    more=_rule_views,
    target=_group_target,
    verbs=("list", "show", "create", "delete"),
    with_tags=False,
)
