"""S01 to S05, and every other validation of a token."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.evidence import Fact
from conformance.sightings import Contradiction, Found, Scan, begun, ended, makes_servers, sees, some_time

ASKING = {"S04": "nova-api", "S20": "glance", "S23": "neutron", "S26": "cinder"}
CALL = {"S20": "S19", "S23": "S22", "S26": "S25"}  # the call whose token is validated


def _logins(scan: Scan) -> Iterator[Fact]:
    """Logins whose token the boot request carries; of a source that cannot tell tokens, none."""
    token = scan.boot.get("token")
    for kind, actor in (("http.client", "client"), ("http.server", "keystone")):
        for fact in scan.those(kind, actor=actor, method="POST", path=lambda path: str(path).endswith("/auth/tokens")):
            if token and fact.get("issued_token") == token:
                yield fact


@sees("S01", once=True)
def login(scan: Scan, event: str) -> Iterator[Found]:
    """REST: POST /v3/auth/tokens, the one whose token the boot request carries."""
    for fact in _logins(scan):
        yield begun(event, fact, "POST /v3/auth/tokens")


@sees("S02", once=True)
def token_issued(scan: Scan, event: str) -> Iterator[Found]:
    """REST: its answer 201 with that token."""
    for fact in _logins(scan):
        if fact.get("status") == 201:
            yield from ended(event, fact, f"201, token {fact.get('issued_token')}")


@sees("S01", "S02")
def login_traced(scan: Scan, event: str) -> Iterator[Found]:
    """OSProfiler, keystone's log, CADF notification: a login just before the boot request."""
    if list(_logins(scan)):
        return
    for fact in scan.those("notification", name="identity.authenticate"):
        yield begun(event, fact, "identity.authenticate", direct=event == "S01")
    for fact in scan.those("http.server", actor="keystone", method="POST", path=lambda path: str(path).endswith("/auth/tokens")):
        if not fact.get("issued_token"):
            yield begun(event, fact, fact.name) if event == "S01" else some_time(event, fact, f"the end of {fact.name}", direct=True)


@sees("S03", once=True)
def boot_request(scan: Scan, event: str) -> Iterator[Found]:
    """REST: POST /servers, as the client or nova-api sees it."""
    for kind, actor in (("http.client", "client"), ("http.server", "nova-api")):
        for fact in scan.those(kind, actor=actor, method="POST"):
            if makes_servers(fact):
                yield begun(event, fact, f"{fact.name}{' as ' + scan.boot.get('request_id', '') if scan.boot.get('request_id') else ''}")


@sees("S04", "S20", "S23", "S26")
def validation(scan: Scan, event: str) -> Iterator[Found]:
    """REST: GET /v3/auth/tokens by the service that was asked, about the token it was asked with, while it serves that request."""
    served = _served(scan, event)
    for fact in scan.beneath("http.client", served, actor=ASKING[event], method="GET", path=_is_tokens):
        if served is None or not served.get("token") or fact.get("subject_token") in ("", None, served.get("token")):
            yield begun(event, fact, f"GET /v3/auth/tokens for {served.name if served else '?'}")
    asked = list(scan.those("http.server", actor="keystone", method="GET", path=_is_tokens, cause=served.id if served else "?"))
    after_its_own = [fact for fact in asked if "allow_expired" in str(fact.get("query"))]  # the first was about a service token beside it
    for fact in after_its_own or asked:
        yield begun(event, fact, f"keystone was asked while {served.name if served else '?'} was served")


def _is_tokens(path: object) -> bool:
    return str(path).endswith("/auth/tokens")


def _served(scan: Scan, event: str) -> Fact | None:
    """The request at whose service the token is validated, as that service saw it."""
    if event == "S04":
        return scan.served
    call = scan.fact(CALL[event])
    if call is None or call.kind == "http.server":
        return call
    return next((f for f in scan.those("http.server", actor=ASKING[event]) if f.cause == call.id), None)


@sees("S04", "S20", "S23", "S26")
def validation_probed(scan: Scan, event: str) -> Iterator[Found]:
    """Probe: a token revoked before its first use is refused, and a good sibling is not: only keystone can have told the service."""
    for fact in scan.those("probe", name="revoked token", asked=ASKING[event]):
        if fact.get("revocation") != 204 or fact.get("control") != 200:
            continue
        if fact.get("status") == 401:
            yield some_time(event, fact, "401 for a token revoked before its first use, 200 for its sibling")
        elif fact.get("status") == 200:
            yield Contradiction(event, fact, "401 for a token revoked before its first use", "200")


@sees("S05")
def identity_bound(scan: Scan, event: str) -> Iterator[Found]:
    """REST: keystone's answer 200, and user and project bound to the boot request; or a message in the user's name."""
    asked = scan.fact("S04")
    if asked is not None and asked.kind in ("http.client", "http.server") and asked.get("status") in (200, None):
        who = scan.served.get("user_id") if scan.served else None
        yield from ended(event, asked, f"200, user {str(who)[:8]}" if who else "the answer")
    for fact in scan.those("rpc.publish"):
        if fact.get("user_id") and fact.get("project_id") and scan.server_id in fact.server_ids and not scan.served:
            yield begun(event, fact, f"the message {fact.name} is in user {str(fact.get('user_id'))[:8]}'s name")
            return


@sees("S05")
def identity_shown(scan: Scan, event: str) -> Iterator[Found]:
    """Server view: its project and user are those of the token."""
    for fact in scan.those("view", name="server"):
        if fact.get("tenant_id") and fact.get("user_id"):
            yield some_time(event, fact, f"the server belongs to user {fact.get('user_id')[:8]} of project {fact.get('tenant_id')[:8]}")
            return


@sees("S06")
def refusal(scan: Scan, event: str) -> Iterator[Found]:
    """Probe: an unknown flavor is refused at once: nova-api has looked."""
    for fact in scan.those("probe", name="unknown flavor"):
        if fact.get("status") in (400, 404):
            yield some_time(event, fact, f"{fact.get('status')} for an unknown flavor")
        elif fact.get("status") == 202:
            yield Contradiction(event, fact, "400 for an unknown flavor", "202")
