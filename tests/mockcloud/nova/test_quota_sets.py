"""Limits of projects, users and classes, and the limits that clients are shown."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.nova.quota import DEFAULTS
from mockcloud.nova.tables import instances
from tests.mockcloud.nova.nova_user import Nova, refusal

NETWORK = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
GROUPS = {"server_groups", "server_group_members"}


def _path(nova: Nova) -> str:
    return f"/os-quota-sets/{nova.project_id}"


@pytest.fixture
def server(nova_cloud: Cloud, member: Nova) -> None:
    """Three servers of the member's."""
    with nova_cloud.services["nova"].db.transaction() as tx:
        for _ in range(3):
            who = {"project_id": member.project_id, "user_id": member.user_id, "display_name": "s", "flavor": {}}
            tx.insert(instances, uuid=str(uuid.uuid4()), created_at=nova_cloud.clock.now(), vcpus=2, memory_mb=512, root_gb=1, **who)


@pytest.mark.parametrize(
    ("version", "gone"),
    [("2.1", set()), ("2.35", set()), ("2.36", NETWORK), ("2.56", NETWORK), ("2.57", NETWORK | FILES), ("2.104", NETWORK | FILES)],
)
async def test_a_quota_has_the_resources_of_its_version(member: Nova, admin: Nova, version: str, gone: set[str]) -> None:
    wanted = {name: limit for name, limit in DEFAULTS.items() if name not in gone}
    for path in (_path(member), f"{_path(member)}/defaults"):
        assert await member.get(path, version) == {"quota_set": {"id": member.project_id, **wanted}}
    detail = (await member.get(f"{_path(member)}/detail", version))["quota_set"]
    assert detail == {"id": member.project_id} | {name: {"limit": n, "in_use": 0, "reserved": 0} for name, n in wanted.items()}
    updated = await admin.request("PUT", _path(member), {"quota_set": {"cores": 7}}, version)
    assert updated.json() == {"quota_set": wanted | {"cores": 7}}
    for name in gone:
        answer = await admin.request("PUT", _path(member), {"quota_set": {name: 1}}, version)
        assert refusal(answer)[0] == 400


async def test_changed_limits_hold_until_they_are_deleted(member: Nova, admin: Nova) -> None:
    answer = await admin.request("PUT", _path(member), {"quota_set": {"instances": "5", "ram": -1, "force": True}})
    assert answer.status == 200
    found = (await member.get(_path(member)))["quota_set"]
    assert (found["instances"], found["ram"]) == (5, -1)
    answer = await admin.request("DELETE", _path(member))
    assert (answer.status, answer.content) == (202, b"")
    assert (await member.get(_path(member)))["quota_set"]["instances"] == 10


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"instances": 2}, "Quota limit 2 for instances must be greater than or equal to already used and reserved 3."),
        ({"cores": 5, "ram": 1}, "Quota limit 5 for cores must be greater than or equal to already used and reserved 6."),
        ({"instances": -2}, "Invalid input for field/attribute instances. Value: -2. -2 is less than the minimum of -1"),
        ({"instances": "-2"}, "Invalid input for field/attribute instances. Value: -2. -2 is less than the minimum of -1"),
        ({"instances": "many"}, "'many' does not match '^-?[0-9]+$'"),
        ({"instances": 2**31}, "2147483648 is greater than the maximum of 2147483647"),
        ({"instances": None}, "None is not of type 'integer', 'string'"),
        ({"colours": 1}, "('colours' was unexpected)"),
        ({"instances": 5, "force": "maybe"}, "'maybe' is not one of"),
    ],
)
@pytest.mark.usefixtures("server")
async def test_a_limit_that_cannot_be_is_refused(member: Nova, admin: Nova, limits: dict[str, Any], message: str) -> None:
    status, said = refusal(await admin.request("PUT", _path(member), {"quota_set": limits}))
    assert status == 400
    assert message in said
    assert (await member.get(_path(member)))["quota_set"]["ram"] == 51_200


