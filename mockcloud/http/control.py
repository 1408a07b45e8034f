"""The control endpoint `/_mockcloud`: what the operator of a mock may see and do, and no client of a cloud."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import orjson
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.faults import KINDS, Faults
from mockcloud.http.announcement import WELL_KNOWN, announcement
from mockcloud.http.service import Violation
from mockcloud.profiling.profiler import Profiler
from mockcloud.settings import Settings
from mockcloud.trace import Recorder
from mockcloud.worker import Worker

BLOCK = 500  # facts in one piece of the answer
LOOPBACK = ("127.0.0.1", "::1", "localhost", "testclient")


class Asked(BaseModel):
    """A request body: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class Reset(Asked):
    seed: int | None = None


class NewFault(Asked):
    step: int
    kind: str
    when: str = "before"
    count: int | None = Field(1, ge=1)
    seconds: float = Field(0.0, ge=0)
    message: str = "injected fault"
    host: str = ""
    request_id: str = ""


class ClockChange(Asked):
    speed: float | None = None
    advance: float | None = None


class Switch(Asked):
    up: bool


class Controlled(Protocol):
    """What of a cloud the control endpoint needs."""

    settings: Settings
    clock: Clock
    recorder: Recorder
    faults: Faults
    violations: list[Violation]
    down: set[str]
    workers: dict[str, Worker]
    urls: dict[str, str]
    profiler: Profiler | None

    async def reset(self, seed: int | None = None) -> None: ...

    async def foreign_identity(self) -> RequestContext: ...

    def corrupt_image(self, image_id: str) -> None: ...


def create_control_app(cloud: Controlled) -> FastAPI:
    app = FastAPI(
        title="mockcloud control", root_path="", docs_url="/_mockcloud/docs", openapi_url="/_mockcloud/openapi.json", redoc_url=None
    )

    @app.middleware("http")
    async def loopback_only(request: Request, call_next: Any) -> Any:
        client = request.client.host if request.client else ""
        if client not in LOOPBACK and not cloud.settings.control_from_anywhere:
            return JSONResponse({"error": "the control endpoint answers on loopback only"}, status_code=403)
        return await call_next(request)

    @app.get("/_mockcloud")
    @app.get("/_mockcloud/health")
    async def health() -> dict[str, Any]:
        """Whether everything is up, and where."""
        workers = {name: worker.alive for name, worker in cloud.workers.items()}
        return {
            "status": "ok" if all(workers.values()) and not cloud.down else "degraded",
            "auth_url": f"{cloud.urls['keystone']}/v3",
            "urls": cloud.urls,
            "dialect": cloud.settings.dialect,
            "seed": cloud.settings.seed,
            "workers": workers,
            "down": sorted(cloud.down),
            "violations": len(cloud.violations),
        }

    @app.get("/_mockcloud/violations")
    async def violations() -> list[dict[str, Any]]:
        """Answers that their own document does not know: bugs of the mock."""
        return [dataclasses.asdict(violation) for violation in cloud.violations]

    @app.post("/_mockcloud/reset", status_code=204)
    async def reset(wanted: Reset | None = None) -> None:
        """Back to the seed, at once and wholly; with `{seed}` to that of another number: other ids, the same names."""
        await cloud.reset(wanted.seed if wanted else None)

    _evidence(app, cloud)
    _faults(app, cloud)
    _clock(app, cloud)
    _parts(app, cloud)
    return app


