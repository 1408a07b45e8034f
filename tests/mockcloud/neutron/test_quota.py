"""Quotas over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.neutron.conftest import Neutron, refusal, words


async def test_everybody_reads_the_own_projects_quota(member: Neutron, reader: Neutron) -> None:
    for user in (member, reader):
        quota = (await user.get(f"/quotas/{user.project_id}"))["quota"]
        assert (quota["network"], quota["port"], quota["security_group_rule"], quota["subnetpool"]) == (100, 500, 100, -1)
        assert (await user.get(f"/quotas/{user.project_id}/default"))["quota"] == quota
        assert (await user.get("/quotas/project")) == {"project": {"project_id": user.project_id}}
        assert (await user.get("/quotas/tenant")) == {"tenant": {"tenant_id": user.project_id}}


async def test_details_count_what_is_used(member: Neutron) -> None:
    before = (await member.get(f"/quotas/{member.project_id}/details"))["quota"]["network"]["used"]
    await member.network()
    quota = (await member.get(f"/quotas/{member.project_id}/details"))["quota"]
    assert quota["network"] == {"limit": 100, "used": before + 1, "reserved": 0}


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/quotas", "PolicyNotAuthorized"),
        ("GET", "/quotas/another", "PolicyNotAuthorized"),
        ("GET", "/quotas/another/default", "PolicyNotAuthorized"),
        ("GET", "/quotas/another/details", "AdminRequired"),
        ("PUT", "/quotas/another", "PolicyNotAuthorized"),
        ("DELETE", "/quotas/another", "PolicyNotAuthorized"),
    ],
)
async def test_other_projects_quotas_are_the_admins(member: Neutron, admin: Neutron, method: str, path: str, kind: str) -> None:
    body: Any = {"quota": {"network": 1}} if method == "PUT" else None
    assert refusal(await member.request(method, path, body)) == (403, kind)
    assert (await admin.request(method, path, body)).status in (200, 404)


async def test_an_admin_changes_a_quota_and_takes_it_back(member: Neutron, admin: Neutron) -> None:
    path = f"/quotas/{member.project_id}"
    assert (await admin.request("PUT", path, {"quota": {"network": 3, "port": "-1"}})).json()["quota"]["network"] == 3
    (listed,) = (await admin.get("/quotas"))["quotas"]
    assert (listed["project_id"], listed["network"], listed["port"], listed["subnet"]) == (member.project_id, 3, -1, 100)
    assert (await admin.request("DELETE", path)).status == 204
    assert (await member.get(path))["quota"]["network"] == 100
    assert refusal(await admin.request("DELETE", path)) == (404, "TenantQuotaNotFound")


@pytest.mark.parametrize("quota", [{"colour": 1}, {"network": -2}, {"network": "many"}, {"network": 1.5}, {"network": 2**31}, []])
async def test_a_quota_that_cannot_be_is_refused(admin: Neutron, quota: Any) -> None:
    assert refusal(await admin.request("PUT", "/quotas/another", {"quota": quota})) == (400, "HTTPBadRequest")
    assert (await admin.get("/quotas"))["quotas"] == []


async def test_a_quota_is_not_set_below_the_use_unless_by_force(member: Neutron, admin: Neutron) -> None:
    await member.network()
    path = f"/quotas/{member.project_id}"
    answer = await admin.request("PUT", path, {"quota": {"network": 1}})
    assert refusal(answer) == (400, "HTTPBadRequest")
    assert words(answer) == "Quota limit 1 for network must be greater than or equal to already used 2"
    assert (await admin.request("PUT", path, {"quota": {"network": 1, "force": True}})).status == 200


@pytest.mark.parametrize("resource", ["network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule"])
async def test_a_full_quota_refuses_the_next_one(member: Neutron, admin: Neutron, resource: str) -> None:
    network, group = await member.network(), await member.default_group()
    (public,) = (await member.get("/networks", name="public"))["networks"]
    await admin.request("PUT", f"/quotas/{member.project_id}", {"quota": {resource: 0, "force": True}})
    bodies: dict[str, Any] = {
        "network": {},
        "subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"},
        "port": {"network_id": network["id"]},
        "router": {},
        "floatingip": {"floating_network_id": public["id"]},
        "security_group": {"name": "g"},
        "security_group_rule": {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"},
    }
    answer = await member.request("POST", f"/{resource.replace('_', '-')}s", {resource: bodies[resource]})
    assert refusal(answer) == (409, "OverQuota")
    assert words(answer) == f"Quota exceeded for resources: ['{resource}']."
