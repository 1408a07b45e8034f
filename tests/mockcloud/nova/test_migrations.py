"""Servers' moves, and what the hypervisor counts."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from mockcloud.clients import Response
from mockcloud.nova import tables
from mockcloud.nova.server_guest import older_diagnostics
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

COUNTS = {
    "state": "running", "driver": "libvirt", "hypervisor": "kvm", "hypervisor_os": "linux", "uptime": 5, "config_drive": False,
    "num_cpus": 1, "num_nics": 0, "num_disks": 1, "cpu_details": [{"id": 0, "time": 7, "utilisation": 0}], "nic_details": [],
    "disk_details": [{"read_bytes": 1, "read_requests": 2, "write_bytes": 3, "write_requests": 4, "errors_count": 5}],
    "memory_details": {"maximum": 512, "used": 256},
}  # fmt: skip


def _migration(yard: Yard, server: str, **values: Any) -> str:
    row = {"source_compute": "compute1", "dest_compute": "compute2", "migration_type": "resize", "status": "finished"}
    row |= {"uuid": str(uuid.uuid4()), "project_id": yard.user("member").project_id, **values}
    with yard.db.transaction() as tx:
        tx.insert(tables.migrations, created_at=yard.cloud.clock.now(), instance_uuid=server, **row)
    return row["uuid"]


async def _list(yard: Yard, who: str = "admin", version: str = LATEST, **params: Any) -> Response:
    return await yard.user(who).get("nova", "/v2.1/os-migrations", version=version, params=params or None)


@pytest.mark.parametrize(
    ("version", "more"),
    [("2.1", set()), ("2.23", {"migration_type"}), ("2.59", {"migration_type", "uuid"}),
     ("2.80", {"migration_type", "uuid", "user_id", "project_id"})],
)  # fmt: skip
async def test_each_version_shows_its_own_fields(yard: Yard, version: str, more: set[str]) -> None:
    server = yard.server()
    _migration(yard, server)
    (shown,) = (await _list(yard, version=version)).json()["migrations"]
    common = {"id", "instance_uuid", "status", "created_at", "updated_at", "source_compute", "source_node", "dest_compute", "dest_host"}
    assert set(shown) == common | {"dest_node", "old_instance_type_id", "new_instance_type_id"} | more
    assert (shown["instance_uuid"], shown["source_compute"]) == (server, "compute1")


async def test_filters_and_pages(yard: Yard) -> None:
    server, other = yard.server(), yard.server()
    first, second = _migration(yard, server), _migration(yard, other, status="confirmed", migration_type="migration")
    for params, found in (
        ({"instance_uuid": server}, [first]), ({"status": "confirmed"}, [second]), ({"migration_type": "resize"}, [first]),
        ({"host": "compute2", "limit": 1}, [second]), ({"limit": 1, "marker": second}, [first]), ({"source_compute": "x"}, []),
    ):  # fmt: skip
        assert [migration["uuid"] for migration in (await _list(yard, **params)).json()["migrations"]] == found
    assert "migrations_links" in (await _list(yard, limit=1)).json()
    assert refusal(await _list(yard, marker=server))[::2] == (400, f"Marker {server} could not be found.")
    assert (await _list(yard, colour="red")).status == 400


@pytest.mark.parametrize("who", ["member", "reader", "stranger"])
async def test_only_managers_see_moves(yard: Yard, who: str) -> None:
    server = yard.server()
    assert (await _list(yard, who=who)).status == 403
    assert (await yard.user(who).get("nova", f"/v2.1/servers/{server}/migrations", version=LATEST)).status == 403


async def test_of_one_server_there_are_live_migrations_only_and_so_none(yard: Yard) -> None:
    server, admin = yard.server(), yard.user("admin")
    _migration(yard, server)
    path = f"/v2.1/servers/{server}/migrations"
    assert (await admin.get("nova", path, version=LATEST)).json() == {"migrations": []}
    assert refusal(await admin.get("nova", f"{path}/1", version=LATEST))[::2] == (
        404, f"Migration 1 for server {server} is not live-migration.",
    )  # fmt: skip
    message = f"In-progress live migration 9 is not found for server {server}."
    assert refusal(await admin.get("nova", f"{path}/9", version=LATEST))[::2] == (404, message)
    assert (await admin.get("nova", path, version="2.22")).status == 404


async def test_diagnostics_come_from_the_compute(yard: Yard) -> None:
    server, admin = yard.server(), yard.user("admin")
    yard.compute.answers["get_diagnostics"] = COUNTS
    path = f"/v2.1/servers/{server}/diagnostics"
    assert (await admin.get("nova", path, version=LATEST)).json() == COUNTS
    assert (await admin.get("nova", path, version="2.47")).json() == older_diagnostics(COUNTS)
    assert (await yard.user("member").get("nova", path, version=LATEST)).status == 403
    yard.compute.answers["get_diagnostics"] = RemoteError("AbilityMissing", "no")
    assert (await admin.get("nova", path, version=LATEST)).status == 501
    homeless = yard.server(host=None)
    answer = await admin.get("nova", f"/v2.1/servers/{homeless}/diagnostics", version=LATEST)
    assert refusal(answer)[::2] == (409, f"Instance {homeless} is not ready")


def test_older_diagnostics_are_names_and_numbers() -> None:
    assert older_diagnostics(COUNTS) == {
        "cpu0_time": 7, "memory": 512 * 1024, "vda_read": 1, "vda_read_req": 2, "vda_write": 3, "vda_write_req": 4, "vda_errors": 5,
    }  # fmt: skip
