"""S06: what nova-api looks up before it accepts a request, at home and at the other services."""

from __future__ import annotations

import re
import uuid
from typing import Any

from conformance.client import Person
from conformance.cloud import Cloud
from conformance.registry import Broken, NotObservable, Unsupported, check, require
from conformance.situations import refused_launch

NO_STRANGER = "there are no credentials of another project (--os-cloud-stranger)"
LIMITED = re.compile(r"(?i)instances|servers|cores|vcpus?|ram|memory")  # the names that releases have for what may be exceeded


def rest_not_tried(missed: list[str]) -> None:
    """Raises NotObservable when parts of a check could not be tried: what was tried is as it should be."""
    if missed:
        raise NotObservable(f"everything else is refused; not tried: {'; '.join(missed)}")


@check(
    "S06.C1", "B", given="a quota of n servers", when="POST /servers for n + 1 of them",
    then="403, whose message names the quota; nothing is left",
)  # fmt: skip
def quota(cloud: Cloud) -> None:
    """More servers than the quota allows are refused together."""
    limits = cloud.member.get("compute", "/limits")
    allowed = (limits.body or {}).get("limits", {}).get("absolute", {}).get("maxTotalInstances", -1)
    if limits.status != 200 or allowed < 0:
        raise NotObservable("the project has no limit of servers")
    count = allowed + 1
    answer = refused_launch(cloud, (403,), f"{count} servers of {allowed}", min_count=count, max_count=count, networks="none")
    message = str(next(iter((answer.body or {"": {}}).values())).get("message", ""))
    require(LIMITED.search(message), "a message that names the exceeded quota", message or "none", answer.fact)


@check(
    "S06.C2", "B", given="images that need more memory or more disk than a flavor has; one larger than its disk, if there is any",
    when="POST /servers with each", then="400; nothing is left",
)  # fmt: skip
def too_small_flavor(cloud: Cloud) -> None:
    """An image that does not fit the flavor is refused."""
    flavor = cloud.flavor()
    greedy = cloud.resources.image(cloud.member, min_ram=flavor["ram"] + 1)
    refused_launch(cloud, (400,), "an image that needs more memory", imageRef=greedy)
    if not flavor["disk"]:
        raise NotObservable("an image that needs more memory is refused; no flavor has a disk of a size of its own")
    greedy = cloud.resources.image(cloud.member, min_disk=flavor["disk"] + 1)
    refused_launch(cloud, (400,), "an image that needs more disk", imageRef=greedy)
    if pair := _too_large(cloud):
        refused_launch(cloud, (400,), "an image larger than the flavor's disk", imageRef=pair[0], flavorRef=pair[1])


def _too_large(cloud: Cloud) -> tuple[str, str] | None:
    """An image of the cloud that fits a flavor in everything but its size: none that is made for it would be that large."""
    listed = cloud.member.get("image", "/images", params={"status": "active"})
    flavors = cloud.member.get("compute", "/flavors/detail")
    for image in (listed.body or {}).get("images", []):
        for flavor in (flavors.body or {}).get("flavors", []):
            fits = flavor["ram"] >= image.get("min_ram", 0) and flavor["disk"] >= image.get("min_disk", 0)
            if fits and flavor["disk"] and (image.get("size") or 0) > flavor["disk"] * 2**30:
                return image["id"], flavor["id"]
    return None


@check(
    "S06.C3", "B", given="a queued, a deactivated and a deleted image, and a private one of another project",
    when="POST /servers with each", then="400; nothing is left",
)  # fmt: skip
def unusable_image(cloud: Cloud) -> None:
    """An image without data, out of use, gone or not one's own is refused at once."""
    missed = []
    refused_launch(cloud, (400,), "a queued image", imageRef=cloud.resources.image(cloud.member, content=b""))
    image = cloud.resources.image(cloud.member)
    if _deactivated(cloud, image):
        refused_launch(cloud, (400,), "a deactivated image", imageRef=image)
    else:
        missed.append("a deactivated image, for nobody here may deactivate one")
    gone = cloud.resources.image(cloud.member)
    if problem := cloud.resources.delete(cloud.resources.made[-1]):
        raise Broken(problem)
    refused_launch(cloud, (400,), "a deleted image", imageRef=gone)
    if "stranger" in cloud.people:
        refused_launch(cloud, (400,), "a private image of another project", imageRef=cloud.resources.image(cloud.stranger))
    else:
        missed.append(f"another project's image, for {NO_STRANGER}")
    rest_not_tried(missed)


