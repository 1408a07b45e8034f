"""A cloud with a thousand servers, and beside it a bare application that answers the same bodies; both on uvicorn."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import uuid
from typing import Any

import uvicorn
from sqlalchemy import insert, select

from benchmarks.launches import Launcher
from mockcloud.cloud import Cloud
from mockcloud.nova.tables import instances
from mockcloud.server import serving
from mockcloud.settings import Settings
from mockcloud.testing.client import client

SERVERS = 1000


async def main() -> None:
    """Prints one line of JSON for the measuring process, and serves until its standard input closes."""
    async with serving(Settings(port=0, token_cache_time=int(sys.argv[1]))) as cloud:
        launcher = Launcher(cloud)
        await launcher.prepare()
        await launcher.launch(await launcher.volume())
        server_id = _multiply(cloud)
        member = client(cloud, "member")
        images = (await member.get("glance", "/v2/images")).json()["images"]
        reads = {
            "GET server": ("nova", f"/v2.1/servers/{server_id}"),
            "GET image": ("glance", f"/v2/images/{images[0]['id']}"),
            "list of 10 servers": ("nova", "/v2.1/servers?limit=10"),
            f"list of {SERVERS} servers": ("nova", f"/v2.1/servers?limit={SERVERS}"),
            f"list of {SERVERS} servers, in detail": ("nova", f"/v2.1/servers/detail?limit={SERVERS}"),
        }
        bodies = [(await member.get(service, path)).content for service, path in reads.values()]
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(_bare(bodies), interface="asgi3", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        bare = asyncio.create_task(server.serve(sockets=[listener]))
        named = {name: [cloud.urls[service], path] for name, (service, path) in reads.items()}
        print(json.dumps({"bare": f"http://127.0.0.1:{listener.getsockname()[1]}", "reads": named, "token": member.token}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await bare


def _multiply(cloud: Cloud) -> str:
    """Copies the one server's row until there are enough; the id of the first."""
    nova = cloud.services["nova"].db
    row = nova.one(select(instances))
    if row is None:
        raise RuntimeError("there is no server to copy")
    copies = [{**row, "uuid": str(uuid.uuid4()), "id": None} for _ in range(SERVERS - 1)]
    columns = set(instances.c.keys()) - {"id"}
    with nova.transaction() as tx:
        for copy in copies:
            tx.execute(insert(instances).values(**{name: value for name, value in copy.items() if name in columns}))
    return str(row["uuid"])


def _bare(bodies: list[bytes]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = bodies[int(scope["path"][1:])]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    asyncio.run(main())
