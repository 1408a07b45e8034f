"""Limits and what is used of them, as clients ask before they launch."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.reply import Json, Query
from mockcloud.nova import quota

LIMITS = {
    "maxImageMeta": "metadata_items",
    "maxPersonality": "injected_files",
    "maxPersonalitySize": "injected_file_content_bytes",
    "maxSecurityGroupRules": "security_group_rules",
    "maxSecurityGroups": "security_groups",
    "maxServerGroupMembers": "server_group_members",
    "maxServerGroups": "server_groups",
    "maxServerMeta": "metadata_items",
    "maxTotalCores": "cores",
    "maxTotalFloatingIps": "floating_ips",
    "maxTotalInstances": "instances",
    "maxTotalKeypairs": "key_pairs",
    "maxTotalRAMSize": "ram",
}
USED = {
    "totalCoresUsed": "cores",
    "totalFloatingIpsUsed": "floating_ips",
    "totalInstancesUsed": "instances",
    "totalRAMUsed": "ram",
    "totalSecurityGroupsUsed": "security_groups",
    "totalServerGroupsUsed": "server_groups",
}


async def show_limits(ctx: Context, query: Query) -> Json:
    project_id = ctx.project_id
    if "tenant_id" in query:
        ctx.enforce("os_compute_api:limits:other_project")
        project_id = query["tenant_id"]
    with ctx.db.transaction() as tx:
        limits, used = quota.limits_of(tx, project_id), quota.usage_of(tx, project_id)
    absolute = {shown: limits[name] for shown, name in LIMITS.items()} | {shown: used[name] for shown, name in USED.items()}
    return {"limits": {"rate": [], "absolute": absolute}}
