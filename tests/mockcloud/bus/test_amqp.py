"""The bus over RabbitMQ: its frames, and a broker that goes away and comes back."""

from __future__ import annotations

import asyncio
import logging

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from mockcloud.bus.base import Message, MessagingTimeout, Notification, Reply, open_envelope
from mockcloud.settings import SettingsError
from tests.mockcloud.bus.stage import CTX, Endpoint, eventually


async def tapped(
    url: str, exchange: str, key: str, kind: str = "topic"
) -> tuple[aio_pika.abc.AbstractConnection, list[AbstractIncomingMessage]]:
    """Everything that passes an exchange from now on."""
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    seen: list[AbstractIncomingMessage] = []

    async def see(message: AbstractIncomingMessage) -> None:
        seen.append(message)

    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(await channel.declare_exchange(exchange, kind, auto_delete=kind == "fanout"), key)
    await queue.consume(see, no_ack=True)
    return connection, seen


async def test_a_call_looks_on_the_wire_as_oslo_messaging_writes_it(make_amqp, bus_url):
    connection, seen = await tapped(bus_url, "nova", "#")
    async with connection:
        bus = make_amqp(bus_url)
        bus.serve("conductor", "c1", Endpoint())
        await bus.call(CTX, "conductor", "add", args={"a": 1, "b": 2}, timeout=20)
        await eventually(lambda: seen)
    frame = seen[0]
    assert (frame.exchange, frame.routing_key, frame.redelivered) == ("nova", "conductor", False)
    assert (frame.content_type, frame.content_encoding, frame.delivery_mode) == ("application/json", "utf-8", 2)
    assert (frame.priority, frame.headers, frame.expiration) == (0, {}, 20)
    body = open_envelope(frame.body)
    assert (body["method"], body["args"], body["version"], body["_timeout"]) == ("add", {"a": 1, "b": 2}, "1.0", None)
    assert len(body["_msg_id"]) == len(body["_unique_id"]) == 32 and body["_reply_q"].startswith("reply_")
    assert body["_context_auth_token"] == "secret-token"  # as in a real OpenStack


@pytest.mark.parametrize("topic, exchange", [("cinder-volume", "openstack"), ("compute", "nova")])
async def test_each_project_has_its_exchange(make_amqp, bus_url, topic, exchange):
    connection, seen = await tapped(bus_url, exchange, "#")
    async with connection:
        await make_amqp(bus_url).cast(CTX, topic, "note", server="h", args={"what": 1})
        await eventually(lambda: seen)
    assert seen[0].routing_key == f"{topic}.h"


async def test_a_notification_stays_in_its_queue_for_who_comes_later(make_amqp, bus_url):
    bus = make_amqp(bus_url)
    for _ in range(2):
        event = Notification("compute.instance.update", "compute.h", {"state": "active"}, "2026-01-01 00:00:00.000000")
        await bus.notify(CTX, "nova", "notifications", event)
    assert await bus.depth("notifications.info") == 2
    assert await bus.depth("notifications.error") == 0


async def test_callers_that_would_be_processes_elsewhere_have_reply_queues_of_their_own(make_amqp, bus_url, recorder, scope):
    from dataclasses import replace

    from mockcloud.trace import within

    bus = make_amqp(bus_url)
    bus.serve("conductor", "c1", Endpoint())
    for place in (scope, replace(scope, host="host2"), scope):
        with within(place):
            await bus.call(CTX, "conductor", "whoami")
    first, second, third = [f.attributes["reply_q"] for f in recorder.facts() if f.kind == "rpc.publish"]
    assert first == third != second


async def test_what_is_no_message_is_dropped_and_the_next_one_handled(make_amqp, bus_url, caplog):
    endpoint = Endpoint()
    bus = make_amqp(bus_url)
    bus.serve("conductor", "c1", endpoint)
    await bus.ready()
    async with await aio_pika.connect(bus_url) as connection:
        exchange = await (await connection.channel()).get_exchange("nova")
        for body in (b"", b"no json", b"[]", b'{"oslo.version": "2.0"}', b'{"oslo.version": "2.0", "oslo.message": "{}"}'):
            await exchange.publish(aio_pika.Message(body), "conductor")
    await bus.cast(CTX, "conductor", "note", args={"what": 1})
    await eventually(lambda: endpoint.seen == [1])
    assert caplog.text.count("got what is no message") == 5


