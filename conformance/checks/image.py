"""S19 to S21: the image of a launch, as glance gives it and as the compute uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.client import Exchange
from conformance.cloud import Cloud
from conformance.endings import must_fail, must_leave_nothing
from conformance.evidence import Fact
from conformance.launch import Launch
from conformance.mishaps import calls_of, held, hurry, refuses_bad_tokens, validates_the_token, volumes_for
from conformance.registry import NotObservable, Unsupported, check, require
from conformance.shared_launches import from_volume
from conformance.situations import revoke

PROPERTIES: dict[str, Any] = {"hw_disk_bus": "virtio", "os_type": "linux"}
WITH_PROPERTIES = "2.98"  # from here on a server shows its image's properties


def private_image(cloud: Cloud) -> str:
    """An image of the project's own, with properties that a guest has to honour."""
    min_disk = min(1, cloud.flavor()["disk"])
    return cloud.resources.image(cloud.member, **{**PROPERTIES, "min_disk": min_disk})


def private_launch(cloud: Cloud) -> Launch:
    return cloud.once("private image", lambda: cloud.launcher.launch(name="private", imageRef=private_image(cloud)))


def image_of(launch: Launch) -> str:
    asked = launch.boot.fact.get("request")
    return str(asked["server"]["imageRef"])


def read_by_services(launch: Launch) -> Iterator[tuple[str, Fact]]:
    """What glance was asked for in the course of a launch: the path from the image's id on."""
    for kind in ("http.server", "http.client"):
        for fact in launch.evidence.those(kind):
            path = str(fact.get("path") or fact.name.partition(" ")[2])
            if "/v2/images/" in path and fact.get("method") in ("GET", None) and fact.actor != "client":
                yield path.partition("/v2/images/")[2], fact


@check(
    "S19.C1", "L", needs=("http.server|http.client",), given="an image that no host has in its cache", when="a server is launched from it",
    then="glance saw requests for that image's metadata and for its data, and for no other image",
)  # fmt: skip
def image_is_asked_for(cloud: Cloud) -> None:
    """The compute gets the image that was asked for from glance, and no other one."""
    launch = cloud.golden.must_be_active()
    image, asked = image_of(launch), list(read_by_services(launch))
    paths = sorted({path for path, _ in asked})
    if not asked and not (cloud.shows("http.server") or cloud.shows("http.client")):
        raise NotObservable("no source shows what glance was asked for")
    require(image in paths, f"GET /v2/images/{image}", paths, launch.boot.fact)
    if launch.cloud.image()["id"] != image:  # where it is the common one, a host may have it
        require(f"{image}/file" in paths, f"GET /v2/images/{image}/file", paths, *[fact for _, fact in asked][:3])
    others = [fact for path, fact in asked if path.partition("/")[0] != image]
    require(not others, f"no image but {image}", [fact.name for fact in others], *others)


@check(
    "S19.C2", "B2", needs=("stranger",), given="a private image of the project, one of another project, and one shared by it and accepted",
    when="a server is launched from each", then="ACTIVE; 400; ACTIVE",
)  # fmt: skip
def only_images_in_reach(cloud: Cloud) -> None:
    """A server is launched from images of its own project and from those shared with it, and from no others."""
    private_launch(cloud).must_be_active()
    theirs = cloud.resources.image(cloud.stranger)
    refused = cloud.launcher.launch(imageRef=theirs)
    require(refused.boot.status == 400, "400 for another project's private image", refused.boot, refused.boot.fact)
    shared = cloud.resources.image(cloud.stranger, visibility="shared")
    cloud.stranger.post("image", f"/images/{shared}/members", json={"member": cloud.member.project_id})
    cloud.member.put("image", f"/images/{shared}/members/{cloud.member.project_id}", json={"status": "accepted"})
    cloud.launcher.launch(name="shared", imageRef=shared).must_be_active()


