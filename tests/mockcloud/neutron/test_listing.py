"""What all of neutron's lists can do: filters, fields, order, pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Neutron, refusal, words

NAMES = ("a", "b", "c", "d", "e")
ALL = ("networks", "subnets", "ports", "security-groups", "security-group-rules", "routers", "floatingips")


@pytest.fixture
async def five(member: Neutron) -> list[dict[str, Any]]:
    return [await member.network(name=name, description="five", admin_state_up=name != "c") for name in NAMES]


async def names(user: Neutron, **params: Any) -> list[str]:
    return [found["name"] for found in (await user.get("/networks", **params))["networks"]]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"name": "b"}, ["b"]),
        ({"name": ["b", "d"], "sort_key": "name", "sort_dir": "asc"}, ["b", "d"]),
        ({"description": "five", "admin_state_up": "False"}, ["c"]),
        ({"description": "five", "admin_state_up": "false", "name": "a"}, []),
        ({"description": "five", "mtu": "1450", "sort_key": "name", "sort_dir": "desc"}, ["e", "d", "c", "b", "a"]),
        ({"description": "five", "mtu": "large"}, []),
        ({"description": "five", "changed_since": "2999-01-01T00:00:00Z"}, []),
        ({"description": "five", "mtu": "1" * 40}, []),
        ({"name": "a", "limit": "1" * 40}, ["a"]),
        ({"id": NOWHERE}, []),
    ],
)
async def test_a_list_filters_and_sorts_by_attributes(
    member: Neutron, five: list[dict[str, Any]], params: dict[str, Any], found: list[str]
) -> None:
    assert await names(member, **params) == found


async def test_project_and_tenant_are_the_same_filter(member: Neutron, admin: Neutron, five: list[dict[str, Any]]) -> None:
    for name in ("project_id", "tenant_id"):
        assert set(await names(admin, **{name: member.project_id})) >= set(NAMES)
        assert "a" not in await names(admin, **{name: admin.project_id})


async def test_fields_choose_what_is_shown(member: Neutron, five: list[dict[str, Any]]) -> None:
    found = await member.get("/networks", name="a", fields=["id", "name"])
    assert found["networks"] == [{"id": five[0]["id"], "name": "a"}]
    assert (await member.get(f"/networks/{five[0]['id']}", fields="segments"))["network"] == {}


async def test_fields_are_found_wherever_they_come_from(member: Neutron) -> None:
    network = await member.network()
    await member.subnet(network["id"])
    whole = await member.port(network["id"], name="p")
    for fields in (["name"], ["tenant_id", "created_at"], ["fixed_ips"], ["mac_address", "fixed_ips"], ["id", "binding:vnic_type"]):
        for found in (
            (await member.get("/ports", name="p", fields=fields))["ports"][0],
            (await member.get(f"/ports/{whole['id']}", fields=fields))["port"],
        ):
            assert found == {name: whole[name] for name in fields}
    (group,) = (await member.get("/security-groups", fields=["name", "security_group_rules"]))["security_groups"]
    assert (group["name"], len(group["security_group_rules"])) == ("default", 4)


async def test_pages_lead_through_the_whole_list_and_back(member: Neutron, five: list[dict[str, Any]]) -> None:
    first = await member.get("/networks", description="five", sort_key="name", sort_dir="asc", limit=2)
    assert [one["name"] for one in first["networks"]] == ["a", "b"]
    rels = {link["rel"]: dict(parse_qsl(urlsplit(link["href"]).query)) for link in first["networks_links"]}
    assert rels["next"]["marker"] == five[1]["id"]
    second = await member.get("/networks", **rels["next"])
    assert [one["name"] for one in second["networks"]] == ["c", "d"]
    third = await member.get("/networks", description="five", sort_key="name", sort_dir="asc", limit=2, marker=five[3]["id"])
    assert [one["name"] for one in third["networks"]] == ["e"]
    assert [link["rel"] for link in third["networks_links"]] == ["previous"]
    back = dict(parse_qsl(urlsplit(third["networks_links"][0]["href"]).query))
    assert back["page_reverse"] == "True"
    assert [one["name"] for one in (await member.get("/networks", **back))["networks"]] == ["c", "d"]


async def test_without_a_limit_there_are_no_pages(member: Neutron, five: list[dict[str, Any]]) -> None:
    for params in ({}, {"limit": "0"}, {"marker": NOWHERE}):
        found = await member.get("/networks", description="five", **params)
        assert (len(found["networks"]), "networks_links" in found) == (5, False)


@pytest.mark.parametrize(
    ("query", "status", "kind", "said"),
    [
        ("colour=red", 400, "HTTPBadRequest", "['colour'] is invalid attribute for filtering"),
        ("created_at=today", 400, "HTTPBadRequest", "['created_at'] is invalid attribute for filtering"),
        ("changed_since=today", 400, "InvalidInput", None),
        ("limit=-1", 400, "BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '-1'."),
        ("limit=many", 400, "BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not 'many'."),
        ("sort_key=name", 400, "HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"),
        ("sort_key=colour&sort_dir=asc", 400, "HTTPBadRequest", "['colour'] is invalid attribute for sort_keys"),
        ("sort_key=tags&sort_dir=asc", 400, "HTTPBadRequest", "['tags'] is invalid attribute for sort_keys"),
        (
            "sort_key=name&sort_dir=up",
            400,
            "HTTPBadRequest",
            "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
        ),
        (f"limit=1&marker={NOWHERE}", 404, "NetworkNotFound", f"Network {NOWHERE} could not be found."),
    ],
)
async def test_a_query_that_means_nothing_is_refused(member: Neutron, query: str, status: int, kind: str, said: str | None) -> None:
    answer = await member.request("GET", f"/networks?{query}")
    assert refusal(answer) == (status, kind)
    assert said is None or words(answer) == said


@pytest.mark.parametrize("plural", ALL)
async def test_every_list_is_empty_or_full_without_a_complaint(member: Neutron, stranger: Neutron, plural: str) -> None:
    for user in (member, stranger):
        assert list(await user.get(f"/{plural}", limit=1000, fields="id"))
        assert (await user.request("GET", f"/{plural}/")).status == 200


@pytest.mark.parametrize("plural", ALL)
async def test_what_is_not_there_is_not_found(member: Neutron, plural: str) -> None:
    kind = {
        "networks": "NetworkNotFound", "subnets": "SubnetNotFound", "ports": "PortNotFound", "security-groups": "SecurityGroupNotFound",
        "security-group-rules": "SecurityGroupRuleNotFound", "routers": "RouterNotFound", "floatingips": "FloatingIPNotFound",
    }[plural]  # fmt: skip
    for id_ in (NOWHERE, "not-a-uuid"):
        assert refusal(await member.request("GET", f"/{plural}/{id_}")) == (404, kind)
        assert refusal(await member.request("DELETE", f"/{plural}/{id_}")) == (404, kind)


async def test_nobody_gets_in_without_a_token(user: Any) -> None:
    for method, path in (("GET", "/networks"), ("POST", "/ports"), ("GET", "/nothing")):
        assert (await user("nobody").request(method, path)).status == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"network"', b"{}", b'{"network": null}', b'{"network": []}', b'{"nets": {}}'])
async def test_a_body_that_is_none_is_a_bad_request(member: Neutron, body: bytes) -> None:
    answer = await member.request("POST", "/networks", content=body)
    assert answer.status == 400
    assert set(answer.json()["NeutronError"]) == {"type", "message", "detail"}
