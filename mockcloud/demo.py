"""`mockcloud demo`: a cloud, a stock client, and one launch whose 28 steps are shown as the seams see them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TextIO

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from mockcloud.cloud import Cloud
from mockcloud.evidence import Sighting, sightings
from mockcloud.server import serving
from mockcloud.settings import Settings
from specs import Row, launch

LOOK = 0.02  # seconds between two looks at the facts
PATIENCE = 60  # seconds until the server must be ACTIVE
IMAGE = b"\0" * 1_048_576  # a guest that nobody looks into needs no more
CHANNELS = {
    "rest": "REST", "rest-reply": "answer", "db": "SQL", "rpc-call": "RPC call", "rpc-cast": "RPC cast", "rpc-reply": "RPC reply",
    "queue": "queue", "hypervisor": "driver",
}  # fmt: skip


def run(settings: Settings) -> int:
    """0 when the launch succeeded and each of its steps was seen."""
    return asyncio.run(_demo(settings, Screen(sys.stdout)))


async def _demo(settings: Settings, screen: Screen) -> int:
    started = time.perf_counter()
    async with serving(settings) as cloud:
        auth_url = f"{cloud.urls['keystone']}/v3"
        screen.say(f"A cloud is up at {auth_url} after {time.perf_counter() - started:.1f} s.")
        try:
            made = await asyncio.to_thread(prepare, settings, auth_url)
            things = f"network {made.network}, image {made.image_name}, volume {made.volume}"
            screen.say(f"User demo made {things} with openstacksdk {version('openstacksdk')}.\n")
            server, seen = await _watch(cloud, settings, auth_url, made, screen)
        except (SDKException, ClientException) as error:
            screen.say(screen.red(f"\nThe client was refused: {error}"))
            return 1
    screen.say(_end(server, seen, screen))
    return 0 if server.status == "ACTIVE" and len(seen) == len(launch(settings.dialect)) else 1


async def _watch(cloud: Cloud, settings: Settings, auth_url: str, made: Made, screen: Screen) -> tuple[Any, dict[int, Sighting]]:
    """Shows the steps while the client works; the server, and the steps that were seen in the end."""
    before = max((fact.id for fact in cloud.recorder.facts()), default=0)
    client = asyncio.create_task(asyncio.to_thread(boot, settings, auth_url, made))
    table = Table(screen, launch(settings.dialect))
    while not client.done():
        table.show(sightings(cloud.recorder.facts(after=before)))
        await asyncio.sleep(LOOK)
    seen = sightings(cloud.recorder.facts(after=before))
    table.end(seen)
    return client.result(), seen


# what the client does


@dataclass(frozen=True, slots=True)
class Made:
    """What the server is made of."""

    network: str
    network_id: str
    image_name: str
    image_id: str
    volume: str
    volume_id: str
    flavor_id: str


def connect(settings: Settings, auth_url: str) -> Connection:
    """As user demo, whatever clouds.yaml or OS_* variables this machine has."""
    auth = {
        "auth_url": auth_url, "username": "demo", "password": settings.admin_password, "project_name": "demo",
        "user_domain_id": "default", "project_domain_id": "default",
    }  # fmt: skip
    return openstack.connect(load_yaml_config=False, load_envvars=False, auth=auth, region_name=settings.region)


def prepare(settings: Settings, auth_url: str) -> Made:
    with connect(settings, auth_url) as client:
        network = client.network.create_network(name="demo-net")
        client.network.create_subnet(name="demo-subnet", network_id=network.id, ip_version=4, cidr="192.168.28.0/24")
        image = client.image.create_image("demo-image", data=IMAGE, disk_format="raw", container_format="bare")
        volume = client.block_storage.create_volume(name="demo-volume", size=1)
        client.block_storage.wait_for_status(volume, "available", interval=0.05, wait=PATIENCE)
        flavor = client.compute.find_flavor("m1.tiny", ignore_missing=False)
        return Made(network.name, network.id, image.name, image.id, volume.name, volume.id, flavor.id)


def boot(settings: Settings, auth_url: str, made: Made) -> Any:
    """From the login to ACTIVE; the server as it is then."""
    disks = [
        {"boot_index": 0, "uuid": made.image_id, "source_type": "image", "destination_type": "local", "delete_on_termination": True},
        {"boot_index": -1, "uuid": made.volume_id, "source_type": "volume", "destination_type": "volume"},
    ]
    with connect(settings, auth_url) as client:
        server = client.compute.create_server(
            name="demo-server", image_id=made.image_id, flavor_id=made.flavor_id, networks=[{"uuid": made.network_id}],
            block_device_mapping=disks,
        )  # fmt: skip
        server = client.compute.wait_for_server(server, interval=0.05, wait=PATIENCE)
        return client.compute.get_server(server.id)


# what is seen of it


class Screen:
    """A terminal of 80 columns or more, or a file; colours only where somebody looks, and not against NO_COLOR."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colours = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.columns = max(80, min(120, shutil.get_terminal_size((120, 24)).columns))

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def red(self, text: str) -> str:
        return self._painted("31", text)

    def green(self, text: str) -> str:
        return self._painted("32", text)

    def dim(self, text: str) -> str:
        return self._painted("2", text)

    def _painted(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text


class Table:
    """The rows of the launch, each shown once, in the order of their numbers."""

    def __init__(self, screen: Screen, rows: Sequence[Row]) -> None:
        self._screen, self._rows, self._start = screen, list(rows), 0.0
        screen.say(screen.dim(f" #  {'ms':>6}  {'who turns to whom':31}  {'channel':9}  what was seen there"))

    def show(self, seen: dict[int, Sighting]) -> None:
        """What has been seen up to the first row that has not."""
        while self._rows and self._rows[0].n in seen:
            self._line(self._rows.pop(0), seen)

    def end(self, seen: dict[int, Sighting]) -> None:
        """All the rest: nothing more will come."""
        while self._rows:
            self._line(self._rows.pop(0), seen)

    def _line(self, row: Row, seen: dict[int, Sighting]) -> None:
        screen, found = self._screen, seen.get(row.n)
        who = f"{row.actor} → {row.callee}"
        head = f"{row.n:2}  {{:>6}}  {who:31}  {CHANNELS[row.via]:9}  "
        if found is None:
            screen.say(screen.red(head.format("-") + "NOT SEEN"))
            return
        self._start = self._start or found.at
        line = head.format(f"{(found.at - self._start) * 1000:.1f}")
        screen.say(line + _short(found.seen, screen.columns - len(line)))


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _end(server: Any, seen: dict[int, Sighting], screen: Screen) -> str:
    total, count = len(launch()), len(seen)
    verdict = f"{count} of {total} steps were seen, each by what the cloud's own seams recorded."
    addresses = ", ".join(f"{network} {ip['addr']}" for network, ips in (server.addresses or {}).items() for ip in ips)
    volumes = ", ".join(volume["id"] for volume in server.attached_volumes or ())
    lines = [
        "",
        (screen.green if count == total else screen.red)(verdict),
        "",
        f"server   {server.name} {server.id}",
        f"status   {server.status}",
        f"address  {addresses or '-'}",
        f"volume   {volumes or '-'}",
        f"host     {server.host_id or '-'} (hostId)",
        "",
        "Next: `mockcloud up` keeps a cloud running, `mockcloud steps` says where each step stands in the code,",
        "      docs/launch.md what is looked for as its evidence, /_mockcloud/facts of a running cloud what was recorded.",
    ]
    return "\n".join(lines)
