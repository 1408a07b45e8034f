"""What a launch cannot cost less than: as many in-process HTTP exchanges and SQLite commits, and nothing else.

Two of them, for "an exchange" can mean two things. `libraries` is httpx against an application in its own process, and
SQLAlchemy: what the same exchanges and commits cost whoever writes them with the usual tools. `bare` is a coroutine that
calls an application, and the driver: no HTTP client, no SQL toolkit, nothing that a launch could be written with.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert
from sqlalchemy.pool import StaticPool

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("id", Integer, primary_key=True), Column("text", String(200)))


async def libraries(exchanges: int, commits: int, rounds: int) -> list[float]:
    """Seconds, sorted."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    METADATA.create_all(engine)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_app), base_url="http://floor") as client:

        async def once() -> None:
            for _ in range(exchanges):
                await client.get("/v1/thing", headers={"X-Auth-Token": "t"})
            for _ in range(commits):
                with engine.begin() as connection:
                    connection.execute(insert(ROWS).values(text="a row"))

        taken = await _timed(once, rounds)
    engine.dispose()
    return taken


async def bare(exchanges: int, commits: int, rounds: int) -> list[float]:
    """Seconds, sorted."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text VARCHAR(200))")
    scope = {"type": "http", "method": "GET", "path": "/v1/thing", "query_string": b"", "headers": [(b"x-auth-token", b"t")]}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        pass

    async def once() -> None:
        for _ in range(exchanges):
            await _app(scope, receive, send)
        for _ in range(commits):
            database.execute("BEGIN")
            database.execute("INSERT INTO rows (text) VALUES (?)", ("a row",))
            database.execute("COMMIT")

    taken = await _timed(once, rounds)
    database.close()
    return taken


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def _timed(once: Callable[[], Awaitable[None]], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await once()
        taken.append(time.perf_counter() - began)
    return sorted(taken)
