"""S25 to S27: the volumes of a launch, as cinder gives them and as the compute uses them."""

from __future__ import annotations

import uuid
from typing import Any

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.endings import eventually, freed_within, must_be_attached, must_fail, must_follow, volume_is_free
from conformance.launch import Launch
from conformance.mishaps import failing, held, refuses_bad_tokens, validates_the_token, volumes_for
from conformance.registry import Broken, Unsupported, check, require
from conformance.shared_launches import from_volume

Json = dict[str, Any]
ATTACHMENTS = "3.27"  # cinder's attachments as a resource
GUARDED = "3.70"  # cinder of 2023.1: nobody but nova deletes the attachment of a server
NOVAS_ATTACHMENT = "2.89"  # nova shows cinder's attachment id
STATES = {"classic": ("available", "attaching", "in-use"), "cells_v2": ("available", "reserved", "attaching", "in-use")}


def shown_volume(cloud: Cloud, volume_id: str) -> tuple[Json, Exchange]:
    shown = cloud.member.get("volume", f"/volumes/{volume_id}")
    return (shown.body or {}).get("volume", {}), shown


def attachments_of(cloud: Cloud, volume_id: str) -> list[Json]:
    listed = cloud.member.get("volume", "/attachments", params={"volume_id": volume_id}, version=ATTACHMENTS)
    return list((listed.body or {}).get("attachments", [])) if listed.status == 200 else []


@check(
    "S25.C1", "B", needs=("volume",), given="an available volume", when="a server is launched with it attached",
    then="the volume ends in-use, with exactly one attachment, which names the server",
)  # fmt: skip
def attached_once(cloud: Cloud) -> None:
    """A volume of a launch is attached to the server, once."""
    launch = cloud.golden.must_be_active()
    for volume_id in launch.volumes:
        volume, _ = shown_volume(cloud, volume_id)
        must_be_attached(launch, volume)
        listed = attachments_of(cloud, volume_id)
        require(len(listed) == 1, "one attachment", f"{len(listed)} attachments", launch.boot.fact)


@check(
    "S25.C2", "B", needs=("volume",), given="an available volume", when="two servers are launched with it at once",
    then="exactly one gets it; the other is refused or goes to ERROR; the volume has one attachment",
)  # fmt: skip
def one_server_wins(cloud: Cloud) -> None:
    """Of two servers that want one volume, exactly one gets it."""
    volume_id = cloud.resources.volume(cloud.member)
    launches = cloud.launcher.many(2, 2, volumes=[volume_id], name="rival")
    winners = [launch for launch in launches if launch.status == "ACTIVE"]
    facts = [launch.boot.fact for launch in launches]
    require(len(winners) == 1, "one ACTIVE server", [launch.status or str(launch.boot.status) for launch in launches], *facts)
    for launch in launches:
        if launch not in winners:
            must_fail(launch)
    must_be_attached(winners[0], shown_volume(cloud, volume_id)[0])


@check(
    "S25.C3", "B", needs=("volume",), given="a launch with a volume", when="the volume is polled",
    then="available, reserved (newer dialects), attaching, in-use, in this order and nothing else; any may be missed",
)  # fmt: skip
def volume_states(cloud: Cloud) -> None:
    """On its way to a server a volume goes through the states of an attachment, and no others."""
    launch = cloud.golden.must_be_active()
    seen = [fact.get("status") for fact in launch.facts if fact.kind == "view" and fact.name == "volume"]
    must_follow(seen, STATES[cloud.dialect], "states", launch)


@check(
    "S25.C4", "B", needs=("volume",), dialects=("cells_v2",), given="a launch with a volume that the compute has not yet taken",
    when="the volume is shown right after the 202", then="it is reserved already",
)  # fmt: skip
def reserved_at_once(cloud: Cloud) -> None:
    """Nova-api reserves a volume before it accepts the server."""
    try:
        volume_id = cloud.resources.volume(cloud.member)
        with held(cloud, volumes=[volume_id]) as (launch, go_on):
            status = shown_volume(cloud, volume_id)[0].get("status")
            go_on()
        allowed: tuple[str, ...] = ("reserved",)
    except Unsupported:  # a real cloud waits for nobody
        launch = cloud.golden
        status = next(fact.get("status") for fact in launch.facts if fact.kind == "view" and fact.name == "volume")
        allowed = ("reserved", "attaching", "in-use")
    require(status in allowed, " or ".join(allowed), status, launch.boot.fact)


