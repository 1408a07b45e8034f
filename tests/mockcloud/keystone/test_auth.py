"""Logging in, and what the token then says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.mockcloud.keystone.conftest import DEFAULT, Keystone, by_password, error_of, project, token_of

REFUSED = (401, "The request you have made requires authentication.")


async def test_a_password_opens_a_project(keystone: Keystone) -> None:
    answer = await keystone.login("demo", project("demo"))
    assert answer.status == 201
    token = answer.json()["token"]
    assert token["user"] == {
        "id": keystone.id("user", "demo"), "name": "demo", "domain": {"id": "default", "name": "Default"}, "password_expires_at": None,
    }  # fmt: skip
    assert token["project"]["id"] == keystone.id("project", "demo")
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    assert token["methods"] == ["password"]
    assert token["is_domain"] is False
    assert datetime.fromisoformat(token["issued_at"]) < datetime.fromisoformat(token["expires_at"])
    assert {entry["type"] for entry in token["catalog"]} >= {"identity", "compute", "image", "network", "block-storage", "placement"}
    assert answer.headers["vary"] == "X-Auth-Token"


async def test_the_user_and_the_project_may_be_named_by_id(keystone: Keystone) -> None:
    user = {"id": keystone.id("user", "demo"), "password": "secret"}
    answer = await keystone.authenticate(
        {"methods": ["password"], "password": {"user": user}}, {"project": {"id": keystone.id("project", "demo")}}
    )
    assert answer.json()["token"]["project"]["name"] == "demo"


async def test_two_logins_give_two_good_tokens(keystone: Keystone) -> None:
    one, other = await keystone.login("demo", project("demo")), await keystone.login("demo", project("demo"))
    assert token_of(one) != token_of(other)
    assert one.json()["token"]["audit_ids"] != other.json()["token"]["audit_ids"]
    for answer in (one, other):
        shown = await keystone.validate(token_of(answer))
        assert shown.status == 200
        assert shown.json() == answer.json()
        assert shown.headers["x-subject-token"] == token_of(answer)


async def test_a_wrong_password_and_an_unknown_user_look_the_same(keystone: Keystone) -> None:
    answers = [
        await keystone.login("demo", project("demo"), password="wrong"),
        await keystone.login("nobody-at-all", project("demo")),
        await keystone.login("demo", project("demo"), domain={"id": "unknown"}),
        await keystone.login("demo", project("demo"), domain={"name": "unknown"}),
        await keystone.login("demo", project("no-such-project")),
        await keystone.login("demo", project("other")),  # no role there
        await keystone.login("demo", {"system": {"all": True}}),
        await keystone.login("demo", {"domain": DEFAULT}),
        await keystone.login("demo", {"domain": {"id": "unknown"}}),
    ]
    for answer in answers:
        assert error_of(answer) == REFUSED
        assert "x-subject-token" not in answer.headers
        assert answer.headers["www-authenticate"] == f'Keystone uri="{keystone.cloud.urls["keystone"]}/v3"'
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"identity": {}},
        {"identity": {"methods": "password"}},
        {"identity": {"methods": [1]}},
        {"identity": {"methods": ["password"]}},
        {"identity": {"methods": ["password"], "password": []}},
        {"identity": {"methods": ["password"], "password": {}}},
        {"identity": {"methods": ["password"], "password": {"user": {}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"password": "secret"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": "demo", "password": "secret"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": "demo", "password": 5, "domain": DEFAULT}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": 7, "password": "secret", "domain": DEFAULT}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": "demo", "domain": {}}}}},
        {"identity": {"methods": ["token"], "token": {}}},
        {"identity": {"methods": ["token"], "token": {"id": 1}}},
        {"identity": {"methods": ["kerberos"]}},
        {"identity": {"methods": ["application_credential"], "application_credential": {}}},
        {"identity": {"methods": ["application_credential"], "application_credential": {"name": "x"}}},
        {"identity": by_password("demo"), "scope": {}},
        {"identity": by_password("demo"), "scope": "project"},
        {"identity": by_password("demo"), "scope": 5},
        {"identity": by_password("demo"), "scope": {"project": {}}},
        {"identity": by_password("demo"), "scope": {"project": {"name": "demo"}}},
        {"identity": by_password("demo"), "scope": {"project": {"name": "demo", "domain": {}}}},
        {"identity": by_password("demo"), "scope": {"domain": {}}},
        {"identity": by_password("demo"), "scope": {"system": {"all": "yes"}}},
        {"identity": by_password("demo"), "scope": {"project": {"id": "x"}, "domain": {"id": "x"}}},
    ],
)
async def test_a_malformed_login_is_a_bad_request_without_a_token(keystone: Keystone, auth: Any) -> None:
    answer = await keystone.nobody.post("keystone", "/v3/auth/tokens", json={"auth": auth})
    assert error_of(answer)[0] == 400
    assert "x-subject-token" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"auth": null}', b"\xff\xfe"])
async def test_a_login_that_is_no_json_object_is_a_bad_request(keystone: Keystone, body: bytes) -> None:
    answer = await keystone.nobody.post("keystone", "/v3/auth/tokens", content=body)
    assert error_of(answer)[0] == 400


@pytest.mark.parametrize(("methods", "more"), [([], {}), (["kerberos"], {"kerberos": {}})])
async def test_no_method_or_a_foreign_one_is_refused(keystone: Keystone, methods: list[str], more: Any) -> None:
    assert error_of(await keystone.authenticate({"methods": methods, **more}))[0] == 401


async def test_without_a_scope_and_a_default_project_the_token_has_neither_roles_nor_catalog(keystone: Keystone) -> None:
    token = (await keystone.login("demo")).json()["token"]
    assert not {"project", "domain", "system", "roles", "catalog", "is_domain"} & set(token)


async def test_the_default_project_is_the_scope_unless_none_is_asked_for(keystone: Keystone) -> None:
    change = {"user": {"default_project_id": keystone.id("project", "demo")}}
    assert (await keystone.admin.patch("keystone", f"/v3/users/{keystone.id('user', 'demo')}", json=change)).status == 200
    scoped = await keystone.login("demo")
    assert scoped.json()["token"]["project"]["name"] == "demo"
    for nothing in ("unscoped", {"unscoped": {}}):
        assert "project" not in (await keystone.login("demo", nothing)).json()["token"]


@pytest.mark.parametrize("default", ["unknown", "other"])
async def test_a_default_project_out_of_reach_gives_an_unscoped_token(keystone: Keystone, default: str) -> None:
    id_ = keystone.id("project", default) if default == "other" else default
    change = {"user": {"default_project_id": id_}}
    assert (await keystone.admin.patch("keystone", f"/v3/users/{keystone.id('user', 'demo')}", json=change)).status == 200
    answer = await keystone.login("demo")
    assert answer.status == 201
    assert "project" not in answer.json()["token"]


async def test_a_system_token_says_so(keystone: Keystone) -> None:
    token = (await keystone.login("admin", {"system": {"all": True}})).json()["token"]
    assert token["system"] == {"all": True}
    assert "admin" in {role["name"] for role in token["roles"]}
    assert token["catalog"]
    assert "project" not in token


async def test_a_domain_token_says_so(keystone: Keystone) -> None:
    path = f"/v3/domains/default/users/{keystone.id('user', 'demo')}/roles/{keystone.id('role', 'manager')}"
    assert (await keystone.admin.put("keystone", path)).status == 204
    token = (await keystone.login("demo", {"domain": {"name": "Default"}})).json()["token"]
    assert token["domain"] == {"id": "default", "name": "Default"}
    assert {role["name"] for role in token["roles"]} == {"manager", "member", "reader"}


@pytest.mark.parametrize("how", ["nocatalog", "nocatalog=", "nocatalog=1"])
async def test_the_catalog_may_stay_away(keystone: Keystone, how: str) -> None:
    answer = await keystone.authenticate(by_password("demo"), project("demo"), query="?" + how)
    assert "catalog" not in answer.json()["token"]
    shown = await keystone.admin.get("keystone", f"/v3/auth/tokens?{how}", headers={"X-Subject-Token": token_of(answer)})
    assert shown.status == 200
    assert "catalog" not in shown.json()["token"]


async def test_trusts_are_not_there(keystone: Keystone) -> None:
    assert error_of(await keystone.login("demo", {"OS-TRUST:trust": {"id": "abc"}})) == (404, "Could not find trust: abc.")


# rescoping


async def test_rescoping_keeps_the_end_and_the_chain_and_leaves_the_first_token_good(keystone: Keystone) -> None:
    await keystone.grant(keystone.id("user", "demo"), keystone.id("project", "other"), "reader")
    first = await keystone.login("demo", project("demo"))
    keystone.cloud.clock.advance(60)
    second = await keystone.rescope(token_of(first), project("other"))
    one, other = first.json()["token"], second.json()["token"]
    assert other["project"]["name"] == "other"
    assert [role["name"] for role in other["roles"]] == ["reader"]
    assert other["expires_at"] == one["expires_at"]
    assert other["audit_ids"][1] == one["audit_ids"][0]
    assert set(other["methods"]) == {"token", "password"}
    assert (await keystone.validate(token_of(first))).status == 200


async def test_rescoping_twice_keeps_the_first_of_the_chain(keystone: Keystone) -> None:
    first = await keystone.login("demo")
    second = await keystone.rescope(token_of(first), project("demo"))
    third = await keystone.rescope(token_of(second), "unscoped")
    assert third.json()["token"]["audit_ids"][1] == first.json()["token"]["audit_ids"][0]


async def test_a_token_that_is_none_is_not_found_when_rescoping(keystone: Keystone) -> None:
    assert error_of(await keystone.rescope("garbage", project("demo")))[0] == 404


async def test_rescoping_needs_a_role_too(keystone: Keystone) -> None:
    token = token_of(await keystone.login("demo", project("demo")))
    assert error_of(await keystone.rescope(token, project("other"))) == REFUSED


async def test_a_system_token_does_not_become_a_project_token(keystone: Keystone) -> None:
    token = token_of(await keystone.login("admin", {"system": {"all": True}}))
    assert error_of(await keystone.rescope(token, project("demo")))[0] == 403


async def test_two_methods_must_mean_the_same_user(keystone: Keystone) -> None:
    token = token_of(await keystone.login("stranger"))
    both = by_password("demo") | {"methods": ["password", "token"], "token": {"id": token}}
    assert error_of(await keystone.authenticate(both, project("demo"))) == REFUSED
    own = both | {"token": {"id": token_of(await keystone.login("demo"))}}
    assert set((await keystone.authenticate(own, project("demo"))).json()["token"]["methods"]) == {"password", "token"}


# what a token may see


async def test_one_s_own_catalog_projects_domains_and_systems(keystone: Keystone) -> None:
    catalog = await keystone.member.get("keystone", "/v3/auth/catalog")
    assert catalog.status == 200
    for entry in catalog.json()["catalog"]:
        assert {endpoint["interface"] for endpoint in entry["endpoints"]} == {"public", "internal", "admin"}
        assert all(endpoint["region"] == endpoint["region_id"] == "RegionOne" for endpoint in entry["endpoints"])
    projects = (await keystone.member.get("keystone", "/v3/auth/projects")).json()
    assert [found["name"] for found in projects["projects"]] == ["demo"]
    assert projects["links"]["next"] is None
    assert (await keystone.member.get("keystone", "/v3/auth/domains")).json()["domains"] == []
    assert (await keystone.member.get("keystone", "/v3/auth/system")).json()["system"] == []
    assert (await keystone.admin.get("keystone", "/v3/auth/system")).json()["system"] == [{"all": True}]


async def test_an_unscoped_token_sees_its_projects_but_no_catalog(keystone: Keystone) -> None:
    unscoped = keystone.as_token(token_of(await keystone.login("demo")))
    assert [p["name"] for p in (await unscoped.get("keystone", "/v3/auth/projects")).json()["projects"]] == ["demo"]
    assert error_of(await unscoped.get("keystone", "/v3/auth/catalog"))[0] == 403


@pytest.mark.parametrize("path", ["catalog", "projects", "domains", "system", "tokens"])
async def test_nobody_sees_nothing(keystone: Keystone, path: str) -> None:
    answer = await keystone.nobody.get("keystone", f"/v3/auth/{path}")
    assert error_of(answer) == REFUSED
    assert "www-authenticate" in answer.headers


async def test_what_cannot_be_reached_is_left_out_of_the_catalog(keystone: Keystone) -> None:
    services = (await keystone.admin.get("keystone", "/v3/services", params={"type": "image"})).json()["services"]
    await keystone.admin.patch("keystone", f"/v3/services/{services[0]['id']}", json={"service": {"enabled": False}})
    endpoints = (await keystone.admin.get("keystone", "/v3/endpoints", params={"interface": "admin"})).json()["endpoints"]
    for endpoint in endpoints:
        await keystone.admin.patch("keystone", f"/v3/endpoints/{endpoint['id']}", json={"endpoint": {"enabled": False}})
    catalog = (await keystone.login("demo", project("demo"))).json()["token"]["catalog"]
    assert "image" not in {entry["type"] for entry in catalog}
    assert {endpoint["interface"] for entry in catalog for endpoint in entry["endpoints"]} == {"public", "internal"}


async def test_the_project_s_id_stands_in_the_urls_that_want_it(keystone: Keystone) -> None:
    service = await keystone.made("service", type="object-store", name="swift")
    await keystone.made("endpoint", service_id=service["id"], interface="public", url="http://swift/v1/AUTH_%(project_id)s")
    await keystone.made("endpoint", service_id=service["id"], interface="internal", url="http://swift/v1/AUTH_$(tenant_id)s")
    token = (await keystone.login("demo", project("demo"))).json()["token"]
    urls = {endpoint["url"] for entry in token["catalog"] if entry["type"] == "object-store" for endpoint in entry["endpoints"]}
    assert urls == {f"http://swift/v1/AUTH_{keystone.id('project', 'demo')}"}
    system = (await keystone.login("admin", {"system": {"all": True}})).json()["token"]
    assert [entry["endpoints"] for entry in system["catalog"] if entry["type"] == "object-store"] == [[]]
