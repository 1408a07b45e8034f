"""The command line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import yaml

import specs
from mockcloud import server
from mockcloud.__main__ import main

TIMEOUT = 60


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """The command in this process: its exit status, and what it printed where."""
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@contextmanager
def up(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A cloud in a process of its own, and its identity URL; killed at the end if it still runs."""
    command = [sys.executable, "-m", "mockcloud", "up", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"ready in [\d.]+ s: (http://\S+)/v3$", line)
        assert found, line + process.communicate(timeout=TIMEOUT)[1]
        yield process, found[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=TIMEOUT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_up_says_when_it_is_ready_serves_and_stops_cleanly_when_told(number):
    with up() as (process, url):
        assert httpx.get(f"{url}/v3", trust_env=False).status_code == 200
        assert httpx.get(f"{url}/_mockcloud/health", trust_env=False).json()["status"] == "ok"
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out.splitlines()[-1], err) == (0, "stopped", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v3", trust_env=False)


def test_up_stops_although_a_client_keeps_its_connection_open():
    with up() as (process, url), httpx.Client(trust_env=False) as client:
        client.get(f"{url}/v3")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_up_gives_each_service_a_port_when_asked_to():
    with up("--ports", "classic") as (_, url):
        urls = httpx.get(f"{url}/_mockcloud/health", trust_env=False).json()["urls"]
        answers = {name: httpx.get(f"{where}/", trust_env=False).status_code for name, where in urls.items()}
    assert len({where.rsplit(":", 1)[1] for where in urls.values()}) == 6
    assert set(answers.values()) <= {200, 300}


def _too_long(number, frame):
    raise TimeoutError("the command neither failed nor ended")


def fails(capsys, *arguments: str) -> str:
    """What a command says when it fails: one line for the user, and no trace."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(30)  # what should have failed may run for ever
    try:
        status, _, said = run(capsys, *arguments)
    finally:
        signal.alarm(0)
    assert status == 2
    assert re.fullmatch(r"mockcloud: .+\n", said)
    return said


def test_a_taken_port_is_named_with_the_way_out(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = fails(capsys, "up", "--port", str(port))
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port with --port" in said


def test_a_taken_classic_port_is_named_with_another_way_out(capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setitem(server.PORTS, "neutron", port)
        said = fails(capsys, "up", "--ports", "classic")
    assert re.search(r"cannot listen on 127\.0\.0\.1:\d+: Address already in use\. .*--ports single", said)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot read the seed file"),
        ("{", "is not YAML"),
        ("- a list", "must be a mapping of sections"),
        ("users: 7", "seed"),
        ("users: [{name: somebody, roles: {nowhere: [member]}}]", "project nowhere, which is not there"),
        ("users: [{name: somebody, roles: {demo: [emperor]}}]", "role emperor, which is not there"),
        ("networks: [{name: net, cidr: 10.0.0.0/24, project: nowhere}]", "project nowhere, which is not there"),
        ("flavors: [{name: m1.tiny, vcpus: many, memory_mb: 1, root_gb: 1}]", "nova cannot use the seed file"),
        ("flavours: []", "sections that nobody reads: flavours"),
    ],
)
def test_a_bad_seed_file_is_refused_with_a_sentence(capsys, tmp_path, content, sentence):
    file = tmp_path / "seed.yaml"
    if content is not None:
        file.write_text(content)
    assert sentence in fails(capsys, "up", "--port", "0", "--seed-file", str(file))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot read the settings file"),
        ("= 1", "is not TOML"),
        ("colour = 'red'", "unknown option colour"),
        ("port = 'x'", "port takes int"),
    ],
)
def test_a_bad_settings_file_is_refused_with_a_sentence(capsys, tmp_path, content, sentence):
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_text(content)
    assert sentence in fails(capsys, "up", "--settings", str(file))


@pytest.mark.parametrize("arguments", [["up", "--colour"], ["fly"], [], ["up", "--hosts", "many"], ["spec", "horizon"], ["ops", "horizon"]])
def test_what_the_command_line_does_not_know_is_refused_with_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: mockcloud" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--hosts", "0"), ("--clock-speed", "0"), ("--port", "70000")])
def test_a_value_that_cannot_be_is_refused_with_a_sentence(capsys, option, value):
    assert option.removeprefix("--").replace("-", "_") in fails(capsys, "up", option, value)


def test_a_message_broker_that_is_not_there_is_one_sentence_without_its_password(capsys, unused_tcp_port):
    said = fails(capsys, "up", "--port", "0", "--bus", f"amqp://someone:hidden@127.0.0.1:{unused_tcp_port}/cloud")
    assert said == f"mockcloud: cannot use the message broker at 127.0.0.1:{unused_tcp_port}/cloud: Connection refused\n"


@pytest.mark.parametrize("url", ["redis://a:hidden@127.0.0.1/0", "amqp://a:hidden@127.0.0.1:port/", "amqp", "amqp://", "hidden"])
def test_a_bus_that_is_no_broker_of_ours_is_refused_without_its_password(capsys, url):
    said = fails(capsys, "up", "--bus", url)
    assert "bus_url takes amqp://" in said and "hidden" not in said


@pytest.mark.parametrize("user", ["demo", "admin"])
def test_env_prints_what_a_shell_can_take_in(capsys, user):
    status, out, _ = run(capsys, "env", "--auth-url", "http://127.0.0.1:7777/v3", "--user", user)
    shell = subprocess.run(["sh", "-c", out + "env"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=True)
    seen = dict(line.split("=", 1) for line in shell.stdout.splitlines() if line.startswith("OS_"))
    assert status == 0
    assert (seen["OS_AUTH_URL"], seen["OS_USERNAME"], seen["OS_PROJECT_NAME"]) == ("http://127.0.0.1:7777/v3", user, user)


def test_a_password_with_a_quote_and_a_space_survives_the_shell(capsys):
    password = "it's a secret; $(exit 1)"
    _, out, _ = run(capsys, "env", "--password", password)
    shell = subprocess.run(["sh", "-c", out + 'printf %s "$OS_PASSWORD"'], capture_output=True, text=True, check=True)
    assert shell.stdout == password


def test_clouds_yaml_names_a_cloud_for_a_member_and_one_for_an_admin(capsys):
    _, out, _ = run(capsys, "clouds-yaml", "--password", "a: 'b'")
    clouds = yaml.safe_load(out)["clouds"]
    assert {name: cloud["auth"]["username"] for name, cloud in clouds.items()} == {"mock": "demo", "mock-admin": "admin"}
    assert clouds["mock"]["auth"]["password"] == "a: 'b'"


def test_spec_prints_the_document_of_the_version(capsys):
    _, out, _ = run(capsys, "spec", "nova", "--microversion", "2.50")
    document = json.loads(out)
    assert (document["openapi"][:3], document["info"]["version"]) == ("3.1", "2.50")


@pytest.mark.parametrize("version", ["9.9", "two", "2", ""])
def test_spec_of_a_version_that_is_not_there_is_refused_with_a_sentence(capsys, version):
    status, out, err = run(capsys, "spec", "nova", "--microversion", version)
    assert (status, out) == (2, "")
    assert err.startswith("mockcloud: ")


def test_ops_lists_what_is_served_and_what_is_declined(capsys):
    _, out, _ = run(capsys, "ops", "nova")
    *rows, total = out.splitlines()
    declined = sum(bool(operation.declined) for operation in specs.operations("nova"))
    gone = sum(operation.gone for operation in specs.operations("nova"))
    assert len(rows) == len(specs.operations("nova"))
    assert total == f"{len(rows) - declined - gone} served, {declined} declined, {gone} gone"


def test_steps_lists_all_28_with_the_place_of_each(capsys):
    _, out, _ = run(capsys, "steps")
    rows = out.splitlines()
    assert [int(row.split()[0]) for row in rows] == list(range(1, 29))
    assert [row for row in rows if not re.search(r"mockcloud/\S+\.py:\d+", row)] == []


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m mockcloud spec nova | head -n 1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=TIMEOUT)
    assert (result.returncode, result.stdout, result.stderr) == (0, "{\n", "")
