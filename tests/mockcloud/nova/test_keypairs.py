"""Key pairs: real keys, their owners, and the versions' rules."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from mockcloud.cloud import Cloud
from mockcloud.nova import ssh_keys
from tests.mockcloud.nova.nova_user import Nova, refusal

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINkpTBV3n2rC7FLcSEhCmqy0RyqP8sGBzJGZOVnGVCVo me@example.org"


async def _import(nova: Nova, name: str = "mine", version: str = "2.104", **values: Any) -> Any:
    return (await nova.post("/os-keypairs", {"keypair": {"name": name, "public_key": KEY, **values}}, version))["keypair"]


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    digest = hashlib.md5(base64.b64decode(KEY.split()[1]), usedforsecurity=False).hexdigest()
    assert ssh_keys.fingerprint(KEY, "ssh").replace(":", "") == digest
    assert len(ssh_keys.fingerprint(KEY, "ssh").split(":")) == 16


async def test_a_made_key_pair_is_a_pair(member: Nova) -> None:
    made = (await member.post("/os-keypairs", {"keypair": {"name": "made"}}, "2.91"))["keypair"]
    private = serialization.load_pem_private_key(made["private_key"].encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert made["public_key"] == f"{public.decode()} Generated-by-Nova"
    assert made["fingerprint"] == ssh_keys.fingerprint(made["public_key"], "ssh")
    shown = (await member.get("/os-keypairs/made"))["keypair"]
    assert (shown["public_key"], shown["fingerprint"], shown["type"]) == (made["public_key"], made["fingerprint"], "ssh")
    assert "private_key" not in shown


async def test_the_private_half_is_recorded_nowhere(member: Nova, nova_cloud: Cloud) -> None:
    made = (await member.post("/os-keypairs", {"keypair": {"name": "made"}}, "2.91"))["keypair"]
    secret = made["private_key"].splitlines()[5]
    assert not [fact for fact in nova_cloud.recorder.facts() if secret in repr(fact.to_dict())]


async def test_a_made_certificate_is_for_its_user(member: Nova) -> None:
    made = (await member.post("/os-keypairs", {"keypair": {"name": "win", "type": "x509"}}, "2.91"))["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    assert certificate.subject.rfc4514_string() == f"CN={member.user_id}"
    key, inside, _ = pkcs12.load_key_and_certificates(base64.b64decode(made["private_key"]), None)
    assert inside == certificate
    assert key is not None
    assert (made["type"], len(made["fingerprint"].split(":"))) == ("x509", 20)


def test_a_certificate_can_be_made_for_a_user_with_any_name() -> None:
    ssh_keys.generate("x509", "ü" * 300, datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("version", "status", "has"),
    [("2.1", 200, set()), ("2.2", 201, {"type"}), ("2.91", 201, {"type"}), ("2.92", 201, {"type"})],
)
async def test_importing_a_key_answers_by_version(member: Nova, version: str, status: int, has: set[str]) -> None:
    answer = await member.request("POST", "/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}}, version)
    assert answer.status == status
    assert set(answer.json()["keypair"]) == {"name", "public_key", "fingerprint", "user_id"} | has
    shown = (await member.get("/os-keypairs/mine", version))["keypair"]
    assert set(shown) == {"id", "name", "public_key", "fingerprint", "user_id", "created_at", "updated_at", "deleted", "deleted_at"} | has
    assert set((await member.get("/os-keypairs", version))["keypairs"][0]["keypair"]) == {"name", "public_key", "fingerprint"} | has


@pytest.mark.parametrize(("version", "status"), [("2.1", 202), ("2.2", 204)])
async def test_a_deleted_key_pair_is_gone(member: Nova, version: str, status: int) -> None:
    await _import(member)
    answer = await member.request("DELETE", "/os-keypairs/mine", version=version)
    assert (answer.status, answer.content) == (status, b"")
    missing = (404, f"Keypair mine not found for user {member.user_id}")
    assert refusal(await member.request("GET", "/os-keypairs/mine")) == missing
    assert refusal(await member.request("DELETE", "/os-keypairs/mine")) == missing


@pytest.mark.parametrize(
    ("version", "values", "status", "message"),
    [
        ("2.104", {"name": "k"}, 400, "'public_key' is a required property"),
        ("2.104", {"name": "k", "public_key": "nonsense"}, 400, "Keypair data is invalid: failed to generate fingerprint"),
        ("2.104", {"name": "k", "public_key": ""}, 400, "Keypair data is invalid: failed to generate fingerprint"),
        ("2.104", {"name": "k", "public_key": "x", "type": "x509"}, 400, "Keypair data is invalid: failed to generate X509 fingerprint."),
        ("2.104", {"name": "k", "public_key": KEY, "type": "gpg"}, 400, "'gpg' is not one of ['ssh', 'x509']"),
        ("2.1", {"name": "k", "public_key": KEY, "type": "ssh"}, 400, "('type' was unexpected)"),
        ("2.9", {"name": "k", "public_key": KEY, "user_id": "u"}, 400, "('user_id' was unexpected)"),
        ("2.91", {"name": "k@x", "public_key": KEY}, 400, r"'k@x' does not match '^[_\\- a-zA-Z0-9]+$'"),
        ("2.104", {"name": "k/x", "public_key": KEY}, 400, "'k/x' does not match"),
        ("2.104", {"name": "", "public_key": KEY}, 400, "'' should be non-empty"),
        ("2.104", {"name": " k", "public_key": KEY}, 400, "An invalid 'name' value was provided."),
        ("2.104", {"public_key": KEY}, 400, "'name' is a required property"),
        ("2.104", {"name": "mine", "public_key": KEY}, 409, "Key pair 'mine' already exists."),
    ],
)
async def test_a_key_pair_that_cannot_be_is_refused(member: Nova, version: str, values: dict[str, Any], status: int, message: str) -> None:
    await _import(member)
    found, said = refusal(await member.request("POST", "/os-keypairs", {"keypair": values}, version))
    assert found == status
    assert message in said
    assert len((await member.get("/os-keypairs"))["keypairs"]) == 1


async def test_a_name_may_have_at_and_dot_from_2_92(member: Nova) -> None:
    assert (await _import(member, "me@host.org", "2.92"))["name"] == "me@host.org"


async def test_a_certificate_is_imported_by_its_fingerprint(member: Nova) -> None:
    pair = ssh_keys.generate("x509", "somebody", datetime(2026, 1, 1))
    made = await _import(member, type="x509", public_key=pair.public_key)
    assert made["fingerprint"] == ssh_keys.fingerprint(pair.public_key, "x509")


async def test_key_pairs_are_the_users_and_administrators_may_name_one(user: Callable[[str], Nova]) -> None:
    member, reader, admin = user("member"), user("reader"), user("admin")
    await _import(member)
    assert (await reader.get("/os-keypairs"))["keypairs"] == []
    query = f"?user_id={member.user_id}"
    assert len((await admin.get(f"/os-keypairs{query}"))["keypairs"]) == 1
    assert (await admin.get(f"/os-keypairs/mine{query}"))["keypair"]["user_id"] == member.user_id
    assert (await _import(admin, "given", user_id=member.user_id))["user_id"] == member.user_id
    assert len((await member.get("/os-keypairs"))["keypairs"]) == 2
    assert (await admin.get(f"/os-keypairs{query}", "2.9"))["keypairs"] == []
    for method, path, body in (
        ("GET", f"/os-keypairs{query}", None),
        ("GET", f"/os-keypairs/mine{query}", None),
        ("DELETE", f"/os-keypairs/mine{query}", None),
        ("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": KEY, "user_id": member.user_id}}),
    ):
        assert (await reader.request(method, path, body)).status == 403
    assert (await admin.request("DELETE", f"/os-keypairs/mine{query}")).status == 204


async def test_pages_follow_by_name_from_2_35(member: Nova) -> None:
    for name in ("c", "a", "b"):
        await _import(member, name)
    first = await member.get("/os-keypairs?limit=2")
    assert [k["keypair"]["name"] for k in first["keypairs"]] == ["a", "b"]
    assert first["keypairs_links"][0]["href"].endswith("/v2.1/os-keypairs?limit=2&marker=b")
    rest = await member.get("/os-keypairs?limit=2&marker=b")
    assert [k["keypair"]["name"] for k in rest["keypairs"]] == ["c"]
    assert "keypairs_links" not in rest
    assert refusal(await member.request("GET", "/os-keypairs?marker=z")) == (400, "Marker z could not be found.")
    assert len((await member.get("/os-keypairs?limit=2", "2.34"))["keypairs"]) == 3


@pytest.mark.parametrize(("version", "status"), [("2.74", 200), ("2.75", 400)])
async def test_unknown_queries_are_refused_from_2_75(member: Nova, version: str, status: int) -> None:
    await _import(member)
    assert (await member.request("GET", "/os-keypairs?x=1", version=version)).status == status
    assert (await member.request("GET", "/os-keypairs/mine?x=1", version=version)).status == status
    assert (await member.request("DELETE", "/os-keypairs/mine?x=1", version=version)).status == (204 if status == 200 else 400)


async def test_the_quota_of_key_pairs_holds(member: Nova, admin: Nova, nova_cloud: Cloud) -> None:
    from mockcloud.nova.tables import quotas

    with nova_cloud.services["nova"].db.transaction() as tx:
        tx.insert(quotas, project_id=member.project_id, resource="key_pairs", hard_limit=1)
    await _import(member)
    for body, version in (({"name": "two", "public_key": KEY}, "2.104"), ({"name": "two"}, "2.91")):
        answer = await member.request("POST", "/os-keypairs", {"keypair": body}, version)
        assert refusal(answer) == (403, "Quota exceeded, too many key pairs.")
