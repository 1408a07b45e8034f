"""What other services report of servers."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.clients import Response
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

PORT = "22222222-2222-4222-8222-222222222222"


async def _report(yard: Yard, *events: dict[str, Any], who: str = "nova", version: str = LATEST) -> Response:
    return await yard.user(who).post("nova", "/v2.1/os-server-external-events", json={"events": list(events)}, version=version)


async def test_an_event_reaches_the_servers_compute(yard: Yard) -> None:
    server = yard.server()
    event = {"name": "network-vif-plugged", "server_uuid": server, "tag": PORT}
    answer = await _report(yard, event)
    assert (answer.status, answer.json()) == (200, {"events": [{**event, "status": "completed", "code": 200}]})
    assert await yard.heard() == [("external_instance_event", {"events": [{**event, "status": "completed"}]})]


async def test_what_cannot_be_delivered_is_said_of_each_event(yard: Yard) -> None:
    server, homeless = yard.server(), yard.server(host=None)
    answer = await _report(
        yard,
        {"name": "network-changed", "server_uuid": PORT},
        {"name": "network-changed", "server_uuid": homeless},
        {"name": "volume-extended", "server_uuid": server},
        {"name": "network-changed", "server_uuid": server},
    )
    assert (answer.status, [event["code"] for event in answer.json()["events"]]) == (207, [404, 422, 400, 200])
    assert [event["status"] for event in answer.json()["events"]] == ["failed", "failed", "failed", "completed"]


async def test_what_a_user_began_elsewhere_leaves_its_record(yard: Yard) -> None:
    server = yard.server()
    await _report(yard, {"name": "volume-extended", "server_uuid": server, "tag": PORT})
    await _report(yard, {"name": "power-update", "server_uuid": server, "tag": "POWER_OFF"})
    assert yard.actions(server) == ["extend_volume", "stop"]


@pytest.mark.parametrize("who", ["member", "reader", "stranger"])
async def test_only_services_and_administrators_report(yard: Yard, who: str) -> None:
    event = {"name": "network-changed", "server_uuid": yard.server()}
    message = "Policy doesn't allow os_compute_api:os-server-external-events:create to be performed."
    assert refusal(await _report(yard, event, who=who)) == (403, "forbidden", message)


@pytest.mark.parametrize(
    "event",
    [{}, {"name": "network-changed"}, {"name": "rain", "server_uuid": PORT}, {"name": "network-changed", "server_uuid": "x"},
     {"name": "network-changed", "server_uuid": PORT, "status": "perhaps"}, {"name": "network-changed", "server_uuid": PORT, "x": 1}],
)  # fmt: skip
async def test_bad_events_are_refused(yard: Yard, event: dict[str, Any]) -> None:
    assert refusal(await _report(yard, event))[0] == 400
    assert refusal(await _report(yard))[0] == 400


async def test_events_are_known_from_their_version_on(yard: Yard) -> None:
    event = {"name": "volume-extended", "server_uuid": yard.server(), "tag": PORT}
    assert (await _report(yard, event, version="2.50")).status == 400
    assert (await _report(yard, event, version="2.51")).status == 200
