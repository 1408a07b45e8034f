"""A tap on a real broker: what it binds to, what it sees, and what it says when it cannot."""

import asyncio
import json
import socket

import aio_pika
import pytest

from conformance.sources import SourceError, make_source
from conformance.sources.amqp import TRACED, AmqpSource
from conformance.sources.notifications import NotificationsSource
from tests.conformance.recording import Recording

REQUEST = "req-0b6a1de5-7ef8-4e07-a2cd-1e9ac53aef10"
SERVER = "6193fd6f-dcdc-421f-9ac2-fd5244f538a0"


def wire(**message):
    return aio_pika.Message(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode())


async def talk(url: str) -> None:
    """A call with its answer, between two that speak as nova's services do; and a notification."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("nova")
        queue, replies = await channel.get_queue("conductor"), await channel.declare_queue("reply_1", auto_delete=True)
        call = {"method": "object_action", "args": {"uuid": SERVER}, "_msg_id": "m1", "_unique_id": "u1", "_reply_q": "reply_1"}
        await exchange.publish(wire(**call, _context_request_id=REQUEST, _context_auth_token="secret"), "conductor")
        await queue.get(no_ack=True)
        await channel.default_exchange.publish(wire(_msg_id="m1", result=1, failure=None, ending=True), "reply_1")
        await replies.get(no_ack=True)
        event = {"event_type": "compute.instance.create.end", "publisher_id": "compute.host1", "payload": {"instance_id": SERVER}}
        await exchange.publish(wire(**event, _context_request_id=REQUEST), "notifications.info")


async def furnish(url: str, queues: tuple[str, ...] = ("scheduler", "conductor", "compute")) -> None:
    """What nova's services declare when they start."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("nova", aio_pika.ExchangeType.TOPIC)
        for name in queues:
            await (await channel.declare_queue(name)).bind(exchange, name)


@pytest.fixture
def traced_url(rabbitmq):
    url = rabbitmq.vhost(tracing=True)
    yield url
    rabbitmq.delete(url)


def test_the_firehose_shows_call_delivery_reply_and_answer_in_their_order(traced_url):
    asyncio.run(furnish(traced_url))
    source = AmqpSource({"url": traced_url}, None)
    source.open()
    try:
        asyncio.run(talk(traced_url))
        facts = sorted(source.facts({REQUEST}, {SERVER}), key=lambda fact: fact.start)
    finally:
        source.close()
    assert source.firehose and source.shows == TRACED
    assert [fact.kind for fact in facts] == ["rpc.publish", "rpc.deliver", "rpc.reply", "rpc.answer", "notification"]
    assert [fact.actor for fact in facts] == ["", "nova-conductor", "nova-conductor", "", "nova-compute"]
    assert facts[0].server_ids == facts[4].server_ids == {SERVER}
    assert "secret" not in str([fact.to_dict() for fact in facts])


def test_without_tracing_it_sees_what_is_published_and_claims_no_more(bus_url):
    asyncio.run(furnish(bus_url))
    source = AmqpSource({"where": bus_url}, None)
    source.open()
    try:
        asyncio.run(talk(bus_url))
        facts = source.facts({REQUEST}, {SERVER})
    finally:
        source.close()
    assert not source.firehose and source.shows == {"rpc.publish"}
    assert sorted(fact.kind for fact in facts) == ["notification", "rpc.publish"]


def test_a_broker_without_the_computes_queues_is_no_witness_of_what_did_not_happen(bus_url):
    asyncio.run(furnish(bus_url, ("scheduler", "conductor")))
    source = AmqpSource({"url": bus_url}, None)
    source.open()
    source.close()
    assert source.shows == frozenset()


def test_notifications_are_heard_by_their_topics_alone(bus_url):
    asyncio.run(furnish(bus_url))
    source = NotificationsSource({"url": bus_url}, None)
    source.open()
    try:
        asyncio.run(talk(bus_url))
        facts = source.facts({REQUEST}, set())
    finally:
        source.close()
    assert [(fact.kind, fact.get("format"), fact.host) for fact in facts] == [("notification", "unversioned", "host1")]


def test_notifications_are_read_from_files():
    recording = Recording("image-volume")
    source = NotificationsSource({"where": str(recording.folder)}, None)
    source.open()
    facts = source.facts({recording.request_id}, {recording.server_id})
    assert {fact.kind for fact in facts} == {"notification"}
    assert {fact.get("format") for fact in facts} == {"versioned", "unversioned"}


def test_a_broker_that_dies_meanwhile_is_one_sentence(own_rabbitmq):
    url = own_rabbitmq.vhost()
    asyncio.run(furnish(url))
    source = AmqpSource({"url": url}, None)
    source.open()
    own_rabbitmq.kill()
    with pytest.raises(SourceError, match="does not answer any more"):
        source.facts({REQUEST}, set())
    source.close()


def test_a_wrong_password_and_an_empty_broker_are_one_sentence_each(bus_url):
    with pytest.raises(SourceError, match="cannot be tapped") as refused:
        make_source("amqp", {"url": bus_url.replace("guest:guest", "guest:wrong")}, None).open()
    assert "wrong" not in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(SourceError, match="none of the exchanges nova"):
        make_source("amqp", {"url": bus_url}, None).open()


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "amqp", "/var/log"])
def test_what_is_no_broker_is_refused_in_one_sentence(url):
    with pytest.raises(SourceError, match="takes an amqp"):
        make_source("amqp", {"url": url}, None).open()


def test_a_broker_that_is_not_there_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match=f"127.0.0.1:{port}/ cannot be tapped") as refused:
        make_source("amqp", {"url": f"amqp://guest:geheim@127.0.0.1:{port}/"}, None).open()
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("place", ["", "/no/such/folder"])
def test_notifications_from_nowhere_are_one_sentence(place):
    with pytest.raises(SourceError, match="there are no notifications at"):
        make_source("notifications", {"where": place}, None).open()
