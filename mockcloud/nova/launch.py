"""Step 6: what a launch is made of, looked up in nova's database and, in the user's name, at glance, neutron and cinder."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from mockcloud.db.engine import Row, Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, Forbidden, NotFound
from mockcloud.nova import quota
from mockcloud.nova.block_devices import Device, asked_root, check_devices, check_several, complete, root_of
from mockcloud.nova.image_checks import Image, check_image, fetch_image
from mockcloud.nova.launch_request import LaunchRequest, Place, check_user_data, is_true
from mockcloud.nova.lookup import find_flavor, is_admin
from mockcloud.nova.network_checks import check_networks, check_security_groups
from mockcloud.nova.passwords import generate_password
from mockcloud.nova.tables import compute_nodes, instance_groups, key_pairs
from mockcloud.nova.volume_checks import check_volumes, image_of_root
from mockcloud.nova.zones import available_zones, read_zones

Networks = list[dict[str, Any]] | str


@dataclass(slots=True)
class Launch:
    """Everything that the rows and the scheduler are told. Ids are chosen here, so that all can be undone by them."""

    request: LaunchRequest
    owner: tuple[str, str]  # project and user, for whom everything was looked up
    flavor: Row
    image: Image  # glance's body, or what cinder remembers of it; {} when there is none
    key: Row | None
    devices: list[Device]
    networks: Networks
    security_groups: list[str]
    uuids: list[str]
    zone: str | None
    admin_password: str
    reservation_id: str
    given_up: bool = False  # an entry that would still be written then is not


async def look_up(ctx: Context, request: LaunchRequest) -> Launch:
    """Raises nova's refusal of whatever does not fit; nothing has changed then, here or elsewhere."""
    flavor, zone = _read_database(ctx, request)
    image = await _image(ctx, request)
    if flavor["disabled"]:
        raise BadRequest(f"Flavor {flavor['id']} could not be found.")
    check_user_data(request.server.get("user_data"))
    security_groups = await check_security_groups(ctx, request.security_groups or ["default"])
    networks, room = await check_networks(ctx, request.networks, request.max_count)
    if room < request.min_count:
        raise Forbidden("Maximum number of ports exceeded")
    key = _key(ctx, request.server.get("key_name"))
    devices = complete(request.devices, request.image_id, flavor, request.legacy_devices)
    if request.max_count > 1:
        check_several(devices)
    _check_amounts(ctx, request)
    check_image(ctx, image, flavor, root_of(devices), request.image_id)
    count = _check_room(ctx, request, flavor, room)
    check_devices(devices, flavor)
    await check_volumes(ctx, devices, request.image_id)
    return Launch(
        request=request,
        owner=(ctx.project_id, ctx.user_id),
        flavor=flavor,
        image=image,
        key=key,
        devices=devices,
        networks=networks,
        security_groups=security_groups,
        uuids=[str(uuid.uuid4()) for _ in range(count)],
        reservation_id="r-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8)),
        zone=zone,
        admin_password=request.server["adminPass"] if "adminPass" in request.server else generate_password(),
    )


def check_rules(ctx: Context, request: LaunchRequest) -> None:
    """The policies that hold for parts of a request."""
    asked = {
        "os_compute_api:servers:create:trusted_certs": bool(request.server.get("trusted_image_certificates")),
        "os_compute_api:servers:create:forced_host": bool(request.place.host or request.place.node),
        "compute:servers:create:requested_destination": request.place.destination is not None,
        "os_compute_api:servers:create:attach_volume": bool(request.devices),
        "os_compute_api:servers:create:attach_network": bool(request.networks) and request.networks != "none",
    }
    for rule, holds in asked.items():
        if holds:
            ctx.enforce(rule)


def _read_database(ctx: Context, request: LaunchRequest) -> tuple[Row, str | None]:
    with ctx.db.transaction() as tx:
        try:
            flavor = find_flavor(ctx, tx, request.flavor_id)
        except NotFound as unknown:
            raise BadRequest(unknown.message) from None
        return flavor, _zone(ctx, tx, request.place)


def _zone(ctx: Context, tx: Transaction, place: Place) -> str | None:
    """A host that is forced is where it is, whatever zone was named with it."""
    default = ctx.settings.default_availability_zone
    if place.host or place.node:
        return place.zone if place.host and read_zones(tx).get(place.host, default) == place.zone else None
    if place.zone and place.zone not in available_zones(tx, default):
        raise BadRequest("The requested availability zone is not available")
    return place.zone


async def _image(ctx: Context, request: LaunchRequest) -> Image:
    if request.image_id:
        return await fetch_image(ctx, request.image_id)
    return await image_of_root(ctx, asked_root(request.devices, request.legacy_devices))


def _key(ctx: Context, name: str | None) -> Row | None:
    """The caller's own: another user's is not there."""
    if name is None:
        return None
    row = ctx.db.one(select(key_pairs).where(key_pairs.c.user_id == ctx.user_id, key_pairs.c.name == name))
    if row is None:
        raise BadRequest("Invalid key_name provided.")
    return row


def _check_amounts(ctx: Context, request: LaunchRequest) -> None:
    with ctx.db.transaction() as tx:
        quota.check_metadata_items(tx, ctx.project_id, len(request.metadata))
        quota.check_injected_files(tx, ctx.project_id, request.files)


def _check_room(ctx: Context, request: LaunchRequest, flavor: Row, room: int) -> int:
    """For how many servers group, place and quota have room."""
    with ctx.db.transaction() as tx:
        _check_group(ctx, tx, request.group_id)
        _check_destination(tx, request.place)
        return quota.check_servers(tx, ctx.project_id, ctx.user_id, flavor, request.min_count, min(request.max_count, room))


def _check_group(ctx: Context, tx: Transaction, group_id: str | None) -> None:
    if group_id is None:
        return
    group = tx.one(select(instance_groups).where(instance_groups.c.uuid == group_id))
    if group is None or (group["project_id"] != ctx.project_id and not is_admin(ctx)):
        raise BadRequest(f"Instance group {group_id} could not be found.")


def _check_destination(tx: Transaction, place: Place) -> None:
    if place.destination is None:
        return
    host, node = place.destination
    wanted = select(compute_nodes.c.id)
    if host:
        wanted = wanted.where(compute_nodes.c.host == host)
    if node:
        wanted = wanted.where(compute_nodes.c.hypervisor_hostname == node)
    if tx.one(wanted.limit(1)) is None:
        raise BadRequest(f"Compute host {host or node} could not be found.")


def wants_config_drive(launch: Launch) -> bool:
    return is_true(launch.request.server.get("config_drive")) or launch.image.get("img_config_drive") == "mandatory"


def flavor_copy(flavor: Mapping[str, Any]) -> dict[str, Any]:
    """As a server keeps it, whatever becomes of the flavor."""
    return {name: value for name, value in flavor.items() if name not in ("created_at", "updated_at", "disabled", "is_public")}
