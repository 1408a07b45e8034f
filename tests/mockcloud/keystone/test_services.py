"""Services, endpoints and regions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import Keystone, error_of

REGION = "RegionOne"


async def test_a_service_is_made_shown_listed_changed_and_deleted_with_its_endpoints(keystone: Keystone) -> None:
    made = await keystone.made("service", type="object-store", name="swift")
    path = f"/v3/services/{made['id']}"
    endpoint = await keystone.made("endpoint", service_id=made["id"], interface="public", url="http://swift/v1", region_id=REGION)
    assert (await keystone.admin.get("keystone", path)).json()["service"] == made
    assert (await keystone.admin.get("keystone", "/v3/services?type=object-store")).json()["services"] == [made]
    assert (await keystone.admin.get("keystone", "/v3/services?name=swift")).json()["services"] == [made]
    changed = await keystone.admin.patch("keystone", path, json={"service": {"enabled": False}})
    assert changed.json()["service"] == made | {"enabled": False}
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.get("keystone", path)) == (404, f"Could not find service: {made['id']}.")
    assert error_of(await keystone.admin.get("keystone", f"/v3/endpoints/{endpoint['id']}"))[0] == 404


async def test_an_endpoint_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    service = keystone.id("service", "image")
    made = await keystone.made("endpoint", service_id=service, interface="public", url="http://glance", region_id=REGION)
    assert (made["region"], made["region_id"], made["enabled"]) == (REGION, REGION, True)
    path = f"/v3/endpoints/{made['id']}"
    assert (await keystone.admin.get("keystone", path)).json()["endpoint"] == made
    listed = (await keystone.admin.get("keystone", f"/v3/endpoints?service_id={service}&interface=public&region_id={REGION}")).json()
    assert made in listed["endpoints"]
    assert len(listed["endpoints"]) == 2
    changed = await keystone.admin.patch("keystone", path, json={"endpoint": {"url": "http://glance:9292"}})
    assert changed.json()["endpoint"] == made | {"url": "http://glance:9292"}
    assert (await keystone.admin.delete("keystone", path)).status == 204
    assert error_of(await keystone.admin.delete("keystone", path)) == (404, f"Could not find endpoint: {made['id']}.")


async def test_the_old_attribute_region_makes_the_region(keystone: Keystone) -> None:
    made = await keystone.made("endpoint", service_id=keystone.id("service", "image"), interface="public", url="http://x", region="New")
    assert made["region_id"] == "New"
    assert (await keystone.admin.get("keystone", "/v3/regions/New")).status == 200


async def test_a_region_is_made_shown_listed_changed_and_deleted(keystone: Keystone) -> None:
    made = await keystone.made("region", id="Two", description="second")
    assert made["parent_region_id"] is None
    child = (await keystone.admin.put("keystone", "/v3/regions/Three", json={"region": {"parent_region_id": "Two"}})).json()["region"]
    assert (child["id"], child["parent_region_id"]) == ("Three", "Two")
    assert (await keystone.member.get("keystone", "/v3/regions/Two")).json()["region"] == made
    assert (await keystone.member.get("keystone", "/v3/regions?parent_region_id=Two")).json()["regions"] == [child]
    changed = await keystone.admin.patch("keystone", "/v3/regions/Two", json={"region": {"description": "zwei"}})
    assert changed.json()["region"] == made | {"description": "zwei"}
    loop = await keystone.admin.patch("keystone", "/v3/regions/Two", json={"region": {"parent_region_id": "Three"}})
    assert error_of(loop)[0] == 400
    assert (await keystone.admin.delete("keystone", "/v3/regions/Two")).status == 204
    for gone in ("Two", "Three"):
        assert error_of(await keystone.admin.get("keystone", f"/v3/regions/{gone}")) == (404, f"Could not find region: {gone}.")


async def test_a_region_without_an_id_gets_one(keystone: Keystone) -> None:
    assert len((await keystone.made("region"))["id"]) == 32


async def test_a_region_in_use_stays(keystone: Keystone) -> None:
    assert error_of(await keystone.admin.delete("keystone", f"/v3/regions/{REGION}"))[0] == 403


IMAGE = {"service_id": "?", "interface": "public", "url": "http://x"}


@pytest.mark.parametrize(
    ("kind", "given", "status"),
    [
        ("service", {}, 400),
        ("service", {"type": ""}, 400),
        ("service", {"type": "x" * 256}, 400),
        ("service", {"type": "a", "enabled": "yes"}, 400),
        ("endpoint", {}, 400),
        ("endpoint", IMAGE | {"interface": "secret"}, 400),
        ("endpoint", IMAGE | {"url": ""}, 400),
        ("endpoint", IMAGE | {"url": "no url"}, 400),
        ("endpoint", IMAGE | {"url": "http://x/%(unknown)s"}, 400),
        ("endpoint", IMAGE | {"url": "http://x/%(project_id)"}, 400),
        ("endpoint", IMAGE | {"service_id": "unknown"}, 400),
        ("endpoint", IMAGE | {"region_id": "unknown"}, 400),
        ("region", {"id": REGION}, 409),
        ("region", {"id": "x" * 256}, 400),
        ("region", {"parent_region_id": "unknown"}, 404),
    ],
)
async def test_bad_parts_of_a_catalog_are_refused(keystone: Keystone, kind: str, given: Any, status: int) -> None:
    if given.get("service_id") == "?":
        given = given | {"service_id": keystone.id("service", "image")}
    before = (await keystone.admin.get("keystone", f"/v3/{kind}s")).json()
    assert error_of(await keystone.admin.post("keystone", f"/v3/{kind}s", json={kind: given}))[0] == status
    assert (await keystone.admin.get("keystone", f"/v3/{kind}s")).json() == before


@pytest.mark.parametrize("kind", ["service", "endpoint", "region"])
async def test_the_catalog_is_the_admin_s(keystone: Keystone, kind: str) -> None:
    for method, path, body in (
        ("POST", "", {kind: {"type": "x"} | IMAGE}), ("PATCH", "/x", {kind: {"description": "x"}}), ("DELETE", "/x", None),
    ):  # fmt: skip
        assert error_of(await keystone.member.request("keystone", method, f"/v3/{kind}s{path}", json=body))[0] == 403
    if kind != "region":
        for path in ("", "/x"):
            assert error_of(await keystone.member.get("keystone", f"/v3/{kind}s{path}"))[0] == 403


async def test_a_url_id_and_another_in_the_body_conflict(keystone: Keystone) -> None:
    assert error_of(await keystone.admin.put("keystone", "/v3/regions/A", json={"region": {"id": "B"}}))[0] == 400
