"""What the workers of a run tell their controller."""

import json
from types import SimpleNamespace
from typing import Any

from conformance.options import Options
from conformance.run import CARRIED, Run


def worker(**about: Any) -> Any:
    return SimpleNamespace(workeroutput={CARRIED: json.dumps({"about": about, "leftovers": []})})


def test_the_worker_that_judged_a_launch_says_of_which_dialect_the_cloud_is():
    run = Run(SimpleNamespace(), Options(url="http://127.0.0.1:9"))
    for told in (worker(url="u", dialect=""), worker(url="u", dialect="cells_v2"), worker(url="u", dialect=""), SimpleNamespace()):
        run.pytest_testnodedown(told, None)
    assert run.about == {"url": "u", "dialect": "cells_v2"}
