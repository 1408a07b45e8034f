"""The real cloud of `REAL`: a folder with install.sh, up.sh, down.sh and env.sh, as docs/real-openstack.md describes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import yaml

VARIANT = {"REAL_DEBUG": "1", "REAL_TOKEN_CACHE": "off"}  # debug logs, and every validation of a token reaches keystone
PEOPLE = {  # (user, project) by role
    "member": ("demo", "demo"),
    "reader": ("demo-reader", "demo"),
    "stranger": ("alt_demo", "alt_demo"),
    "admin": ("admin", "admin"),
}
QUOTAS = {"instances": 200, "cores": 400, "ram": 1_000_000}


@dataclass(frozen=True)
class RealCloud:
    """Where the cloud's parts are to be found; all of it comes from env.sh."""

    scripts: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, scripts: Path) -> RealCloud:
        """Raises FileNotFoundError when the folder lacks a script."""
        for name in ("install.sh", "up.sh", "down.sh", "env.sh"):
            if not (scripts / name).exists():
                raise FileNotFoundError(f"{scripts} has no {name}")
        line = f'set -a; . "{scripts}/env.sh"; env -0'
        shown = subprocess.run(["bash", "-c", line], env={**os.environ, **VARIANT}, check=True, capture_output=True, text=True).stdout
        return cls(scripts, dict(item.split("=", 1) for item in shown.split("\0") if item))

    def __getitem__(self, name: str) -> str:
        return self.environment[f"REAL_{name}"]

    @property
    def url(self) -> str:
        return f"http://{self['HOST']}:{self['KEYSTONE_PORT']}/v3"

    @property
    def amqp_url(self) -> str:
        return f"amqp://openstack:{self['PASSWORD']}@{self['HOST']}:{self['RABBIT_PORT']}/"

    @property
    def osprofiler(self) -> str:
        return f"redis://{self['HOST']}:{self['REDIS_PORT']}"

    @property
    def clouds_yaml(self) -> Path:
        return Path(self["STATE"], "conformance-clouds.yaml")

    def run(self, script: str, *arguments: str) -> None:
        """Raises CalledProcessError when the script fails; what it said is on the terminal."""
        subprocess.run([self.scripts / script, *arguments], env={**os.environ, **VARIANT}, check=True)

    @contextmanager
    def firehose(self) -> Iterator[None]:
        """While it lasts, the broker copies every message, replies too, to `amq.rabbitmq.trace`."""
        self._rabbitmqctl("trace_on")
        try:
            yield
        finally:
            self._rabbitmqctl("trace_off")

    def _rabbitmqctl(self, verb: str) -> None:
        tool = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmqctl"))[-1]
        environment = {**self.environment, "HOME": f"{self['DATA']}/rabbit", "RABBITMQ_NODENAME": "real@localhost"}
        subprocess.run([tool, "-n", "real@localhost", verb], env=environment, check=True, capture_output=True)


def make_people(cloud: RealCloud) -> dict[str, str]:
    """Member, reader, stranger and admin, and a clouds.yaml that names them; safe to repeat. Answers role -> name in clouds.yaml."""
    operator = openstack.connect(**_login(cloud, *PEOPLE["admin"]))
    identity = operator.identity
    project = identity.find_project("demo", ignore_missing=False)
    reader = identity.find_user("demo-reader") or identity.create_user(name="demo-reader", password=cloud["PASSWORD"], domain_id="default")
    identity.assign_project_role_to_user(project, reader, identity.find_role("reader", ignore_missing=False))
    identity.assign_project_role_to_user(  # so that somebody may go from one project to another
        project, identity.find_user("admin", ignore_missing=False), identity.find_role("member", ignore_missing=False)
    )
    for name in ("demo", "alt_demo"):
        _raise_quotas(operator, identity.find_project(name, ignore_missing=False).id)
    clouds = {f"real-{role}": _login(cloud, *who) for role, who in PEOPLE.items()}
    cloud.clouds_yaml.write_text(yaml.safe_dump({"clouds": clouds}))
    return {role: f"real-{role}" for role in PEOPLE}


def _raise_quotas(operator: Any, project_id: str) -> None:
    operator.compute.update_quota_set(project_id, **QUOTAS)
    operator.block_storage.update_quota_set(project_id, volumes=200, gigabytes=10_000)
    operator.network.update_quota(project_id, ports=1000, networks=200, subnets=200, security_groups=200, security_group_rules=2000)


def _login(cloud: RealCloud, user: str, project: str) -> dict[str, Any]:
    auth = {
        "auth_url": cloud.url, "username": user, "password": cloud["PASSWORD"], "project_name": project,
        "user_domain_name": "Default", "project_domain_name": "Default",
    }  # fmt: skip
    return {"region_name": "RegionOne", "identity_api_version": "3", "auth": auth}
