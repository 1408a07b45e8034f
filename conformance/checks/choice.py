"""S10: the choice of a host, by filters, weights and room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.cloud import Cloud
from conformance.endings import allocated, allocations, eventually, shown_allocations
from conformance.evidence import Fact
from conformance.launch import Launch
from conformance.machinery import (
    HYPERVISORS,
    TOO_BIG,
    flavor_for_one,
    free_disks,
    host_of,
    hypervisors,
    several,
    unplaceable,
    within_quota,
)  # fmt: skip
from conformance.registry import SHOULD, Broken, Unsupported, check, require

DISABLED = "COMPUTE_STATUS_DISABLED"
NO_HOST = "No valid host was found"
RETRIED = "Exceeded maximum number of retries"
RIVALS = 3
MOST = 4  # hosts or servers for which it is worth filling a cloud


def must_be_without_host(launch: Launch) -> None:
    """202, then ERROR because there was no host, as nova says it."""
    facts = [launch.boot.fact, *launch.views[-1:]]
    require(launch.server_id, "202: the scheduler refuses, not the API", launch.boot, launch.boot.fact)
    require(launch.status == "ERROR", "ERROR", launch.status or "no server", *facts)
    fault = launch.final.get("fault") or {}
    require(fault.get("code") == 500, "a fault of code 500", fault, *facts)
    require(str(fault.get("message", "")).startswith(NO_HOST), f"a fault that begins {NO_HOST!r}", fault.get("message"), *facts)
    require(not launch.final.get("hostId"), "no hostId", launch.final.get("hostId"), *facts)
    require(launch.final.get("OS-EXT-STS:task_state") is None, "no task", launch.final.get("OS-EXT-STS:task_state"), *facts)


@check(
    "S10.C1", "B", given="a server that no host can take: by its image; by its disk, where an admin can make such a flavor",
    when="POST /servers", then="202, then ERROR with code 500 and 'No valid host was found'; no hostId, no task",
)  # fmt: skip
def nobody_fits(cloud: Cloud) -> None:
    """A server that no host can take goes to ERROR, and its fault says so."""
    must_be_without_host(unplaceable(cloud))
    if "admin" in cloud.people:
        flavor = cloud.resources.flavor(cloud.admin, vcpus=1, ram=cloud.flavor()["ram"], disk=TOO_BIG)
        must_be_without_host(cloud.launcher.launch(name="huge", flavorRef=flavor))


@check(
    "S10.C2", "A", level=SHOULD, given="hosts of different room, weights as nova has them", when="a boot", then="the roomiest host gets it",
    needs=("admin", "declared"), alone=True,
)  # fmt: skip
def roomiest_wins(cloud: Cloud) -> None:
    """With nova's own weights the host with the most free RAM, CPUs and disk is chosen."""
    known = hypervisors(cloud.admin)
    free = {
        host: (one["memory_mb"] - one["memory_mb_used"], one["vcpus"] - one["vcpus_used"], one["local_gb"] - one["local_gb_used"])
        for host, one in known.items()
    }
    best = [
        host for host, mine in free.items() if all(a > b for other in free if other != host for a, b in zip(mine, free[other], strict=True))
    ]
    if not best or len(free) < 2:
        raise Unsupported("no host of this cloud is ahead of the others in everything")
    # a host where builds have failed is the last choice until one succeeds
    forced = cloud.launcher.launch(person=cloud.admin, name="forced", networks="none", availability_zone=f"nova:{best[0]}")
    cloud.launcher.gone(forced)
    launch = cloud.launcher.launch(name="weighed").must_be_active()
    host = host_of(cloud.admin, launch.server_id)
    require(host == best[0], f"the roomiest host, {best[0]} {free[best[0]]}", f"{host} {free.get(host)}", launch.boot.fact)


@contextmanager
def _disabled(cloud: Cloud, host: str) -> Iterator[None]:
    listed = cloud.admin.get("compute", "/os-services", params={"binary": "nova-compute", "host": host}, version=HYPERVISORS)
    path = f"/os-services/{listed.body['services'][0]['id']}" if listed.status == 200 and listed.body["services"] else ""
    if not path or cloud.admin.put("compute", path, json={"status": "disabled"}, version=HYPERVISORS).status != 200:
        raise Broken(f"the compute service of {host} cannot be disabled: {listed}")
    try:
        yield
    finally:
        cloud.admin.put("compute", path, json={"status": "enabled"}, version=HYPERVISORS)
        _await_room(cloud, host)


