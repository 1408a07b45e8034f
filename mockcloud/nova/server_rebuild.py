"""Rebuilding a server from an image, with whatever of its description is to change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json, Reply
from mockcloud.nova import acting, quota, states
from mockcloud.nova.block_devices import Device
from mockcloud.nova.compute_rpc import cast
from mockcloud.nova.disks import disks_of, root_of
from mockcloud.nova.image_checks import Image, check_image, fetch_image, properties_of
from mockcloud.nova.launch_request import check_user_data
from mockcloud.nova.lookup import find_server, owner
from mockcloud.nova.passwords import generate_password
from mockcloud.nova.tables import key_pairs
from mockcloud.nova.views import addresses, show_servers

COLUMNS = {
    "name": "display_name",
    "description": "display_description",
    "metadata": "metadata",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
    "OS-DCF:diskConfig": "disk_config",
    "user_data": "user_data",
    "hostname": "hostname",
    "trusted_image_certificates": "trusted_certs",
}


async def rebuild_server(ctx: Context, server_id: str, body: Json) -> Reply:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
        if "trusted_image_certificates" in body:
            ctx.enforce("os_compute_api:servers:rebuild:trusted_certs", owner(server))
        acting.check(ctx, server, states.REBUILD)
        changed = _described(ctx, tx, body)
        root = root_of(disks_of(tx, server))
    image = await fetch_image(ctx, body["imageRef"], "Cannot find image for rebuild")
    reimage = await _is_rewritten(ctx, root, image)
    on_volume = root is not None and root["destination_type"] == "volume"
    check_image(ctx, image, server["flavor"], Device("volume", "volume") if on_volume else None, image["id"])
    changed |= _imaged(image) | ({} if on_volume else {"image_ref": image["id"]})
    with ctx.db.transaction() as tx:
        quota.check_metadata_items(tx, server["project_id"], len(body.get("metadata", {})))
        quota.check_injected_files(tx, server["project_id"], [(f["path"], f["contents"]) for f in body.get("personality", ())])
        server = acting.begin(ctx, tx, find_server(ctx, tx, server_id), states.REBUILD, progress=0, **changed)
    password = body.get("adminPass") or generate_password()
    await cast(ctx, server, "rebuild_instance", image=dict(image), admin_password=password, reimage_boot_volume=reimage)
    return await _answer(ctx, server_id, password)


def _described(ctx: Context, tx: Transaction, body: Json) -> dict[str, Any]:
    """Columns and what they become; what is not said stays."""
    changed = {column: body[name] for name, column in COLUMNS.items() if name in body}
    if "user_data" in changed:
        check_user_data(changed["user_data"])
    if "display_name" in changed:
        changed["display_name"] = changed["display_name"].strip()
    if "key_name" in body:
        key = _key(ctx, tx, body["key_name"]) if body["key_name"] else {"name": None, "public_key": None}
        changed |= {"key_name": key["name"], "key_data": key["public_key"]}
    return changed


def _key(ctx: Context, tx: Transaction, name: str) -> Row:
    """Whoever rebuilds gives a key of their own."""
    row = tx.one(select(key_pairs).where(key_pairs.c.user_id == ctx.user_id, key_pairs.c.name == name))
    if row is None:
        raise BadRequest("Invalid key_name provided.")
    return row


async def _is_rewritten(ctx: Context, root: Row | None, image: Image) -> bool:
    """A root volume keeps its data when it was made of this image; another one is written over it since 2.93."""
    if root is None or root["destination_type"] != "volume":
        return False
    answer = await ctx.rest.get("block-storage", f"/v3/volumes/{root['volume_id']}")
    made_of = answer.json()["volume"].get("volume_image_metadata", {}).get("image_id") if answer.ok else None
    if made_of == image["id"] or ctx.at_least("2.93"):
        return bool(made_of != image["id"])
    reason = "Unable to rebuild with a different image for a volume-backed server."
    raise BadRequest(f"Image {image['id']} is unacceptable: {reason}")


def _imaged(image: Image) -> dict[str, Any]:
    properties = properties_of(image)
    has_kernel = properties.get("kernel_id") not in (None, "nokernel")
    kernel, ramdisk = (properties["kernel_id"], properties.get("ramdisk_id") or "") if has_kernel else ("", "")
    return {"image_properties": properties, "kernel_id": kernel, "ramdisk_id": ramdisk}


async def _answer(ctx: Context, server_id: str, password: str) -> Reply:
    with ctx.db.transaction() as tx:
        server = find_server(ctx, tx, server_id)
    view = (await show_servers(ctx, [server]))[0] | {"adminPass": password, "user_data": server["user_data"]}
    if not ctx.at_least("2.75") and view["addresses"]:
        view["addresses"] = addresses(server["network_info"], extended=False)
    return Reply({"server": view}, headers={"Location": view["links"][0]["href"]})
