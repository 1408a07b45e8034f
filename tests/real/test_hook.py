"""The fault hook of the real cloud, on a cloud of one sleeping process."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import requests

from tests.real.cloud import RealCloud
from tests.real.hook import Processes, hook


class OneWorker:
    """Where there is a nova-scheduler, and starting is counted."""

    def __init__(self, run: Path) -> None:
        self._run, self.started = run, 0

    def __getitem__(self, name: str) -> str:
        return str(self._run)

    def run(self, script: str) -> None:
        assert script == "up.sh"
        self.started += 1


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[RealCloud, subprocess.Popen[bytes]]]:
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (tmp_path / "nova-scheduler.pid").write_text(str(sleeper.pid))
    yield cast(RealCloud, OneWorker(tmp_path)), sleeper
    sleeper.kill()
    sleeper.wait()


def test_a_worker_is_killed_and_started_again(worker):
    cloud, sleeper = worker
    with hook(cloud) as url:
        assert requests.put(f"{url}/workers/nova-scheduler", json={"up": False}, timeout=30).status_code == 200
        assert sleeper.wait(10) == -9
        requests.put(f"{url}/workers/nova-scheduler", json={"up": True}, timeout=30)
    assert cloud.started == 1


def test_health_says_which_workers_live(worker):
    with hook(worker[0]) as url:
        workers = requests.get(f"{url}/health", timeout=30).json()["workers"]
    assert (workers["nova-scheduler"], workers["nova-compute"]) == (True, False)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/faults"), ("PUT", "/clock"), ("PUT", "/workers/init"), ("PUT", "/services/mariadb"), ("GET", "/")]
)
def test_what_a_real_cloud_cannot_do_is_refused_with_a_sentence(worker, method, path):
    with hook(worker[0]) as url:
        refused = requests.request(method, url + path, json={}, timeout=30)
    assert refused.status_code == 501
    assert "cannot obey" in refused.json()["error"]


def test_a_worker_that_was_never_started_is_not_alive(worker):
    assert Processes(worker[0]).alive("nova-conductor") is False
