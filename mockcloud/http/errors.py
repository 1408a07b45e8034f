"""Errors a coroutine may raise, and how each service words them on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from mockcloud.http import webob


class ApiError(Exception):
    """An answer that is an error.

    `type` is neutron's exception name, `code` placement's error code, `title` keystone's, `detail` what glance writes below.
    """

    status = 500

    def __init__(
        self,
        message: str = "",
        *,
        type: str = "",
        code: str = "",
        title: str = "",
        detail: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.type, self.code, self.title, self.detail = message, type, code, title, detail
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


class VersionNotAcceptable(NotAcceptable):
    """No such microversion: `low` to `high` there are."""

    def __init__(self, message: str, low: str, high: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, headers=headers)
        self.low, self.high = low, high


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


class BodyTooLarge(TooLarge):
    """413 as the middleware before nova, cinder and keystone words it: WebOb's, whatever the service's own form."""


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
    """A wrong method is refused by the web framework, before keystone's own form."""
    if error.status == 405:
        return JSON, orjson.dumps({"message": "The method is not allowed for the requested URL."})
    title = error.title or reason(error.status)
    return JSON, orjson.dumps({"error": {"code": error.status, "message": error.message, "title": title}})


def _neutron(error: ApiError, asked: Asked) -> Rendered:
    kind = error.type or {404: "HTTPNotFound", 409: "HTTPConflict", 403: "HTTPForbidden"}.get(error.status, "HTTPBadRequest")
    return JSON, orjson.dumps({"NeutronError": {"type": kind, "message": error.message, "detail": ""}})


def _placement(error: ApiError, asked: Asked) -> Rendered:
    found: dict[str, Any] = {
        "status": error.status,
        "title": reason(error.status),
        "detail": f"{webob.EXPLANATIONS.get(error.status, reason(error.status))}\n\n {error.message}  ",
        "request_id": asked.request_id,
    }
    if asked.version >= (1, 23):
        found["code"] = error.code or "placement.undefined_code"
    if isinstance(error, VersionNotAcceptable):
        found |= {"min_version": error.low, "max_version": error.high}
    return JSON, orjson.dumps({"errors": [found]})


def _glance(error: ApiError, asked: Asked) -> Rendered:
    explanation = error.message or webob.EXPLANATIONS.get(error.status, reason(error.status))
    media, body = webob.write(error.status, reason(error.status), explanation, error.detail, asked.accept)
    return media, body.encode()


def _middleware(error: ApiError, asked: Asked) -> Rendered:
    message = error.message or "The request you have made requires authentication."
    return JSON, orjson.dumps({"error": {"code": error.status, "title": reason(error.status), "message": message}})


def _sizelimit(error: ApiError, asked: Asked) -> Rendered:
    media, body = webob.write(error.status, reason(error.status), error.message, "", asked.accept)
    return media, body.encode()


BEFORE: dict[type[ApiError], Callable[[ApiError, Asked], Rendered]] = {TokenRefused: _middleware, BodyTooLarge: _sizelimit}
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
    return (BEFORE.get(type(error)) or DIALECTS[service])(error, asked)