def _evidence(app: FastAPI, cloud: Controlled) -> None:
    """What is shown of what happened."""

    @app.get("/_mockcloud/evidence")
    @app.get(WELL_KNOWN)
    async def evidence() -> dict[str, Any]:
        """Where evidence of what happens is to be found, and who may be asked for it."""
        return announcement(cloud)

    @app.get("/_mockcloud/facts", response_class=PlainTextResponse)
    async def facts(request_id: str = "", after: int = 0, kind: str = "", name: str = "") -> StreamingResponse:
        """NDJSON, one fact a line, in the order of their starts; `after` is the id of the last one seen."""
        wanted = (
            orjson.dumps(fact.to_dict(), default=str) + b"\n"
            for fact in cloud.recorder.facts(request_id, after)
            if (not kind or fact.kind == kind) and (not name or fact.name == name)
        )
        return StreamingResponse(_in_blocks(wanted), media_type="application/x-ndjson")

    @app.get("/_mockcloud/osprofiler/{base_id}")
    async def profile(base_id: str) -> dict[str, Any]:
        """The points of one OSProfiler trace as a tree, in the form of osprofiler's reports."""
        if cloud.profiler is None:
            raise HTTPException(404, "no request is profiled: the setting osprofiler_connection_string is empty")
        return await asyncio.to_thread(cloud.profiler.report, base_id)


async def _in_blocks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Many lines at a time: each piece of a streamed answer costs more than a line does."""
    while block := b"".join(itertools.islice(lines, BLOCK)):
        yield block


def _faults(app: FastAPI, cloud: Controlled) -> None:
    @app.get("/_mockcloud/faults")
    async def list_faults() -> dict[str, Any]:
        return {"kinds": KINDS, "faults": [fault.to_dict() for fault in cloud.faults.all()]}

    @app.post("/_mockcloud/faults", status_code=201)
    async def add_fault(fault: NewFault) -> dict[str, Any]:
        """`count` null: until it is removed. `host` and `request_id` narrow down where it strikes."""
        try:
            added = cloud.faults.add(**fault.model_dump()).to_dict()
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        if fault.kind == "wrong_project":
            cloud.faults.foreign = await cloud.foreign_identity()
        return added

    @app.delete("/_mockcloud/faults", status_code=204)
    async def clear_faults() -> None:
        cloud.faults.clear()

    @app.delete("/_mockcloud/faults/{fault_id}", status_code=204)
    async def remove_fault(fault_id: int) -> None:
        if not cloud.faults.remove(fault_id):
            raise HTTPException(404, f"no fault {fault_id}")


def _clock(app: FastAPI, cloud: Controlled) -> None:
    @app.get("/_mockcloud/clock")
    async def show_clock() -> dict[str, Any]:
        return {"now": cloud.clock.now().isoformat() + "Z", "speed": cloud.clock.speed}

    @app.put("/_mockcloud/clock")
    async def set_clock(change: ClockChange) -> dict[str, Any]:
        """`speed` in virtual seconds a second, `advance` in seconds."""
        try:
            if change.speed is not None:
                cloud.clock.speed = change.speed
            if change.advance is not None:
                cloud.clock.advance(change.advance)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return await show_clock()


def _parts(app: FastAPI, cloud: Controlled) -> None:
    """Services and workers can be switched off, killed and started again; an image's data can go bad."""

    @app.post("/_mockcloud/images/{image_id}/corrupt", status_code=204)
    async def corrupt_image(image_id: uuid.UUID) -> None:
        """What glance sends of it from now on has another checksum than glance says."""
        try:
            cloud.corrupt_image(str(image_id))
        except FileNotFoundError as error:
            raise HTTPException(404, f"no image {image_id} with data") from error

    @app.put("/_mockcloud/services/{name}")
    async def switch_service(name: str, wanted: Switch) -> dict[str, Any]:
        if name not in cloud.urls:
            raise HTTPException(404, f"no service {name}: there are {', '.join(cloud.urls)}")
        (cloud.down.discard if wanted.up else cloud.down.add)(name)
        return {"name": name, "up": name not in cloud.down}

    @app.put("/_mockcloud/workers/{name}")
    async def switch_worker(name: str, wanted: Switch) -> dict[str, Any]:
        """Down: it dies in the middle of whatever it does. Up: it starts anew."""
        worker = cloud.workers.get(name)
        if worker is None:
            raise HTTPException(404, f"no worker {name}: there are {', '.join(cloud.workers)}")
        if wanted.up and not worker.alive:
            await worker.start()
        elif not wanted.up and worker.alive:
            await worker.kill()
        return {"name": name, "up": worker.alive}
