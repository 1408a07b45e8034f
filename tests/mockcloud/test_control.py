"""The control endpoint: what an operator sees and does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from mockcloud.faults import KINDS
from mockcloud.testing.client import client


@pytest.fixture
async def operator(cloud) -> AsyncIterator[httpx.AsyncClient]:
    """A client on loopback."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cloud.app), base_url="http://cloud/_mockcloud") as made:
        yield made


def facts(answer: httpx.Response) -> list[dict]:
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_health_names_every_part_and_says_when_one_is_down(operator):
    health = (await operator.get("/health")).json()
    assert (health["status"], health["down"], health["violations"]) == ("ok", [], 0)
    assert set(health["urls"]) == {"keystone", "nova", "glance", "neutron", "cinder", "placement"}
    assert {"scheduler", "conductor", "compute1", "compute2", "compute3"} <= set(health["workers"])
    await operator.put("/workers/compute1", json={"up": False})
    health = (await operator.get("/health")).json()
    assert (health["status"], health["workers"]["compute1"]) == ("degraded", False)


async def test_reset_leaves_nothing_but_the_seed(cloud, operator):
    member = client(cloud, "member")
    made = await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}})
    assert made.status == 202
    await operator.post("/faults", json={"step": 1, "kind": "fail"})
    await operator.put("/services/glance", json={"up": False})
    assert (await operator.post("/reset")).status_code == 204
    assert (await member.get("cinder", "/v3/volumes")).status == 401, "the tokens are gone as well"
    again = client(cloud, "member")
    assert (await again.get("cinder", "/v3/volumes")).json()["volumes"] == []
    assert (await operator.get("/health")).json()["status"] == "ok"
    assert (await operator.get("/faults")).json()["faults"] == []
    assert again.project_id == member.project_id


async def test_reset_to_another_seed_number_gives_other_ids_to_the_same_names(cloud, operator):
    before = client(cloud, "member").project_id
    await operator.post("/reset", json={"seed": 7})
    member = client(cloud, "member")
    assert member.project_id != before
    projects = (await client(cloud, "admin").get("keystone", "/v3/projects")).json()["projects"]
    assert {project["name"]: project["id"] for project in projects}["demo"] == member.project_id
    assert (await operator.get("/health")).json()["seed"] == 7


async def test_facts_are_one_a_line_in_the_order_of_their_starts_and_without_secrets(cloud, operator):
    await client(cloud, "member").get("cinder", "/v3/volumes")
    found = facts(await operator.get("/facts"))
    assert [fact["id"] for fact in found] == sorted(fact["id"] for fact in found)
    assert {"http.server", "http.client", "db"} <= {fact["kind"] for fact in found}
    text = json.dumps(found)
    assert '"secret"' not in text
    assert "gAAAA" not in text


async def test_facts_can_be_had_by_request_by_kind_and_from_where_one_left_off(cloud, operator):
    member = client(cloud, "member")
    request_id = (await member.get("cinder", "/v3/volumes")).headers["x-openstack-request-id"]
    await member.get("glance", "/v2/images")
    mine = facts(await operator.get("/facts", params={"request_id": request_id}))
    assert {fact["service"] for fact in mine} == {"cinder", "keystone"}, "the validation of the token belongs to it"
    only = facts(await operator.get("/facts", params={"request_id": request_id, "kind": "http.client"}))
    assert {fact["name"] for fact in only} >= {"GET /v3/auth/tokens"}
    last = facts(await operator.get("/facts"))[-1]["id"]
    assert facts(await operator.get("/facts", params={"after": last})) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_each_kind_of_fault_can_be_armed_on_either_side_of_a_step_and_disarmed(operator, kind, when):
    added = await operator.post("/faults", json={"step": 22, "kind": kind, "when": when, "count": None, "seconds": 0.1})
    assert added.status_code == 201
    assert [fault["kind"] for fault in (await operator.get("/faults")).json()["faults"]] == [kind]
    assert (await operator.delete(f"/faults/{added.json()['id']}")).status_code == 204
    assert (await operator.get("/faults")).json()["faults"] == []
    assert (await operator.delete(f"/faults/{added.json()['id']}")).status_code == 404


async def test_a_fault_strikes_and_is_used_up(cloud, operator):
    await operator.post("/faults", json={"step": 1, "kind": "fail"})
    member = client(cloud, "member")
    with pytest.raises(PermissionError, match="500"):
        await member.login()
    await member.login()