@check(
    "S19.C3", "L", needs=("http.server|notification|log",), given="a launch with a user's token",
    when="the compute asks glance for the image",
    then="glance sees the caller's user and project, not those of nova",
)  # fmt: skip
def image_in_the_users_name(cloud: Cloud) -> None:
    """The compute shows glance the token of the user who launched the server."""
    launch = cloud.golden.must_be_active()
    who = (launch.person.user_id, launch.person.project_id)
    served = [f for kind in ("http.server", "log") for f in launch.evidence.those(kind, actor="glance", user_id=bool)]
    seen = [(f, (f.get("user_id"), f.get("project_id"))) for f in served]
    for fact in launch.evidence.those("notification", name="image.send"):
        payload = fact.get("payload") or {}
        seen.append((fact, (payload.get("receiver_user_id"), payload.get("receiver_tenant_id"))))
    if not seen:
        raise NotObservable("no source shows what glance saw of the launch")
    for fact, shown in seen:
        require(shown == who, f"user and project {who}", shown, fact)


@check(
    "S19.C4", "H", needs=("faults",), alone=True, given="a glance that goes away once the server has been accepted",
    when="the launch goes on", then="no ACTIVE: ERROR after retries; no port, volume or allocation is left",
)  # fmt: skip
def glance_away(cloud: Cloud) -> None:
    """Without glance there is no server, and nothing of it stays behind."""
    image, volumes = cloud.resources.image(cloud.member), volumes_for(cloud)
    with held(cloud, 5.0, imageRef=image, volumes=volumes) as (launch, _), cloud.control.without_service("glance"):
        hurry(cloud, launch, 2.0)  # glance is asked again and again, a second apart
    must_fail(launch)
    must_leave_nothing(cloud, launch)


@check(
    "S20.C1", "B", needs=("image",), given="a garbage token, and one that was revoked before glance ever saw it",
    when="GET /v2/images/{id}", then="401, while a token that was not revoked gets 200",
)  # fmt: skip
def glance_refuses_bad_tokens(cloud: Cloud) -> None:
    """Glance asks keystone, and refuses a token that is no good."""
    path = f"/images/{cloud.image()['id']}"
    refuses_bad_tokens(cloud.member, "image", "GET", path, control=path)


@check(
    "S20.C2", "B2", needs=("reader", "stranger"), given="a private image with data",
    when="a reader of the project and a stranger GET it and its data",
    then="reader: 200, and 403 for the data (200 with older policies); stranger: 404 for both, and never the data",
)  # fmt: skip
def private_image_stays_private(cloud: Cloud) -> None:
    """A private image is shown to its project's readers, and to no other project at all."""
    image = cloud.resources.image(cloud.member)
    shown, data = cloud.reader.get("image", f"/images/{image}"), cloud.reader.get("image", f"/images/{image}/file")
    require(shown.status == 200, "200 for a reader", shown, shown.fact)
    require(data.status in (200, 403), "403 for a reader (200 with older policies)", data.status, data.fact)
    for path in (f"/images/{image}", f"/images/{image}/file"):
        answer = cloud.stranger.get("image", path)
        require(answer.status == 404, "404 for a stranger", answer.status, answer.fact)


@check(
    "S20.C3", "P", needs=("http.client|http.server",),
    given="a launch with a token that nobody has seen before", when="glance is asked for the image",
    then="keystone is asked by glance about that very token",
)  # fmt: skip
def glance_validates(cloud: Cloud) -> None:
    """Glance has keystone validate the token that it is shown."""
    validates_the_token(cloud, "glance")


@check(
    "S20.C4", "H", needs=("faults",), given="a server that was accepted and whose user's token is then revoked", when="the launch goes on",
    then="no ACTIVE: the services refuse the token, ERROR, and nothing is left",
)  # fmt: skip
def token_revoked_meanwhile(cloud: Cloud) -> None:
    """A token that is revoked during a launch builds no server."""
    trusted = cloud.token_cache_time
    if trusted is None:
        raise NotObservable("nobody says how long services trust a token that they have seen")
    member, volumes = cloud.member, volumes_for(cloud)
    with held(cloud, 20.0 + trusted, token=member.login(), volumes=volumes) as (launch, go_on):
        revoke(member, launch.boot.request_headers["x-auth-token"])
        go_on()
    must_fail(launch)
    must_leave_nothing(cloud, launch)


