"""Answers are held to their own document: counted, or in a strict cloud refused."""

from __future__ import annotations

import pytest

from mockcloud.cloud import Cloud
from mockcloud.http.binding import Handler
from mockcloud.http.reply import Reply, Stored
from mockcloud.settings import Settings
from mockcloud.testing.client import client


async def answered(strict: bool, value):
    """What a client sees, and what the cloud counts, when `GET /v2/images/{id}` returns `value`."""
    cloud = Cloud(Settings(strict=strict), ("keystone", "glance"))
    binding = cloud.apps["glance"].router.routes[-1]

    async def show_image(ctx, image_id):
        return value

    binding._handlers["show_image"] = Handler(show_image, frozenset({"image_id"}))
    await cloud.start()
    answer = await client(cloud, "member").get("glance", "/v2/images/11111111-1111-1111-1111-111111111111")
    await cloud.stop()
    return answer, cloud.violations


WRONG = [{"id": 7}, {}, None, [], Reply({"id": "x"}, status=299)]


@pytest.mark.parametrize("value", WRONG, ids=repr)
async def test_an_answer_unlike_its_document_is_sent_and_counted(value, caplog):
    answer, violations = await answered(False, value)
    assert answer.status in (200, 299)
    (violation,) = violations
    assert (violation.service, violation.operation) == ("glance", "show_image")
    assert violation.message
    assert violation.request_id == answer.headers["x-openstack-request-id"]
    assert "not as documented" in caplog.text


@pytest.mark.parametrize("value", WRONG, ids=repr)
async def test_in_a_strict_cloud_it_is_an_error_of_the_cloud(value):
    answer, violations = await answered(True, value)
    assert answer.status == 500
    assert len(violations) == 1


async def test_an_answer_as_documented_is_not_counted(make_cloud):
    cloud = await make_cloud(services=("keystone", "glance"))
    assert (await client(cloud, "member").get("glance", "/v2/images")).status == 200
    assert cloud.violations == []


async def test_what_the_version_does_not_know_is_dropped_before_the_answer_is_judged(make_cloud):
    cloud = await make_cloud(services=("keystone", "cinder"))
    admin = client(cloud, "admin")
    kinds = {version: (await admin.get("cinder", "/v3/types", version=version)).json() for version in ("3.0", "3.71")}
    assert cloud.violations == []
    assert kinds["3.0"]["volume_types"]


async def test_a_wrong_answer_with_a_secret_in_it_is_counted_without_the_secret(caplog):
    _, (violation,) = await answered(False, [{"secret": "hunter2"}])
    assert violation.message == "at the root: a value with a secret in it breaks 'type'"
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(("value", "good"), [({"catalog": [], "links": {"self": "http://x"}}, True), ({"catalog": 7}, False)])
async def test_a_stored_answer_is_judged_once_and_a_wrong_one_every_time(value, good, caplog):
    cloud = Cloud(Settings(), ("keystone",))
    stored = Stored(value)

    async def show_auth_catalog(ctx):
        return stored

    cloud.apps["keystone"].router.routes[-1]._handlers["show_auth_catalog"] = Handler(show_auth_catalog, frozenset())
    await cloud.start()
    answers = [await client(cloud, "member").get("keystone", "/v3/auth/catalog") for _ in range(2)]
    await cloud.stop()
    assert [(answer.json(), answer.headers["content-type"]) for answer in answers] == [(value, "application/json")] * 2
    assert (stored.encoded == answers[0].content) is good
    assert len(cloud.violations) == (0 if good else 2)
