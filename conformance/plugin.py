"""The pytest plugin: options, and what a run with `--cloud-url` is made of. Everything else is imported when that option is there."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conformance.cloud import Cloud
    from conformance.options import Options

SUITE = Path(__file__).parent / "suite"
ROLES = ("reader", "stranger", "admin")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("openstack", "conformance of an OpenStack cloud")
    add = group.addoption
    add("--cloud-url", metavar="URL", help="the cloud's identity endpoint, with or without /v3: runs the conformance suite against it")
    add("--os-cloud", metavar="NAME", help="the member's entry in clouds.yaml")
    for role in ROLES:
        add(f"--os-cloud-{role}", metavar="NAME", help=f"the {role}'s entry in clouds.yaml: unlocks checks")
    for name in ("username", "password", "project-name", "user-domain-name", "project-domain-name"):
        add(f"--os-{name}", metavar="TEXT", help="the member's credentials, one by one" if name == "username" else None)
    add("--os-region-name", metavar="NAME", help="the region whose endpoints are asked")
    add("--os-interface", metavar="KIND", default="public", help="public, internal or admin endpoints (public)")
    add("--os-cacert", metavar="FILE", help="certificates to trust")
    add("--insecure", action="store_true", help="trust any certificate")
    add("--steps", metavar="LIST", help="only these steps, e.g. S01,S10-S12")
    add("--checks", metavar="ID", nargs="+", action="extend", help="only these checks, e.g. S10.C1 S10.C2")
    add("--level", choices=("MUST", "SHOULD"), default="SHOULD", help="the weakest level that is checked (SHOULD)")
    add("--profile", choices=("launch", "identity", "compute", "network", "volume", "admin"), default="launch", help="a part of the suite")
    add("--dialect", choices=("auto", "classic", "cells_v2"), default="auto", help="how the services talk to each other inside (auto)")
    add("--evidence", metavar="SOURCE", action="append", help="client, facts, amqp, notifications, osprofiler, logs, admin; SOURCE=WHERE")
    add("--report", metavar="DIR", help="write report.json and report.html there")
    add("--launch-timeout", metavar="SECONDS", type=float, default=300.0, help="what a launch may take (300)")
    add("--keep", action="store_true", help="leave what was made")
    for name in ("flavor", "image", "network"):
        add(f"--{name}", metavar="NAME", default="", help=f"the {name} to launch with, by name or id")
    add("--token-cache-time", metavar="SECONDS", type=float, help="how long the services trust a token that they have seen; 0: not at all")
    add("--fault-hook", metavar="URL", default="", help="where faults can be provoked on this cloud")


def chosen(config: pytest.Config) -> Options:
    """The options of a run. Raises pytest.UsageError for one that cannot be."""
    from conformance.options import Options, UsageError, parse_steps
    from conformance.registry import load_checks

    get = config.getoption
    checks = frozenset(name for text in get("checks") or () for name in text.split(","))
    if unknown := sorted(checks - set(load_checks())):
        raise pytest.UsageError(f"--checks: there is no check {', '.join(unknown)}")
    names = ("username", "password", "project_name", "user_domain_name", "project_domain_name")
    credentials = {name: get(f"os_{name}") for name in names if get(f"os_{name}")}
    if credentials:
        credentials = {"user_domain_name": "Default", "project_domain_name": "Default", **credentials}
    try:
        steps = parse_steps(get("steps")) if get("steps") else frozenset(range(1, 29))
    except UsageError as error:
        raise pytest.UsageError(f"--steps: {error}") from error
    clouds = {"member": get("os_cloud"), **{role: get(f"os_cloud_{role}") for role in ROLES}}
    return Options(
        url=get("cloud_url"), clouds={role: name for role, name in clouds.items() if name}, credentials=credentials, steps=steps,
        checks=checks,
        level=get("level"), profile=get("profile"), dialect=get("dialect"), evidence=tuple(get("evidence") or ()),
        timeout=get("launch_timeout"), keep=get("keep"), verify=False if get("insecure") else get("os_cacert") or True,
        interface=get("os_interface"), region=get("os_region_name"), flavor=get("flavor"), image=get("image"), network=get("network"),
        fault_hook=get("fault_hook"), token_cache_time=get("token_cache_time"),
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("cloud_url"):
        return
    options = chosen(config)
    from conformance.run import Run

    config.pluginmanager.register(Run(config, options), "conformance-run")
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(SUITE / "test_steps.py"), str(SUITE / "test_checks.py")]
    for level, meaning in (("must", "what every cloud has to do"), ("should", "what a good cloud does")):
        config.addinivalue_line("markers", f"{level}: {meaning}")


@pytest.fixture(scope="session")
def conformance_cloud(request: pytest.FixtureRequest) -> Generator[Cloud, None, None]:
    """The cloud of `--cloud-url`, for tests of your own, too."""
    run: Any = request.config.pluginmanager.get_plugin("conformance-run")
    if run is None:
        pytest.skip("there is no --cloud-url")
    yield run.cloud
