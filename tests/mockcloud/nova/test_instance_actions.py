"""The record of what was done to a server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mockcloud.clients import Response
from mockcloud.nova.records import finish_event, start_event
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal


async def _get(yard: Yard, server: str, path: str = "", who: str = "member", version: str = LATEST, **params: Any) -> Response:
    url = f"/v2.1/servers/{server}/os-instance-actions{path}"
    return await yard.user(who).get("nova", url, version=version, params=params or None)


async def _acted(yard: Yard, **values: Any) -> tuple[str, str]:
    """A server that was asked to stop, and the request's id; its one event has failed."""
    server = yard.server(**values)
    answer = await yard.act(server, "os-stop")
    request = answer.headers["x-openstack-request-id"]
    with yard.db.transaction() as tx:
        now = yard.cloud.clock.now()
        event = start_event(tx, now, request, server, "compute_stop_instance", "compute1")
        assert event is not None
        finish_event(tx, now, event, "NoPower", "Traceback")
    return server, request


async def test_an_action_names_its_request_and_who_asked(yard: Yard) -> None:
    server, request = await _acted(yard)
    (action,) = (await _get(yard, server)).json()["instanceActions"]
    member = yard.user("member")
    known = {name: action[name] for name in ("action", "instance_uuid", "request_id", "user_id", "project_id", "message")}
    assert known == {
        "action": "stop", "instance_uuid": server, "request_id": request, "user_id": member.user_id, "project_id": member.project_id,
        "message": "Error",
    }  # fmt: skip
    assert (len(action["start_time"]), len(action["updated_at"])) == (26, 26)
    assert "updated_at" not in (await _get(yard, server, version="2.57")).json()["instanceActions"][0]


@pytest.mark.parametrize(
    ("who", "version", "fields"),
    [
        ("member", "2.50", None),
        ("admin", "2.50", {"traceback"}),
        ("member", "2.51", set()),
        ("member", "2.62", {"hostId"}),
        ("admin", "2.62", {"hostId", "host", "traceback"}),
        ("member", "2.84", {"hostId"}),
        ("admin", "2.84", {"hostId", "host", "traceback", "details"}),
    ],
)
async def test_events_are_shown_by_version_and_role(yard: Yard, who: str, version: str, fields: set[str] | None) -> None:
    server, request = await _acted(yard)
    shown = (await _get(yard, server, f"/{request}", who=who, version=version)).json()["instanceAction"]
    assert ("events" in shown) == (fields is not None)
    if fields is not None:
        (event,) = shown["events"]
        assert set(event) == {"event", "start_time", "finish_time", "result"} | fields
        assert (event["event"], event["result"]) == ("compute_stop_instance", "Error")


async def test_the_record_of_a_deleted_server_is_kept_from_2_21_on(yard: Yard) -> None:
    server, request = await _acted(yard)
    yard.change(server, deleted_at=yard.cloud.clock.now())
    assert (await _get(yard, server, version="2.20")).status == 404
    assert (await _get(yard, server, f"/{request}", version="2.21")).status == 200
    assert (await _get(yard, server, who="stranger")).status == 404


async def test_the_newest_stands_first_and_pages_follow_the_marker(yard: Yard) -> None:
    server = yard.server()
    for action in ("lock", "unlock", "lock"):
        assert (await yard.act(server, action)).status == 202
    first = (await _get(yard, server, limit=2)).json()
    assert [action["action"] for action in first["instanceActions"]] == ["lock", "unlock"]
    assert (first["links"][0]["rel"], "marker=" in first["links"][0]["href"]) == ("next", True)
    second = (await _get(yard, server, limit=2, marker=first["instanceActions"][-1]["request_id"])).json()
    assert [action["action"] for action in second["instanceActions"]] == ["lock"]
    assert "links" not in second


async def test_lists_are_cut_by_time(yard: Yard) -> None:
    server, _ = await _acted(yard)
    now = yard.cloud.clock.now()
    before, after = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
    for params, count in (({"changes-since": before}, 1), ({"changes-since": after}, 0), ({"changes-before": before}, 0)):
        assert len((await _get(yard, server, **params)).json()["instanceActions"]) == count
    message = "The value of changes-since must be less than or equal to changes-before."
    assert refusal(await _get(yard, server, **{"changes-since": after, "changes-before": before}))[::2] == (400, message)


async def test_what_is_not_there_or_not_known_is_refused(yard: Yard) -> None:
    server, _ = await _acted(yard)
    assert refusal(await _get(yard, server, "/req-none"))[::2] == (404, "Action req-none not found")
    assert refusal(await _get(yard, server, marker="req-none"))[::2] == (400, "Marker req-none could not be found.")
    said = "Invalid input for query parameters changes-since. Value: soon. 'soon' is not a 'date-time'"
    assert refusal(await _get(yard, server, **{"changes-since": "soon"}))[::2] == (400, said)
    assert (await _get(yard, server, colour="red")).status == 400
    assert (await _get(yard, server, version="2.57", colour="red")).status == 200
    assert (await _get(yard, server, limit=-1)).status == 400
    assert (await _get(yard, server, who="reader")).status == 200
