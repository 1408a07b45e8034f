"""S01 and S02: logging in, and what a token is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import requests
from keystoneauth1.exceptions import ClientException

from conformance.client import SERVICES, Exchange, Person
from conformance.cloud import Cloud
from conformance.registry import NotObservable, Unsupported, check, require
from conformance.situations import moment

CATALOGUED = ("identity", "compute", "image", "network")


def password_body(cloud: Cloud, **changes: Any) -> dict[str, Any]:
    """A login by name and password that fails: nobody's real password is in it."""
    user = {"name": changes.get("name", "conformance-nobody"), "domain": {"id": "default"}, "password": changes.get("password", "wrong")}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


def validate(person: Person, subject: str, token: str) -> Exchange:
    """What keystone says of a token, asked with another one or with itself."""
    return person.get("identity", "/auth/tokens", token=token, headers={"X-Subject-Token": subject})


def rescope(person: Person, token: str, project_id: str) -> Exchange:
    """Asks for a token of another project in exchange for one at hand."""
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"project": {"id": project_id}}}
    return person.post("identity", "/auth/tokens", json={"auth": auth}, token="")


def projects_of(person: Person) -> list[str]:
    listed = person.get("identity", "/auth/projects")
    return [project["id"] for project in listed.body["projects"]] if listed.status == 200 else []


@check(
    "S01.C1", "B", given="a valid user, password and project", when="POST /v3/auth/tokens",
    then="201; user and project of the answer are those that were asked for",
)  # fmt: skip
def login(cloud: Cloud) -> None:
    """Right credentials get a token for that user and that project."""
    token, issued = cloud.member.login_exchange()
    require(issued.status == 201 and token, "201 and a token", issued, issued.fact)
    asked, given = (issued.fact.get("request") or {}).get("auth", {}), issued.body["token"]
    user = asked.get("identity", {}).get("password", {}).get("user", {})
    project = asked.get("scope", {}).get("project", {}) if isinstance(asked.get("scope"), dict) else {}
    for what, wanted in (("user", user), ("project", project)):
        require(isinstance(given.get(what), dict), f"a token with a {what}", sorted(given), issued.fact)
        for key in ("id", "name"):
            require(wanted.get(key) in (None, given[what][key]), f"{what} {wanted.get(key)}", given[what][key], issued.fact)
    require(given["user"]["id"] == cloud.member.user_id, f"user {cloud.member.user_id}", given["user"], issued.fact)
    require(given["project"]["id"] == cloud.member.project_id, f"project {cloud.member.project_id}", given["project"], issued.fact)