def _await_room(cloud: Cloud, host: str) -> None:
    """Placement offers a host again when its compute has said that it is enabled."""
    provider = hypervisors(cloud.admin).get(host, {}).get("id")
    if provider and cloud.admin.has("placement"):
        path = f"/resource_providers/{provider}/traits"
        eventually(
            lambda: cloud.admin.get("placement", path, version="1.28"), lambda shown: DISABLED not in (shown.body or {}).get("traits", ())
        )


@check(
    "S10.C3", "A", given="one of several hosts is disabled", when="some boots", then="none lands on it", needs=("admin",), alone=True,
)  # fmt: skip
def disabled_host(cloud: Cloud) -> None:
    """A host whose compute service is disabled gets no servers."""
    host = host_of(cloud.admin, cloud.golden.server_id)
    if not host or len(hypervisors(cloud.admin)) < 2:
        raise Unsupported("this cloud has one host: it would have none left")
    with _disabled(cloud, host):
        for launch in cloud.launcher.many(RIVALS, RIVALS, name="elsewhere"):
            landed = host_of(cloud.admin, launch.server_id)
            require(landed != host, f"any host but {host}, which is disabled", landed, launch.boot.fact)
            launch.must_be_active()


@check(
    "S10.C4", "B", given="a server group with policy anti-affinity", when="one boot more than there are hosts, one after another",
    then="each on a host of its own; the last ends with No valid host",
)  # fmt: skip
def apart(cloud: Cloud) -> None:
    """Members of an anti-affinity group are on different hosts; one that finds none left goes to ERROR."""
    hosts = len(hypervisors(cloud.admin)) if "admin" in cloud.people else 0
    group = cloud.resources.server_group(cloud.member, "anti-affinity")
    wanted = hosts + 1 if 0 < hosts <= MOST else 2
    found: dict[str, Launch] = {}
    for _ in range(wanted):
        answer = within_quota(cloud.launcher.launch(name="apart", hints={"group": group}))
        if answer.status == "ERROR":
            must_be_without_host(answer)
            require(not hosts or len(found) == hosts, f"a server on each of {hosts} hosts", f"{len(found)}", answer.boot.fact)
            return
        mine = str(answer.must_be_active().final["hostId"])
        require(
            mine not in found, "a host that no member of the group is on", "one that has a member", answer.boot.fact, *answer.views[-1:]
        )
        found[mine] = answer
    require(wanted <= hosts or not hosts, f"no room for {wanted} members on {hosts} hosts", f"{len(found)} are ACTIVE")


@contextmanager
def _zone(cloud: Cloud) -> Iterator[str]:
    """A zone that is not everywhere: one that is there, or one that an admin makes of an empty host."""
    listed = cloud.member.get("compute", "/os-availability-zone").body["availabilityZoneInfo"]
    zones = [zone["zoneName"] for zone in listed if zone["zoneState"]["available"]]
    if len(zones) > 1 or "admin" not in cloud.people:
        yield zones[-1]
        return
    golden = host_of(cloud.admin, cloud.golden.server_id)
    empty = [host for host, one in hypervisors(cloud.admin).items() if not one["running_vms"] and host != golden]
    if not empty:
        yield zones[-1]
        return
    name = cloud.resources.name("zone")
    made = cloud.resources.create(cloud.admin, "compute", "/os-aggregates", "aggregate", {"name": name, "availability_zone": name})
    path = f"/os-aggregates/{made['id']}/action"
    added = cloud.admin.post("compute", path, json={"add_host": {"host": empty[0]}})
    if added.status != 200:
        raise Broken(f"host {empty[0]} cannot be put in a zone: {added}")
    mark = len(cloud.resources.made)
    try:
        yield name
    finally:
        cloud.resources.delete_since(mark)  # a host with servers does not leave its zone
        cloud.admin.post("compute", path, json={"remove_host": {"host": empty[0]}})


@check(
    "S10.C5", "B", given="an availability zone; and a name that no zone has", when="a boot in each", then="it lands in the zone; 400",
    alone=True,
)  # fmt: skip
def zone_is_kept(cloud: Cloud) -> None:
    """A server is built in the zone that was asked for; a zone that there is not is refused."""
    with _zone(cloud) as zone:
        launch = cloud.launcher.launch(name="zoned", availability_zone=zone).must_be_active()
        landed = launch.final.get("OS-EXT-AZ:availability_zone")
        require(landed == zone, f"zone {zone}", landed, launch.boot.fact, *launch.views[-1:])
    refused = cloud.launcher.launch(name="nowhere", availability_zone=cloud.resources.name("no-such-zone"))
    require(refused.boot.status == 400, "400 for an unknown zone", refused.boot, refused.boot.fact)


