"""Tags, alike on every resource that has them."""

from __future__ import annotations

import pytest

from tests.mockcloud.neutron.conftest import NOWHERE, Neutron, refusal

TAGGED = ("networks", "subnets", "ports", "security-groups", "routers", "floatingips")


@pytest.fixture
async def places(member: Neutron) -> dict[str, str]:
    """The tags' path of one resource of each kind."""
    network = await member.network()
    subnet = await member.subnet(network["id"])
    port = await member.port(network["id"])
    group = await member.create("security-groups", name="g")
    router = await member.create("routers")
    (public,) = (await member.get("/networks", name="public"))["networks"]
    floating = await member.create("floatingips", floating_network_id=public["id"])
    made = zip(TAGGED, (network, subnet, port, group, router, floating), strict=True)
    return {plural: f"/{plural}/{one['id']}/tags" for plural, one in made}


@pytest.mark.parametrize("plural", TAGGED)
async def test_tags_come_and_go(member: Neutron, places: dict[str, str], plural: str) -> None:
    path = places[plural]
    assert (await member.request("PUT", f"{path}/red")).status == 201
    assert (await member.request("PUT", f"{path}/red")).status == 201
    assert (await member.request("GET", f"{path}/red")).status == 204
    assert (await member.request("POST", path, {"tags": ["blue", "red"]})).status == 201
    assert (await member.get(path)) == {"tags": ["red", "blue"]}
    assert (await member.request("DELETE", f"{path}/red")).status == 204
    assert refusal(await member.request("DELETE", f"{path}/red")) == (404, "TagNotFound")
    assert refusal(await member.request("GET", f"{path}/red")) == (404, "TagNotFound")
    assert (await member.request("PUT", path, {"tags": ["green"]})).json() == {"tags": ["green"]}
    assert (await member.request("DELETE", path)).status == 204
    assert (await member.get(path)) == {"tags": []}


@pytest.mark.parametrize("plural", TAGGED)
async def test_tags_follow_the_resources_rights(
    member: Neutron, reader: Neutron, stranger: Neutron, places: dict[str, str], plural: str
) -> None:
    path = places[plural]
    assert (await reader.get(path)) == {"tags": []}
    assert refusal(await reader.request("PUT", f"{path}/red")) == (403, "PolicyNotAuthorized")
    assert (await stranger.request("PUT", f"{path}/red")).status == 404
    assert (await member.request("GET", path.replace(path.split("/")[2], NOWHERE))).status == 404
    for body in ({"tags": "red"}, {"tags": ["a", "a"]}, {"tags": ["x" * 256]}, {}, {"tags": [1]}, {"tags": [f"t{n}" for n in range(51)]}):
        assert (await member.request("PUT", path, body)).status == 400
    assert (await member.get(path)) == {"tags": []}


async def test_lists_filter_by_tags(member: Neutron) -> None:
    for name, tags in (("one", ["a"]), ("two", ["a", "b"]), ("three", [])):
        made = await member.network(name=name, description="tagged")
        await member.request("PUT", f"/networks/{made['id']}/tags", {"tags": tags})
    for query, found in (
        ({"tags": "a"}, {"one", "two"}),
        ({"tags": "a,b"}, {"two"}),
        ({"tags-any": "a,b"}, {"one", "two"}),
        ({"not-tags": "a,b"}, {"one", "three"}),
        ({"not-tags-any": "b,c"}, {"one", "three"}),
    ):
        listed = await member.get("/networks", description="tagged", **query)
        assert {network["name"] for network in listed["networks"]} == found, query
