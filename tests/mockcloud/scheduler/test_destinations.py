"""`select_destinations`: what the conductor of the dialect cells_v2 asks of the scheduler, and is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockcloud.bus.base import RemoteError
from mockcloud.cloud import Cloud
from mockcloud.context import RequestContext, new_request_id
from mockcloud.nova.api_tables import CELL1
from mockcloud.objects import data_of
from mockcloud.testing.client import client
from tests.conftest import MakeCloud
from tests.e2e import launching

Json = dict[str, Any]


class Asking:
    """Build requests whose conductor is dead, and the questions that it would ask."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.member, self.admin = cloud, client(cloud, "member"), client(cloud, "admin")

    async def request(self, **more: Any) -> tuple[Json, list[str]]:
        """The spec of the new servers, and their ids."""
        given = await launching.prepare(self.cloud, self.member, 0)
        assert (await launching.boot(self.member, given, **more)).status == 202
        sent = [f for f in self.cloud.recorder.facts() if (f.kind, f.name) == ("rpc.publish", "schedule_and_build_instances")]
        specs = sent[-1].attributes["args"]["request_specs"]
        return specs[0], [data_of(spec)["instance_uuid"] for spec in specs]

    async def select(self, spec: Json, uuids: list[str], alternates: bool = True) -> list[list[Json]]:
        ctx = RequestContext(new_request_id(), token=self.member.token, user_id=self.member.user_id, project_id=self.member.project_id)
        wanted = {"spec_obj": spec, "instance_uuids": uuids, "return_objects": True, "return_alternates": alternates}
        lists = await self.cloud.bus.call(ctx, "scheduler", "select_destinations", version="4.5", args=wanted)
        return [[data_of(selection) for selection in found] for found in lists]

    async def allocated(self, uuid: str) -> Json:
        found: Json = (await self.admin.get("placement", f"/allocations/{uuid}", version="1.28")).json()["allocations"]
        return found


@pytest.fixture
async def asking(make_cloud: MakeCloud) -> Asking:
    cloud = await make_cloud(dialect="cells_v2")
    await cloud.workers["conductor"].kill()
    return Asking(cloud)


async def test_the_answer_has_the_claimed_host_and_two_others_of_its_cell(asking: Asking) -> None:
    spec, (uuid,) = await asking.request()
    ((winner, *others),) = await asking.select(spec, [uuid])
    assert winner["service_host"] == winner["nodename"] == "compute3"
    assert sorted(other["service_host"] for other in others) == ["compute1", "compute2"]
    assert {one["cell_uuid"] for one in (winner, *others)} == {CELL1}
    wanted = json.loads(winner["allocation_request"])["allocations"]
    taken = await asking.allocated(uuid)
    assert {provider: part["resources"] for provider, part in taken.items()} == {p: part["resources"] for p, part in wanted.items()}
    assert winner["compute_node_uuid"] in taken


async def test_alternates_are_given_to_who_asks_for_them(asking: Asking) -> None:
    spec, (uuid,) = await asking.request()
    assert [len(found) for found in await asking.select(spec, [uuid], alternates=False)] == [1]


async def test_asking_again_claims_no_room_twice(asking: Asking) -> None:
    spec, (uuid,) = await asking.request()
    for _ in range(2):
        await asking.select(spec, [uuid])
    assert len(await asking.allocated(uuid)) == 1


async def test_without_a_host_for_all_nothing_is_claimed_for_any(asking: Asking) -> None:
    await asking.admin.put("nova", f"/v2.1/os-quota-sets/{asking.member.project_id}", json={"quota_set": {"ram": -1}})
    flavor = {"flavor": {"name": "big", "vcpus": 1, "ram": 60_000, "disk": 1}}
    big = (await asking.admin.post("nova", "/v2.1/flavors", json=flavor)).json()["flavor"]["id"]
    spec, uuids = await asking.request(flavorRef=big, min_count=5, max_count=5)
    with pytest.raises(RemoteError, match="No valid host was found") as refused:
        await asking.select(spec, uuids)
    assert refused.value.type == "NoValidHost"
    assert [await asking.allocated(uuid) for uuid in uuids] == [{}] * 5


async def test_a_server_that_is_gone_gets_no_host(asking: Asking) -> None:
    spec, (uuid,) = await asking.request()
    assert (await asking.member.delete("nova", f"/v2.1/servers/{uuid}")).status == 204
    assert await asking.select(spec, [uuid]) == [[]]
    assert await asking.allocated(uuid) == {}