async def test_all_faults_go_at_once(operator):
    for step in (1, 2, 28):
        await operator.post("/faults", json={"step": step, "kind": "delay", "seconds": 1})
    assert (await operator.delete("/faults")).status_code == 204
    assert (await operator.get("/faults")).json()["faults"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"step": 29, "kind": "fail"}),
        ("POST", "/faults", {"step": 1, "kind": "explode"}),
        ("POST", "/faults", {"step": 1, "kind": "fail", "when": "during"}),
        ("POST", "/faults", {"step": 1, "kind": "fail", "colour": "red"}),
        ("POST", "/faults", {"step": "one", "kind": "fail"}),
        ("POST", "/faults", {"step": 1, "kind": "delay", "seconds": -1}),
        ("POST", "/faults", {"step": 1, "kind": "fail", "count": 0}),
        ("POST", "/faults", {"kind": "fail"}),
        ("POST", "/faults", []),
        ("POST", "/reset", {"seed": "x"}),
        ("POST", "/reset", {"sed": 1}),
        ("PUT", "/clock", {"speed": 0}),
        ("PUT", "/clock", {"advance": -1}),
        ("PUT", "/clock", {"advance": 1e300}),
        ("PUT", "/clock", {"hands": 2}),
        ("PUT", "/services/nova", {"on": True}),
        ("PUT", "/services/nova", {}),
        ("PUT", "/services/horizon", {"up": True}),
        ("PUT", "/workers/compute99", {"up": True}),
        ("POST", "/images/..%2Fnova/corrupt", None),
        ("POST", "/images/00000000-0000-0000-0000-000000000000/corrupt", None),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence_and_changes_nothing(operator, method, path, body):
    before = ((await operator.get("/faults")).json(), (await operator.get("/health")).json())
    answer = await operator.request(method, path, json=body)
    assert answer.status_code in (400, 404, 422)
    assert answer.json()["detail"]
    assert ((await operator.get("/faults")).json(), (await operator.get("/health")).json()) == before


async def test_advancing_the_clock_past_a_tokens_life_ends_it(cloud, operator):
    member = client(cloud, "member")
    assert (await member.get("cinder", "/v3/volumes")).status == 200
    before = (await operator.get("/clock")).json()["now"]
    assert (await operator.put("/clock", json={"advance": 3601})).json()["now"] > before
    assert (await member.get("cinder", "/v3/volumes")).status == 401


async def test_the_clock_can_be_made_to_run_faster(operator):
    assert (await operator.put("/clock", json={"speed": 100})).json()["speed"] == 100


async def test_a_service_that_is_switched_off_does_not_answer_until_it_is_switched_on(cloud, operator):
    member = client(cloud, "member")
    assert (await operator.put("/services/cinder", json={"up": False})).json() == {"name": "cinder", "up": False}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cloud.app), base_url="http://cloud") as outside:
        assert (await outside.get("/volume/")).status_code == 503
    await operator.put("/services/cinder", json={"up": True})
    assert (await member.get("cinder", "/v3/volumes")).status == 200


async def test_a_worker_is_killed_and_started_anew(cloud, operator):
    old = cloud.workers["compute1"].endpoint
    assert (await operator.put("/workers/compute1", json={"up": False})).json()["up"] is False
    assert cloud.workers["compute1"].endpoint is None
    assert (await operator.put("/workers/compute1", json={"up": True})).json()["up"] is True
    assert cloud.workers["compute1"].endpoint is not old


async def test_an_image_whose_data_went_bad_is_sent_with_another_checksum(cloud, operator):
    member = client(cloud, "member")
    image = (await member.get("glance", "/v2/images")).json()["images"][0]
    path = f"/v2/images/{image['id']}/file"
    before = (await member.get("glance", path)).content
    assert (await operator.post(f"/images/{image['id']}/corrupt")).status_code == 204
    after = (await member.get("glance", path)).content
    assert hashlib.md5(before).hexdigest() == image["checksum"] != hashlib.md5(after).hexdigest()
    assert len(after) == len(before)


@pytest.mark.parametrize(("allowed", "status"), [(False, 403), (True, 200)])
async def test_it_answers_on_loopback_only_unless_told_otherwise(make_cloud, allowed, status):
    cloud = await make_cloud(services=("keystone",), control_from_anywhere=allowed)
    transport = httpx.ASGITransport(cloud.app, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as stranger:
        assert (await stranger.get("/_mockcloud/health")).status_code == status
        assert (await stranger.post("/_mockcloud/reset")).status_code == (204 if allowed else 403)


async def test_it_has_a_page_and_a_document_of_its_own(operator):
    assert "openapi" in (await operator.get("/openapi.json")).json()
    assert "swagger" in (await operator.get("/docs")).text.lower()
