"""A part of a user's rights, for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.testing.client import Client
from tests.mockcloud.keystone.conftest import DEFAULT, Keystone, error_of, project, token_of


def path(user: Client) -> str:
    return f"/v3/users/{user.user_id}/application_credentials"


async def create(user: Client, **given: Any) -> Response:
    return await user.post("keystone", path(user), json={"application_credential": {"name": "robot"} | given})


async def made(user: Client, **given: Any) -> dict[str, Any]:
    answer = await create(user, **given)
    assert answer.status == 201, answer.message()
    return answer.json()["application_credential"]  # type: ignore[no-any-return]


async def use(keystone: Keystone, credential: dict[str, Any], **more: Any) -> Response:
    given = {"id": credential["id"], "secret": credential["secret"]}
    return await keystone.authenticate({"methods": ["application_credential"], "application_credential": given}, **more)


async def test_the_secret_is_shown_once(keystone: Keystone) -> None:
    credential = await made(keystone.member)
    assert len(credential["secret"]) > 60
    assert credential["project_id"] == keystone.member.project_id
    assert {role["name"] for role in credential["roles"]} == {"member", "reader"}
    shown = (await keystone.member.get("keystone", f"{path(keystone.member)}/{credential['id']}")).json()["application_credential"]
    assert shown == {name: value for name, value in credential.items() if name != "secret"}
    listed = (await keystone.member.get("keystone", path(keystone.member))).json()
    assert listed["application_credentials"] == [shown]


async def test_it_opens_its_project_by_id_and_by_name(keystone: Keystone) -> None:
    credential = await made(keystone.member, secret="opensesame")
    by_name = {"name": "robot", "secret": "opensesame", "user": {"name": "demo", "domain": DEFAULT}}
    for answer in (
        await use(keystone, credential),
        await keystone.authenticate({"methods": ["application_credential"], "application_credential": by_name}),
    ):
        token = answer.json()["token"]
        assert token["project"]["name"] == "demo"
        assert token["methods"] == ["application_credential"]
        assert token["application_credential"] == {"id": credential["id"], "name": "robot", "restricted": True}


async def test_it_may_have_fewer_roles_than_its_user(keystone: Keystone) -> None:
    credential = await made(keystone.member, roles=[{"name": "reader"}])
    token = (await use(keystone, credential)).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"]


async def test_what_a_role_implies_comes_with_it(keystone: Keystone) -> None:
    credential = await made(keystone.member, roles=[{"id": keystone.id("role", "member")}])
    assert {role["name"] for role in credential["roles"]} == {"member", "reader"}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"name": ""}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": 5}, 400),
        ({"colour": "red"}, 400),
        ({"unrestricted": "yes"}, 400),
        ({"roles": [{}]}, 400),
        ({"roles": [{"name": "a", "id": "b"}]}, 400),
        ({"roles": [{"name": "admin"}]}, 400),
        ({"roles": [{"name": "no-such-role"}]}, 404),
        ({"expires_at": "soon"}, 400),
        ({"expires_at": "2001-01-01T00:00:00"}, 400),
        ({"access_rules": [{"path": "/v2.1/servers", "method": "GET", "service": "compute"}]}, 400),
    ],
)
async def test_a_bad_wish_makes_nothing(keystone: Keystone, given: Any, status: int) -> None:
    assert error_of(await create(keystone.member, **given))[0] == status
    assert (await keystone.member.get("keystone", path(keystone.member))).json()["application_credentials"] == []


async def test_a_name_is_given_once_per_user(keystone: Keystone) -> None:
    await made(keystone.member)
    assert error_of(await create(keystone.member)) == (
        409,
        "Conflict occurred attempting to store application_credential - Duplicate entry found with name robot.",
    )
    await made(keystone.reader)


async def test_nobody_makes_one_for_another(keystone: Keystone) -> None:
    body = {"application_credential": {"name": "robot"}}
    assert error_of(await keystone.admin.post("keystone", path(keystone.member), json=body))[0] == 403


async def test_one_s_own_are_nobody_else_s_business(keystone: Keystone) -> None:
    credential = await made(keystone.member)
    for who in (keystone.stranger, keystone.reader):
        for method, where in (("GET", path(keystone.member)), ("GET", f"{path(keystone.member)}/{credential['id']}"),
                              ("DELETE", f"{path(keystone.member)}/{credential['id']}")):  # fmt: skip
            assert error_of(await who.request("keystone", method, where))[0] == 403
        own = f"{path(who)}/{credential['id']}"
        assert error_of(await who.get("keystone", own))[0] == 404
        assert error_of(await who.delete("keystone", own))[0] == 404
    assert (await use(keystone, credential)).status == 201


async def test_a_deleted_one_and_its_tokens_end(keystone: Keystone) -> None:
    credential = await made(keystone.member)
    token = token_of(await use(keystone, credential))
    where = f"{path(keystone.member)}/{credential['id']}"
    assert (await keystone.member.delete("keystone", where)).status == 204
    assert (await keystone.validate(token)).status == 404
    assert error_of(await use(keystone, credential))[0] == 404
    assert error_of(await keystone.member.delete("keystone", where)) == (
        404,
        f"Could not find Application Credential: {credential['id']}.",
    )
    assert (await keystone.member.get("keystone", "/v3/auth/projects")).status == 200  # the user's other tokens live on


async def test_a_wrong_secret_and_another_scope_are_refused(keystone: Keystone) -> None:
    credential = await made(keystone.member)
    assert error_of(await use(keystone, credential | {"secret": "wrong"}))[0] == 401
    assert error_of(await use(keystone, credential, scope=project("demo")))[0] == 401


async def test_it_ends_at_its_time_and_its_tokens_with_it(keystone: Keystone) -> None:
    ends = keystone.cloud.clock.now() + timedelta(seconds=600)
    credential = await made(keystone.member, expires_at=ends.isoformat())
    answer = await use(keystone, credential)
    assert answer.json()["token"]["expires_at"].startswith(ends.isoformat()[:19])
    keystone.cloud.clock.advance(601)
    assert (await keystone.validate(token_of(answer))).status == 404
    assert error_of(await use(keystone, credential))[0] == 401


async def test_a_restricted_one_makes_and_deletes_no_others(keystone: Keystone) -> None:
    credential = await made(keystone.member)
    robot = keystone.as_token(token_of(await use(keystone, credential)))
    body = {"application_credential": {"name": "second"}}
    assert error_of(await robot.post("keystone", path(keystone.member), json=body))[0] == 403
    assert error_of(await robot.delete("keystone", f"{path(keystone.member)}/{credential['id']}"))[0] == 403
    trusted = await made(keystone.member, name="trusted", unrestricted=True)
    robot = keystone.as_token(token_of(await use(keystone, trusted)))
    assert (await robot.post("keystone", path(keystone.member), json=body)).status == 201


async def test_its_token_cannot_be_rescoped(keystone: Keystone) -> None:
    token = token_of(await use(keystone, await made(keystone.member)))
    assert error_of(await keystone.rescope(token, project("demo")))[0] == 403


async def test_it_loses_what_its_user_loses(keystone: Keystone) -> None:
    await keystone.grant(keystone.member.user_id, keystone.member.project_id, "reader")
    credential = await made(keystone.member)
    grant = f"/v3/projects/{keystone.member.project_id}/users/{keystone.member.user_id}/roles/{keystone.id('role', 'member')}"
    assert (await keystone.admin.delete("keystone", grant)).status == 204
    assert error_of(await use(keystone, credential))[0] == 404


async def test_it_dies_with_its_user(keystone: Keystone) -> None:
    credential = await made(keystone.member)
    disable = {"user": {"enabled": False}}
    assert (await keystone.admin.patch("keystone", f"/v3/users/{keystone.member.user_id}", json=disable)).status == 200
    assert error_of(await use(keystone, credential))[0] == 401
    assert (await keystone.admin.delete("keystone", f"/v3/users/{keystone.member.user_id}")).status == 204
    assert error_of(await use(keystone, credential))[0] == 404


async def test_it_needs_a_project(keystone: Keystone) -> None:
    unscoped = keystone.as_token(token_of(await keystone.login("demo")))
    body = {"application_credential": {"name": "robot"}}
    assert error_of(await unscoped.post("keystone", path(keystone.member), json=body))[0] == 400
