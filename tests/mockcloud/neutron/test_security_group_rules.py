"""Security group rules: over REST, and their forms."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.neutron import rule_forms
from tests.mockcloud.neutron.conftest import NOWHERE, Json, Neutron, refusal, words


@pytest.fixture
async def group(member: Neutron) -> Json:
    return await member.create("security-groups", name="g")


async def rule(user: Neutron, group: Json, **values: Any) -> Json:
    return await user.create("security-group-rules", **{"security_group_id": group["id"], "direction": "ingress"} | values)


async def test_a_new_rule_shows_what_clients_read(member: Neutron, group: Json) -> None:
    made = await rule(
        member, group, protocol="tcp", port_range_min=22, port_range_max="22", remote_ip_prefix="10.0.0.9/24", description="d"
    )
    shown = {name: made[name] for name in ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "description")}
    assert shown == {
        "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "description": "d",
    }  # fmt: skip
    assert (made["remote_ip_prefix"], made["normalized_cidr"], made["remote_group_id"]) == ("10.0.0.9/24", "10.0.0.0/24", None)
    assert (made["remote_address_group_id"], made["belongs_to_default_sg"], made["project_id"]) == (None, False, member.project_id)
    assert await member.show("security_group_rule", made["id"]) == made
    assert made in (await member.show("security_group", group["id"]))["security_group_rules"]
    assert (await member.request("DELETE", f"/security-group-rules/{made['id']}")).status == 204
    again = await member.request("DELETE", f"/security-group-rules/{made['id']}")
    assert (refusal(again), words(again)) == ((404, "SecurityGroupRuleNotFound"), f"Security group rule {made['id']} does not exist")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"protocol": "tcp"}, {"protocol": 6}),
        ({"protocol": "any"}, {"remote_ip_prefix": "0.0.0.0/0"}),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535}, {"protocol": "tcp"}),
        ({"ethertype": "ipv6", "protocol": "icmp"}, {"ethertype": "IPv6", "protocol": "icmpv6"}),
        ({"description": "a"}, {"description": "b"}),
    ],
)
async def test_what_is_said_already_is_refused(member: Neutron, group: Json, first: Json, second: Json) -> None:
    made = await rule(member, group, **first)
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **second}}
    answer = await member.request("POST", "/security-group-rules", body)
    assert refusal(answer) == (409, "SecurityGroupRuleExists")
    assert words(answer) == f"Security group rule already exists. Rule id is {made['id']}."


async def test_several_rules_are_made_at_once_or_none(member: Neutron, group: Json) -> None:
    one = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    same = await member.request("POST", "/security-group-rules", {"security_group_rules": [one, one]})
    assert same.status == 409
    made = await member.request("POST", "/security-group-rules", {"security_group_rules": [one, one | {"protocol": "udp"}]})
    assert [found["protocol"] for found in made.json()["security_group_rules"]] == ["tcp", "udp"]


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"security_group_id": NOWHERE}, 404, "SecurityGroupNotFound"),
    ({"security_group_id": 7}, 400, "HTTPBadRequest"),
    ({"direction": "sideways"}, 400, "HTTPBadRequest"),
    ({"direction": None}, 400, "HTTPBadRequest"),
    ({"ethertype": "IPv5"}, 400, "SecurityGroupRuleInvalidEtherType"),
    ({"ethertype": None}, 400, "SecurityGroupRuleInvalidEtherType"),
    ({"protocol": "pigeon"}, 400, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": 256}, 400, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": -1}, 400, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": []}, 400, "HTTPBadRequest"),
    ({"port_range_min": 1, "port_range_max": 2}, 400, "SecurityGroupProtocolRequiredWithPorts"),
    ({"protocol": "tcp", "port_range_min": 3, "port_range_max": 2}, 400, "SecurityGroupInvalidPortRange"),
    ({"protocol": "tcp", "port_range_min": 3}, 400, "SecurityGroupInvalidPortRange"),
    ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 2}, 400, "SecurityGroupInvalidPortValue"),
    ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, 400, "SecurityGroupInvalidPortValue"),
    ({"protocol": "tcp", "port_range_min": "x", "port_range_max": 2}, 400, "SecurityGroupInvalidPortValue"),
    ({"protocol": "tcp", "port_range_min": 1, "port_range_max": "1" * 40}, 400, "SecurityGroupInvalidPortValue"),
    ({"protocol": "esp", "port_range_min": 1, "port_range_max": 2}, 400, "SecurityGroupInvalidProtocolForPort"),
    ({"protocol": "icmp", "port_range_min": 256}, 400, "SecurityGroupInvalidIcmpValue"),
    ({"protocol": "icmp", "port_range_max": 3}, 400, "SecurityGroupMissingIcmpType"),
    ({"protocol": "ipv6-icmp"}, 400, "SecurityGroupEthertypeConflictWithProtocol"),
    ({"remote_ip_prefix": "x"}, 400, "InvalidCIDR"),
    ({"remote_ip_prefix": "fd00::/64"}, 400, "SecurityGroupRuleParameterConflict"),
    ({"remote_group_id": NOWHERE}, 404, "SecurityGroupNotFound"),
    ({"remote_address_group_id": NOWHERE}, 400, "HTTPBadRequest"),
    ({"colour": "red"}, 400, "HTTPBadRequest"),
    ({"tenant_id": "another"}, 403, "HTTPForbidden"),
]


@pytest.mark.parametrize(("values", "status", "kind"), BAD)
async def test_a_rule_that_cannot_be_is_refused(member: Neutron, group: Json, values: Json, status: int, kind: str) -> None:
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"} | values}
    assert refusal(await member.request("POST", "/security-group-rules", body)) == (status, kind)
    assert len((await member.show("security_group", group["id"]))["security_group_rules"]) == 2


async def test_a_rule_names_addresses_or_a_group_not_both(member: Neutron, group: Json) -> None:
    body = {"security_group_id": group["id"], "direction": "ingress", "remote_group_id": group["id"], "remote_ip_prefix": "10.0.0.0/24"}
    answer = await member.request("POST", "/security-group-rules", {"security_group_rule": body})
    assert refusal(answer) == (400, "SecurityGroupMultipleRemoteEntites")


async def test_rules_cannot_be_changed(member: Neutron, group: Json) -> None:
    made = await rule(member, group)
    assert (await member.request("PUT", f"/security-group-rules/{made['id']}", {"security_group_rule": {}})).status == 405


async def test_a_rule_of_the_default_group_says_so(member: Neutron) -> None:
    group = await member.default_group()
    assert (await rule(member, group, protocol="tcp"))["belongs_to_default_sg"] is True


async def test_rules_go_with_the_group_that_they_name(member: Neutron, group: Json) -> None:
    other = await member.create("security-groups", name="other")
    made = await rule(member, group, remote_group_id=other["id"])
    assert (await member.request("DELETE", f"/security-groups/{other['id']}")).status == 204
    assert (await member.request("GET", f"/security-group-rules/{made['id']}")).status == 404


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron, group: Json) -> None:
    made = await rule(member, group, protocol="tcp")
    path, body = f"/security-group-rules/{made['id']}", {"security_group_rule": {"security_group_id": group["id"], "direction": "egress"}}
    assert (await reader.show("security_group_rule", made["id"]))["id"] == made["id"]
    for user in (reader, stranger):
        assert refusal(await user.request("POST", "/security-group-rules", body)) == (403, "PolicyNotAuthorized")
    assert refusal(await reader.request("DELETE", path)) == (403, "PolicyNotAuthorized")
    assert refusal(await stranger.request("GET", path)) == (404, "SecurityGroupRuleNotFound")
    assert refusal(await stranger.request("DELETE", path)) == (404, "SecurityGroupRuleNotFound")
    foreign = await stranger.create("security-groups", name="foreign")
    mine = {"security_group_id": group["id"], "direction": "ingress", "remote_group_id": foreign["id"]}
    assert refusal(await member.request("POST", "/security-group-rules", {"security_group_rule": mine})) == (404, "SecurityGroupNotFound")
    assert (await admin.request("DELETE", path)).status == 204


def test_the_key_of_a_rule_ignores_how_it_is_written() -> None:
    blank = dict.fromkeys((*rule_forms.COMPARED, "protocol", "remote_ip_prefix"))
    assert rule_forms.key(blank | {"protocol": "tcp"}) == rule_forms.key(blank | {"protocol": "6"})
    assert rule_forms.key(blank | {"remote_ip_prefix": "::/0"}) == rule_forms.key(blank)
    assert rule_forms.key(blank | {"remote_ip_prefix": "10.0.0.0/8"}) != rule_forms.key(blank)
