"""Server groups: their policy by version, their members, their owners."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from mockcloud.cloud import Cloud
from mockcloud.nova.tables import instance_group_members, instances, quotas
from tests.mockcloud.nova.nova_user import Nova, refusal

PATH = "/os-server-groups"


async def _group(nova: Nova, name: str = "apart", policy: str = "anti-affinity", **values: Any) -> Any:
    return (await nova.post(PATH, {"server_group": {"name": name, "policy": policy, **values}}))["server_group"]


async def test_a_group_has_one_policy_and_its_rules_from_2_64(member: Nova) -> None:
    made = await _group(member, rules={"max_server_per_host": "3"})
    assert (made["policy"], made["rules"], made["members"]) == ("anti-affinity", {"max_server_per_host": 3}, [])
    assert (made["project_id"], made["user_id"]) == (member.project_id, member.user_id)
    assert not {"policies", "metadata"} & set(made)
    assert (await member.get(f"{PATH}/{made['id']}"))["server_group"] == made
    assert (await member.get(PATH))["server_groups"] == [made]


@pytest.mark.parametrize(
    ("version", "has"), [("2.1", set()), ("2.12", set()), ("2.13", {"project_id", "user_id"}), ("2.63", {"project_id", "user_id"})]
)
async def test_a_group_had_a_list_of_policies_until_2_63(member: Nova, version: str, has: set[str]) -> None:
    body = {"server_group": {"name": "together", "policies": ["affinity"]}}
    made = (await member.post(PATH, body, version))["server_group"]
    assert set(made) == {"id", "name", "policies", "metadata", "members"} | has
    assert (made["policies"], made["metadata"]) == (["affinity"], {})
    assert (await member.get(f"{PATH}/{made['id']}"))["server_group"]["policy"] == "affinity"


@pytest.mark.parametrize(
    ("version", "values", "message"),
    [
        ("2.14", {"name": "g", "policies": ["soft-affinity"]}, "'soft-affinity' is not one of ['anti-affinity', 'affinity']"),
        ("2.63", {"name": "g", "policies": []}, "[] should be non-empty"),
        ("2.63", {"name": "g", "policies": ["affinity", "anti-affinity"]}, "is too long"),
        ("2.63", {"name": "g", "policy": "affinity"}, "policy"),
        ("2.63", {"name": "g"}, "'policies' is a required property"),
        ("2.64", {"name": "g", "policies": ["affinity"]}, "polic"),
        ("2.64", {"name": "g"}, "'policy' is a required property"),
        ("2.104", {"name": "g", "policy": "near"}, "'near' is not one of"),
        ("2.104", {"name": " g", "policy": "affinity"}, "An invalid 'name' value was provided."),
        ("2.104", {"name": "", "policy": "affinity"}, "should be non-empty"),
        ("2.104", {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}, "Only anti-affinity policy supports rules."),
        ("2.104", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, "0 is less than the minimum of 1"),
        ("2.104", {"name": "g", "policy": "anti-affinity", "rules": {"colour": 1}}, "('colour' was unexpected)"),
    ],
)
async def test_a_group_that_cannot_be_is_refused(member: Nova, version: str, values: dict[str, Any], message: str) -> None:
    status, said = refusal(await member.request("POST", PATH, {"server_group": values}, version))
    assert status == 400
    assert message in said
    assert (await member.get(PATH))["server_groups"] == []


async def test_members_are_the_living_servers(member: Nova, nova_cloud: Cloud) -> None:
    group = await _group(member)
    servers = [str(uuid.uuid4()) for _ in range(3)]
    now = nova_cloud.clock.now()
    with nova_cloud.services["nova"].db.transaction() as tx:
        for server in servers:
            values = {"project_id": member.project_id, "user_id": member.user_id, "display_name": "s", "flavor": {}}
            sizes = {"vcpus": 1, "memory_mb": 1, "root_gb": 1, "deleted_at": now if server == servers[1] else None}
            tx.insert(instances, uuid=server, created_at=now, **values, **sizes)
            tx.insert(instance_group_members, group_uuid=group["id"], instance_uuid=server)
    assert (await member.get(f"{PATH}/{group['id']}"))["server_group"]["members"] == [servers[0], servers[2]]
    assert (await member.get(PATH))["server_groups"][0]["members"] == [servers[0], servers[2]]
    assert (await member.request("DELETE", f"{PATH}/{group['id']}")).status == 204
    assert nova_cloud.services["nova"].db.all(instance_group_members.select()) == []


async def test_a_group_belongs_to_its_project(user: Callable[[str], Nova]) -> None:
    member, reader, stranger, admin = (user(who) for who in ("member", "reader", "stranger", "admin"))
    group = await _group(member)
    path = f"{PATH}/{group['id']}"
    missing = (404, f"Instance group {group['id']} could not be found.")
    assert (await reader.get(path))["server_group"] == group
    assert (await reader.request("DELETE", path)).status == 403
    assert (await reader.request("POST", PATH, {"server_group": {"name": "g", "policy": "affinity"}})).status == 403
    for method in ("GET", "DELETE"):
        assert refusal(await stranger.request(method, path)) == missing
    assert (await stranger.get(f"{PATH}?all_projects=1"))["server_groups"] == []
    assert (await admin.get(PATH))["server_groups"] == []
    assert (await admin.get(f"{PATH}?all_projects"))["server_groups"] == [group]
    assert (await admin.request("DELETE", path)).status == 204
    assert refusal(await member.request("GET", path)) == missing


async def test_groups_are_listed_in_slices(member: Nova) -> None:
    for name in "abc":
        await _group(member, name)
    for query, names in (
        ("limit=2", "ab"),
        ("limit=2&offset=2", "c"),
        ("offset=1", "bc"),
        ("limit=0", "abc"),
        (f"offset={10**30}", ""),
        (f"limit={10**30}", "abc"),
    ):
        assert "".join(g["name"] for g in (await member.get(f"{PATH}?{query}"))["server_groups"]) == names
    for query in ("limit=-1", "offset=x", "colour=red"):
        assert (await member.request("GET", f"{PATH}?{query}")).status == 400


async def test_the_quota_of_groups_holds(member: Nova, nova_cloud: Cloud) -> None:
    with nova_cloud.services["nova"].db.transaction() as tx:
        tx.insert(quotas, project_id=member.project_id, resource="server_groups", hard_limit=1)
    await _group(member)
    answer = await member.request("POST", PATH, {"server_group": {"name": "two", "policy": "affinity"}})
    assert refusal(answer) == (403, "Quota exceeded, too many server groups.")
