"""A service as a FastAPI app: its operations, its document at `/openapi.json` and a Swagger page at `/docs`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from mockcloud.http.binding import Binding
from mockcloud.http.service import Service
from specs import at, document


def create_app(service: Service) -> FastAPI:
    """Raises DocumentMismatch when document and code differ."""
    info = document(service.name)["info"]
    app = FastAPI(
        title=info["title"],
        version=str(info.get("version", "")),
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else it looks for them at each request; older FastAPIs ignore it
    )

    def openapi() -> dict[str, Any]:
        made = at(service.name)
        made["servers"] = [{"url": service.url}]
        return made

    app.openapi = openapi  # type: ignore[method-assign]
    app.router.routes.append(Binding(service))
    return app