@check(
    "S01.C2", "B", given="a wrong password, and an unknown user", when="POST /v3/auth/tokens",
    then="401 for both, no token, and bodies that do not tell the two apart",
)  # fmt: skip
def wrong_credentials(cloud: Cloud) -> None:
    """Wrong credentials get 401, and nothing tells a wrong password from an unknown user."""
    known = {"id": cloud.member.user_id, "password": "wrong"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": known}}}}
    wrong = cloud.member.post("identity", "/auth/tokens", json=body, token="")
    unknown = cloud.member.post("identity", "/auth/tokens", json=password_body(cloud), token="")
    for answer in (wrong, unknown):
        require(answer.status == 401, "401", answer, answer.fact)
        require("x-subject-token" not in answer.headers, "no X-Subject-Token", "there is one", answer.fact)
    require(wrong.body == unknown.body, "equal bodies", f"{wrong.body} and {unknown.body}", wrong.fact, unknown.fact)


@check(
    "S01.C3", "B2", given="a valid user without a role on a project", when="POST /v3/auth/tokens, scoped to that project",
    then="401 and no token", needs=("stranger",),
)  # fmt: skip
def no_role(cloud: Cloud) -> None:
    """A project where the user has no role cannot be had in a token."""
    token, issued = cloud.member.login_exchange()
    if "application_credential" in issued.body["token"]["methods"]:
        raise NotObservable("the member's credentials are bound to one project, and cannot ask for another")
    foreign = cloud.stranger.project_id
    if foreign in projects_of(cloud.member):
        raise NotObservable("the member has a role on the stranger's project, too")
    answer = rescope(cloud.member, token, foreign)
    require(answer.status == 401, "401 for a token of a project without a role", answer, answer.fact)
    require("x-subject-token" not in answer.headers, "no X-Subject-Token", "there is one", answer.fact)


@check("S01.C4", "B", given="a body without auth.identity", when="POST /v3/auth/tokens", then="400 and no token")
def malformed_login(cloud: Cloud) -> None:
    """A malformed login gets 400."""
    answer = cloud.member.post("identity", "/auth/tokens", json={"auth": {"scope": "unscoped"}}, token="")
    require(answer.status == 400, "400", answer, answer.fact)
    require("x-subject-token" not in answer.headers, "no X-Subject-Token", "there is one", answer.fact)


@check(
    "S02.C1", "B", given="a login that was answered with 201", when="its header and its body are read",
    then="a token; it ends after now and after it was issued; it has roles; the catalog names services that answer",
)  # fmt: skip
def token_content(cloud: Cloud) -> None:
    """A token comes with a life, with roles, and with a catalog of endpoints that can be reached."""
    token, issued = cloud.member.login_exchange()
    given = issued.body["token"]
    begins, ends = moment(given["issued_at"]), moment(given["expires_at"])
    require(token, "a non-empty X-Subject-Token", "none", issued.fact)
    require(ends > max(begins, datetime.now(begins.tzinfo)), "expires_at after issued_at and in the future", ends, issued.fact)
    require(given.get("roles"), "roles in the token", given.get("roles"), issued.fact)
    for service in CATALOGUED:
        _must_answer(cloud, service, _urls(cloud, given.get("catalog", []), service), issued)
    if not (urls := _urls(cloud, given.get("catalog", []), "volume")):
        raise Unsupported("the rest is as it should be, but the catalog has no block storage service")
    _must_answer(cloud, "volume", urls, issued)


def _urls(cloud: Cloud, catalog: list[dict[str, Any]], service: str) -> list[str]:
    options = cloud.options
    return [
        endpoint["url"]
        for entry in catalog
        if entry["type"] in SERVICES[service]
        for endpoint in entry["endpoints"]
        if endpoint["interface"] == options.interface and options.region in (None, endpoint.get("region_id"), endpoint.get("region"))
    ]


def _must_answer(cloud: Cloud, service: str, urls: list[str], issued: Exchange) -> None:
    require(urls, f"a {cloud.options.interface} endpoint of {service} in the catalog", "none", issued.fact)
    for url in urls:
        try:
            status = cloud.member.session.request(
                url, "GET", authenticated=False, raise_exc=False, connect_retries=0, log=False
            ).status_code
        except (ClientException, requests.RequestException) as error:
            status = type(error).__name__
        require(isinstance(status, int) and status < 500, f"an answer at {url}", status, issued.fact)


@check(
    "S02.C2", "B", given="two logins of one user", when="their tokens are compared and validated",
    then="tokens and audit ids differ; both are good",
)  # fmt: skip
def two_tokens(cloud: Cloud) -> None:
    """Every login gets a token of its own."""
    (one, first), (other, second) = cloud.member.login_exchange(), cloud.member.login_exchange()
    require(one != other, "two tokens", "twice the same", first.fact, second.fact)
    audits = [set(exchange.body["token"]["audit_ids"]) for exchange in (first, second)]
    require(not audits[0] & audits[1], "audit ids of their own", audits, first.fact, second.fact)
    for token in (one, other):
        shown = validate(cloud.member, token, token)
        require(shown.status == 200, "200 to the validation of both", shown, shown.fact)


@check(
    "S02.C3",
    "B",
    given="a token",
    when="GET /v3/auth/tokens, with itself",
    then="200; user, project, roles and expires_at are those of its issue",
)
def validated_token(cloud: Cloud) -> None:
    """A validated token says what it said when it was issued."""
    token, issued = cloud.member.login_exchange()
    shown = validate(cloud.member, token, token)
    require(shown.status == 200, "200 to the validation of a good token", shown, shown.fact)
    before, after = _gist(issued.body["token"]), _gist(shown.body["token"])
    require(before == after, f"{before}", f"{after}", issued.fact, shown.fact)


def _gist(token: dict[str, Any]) -> dict[str, Any]:
    return {
        "user": token["user"]["id"], "project": (token.get("project") or {}).get("id"),
        "roles": sorted(role["id"] for role in token.get("roles", ())), "expires_at": token["expires_at"],
    }  # fmt: skip


@check(
    "S02.C4", "B", given="a token whose DELETE was answered with 204", when="it is validated, and used",
    then="404 to its validation, 401 to its use",
)  # fmt: skip
def revoked(cloud: Cloud) -> None:
    """A revoked token is unknown from then on."""
    token, other = cloud.member.login(), cloud.member.login()
    gone = cloud.member.delete("identity", "/auth/tokens", token=other, headers={"X-Subject-Token": token})
    require(gone.status == 204, "204 to the revocation of one's own token", gone, gone.fact)
    judge = cloud.people.get("admin", cloud.member)
    shown = validate(judge, token, judge.login() if judge is not cloud.member else other)
    require(shown.status == 404, "404 to the validation of a revoked token", shown, shown.fact)
    used = validate(cloud.member, token, token)
    require(used.status == 401, "401 to a revoked token", used, used.fact)
    control = validate(cloud.member, other, other)
    require(control.status == 200, "200 to another token of the same user", control, control.fact)


@check(
    "S02.C5", "B2", given="a token of project A, and a role of its user on project B", when="POST /v3/auth/tokens with it, scoped to B",
    then="201 and a token of B; that of A stays good",
)  # fmt: skip
def rescoped(cloud: Cloud) -> None:
    """A token can be exchanged for one of another of its user's projects, and both are good."""
    for person in cloud.people.values():
        token, issued = person.login_exchange()
        others = [id for id in projects_of(person) if id != person.project_id]
        if others and "application_credential" not in issued.body["token"]["methods"]:
            break
    else:
        raise NotObservable("none of the users that are known has a role on two projects")
    answer = rescope(person, token, others[0])
    require(answer.status == 201, "201 to a token of another project", answer, answer.fact)
    project = (answer.body["token"].get("project") or {}).get("id")
    require(project == others[0], f"a token of project {others[0]}", f"one of {project}", answer.fact)
    for kept, expected in ((token, person.project_id), (answer.headers["x-subject-token"], others[0])):
        shown = validate(person, kept, kept)
        actual = shown.body["token"]["project"]["id"] if shown.status == 200 else str(shown)
        require(actual == expected, f"200 and project {expected}", actual, shown.fact)
