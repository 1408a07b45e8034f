"""The service catalog of a token, and the services, endpoints and regions behind it."""

from __future__ import annotations

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.reply import Json
from mockcloud.keystone.tables import endpoints, services


def build_catalog(tx: Transaction, project_id: str = "", user_id: str = "") -> list[Json]:
    """Enabled services with their enabled endpoints, as clients read them from a token."""
    by_service: dict[str, list[Row]] = {}
    for row in tx.all(select(endpoints).where(endpoints.c.enabled.is_(True))):
        by_service.setdefault(row["service_id"], []).append(row)
    catalog = []
    for service in tx.all(select(services).where(services.c.enabled.is_(True))):
        found = [_endpoint(row, project_id, user_id) for row in by_service.get(service["id"], ())]
        entry = {"endpoints": [endpoint for endpoint in found if endpoint], "type": service["type"], "id": service["id"]}
        catalog.append(entry | ({"name": service["name"]} if service["name"] else {}))
    return catalog


def _endpoint(row: Row, project_id: str, user_id: str) -> Json:
    """None where the URL needs a project and there is none."""
    known = {"project_id": project_id, "tenant_id": project_id, "user_id": user_id}
    try:
        url = row["url"].replace("$(", "%(") % {name: value for name, value in known.items() if value}
    except (KeyError, ValueError, TypeError):
        return None
    return {"id": row["id"], "interface": row["interface"], "region_id": row["region_id"], "region": row["region_id"], "url": url}
