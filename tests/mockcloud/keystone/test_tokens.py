"""The life of a token: validated, expired, revoked."""

from __future__ import annotations

import pytest

from tests.conftest import MakeCloud
from tests.mockcloud.keystone.conftest import Keystone, error_of, project, token_of

GARBAGE = ["garbage", "gAAAAA" + "A" * 150, "a" * 3000, "%00", "=", "...."]


async def demo_token(keystone: Keystone) -> str:
    return token_of(await keystone.login("demo", project("demo")))


async def assert_dead(keystone: Keystone, token: str) -> None:
    assert error_of(await keystone.validate(token))[0] == 404
    assert error_of(await keystone.as_token(token).get("keystone", "/v3/auth/projects"))[0] == 401


async def assert_alive(keystone: Keystone, token: str) -> None:
    assert (await keystone.validate(token)).status == 200
    assert (await keystone.as_token(token).get("keystone", "/v3/auth/projects")).status == 200


@pytest.mark.parametrize("subject", GARBAGE)
async def test_a_subject_that_is_no_token_is_not_found(keystone: Keystone, subject: str) -> None:
    assert error_of(await keystone.validate(subject))[0] == 404
    for method in ("HEAD", "DELETE"):
        answer = await keystone.admin.request("keystone", method, "/v3/auth/tokens", headers={"X-Subject-Token": subject})
        assert answer.status == 404


async def test_a_token_with_a_changed_letter_is_none(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    middle = len(token) // 2
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    assert error_of(await keystone.validate(forged))[0] == 404


async def test_without_a_subject_the_privileged_hear_404_and_others_403(keystone: Keystone) -> None:
    assert error_of(await keystone.admin.get("keystone", "/v3/auth/tokens")) == (404, "No token in the request")
    assert error_of(await keystone.member.get("keystone", "/v3/auth/tokens"))[0] == 403


async def test_everybody_may_look_at_and_revoke_his_own_token_only(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    own = keystone.as_token(token)
    assert (await keystone.validate(token, own)).status == 200
    head = await own.head("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert (head.status, head.content) == (200, b"")
    for method in ("GET", "HEAD", "DELETE"):
        answer = await keystone.stranger.request("keystone", method, "/v3/auth/tokens", headers={"X-Subject-Token": token})
        assert answer.status == 403
    await assert_alive(keystone, token)
    assert (await own.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token})).status == 204
    await assert_dead(keystone, token)


async def test_a_service_may_validate_but_not_revoke(keystone: Keystone) -> None:
    user = await keystone.made("user", name="svc", password="secret")
    await keystone.grant(user["id"], keystone.id("project", "service"), "service")
    service = keystone.as_token(token_of(await keystone.login("svc", project("service"))))
    token = await demo_token(keystone)
    assert (await keystone.validate(token, service)).status == 200
    assert (await service.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token})).status == 403


