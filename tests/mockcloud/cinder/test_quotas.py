"""Limits and what they hold back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.mockcloud.cinder.conftest import Cinder, refusal


async def _limit(admin: Cinder, project_id: str, **limits: int) -> None:
    answer = await admin.request("PUT", f"/os-quota-sets/{project_id}", {"quota_set": limits})
    assert answer.status == 200, answer.content


async def test_a_project_starts_with_the_defaults(member: Cinder) -> None:
    found = (await member.get(f"/os-quota-sets/{member.project_id}"))["quota_set"]
    assert (found["id"], found["volumes"], found["gigabytes"], found["per_volume_gigabytes"]) == (member.project_id, 10, 1000, -1)
    assert found["volumes___DEFAULT__"] == -1
    defaults = (await member.get(f"/os-quota-sets/{member.project_id}/defaults"))["quota_set"]
    assert defaults == found


async def test_usage_is_counted_by_project_and_type(member: Cinder) -> None:
    volume = await member.volume(size=2)
    await member.snapshot(volume["id"])
    found = (await member.get(f"/os-quota-sets/{member.project_id}?usage=true"))["quota_set"]
    assert found["volumes"] == {"limit": 10, "in_use": 1, "reserved": 0}
    assert found["gigabytes"] == {"limit": 1000, "in_use": 4, "reserved": 0}
    assert found["gigabytes___DEFAULT__"]["in_use"] == 4
    assert found["volumes_lvmdriver-1"]["in_use"] == 0


@pytest.mark.parametrize(
    ("limits", "size", "message"),
    [
        ({"volumes": 1}, 1, "Maximum number of volumes allowed (1) exceeded for quota 'volumes'."),
        (
            {"gigabytes": 3}, 3,
            "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, quota is 3G and 1G has been consumed.",
        ),
        ({"per_volume_gigabytes": 2}, 3, "Requested volume size 3G is larger than maximum allowed limit 2G."),
        ({"volumes___DEFAULT__": 1}, 1, "Maximum number of volumes allowed (1) exceeded for quota 'volumes___DEFAULT__'."),
    ],
)  # fmt: skip
async def test_a_volume_beyond_the_limit_is_refused(member: Cinder, admin: Cinder, limits: dict[str, int], size: int, message: str) -> None:
    await member.volume()
    await _limit(admin, member.project_id, **limits)
    answer = await member.request("POST", "/volumes", {"volume": {"size": size}})
    assert refusal(answer) == (413, "overLimit", message)
    assert answer.headers["retry-after"] == "0"
    assert len((await member.get("/volumes"))["volumes"]) == 1


async def test_extensions_and_snapshots_are_held_back_too(member: Cinder, admin: Cinder) -> None:
    volume = await member.volume()
    await _limit(admin, member.project_id, gigabytes=2, snapshots=0)
    assert refusal(await member.act(volume["id"], "os-extend", {"new_size": 4}))[::2] == (
        413,
        "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, quota is 2G and 1G has been consumed.",
    )
    assert (await member.get(f"/volumes/{volume['id']}"))["volume"]["status"] == "available"
    answer = await member.request("POST", "/snapshots", {"snapshot": {"volume_id": volume["id"]}})
    assert refusal(answer)[::2] == (413, "Maximum number of snapshots allowed (0) exceeded")


async def test_concurrent_creations_never_pass_the_limit(member: Cinder, admin: Cinder) -> None:
    await _limit(admin, member.project_id, volumes=3)
    await member.rest.login()
    answers = await asyncio.gather(*(member.request("POST", "/volumes", {"volume": {"size": 1}}) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [202] * 3 + [413] * 5


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"colours": 1}, "Invalid input received: Bad key(s) in quota set: colours"),
        ({"volumes": -2}, ""),
        ({"volumes": "many"}, ""),
        ({"volumes": 0}, "Current usage is 1 and the requested limit is 0."),
    ],
)  # fmt: skip
async def test_a_bad_limit_is_refused(member: Cinder, admin: Cinder, limits: dict[str, object], message: str) -> None:
    await member.volume()
    answer = await admin.request("PUT", f"/os-quota-sets/{member.project_id}", {"quota_set": limits})
    assert answer.status == 400
    assert message in refusal(answer)[2]
    assert (await admin.get(f"/os-quota-sets/{member.project_id}"))["quota_set"]["volumes"] == 10


async def test_quotas_are_the_administrators(member: Cinder, admin: Cinder, user: Callable[[str], Cinder]) -> None:
    path = f"/os-quota-sets/{member.project_id}"
    assert (await member.request("PUT", path, {"quota_set": {"volumes": 1}})).status == 403
    assert (await member.request("DELETE", path)).status == 403
    assert (await user("stranger").request("GET", path)).status == 403
    await _limit(admin, member.project_id, volumes=5)
    assert (await member.get(path))["quota_set"]["volumes"] == 5
    assert (await admin.request("DELETE", path)).status == 200
    assert (await member.get(path))["quota_set"]["volumes"] == 10


async def test_the_default_class_is_everybodys_default(member: Cinder, admin: Cinder) -> None:
    assert (await member.request("GET", "/os-quota-class-sets/default")).status == 403
    assert (await admin.get("/os-quota-class-sets/default"))["quota_class_set"]["volumes"] == 10
    answer = await admin.request("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"volumes": 7}})
    assert answer.json()["quota_class_set"]["volumes"] == 7
    assert (await member.get(f"/os-quota-sets/{member.project_id}"))["quota_set"]["volumes"] == 7
    assert (await member.get("/limits"))["limits"]["absolute"]["maxTotalVolumes"] == 7


async def test_administrators_read_another_projects_limits_from_3_39(member: Cinder, admin: Cinder) -> None:
    await member.volume()
    path = f"/limits?project_id={member.project_id}"
    assert (await admin.get(path))["limits"]["absolute"]["totalVolumesUsed"] == 1
    assert (await admin.get(path, version="3.38"))["limits"]["absolute"]["totalVolumesUsed"] == 0
