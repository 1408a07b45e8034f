"""A check, or the 28 rows, asked of a cloud: whatever happens, there is a result."""

from __future__ import annotations

import time

import specs
from conformance.client import curl
from conformance.cloud import Cloud
from conformance.evidence import Fact
from conformance.judge import judge
from conformance.registry import Broken, Check, Excused, Result, Verdict, Violation

SHOWN = 3  # exchanges of a check that passed which its result shows


def ask(check: Check, cloud: Cloud) -> Result:
    """Runs a check and takes away what it made, unless that is to be kept."""
    result = Result(check.id, check.sentence, Verdict.PASS, check.level)
    result.detail = {"given": check.given, "when": check.when, "then": check.then, "evidence": check.evidence}
    begun, exchanges, mark = time.monotonic(), len(cloud.recorder.exchanges), len(cloud.resources.made)
    facts: list[Fact] = []
    try:
        cloud.demand(check)
        mark = len(cloud.resources.made)
        check.run(cloud)
    except Violation as violation:
        result.verdict, result.expected, result.actual = Verdict.FAIL, violation.expected, violation.actual
        facts = list(violation.facts)
    except Excused as excuse:
        result.verdict, result.reason = excuse.verdict, str(excuse)
    except Exception as error:  # ours: never the cloud's fault, and never a traceback as the answer
        result.verdict, result.reason = Verdict.ERROR, f"the check itself failed: {type(error).__name__}: {error}"
    finally:
        cloud.leftovers += [] if cloud.options.keep else cloud.resources.delete_since(mark)
    asked = [exchange.fact for exchange in cloud.recorder.exchanges[exchanges:] if exchange.fact.get("callee") != "identity"]
    result.facts = [fact.to_dict() for fact in (facts or asked[-SHOWN:])]
    result.curl = [curl(fact) for fact in (facts or asked[-1:]) if fact.kind == "http.client" and fact.source == "client"]
    result.sources = sorted({fact["source"] for fact in result.facts}) or ["client"]
    result.seconds = round(time.monotonic() - begun, 3)
    return result


def ask_rows(cloud: Cloud) -> dict[str, Result]:
    """The 28 verdicts on the golden launch, by id; each with the same excuse when there is none to judge."""
    try:
        launch = cloud.golden
        if not launch.server_id:
            raise Broken(f"the launch was refused: {launch.boot}")
        has = cloud.has_volumes
        rows = judge(
            launch.evidence, launch.boot.fact, launch.server_id, cloud.dialect, volumes=bool(launch.volumes), volume_service=has
        )  # fmt: skip
    except Excused as excuse:
        rows = [Result(row.id, row.sentence, excuse.verdict, reason=str(excuse)) for row in specs.launch()]
    except Exception as error:
        reason = f"the suite itself failed: {type(error).__name__}: {error}"
        rows = [Result(row.id, row.sentence, Verdict.ERROR, reason=reason) for row in specs.launch()]
    return {row.id: row for row in rows}