@check(
    "S25.C5", "H", needs=("volume", "faults"), given="a launch with a volume whose guest no host can spawn", when="it is over",
    then="the server is in ERROR; the volume is available, without an attachment",
)  # fmt: skip
def given_back(cloud: Cloud) -> None:
    """A launch that fails after it has attached a volume gives the volume back."""
    with failing(cloud, 28, volumes=volumes_for(cloud)) as launch:
        must_fail(launch)
    for volume_id in launch.volumes:
        volume_is_free(cloud, volume_id)


@check(
    "S26.C1", "B", needs=("volume",), given="a garbage token, and one that was revoked before cinder ever saw it",
    when="GET /volumes and POST /attachments", then="401 and no attachment, while a token that was not revoked gets 200",
)  # fmt: skip
def cinder_refuses_bad_tokens(cloud: Cloud) -> None:
    """Cinder asks keystone, and refuses a token that is no good."""
    refuses_bad_tokens(cloud.member, "volume", "GET", "/volumes", control="/volumes")
    volume_id = cloud.resources.volume(cloud.member)
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": str(uuid.uuid4())}}
    refuses_bad_tokens(cloud.member, "volume", "POST", "/attachments", control="/volumes", json=body, version=ATTACHMENTS)
    volume_is_free(cloud, volume_id)


@check(
    "S26.C2", "B2", needs=("volume", "reader", "stranger"), given="a volume of a project",
    when="a reader of the project and a stranger POST /attachments",
    then="403 for the reader (with newer policies), 404 for the stranger",
)  # fmt: skip
def volumes_are_private(cloud: Cloud) -> None:
    """Nobody attaches another project's volume, nor one that they may only read."""
    volume_id = cloud.resources.volume(cloud.member)
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": str(uuid.uuid4())}}
    for person, statuses in ((cloud.stranger, (404,)), (cloud.reader, (403, 200, 202))):
        answer = person.post("volume", "/attachments", json=body, version=ATTACHMENTS)
        for one in attachments_of(cloud, volume_id):
            cloud.member.delete("volume", f"/attachments/{one['id']}", version=ATTACHMENTS)
        require(answer.status in statuses, f"{statuses[0]} for a {person.role}", answer, answer.fact)


@check(
    "S26.C3", "B", needs=("volume",), dialects=("cells_v2",), given="a volume in use by a server",
    when="its owner deletes the attachment at cinder",
    then="409: only nova may, with its service token",
)  # fmt: skip
def attachment_is_novas(cloud: Cloud) -> None:
    """The attachment of a running server is nova's to delete, not the owner's."""
    if cloud.member.get("volume", "/volumes", params={"limit": 1}, version=GUARDED).status == 406:
        raise Unsupported(f"this cinder is older than 2023.1: it does not know microversion {GUARDED}")
    made = from_volume(cloud)
    made.launch.must_be_active()
    attachment = made.volume["attachments"][0]["attachment_id"]
    answer = cloud.member.delete("volume", f"/attachments/{attachment}", version=ATTACHMENTS)
    require(answer.status == 409, "409", answer, answer.fact)


@check(
    "S26.C4", "P", needs=("volume", "http.client|http.server"), given="a launch with a token that nobody has seen before",
    when="cinder is asked for the volume",
    then="keystone is asked by cinder about that very token",
)  # fmt: skip
def cinder_validates(cloud: Cloud) -> None:
    """Cinder has keystone validate the token that it is shown."""
    validates_the_token(cloud, "cinder")


@check(
    "S27.C1", "B", needs=("volume",), given="an ACTIVE server with a volume", when="nova and cinder are asked about the attachment",
    then="the same volume, device and attachment id in both, and a time of attachment; as admin: on the server's host",
)  # fmt: skip
def both_sides_agree(cloud: Cloud) -> None:
    """Nova and cinder tell the same of an attachment."""
    launch = cloud.golden.must_be_active()
    listed = cloud.member.get("compute", f"/servers/{launch.server_id}/os-volume_attachments", version=NOVAS_ATTACHMENT)
    if listed.status == 406:
        listed = cloud.member.get("compute", f"/servers/{launch.server_id}/os-volume_attachments")
    at_nova = {one["volumeId"]: one for one in listed.body["volumeAttachments"]}
    require(sorted(at_nova) == sorted(launch.volumes), f"volumes {sorted(launch.volumes)}", sorted(at_nova), listed.fact)
    for volume_id in launch.volumes:
        volume, shown = shown_volume(cloud, volume_id)
        must_be_attached(launch, volume)
        at_cinder, nova = volume["attachments"][0], at_nova[volume_id]
        require(nova.get("device") == at_cinder["device"], f"device {at_cinder['device']}", nova.get("device"), listed.fact, shown.fact)
        known = nova.get("attachment_id", at_cinder["attachment_id"])
        require(known == at_cinder["attachment_id"], f"attachment {at_cinder['attachment_id']}", known, listed.fact, shown.fact)
        require(at_cinder.get("attached_at"), "attached_at", at_cinder, shown.fact)
        if "admin" in cloud.people:
            _connected_to_its_host(cloud, launch, volume_id)


