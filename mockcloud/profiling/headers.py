"""How a trace travels: in two REST headers, signed with the key that the services share, and in a message's context."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from mockcloud.trace import Trace, current_scope

INFO, SIGNATURE = "X-Trace-Info", "X-Trace-HMAC"
REQUIRED, ALLOWED = {"base_id"}, {"base_id", "parent_id"}


def sign(data: bytes, key: str) -> str:
    return hmac.new(key.encode(), data, hashlib.sha1).hexdigest()


def read_headers(headers: Mapping[str, str], keys: str) -> Trace | None:
    """The trace of a request, whose header names are in lower case; None for none, and for one that no key of `keys` has signed.

    `keys` are separated by commas, as in the services' configuration.
    """
    data, signature = headers.get(INFO.lower(), ""), headers.get(SIGNATURE.lower(), "").strip()
    if not data or not signature:
        return None
    for key in filter(None, map(str.strip, keys.split(","))):
        if hmac.compare_digest(sign(data.encode(), key).encode(), signature.encode()):
            return _unpack(data, key)
    return None


def _unpack(data: str, key: str) -> Trace | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(data))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(found, dict) or not REQUIRED <= set(found) <= ALLOWED or not all(isinstance(one, str) for one in found.values()):
        return None
    return Trace(str(found["base_id"]), str(found.get("parent_id", found["base_id"])), key)


def trace_headers() -> dict[str, str]:
    """Those of a request that the running code is about to send; none outside a trace."""
    scope = current_scope()
    if scope is None or scope.trace is None:
        return {}
    trace = scope.trace
    data = base64.urlsafe_b64encode(json.dumps({"base_id": trace.base_id, "parent_id": trace.parent_id}).encode())
    return {INFO: data.decode(), SIGNATURE: sign(data, trace.hmac_key)}


def read_context(found: Any) -> Trace | None:
    """The trace of a message: its context's `trace_info`."""
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in ("base_id", "parent_id", "hmac_key")):
        return None
    return Trace(found["base_id"], found["parent_id"], found["hmac_key"])
