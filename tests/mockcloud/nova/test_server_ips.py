"""Servers' addresses and what is known of their inside."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.clients import Response
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

VIF = {"network": {"label": "private", "subnets": [{"ips": [{"address": "10.0.0.5", "type": "fixed", "version": 4}]}]}}


async def _get(yard: Yard, path: str, who: str = "member", version: str = LATEST) -> Response:
    return await yard.user(who).get("nova", f"/v2.1/servers/{path}", version=version)


async def test_addresses_are_listed_by_network(yard: Yard) -> None:
    server = yard.server(network_info=[VIF])
    addresses: dict[str, Any] = {"private": [{"addr": "10.0.0.5", "version": 4}]}
    assert (await _get(yard, f"{server}/ips")).json() == {"addresses": addresses}
    assert (await _get(yard, f"{server}/ips/private")).json() == addresses
    message = "Instance is not a member of specified network"
    assert refusal(await _get(yard, f"{server}/ips/public")) == (404, "itemNotFound", message)


async def test_there_is_no_numa_and_no_stored_password(yard: Yard) -> None:
    server = yard.server()
    assert (await _get(yard, f"{server}/topology")).json() == {"nodes": [], "pagesize_kb": None}
    assert (await _get(yard, f"{server}/topology", version="2.77")).status == 404
    assert (await _get(yard, f"{server}/os-server-password")).json() == {"password": ""}
    assert (await yard.user("member").delete("nova", f"/v2.1/servers/{server}/os-server-password")).status == 204


@pytest.mark.parametrize("path", ["ips", "ips/private", "topology", "os-server-password", "os-security-groups"])
async def test_strangers_see_nothing(yard: Yard, path: str) -> None:
    server = yard.server(network_info=[VIF])
    assert refusal(await _get(yard, f"{server}/{path}", who="stranger"))[::2] == (404, f"Instance {server} could not be found.")
    assert (await _get(yard, f"{server}/{path}", who="reader")).status == 200