def _connected_to_its_host(cloud: Cloud, launch: Launch, volume_id: str) -> None:
    """Os-attach tells cinder no host; attachments do."""
    host = cloud.admin.get("compute", f"/servers/{launch.server_id}").body["server"].get("OS-EXT-SRV-ATTR:host")
    shown = cloud.admin.get("volume", f"/volumes/{volume_id}")
    for one in shown.body["volume"]["attachments"] if shown.status == 200 else ():
        connected = one.get("host_name")
        require(connected in (None, host), f"connected to host {host}", connected, shown.fact)


@check(
    "S27.C2", "B", needs=("volume",), given="a server with one volume to delete on termination and one to keep",
    when="the server is deleted",
    then="the one volume is gone, the other is available",
)  # fmt: skip
def delete_on_termination(cloud: Cloud) -> None:
    """With a server go the volumes that were to go with it, and no others."""
    goes, stays = (cloud.resources.volume(cloud.member) for _ in range(2))
    image = cloud.image()["id"]
    disks = [{"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0, "delete_on_termination": True}]
    disks += [
        {
            "uuid": volume_id,
            "source_type": "volume",
            "destination_type": "volume",
            "boot_index": -1,
            "delete_on_termination": volume_id == goes,
        }
        for volume_id in (goes, stays)
    ]
    launch = cloud.launcher.launch(block_device_mapping_v2=disks).must_be_active()
    cloud.launcher.gone(launch)
    gone = eventually(lambda: cloud.member.get("volume", f"/volumes/{goes}"), lambda shown: shown.status == 404, freed_within(cloud))
    require(gone.status == 404, "404 for the volume that goes with the server", gone, gone.fact)
    cloud.resources.forget(f"/volumes/{goes}")
    volume_is_free(cloud, stays)


@check(
    "S27.C3", "B", needs=("volume",), given="a launch with a volume", when="server and volume are polled",
    then="once the server is ACTIVE the volume is in-use; its volume.attach.end comes before the server's create.end",
)  # fmt: skip
def volume_before_active(cloud: Cloud) -> None:
    """No server is ACTIVE before its volumes are attached."""
    launch = cloud.golden.must_be_active()
    for volume in launch.volume_views:
        must_be_attached(launch, volume)
    ended = [f for f in launch.evidence.those("notification", name="volume.attach.end") if launch.server_id in f.server_ids]
    created = list(launch.evidence.those("notification", name="compute.instance.create.end"))
    for attached in ended:
        for created_end in created:
            if attached.clock == created_end.clock:
                require(attached.start <= created_end.start, "volume.attach.end < create.end", "the other way round", attached, created_end)


@check(
    "S27.C4", "B2", needs=("volume", "stranger"), given="an attachment with its connection_info",
    when="a stranger GETs it, and its owner GETs the server",
    then="404 for the stranger; no connection_info in any view of the server",
)  # fmt: skip
def connection_is_secret(cloud: Cloud) -> None:
    """How a host reaches a volume is told to nobody who should not know."""
    launch = cloud.golden.must_be_active()
    for volume_id in launch.volumes:
        attachment = shown_volume(cloud, volume_id)[0]["attachments"][0]["attachment_id"]
        answer = cloud.stranger.get("volume", f"/attachments/{attachment}", version=ATTACHMENTS)
        require(answer.status == 404, "404 for a stranger", answer, answer.fact)
    for path in ("", "/os-volume_attachments"):
        shown = cloud.member.get("compute", f"/servers/{launch.server_id}{path}")
        require(b"connection_info" not in shown.content, "no connection_info in nova's views", "there is one", shown.fact)


@check(
    "S27.C5", "B", needs=("volume",), given="a root disk that is a volume to be made of an image", when="the server is launched",
    then="a new volume of that size and of that image is there, attached to the server",
)  # fmt: skip
def volume_of_an_image(cloud: Cloud) -> None:
    """Nova has a volume made of an image, waits for it, and attaches it."""
    made = from_volume(cloud)
    made.launch.must_be_active()
    volume = made.volume
    if not volume:
        raise Broken("the server's volume cannot be shown")
    must_be_attached(made.launch, volume)
    require(volume["size"] == made.size, f"size {made.size}", volume["size"], made.launch.boot.fact)
    require(volume["bootable"] == "true", "bootable", volume["bootable"], made.launch.boot.fact)
    known = (volume.get("volume_image_metadata") or {}).get("image_id", made.image)
    require(known == made.image, f"made of image {made.image}", known, made.launch.boot.fact)