def _deactivated(cloud: Cloud, image_id: str) -> bool:
    people = [cloud.member, *([cloud.admin] if "admin" in cloud.people else [])]
    return any(person.post("image", f"/images/{image_id}/actions/deactivate").status == 204 for person in people)


@check(
    "S06.C4", "B", given="a volume that is in use, one in status error, and one of another project",
    when="POST /servers with each in block_device_mapping_v2", then="400; the volume is as it was; nothing is left", needs=("volume",),
)  # fmt: skip
def unusable_volume(cloud: Cloud) -> None:
    """A volume that cannot be attached is refused at once, and not touched."""
    missed = []
    launch = cloud.golden.must_be_active()
    _refused_with(cloud, cloud.member, launch.volumes[0], "a volume in use")
    if broken := _in_error(cloud):
        _refused_with(cloud, cloud.member, broken, "a volume in status error")
    else:
        missed.append("a volume in status error, for there is no admin to reset one")
    if "stranger" in cloud.people and cloud.stranger.has("volume"):
        _refused_with(cloud, cloud.stranger, cloud.resources.volume(cloud.stranger), "another project's volume")
    else:
        missed.append(f"another project's volume, for {NO_STRANGER}")
    rest_not_tried(missed)


def _refused_with(cloud: Cloud, owner: Person, volume_id: str, what: str) -> None:
    before = _state(owner, volume_id)
    answer = refused_launch(cloud, (400,), what, volumes=[volume_id])
    after = _state(owner, volume_id)
    require(after == before, f"the volume as before: {before}", after, answer.fact)


def _state(owner: Person, volume_id: str) -> dict[str, Any]:
    shown = owner.get("volume", f"/volumes/{volume_id}")
    volume = (shown.body or {}).get("volume", {})
    return {"status": volume.get("status"), "attachments": sorted(a["attachment_id"] for a in volume.get("attachments", ()))}


def _in_error(cloud: Cloud) -> str:
    """A volume whose status an admin has set to error; empty where nobody may."""
    if "admin" not in cloud.people:
        return ""
    volume = cloud.resources.volume(cloud.member)
    path = f"/volumes/{volume}/action"
    done = cloud.admin.post("volume", path, json={"os-reset_status": {"status": "error"}})
    return volume if done.status == 202 else ""


@check(
    "S06.C5", "B", given="a network that is not there, one that another project keeps to itself, and a port in use",
    when="POST /servers with each", then="400 for the networks, 409 for the port; nothing is left", needs=("network",),
)  # fmt: skip
def unusable_network(cloud: Cloud) -> None:
    """A network that the project cannot see, and a port that another server has, are refused at once."""
    launch = cloud.golden.must_be_active()
    refused_launch(cloud, (400,), "a network that is not there", networks=[{"uuid": str(uuid.uuid4())}])
    if not launch.ports:
        raise NotObservable("the launch has no port that could be in use")
    refused_launch(cloud, (409,), "a port in use", networks=[{"port": launch.ports[0]["id"]}])
    if "stranger" not in cloud.people:
        rest_not_tried([f"another project's network, for {NO_STRANGER}"])
    foreign = cloud.resources.network(cloud.stranger)
    refused_launch(cloud, (400,), "another project's network", networks=[{"uuid": foreign}])


@check(
    "S06.C6", "B2", given="a key that another user has", when="POST /servers with its name", then="400", needs=("stranger|reader|admin",)
)
def foreign_key(cloud: Cloud) -> None:
    """Keys are of users: another's is not there."""
    others = [p for role in ("stranger", "reader", "admin") if (p := cloud.people.get(role)) and p.user_id != cloud.member.user_id]
    for other in others:
        try:
            name = cloud.resources.keypair(other)
        except Broken:  # a reader may not make one everywhere
            continue
        refused_launch(cloud, (400,), "another user's key", key_name=name)
        return
    raise Unsupported("nobody else here may make a key")
