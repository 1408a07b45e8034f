"""What nova asks keystone about projects."""

from __future__ import annotations

from mockcloud.clients import EndpointDown
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest


async def _ask(ctx: Context, project_id: str) -> int:
    try:
        return (await ctx.rest.get("identity", f"/v3/projects/{project_id}")).status
    except EndpointDown:
        return 503


async def verify_project(ctx: Context, project_id: str) -> None:
    """Refuses a project that keystone does not know. Whoever may not ask, or meets no keystone, is believed."""
    if await _ask(ctx, project_id) == 404:
        raise BadRequest(f"Project ID {project_id} is not a valid project.")
