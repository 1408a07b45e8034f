"""How every service learns who asks: the token middleware, seen from outside."""

from __future__ import annotations

import pytest

from mockcloud.clients import EndpointDown, Response
from mockcloud.cloud import Cloud
from mockcloud.testing.client import Client, client
from tests.conftest import MakeCloud

PAIR = ("keystone", "cinder")
FORGED = {
    "X-Identity-Status": "Confirmed",
    "X-User-Id": "somebody",
    "X-Project-Id": "another",
    "X-Roles": "admin",
    "X-Is-Admin-Project": "True",
    "OpenStack-System-Scope": "all",
}


@pytest.fixture
async def pair(make_cloud: MakeCloud) -> Cloud:
    """Keystone and one service that asks it."""
    return await make_cloud(PAIR)


async def volumes(user: Client, **headers: str) -> Response:
    return await user.get("cinder", "/v3/volumes", headers={name.replace("_", "-"): value for name, value in headers.items()})


def validations(cloud: Cloud) -> list[dict[str, object]]:
    """What keystone was asked about other services' callers."""
    return [fact.attributes for fact in cloud.recorder.facts() if fact.kind == "http.server" and fact.name == "GET /v3/auth/tokens"]


async def revoke(cloud: Cloud, token: str) -> None:
    answer = await client(cloud, "admin").delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status == 204


def assert_refused(answer: Response, cloud: Cloud) -> None:
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == f'Keystone uri="{cloud.urls["keystone"]}"'
    assert answer.json()["error"] == {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }


@pytest.mark.parametrize("token", ["", "garbage", "gAAAAA" + "x" * 180, "\u00e9\u00e9", "a" * 5000])
async def test_a_request_without_a_good_token_is_refused(pair: Cloud, token: str) -> None:
    nobody = client(pair, "nobody")
    assert_refused(await nobody.get("cinder", "/v3/volumes", headers={"X-Auth-Token": token} if token.isascii() else {}), pair)


async def test_the_token_is_judged_before_path_and_body(pair: Cloud) -> None:
    nobody = client(pair, "nobody")
    assert_refused(await nobody.get("cinder", "/v3/no-such-thing"), pair)
    assert_refused(await nobody.post("cinder", "/v3/volumes", content=b"{ not json"), pair)


async def test_a_service_asks_keystone_with_a_token_of_its_own(pair: Cloud) -> None:
    member = client(pair, "member")
    assert (await volumes(member)).status == 200
    asked = validations(pair)
    assert len(asked) == 1
    assert asked[0]["user_id"] == pair.id_for("user", "cinder")


async def test_forged_identity_headers_change_nothing(pair: Cloud) -> None:
    nobody = client(pair, "nobody")
    assert_refused(await nobody.get("cinder", "/v3/volumes", headers=FORGED), pair)
    member = client(pair, "member")
    for path in ("/v3/volumes/detail", "/v3/os-services"):
        plain, forged = await member.get("cinder", path), await member.get("cinder", path, headers=FORGED)
        assert (plain.status, plain.content) == (forged.status, forged.content)


async def test_a_revoked_token_ends_everywhere_at_once_without_a_cache(pair: Cloud) -> None:
    member = client(pair, "member")
    assert (await volumes(member)).status == 200
    await revoke(pair, member.token)
    assert_refused(await volumes(member), pair)


async def test_a_revoked_token_lives_on_in_a_cache_until_it_runs_out(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_cache_time=300)
    member = client(cloud, "member")
    assert (await volumes(member)).status == 200
    await revoke(cloud, member.token)
    assert (await volumes(member)).status == 200
    cloud.clock.advance(301)
    assert_refused(await volumes(member), cloud)
    assert_refused(await volumes(member), cloud)


async def test_a_token_revoked_before_its_first_use_is_refused_whatever_the_cache(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_cache_time=300)
    member = client(cloud, "member")
    await member.login()
    await revoke(cloud, member.token)
    assert_refused(await volumes(member), cloud)


async def test_a_cached_token_is_asked_for_once_in_the_life_of_the_cache(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_cache_time=60)
    member = client(cloud, "member")
    for _ in range(3):
        assert (await volumes(member)).status == 200
    assert len(validations(cloud)) == 1
    cloud.clock.advance(61)
    assert (await volumes(member)).status == 200
    assert len(validations(cloud)) == 2


