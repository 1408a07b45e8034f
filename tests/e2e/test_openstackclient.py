"""The openstack command against a running cloud: one port for all services, and one port each."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


class Refused(Exception):
    """The command failed: its last words."""


@pytest.fixture
def openstack(login: dict[str, str], tmp_path: Path) -> Command:
    """`openstack("server", "list")`: what it prints, parsed where that is JSON. Its configuration files are nobody's."""

    def run(*arguments: str, shown: bool = True) -> Any:
        command = [sys.executable, "-m", "openstackclient.shell", *arguments, *(("-f", "json") if shown else ())]
        done = subprocess.run(
            command,
            env=login | {"HOME": str(tmp_path)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise Refused(done.stderr.strip().splitlines()[-1])
        return json.loads(done.stdout) if shown else done.stdout

    return run


def test_the_catalog_leads_to_every_service(openstack: Command, identity_url: str) -> None:
    token = openstack("token", "issue")
    assert token["id"]
    services = {entry["Type"]: entry for entry in openstack("catalog", "list")}
    assert {"identity", "compute", "image", "network", "block-storage", "placement"} <= set(services)
    (identity,) = {endpoint["url"] for endpoint in services["identity"]["Endpoints"]}
    assert identity == identity_url


def test_an_image_comes_from_a_file_and_goes_back_to_one(openstack: Command, tmp_path: Path) -> None:
    disk, back = tmp_path / "disk.raw", tmp_path / "back.raw"
    disk.write_bytes(bytes(range(256)) * 1000)
    made = openstack("image", "create", "--file", str(disk), "--disk-format", "raw", "--property", "os_distro=mine", "mine")
    assert (made["status"], made["size"], made["checksum"]) == (
        "active", 256_000, hashlib.md5(disk.read_bytes(), usedforsecurity=False).hexdigest(),
    )  # fmt: skip
    openstack("image", "save", "--file", str(back), "mine", shown=False)
    assert back.read_bytes() == disk.read_bytes()


def test_what_is_not_there_is_refused_in_words(openstack: Command) -> None:
    with pytest.raises(Refused, match="Volume type with name nothing could not be found"):
        openstack("volume", "create", "--size", "1", "--type", "nothing", "one")


def test_a_server_is_launched_on_a_network_of_its_own_with_a_volume(openstack: Command) -> None:
    openstack("network", "create", "lan")
    subnet = openstack("subnet", "create", "--network", "lan", "--subnet-range", "10.9.0.0/24", "lan4")
    assert subnet["gateway_ip"] == "10.9.0.1"
    volume = openstack("volume", "create", "--size", "1", "--image", "cirros", "data")
    assert volume["size"] == 1
    server = openstack("server", "create", "--image", "cirros", "--flavor", "m1.tiny", "--network", "lan", "--wait", "one")
    assert server["status"] == "ACTIVE"
    assert server["addresses"]["lan"][0].startswith("10.9.0.")
    (listed,) = openstack("server", "list")
    assert (listed["Name"], listed["Status"], listed["Image"], listed["Flavor"]) == ("one", "ACTIVE", "cirros", "m1.tiny")
    openstack("server", "add", "volume", "one", "data")
    found = _until(lambda: openstack("volume", "show", "data"), lambda shown: shown["status"] == "in-use")
    assert [attachment["server_id"] for attachment in found["attachments"]] == [server["id"]]
    openstack("server", "delete", "--wait", "one", shown=False)
    assert openstack("server", "list") == []
    assert openstack("volume", "list")[0]["Status"] == "available"


def _until(ask: Callable[[], Any], settled: Callable[[Any], bool]) -> Any:
    """The first settled answer of ten; the command itself takes a second or more."""
    for _ in range(10):
        if settled(answer := ask()):
            return answer
    raise AssertionError(f"it stays {answer}")