@pytest.mark.usefixtures("server")
async def test_force_sets_a_limit_below_what_is_used(member: Nova, admin: Nova) -> None:
    answer = await admin.request("PUT", _path(member), {"quota_set": {"instances": 1, "force": True}})
    assert answer.json()["quota_set"]["instances"] == 1


@pytest.mark.usefixtures("server")
async def test_usage_is_in_the_detail_and_in_the_limits(member: Nova) -> None:
    detail = (await member.get(f"{_path(member)}/detail"))["quota_set"]
    assert detail["instances"] == {"limit": 10, "in_use": 3, "reserved": 0}
    assert (detail["cores"]["in_use"], detail["ram"]["in_use"]) == (6, 1536)
    absolute = (await member.get("/limits"))["limits"]["absolute"]
    assert (absolute["totalInstancesUsed"], absolute["totalCoresUsed"], absolute["totalRAMUsed"]) == (3, 6, 1536)


@pytest.mark.usefixtures("server")
async def test_a_user_has_limits_of_their_own(member: Nova, admin: Nova) -> None:
    path = f"{_path(member)}?user_id={member.user_id}"
    assert (await admin.request("PUT", path, {"quota_set": {"instances": 4}})).json()["quota_set"]["instances"] == 4
    assert (await admin.get(path))["quota_set"]["instances"] == 4
    assert (await admin.get(_path(member)))["quota_set"]["instances"] == 10
    for limit, message in (
        (11, "Quota limit 11 for instances must be less than or equal to 10."),
        (2, "Quota limit 2 for instances must be greater than or equal to already used and reserved 3."),
    ):
        assert refusal(await admin.request("PUT", path, {"quota_set": {"instances": limit}})) == (400, message)
    given = "Quota limit 3 for instances must be greater than or equal to already used and reserved 4."
    assert refusal(await admin.request("PUT", _path(member), {"quota_set": {"instances": 3}})) == (400, given)
    assert (await admin.request("DELETE", path)).status == 202
    assert (await admin.get(path))["quota_set"]["instances"] == 10


async def test_keystone_has_to_know_the_project(admin: Nova) -> None:
    wanted = (400, "Project ID nobody is not a valid project.")
    for path in ("/os-quota-sets/nobody", "/os-quota-sets/nobody/detail", "/os-quota-sets/nobody/defaults"):
        assert refusal(await admin.request("GET", path)) == wanted
    assert refusal(await admin.request("PUT", "/os-quota-sets/nobody", {"quota_set": {}})) == wanted
    assert (await admin.request("DELETE", "/os-quota-sets/nobody")).status == 202


async def test_a_project_reads_its_own_quota_and_administrators_change_it(user: Callable[[str], Nova]) -> None:
    member = user("member")
    for who, status in (("member", 200), ("reader", 200), ("stranger", 403), ("admin", 200)):
        assert (await user(who).request("GET", _path(member))).status == status
        assert (await user(who).request("GET", f"{_path(member)}/detail")).status == status
        assert (await user(who).request("GET", f"{_path(member)}/defaults")).status == 200
    for who in ("member", "reader", "stranger"):
        assert (await user(who).request("PUT", _path(member), {"quota_set": {}})).status == 403
        assert (await user(who).request("DELETE", _path(member))).status == 403


async def test_unknown_queries_are_refused_from_2_75_and_2_102(admin: Nova) -> None:
    for method, path, body, since in (
        ("GET", _path(admin), None, 75),
        ("GET", f"{_path(admin)}/detail", None, 75),
        ("PUT", _path(admin), {"quota_set": {}}, 75),
        ("DELETE", _path(admin), None, 75),
        ("GET", f"{_path(admin)}/defaults", None, 102),
        ("GET", "/os-quota-class-sets/default", None, 102),
    ):
        assert (await admin.request(method, f"{path}?x=1", body, f"2.{since - 1}")).ok
        assert (await admin.request(method, f"{path}?x=1", body, f"2.{since}")).status == 400


