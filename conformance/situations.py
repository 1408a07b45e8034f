"""Situations that checks of several steps begin with, and what they look for when they are over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.client import Exchange, Person
from conformance.cloud import Cloud
from conformance.launch import EVENTS
from conformance.registry import Broken, NotObservable, Unsupported, require

GARBAGE = "a-token-that-nobody-issued"
SHORT_LIFE = 5.0  # seconds: of a token that is to expire
SHORT_LIFE_ELSEWHERE = 10.0  # a busy cloud takes some of it to answer

# tokens


def revoke(person: Person, token: str) -> None:
    """By another token of the same person's."""
    gone = person.delete("identity", "/auth/tokens", token=person.login(), headers={"X-Subject-Token": token})
    if gone.status != 204:
        raise Broken(f"a token cannot be revoked: {gone}")


def revoked_token(person: Person) -> str:
    """Revoked before any service but keystone saw it: no cache can hold it."""
    token = person.login()
    revoke(person, token)
    return token


def expired_token(cloud: Cloud) -> str:
    """One that was good for a few seconds: it came of an application credential that ends so soon. No service but keystone saw it."""
    person = cloud.member
    now = moment(person.login_exchange()[1].body["token"]["issued_at"])
    life = SHORT_LIFE if cloud.is_mock else SHORT_LIFE_ELSEWHERE
    ends = now + timedelta(seconds=life)
    path = f"/users/{person.user_id}/application_credentials"
    wanted = {"name": cloud.resources.name("short"), "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%S.%f")}
    try:
        made = cloud.resources.create(person, "identity", path, "application_credential", wanted)
    except Broken as error:
        raise NotObservable(f"no token can be made to expire: {error}") from error
    proof = {"methods": ["application_credential"], "application_credential": {"id": made["id"], "secret": made["secret"]}}
    issued = person.post("identity", "/auth/tokens", json={"auth": {"identity": proof}}, token="")
    if issued.status == 401:
        raise NotObservable("no token can be made to expire: the application credential had ended before a token was issued for it")
    if issued.status != 201 or moment(issued.body["token"]["expires_at"]) > ends + timedelta(seconds=1):
        raise NotObservable("no token can be made to expire: this keystone's tokens outlive the application credential that they came of")
    pass_time(cloud, life + 1)
    return str(issued.headers["x-subject-token"])


def moment(text: str) -> datetime:
    """A service's timestamp, which is UTC whether it says so or not."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC)


def pass_time(cloud: Cloud, seconds: float) -> None:
    """On the cloud's own clock where it can be set; by waiting elsewhere."""
    with contextlib.suppress(Unsupported):
        cloud.control.advance(seconds)
        return
    time.sleep(seconds)


# launches that come to nothing


def refused_launch(
    cloud: Cloud,
    statuses: Collection[int],
    why: str,
    *,
    person: Person | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    **server: Any,
) -> Exchange:
    """POSTs a server that has to be refused, and looks whether one is left. One that was accepted is taken away after the check."""
    who = person or cloud.member
    body = cloud.launcher.body("refused", **server)
    answer = who.post("compute", "/servers", json={"server": body}, version=EVENTS, token=token, headers=headers)
    left = servers_named(cloud, str(body.get("name", "")))
    wanted = " or ".join(str(status) for status in statuses)
    require(answer.status in statuses, f"{wanted} for {why}", answer, answer.fact)
    require(not left, f"no server after {wanted} for {why}", f"there is {', '.join(server['id'] for server in left)}", answer.fact)
    return answer


def servers_named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """The member's servers whose names begin so; they are taken away after the check."""
    listed = cloud.member.get("compute", "/servers/detail", params={"name": f"^{name}"}, version=EVENTS) if name else None
    found = list(listed.body["servers"]) if listed is not None and listed.status == 200 else []
    known = {made.path for made in cloud.resources.made}
    for server in found:
        if f"/servers/{server['id']}" not in known:
            cloud.resources.remember(cloud.member, "compute", f"/servers/{server['id']}", f"server {server['id']}")
    return found


@contextlib.contextmanager
def stray_ports(cloud: Cloud) -> Iterator[list[str]]:
    """After the block, the list has the project's new ports whose server is not there."""
    before, found = set(_ports(cloud)), list[str]()
    yield found
    for port_id, server_id in _ports(cloud).items():
        if port_id not in before and server_id and cloud.member.get("compute", f"/servers/{server_id}").status == 404:
            found.append(port_id)
            cloud.resources.remember(cloud.member, "network", f"/ports/{port_id}", f"port {port_id}")


def _ports(cloud: Cloud) -> dict[str, str]:
    """The devices of the project's ports."""
    listed = cloud.member.get("network", "/ports") if cloud.member.has("network") else None
    mine = [p for p in listed.body["ports"] if p["tenant_id"] == cloud.member.project_id] if listed and listed.status == 200 else []
    return {port["id"]: port["device_id"] for port in mine if str(port.get("device_owner", "")).startswith("compute")}


# quotas

QUOTAS = {"compute": ("/os-quota-sets/", "quota_set"), "network": ("/quotas/", "quota")}


@contextlib.contextmanager
def other_quota(admin: Person, service: str, project_id: str, wanted: Mapping[str, int]) -> Iterator[None]:
    """A project's quota is as wanted until the block ends; -1 is no limit."""
    path, key = QUOTAS[service][0] + project_id, QUOTAS[service][1]
    before = admin.get(service, path).body[key]
    changed = admin.put(service, path, json={key: dict(wanted)})
    if changed.status != 200:
        raise Broken(f"the admin cannot set a quota: {changed}")
    try:
        yield
    finally:
        admin.put(service, path, json={key: {name: before[name] for name in wanted}})
