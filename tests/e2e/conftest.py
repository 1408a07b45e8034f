"""Clouds in a process of their own, on ports nobody else has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

READY = re.compile(r"^ready in [\d.]+ s: (http://\S+/v3)$")


@pytest.fixture(scope="module", params=[("single", "classic"), ("classic", "cells_v2")], ids=["one-port-classic", "many-ports-cells_v2"])
def identity_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """`mockcloud up` for one test module: where its keystone is. It must stop by itself, and without a complaint."""
    ports, dialect = request.param
    command = [sys.executable, "-m", "mockcloud", "up", "--port", "0", "--ports", ports, "--dialect", dialect]
    cloud = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert cloud.stdout is not None
    match = READY.match(cloud.stdout.readline().strip())
    if match is None:
        cloud.kill()
        pytest.fail(f"mockcloud did not start: {cloud.communicate()[1]}")
    yield match[1]
    cloud.terminate()
    try:
        said, complained = cloud.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        cloud.kill()
        cloud.communicate()
        raise
    assert (cloud.returncode, said.splitlines()[-1], complained) == (0, "stopped", "")


@pytest.fixture
def login(identity_url: str) -> dict[str, str]:
    """The environment of somebody who works with the cloud's demo project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    own = {"USERNAME": "demo", "PASSWORD": "secret", "PROJECT_NAME": "demo", "USER_DOMAIN_ID": "default", "PROJECT_DOMAIN_ID": "default"}
    own |= {"AUTH_URL": identity_url, "REGION_NAME": "RegionOne", "IDENTITY_API_VERSION": "3"}
    return kept | {f"OS_{name}": value for name, value in own.items()}
