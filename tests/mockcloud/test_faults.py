"""Seven kinds of faults, before and after a step."""

from __future__ import annotations

import asyncio

import pytest

from mockcloud.clock import Clock
from mockcloud.context import RequestContext
from mockcloud.faults import KINDS, WRONG_TOKEN, Faults, InjectedFault
from mockcloud.trace import Recorder, Scope, step, within

CTX = RequestContext("req-1", token="good", project_id="mine")


class Flow:
    """Two steps in a row, as a launch has them."""

    def __init__(self):
        self.done = []

    @step(22)
    async def request(self, ctx):
        self.done.append(("request", ctx.token, ctx.project_id))
        return "port"

    @step(23)
    async def validate(self, ctx):
        self.done.append(("validate", ctx.token, ctx.project_id))
        return "valid"

    async def run(self):
        return [await self.request(CTX), await self.validate(CTX)]

    @property
    def names(self):
        return [name for name, *_ in self.done]


async def run(kind, when, **options):
    faults = Faults(Clock(speed=1000))
    faults.foreign = RequestContext("", token="theirs", project_id="theirs")
    faults.add(22, kind, when, **options)
    flow = Flow()
    with within(Scope(Recorder(), faults, "nova-compute", "host1", "req-1")):
        try:
            result = await flow.run()
        except InjectedFault:
            result = "failed"
        for _ in range(20):
            await asyncio.sleep(0)
    return flow, result


@pytest.mark.parametrize(
    ("kind", "when", "names", "result"),
    [
        ("fail", "before", [], "failed"),
        ("fail", "after", ["request"], "failed"),
        ("skip", "before", ["validate"], [None, "valid"]),
        ("skip", "after", ["request", "validate"], [None, "valid"]),
        ("duplicate", "before", ["request", "request", "validate"], ["port", "valid"]),
        ("duplicate", "after", ["request", "request", "validate"], ["port", "valid"]),
        ("reorder", "before", ["validate", "request"], [None, "valid"]),
        ("reorder", "after", ["request"], ["port", None]),  # no step comes after it
        ("delay", "before", ["request", "validate"], ["port", "valid"]),
        ("delay", "after", ["request", "validate"], ["port", "valid"]),
    ],
)
async def test_each_kind_does_what_it_says(kind, when, names, result):
    flow, got = await run(kind, when, seconds=0.5)
    if (kind, when) == ("reorder", "after"):
        for _ in range(300):
            if len(flow.names) == 2:
                break
            await asyncio.sleep(0.01)
    assert (flow.names, got) == (names, result)


@pytest.mark.parametrize(
    ("kind", "when", "steps"),
    [
        ("wrong_token", "before", [(WRONG_TOKEN, "mine"), ("good", "mine")]),
        ("wrong_token", "after", [("good", "mine"), (WRONG_TOKEN, "mine")]),
        ("wrong_project", "before", [("theirs", "theirs"), ("good", "mine")]),
        ("wrong_project", "after", [("good", "mine"), ("theirs", "theirs")]),
    ],
)
async def test_a_wrong_identity_holds_for_one_step(kind, when, steps):
    flow, _ = await run(kind, when)
    assert [tuple(rest) for _, *rest in flow.done] == steps


async def test_a_fault_strikes_as_often_as_it_was_asked_to_and_only_where_it_was_asked_to():
    _, result = await run("fail", "before", host="another-host")
    assert result == ["port", "valid"]
    _, result = await run("fail", "before", request_id="req-1")
    assert result == "failed"


async def test_without_faults_a_step_is_just_its_act():
    flow = Flow()
    assert await flow.run() == ["port", "valid"]


@pytest.mark.parametrize("arguments", [(22, "explode"), (22, "fail", "during"), (0, "fail"), (29, "fail")])
def test_a_fault_that_cannot_be_is_refused_with_a_sentence(arguments):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        Faults(Clock()).add(*arguments)


def test_there_are_seven_kinds():
    assert len(KINDS) == 7
