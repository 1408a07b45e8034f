"""Errors a coroutine may raise, and how each service words them on the wire."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson


class ApiError(Exception):
    """An answer that is an error. `type` is neutron's exception name, `code` placement's error code, `title` keystone's."""

    status = 500

    def __init__(
        self, message: str = "", *, type: str = "", code: str = "", title: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.type, self.code, self.title = message, type, code, title
        self.headers = headers or {}


class BadRequest(ApiError):
    status = 400


class Unauthorized(ApiError):
    status = 401


class Forbidden(ApiError):
    status = 403


class NotFound(ApiError):
    status = 404


class MethodNotAllowed(ApiError):
    status = 405


class NotAcceptable(ApiError):
    status = 406


class Conflict(ApiError):
    status = 409


class Gone(ApiError):
    status = 410


class LengthRequired(ApiError):
    status = 411


class PreconditionFailed(ApiError):
    status = 412


class TooLarge(ApiError):
    status = 413


class UnsupportedMediaType(ApiError):
    status = 415


class RangeNotSatisfiable(ApiError):
    status = 416


class TooManyRequests(ApiError):
    status = 429


class InternalError(ApiError):
    status = 500


class NotImplementedHere(ApiError):
    status = 501


class BadGateway(ApiError):
    status = 502


class Unavailable(ApiError):
    status = 503


class TokenRefused(Unauthorized):
    """401 as the token middleware words it, in every service but keystone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the request an error's form depends on."""

    request_id: str
    accept: str = ""
    version: tuple[int, int] = (0, 0)


Rendered = tuple[str, bytes]  # media type, body
JSON = "application/json"


def reason(status: int) -> str:
    return HTTPStatus(status).phrase


NOVA_FAULTS = {
    400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 409: "conflictingRequest",
    413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable",
}  # fmt: skip


def _nova(error: ApiError, asked: Asked) -> Rendered:
    fault: dict[str, Any] = {"code": error.status, "message": error.message or reason(error.status)}
    if "Retry-After" in error.headers:
        fault["retryAfter"] = error.headers["Retry-After"]
    return JSON, orjson.dumps({NOVA_FAULTS.get(error.status, "computeFault"): fault})


def _keystone(error: ApiError, asked: Asked) -> Rendered:
    title = error.title or reason(error.status)
    return JSON, orjson.dumps({"error": {"code": error.status, "message": error.message, "title": title}})


def _neutron(error: ApiError, asked: Asked) -> Rendered:
    kind = error.type or {404: "HTTPNotFound", 409: "HTTPConflict", 403: "HTTPForbidden"}.get(error.status, "HTTPBadRequest")
    return JSON, orjson.dumps({"NeutronError": {"type": kind, "message": error.message, "detail": ""}})


def _placement(error: ApiError, asked: Asked) -> Rendered:
    found: dict[str, Any] = {
        "status": error.status,
        "title": reason(error.status),
        "detail": f"{WEBOB.get(error.status, reason(error.status))}\n\n {error.message}  ",
        "request_id": asked.request_id,
    }
    if asked.version >= (1, 23):
        found["code"] = error.code or "placement.undefined_code"
    return JSON, orjson.dumps({"errors": [found]})


WEBOB = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    401: "This server could not verify that you are authorized to access the document you requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method specified is not allowed for this resource.",
    409: "There was a conflict when trying to complete your request.",
    410: "This resource is no longer available.  No forwarding address is given.",
    413: "The body of your request was too large for this server.",
    415: "The request media type is not supported by this server.",
    500: "The server has either erred or is incapable of performing the requested operation.",
    503: "The server is currently unavailable. Please try again at a later time.",
}  # the stock sentences of WebOb, the library that renders these services' errors


def _glance(error: ApiError, asked: Asked) -> Rendered:
    """As WebOb chooses: HTML, JSON or text by Accept."""
    title = reason(error.status)
    message = error.message or WEBOB.get(error.status, title)
    if "text/html" in asked.accept or "*/*" in asked.accept:
        text = html.escape(message, quote=False)
        page = f"<html>\n <head>\n  <title>{error.status} {title}</title>\n </head>\n <body>\n  <h1>{error.status} {title}</h1>\n"
        return "text/html; charset=UTF-8", f"{page}  {text}<br /><br />\n\n\n </body>\n</html>".encode()
    if JSON in asked.accept:
        said = {"message": f"{message}<br /><br />\n\n\n", "code": f"{error.status} {title}", "title": title}
        return JSON, orjson.dumps(said)
    return "text/plain; charset=UTF-8", f"{error.status} {title}\n\n{message}\n\n\n   ".encode()


def _middleware(error: ApiError, asked: Asked) -> Rendered:
    message = error.message or "The request you have made requires authentication."
    return JSON, orjson.dumps({"error": {"code": error.status, "title": reason(error.status), "message": message}})


DIALECTS: dict[str, Callable[[ApiError, Asked], Rendered]] = {
    "keystone": _keystone,
    "nova": _nova,
    "cinder": _nova,
    "neutron": _neutron,
    "glance": _glance,
    "placement": _placement,
}


def render(service: str, error: ApiError, asked: Asked) -> Rendered:
    """The media type and body of an error in a service's own words."""
    return (_middleware if isinstance(error, TokenRefused) else DIALECTS[service])(error, asked)
