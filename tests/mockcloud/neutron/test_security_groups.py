"""Security groups over REST."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import Neutron, refusal, words


async def test_each_project_has_a_default_group_from_its_first_look(reader: Neutron, stranger: Neutron) -> None:
    for user in (reader, stranger):
        (group,) = (await user.get("/security-groups"))["security_groups"]
        assert (group["name"], group["description"], group["stateful"], group["shared"]) == (
            "default",
            "Default security group",
            True,
            False,
        )
        assert group["project_id"] == user.project_id
        rules = {(rule["direction"], rule["ethertype"], rule["remote_group_id"]) for rule in group["security_group_rules"]}
        assert rules == {(d, e, group["id"] if d == "ingress" else None) for d in ("ingress", "egress") for e in ("IPv4", "IPv6")}
        assert all(rule["belongs_to_default_sg"] for rule in group["security_group_rules"])


async def test_there_is_one_default_group_however_many_ask(member: Neutron) -> None:
    await member.get("/networks")
    await asyncio.gather(*(member.get("/security-groups") for _ in range(8)))
    assert len((await member.get("/security-groups", name="default"))["security_groups"]) == 1


async def test_a_new_group_lets_everything_out(member: Neutron) -> None:
    made = await member.create("security-groups", name="web", description="d")
    assert (made["name"], made["description"], made["stateful"]) == ("web", "d", True)
    rules = {(rule["direction"], rule["ethertype"], rule["protocol"]) for rule in made["security_group_rules"]}
    assert rules == {("egress", "IPv4", None), ("egress", "IPv6", None)}
    changed = await member.update("security_group", made["id"], name="www", description="")
    assert (changed["name"], changed["description"], len(changed["security_group_rules"])) == ("www", "", 2)
    assert (await member.request("DELETE", f"/security-groups/{made['id']}")).status == 204
    assert refusal(await member.request("DELETE", f"/security-groups/{made['id']}")) == (404, "SecurityGroupNotFound")
    assert (await member.get("/security-group-rules", security_group_id=made["id"]))["security_group_rules"] == []


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"name": "default"}, 409, "SecurityGroupDefaultAlreadyExists"),
        ({"name": "DEFAULT"}, 409, "SecurityGroupDefaultAlreadyExists"),
        ({"name": "n" * 256}, 400, "HTTPBadRequest"),
        ({"name": None}, 400, "HTTPBadRequest"),
        ({"name": "g", "stateful": "perhaps"}, 400, "HTTPBadRequest"),
        ({"name": "g", "colour": "red"}, 400, "HTTPBadRequest"),
        ({"name": "g", "security_group_rules": []}, 400, "HTTPBadRequest"),
        ({"name": "g", "tenant_id": "another"}, 403, "HTTPForbidden"),
    ],
)
async def test_a_group_that_cannot_be_is_refused(member: Neutron, values: dict[str, Any], status: int, kind: str) -> None:
    assert refusal(await member.request("POST", "/security-groups", {"security_group": values})) == (status, kind)
    assert [group["name"] for group in (await member.get("/security-groups"))["security_groups"]] == ["default"]


async def test_two_groups_may_share_a_name(member: Neutron) -> None:
    one, other = await member.create("security-groups", name="g"), await member.create("security-groups", name="g")
    assert one["id"] != other["id"]


async def test_the_default_group_keeps_its_name_and_stays_for_members(member: Neutron, admin: Neutron) -> None:
    group = await member.default_group()
    path = f"/security-groups/{group['id']}"
    renamed = await member.request("PUT", path, {"security_group": {"name": "other"}})
    assert refusal(renamed) == (409, "SecurityGroupCannotUpdateDefault")
    assert (await member.update("security_group", group["id"], description="d"))["description"] == "d"
    assert refusal(await member.request("DELETE", path)) == (409, "SecurityGroupCannotRemoveDefault")
    assert (await admin.request("DELETE", path)).status == 204
    assert (await member.default_group())["id"] != group["id"]


async def test_a_group_that_ports_have_stays_as_it_is(member: Neutron) -> None:
    group = await member.create("security-groups", name="g")
    network = await member.network()
    port = await member.port(network["id"], security_groups=[group["id"]])
    path = f"/security-groups/{group['id']}"
    answer = await member.request("DELETE", path)
    assert refusal(answer) == (409, "SecurityGroupInUse")
    assert words(answer) == f"Security Group {group['id']} in use."
    assert refusal(await member.request("PUT", path, {"security_group": {"stateful": False}})) == (409, "SecurityGroupInUse")
    await member.request("DELETE", f"/ports/{port['id']}")
    assert (await member.update("security_group", group["id"], stateful=False))["stateful"] is False


async def test_who_may_what(member: Neutron, reader: Neutron, stranger: Neutron, admin: Neutron) -> None:
    group = await member.create("security-groups", name="g")
    path = f"/security-groups/{group['id']}"
    assert (await reader.show("security_group", group["id"]))["name"] == "g"
    assert refusal(await reader.request("POST", "/security-groups", {"security_group": {"name": "x"}})) == (403, "PolicyNotAuthorized")
    for method in ("PUT", "DELETE"):
        assert refusal(await reader.request(method, path, {"security_group": {"name": "x"}})) == (403, "PolicyNotAuthorized")
        assert refusal(await stranger.request(method, path, {"security_group": {"name": "x"}})) == (404, "SecurityGroupNotFound")
    assert refusal(await stranger.request("GET", path)) == (404, "SecurityGroupNotFound")
    found = (await admin.get("/security-groups", project_id=member.project_id, fields=["id", "name"]))["security_groups"]
    assert {"id": group["id"], "name": "g"} in found
