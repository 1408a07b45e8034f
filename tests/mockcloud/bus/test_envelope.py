"""oslo.messaging's envelope, in bytes."""

from __future__ import annotations

import orjson

from mockcloud.bus.base import Message, Notification, Reply, open_envelope
from mockcloud.context import RequestContext
from tests.mockcloud.bus.stage import CTX


def test_the_envelope_is_oslo_messagings():
    message = Message("run", {"x": 1}, CTX.to_dict(), "2.0", msg_id="m", reply_q="q")
    outer = orjson.loads(message.encode())
    assert set(outer) == {"oslo.version", "oslo.message"} and outer["oslo.version"] == "2.0"
    inner = open_envelope(message.encode())
    assert (inner["method"], inner["args"], inner["version"]) == ("run", {"x": 1}, "2.0")
    assert (inner["_msg_id"], inner["_reply_q"], inner["_timeout"], inner["_context_project_id"]) == ("m", "q", None, "p")
    assert Message.decode(message.encode()).context["auth_token"] == "secret-token"


def test_a_cast_has_none_of_the_three_keys_of_a_call():
    assert not {"_msg_id", "_reply_q", "_timeout"} & set(open_envelope(Message("run", {}, {}).encode()))


def test_a_reply_travels_with_its_end_and_a_failure_as_json_in_json():
    assert set(open_envelope(Reply("m", 1).encode())) == {"_msg_id", "result", "failure", "ending", "_unique_id"}
    sign_of_life = Reply.decode(Reply("m", ending=False).encode())
    assert not sign_of_life.ending
    failed = open_envelope(Reply("m", None, {"class": "KeyError"}).encode())
    assert orjson.loads(failed["failure"]) == {"class": "KeyError"}


def test_a_context_without_what_ours_has_or_with_nulls_is_read_all_the_same():
    assert RequestContext.from_dict({}) == RequestContext("")
    foreign = {"request_id": "r", "auth_token": None, "roles": None, "user_id": None, "is_admin": True, "project_id": "p"}
    assert RequestContext.from_dict(foreign) == RequestContext("r", project_id="p")


def test_a_notification_travels_in_the_envelope_with_its_context_and_without_the_token():
    event = Notification("image.send", "image.controller", {"bytes_sent": 5}, "2026-01-01 00:00:00.000000")
    sent = event.encode(CTX)
    body = open_envelope(sent)
    assert (body["event_type"], body["publisher_id"], body["payload"], body["priority"]) == (
        "image.send", "image.controller", {"bytes_sent": 5}, "INFO",
    )  # fmt: skip
    assert (body["_context_user_id"], body["_context_request_id"], body["_context_auth_token"]) == ("u", "req-1", None)
    assert b"secret-token" not in sent