async def test_a_refusal_is_never_cached(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_cache_time=60)
    nobody = client(cloud, "nobody")
    for _ in range(2):
        assert_refused(await nobody.get("cinder", "/v3/volumes", headers={"X-Auth-Token": "garbage"}), cloud)
    assert len(validations(cloud)) == 2


async def test_a_token_ends_in_the_cache_too(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_cache_time=300, token_life=60)
    member = client(cloud, "member")
    assert (await volumes(member)).status == 200
    cloud.clock.advance(61)
    assert_refused(await volumes(member), cloud)


async def test_an_expired_token_passes_only_beside_a_good_service_token(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_life=100, allow_expired_window=1_000)
    member, service, stranger = client(cloud, "member"), client(cloud, "nova"), client(cloud, "stranger")
    await member.login()
    cloud.clock.advance(101)
    assert_refused(await volumes(member), cloud)
    assert_refused(await volumes(member, X_Service_Token=await stranger.login()), cloud)
    assert (await volumes(member, X_Service_Token=await service.login())).status == 200
    cloud.clock.advance(1_000)
    assert_refused(await volumes(member, X_Service_Token=await service.login()), cloud)


async def test_a_revoked_token_is_refused_even_beside_a_service_token(pair: Cloud) -> None:
    member, service = client(pair, "member"), client(pair, "nova")
    await member.login()
    await revoke(pair, member.token)
    assert_refused(await volumes(member, X_Service_Token=await service.login()), pair)


async def test_a_bad_service_token_refuses_a_good_user_token(pair: Cloud) -> None:
    member, other = client(pair, "member"), client(pair, "stranger")
    assert (await volumes(member)).status == 200
    assert_refused(await volumes(member, X_Service_Token="garbage"), pair)
    assert_refused(await volumes(member, X_Service_Token=await other.login()), pair)  # good, but without the role `service`


async def test_a_service_token_alone_is_nobody(pair: Cloud) -> None:
    service = client(pair, "nova")
    token = await service.login()
    nobody = client(pair, "nobody")
    assert_refused(await nobody.get("cinder", "/v3/volumes", headers={"X-Service-Token": token}), pair)


async def test_a_service_answers_503_while_keystone_is_away_and_recovers(pair: Cloud) -> None:
    member = client(pair, "member")
    await member.login()
    pair.down.add("keystone")
    answer = await volumes(member)
    assert answer.status == 503
    assert "Keystone" in answer.message()
    pair.down.clear()
    assert (await volumes(member)).status == 200


async def test_a_cached_token_is_good_while_keystone_is_away(make_cloud: MakeCloud) -> None:
    cloud = await make_cloud(PAIR, token_cache_time=300)
    member = client(cloud, "member")
    assert (await volumes(member)).status == 200
    cloud.down.add("keystone")
    assert (await volumes(member)).status == 200


async def test_a_keystone_that_comes_back_within_the_retries_is_not_noticed(pair: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    member = client(pair, "member")
    assert (await volumes(member)).status == 200
    send, failures = pair.transport.send, [1, 2]

    async def flaky(method: str, url: str, *rest: object) -> Response:
        if url.endswith("/v3/auth/tokens") and failures:
            raise EndpointDown(f"gone for the {failures.pop()}. time")
        return await send(method, url, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pair.transport, "send", flaky)
    assert (await volumes(member)).status == 200
    assert not failures


async def test_a_service_whose_own_token_was_revoked_logs_in_again(pair: Cloud) -> None:
    member = client(pair, "member")
    assert (await volumes(member)).status == 200
    await revoke(pair, await pair.services["cinder"].login.token())
    assert (await volumes(member)).status == 200


async def test_the_roles_are_those_of_the_moment(pair: Cloud) -> None:
    """A role taken away is gone from the next answer, without a new login."""
    admin, member = client(pair, "admin"), client(pair, "member")
    path = f"/v3/projects/{member.project_id}/users/{member.user_id}/roles/{pair.id_for('role', 'member')}"
    volume = {"volume": {"size": 1}}
    assert (await member.post("cinder", "/v3/volumes", json=volume)).status == 202
    assert (await admin.put("keystone", path.replace(pair.id_for("role", "member"), pair.id_for("role", "reader")))).status == 204
    assert (await admin.delete("keystone", path)).status == 204
    assert (await member.post("cinder", "/v3/volumes", json=volume)).status == 403
    assert (await volumes(member)).status == 200