@check(
    "S21.C1", "B", given="an image with properties and a minimal disk", when="a server is launched from it",
    then="the server names that image, which still has its properties; from 2.98 on the server shows them, too",
)  # fmt: skip
def server_names_its_image(cloud: Cloud) -> None:
    """A server says which image it was made of, and keeps that image's properties."""
    launch = private_launch(cloud).must_be_active()
    image = image_of(launch)
    shown = cloud.member.get("compute", f"/servers/{launch.server_id}")
    named = (shown.body or {}).get("server", {}).get("image") or {}
    require(named.get("id") == image, f"image {image}", named or shown, shown.fact)
    kept = cloud.member.get("image", f"/images/{image}")
    require(PROPERTIES.items() <= (kept.body or {}).items(), f"properties {PROPERTIES}", kept, kept.fact)
    newer = cloud.member.get("compute", f"/servers/{launch.server_id}", version=WITH_PROPERTIES)
    if newer.status == 200:
        properties = newer.body["server"]["image"].get("properties") or {}
        require(PROPERTIES.items() <= properties.items(), f"image properties {PROPERTIES}", properties, newer.fact)


@check(
    "S21.C2", "H", needs=("faults",), given="an image whose stored data are not those that its checksum is of",
    when="a server is launched from it",
    then="no ACTIVE: ERROR with a fault, and nothing is left",
)  # fmt: skip
def checksum_is_verified(cloud: Cloud) -> None:
    """Image data with a wrong checksum are not booted."""
    image, volumes = cloud.resources.image(cloud.member), volumes_for(cloud)
    cloud.control.corrupt_image(image)
    launch = cloud.launcher.launch(imageRef=image, volumes=volumes)
    must_fail(launch)
    must_leave_nothing(cloud, launch)


@check(
    "S21.C3", "A", needs=("admin",), given="a server that was accepted, and whose image is then deactivated", when="the launch goes on",
    then="no ACTIVE on a host that does not have the image: ERROR, and nothing is left",
)  # fmt: skip
def deactivated_image(cloud: Cloud) -> None:
    """An image that was deactivated is not booted."""
    image = cloud.resources.image(cloud.member)

    def deactivate() -> Exchange:
        return cloud.admin.post("image", f"/images/{image}/actions/deactivate")

    try:
        with held(cloud, imageRef=image) as (launch, go_on):
            done = deactivate()
            go_on()
        raced = False
    except Unsupported:  # a real cloud waits for nobody
        launch = cloud.launcher.launch(imageRef=image, wait=False)
        done, raced = deactivate(), True
        cloud.launcher.follow(launch)
    require(done.status == 204, "204 for an admin who deactivates an image", done, done.fact)
    if raced and launch.status == "ACTIVE":
        raise NotObservable("the compute had the image before it was deactivated")
    must_fail(launch)
    must_leave_nothing(cloud, launch)


@check(
    "S21.C4", "P", needs=("http.client",), dialects=("classic",), given="a launch with image, network and volume",
    when="the compute's first requests to the three services are put in their order", then="glance, then neutron, then cinder",
)  # fmt: skip
def image_before_network_before_volume(cloud: Cloud) -> None:
    """In the classic dialect the compute sees to the image first, then to the network, then to the volume."""
    launch = cloud.golden.must_be_active()
    first: list[Fact] = []
    for service in ("glance", "neutron", *(("cinder",) if launch.volumes else ())):
        calls = calls_of(launch, "nova-compute", service)
        require(calls, f"the compute asks {service}", "it did not", launch.boot.fact)
        first.append(min(calls, key=lambda fact: fact.start))
    ordered = sorted(first, key=lambda fact: fact.start)
    require(ordered == first, " < ".join(f.name for f in first), " < ".join(f.name for f in ordered), *ordered)


@check(
    "S21.C5", "B", needs=("volume",), given="a root disk that is a volume made of an image", when="the server is launched",
    then="the server names no image, and the compute downloads none",
)  # fmt: skip
def no_image_of_a_volume(cloud: Cloud) -> None:
    """A server that boots from a volume has no image of its own: cinder reads it, not nova."""
    launch = from_volume(cloud).launch.must_be_active()
    require(not launch.final.get("image"), "no image", launch.final.get("image"), *launch.views[-1:])
    downloads = [f for f in calls_of(launch, "nova-compute", "glance") if str(f.get("path") or f.name).endswith("/file")]
    require(not downloads, "no download by the compute", [f.name for f in downloads], *downloads)
