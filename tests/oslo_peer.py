"""The other end of the bus: oslo.messaging itself, in a process of its own, with its default options.

`call URL TOPIC METHOD ARGUMENTS [call_monitor_timeout]` prints `{"result": …}` or `{"error": class, "message": …}`;
`serve URL TOPIC SERVER` answers until its input ends. ARGUMENTS is JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import oslo_messaging
from oslo_config import cfg

CONTEXT = {"request_id": "req-from-oslo", "user_id": "u1", "project_id": "p1", "auth_token": None, "roles": ["admin"]}


class Endpoint:
    target = oslo_messaging.Target(version="1.0")

    def double(self, context: dict[str, Any], number: int) -> dict[str, Any]:
        return {"doubled": 2 * number, "user_id": context["user_id"]}

    def fail(self, context: dict[str, Any]) -> None:
        raise LookupError("nothing here")


def call(transport: Any, topic: str, method: str, arguments: str, monitor: str = "") -> None:
    target = oslo_messaging.Target(topic=topic, version="1.0")
    client = oslo_messaging.get_rpc_client(transport, target, timeout=60, call_monitor_timeout=int(monitor) if monitor else None)
    try:
        said = {"result": client.call(CONTEXT, method, **json.loads(arguments))}
    except oslo_messaging.RemoteError as error:
        said = {"error": error.exc_type, "message": error.value}
    print(json.dumps(said))
    transport.cleanup()


def serve(transport: Any, topic: str, name: str) -> None:
    server = oslo_messaging.get_rpc_server(
        transport, oslo_messaging.Target(topic=topic, server=name), [Endpoint()], executor="threading"
    )  # fmt: skip
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop()
    server.wait()


def main(what: str, url: str, *more: str) -> None:
    oslo_messaging.set_transport_defaults("nova")
    cfg.CONF([], project="peer")
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url.replace("amqp://", "rabbit://"))
    {"call": call, "serve": serve}[what](transport, *more)


if __name__ == "__main__":
    main(*sys.argv[1:])
