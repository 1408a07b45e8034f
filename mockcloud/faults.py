"""Faults at any step: seven kinds, before or after it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.trace import Act, current_scope

KINDS = {
    "fail": "the step raises; after it: its effect stands, its answer is lost in an error",
    "delay": "`seconds` of the cloud's clock pass",
    "skip": "the step does not happen; after it: it happens, its answer is lost",
    "duplicate": "the step happens twice",
    "reorder": "the step happens after the next one of the same request (never, when none comes), its caller goes on with nothing",
    "wrong_token": "the step is done with a token that nobody issued",
    "wrong_project": "the step is done in another project's name",
}
NEXT = ("reorder", "wrong_token", "wrong_project")  # after step n, these mean: before the step that follows n

WRONG_TOKEN = "gAAAAA-a-token-that-nobody-issued"
REORDER_LIMIT = 2.0  # seconds that a deferred step waits for the next one


class InjectedFault(RuntimeError):
    """Raised at a step because somebody asked for it."""


@runtime_checkable
class CarriesRequest(Protocol):
    """An HTTP context: it can be had with another identity."""

    def with_request(self, request: RequestContext) -> Any: ...

    @property
    def request(self) -> RequestContext: ...


@dataclass(slots=True)
class Fault:
    id: int
    step: int
    when: str  # before, after
    kind: str
    count: int | None = 1  # how often it strikes; None: until removed
    seconds: float = 0.0
    message: str = "injected fault"
    host: str = ""  # only on this host
    request_id: str = ""  # only in this request

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class Faults:
    """The table of armed faults. Empty is the normal state and costs a look at a list."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._armed: list[Fault] = []
        self._ids = itertools.count(1)
        self._waiting: list[tuple[str, int, asyncio.Event]] = []  # request, step: set when a later step of it has been performed
        self._deferred: set[asyncio.Task[Any]] = set()
        self.foreign: RequestContext | None = None  # another project's identity, for wrong_project

    @property
    def armed(self) -> bool:
        return bool(self._armed or self._deferred)

    def add(self, step: int, kind: str, when: str = "before", **options: Any) -> Fault:
        if kind not in KINDS:
            raise ValueError(f"unknown kind of fault {kind!r}: choose one of {', '.join(KINDS)}")
        if when not in ("before", "after"):
            raise ValueError(f"a fault strikes before or after a step, not {when!r}")
        if not 1 <= step <= 28:
            raise ValueError(f"there are steps 1 to 28, not {step}")
        fault = Fault(next(self._ids), step, when, kind, **options)
        self._armed.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        before = len(self._armed)
        self._armed = [fault for fault in self._armed if fault.id != fault_id]
        return len(self._armed) < before

    def clear(self) -> None:
        self._armed.clear()
        for task in self._deferred:
            task.cancel()

    def all(self) -> list[Fault]:
        return list(self._armed)

    async def run(self, number: int, act: Act, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Performs `act` as step `number`, with whatever is armed for it."""
        before = self._take(number, "before")
        for fault in before:
            if fault.kind == "delay":
                await self._clock.sleep(fault.seconds)
            elif fault.kind == "fail":
                raise InjectedFault(fault.message)
        kinds = {fault.kind for fault in before}
        if "skip" in kinds:
            return None
        if "reorder" in kinds:
            self._defer(number, act, args, kwargs)
            return None
        if kinds & {"wrong_token", "wrong_project"}:
            args = tuple(self._disguise(a, kinds) for a in args)
            kwargs = {name: self._disguise(a, kinds) for name, a in kwargs.items()}
        if "duplicate" in kinds:
            await act(*args, **kwargs)
        result = await act(*args, **kwargs)
        for request, deferred, passed in self._waiting:
            if request == _request() and number > deferred:
                passed.set()
        return await self._after(number, act, args, kwargs, result)

    async def _after(self, number: int, act: Act, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
        for fault in self._take(number, "after"):
            if fault.kind == "delay":
                await self._clock.sleep(fault.seconds)
            elif fault.kind == "fail":
                raise InjectedFault(fault.message)
            elif fault.kind == "skip":
                result = None
            elif fault.kind == "duplicate":
                result = await act(*args, **kwargs)
            elif fault.kind in NEXT and number < 28:
                self._armed.append(dataclasses.replace(fault, step=number + 1, when="before", count=1))
        return result

    def _take(self, number: int, when: str) -> list[Fault]:
        scope = current_scope()
        taken = [f for f in self._armed if f.step == number and f.when == when and _concerns(f, scope)]
        for fault in taken:
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._armed.remove(fault)
        return taken

    def _defer(self, number: int, act: Act, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        passed = asyncio.Event()
        waiting = (_request(), number, passed)
        self._waiting.append(waiting)

        async def later() -> None:
            try:
                async with asyncio.timeout(REORDER_LIMIT):
                    await passed.wait()
            finally:
                self._waiting.remove(waiting)
            await act(*args, **kwargs)

        task = asyncio.get_running_loop().create_task(later())
        self._deferred.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._deferred.discard(task)
        if not task.cancelled():
            task.exception()  # a deferred step may fail: nobody waits for it

    def _disguise(self, argument: Any, kinds: set[str]) -> Any:
        if isinstance(argument, RequestContext):
            if "wrong_project" in kinds and self.foreign is not None:
                foreign = self.foreign
                return dataclasses.replace(
                    argument, project_id=foreign.project_id, user_id=foreign.user_id, token=foreign.token, roles=foreign.roles
                )
            return dataclasses.replace(argument, token=WRONG_TOKEN)
        if isinstance(argument, CarriesRequest):
            return argument.with_request(self._disguise(argument.request, kinds))
        return argument


def _request() -> str:
    """What all steps of one request share: the id that its first service sends on."""
    scope = current_scope()
    return (scope.global_request_id or scope.request_id) if scope else ""


def _concerns(fault: Fault, scope: Any) -> bool:
    if scope is None:
        return not (fault.host or fault.request_id)
    if fault.host and fault.host != scope.host:
        return False
    return not fault.request_id or fault.request_id in (scope.request_id, scope.global_request_id)
