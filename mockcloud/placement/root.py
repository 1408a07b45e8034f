"""Version discovery."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.reply import Json
from specs import document


async def show_version(ctx: Context) -> Json:
    micro = document("placement")["x-service"]["microversion"]
    found = {"id": "v1.0", "max_version": micro["max"], "min_version": micro["min"], "status": "CURRENT"}
    return {"versions": [found | {"links": [{"rel": "self", "href": ""}]}]}
