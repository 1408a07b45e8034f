"""The discovery document: where a judge finds evidence."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import jsonschema
import pytest

import specs
from mockcloud.testing.client import client

ADDRESSES = ("/_mockcloud/evidence", "/.well-known/openstack-evidence")
SCHEMA = json.loads((Path(specs.__file__).parent / "evidence-discovery.schema.json").read_text())


def looker(cloud, address: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(cloud.app, client=(address, 4711)), base_url="http://cloud")


async def shown(cloud, address: str = ADDRESSES[0]) -> dict:
    async with looker(cloud) as http:
        answer = await http.get(address)
    assert answer.status_code == 200
    document = answer.json()
    jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(document)
    return document


@pytest.mark.parametrize("address", ADDRESSES)
async def test_the_document_is_shown_without_a_token_at_both_addresses(cloud, address):
    document = await shown(cloud, address)
    assert (document["cloud"], document["dialect"], document["token_cache_time"]) == ("mockcloud", "classic", 0)
    assert document["hosts"] == ["compute1", "compute2", "compute3"]
    assert document["auth_url"] == cloud.urls["keystone"] + "/v3"


async def test_what_it_names_is_there(cloud):
    document = await shown(cloud)
    base = cloud.urls["keystone"]
    async with looker(cloud) as http:
        facts = next(source["url"] for source in document["sources"] if source["kind"] == "facts")
        for url in (facts, document["faults"]["url"], document["control"]["health"], document["control"]["clock"]):
            assert (await http.get(url.removeprefix(base))).status_code == 200, url
        for part, name in (("workers", "compute1"), ("services", "glance")):
            url = document["control"][part].removeprefix(base)
            assert (await http.put(f"{url}/{name}", json={"up": True})).json() == {"name": name, "up": True}
        assert (await http.post(document["control"]["reset"].removeprefix(base))).status_code == 204


@pytest.mark.parametrize("who", ["member", "reader", "stranger", "admin"])
async def test_the_people_it_names_can_log_in(cloud, who):
    person = (await shown(cloud))["people"][who]
    domain = {"name": person["user_domain_name"]}
    user = {"name": person["username"], "domain": domain, "password": person["password"]}
    scope = {"project": {"name": person["project_name"], "domain": {"name": person["project_domain_name"]}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = await client(cloud, "nobody").post("keystone", "/v3/auth/tokens", json=body)
    assert answer.status == 201
    roles = {role["name"] for role in answer.json()["token"]["roles"]}
    assert {"member": "member", "reader": "reader", "stranger": "member", "admin": "admin"}[who] in roles


async def test_people_with_passwords_of_their_own_are_not_named(make_cloud):
    assert "people" not in await shown(await make_cloud(("keystone",), admin_password="another"))


async def test_people_of_a_users_own_seed_are_not_named(make_cloud, tmp_path):
    seed = tmp_path / "seed.yaml"
    seed.write_text("projects: [{name: admin}, {name: service}, {name: demo}]\nusers: [{name: admin, roles: {admin: [admin]}}]\n")
    assert "people" not in await shown(await make_cloud(("keystone",), seed_file=str(seed)))
    seed.write_text("flavors: []\n")
    assert "people" in await shown(await make_cloud(("keystone",), seed_file=str(seed)))


async def test_only_what_is_switched_on_is_listed(make_cloud):
    bare = await shown(await make_cloud(("keystone",), notifications="none"))
    assert [source["kind"] for source in bare["sources"]] == ["facts"]
    talking = await shown(await make_cloud(("keystone",), notifications="versioned"))
    assert {source["kind"]: source.get("formats") for source in talking["sources"]} == {"facts": None, "notifications": ["versioned"]}


async def test_logs_and_traces_are_listed_with_what_reads_them(make_cloud, tmp_path):
    cloud = await make_cloud(("keystone",), log_dir=str(tmp_path), osprofiler_connection_string="memory://", osprofiler_hmac_key="k")
    sources = {source.pop("kind"): source for source in (await shown(cloud))["sources"]}
    assert sources["logs"] == {"path": str(tmp_path)}
    address = sources["osprofiler"]["connection_string"]
    assert sources["osprofiler"]["hmac_key"] == "k"
    async with looker(cloud) as http:
        assert (await http.get(f"{address.removeprefix(cloud.urls['keystone'])}/some-trace")).json()["children"] == []
    elsewhere = await make_cloud(("keystone",), osprofiler_connection_string="redis://127.0.0.1:1")
    assert {"kind": "osprofiler", "connection_string": "redis://127.0.0.1:1", "hmac_key": "SECRET_KEY"} in (await shown(elsewhere))[
        "sources"
    ]


@pytest.mark.parametrize("address", ADDRESSES)
async def test_it_is_for_loopback_as_all_that_it_points_to(cloud, address):
    async with looker(cloud, "192.0.2.7") as http:
        assert (await http.get(address)).status_code == 403


@pytest.mark.parametrize("document", [
    {}, {"cloud": "x"}, {"cloud": "x", "sources": [{"kind": "tarot"}]}, {"cloud": "x", "sources": [{"kind": "facts"}]},
    {"cloud": "x", "sources": [{"kind": "amqp", "url": "http://x"}]}, {"cloud": "x", "sources": [{"kind": "logs"}]},
    {"cloud": "x", "sources": [{"kind": "osprofiler", "connection_string": "redis://x"}]},
    {"cloud": "x", "sources": [], "people": {"queen": {"username": "a", "password": "b", "project_name": "c"}}},
])  # fmt: skip
def test_the_schema_refuses_what_no_reader_could_use(document):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