@pytest.mark.parametrize(
    ("version", "gone"),
    [("2.49", GROUPS), ("2.50", NETWORK), ("2.56", NETWORK), ("2.57", NETWORK | FILES)],
)
async def test_a_class_has_the_resources_of_its_version(admin: Nova, version: str, gone: set[str]) -> None:
    path = "/os-quota-class-sets/default"
    found = (await admin.get(path, version))["quota_class_set"]
    assert found == {"id": "default"} | {name: limit for name, limit in DEFAULTS.items() if name not in gone}
    updated = (await admin.request("PUT", path, {"quota_class_set": {"cores": "30"}}, version)).json()["quota_class_set"]
    assert updated == {name: limit for name, limit in DEFAULTS.items() if name not in gone} | {"cores": 30}


async def test_the_default_class_is_everybodys_default(admin: Nova, member: Nova) -> None:
    await admin.request("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"instances": 3}})
    assert (await member.get(_path(member)))["quota_set"]["instances"] == 3
    assert (await member.get("/limits"))["limits"]["absolute"]["maxTotalInstances"] == 3
    await admin.request("PUT", "/os-quota-class-sets/gold", {"quota_class_set": {"instances": 4}})
    assert (await admin.get("/os-quota-class-sets/gold"))["quota_class_set"]["instances"] == 4
    assert (await member.get(_path(member)))["quota_set"]["instances"] == 3


@pytest.mark.parametrize("body", [{}, {"quota_class_set": {"colours": 1}}, {"quota_class_set": {"cores": -2}}, {"quota_class_set": None}])
async def test_a_bad_class_is_refused(admin: Nova, body: Any) -> None:
    assert (await admin.request("PUT", "/os-quota-class-sets/default", body)).status == 400
    answer = await admin.request("PUT", f"/os-quota-class-sets/{'x' * 256}", {"quota_class_set": {}})
    assert refusal(answer) == (400, "Invalid input received: quota_class_name has 256 characters, more than 255.")


async def test_classes_are_the_administrators(member: Nova) -> None:
    assert (await member.request("GET", "/os-quota-class-sets/default")).status == 403
    assert (await member.request("PUT", "/os-quota-class-sets/default", {"quota_class_set": {}})).status == 403


NETWORK_LIMITS = {"maxSecurityGroupRules", "maxSecurityGroups", "maxTotalFloatingIps", "totalFloatingIpsUsed", "totalSecurityGroupsUsed"}


@pytest.mark.parametrize(
    ("version", "gone"),
    [
        ("2.35", set()),
        ("2.36", NETWORK_LIMITS),
        ("2.38", NETWORK_LIMITS),
        ("2.39", NETWORK_LIMITS | {"maxImageMeta"}),
        ("2.57", NETWORK_LIMITS | {"maxImageMeta", "maxPersonality", "maxPersonalitySize"}),
    ],
)
async def test_limits_are_those_of_the_version(member: Nova, version: str, gone: set[str]) -> None:
    everything = set((await member.get("/limits", "2.1"))["limits"]["absolute"])
    assert len(everything) == 19
    found = (await member.get("/limits", version))["limits"]
    assert set(found["absolute"]) == everything - gone
    assert found["rate"] == []


@pytest.mark.usefixtures("server")
async def test_administrators_read_another_projects_limits(user: Callable[[str], Nova]) -> None:
    member, admin = user("member"), user("admin")
    query = f"/limits?tenant_id={member.project_id}"
    assert (await admin.get(query))["limits"]["absolute"]["totalInstancesUsed"] == 3
    assert (await admin.get("/limits"))["limits"]["absolute"]["totalInstancesUsed"] == 0
    assert (await user("reader").get("/limits"))["limits"]["absolute"]["totalInstancesUsed"] == 3
    assert (await user("stranger").request("GET", query)).status == 403
    assert (await member.request("GET", "/limits?colour=red")).status == 400
    assert (await member.request("GET", "/limits?colour=red", version="2.74")).status == 200