async def test_one_revoked_token_leaves_the_user_s_others_alone(keystone: Keystone) -> None:
    """Also those of other users, who may have logged in before."""
    stranger, one, other = await keystone.stranger.login(), await demo_token(keystone), await demo_token(keystone)
    unscoped = token_of(await keystone.login("demo"))
    assert (await keystone.admin.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": one})).status == 204
    await assert_dead(keystone, one)
    for token in (other, stranger, unscoped):
        await assert_alive(keystone, token)


async def test_the_tokens_made_from_a_revoked_one_go_with_it_and_not_the_other_way(keystone: Keystone) -> None:
    root = token_of(await keystone.login("demo"))
    leaf, twig = token_of(await keystone.rescope(root, project("demo"))), token_of(await keystone.rescope(root, project("demo")))
    assert (await keystone.admin.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": twig})).status == 204
    await assert_dead(keystone, twig)
    await assert_alive(keystone, root)
    await assert_alive(keystone, leaf)
    assert (await keystone.admin.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": root})).status == 204
    await assert_dead(keystone, root)
    await assert_dead(keystone, leaf)


async def test_a_revoked_token_cannot_be_revoked_again(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    for expected in (204, 404):
        assert (await keystone.admin.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": token})).status == expected


async def test_a_token_ends_at_its_time(make_cloud: MakeCloud) -> None:
    keystone = Keystone(await make_cloud(("keystone",), token_life=100))
    token = await demo_token(keystone)
    keystone.cloud.clock.advance(90)
    await assert_alive(keystone, token)
    keystone.cloud.clock.advance(11)
    await keystone.admin.login()
    await assert_dead(keystone, token)
    assert error_of(await keystone.rescope(token, project("demo")))[0] == 404


async def test_an_expired_token_can_be_looked_at_within_the_window(make_cloud: MakeCloud) -> None:
    keystone = Keystone(await make_cloud(("keystone",), token_life=100, allow_expired_window=500))
    token = await demo_token(keystone)
    keystone.cloud.clock.advance(400)
    await keystone.admin.login()
    for wish, expected in (("", 404), ("?allow_expired=0", 404), ("?allow_expired=1", 200), ("?allow_expired=true", 200)):
        for method in ("GET", "HEAD"):
            headers = {"X-Subject-Token": token}
            assert (await keystone.admin.request("keystone", method, f"/v3/auth/tokens{wish}", headers=headers)).status == expected
    keystone.cloud.clock.advance(300)
    await keystone.admin.login()
    assert (await keystone.validate(token, params={"allow_expired": 1})).status == 404


# what ends a user's tokens


async def test_a_new_password_ends_all_tokens_and_the_next_login_works(keystone: Keystone) -> None:
    token, unscoped = await demo_token(keystone), token_of(await keystone.login("demo"))
    body = {"user": {"original_password": "secret", "password": "geheim"}}
    answer = await keystone.nobody.post("keystone", f"/v3/users/{keystone.id('user', 'demo')}/password", json=body)
    assert answer.status == 204
    for old in (token, unscoped):
        await assert_dead(keystone, old)
    assert (await keystone.login("demo", project("demo"))).status == 401
    await assert_alive(keystone, token_of(await keystone.login("demo", project("demo"), password="geheim")))


async def test_a_password_set_by_the_admin_ends_them_too(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    change = {"user": {"password": "geheim"}}
    assert (await keystone.admin.patch("keystone", f"/v3/users/{keystone.id('user', 'demo')}", json=change)).status == 200
    await assert_dead(keystone, token)


async def test_the_tokens_of_a_disabled_user_do_not_come_back_with_him(keystone: Keystone) -> None:
    token, path = await demo_token(keystone), f"/v3/users/{keystone.id('user', 'demo')}"
    assert (await keystone.admin.patch("keystone", path, json={"user": {"enabled": False}})).status == 200
    await assert_dead(keystone, token)
    assert error_of(await keystone.login("demo", project("demo")))[0] == 401
    assert (await keystone.admin.patch("keystone", path, json={"user": {"enabled": True}})).status == 200
    await assert_dead(keystone, token)
    await assert_alive(keystone, await demo_token(keystone))


async def test_a_deleted_user_s_tokens_end(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    assert (await keystone.admin.delete("keystone", f"/v3/users/{keystone.id('user', 'demo')}")).status == 204
    await assert_dead(keystone, token)


async def test_a_disabled_project_ends_its_tokens_and_no_others(keystone: Keystone) -> None:
    token, unscoped, stranger = await demo_token(keystone), token_of(await keystone.login("demo")), await keystone.stranger.login()
    path = f"/v3/projects/{keystone.id('project', 'demo')}"
    assert (await keystone.admin.patch("keystone", path, json={"project": {"enabled": False}})).status == 200
    await assert_dead(keystone, token)
    await assert_alive(keystone, unscoped)
    await assert_alive(keystone, stranger)
    assert error_of(await keystone.login("demo", project("demo")))[0] == 401
    assert (await keystone.admin.patch("keystone", path, json={"project": {"enabled": True}})).status == 200
    await assert_dead(keystone, token)


async def test_a_disabled_domain_ends_what_is_inside(keystone: Keystone) -> None:
    domain = await keystone.made("domain", name="elsewhere")
    user = await keystone.made("user", name="eve", password="secret", domain_id=domain["id"])
    home = await keystone.made("project", name="home", domain_id=domain["id"])
    await keystone.grant(user["id"], home["id"], "member")
    where = {"id": domain["id"]}
    token = token_of(await keystone.login("eve", {"project": {"id": home["id"]}}, domain=where))
    assert (await keystone.admin.patch("keystone", f"/v3/domains/{domain['id']}", json={"domain": {"enabled": False}})).status == 200
    await assert_dead(keystone, token)
    assert error_of(await keystone.login("eve", "unscoped", domain=where))[0] == 401


async def test_the_last_role_taken_away_ends_the_token(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    path = f"/v3/projects/{keystone.id('project', 'demo')}/users/{keystone.id('user', 'demo')}/roles/{keystone.id('role', 'member')}"
    assert (await keystone.admin.delete("keystone", path)).status == 204
    await assert_dead(keystone, token)
    assert error_of(await keystone.login("demo", project("demo")))[0] == 401


async def test_a_token_shows_the_roles_of_the_moment(keystone: Keystone) -> None:
    token = await demo_token(keystone)
    await keystone.grant(keystone.id("user", "demo"), keystone.id("project", "demo"), "manager")
    names = [role["name"] for role in (await keystone.validate(token)).json()["token"]["roles"]]
    assert names == ["manager", "member", "reader"]


async def test_leaving_a_group_ends_the_user_s_tokens(keystone: Keystone) -> None:
    group = await keystone.made("group", name="crew")
    members = f"/v3/groups/{group['id']}/users/{keystone.id('user', 'stranger')}"
    assert (await keystone.admin.put("keystone", members)).status == 204
    role = f"/v3/projects/{keystone.id('project', 'demo')}/groups/{group['id']}/roles/{keystone.id('role', 'reader')}"
    assert (await keystone.admin.put("keystone", role)).status == 204
    token = token_of(await keystone.login("stranger", project("demo")))
    assert [r["name"] for r in (await keystone.validate(token)).json()["token"]["roles"]] == ["reader"]
    assert (await keystone.admin.delete("keystone", members)).status == 204
    await assert_dead(keystone, token)


async def test_tokens_outlive_a_restart(tmp_path: object, make_cloud: MakeCloud) -> None:
    """The key is kept with the data."""
    first = Keystone(await make_cloud(("keystone",), state_dir=str(tmp_path)))
    token, revoked = await demo_token(first), await demo_token(first)
    assert (await first.admin.delete("keystone", "/v3/auth/tokens", headers={"X-Subject-Token": revoked})).status == 204
    await first.cloud.stop()
    second = Keystone(await make_cloud(("keystone",), state_dir=str(tmp_path)))
    await assert_alive(second, token)
    await assert_dead(second, revoked)


async def test_another_cloud_s_token_is_none(make_cloud: MakeCloud) -> None:
    one, other = Keystone(await make_cloud(("keystone",))), Keystone(await make_cloud(("keystone",)))
    await assert_dead(other, await demo_token(one))
