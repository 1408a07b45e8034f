"""How clients find the API, and what every answer has."""

from __future__ import annotations

import pytest

from specs import operations
from tests.mockcloud.keystone.conftest import Keystone, error_of


async def test_the_root_offers_the_version(keystone: Keystone) -> None:
    answer = await keystone.nobody.get("keystone", "/")
    assert answer.status == 300
    assert answer.headers["location"].endswith("/v3/")
    (version,) = answer.json()["versions"]["values"]
    assert (version["id"], version["status"]) == ("v3.14", "stable")
    assert version["links"] == [{"rel": "self", "href": keystone.cloud.urls["keystone"] + "/v3/"}]


@pytest.mark.parametrize("path", ["/v3", "/v3/"])
async def test_the_version_shows_itself(keystone: Keystone, path: str) -> None:
    answer = await keystone.nobody.get("keystone", path)
    assert (answer.status, answer.json()["version"]["id"]) == (200, "v3.14")
    assert (await keystone.nobody.head("keystone", path)).status == 200


@pytest.mark.parametrize(("path", "prefix"), [("/", "/v3/"), ("/v3", "/")])
async def test_a_home_document_for_those_who_ask(keystone: Keystone, path: str, prefix: str) -> None:
    answer = await keystone.nobody.get("keystone", path, headers={"Accept": "application/json-home"})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json-home")
    resources = answer.json()["resources"]
    assert resources["https://docs.openstack.org/api/openstack-identity/3/rel/users"]["href"] == f"{prefix}users"


async def test_every_answer_varies_by_token_and_has_a_request_id(keystone: Keystone) -> None:
    for answer in (
        await keystone.nobody.get("keystone", "/v3"),
        await keystone.nobody.get("keystone", "/v3/users"),
        await keystone.admin.get("keystone", "/v3/users"),
    ):
        assert answer.headers["vary"] == "X-Auth-Token"
        assert answer.headers["x-openstack-request-id"].startswith("req-")


async def test_an_unknown_path_and_a_wrong_method(keystone: Keystone) -> None:
    assert (await keystone.admin.get("keystone", "/v3/no-such-thing")).status == 404
    answer = await keystone.admin.put("keystone", "/v3/users", json={})
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json() == {"message": "The method is not allowed for the requested URL."}


DECLINED = [operation for operation in operations("keystone") if operation.declined]


@pytest.mark.parametrize("operation", DECLINED, ids=lambda operation: operation.id)
async def test_what_is_declined_says_so(keystone: Keystone, operation: object) -> None:
    path = operation.path.replace("{", "").replace("}", "")  # type: ignore[attr-defined]
    answer = await keystone.admin.request("keystone", operation.method.upper(), path)  # type: ignore[attr-defined]
    assert error_of(answer) == (501, operation.declined)  # type: ignore[attr-defined]
