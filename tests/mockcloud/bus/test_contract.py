"""What both buses promise: calls, casts, time-outs, redelivery, and what is seen of it all."""

from __future__ import annotations

import pytest

from mockcloud.bus.base import MessagingTimeout, Notification, RemoteError
from mockcloud.trace import within
from tests.mockcloud.bus.stage import CTX, Endpoint, eventually


async def test_a_call_brings_the_answer_and_the_callers_identity_over(bus):
    bus.serve("conductor", "c1", Endpoint())
    assert await bus.call(CTX, "conductor", "add", args={"a": 1, "b": 2}) == 3
    assert await bus.call(CTX, "conductor", "whoami", server="c1") == ["u", "p", "secret-token", ["member"]]


async def test_an_endpoints_error_arrives_under_its_own_name(bus):
    bus.serve("conductor", "c1", Endpoint())
    with pytest.raises(RemoteError) as caught:
        await bus.call(CTX, "conductor", "fail")
    assert (caught.value.type, caught.value.message) == ("KeyError", "'gone'")


@pytest.mark.parametrize("method", ["missing", "_private"])
async def test_an_unknown_or_private_method_is_refused(bus, method):
    bus.serve("conductor", "c1", Endpoint())
    with pytest.raises(RemoteError, match="does not support"):
        await bus.call(CTX, "conductor", method)


async def test_a_call_that_nobody_answers_times_out(bus):
    await bus.ready()
    with pytest.raises(MessagingTimeout):
        await bus.call(CTX, "scheduler", "add", timeout=0.2, args={"a": 1, "b": 1})


async def test_an_answer_that_comes_too_late_disturbs_nobody(bus):
    endpoint = Endpoint()
    bus.serve("conductor", "c1", endpoint)
    await bus.ready()
    with pytest.raises(MessagingTimeout):
        await bus.call(CTX, "conductor", "wait", timeout=0.2)
    endpoint.gate.set()
    await eventually(lambda: endpoint.seen)
    assert await bus.call(CTX, "conductor", "add", args={"a": 1, "b": 2}) == 3


async def test_a_cast_waits_in_the_queue_of_a_dead_server_until_it_is_served_again(bus):
    serving = bus.serve("compute", "host1", Endpoint())
    await bus.ready()
    await serving.kill()
    await bus.cast(CTX, "compute", "note", server="host1", args={"what": 1})
    assert await bus.depth("compute.host1") == 1
    endpoint = Endpoint()
    bus.serve("compute", "host1", endpoint)
    await eventually(lambda: endpoint.seen == [1])
    assert await bus.depth("compute.host1") == 0


async def test_a_cast_to_one_server_reaches_no_other_and_a_fanout_reaches_all(bus):
    one, two = Endpoint(), Endpoint()
    bus.serve("compute", "one", one)
    bus.serve("compute", "two", two)
    await bus.cast(CTX, "compute", "note", server="two", args={"what": "cast"})
    await eventually(lambda: two.seen)
    await bus.fanout(CTX, "compute", "note", args={"what": "all"})
    await eventually(lambda: one.seen and len(two.seen) > 1)
    assert (one.seen, two.seen) == (["all"], ["cast", "all"])


async def test_two_servers_of_a_topic_share_its_messages(bus):
    one, two = Endpoint(), Endpoint()
    bus.serve("scheduler", "one", one)
    bus.serve("scheduler", "two", two)
    for n in range(10):
        await bus.cast(CTX, "scheduler", "note", args={"what": n})
    await eventually(lambda: len(one.seen + two.seen) >= 10)
    assert sorted(one.seen + two.seen) == list(range(10))


async def test_messages_to_one_server_begin_in_the_order_in_which_they_were_sent(bus):
    endpoint = Endpoint()
    bus.serve("compute", "h", endpoint)
    for n in range(50):
        await bus.cast(CTX, "compute", "note", server="h", args={"what": n})
    await eventually(lambda: len(endpoint.seen) == 50)
    assert endpoint.seen == list(range(50))


async def test_a_method_may_answer_before_it_ends(bus):
    endpoint = Endpoint()
    bus.serve("scheduler", "s", endpoint)
    assert await bus.call(CTX, "scheduler", "answer_then_work") == "early"
    assert endpoint.seen == []
    endpoint.gate.set()
    await eventually(lambda: endpoint.seen == ["worked"])


