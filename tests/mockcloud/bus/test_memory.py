"""The in-process bus: calls, casts, time-outs, redelivery, and what a tap sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from mockcloud.bus.base import Message, MessagingTimeout, Notification, RemoteError, open_envelope
from mockcloud.bus.memory import MemoryBus
from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.faults import Faults
from mockcloud.trace import Recorder, Scope, within

CTX = RequestContext("req-1", user_id="u", project_id="p", token="secret-token", roles=("member",))


class Endpoint:
    def __init__(self):
        self.seen = []
        self.gate = asyncio.Event()
        self.redelivered = []

    async def add(self, ctx, a, b):
        return a + b

    async def whoami(self, ctx):
        return [ctx.user_id, ctx.project_id, ctx.token, list(ctx.roles)]

    async def fail(self, ctx):
        raise KeyError("gone")

    async def note(self, ctx, what):
        self.seen.append(what)

    async def answer_then_work(self, ctx, incoming):
        await incoming.reply("early")
        await self.gate.wait()
        self.seen.append("worked")

    async def wait(self, ctx, incoming):
        self.redelivered.append(incoming.redelivered)
        await self.gate.wait()
        self.seen.append("done")

    async def _private(self, ctx):
        return "never"


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    clock = Clock()
    bus = MemoryBus(clock, Recorder(), Faults(clock), timeout=5)
    yield bus
    await bus.close()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_call_brings_the_answer_and_the_callers_identity_over(bus):
    bus.serve("conductor", "c1", Endpoint())
    assert await bus.call(CTX, "conductor", "add", args={"a": 1, "b": 2}) == 3
    assert await bus.call(CTX, "conductor", "whoami") == ["u", "p", "secret-token", ["member"]]


async def test_an_endpoints_error_arrives_under_its_own_name(bus):
    bus.serve("conductor", "c1", Endpoint())
    with pytest.raises(RemoteError) as caught:
        await bus.call(CTX, "conductor", "fail")
    assert caught.value.type == "KeyError"


@pytest.mark.parametrize("method", ["missing", "_private"])
async def test_an_unknown_or_private_method_is_refused(bus, method):
    bus.serve("conductor", "c1", Endpoint())
    with pytest.raises(RemoteError, match="does not support"):
        await bus.call(CTX, "conductor", method)


async def test_a_call_that_nobody_answers_times_out(bus):
    with pytest.raises(MessagingTimeout):
        await bus.call(CTX, "scheduler", "add", timeout=0.02, args={"a": 1, "b": 1})


async def test_a_cast_waits_in_its_queue_until_somebody_serves_it(bus):
    await bus.cast(CTX, "compute", "note", server="host1", args={"what": 1})
    assert await bus.depth("compute.host1") == 1
    endpoint = Endpoint()
    bus.serve("compute", "host1", endpoint)
    await settle()
    assert endpoint.seen == [1]
    assert await bus.depth("compute.host1") == 0


async def test_a_cast_to_one_server_reaches_no_other_and_a_fanout_reaches_all(bus):
    one, two = Endpoint(), Endpoint()
    bus.serve("compute", "one", one)
    bus.serve("compute", "two", two)
    await bus.cast(CTX, "compute", "note", server="two", args={"what": "cast"})
    await bus.fanout(CTX, "compute", "note", args={"what": "all"})
    await settle()
    assert (one.seen, two.seen) == (["all"], ["cast", "all"])


async def test_two_servers_of_a_topic_share_its_messages(bus):
    one, two = Endpoint(), Endpoint()
    bus.serve("scheduler", "one", one)
    bus.serve("scheduler", "two", two)
    for n in range(10):
        await bus.cast(CTX, "scheduler", "note", args={"what": n})
    await settle()
    assert sorted(one.seen + two.seen) == list(range(10))


async def test_a_method_may_answer_before_it_ends(bus):
    endpoint = Endpoint()
    bus.serve("scheduler", "s", endpoint)
    assert await bus.call(CTX, "scheduler", "answer_then_work") == "early"
    assert endpoint.seen == []
    endpoint.gate.set()
    await settle()
    assert endpoint.seen == ["worked"]


async def test_what_a_killed_server_had_not_finished_goes_to_the_next_one_and_says_so(bus):
    first, second = Endpoint(), Endpoint()
    serving = bus.serve("compute", "h", first)
    await bus.cast(CTX, "compute", "wait", server="h")
    await settle()
    await serving.kill()
    second.gate.set()
    bus.serve("compute", "h", second)
    await settle()
    assert (first.redelivered, first.seen) == ([False], [])
    assert (second.redelivered, second.seen) == ([True], ["done"])


async def test_a_prefetch_limits_how_many_messages_are_handled_at_once(bus):
    endpoint = Endpoint()
    bus.serve("compute", "h", endpoint, prefetch=2)
    for _ in range(3):
        await bus.cast(CTX, "compute", "wait", server="h")
    await settle()
    assert len(endpoint.redelivered) == 2
    endpoint.gate.set()
    await settle()
    assert len(endpoint.seen) == 3


async def test_a_tap_tells_a_call_from_a_cast_and_sees_no_token():
    clock, recorder = Clock(), Recorder()
    faults = Faults(clock)
    bus = MemoryBus(clock, recorder, faults)
    bus.serve("conductor", "c1", Endpoint())
    with within(Scope(recorder, faults, "nova-compute", "host1", "req-1")):
        await bus.call(CTX, "conductor", "add", args={"a": 1, "b": 2})
        await bus.cast(CTX, "conductor", "note", args={"what": {"auth_token": "secret-token"}})
    await settle()
    await bus.close()
    call, cast = [fact for fact in recorder.facts() if fact.kind == "rpc.publish"]
    assert call.attributes["msg_id"] and call.attributes["reply_q"]
    assert not cast.attributes["msg_id"] and not cast.attributes["reply_q"]
    kinds = [fact.kind for fact in recorder.facts()]
    assert kinds[:4] == ["rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer"]
    assert "secret-token" not in repr([fact.to_dict() for fact in recorder.facts()])


def test_the_envelope_is_oslo_messagings():
    message = Message("run", {"x": 1}, CTX.to_dict(), "2.0", msg_id="m", reply_q="q", timeout=60)
    outer = orjson.loads(message.encode())
    assert set(outer) == {"oslo.version", "oslo.message"} and outer["oslo.version"] == "2.0"
    inner = open_envelope(message.encode())
    assert (inner["method"], inner["args"], inner["version"]) == ("run", {"x": 1}, "2.0")
    assert (inner["_msg_id"], inner["_reply_q"], inner["_context_project_id"]) == ("m", "q", "p")
    assert Message.decode(message.encode()).context["auth_token"] == "secret-token"


def test_a_notification_travels_in_the_envelope_with_its_context_and_without_the_token():
    event = Notification("image.send", "image.controller", {"bytes_sent": 5}, "2026-01-01 00:00:00.000000")
    sent = event.encode(CTX)
    body = open_envelope(sent)
    assert (body["event_type"], body["publisher_id"], body["payload"], body["priority"]) == (
        "image.send", "image.controller", {"bytes_sent": 5}, "INFO",
    )  # fmt: skip
    assert (body["_context_user_id"], body["_context_request_id"], body["_context_auth_token"]) == ("u", "req-1", None)
    assert b"secret-token" not in sent


async def test_a_notification_is_seen_with_its_routing_key_and_waits_in_no_queue():
    clock, recorder = Clock(), Recorder()
    bus = MemoryBus(clock, recorder, Faults(clock))
    with within(Scope(recorder, Faults(clock), "nova-compute", "compute1", "req-1")):
        for topic in ("notifications", "versioned_notifications"):
            event = Notification("instance.create.error", "nova-compute:compute1", {"uuid": "s", "admin_password": "pw"}, "", "ERROR")
            await bus.notify(CTX, "nova", topic, event)
    facts = [fact.to_dict() for fact in recorder.facts()]
    assert [(f["kind"], f["name"], f["attributes"]["routing_key"], f["attributes"]["format"]) for f in facts] == [
        ("notification", "instance.create.error", "notifications.error", "unversioned"),
        ("notification", "instance.create.error", "versioned_notifications.error", "versioned"),
    ]
    assert facts[0]["attributes"]["payload"]["uuid"] == "s"
    assert facts[0]["attributes"]["payload"]["admin_password"] != "pw"
    assert await bus.depth("notifications.error") == 0
