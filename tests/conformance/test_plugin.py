"""`pytest --cloud-url`: what it runs, what it refuses, and how it says so."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.registry import load_checks
from tests.kill_matrix import run_suite, running, suite_command

HOPELESS = ("Traceback", "INTERNALERROR")


def run(*options: str, folder: Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command, settings = suite_command(*options)
    return subprocess.run(
        command, cwd=folder, env=settings | (environ or {}), capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip


def verdicts(tree: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["verdict"], row["how"]) for row in tree["steps"]}


def test_all_28_rows_of_the_mock_pass_with_direct_evidence(rows_tree: dict[str, Any]) -> None:
    assert verdicts(rows_tree) == {f"S{n:02d}": ("pass", "direct") for n in range(1, 29)}
    assert rows_tree["about"]["dialect"] == "classic"
    assert rows_tree["leftovers"] == []


def test_a_plain_client_sees_9_steps_infers_13_and_calls_6_not_observable(cloud_url: str) -> None:
    tree = run_suite(cloud_url, "-k", "test_step", "--evidence", "client")
    found = verdicts(tree)
    assert {row for row, verdict in found.items() if verdict == ("pass", "direct")} == {
        "S01", "S02", "S03", "S07", "S22", "S24", "S25", "S27", "S28",
    }  # fmt: skip
    assert {row for row, (verdict, _) in found.items() if verdict == "not observable"} == {"S08", "S09", "S12", "S14", "S15", "S17"}
    assert sum(verdict == ("pass", "inferred") for verdict in found.values()) == 13


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "nothing answers at http://127.0.0.1:1/v3"),
        ("nonsense", "takes the http(s) URL of the identity service"),
        ("{cloud}/image", "there is no keystone at"),
        ("{cloud}/nowhere", "there is no keystone at"),
    ],
)
def test_a_wrong_url_is_told_in_one_sentence(url: str, said: str, cloud_url: str, tmp_path: Path) -> None:
    done = run("--cloud-url", url.replace("{cloud}", cloud_url.removesuffix("/v3")), folder=tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {'--cloud-url ' if url == 'nonsense' else ''}{said}" in done.stdout + done.stderr
    assert not any(word in done.stdout + done.stderr for word in HOPELESS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--os-username", "demo", "--os-password", "wrong", "--os-project-name", "demo"],
            "keystone refuses the credentials of the member",
        ),
        (["--os-cloud", "nowhere"], "do not give the cloud 'nowhere'"),
        (["--checks", "S99.C1"], "there is no check S99.C1"),
        (["--steps", "S01,S40"], "'S40' is no step"),
        (["--steps", "S12-S10"], "'S12-S10' is no step"),
        (["--network", "no-such-network"], ""),
    ],
)
def test_an_option_that_cannot_be_is_told_in_one_sentence(options: list[str], said: str, cloud_url: str, tmp_path: Path) -> None:
    done = run("--cloud-url", cloud_url, *options, folder=tmp_path)
    told = done.stdout + done.stderr
    assert not any(word in told for word in HOPELESS)
    if said:
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert said in told
    else:
        assert done.returncode == pytest.ExitCode.TESTS_FAILED
        assert "there is no network 'no-such-network'" in told
        assert " failed" not in told.splitlines()[-1], "the suite's own trouble is an error, not a failure of the cloud"


def test_the_list_of_tests_is_ids_with_sentences(cloud_url: str, tmp_path: Path) -> None:
    done = run("--cloud-url", cloud_url, "--collect-only", folder=tmp_path)
    listed = re.findall(r"\[(S\d\d(?:\.C\d)?) (.+)\]", done.stdout)
    assert {name for name, _ in listed} == {f"S{n:02d}" for n in range(1, 29)} | set(load_checks())


def test_a_list_needs_no_cloud(tmp_path: Path) -> None:
    done = run("--cloud-url", "http://127.0.0.1:1", "--collect-only", folder=tmp_path)
    assert done.returncode == 0
    assert "S28 The compute spawns the guest" in done.stdout


def test_workers_share_the_work_and_report_together(cloud_url: str) -> None:
    tree = run_suite(cloud_url, "-n", "2", "-k", "test_step")
    assert {verdict for verdict, _ in verdicts(tree).values()} == {"pass"}
    assert len(tree["steps"]) == 28
    assert tree["about"]["url"] == cloud_url


def test_steps_and_profiles_narrow_what_is_asked(cloud_url: str) -> None:
    assert {r["id"] for r in run_suite(cloud_url, "--steps", "S01,S03-S04", "-k", "test_step")["steps"]} == {"S01", "S03", "S04"}
    assert {r["id"] for r in run_suite(cloud_url, "--profile", "network", "-k", "test_step")["steps"]} == {"S22", "S23", "S24"}


def test_a_cloud_without_a_network_service_gets_no_false_failure(tmp_path: Path) -> None:
    import yaml

    seed = yaml.safe_load((Path(__file__).parents[2] / "mockcloud" / "seed.yaml").read_text())
    (tmp_path / "seed.yaml").write_text(yaml.safe_dump({"catalog": [e for e in seed["catalog"] if e["type"] != "network"]}))
    with running("--seed-file", str(tmp_path / "seed.yaml")) as url:
        tree = run_suite(url, "-k", "test_step")
    assert {row["verdict"] for row in tree["steps"]} == {"unsupported"}
    assert {row["reason"] for row in tree["steps"]} == {"the catalog has no network service"}


def test_a_cloud_that_dies_in_the_middle_is_an_error_and_never_a_failure(tmp_path: Path) -> None:
    with running() as url:
        command, environ = suite_command("--cloud-url", url, "-vv", "--report", str(tmp_path / "report"))
        suite = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert suite.stdout is not None
        said = []
        for line in suite.stdout:
            said.append(line)
            if "test_check[" in line and " PASSED" in line:
                break
    said += suite.communicate(timeout=120)[0].splitlines(keepends=True)  # the cloud is gone by now
    told = "".join(said)
    tree = json.loads((tmp_path / "report" / "report.json").read_text())
    found = {check["verdict"] for check in tree["checks"]}
    assert "error" in found
    assert "fail" not in found
    assert "does not answer" in told
    assert not any(word in told for word in HOPELESS)


def test_an_interrupted_run_leaves_nothing_on_the_cloud(tmp_path: Path) -> None:
    with running() as url:
        command, environ = suite_command("--cloud-url", url, "-vv")
        suite = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert suite.stdout is not None
        for line in suite.stdout:
            if "test_check[" in line and " PASSED" in line:
                suite.send_signal(signal.SIGINT)
                break
        suite.communicate(timeout=120)
        assert left_on(url) == []


def left_on(url: str) -> list[str]:
    from conformance.cloud import Cloud
    from conformance.options import Options

    cloud = Cloud(Options(url=url))
    admin, found = cloud.admin, []
    for service, path, key in (
        ("compute", "/servers/detail?all_tenants=1", "servers"),
        ("volume", "/volumes/detail?all_tenants=1", "volumes"),
    ):
        found += [item["name"] for item in admin.get(service, path).body[key]]
    found += [port["name"] for port in admin.get("network", "/ports").body["ports"] if port["device_owner"].startswith("compute:")]
    return found + [image["name"] for image in admin.get("image", "/images").body["images"] if image["name"].startswith("conformance")]


def test_the_plugin_costs_others_nothing(tmp_path: Path) -> None:
    """It is loaded in every run of pytest where it is installed: there it imports nothing heavy."""
    heavy = ("requests", "keystoneauth1", "openstack", "yaml", "specs")
    code = f"import conformance.plugin, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"


def test_nothing_secret_is_in_a_report(rows_tree: dict[str, Any]) -> None:
    text = json.dumps(rows_tree)
    assert "gAAAA" not in text
    assert not re.search(r'"password": "(?!sha256|\*\*\*)', text)
    assert '"secret"' not in text


def test_waiting_is_bounded(tmp_path: Path) -> None:
    """A server that never becomes ACTIVE ends the wait, as what it is: a failure of the cloud, with its last state."""
    with running("--spawn-seconds", "3600") as url:
        begun = time.monotonic()
        tree = run_suite(url, "--steps", "S28", "-k", "test_step", "--launch-timeout", "3")
    assert time.monotonic() - begun < 100
    [row] = tree["steps"]
    assert row["verdict"] == "fail"
    assert any("is still there" in line for line in tree["leftovers"]), "what cannot be deleted is named"


def test_own_tests_can_have_the_cloud(cloud_url: str, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_mine(conformance_cloud):\n    assert conformance_cloud.member.project_id\n")
    done = run("--cloud-url", cloud_url, "test_mine.py", folder=tmp_path, environ={"PYTHONDONTWRITEBYTECODE": "1"})
    assert "1 passed" in done.stdout, done.stdout
