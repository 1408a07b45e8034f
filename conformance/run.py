"""One run: makes the cloud once, turns verdicts into pytest's outcomes, collects results from all workers, and reports."""

from __future__ import annotations

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

import specs
from conformance.asking import ask, ask_rows
from conformance.cloud import Cloud
from conformance.evidence import redact
from conformance.options import Options, UsageError
from conformance.registry import Broken, Check, Result, Verdict

RESULT = pytest.StashKey[Result]()
CARRIED = "conformance"  # the attribute under which a test's report carries its result, from worker to controller


class Run:
    """Registered as a plugin when there is `--cloud-url`."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config, self.options = config, options
        self.results: dict[str, Result] = {}
        self.about: dict[str, Any] = {}
        self.leftovers: list[str] = []
        self.started = datetime.now(UTC)

    # the cloud

    @cached_property
    def _made(self) -> Cloud | Broken:
        """The cloud, or why there is none: asked once."""
        try:
            return Cloud(self.options)
        except (Broken, UsageError) as error:
            return Broken(str(error))

    @property
    def cloud(self) -> Cloud:
        if isinstance(self._made, Broken):
            raise self._made
        return self._made

    @cached_property
    def _lock_file(self) -> Path:
        """One for all workers of this run and all runs against this cloud on this machine."""
        return Path(tempfile.gettempdir()) / f"conformance-{hashlib.sha256(self.options.url.encode()).hexdigest()[:16]}.lock"

    @contextmanager
    def room(self, alone: bool) -> Iterator[None]:
        """A check that disturbs others has the cloud for itself."""
        with self._lock_file.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield

    # one test

    def perform(self, check: Check, item: pytest.Item) -> Result:
        """Asks one check and keeps the result with the test's report."""
        with self.room(check.alone):
            if isinstance(self._made, Broken):
                return self._keep(Result(check.id, check.sentence, Verdict.ERROR, check.level, reason=str(self._made)), item)
            return self._keep(ask(check, self._made), item)

    def show_row(self, row: specs.Row, item: pytest.Item) -> Result:
        if isinstance(self._made, Broken):
            return self._keep(Result(row.id, row.sentence, Verdict.ERROR, reason=str(self._made)), item)
        return self._keep(self._rows[row.id], item)

    @cached_property
    def _rows(self) -> dict[str, Result]:
        with self.room(alone=False):
            return ask_rows(self.cloud)

    def _keep(self, result: Result, item: pytest.Item) -> Result:
        item.stash[RESULT] = result
        item.user_properties += [
            ("id", result.id),
            ("verdict", result.verdict.value),
            ("how", result.how),
            ("sources", ",".join(result.sources)),
        ]
        return result

    # all of it

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        outcome = yield
        if (result := item.stash.get(RESULT, None)) is not None:
            fields = {**asdict(result), "verdict": result.verdict.value}
            setattr(outcome.get_result(), CARRIED, json.dumps(redact(fields), default=str))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if carried := getattr(report, CARRIED, ""):
            fields = json.loads(carried)
            self.results[fields["id"]] = Result(**{**fields, "verdict": Verdict(fields["verdict"])})

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """A cloud that cannot be reached at all is told once, in one sentence, and nothing is run."""
        if not session.config.option.collectonly and not hasattr(self.config, "workerinput") and isinstance(self._made, Broken):
            raise pytest.UsageError(str(self._made))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Cleans up; a worker sends what it knows of the cloud to the controller."""
        if "_made" in self.__dict__ and isinstance(self._made, Cloud):
            self.about = self._describe(self._made)
            self.leftovers = self._made.close()
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[CARRIED] = json.dumps({"about": self.about, "leftovers": self.leftovers}, default=str)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        sent = json.loads(getattr(node, "workeroutput", {}).get(CARRIED, "{}"))
        if not self.about.get("dialect"):  # only a worker that had the launch to judge knows it
            self.about = sent.get("about") or self.about
        self.leftovers += sent.get("leftovers", [])

    def _describe(self, cloud: Cloud) -> dict[str, Any]:
        known = cloud._kept.get("golden", (None, None))[0]
        return {
            "url": cloud.auth_url,
            "cloud": cloud.discovery.get("cloud", ""),
            "dialect": known.dialect if known else "",
            "people": sorted(cloud.people),
            "sources": ["client", *(source.name for source in cloud.sources)],
            "source_problems": cloud.source_problems,
            "launch": {"server_id": known.server_id, "request_id": known.request_id, "status": known.status} if known else {},
            "exchanges": len(cloud.recorder.exchanges),
        }

    def tree(self) -> dict[str, Any]:
        """The one result tree that every report is made of."""
        from conformance.report.tree import build

        return build(self)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if hasattr(self.config, "workerinput") or not self.results:
            return
        from conformance.report import write

        write(self.tree(), terminalreporter, self.config.getoption("report"))
