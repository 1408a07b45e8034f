"""Flavors: who sees which, at which version in which form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.mockcloud.nova.nova_user import Nova, refusal

BIG = {"name": "big", "ram": 1024, "vcpus": 2, "disk": 10}


async def _flavor(admin: Nova, **values: Any) -> Any:
    return (await admin.post("/flavors", {"flavor": {**BIG, **values}}))["flavor"]


async def test_everybody_lists_the_public_flavors_by_id(member: Nova) -> None:
    found = (await member.get("/flavors"))["flavors"]
    assert [f["id"] for f in found] == ["1", "2", "3", "4", "42", "5"]
    assert set(found[0]) == {"id", "name", "description", "links"}
    assert [link["rel"] for link in found[0]["links"]] == ["self", "bookmark"]
    assert found[0]["links"][0]["href"].endswith("/compute/v2.1/flavors/1")
    assert found[0]["links"][1]["href"].endswith("/compute/flavors/1")


async def test_the_details_have_the_sizes(member: Nova) -> None:
    found = {f["name"]: f for f in (await member.get("/flavors/detail"))["flavors"]}
    small = found["m1.small"]
    assert (small["ram"], small["vcpus"], small["disk"], small["swap"], small["OS-FLV-EXT-DATA:ephemeral"]) == (2048, 1, 20, 0, 0)
    assert small["os-flavor-access:is_public"] is True


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("2.1", {"rxtx_factor", "OS-FLV-DISABLED:disabled"}, {"description", "extra_specs"}),
        ("2.54", {"rxtx_factor"}, {"description", "extra_specs"}),
        ("2.55", {"description"}, {"extra_specs"}),
        ("2.60", {"description"}, {"extra_specs"}),
        ("2.61", {"description", "extra_specs"}, set()),
        ("2.101", {"rxtx_factor", "OS-FLV-DISABLED:disabled", "extra_specs"}, set()),
        ("2.102", {"extra_specs"}, {"rxtx_factor", "OS-FLV-DISABLED:disabled"}),
    ],
)
async def test_a_flavor_has_what_its_version_knows(member: Nova, version: str, has: set[str], lacks: set[str]) -> None:
    shown = (await member.get("/flavors/1", version))["flavor"]
    assert has <= set(shown)
    assert not lacks & set(shown)
    assert set((await member.get("/flavors/detail", version))["flavors"][0]) == set(shown)


@pytest.mark.parametrize(("version", "swap"), [("2.74", ""), ("2.75", 0)])
async def test_no_swap_is_an_empty_text_until_2_74(member: Nova, version: str, swap: Any) -> None:
    assert (await member.get("/flavors/1", version))["flavor"]["swap"] == swap


async def test_a_new_flavor_is_there_until_it_is_deleted(admin: Nova, member: Nova) -> None:
    made = await _flavor(admin, id="auto.1", description="for tests", swap="512", **{"OS-FLV-EXT-DATA:ephemeral": 5})
    assert (made["id"], made["name"], made["description"], made["swap"], made["extra_specs"]) == ("auto.1", "big", "for tests", 512, {})
    assert (await member.get("/flavors/auto.1"))["flavor"] == made
    answer = await admin.request("DELETE", "/flavors/auto.1")
    assert (answer.status, answer.content) == (202, b"")
    assert refusal(await member.request("GET", "/flavors/auto.1")) == (404, "Flavor auto.1 could not be found.")
    assert refusal(await admin.request("DELETE", "/flavors/auto.1")) == (404, "Flavor auto.1 could not be found.")


@pytest.mark.parametrize("id", [None, "absent"])
async def test_a_flavor_without_an_id_gets_one(admin: Nova, id: str | None) -> None:
    made = await _flavor(admin, **({"id": None} if id is None else {}))
    assert len(made["id"]) == 36


async def test_an_id_may_be_a_number(admin: Nova) -> None:
    assert (await _flavor(admin, id=77))["id"] == "77"


@pytest.mark.parametrize(
    ("values", "message"),
    [({"name": "m1.tiny"}, "Flavor with name m1.tiny already exists."), ({"id": "1"}, "Flavor with ID 1 already exists.")],
)
async def test_an_id_and_a_name_stand_for_one_flavor(admin: Nova, values: dict[str, str], message: str) -> None:
    assert refusal(await admin.request("POST", "/flavors", {"flavor": BIG | values})) == (409, message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": " x"}, "An invalid 'name' value was provided. The name must be: printable characters. "
         "Can not start or end with whitespace."),
        ({"name": ""}, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
        ({"ram": 0}, "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1"),
        ({"ram": "0"}, "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1"),
        ({"vcpus": "two"}, "Invalid input for field/attribute vcpus. Value: two. 'two' does not match '^[0-9]+$'"),
        ({"disk": -1}, "Invalid input for field/attribute disk. Value: -1. -1 is less than the minimum of 0"),
        ({"disk": 2**31}, "2147483648 is greater than the maximum of 2147483647"),
        ({"id": " x"}, "Invalid input for field/attribute id. Value:  x. ' x' does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'"),
        ({"colour": "red"}, "Invalid input for field/attribute flavor. Value: {"),
        ({"rxtx_factor": 1}, "Additional properties are not allowed ('rxtx_factor' was unexpected)"),
    ],
)  # fmt: skip
async def test_a_flavor_that_cannot_be_is_refused(admin: Nova, values: dict[str, Any], message: str) -> None:
    status, said = refusal(await admin.request("POST", "/flavors", {"flavor": BIG | values}))
    assert status == 400
    assert message in said
    assert len((await admin.get("/flavors"))["flavors"]) == 6


@pytest.mark.parametrize("body", [{}, {"flavor": {}}, {"flavor": None}, {"flavor": BIG, "x": 1}, []])
async def test_a_body_that_is_no_flavor_is_refused(admin: Nova, body: Any) -> None:
    assert (await admin.request("POST", "/flavors", body)).status == 400


async def test_the_description_came_with_2_55(admin: Nova) -> None:
    answer = await admin.request("POST", "/flavors", {"flavor": {**BIG, "description": "x"}}, "2.54")
    assert answer.status == 400
    assert (await admin.request("PUT", "/flavors/1", {"flavor": {"description": "x"}}, "2.54")).status == 404
    assert (await admin.request("PUT", "/flavors/1", {"flavor": {"description": "x"}}, "2.55")).json()["flavor"]["description"] == "x"
    assert (await admin.get("/flavors/1"))["flavor"]["description"] == "x"


@pytest.mark.parametrize("body", [{"flavor": {}}, {"flavor": {"description": 5}}, {"flavor": {"name": "x"}}, {}])
async def test_only_the_description_changes(admin: Nova, body: Any) -> None:
    assert (await admin.request("PUT", "/flavors/1", body)).status == 400
    assert (await admin.request("PUT", "/flavors/none", {"flavor": {"description": "x"}})).status == 404


@pytest.mark.parametrize("who", ["member", "reader", "stranger"])
async def test_only_administrators_make_flavors(user: Callable[[str], Nova], who: str) -> None:
    for method, path, body in (
        ("POST", "/flavors", {"flavor": BIG}),
        ("PUT", "/flavors/1", {"flavor": {"description": "x"}}),
        ("DELETE", "/flavors/1", None),
    ):
        status, said = refusal(await user(who).request(method, path, body))
        assert (status, said[:22]) == (403, "Policy doesn't allow o")


async def test_pages_follow_each_other_to_the_end(member: Nova) -> None:
    seen, path = [], "/flavors?limit=4"
    while path:
        found = await member.get(path)
        seen += [f["id"] for f in found["flavors"]]
        following = found.get("flavors_links")
        path = following[0]["href"].split("/v2.1", 1)[1] if following else ""
    assert seen == ["1", "2", "3", "4", "42", "5"]


async def test_the_next_link_keeps_what_was_asked(member: Nova) -> None:
    found = await member.get("/flavors/detail?limit=2&sort_key=memory_mb&sort_dir=desc&minRam=512")
    assert [f["name"] for f in found["flavors"]] == ["m1.xlarge", "m1.large"]
    asked = parse_qs(urlsplit(found["flavors_links"][0]["href"]).query)
    assert asked == {"limit": ["2"], "marker": ["4"], "minRam": ["512"], "sort_dir": ["desc"], "sort_key": ["memory_mb"]}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("minRam=8192", {"m1.large", "m1.xlarge"}),
        ("minDisk=100", {"m1.xlarge"}),
        ("minRam=8192&minDisk=100", {"m1.xlarge"}),
        ("name=^m1.(tiny|nano)$", {"m1.tiny", "m1.nano"}),
        ("limit=0", set()),
        (f"minRam={10**30}", set()),
    ],
)
async def test_flavors_are_chosen_by_size_and_name(member: Nova, query: str, names: set[str]) -> None:
    assert {f["name"] for f in (await member.get(f"/flavors?{query}"))["flavors"]} == names


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("minRam=much", "Invalid minRam filter [much]"),
        ("minDisk=much", "Invalid minDisk filter [much]"),
        ("is_public=maybe", "Invalid is_public filter [maybe]"),
        ("marker=none", "marker [none] not found"),
        ("limit=-1", "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"),
        ("limit=", "Invalid input for query parameters limit. Value: . '' should be non-empty"),
        ("sort_dir=up", "Invalid input for query parameters sort_dir. Value: up. 'up' is not one of ['asc', 'desc']"),
        ("colour=red", "Additional properties are not allowed ('colour' was unexpected)"),
        ("name=(", "Invalid name filter [(]"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(admin: Nova, query: str, message: str) -> None:
    for path in ("/flavors", "/flavors/detail"):
        status, said = refusal(await admin.request("GET", f"{path}?{query}"))
        assert status == 400
        assert message in said


async def test_unknown_queries_are_ignored_until_2_74(member: Nova) -> None:
    assert (await member.request("GET", "/flavors?colour=red", version="2.74")).status == 200
    assert (await member.request("GET", "/flavors?colour=red", version="2.75")).status == 400
    assert (await member.request("GET", "/flavors/1?colour=red", version="2.101")).status == 200
    assert (await member.request("GET", "/flavors/1?colour=red", version="2.102")).status == 400


async def test_private_flavors_are_for_administrators_who_ask(admin: Nova, member: Nova) -> None:
    made = await _flavor(admin, **{"os-flavor-access:is_public": False})
    assert refusal(await member.request("GET", f"/flavors/{made['id']}"))[0] == 404
    for query, count in (("", 6), ("?is_public=false", 1), ("?is_public=none", 7), ("?is_public=true", 6)):
        assert len((await admin.get(f"/flavors{query}"))["flavors"]) == count
    assert len((await member.get("/flavors?is_public=none"))["flavors"]) == 6