async def test_what_a_killed_server_had_not_finished_goes_to_the_next_one_and_says_so(bus):
    first, second = Endpoint(), Endpoint()
    serving = bus.serve("compute", "h", first)
    await bus.cast(CTX, "compute", "wait", server="h")
    await eventually(lambda: first.redelivered)
    await serving.kill()
    second.gate.set()
    bus.serve("compute", "h", second)
    await eventually(lambda: second.seen)
    assert (first.redelivered, first.seen) == ([False], [])
    assert (second.redelivered, second.seen) == ([True], ["done"])


async def test_what_a_killed_server_had_finished_does_not_come_again(bus):
    first, second = Endpoint(), Endpoint()
    serving = bus.serve("compute", "h", first)
    assert await bus.call(CTX, "compute", "add", server="h", args={"a": 1, "b": 1}) == 2
    await bus.cast(CTX, "compute", "note", server="h", args={"what": "once"})
    await eventually(lambda: first.seen)
    await serving.kill()
    bus.serve("compute", "h", second)
    await bus.cast(CTX, "compute", "note", server="h", args={"what": "next"})
    await eventually(lambda: second.seen)
    assert second.seen == ["next"]


async def test_a_prefetch_limits_how_many_messages_are_handled_at_once(bus):
    endpoint = Endpoint()
    bus.serve("compute", "h", endpoint, prefetch=2)
    bus.serve("conductor", "c1", Endpoint())
    for _ in range(3):
        await bus.cast(CTX, "compute", "wait", server="h")
    await eventually(lambda: len(endpoint.redelivered) >= 2)
    await bus.call(CTX, "conductor", "whoami")
    assert len(endpoint.redelivered) == 2
    endpoint.gate.set()
    await eventually(lambda: len(endpoint.seen) == 3)


async def test_a_call_and_a_cast_leave_the_facts_of_their_way_and_no_token(bus, recorder, scope):
    endpoint = Endpoint()
    bus.serve("conductor", "c1", endpoint)
    with within(scope):
        await bus.call(CTX, "conductor", "add", args={"a": 1, "b": 2})
        await bus.cast(CTX, "conductor", "note", args={"what": {"auth_token": "secret-token"}})
    await eventually(lambda: endpoint.seen and all(fact.end for fact in recorder.facts()))
    facts = list(recorder.facts())
    assert [fact.kind for fact in facts] == ["rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer", "rpc.publish", "rpc.deliver"]
    call, delivery, reply, answer, cast, _ = facts
    assert (call.attributes["exchange"], call.attributes["routing_key"]) == ("nova", "conductor")
    assert reply.attributes["queue"] == call.attributes["reply_q"] and reply.attributes["queue"].startswith("reply_")
    assert call.attributes["msg_id"] == delivery.attributes["msg_id"] == reply.attributes["msg_id"] == answer.attributes["msg_id"]
    assert (delivery.parent, reply.parent) == (call.id, delivery.id)
    assert {(fact.service, fact.host) for fact in (call, answer, cast)} == {("nova-compute", "host1")}
    assert {(fact.service, fact.host) for fact in (delivery, reply)} == {("conductor", "c1")}
    assert not cast.attributes["msg_id"] and not cast.attributes["reply_q"]
    assert "secret-token" not in repr([fact.to_dict() for fact in facts])


async def test_a_fanout_is_one_publication_and_a_delivery_to_each(bus, recorder, scope):
    one, two = Endpoint(), Endpoint()
    bus.serve("compute", "one", one)
    bus.serve("compute", "two", two)
    with within(scope):
        await bus.fanout(CTX, "compute", "note", args={"what": "all"})
    await eventually(lambda: one.seen and two.seen)
    sent, *received = list(recorder.facts())
    assert (sent.kind, sent.attributes["exchange"], sent.attributes["routing_key"]) == ("rpc.publish", "compute_fanout", "")
    assert sorted((fact.kind, fact.host, fact.parent) for fact in received) == [
        ("rpc.deliver", "one", sent.id), ("rpc.deliver", "two", sent.id),
    ]  # fmt: skip


async def test_a_notification_is_seen_with_its_routing_key(bus, recorder, scope):
    with within(scope):
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
