"""`mockcloud demo`: a server is launched, and all 28 steps are seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from specs import DIALECTS

ROW = re.compile(r"^ *(\d+) +([\d.]+|-) +(\S.*\S) → (\S+)", re.MULTILINE)


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-m", "mockcloud", "demo", *arguments], capture_output=True, text=True, timeout=90, env=env, check=False
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_step_of_the_launch_is_shown_with_its_time_and_the_server_is_active(dialect):
    done = demo("--dialect", dialect, COLUMNS="100")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = ROW.findall(done.stdout)
    assert [int(number) for number, *_ in rows] == list(range(1, 29))
    times = [float(ms) for _, ms, *_ in rows]
    assert times[0] == 0.0
    assert all(ms >= 0 for ms in times)
    assert "28 of 28 steps passed, 28 of them seen directly" in done.stdout
    assert re.search(r"^status +ACTIVE$", done.stdout, re.MULTILINE)
    assert re.search(r"^address +private 10\.0\.0\.\d+$", done.stdout, re.MULTILINE)
    assert re.search(r"^volume +[0-9a-f-]{36}$", done.stdout, re.MULTILINE)
    assert done.stderr == ""


def test_without_a_terminal_there_are_no_colours_and_no_line_is_wider_than_it():
    done = demo(COLUMNS="80")
    assert "\x1b" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if ROW.match(line)]
    assert len(lines) == 28
    assert max(map(len, lines)) <= 80


def test_a_cloud_that_is_not_there_is_told_in_one_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nothing answers at http://127.0.0.1:1/v3" in done.stderr
