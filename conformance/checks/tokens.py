"""S04: nova-api lets nobody in whom keystone does not know."""

from __future__ import annotations

import time

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.launch import EVENTS
from conformance.registry import NotObservable, check, require
from conformance.situations import GARBAGE, expired_token, refused_launch, revoked_token, servers_named

KEYSTONEMIDDLEWARE_CACHE = 300.0  # seconds: its default, where the cloud does not say
GRACE = 10.0  # seconds
STEP = 2.0  # seconds between two looks, at most: servers close a connection that rests for 5


@check(
    "S04.C1", "B", given="no token", when="POST /servers and GET /servers",
    then="401 with a WWW-Authenticate that names keystone; no server",
)  # fmt: skip
def no_token(cloud: Cloud) -> None:
    """Without a token nova says where to get one, and does nothing."""
    posted = refused_launch(cloud, (401,), "no token", token="")
    listed = cloud.member.get("compute", "/servers", token="")
    require(listed.status == 401, "401 without a token", listed, listed.fact)
    for answer in (posted, listed):
        told = answer.headers.get("www-authenticate", "")
        require(told.lower().startswith("keystone uri="), 'WWW-Authenticate: Keystone uri="…"', told or "none", answer.fact)


@check(
    "S04.C2", "B", given="a token that nobody issued, one revoked before its first use at nova, and an expired one",
    when="POST /servers with each", then="401 each, and no server",
)  # fmt: skip
def bad_tokens(cloud: Cloud) -> None:
    """No kind of bad token gets a server."""
    refused_launch(cloud, (401,), "a token that nobody issued", token=GARBAGE)
    refused_launch(cloud, (401,), "a token that was revoked before its first use", token=revoked_token(cloud.member))
    refused_launch(cloud, (401,), "an expired token", token=expired_token(cloud))


@check(
    "S04.C3", "B", given="a token that nova has accepted, then revoked", when="GET /servers again and again",
    then="401 at the latest when nova's trust in it has ended (plus 10 s), and for ever after",
)  # fmt: skip
def trust_ends(cloud: Cloud) -> None:
    """Nova's trust in a token outlives its revocation by no more than the time for which it caches."""
    token, other = cloud.member.login(), cloud.member.login()
    accepted = _use(cloud, token)
    require(accepted.status == 200, "200 with a good token", accepted, accepted.fact)
    gone = cloud.member.delete("identity", "/auth/tokens", token=other, headers={"X-Subject-Token": token})
    require(gone.status == 204, "204 to the revocation of one's own token", gone, gone.fact)
    trusted = KEYSTONEMIDDLEWARE_CACHE if cloud.token_cache_time is None else cloud.token_cache_time
    deadline, pause = time.monotonic() + trusted + GRACE, 0.02
    while (answer := _use(cloud, token)).status != 401 and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 2, STEP)
    require(answer.status == 401, f"401 within {trusted + GRACE:.0f} s of the revocation", answer, gone.fact, answer.fact)
    for _ in range(3):
        again = _use(cloud, token)
        require(again.status == 401, "401 for ever after", again, again.fact)


def _use(cloud: Cloud, token: str) -> Exchange:
    return cloud.member.get("compute", "/servers", params={"limit": 1}, token=token)


@check(
    "S04.C4", "B", given="a token that nobody issued, and a body that the schema refuses", when="POST /servers", then="401, not 400",
)  # fmt: skip
def token_before_body(cloud: Cloud) -> None:
    """Nova asks who it is before it reads what they want."""
    answer = cloud.member.post("compute", "/servers", json={"server": {"nonsense": []}}, token=GARBAGE, version=EVENTS)
    require(answer.status == 401, "401 for a bad token with a bad body", answer, answer.fact)
    control = cloud.member.post("compute", "/servers", json={"server": {"nonsense": []}}, version=EVENTS)
    require(control.status == 400, "400 for the same body with a good token", control, control.fact)


@check(
    "S04.C5", "H", given="keystone cannot be reached, and nova has never seen a token", when="POST /servers with that token",
    then="503, and no server", needs=("faults",), alone=True,
)  # fmt: skip
def keystone_away(cloud: Cloud) -> None:
    """Whom nova cannot ask about, it does not let in."""
    token = cloud.member.login()
    body = cloud.launcher.body("keystone-away")
    with cloud.control.without_service("keystone"):
        answer = cloud.member.post("compute", "/servers", json={"server": body}, token=token, version=EVENTS)
    left = servers_named(cloud, body["name"])
    require(answer.status == 503, "503 while keystone is away", answer, answer.fact)
    require(not left, "no server", f"there is {left[0]['id'] if left else ''}", answer.fact)


@check(
    "S04.C6", "B", given="a good token, and beside it a service token that nobody issued", when="GET /servers", then="401",
)  # fmt: skip
def bad_service_token(cloud: Cloud) -> None:
    """A bad service token spoils a good user's token."""
    token = cloud.member.login()
    control = cloud.member.get("compute", "/servers", params={"limit": 1}, token=token)
    if control.status != 200:
        raise NotObservable(f"the member may not list servers: {control}")
    answer = cloud.member.get("compute", "/servers", params={"limit": 1}, token=token, headers={"X-Service-Token": GARBAGE})
    require(answer.status == 401, "401 beside a bad X-Service-Token", answer, answer.fact)
