"""What keystone tells of logins on the bus: events of the Cloud Auditing Data Federation (CADF)."""

from __future__ import annotations

import uuid
from datetime import UTC
from typing import Any

from mockcloud.db.engine import Row
from mockcloud.http.context import Context

AUDITED = ("password", "application_credential")  # a token that is shown again is no login
ACCOUNT = "service/security/account/user"


async def tell_authentication(ctx: Context, user: Row, outcome: str) -> None:
    """`outcome` is success or failure."""
    initiator: dict[str, Any] = {"typeURI": ACCOUNT, "id": user["id"], "user_id": user["id"], "name": user["name"]}
    initiator |= {"username": user["name"], "request_id": ctx.request_id}
    if ctx.global_request_id:
        initiator["global_request_id"] = ctx.global_request_id
    event = {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "id": str(uuid.uuid4()),
        "eventType": "activity",
        "eventTime": ctx.now().replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
        "action": "authenticate",
        "outcome": outcome,
        "initiator": initiator,
        "target": {"typeURI": ACCOUNT, "id": str(uuid.uuid4())},
        "observer": {"typeURI": "service/security", "id": str(uuid.uuid5(uuid.NAMESPACE_URL, ctx.url("/v3")))},
    }
    await ctx.notify("identity.authenticate", event)