async def test_a_caller_that_asks_for_signs_of_life_gets_them_until_the_answer(make_amqp, bus_url):
    endpoint = Endpoint()
    bus = make_amqp(bus_url)
    bus.serve("conductor", "c1", endpoint)
    await bus.ready()
    replies: list[Reply] = []

    async def see(message: AbstractIncomingMessage) -> None:
        replies.append(Reply.decode(message.body))

    async with await aio_pika.connect(bus_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.consume(see, no_ack=True)
        call = Message("wait", {}, CTX.to_dict(), msg_id="m1", reply_q=queue.name, timeout=0.2)
        await (await channel.get_exchange("nova")).publish(aio_pika.Message(call.encode()), "conductor")
        await eventually(lambda: len(replies) >= 2)
        endpoint.gate.set()
        await eventually(lambda: replies[-1].ending)
    assert [reply.ending for reply in replies] == [False] * (len(replies) - 1) + [True]
    assert (replies[-1].msg_id, replies[-1].result) == ("m1", "waited")


async def test_a_broker_that_cannot_be_reached_is_one_sentence(make_amqp, unused_tcp_port):
    with pytest.raises(SettingsError) as caught:
        await make_amqp(f"amqp://someone:hidden@127.0.0.1:{unused_tcp_port}/").ready()
    assert str(caught.value) == f"cannot use the message broker at 127.0.0.1:{unused_tcp_port}/: Connection refused"


@pytest.mark.parametrize(
    "change, said",
    [(("guest:guest", "guest:hidden"), "it refuses the user name or the password"), (("/test", "/none"), "it has no such virtual host")],
    ids=["password", "vhost"],
)
async def test_a_broker_that_refuses_says_why_without_the_password(make_amqp, bus_url, change, said):
    with pytest.raises(SettingsError) as caught:
        await make_amqp(bus_url.replace(*change)).ready()
    assert said in str(caught.value) and "hidden" not in str(caught.value)


async def test_what_is_handled_while_the_connection_breaks_is_handled_once_and_answered(make_amqp, bus_url, rabbitmq, recorder):
    endpoint = Endpoint()
    bus = make_amqp(bus_url)
    bus.serve("conductor", "c1", endpoint)
    call = asyncio.create_task(bus.call(CTX, "conductor", "wait"))
    await eventually(lambda: endpoint.redelivered)
    await cut(rabbitmq)
    await bus.cast(CTX, "conductor", "note", args={"what": "after"})
    await eventually(lambda: "after" in endpoint.seen)
    endpoint.gate.set()
    assert await call == "waited"
    assert endpoint.redelivered == [False]
    assert await bus.depth("conductor") == 0
    await eventually(lambda: rabbitmq.queues(bus_url)["conductor"] == 0)


async def cut(rabbitmq) -> None:
    """Drops the connections as soon as the broker's list has them."""
    for _ in range(200):
        if await asyncio.to_thread(rabbitmq.connections):
            await asyncio.to_thread(rabbitmq.drop_connections)
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody is connected")


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(make_amqp, own_rabbitmq, caplog):
    caplog.set_level(logging.WARNING)
    url = own_rabbitmq.vhost()
    first, second = Endpoint(), Endpoint()
    bus = make_amqp(url, timeout=90.0)
    bus.serve("compute", "h", first)
    dead = bus.serve("compute", "dead", Endpoint())
    await bus.ready()
    await dead.kill()
    await bus.cast(CTX, "compute", "note", server="dead", args={"what": "kept"})
    call = asyncio.create_task(bus.call(CTX, "compute", "wait", server="h"))
    await eventually(lambda: first.redelivered)
    own_rabbitmq.kill()
    meanwhile = asyncio.create_task(bus.cast(CTX, "compute", "note", server="h", args={"what": "meanwhile"}))
    await eventually(lambda: "lost the message broker" in caplog.text)
    await asyncio.to_thread(own_rabbitmq.start)
    await meanwhile
    first.gate.set()
    assert await call == "waited"
    bus.serve("compute", "dead", second)
    await eventually(lambda: second.seen == ["kept"] and "meanwhile" in first.seen)
    assert sorted(first.seen) == ["done", "meanwhile"]
    assert "is back" in caplog.text and "secret-token" not in caplog.text


async def test_without_a_broker_a_call_and_a_cast_end_in_a_time_out_and_closing_takes_no_time(make_amqp, own_rabbitmq):
    bus = make_amqp(own_rabbitmq.vhost(), timeout=0.5)
    bus.serve("compute", "h", Endpoint())
    await bus.ready()
    own_rabbitmq.kill()
    with pytest.raises(MessagingTimeout):
        await bus.call(CTX, "compute", "whoami", server="h")
    with pytest.raises(MessagingTimeout, match="no message broker at 127"):
        await bus.cast(CTX, "compute", "note", server="h", args={"what": 1})
    async with asyncio.timeout(20):
        await bus.close()


async def test_a_virtual_host_that_goes_takes_the_bus_down_but_not_the_process(make_amqp, rabbitmq):
    url = rabbitmq.vhost()
    bus = make_amqp(url, timeout=0.5)
    bus.serve("compute", "h", Endpoint())
    await bus.ready()
    await asyncio.to_thread(rabbitmq.delete, url)
    with pytest.raises(MessagingTimeout):
        await bus.call(CTX, "compute", "whoami", server="h")
    async with asyncio.timeout(20):
        await bus.close()


async def test_a_queue_that_somebody_deletes_is_made_again(make_amqp, bus_url):
    endpoint = Endpoint()
    bus = make_amqp(bus_url)
    bus.serve("compute", "h", endpoint)
    await bus.ready()
    async with await aio_pika.connect(bus_url) as connection:
        await (await connection.channel()).queue_delete("compute.h")
    await asyncio.sleep(0.2)
    await bus.cast(CTX, "compute", "note", server="h", args={"what": 1})
    await eventually(lambda: endpoint.seen == [1])


@pytest.mark.parametrize("keep", [True, False])
async def test_what_is_unfinished_outlives_the_process_where_it_is_to_be_kept(make_amqp, bus_url, rabbitmq, keep):
    bus = make_amqp(bus_url)
    bus.serve("compute", "h", Endpoint())
    await bus.cast(CTX, "compute", "wait", server="h")
    await bus.close(keep=keep)
    again, endpoint = make_amqp(bus_url), Endpoint()
    again.serve("compute", "h", endpoint)
    await again.cast(CTX, "compute", "note", server="h", args={"what": "mark"})
    await eventually(lambda: endpoint.seen == ["mark"])
    assert endpoint.redelivered == ([True] if keep else [])
