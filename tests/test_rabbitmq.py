"""The broker that tests get: what other tests rely on."""

from __future__ import annotations

import aio_pika
import pytest


async def test_a_durable_message_outlives_the_broker_and_a_fresh_virtual_host_is_empty(own_rabbitmq):
    url = own_rabbitmq.vhost()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True)
        message = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")
    own_rabbitmq.kill()
    own_rabbitmq.start()
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        assert queue.declaration_result.message_count == 1
    assert own_rabbitmq.queues(own_rabbitmq.vhost()) == {}


@pytest.mark.parametrize("tracing", [True, False])
async def test_the_firehose_flows_where_it_was_asked_for(rabbitmq, tracing):
    url = rabbitmq.vhost(tracing=tracing)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        tap = await channel.declare_queue("tap", exclusive=True)
        await tap.bind("amq.rabbitmq.trace", "publish.#")
        other = await channel.declare_queue("other", exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), other.name)
        await other.get(timeout=10)
        seen = (await channel.declare_queue("tap", passive=True)).declaration_result.message_count
    rabbitmq.delete(url)
    assert seen == (1 if tracing else 0)
