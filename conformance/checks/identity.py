"""S01 and S02: logging in, and what a token is."""

from __future__ import annotations

from typing import Any

from conformance.cloud import Cloud
from conformance.registry import check, require


def password_body(cloud: Cloud, **changes: Any) -> dict[str, Any]:
    """A login by name and password that fails: nobody's real password is in it."""
    user = {"name": changes.get("name", "conformance-nobody"), "domain": {"id": "default"}, "password": changes.get("password", "wrong")}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


@check(
    "S01.C1", "B", given="a valid user, password and project", when="POST /v3/auth/tokens",
    then="201; user and project of the answer are those that were asked for",
)  # fmt: skip
def login(cloud: Cloud) -> None:
    """Right credentials get a token for that user and that project."""
    token, issued = cloud.member.login_exchange()
    require(issued.status == 201 and token, "201 and a token", issued, issued.fact)
    body = issued.body["token"]
    require(body["user"]["id"] == cloud.member.user_id, f"user {cloud.member.user_id}", body["user"], issued.fact)
    require(body["project"]["id"] == cloud.member.project_id, f"project {cloud.member.project_id}", body["project"], issued.fact)


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


@check("S01.C4", "B", given="a body without auth.identity", when="POST /v3/auth/tokens", then="400 and no token")
def malformed_login(cloud: Cloud) -> None:
    """A malformed login gets 400."""
    answer = cloud.member.post("identity", "/auth/tokens", json={"auth": {"scope": "unscoped"}}, token="")
    require(answer.status == 400, "400", answer, answer.fact)
    require("x-subject-token" not in answer.headers, "no X-Subject-Token", "there is one", answer.fact)
