"""A service as an ASGI app: its operations, its document at `/openapi.json` and a Swagger page at `/docs`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from mockcloud.http.binding import Binding, own_path
from mockcloud.http.service import Service
from specs import at, document

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGES = frozenset(("/openapi.json", "/docs", "/docs/oauth2-redirect"))


class ServiceApp:
    """FastAPI serves the pages. Operations go straight to the binding: behind FastAPI's middleware each would take half as long again.

    Raises DocumentMismatch when document and code differ.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.binding = Binding(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and own_path(scope) not in PAGES:
            await self.binding.handle(scope, receive, send)
        else:
            await self.pages(scope, receive, send)

    @functools.cached_property
    def pages(self) -> FastAPI:
        """Made on use: FastAPI costs a fifth of a second to import."""
        from fastapi import FastAPI

        service, info = self._service, document(self._service.name)["info"]
        app = FastAPI(title=info["title"], version=str(info.get("version", "")), redoc_url=None, root_path_in_servers=False)

        def openapi() -> dict[str, Any]:
            made = at(service.name)
            made["servers"] = [{"url": service.url}]
            return made

        app.openapi = openapi  # type: ignore[method-assign]
        return app
