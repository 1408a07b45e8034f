"""Asking for a microversion, and what the answer says of it."""

from __future__ import annotations

import pytest

from mockcloud.http.errors import BadRequest, NotAcceptable
from mockcloud.http.microversion import Microversions
from mockcloud.testing.client import client
from specs import document

PATHS = {"nova": "/v2.1/servers/absent/action", "cinder": "/v3/volumes", "placement": "/traits"}
NEWEST = {name: document(name)["x-service"]["microversion"]["max"] for name in PATHS}
OLDEST = {name: document(name)["x-service"]["microversion"]["min"] for name in PATHS}
HEADER = {"nova": "compute", "cinder": "volume", "placement": "placement"}
COMPUTE = Microversions("compute", (2, 1), (2, 104))


async def answered(as_, service, headers):
    return await as_("member").get(service, PATHS[service], headers=headers)


@pytest.mark.parametrize("service", PATHS)
async def test_without_a_header_the_oldest_version_answers(as_, service):
    answer = await answered(as_, service, {})
    assert answer.headers["openstack-api-version"] == f"{HEADER[service]} {OLDEST[service]}"


@pytest.mark.parametrize("service", PATHS)
@pytest.mark.parametrize("asked", ["latest", "LATEST"])
async def test_latest_is_the_newest(as_, service, asked):
    answer = await answered(as_, service, {"OpenStack-API-Version": f"{HEADER[service]} {asked}"})
    assert answer.headers["openstack-api-version"] == f"{HEADER[service]} {NEWEST[service]}"
    assert "OpenStack-API-Version" in answer.headers["vary"]


async def test_one_header_may_name_a_version_for_each_of_several_services(as_):
    headers = {"OpenStack-API-Version": "volume 3.40, compute 2.50,placement 1.10"}
    said = [(await answered(as_, service, headers)).headers["openstack-api-version"] for service in PATHS]
    assert said == ["compute 2.50", "volume 3.40", "placement 1.10"]


async def test_a_version_for_another_service_means_nothing_here(as_):
    answer = await answered(as_, "cinder", {"OpenStack-API-Version": "compute 2.50"})
    assert answer.headers["openstack-api-version"] == f"volume {OLDEST['cinder']}"


async def test_nova_knows_its_old_header_and_answers_in_both(as_):
    answer = await answered(as_, "nova", {"X-OpenStack-Nova-API-Version": "2.50"})
    assert answer.headers["x-openstack-nova-api-version"] == "2.50"
    assert answer.headers["openstack-api-version"] == "compute 2.50"
    assert answer.headers["vary"] == "OpenStack-API-Version, X-OpenStack-Nova-API-Version"


async def test_the_new_header_wins_over_the_old_one(as_):
    answer = await answered(as_, "nova", {"X-OpenStack-Nova-API-Version": "2.50", "OpenStack-API-Version": "compute 2.60"})
    assert answer.headers["x-openstack-nova-api-version"] == "2.60"


@pytest.mark.parametrize("service", PATHS)
@pytest.mark.parametrize("asked", ["9", "2.x", "2.1.1", "2.", ""])
async def test_a_version_that_is_none_is_400(as_, service, asked):
    answer = await answered(as_, service, {"OpenStack-API-Version": f"{HEADER[service]} {asked}"})
    assert answer.status == 400


@pytest.mark.parametrize("service", PATHS)
@pytest.mark.parametrize("asked", ["1.999", "99.0"])
async def test_a_version_outside_the_range_is_406_and_named(as_, service, asked):
    answer = await answered(as_, service, {"OpenStack-API-Version": f"{HEADER[service]} {asked}"})
    assert answer.status == 406
    assert asked in answer.message()
    assert answer.headers.get("openstack-api-version") == (None if service == "placement" else f"{HEADER[service]} {asked}")


async def test_placement_names_the_range_in_its_refusal(as_):
    (error,) = (await answered(as_, "placement", {"OpenStack-API-Version": "placement 9.9"})).json()["errors"]
    assert (error["min_version"], error["max_version"]) == (OLDEST["placement"], NEWEST["placement"])


@pytest.mark.parametrize("service", ["keystone", "glance", "neutron"])
async def test_services_without_microversions_ignore_the_header(as_, service):
    path = {"keystone": "/v3", "glance": "/v2/images", "neutron": "/v2.0/networks"}[service]
    answer = await as_("member").get(service, path, headers={"OpenStack-API-Version": f"{service} nonsense"})
    assert answer.status == 200
    assert "openstack-api-version" not in answer.headers


async def test_an_operation_outside_its_versions_is_not_found(as_):
    admin = as_("admin")
    assert (await admin.get("placement", "/traits", version="1.5")).status == 404
    assert (await admin.get("placement", "/traits", version="1.6")).status == 200


async def test_a_property_outside_its_versions_is_neither_taken_nor_given(cloud):
    member = client(cloud, "member")
    made = (await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]
    seen = {v: (await member.get("cinder", f"/v3/volumes/{made['id']}", version=v)).json()["volume"] for v in ("3.12", "3.13", "3.63")}
    assert ["group_id" in seen[v] for v in seen] == [False, True, True]
    assert ["volume_type_id" in seen[v] for v in seen] == [False, False, True]


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({}, (2, 1)),
        ({"openstack-api-version": "compute 2.9"}, (2, 9)),
        ({"openstack-api-version": "COMPUTE 2.10"}, (2, 10)),
        ({"openstack-api-version": "volume 3.1 , compute latest"}, (2, 104)),
        ({"x-openstack-nova-api-version": " 2.3 "}, (2, 3)),
    ],
)
def test_negotiation(headers, version):
    assert COMPUTE.negotiate(headers) == version


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("2.105", NotAcceptable),
        ("2.0", NotAcceptable),
        ("1.5", NotAcceptable),
        ("two", BadRequest),
        ("2.9 9", BadRequest),
        ("2.01", BadRequest),
        ("02.1", BadRequest),
        ("0.1", BadRequest),
        ("-2.1", BadRequest),
    ],
)
def test_negotiation_that_fails(asked, error):
    with pytest.raises(error):
        COMPUTE.negotiate({"openstack-api-version": f"compute {asked}"})
