"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import specs
from mockcloud.settings import Settings, SettingsError, load

STARTED = time.monotonic()


class Usage(Exception):
    """Something the user can mend: the message says what."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # as in `mockcloud spec nova | head`; what is still to be written has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Usage, SettingsError) as error:
        print(f"mockcloud: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mockcloud", description="A whole mock OpenStack cloud in one process.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int | None], help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.set_defaults(run=run)
        return made

    up = command("up", _up, "run a cloud until Ctrl-C")
    _cloud_options(up)
    up.add_argument("--mutant", metavar="ID", help="a cloud that breaks one rule on purpose (docs/mutants.md lists them)")
    demo = command("demo", _demo, "launch a server through the 28 steps and show them")
    _cloud_options(demo)
    env = command("env", _env, "print the shell lines that point a client at a running cloud")
    yaml = command("clouds-yaml", _clouds_yaml, "print a clouds.yaml for a running cloud")
    for made in (env, yaml):
        made.add_argument("--auth-url", default="http://127.0.0.1:5000/v3")
        made.add_argument("--password", default="secret")
    env.add_argument("--user", default="demo", choices=("demo", "admin"))
    spec = command("spec", _spec, "print a service's OpenAPI document at a microversion")
    spec.add_argument("service", choices=specs.SERVICES)
    spec.add_argument("--microversion", metavar="V")
    ops = command("ops", _ops, "list the operations: served, declined and gone")
    ops.add_argument("service", nargs="*", choices=[*specs.SERVICES, []], metavar="SERVICE")
    steps = command("steps", _steps, "list the 28 steps of a launch and where their code stands")
    steps.add_argument("--dialect", choices=specs.DIALECTS, default="classic")
    command("doctor", _doctor, "say what real guests need, what is missing here, and which command brings it")
    return parser


def _cloud_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="the one port (5000); 0 takes a free one")
    parser.add_argument("--ports", choices=("single", "classic"), help="one port, or 5000 8774 9292 9696 8776 8778")
    parser.add_argument("--hosts", type=int, metavar="N", help="number of compute hosts (3)")
    parser.add_argument("--dialect", choices=specs.DIALECTS, help="how the services talk to each other inside (default: classic)")
    parser.add_argument("--driver", choices=("fake", "libvirt"), help="what runs the guests: nothing, or QEMU (mockcloud doctor)")
    parser.add_argument(
        "--bus", dest="bus_url", metavar="URL", help="amqp://user:password@host:port/vhost; without it the process is its own bus"
    )
    parser.add_argument("--state", dest="state_dir", metavar="DIR", help="keep the cloud there; without it nothing is kept")
    parser.add_argument("--seed-file", metavar="FILE", help="YAML whose sections replace those of the default seed")
    parser.add_argument("--seed", type=int, help="number that makes ids and choices repeatable (0)")
    parser.add_argument("--settings", metavar="FILE", help="TOML with any setting")
    parser.add_argument("--policy-dir", metavar="DIR", help="<service>.yaml in it overrides default policies")
    parser.add_argument("--token-cache", dest="token_cache_time", type=int, metavar="S", help="seconds a service trusts a token (0)")
    parser.add_argument("--spawn-seconds", type=float, metavar="S", help="how long a guest takes to start (0)")
    parser.add_argument("--clock-speed", type=float, metavar="X", help="virtual seconds in a real one (1)")
    parser.add_argument("--log-dir", metavar="DIR", help="write a log file of each service there")
    parser.add_argument(
        "--osprofiler", dest="osprofiler_connection_string", metavar="URL", help="write points of traces there: redis://… or memory://"
    )
    parser.add_argument("--control-from-anywhere", action="store_const", const=True, help="serve /_mockcloud beyond loopback")
    parser.add_argument("--log", default="warning", choices=("debug", "info", "warning", "error"), help="log level (warning)")


CLOUD_OPTIONS = (
    "host", "port", "ports", "hosts", "dialect", "driver", "bus_url", "state_dir", "seed_file", "seed", "policy_dir", "token_cache_time",
    "spawn_seconds", "clock_speed", "osprofiler_connection_string", "log_dir", "control_from_anywhere",
)  # fmt: skip


def _settings(options: argparse.Namespace) -> Settings:
    from mockcloud.seed import load_seed

    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    settings = load(options.settings, **{name: getattr(options, name) for name in CLOUD_OPTIONS})
    if settings.seed_file and options.hosts is None and (hosts := load_seed(settings).get("hosts")):
        settings = load(None, {}, hosts=hosts).replace(**{f: getattr(settings, f) for f in Settings.__slots__ if f != "hosts"})
    return settings


def _up(options: argparse.Namespace) -> int:
    gc.disable()  # what a start makes stays: looking for garbage among it takes a sixth of the time to ready
    from mockcloud.server import PortTaken, serve

    settings = _settings(options)
    broken = _mutation(options.mutant)

    def ready(cloud: Any) -> None:
        broken.built(cloud)
        gc.freeze()
        gc.enable()
        print(_ready_lines(cloud.urls["keystone"]), flush=True)

    try:
        asyncio.run(serve(broken.apply_settings(settings), ready))
    except PortTaken as error:
        if settings.ports == "classic":
            raise Usage(f"{error}. Stop what listens there, or take --ports single, where one free port is enough.") from error
        raise Usage(f"{error}. Choose another port with --port, or --port 0 for any free one.") from error
    finally:
        gc.enable()
    print("stopped")
    return 0


def _mutation(mutant_id: str | None) -> Any:
    """What a mutant changes, done before the cloud is built; an empty patch without one."""
    from mockcloud.mutants import Patch, load_mutants

    patch = Patch()
    if mutant_id:
        known = load_mutants()
        if mutant_id not in known:
            raise Usage(f"there is no mutant {mutant_id}: choose one of {', '.join(known)}")
        known[mutant_id].apply(patch)
    return patch


def _ready_lines(identity: str) -> str:
    seconds = time.monotonic() - STARTED
    return (
        f"ready in {seconds:.1f} s: {identity}/v3\n"
        f'  next:  eval "$(mockcloud env --auth-url {identity}/v3)"\n'
        f"         openstack server create --image cirros --flavor m1.tiny --network private --wait my-server\n"
        f"  look:  {identity}/_mockcloud/health   {identity}/compute/docs"
    )


def _demo(options: argparse.Namespace) -> int:
    from mockcloud.demo import run

    if find_spec("keystoneauth1") is None:
        raise Usage("the demo asks the cloud by the conformance suite, which needs more: pip install 'mockcloud[conformance]'")
    options.port = 0 if options.port is None else options.port
    return run(_settings(options))


def _credentials(options: argparse.Namespace, user: str) -> dict[str, str]:
    return {
        "auth_url": options.auth_url,
        "username": user,
        "password": options.password,
        "project_name": user,
        "user_domain_id": "default",
        "project_domain_id": "default",
    }


def _env(options: argparse.Namespace) -> None:
    for name, value in _credentials(options, options.user).items():
        print(f"export OS_{name.upper()}={shlex.quote(value)}")
    print("export OS_REGION_NAME=RegionOne\nexport OS_IDENTITY_API_VERSION=3")


def _clouds_yaml(options: argparse.Namespace) -> None:
    print("clouds:")
    for cloud, user in (("mock", "demo"), ("mock-admin", "admin")):
        print(f"  {cloud}:\n    region_name: RegionOne\n    auth:")
        for name, value in _credentials(options, user).items():
            print(f"      {name}: {json.dumps(value)}")  # JSON is YAML


def _spec(options: argparse.Namespace) -> None:
    try:
        document = specs.at(options.service, options.microversion)
    except ValueError as error:
        raise Usage(str(error)) from error
    print(json.dumps(document, indent=2))


def _ops(options: argparse.Namespace) -> None:
    counts = {"served": 0, "declined": 0, "gone": 0}
    for service in options.service or specs.SERVICES:
        for operation in specs.operations(service):
            counts["declined" if operation.declined else "gone" if operation.gone else "served"] += 1
            what = operation.path + (f" {operation.action}" if operation.action else "")
            said = "removed long ago: answers 410, as the real service does" if operation.gone else operation.declined or operation.id
            print(f"{service:10} {operation.method.upper():7} {what:70} {said}")
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))


def _doctor(options: argparse.Namespace) -> int:
    from mockcloud import doctor

    print(doctor.report())
    return 1 if doctor.missing() else 0


def _steps(options: argparse.Namespace) -> None:
    from mockcloud.signposts import places

    marked = places(Path(__file__).parent, options.dialect)
    for row in specs.launch(options.dialect):
        where = ", ".join(f"{place.file}:{place.line}" for place in marked.get(row.n, ())) or "(nowhere)"
        print(f"{row.n:2}  {row.actor:15} -> {row.callee:14} {where:40} {row.sentence}")


if __name__ == "__main__":
    sys.exit(main())
