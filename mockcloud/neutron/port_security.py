"""What goes with a port's security: its groups, and the other addresses that it may send from."""

from __future__ import annotations

import ipaddress
from typing import Any

from sqlalchemy import or_, select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Conflict, NotFound
from mockcloud.neutron.collection import UNSET
from mockcloud.neutron.security_groups import ensure_default_group
from mockcloud.neutron.tables import security_groups

MAX_ADDRESS_PAIRS = 10


def check_new(ctx: Context, tx: Transaction, row: Row) -> None:
    """The groups asked for, else the project's default one; none on neutron's own ports and where port security is off."""
    row["allowed_address_pairs"] = _pairs(row)
    groups = row["security_groups"]
    if not row["port_security_enabled"]:
        _check_off(row["allowed_address_pairs"], [] if groups is UNSET else groups)
        row["security_groups"] = []
    elif groups is UNSET:
        trusted = row["device_owner"].startswith("network:")
        row["security_groups"] = [] if trusted else [ensure_default_group(ctx, tx, row["project_id"])]
    else:
        row["security_groups"] = _groups(ctx, tx, row)


def check_changed(ctx: Context, tx: Transaction, old: Row, new: Row) -> None:
    new["allowed_address_pairs"] = _pairs(new)
    regrouped = new["security_groups"] != old["security_groups"]
    if not new["port_security_enabled"]:
        if old["security_groups"] and not regrouped:
            raise Conflict(
                "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
                type="PortSecurityPortHasSecurityGroup",
            )
        _check_off(new["allowed_address_pairs"], new["security_groups"])
    elif regrouped:
        new["security_groups"] = _groups(ctx, tx, new)


def _check_off(pairs: list[Any], groups: list[str]) -> None:
    """Without port security there is nothing that pairs or groups could change."""
    if pairs:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.", type="AddressPairAndPortSecurityRequired"
        )
    if groups:
        raise BadRequest(
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            type="PortSecurityAndIPRequiredForSecurityGroups",
        )


def _groups(ctx: Context, tx: Transaction, row: Row) -> list[str]:
    """Once each; those that the port's project does not have are not there. Stateful and stateless ones do not mix."""
    asked = list(dict.fromkeys(row["security_groups"]))
    chosen = select(security_groups).where(security_groups.c.id.in_(asked))
    if not ctx.can("context_is_admin"):
        chosen = chosen.where(or_(security_groups.c.project_id == row["project_id"], security_groups.c.shared.is_(True)))
    found = {group["id"]: group for group in tx.all(chosen)}
    if missing := [group_id for group_id in asked if group_id not in found]:
        raise NotFound(f"Security group {', '.join(missing)} does not exist", type="SecurityGroupNotFound")
    if len({group["stateful"] for group in found.values()}) > 1:
        raise Conflict(
            "Error Cannot apply both stateful and stateless security groups on the same port at the same time while attempting the "
            "operation.",
            type="SecurityGroupConflict",
        )
    return asked


def _pairs(row: Row) -> list[dict[str, str]]:
    pairs: list[dict[str, str]] = []
    if len(row["allowed_address_pairs"]) > MAX_ADDRESS_PAIRS:
        raise BadRequest(f"The number of allowed address pair exceeds the maximum {MAX_ADDRESS_PAIRS}.", type="AllowedAddressPairExhausted")
    for given in row["allowed_address_pairs"]:
        pair = {"mac_address": str(given.get("mac_address", row["mac_address"])).lower(), "ip_address": given["ip_address"]}
        try:
            ipaddress.ip_interface(pair["ip_address"])
        except ValueError as error:
            raise BadRequest(
                f"'{pair['ip_address']}' is neither a valid IP address, nor is it a valid IP subnet", type="HTTPBadRequest"
            ) from error
        if pair in pairs:
            raise BadRequest(
                f"Request contains duplicate address pair: mac_address {pair['mac_address']} ip_address {pair['ip_address']}.",
                type="DuplicateAddressPairInRequest",
            )
        pairs.append(pair)
    return pairs