@check(
    "S10.C6", "A", given="a boot that is done", when="GET /allocations/{server} at placement", needs=("admin", "placement"),
    then="the flavor's VCPU, MEMORY_MB and DISK_GB at the provider of the server's host, for its project and user", dialects=("cells_v2",),
)  # fmt: skip
def room_is_taken(cloud: Cloud) -> None:
    """Placement knows what the server takes, where, and for whom."""
    launch, flavor, admin = cloud.golden, cloud.flavor(), cloud.admin
    specs = admin.get("compute", f"/flavors/{flavor['id']}/os-extra_specs")
    if specs.status == 200 and any(key.startswith("resources") for key in specs.body["extra_specs"]):
        raise Unsupported("the flavor's extra specs say what it takes")
    shown = shown_allocations(cloud, launch.server_id)
    held = allocated(shown)
    require(len(held) == 1, "an allocation at one provider", held or "none", shown.fact)
    provider, allocation = next(iter(held.items()))
    disk = flavor["disk"] + flavor.get("OS-FLV-EXT-DATA:ephemeral", 0) + -(-int(flavor.get("swap") or 0) // 1024)
    wanted = {name: n for name, n in (("VCPU", flavor["vcpus"]), ("MEMORY_MB", flavor["ram"]), ("DISK_GB", disk)) if n}
    require(allocation["resources"] == wanted, f"{wanted}", allocation["resources"], shown.fact)
    for name, mine in (("project_id", cloud.member.project_id), ("user_id", cloud.member.user_id)):
        require(shown.body.get(name) == mine, f"{name} {mine}", shown.body.get(name), shown.fact)
    server = admin.get("compute", f"/servers/{launch.server_id}").body["server"]
    named = admin.get("placement", f"/resource_providers/{provider}", version="1.28")
    node = server.get("OS-EXT-SRV-ATTR:hypervisor_hostname")
    require(named.status == 200 and named.body["name"] == node, f"the provider of {node}", named, named.fact)


def _room(cloud: Cloud) -> tuple[str, int]:
    flavor, room = flavor_for_one(cloud)
    if room > MOST:
        raise Unsupported(f"{room} hosts are equally roomy: that is too much to fill")
    return flavor, room


@check(
    "S10.C7", "B", given="hosts with room for k servers", when="k + 3 boots at once", needs=("admin", "placement"), alone=True,
    then="k become ACTIVE, 3 end in ERROR for want of a host; no host is over its capacity",
)  # fmt: skip
def last_room(cloud: Cloud) -> None:
    """Of servers that compete for the last room as many are built as there is room for."""
    flavor, room = _room(cloud)
    launches = cloud.launcher.many(room + RIVALS, room + RIVALS, name="rival", flavorRef=flavor)
    states = sorted(within_quota(launch).status or "refused" for launch in launches)
    facts: list[Fact] = [launch.views[-1] for launch in launches if launch.views]
    require(states == ["ACTIVE"] * room + ["ERROR"] * RIVALS, f"{room} ACTIVE and {RIVALS} ERROR", ", ".join(states), *facts[:4])
    for launch in launches:
        message = str((launch.final.get("fault") or {}).get("message", ""))
        known = launch.status == "ACTIVE" or message.startswith((NO_HOST, RETRIED))
        require(known, f"a fault that begins {NO_HOST!r}", message, *launch.views[-1:])
    over = {host: free for host, (free, _) in free_disks(cloud.admin).items() if free < 0}
    require(not over, "no host over its capacity", over)


@check(
    "S10.C8", "A", given="hosts with room for k servers", when="one POST for k + 1", needs=("admin", "placement"), alone=True,
    then="all end with No valid host, and none keeps an allocation (cells_v2); k ACTIVE and one ERROR (classic)",
)  # fmt: skip
def all_or_nothing(cloud: Cloud) -> None:
    """A request for more servers than there is room for: all of them fail, or, in classic, those beyond the room."""
    flavor, room = _room(cloud)
    launch, servers = several(cloud, room + 1, flavorRef=flavor)
    states = sorted(server["status"] for server in servers)
    wanted = ["ACTIVE"] * room + ["ERROR"] if cloud.dialect == "classic" else ["ERROR"] * (room + 1)
    require(states == wanted, ", ".join(wanted), ", ".join(states), launch.boot.fact)
    for server in servers:
        if server["status"] == "ERROR":
            message = str((server.get("fault") or {}).get("message", ""))
            require(message.startswith(NO_HOST), f"a fault that begins {NO_HOST!r}", message, launch.boot.fact)
            held = allocations(cloud, server["id"])
            require(not held, "no allocation of a server without a host", held, launch.boot.fact)
