"""Servers as they are listed, shown, changed and deleted."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mockcloud.nova import tables
from tests.mockcloud.nova.conftest import LATEST, Yard, refusal

VIF = {
    "id": "port", "address": "fa:16:3e:00:00:01", "preserve_on_delete": False,
    "network": {"id": "net", "label": "private", "subnets": [{"ips": [{"address": "10.0.0.5", "type": "fixed", "version": 4}]}]},
}  # fmt: skip
NOBODY = "6e9a6fc2-7b6f-4a5b-9a5e-000000000000"


async def get(yard: Yard, path: str, who: str = "member", version: str = LATEST, **query: Any) -> Any:
    answer = await yard.user(who).get("nova", f"/v2.1{path}", version=version, params=query)
    assert answer.status == 200, answer.content
    return answer.json()


async def names(yard: Yard, who: str = "member", version: str = LATEST, **query: Any) -> list[str]:
    return [server["name"] for server in (await get(yard, "/servers", who, version, **query))["servers"]]


async def refused(yard: Yard, who: str = "member", version: str = LATEST, **query: Any) -> tuple[int, str, str]:
    return refusal(await yard.user(who).get("nova", "/v2.1/servers", version=version, params=query))


# views


async def test_a_server_is_shown_with_everything_of_the_newest_version(yard: Yard) -> None:
    id = yard.server(
        network_info=[VIF], tags=["t"], metadata={"a": "b"}, scheduler_hints={"query": "[]"}, image_properties={"hw_x": 1, "y": 2}
    )
    who, row = yard.user("member"), yard.row
    server = (await get(yard, f"/servers/{id}"))["server"]
    bookmark = yard.cloud.urls["nova"]
    address = {"version": 4, "addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": VIF["address"]}
    expected = {
        "id": id, "name": "a server", "status": "ACTIVE", "tenant_id": who.project_id, "user_id": who.user_id, "progress": 0,
        "addresses": {"private": [address]},
        "hostId": hashlib.sha224(f"{who.project_id}compute1".encode()).hexdigest(), "metadata": {"a": "b"}, "tags": ["t"],
        "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs": {}},
        "accessIPv4": "", "accessIPv6": "", "config_drive": "", "key_name": None, "locked": False, "locked_reason": None,
        "description": None, "server_groups": [], "scheduler_hints": {"query": ["[]"]}, "trusted_image_certificates": None,
        "pinned_availability_zone": "nova", "OS-EXT-AZ:availability_zone": "nova", "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None, "OS-EXT-STS:power_state": 1, "OS-EXT-SRV-ATTR:hostname": "a-server", "OS-DCF:diskConfig": "MANUAL",
        "os-extended-volumes:volumes_attached": [], "OS-SRV-USG:terminated_at": None,
        "OS-SRV-USG:launched_at": row(id)["launched_at"].strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "created": row(id)["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ"), "updated": row(id)["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "image": {"id": yard.image, "links": [{"rel": "bookmark", "href": f"{bookmark}/images/{yard.image}"}], "properties": {"hw_x": "1"}},
        "links": [{"rel": "self", "href": f"{bookmark}/v2.1/servers/{id}"}, {"rel": "bookmark", "href": f"{bookmark}/servers/{id}"}],
    }  # fmt: skip
    assert server == expected


BEGAN = {  # field: the version before which it is not there
    "locked": "2.9", "description": "2.19", "tags": "2.26", "trusted_image_certificates": "2.63", "server_groups": "2.71",
    "locked_reason": "2.73", "OS-EXT-SRV-ATTR:hostname": "2.90", "pinned_availability_zone": "2.96", "scheduler_hints": "2.100",
}  # fmt: skip


@pytest.mark.parametrize(("name", "since"), BEGAN.items())
async def test_a_field_is_shown_from_its_version_on(yard: Yard, name: str, since: str) -> None:
    id = yard.server()
    before = f"2.{int(since.split('.')[1]) - 1}"
    assert name not in (await get(yard, f"/servers/{id}", version=before))["server"]
    assert name in (await get(yard, f"/servers/{id}", version=since))["server"]


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.15", "2.16", "2.89", LATEST])
async def test_administrators_see_where_a_server_is(yard: Yard, version: str) -> None:
    id = yard.server(user_data="aGk=", kernel_id="", ramdisk_id="", reservation_id="r-1")
    shown = (await get(yard, f"/servers/{id}", "admin", version))["server"]
    extended = {name: value for name, value in shown.items() if name.startswith("OS-EXT-SRV-ATTR")}
    assert len(extended) == (3 if version in ("2.1", "2.2") else 10)
    assert extended["OS-EXT-SRV-ATTR:host"] == extended["OS-EXT-SRV-ATTR:hypervisor_hostname"] == "compute1"
    assert extended["OS-EXT-SRV-ATTR:instance_name"] == f"instance-{yard.row(id)['id']:08x}"
    assert shown.get("host_status") == (None if version in ("2.1", "2.2", "2.3", "2.15") else "UP")
    assert "host_status" not in (await get(yard, f"/servers/{id}", version=version))["server"]


@pytest.mark.parametrize(
    ("service", "status"),
    [({"forced_down": True}, "DOWN"), ({"disabled": True}, "MAINTENANCE"), ({"last_seen_up": -3600}, "UNKNOWN"), (None, "")],
)
async def test_the_status_of_the_host_is_its_services(yard: Yard, service: Any, status: str) -> None:
    id = yard.server() if service else yard.server(host=None)
    if service and "last_seen_up" in service:
        service = {"last_seen_up": yard.cloud.clock.now() + timedelta(seconds=service["last_seen_up"])}
    with yard.db.transaction() as tx:
        tx.execute(tables.services.update().where(tables.services.c.host == "compute1").values(**(service or {"disabled": False})))
    assert (await get(yard, f"/servers/{id}", "admin"))["server"]["host_status"] == status


async def test_before_2_47_the_flavor_is_a_link(yard: Yard) -> None:
    flavor = (await get(yard, f"/servers/{yard.server()}", version="2.46"))["server"]["flavor"]
    assert flavor == {"id": "1", "links": [{"rel": "bookmark", "href": f"{yard.cloud.urls['nova']}/flavors/1"}]}


async def test_a_server_of_a_volume_shows_no_image_but_its_volumes(yard: Yard) -> None:
    id, now = yard.server(image_ref=""), yard.cloud.clock.now()
    disk = {"source_type": "volume", "destination_type": "volume", "volume_id": NOBODY, "delete_on_termination": True}
    with yard.db.transaction() as tx:
        tx.insert(tables.block_device_mapping, uuid=NOBODY, instance_uuid=id, created_at=now, **disk)
    server = (await get(yard, f"/servers/{id}"))["server"]
    assert (server["image"], server["os-extended-volumes:volumes_attached"]) == ("", [{"id": NOBODY, "delete_on_termination": True}])
    old = (await get(yard, f"/servers/{id}", version="2.2"))["server"]
    assert old["os-extended-volumes:volumes_attached"] == [{"id": NOBODY}]


async def test_a_building_server_hides_its_addresses_and_its_host(yard: Yard) -> None:
    id = yard.server(vm_state="building", task_state="scheduling", host=None, node=None, network_info=[VIF], launched_at=None)
    server = (await get(yard, f"/servers/{id}"))["server"]
    assert (server["addresses"], server["hostId"], server["status"]) == ({}, "", "BUILD")


async def test_only_the_newest_fault_of_a_failed_server_is_shown_with_details_for_administrators(yard: Yard) -> None:
    id, now = yard.server(vm_state="error"), yard.cloud.clock.now()
    with yard.db.transaction() as tx:
        for message in ("old", "new"):
            tx.insert(tables.instance_faults, instance_uuid=id, code=500, message=message, details="trace", created_at=now)
    fault = {"code": 500, "message": "new", "created": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert (await get(yard, f"/servers/{id}"))["server"]["fault"] == fault
    assert (await get(yard, f"/servers/{id}", "admin"))["server"]["fault"] == fault | {"details": "trace"}
    yard.change(id, vm_state="active")
    assert "fault" not in (await get(yard, f"/servers/{id}"))["server"]


async def test_a_zone_is_the_hosts_once_there_is_one(yard: Yard) -> None:
    now, zone = yard.cloud.clock.now(), {"hosts": ["compute1"], "metadata": {"availability_zone": "east"}}
    with yard.db.transaction() as tx:
        tx.insert(tables.aggregates, uuid=NOBODY, name="east", created_at=now, **zone)
    placed, waiting = yard.server(), yard.server(host=None, availability_zone=None)
    assert (await get(yard, f"/servers/{placed}"))["server"]["OS-EXT-AZ:availability_zone"] == "east"
    assert (await get(yard, f"/servers/{waiting}"))["server"]["OS-EXT-AZ:availability_zone"] == ""


async def test_a_servers_group_is_shown_of_one_server_and_not_in_lists(yard: Yard) -> None:
    id = yard.server()
    with yard.db.transaction() as tx:
        tx.insert(tables.instance_group_members, group_uuid=NOBODY, instance_uuid=id)
    assert (await get(yard, f"/servers/{id}"))["server"]["server_groups"] == [NOBODY]
    assert "server_groups" not in (await get(yard, "/servers/detail"))["servers"][0]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_server_that_is_not_there_or_anothers_is_not_found(yard: Yard, method: str) -> None:
    gone = yard.server(deleted_at=yard.cloud.clock.now())
    json = {"server": {"name": "x"}} if method == "PUT" else None
    for who, id in (("member", NOBODY), ("member", "nothing"), ("stranger", yard.server()), ("member", gone), ("admin", gone)):
        answer = await yard.user(who).request("nova", method, f"/v2.1/servers/{id}", json=json, version=LATEST)
        assert refusal(answer) == (404, "itemNotFound", f"Instance {id} could not be found.")


# lists


async def test_a_list_holds_the_projects_servers_newest_first(yard: Yard) -> None:
    for number in range(3):
        yard.server(display_name=f"s{number}")
    yard.server(display_name="hers", project_id=yard.user("stranger").project_id)
    yard.server(display_name="gone", deleted_at=yard.cloud.clock.now())
    assert await names(yard) == ["s2", "s1", "s0"]
    assert await names(yard, "reader") == ["s2", "s1", "s0"]
    assert await names(yard, "stranger") == ["hers"]
    assert await names(yard, "admin") == []


FILTERS = [  # query, who, names found
    ({"name": "^a"}, "member", ["a1", "a2"]),
    ({"name": "2$"}, "member", ["a2", "b2"]),
    ({"name": "[[]]"}, "member", []),
    ({"status": "SHUTOFF"}, "member", ["b1"]),
    ({"status": ["shutoff", "error"]}, "member", ["b1", "b2"]),
    ({"status": "REBOOT"}, "member", ["a2"]),
    ({"flavor": "1"}, "member", ["a1", "a2", "b1", "b2"]),
    ({"flavor": "2"}, "member", []),
    ({"flavor": "nothing"}, "member", []),
    ({"image": "other"}, "member", ["b2"]),
    ({"ip": "10.0.0.5"}, "member", ["a1"]),
    ({"ip": "10.0.0"}, "member", ["a1"]),
    ({"ip6": "2001"}, "member", []),
    ({"reservation_id": "r-b"}, "member", ["b1", "b2"]),
    ({"tags": "x"}, "member", ["a1", "a2"]),
    ({"tags": "x,y"}, "member", ["a2"]),
    ({"tags-any": "y,z"}, "member", ["a2", "b1"]),
    ({"not-tags": "x,y"}, "member", ["a1", "b1", "b2"]),
    ({"not-tags-any": "x,z"}, "member", ["b2"]),
    ({"locked": "true"}, "member", ["b2"]),
    ({"locked": "no"}, "member", ["a1", "a2", "b1"]),
    ({"key_name": "k"}, "member", ["a1"]),
    ({"hostname": "guest"}, "member", ["a1"]),
    ({"power_state": "4"}, "member", ["b1"]),
    ({"vm_state": "error"}, "member", ["b2"]),
    ({"task_state": "rebooting"}, "member", ["a2"]),
    ({"config_drive": "True"}, "member", ["b1"]),
    ({"user_id": "nobody"}, "member", []),
    ({"host": "compute2"}, "member", ["a1", "a2", "b1", "b2"]),  # not theirs to ask
    ({"deleted": "true"}, "member", ["a1", "a2", "b1", "b2"]),
    ({"host": "compute2", "all_tenants": "1"}, "admin", ["b1"]),
    ({"node": "pute2", "all_tenants": "1"}, "admin", ["b1"]),
    ({"all_tenants": ""}, "admin", ["a1", "a2", "b1", "b2", "hers"]),
    ({"all_tenants": "0"}, "admin", []),
    ({"deleted": "true", "all_tenants": "1"}, "admin", ["gone"]),
    ({"status": "deleted", "all_tenants": "1"}, "admin", ["gone"]),
    ({"all_tenants": "1", "uuid": NOBODY}, "admin", []),
    ({"all_tenants": "1", "display_name": "hers"}, "admin", ["hers"]),
    ({"all_tenants": "1", "description": "tex"}, "admin", ["a1"]),
]


def four(yard: Yard) -> None:
    now, other = yard.cloud.clock.now(), yard.user("stranger").project_id
    yard.server(display_name="a1", tags=["x"], network_info=[VIF], key_name="key", hostname="guest", display_description="text")
    yard.server(display_name="a2", tags=["x", "y"], task_state="rebooting", reservation_id="r-a")
    yard.server(display_name="b1", tags=["z"], vm_state="stopped", power_state=4, reservation_id="r-b", host="compute2", node="compute2",
                config_drive=True)  # fmt: skip
    yard.server(display_name="b2", vm_state="error", locked=True, reservation_id="r-b", image_ref="other")
    yard.server(display_name="hers", project_id=other)
    yard.server(display_name="gone", vm_state="deleted", deleted_at=now)


@pytest.mark.parametrize(("query", "who", "found"), FILTERS)
async def test_a_filter_finds_what_it_says(yard: Yard, query: Any, who: str, found: list[str]) -> None:
    four(yard)
    assert sorted(await names(yard, who, **query)) == found


async def test_what_changed_since_is_shown_with_what_was_deleted(yard: Yard) -> None:
    now = yard.cloud.clock.now()
    early, late = now - timedelta(hours=2), now - timedelta(hours=1)
    yard.server(display_name="early", updated_at=early)
    yard.server(display_name="late", updated_at=late)
    yard.server(display_name="gone", updated_at=late, deleted_at=late)
    between = (now - timedelta(minutes=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert sorted(await names(yard, **{"changes-since": between})) == ["gone", "late"]
    assert await names(yard, **{"changes-before": between}) == ["early"]
    shown = (await get(yard, "/servers/detail", **{"changes-since": between}))["servers"]
    assert {server["name"]: server["status"] for server in shown} == {"gone": "DELETED", "late": "ACTIVE"}
    message = "The value of changes-since must be less than or equal to changes-before."
    assert sorted(await names(yard, **{"changes-since": between.removesuffix("Z")})) == ["gone", "late"]
    later = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await refused(yard, **{"changes-since": later, "changes-before": between}) == (400, "badRequest", message)


@pytest.mark.parametrize("list_path", ["/servers", "/servers/detail"])
async def test_pages_lead_to_each_other_until_one_is_not_full(yard: Yard, list_path: str) -> None:
    for number in range(5):
        yard.server(display_name=f"s{number}")
    seen, url = [], f"{list_path}?limit=2&name=s&sort_key=display_name&sort_dir=asc"
    while url:
        page = await get(yard, url)
        seen.append([server["name"] for server in page["servers"]])
        following = page.get("servers_links")
        url = following[0]["href"].partition("/v2.1")[2] if following else ""
    assert seen == [["s0", "s1"], ["s2", "s3"], ["s4"]]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ({"sort_key": "display_name", "sort_dir": "asc"}, ["a", "b", "c"]),
        ({"sort_key": "display_name"}, ["c", "b", "a"]),
        ({"sort_key": ["power_state", "display_name"], "sort_dir": ["desc", "asc"]}, ["b", "a", "c"]),
        ({"sort_key": "created_at", "sort_dir": "asc"}, ["c", "a", "b"]),
    ],
)
async def test_a_list_is_sorted_as_asked(yard: Yard, sort: Any, order: list[str]) -> None:
    for name, power in (("c", 1), ("a", 1), ("b", 4)):
        yard.server(display_name=name, power_state=power)
    assert await names(yard, **sort) == order


BAD_LISTS = [  # query, who, version, status, message
    ({"status": "nonsense"}, "member", "2.38", 400, "Invalid status value"),
    ({"status": "deleted"}, "member", LATEST, 403, "Only administrators may list deleted instances"),
    ({"all_tenants": "1"}, "member", LATEST, 403, "Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed."),
    ({"all_tenants": "some"}, "admin", LATEST, 400, "Invalid input received: Unrecognized value 'some', acceptable values are: '0', …"),
    ({"locked": "some"}, "member", LATEST, 400, "Invalid input received: Unrecognized value 'some', acceptable values are: '0', …"),
    ({"metadata": "a"}, "admin", LATEST, 400, "Invalid filter field: metadata."),
    ({"_secret": "a"}, "admin", "2.74", 400, "Invalid filter field: _secret."),
    ({"rubbish": "a"}, "member", "2.75", 400, "Additional properties are not allowed ('rubbish' was unexpected)"),
    ({"limit": "-1"}, "member", LATEST, 400, "Invalid input for query parameters limit. Value: -1. …"),
    ({"limit": "many"}, "member", LATEST, 400, "Invalid input for query parameters limit. Value: many. …"),
    ({"marker": NOBODY}, "member", LATEST, 400, f"marker [{NOBODY}] not found"),
    ({"sort_key": "rubbish"}, "member", LATEST, 400, "Invalid input for query parameters 0. Value: rubbish. …"),
    ({"sort_key": "id"}, "member", LATEST, 400, "Invalid input for query parameters 0. Value: id. …"),
    ({"sort_key": "host"}, "member", LATEST, 403, "Only administrators can sort servers by host"),
    ({"changes-since": "yesterday"}, "member", LATEST, 400, "Invalid input for query parameters changes-since. Value: yesterday. …"),
    ({"changes-since": "0001-01-01T00:00:00+23:00"}, "member", LATEST, 400, "Invalid input for query parameters changes-since. …"),
    ({"name": "("}, "member", LATEST, 400, "Invalid input for query parameters name. Value: (. '(' is not a 'regex'"),
    ({"name": "(?=a)"}, "member", LATEST, 400, "Invalid input for query parameters name. Value: (?=a). '(?=a)' is not a 'regex'"),
    ({"ip": "["}, "member", LATEST, 400, "Invalid input for query parameters ip. Value: [. '[' is not a 'regex'"),
]


@pytest.mark.parametrize(("query", "who", "version", "status", "message"), BAD_LISTS)
async def test_a_list_that_cannot_be_is_refused(yard: Yard, query: Any, who: str, version: str, status: int, message: str) -> None:
    yard.server()
    got, name, said = await refused(yard, who, version, **query)
    assert (got, name) == (status, {400: "badRequest", 403: "forbidden"}[status])
    assert said.startswith(message.rstrip("…")) if message.endswith("…") else said == message


@pytest.mark.parametrize(("query", "version"), [({"status": "nonsense"}, "2.37"), ({"limit": 0}, LATEST), ({"flavor": "none"}, LATEST)])
async def test_a_list_may_be_empty(yard: Yard, query: Any, version: str) -> None:
    yard.server()
    assert await get(yard, "/servers", version=version, **query) == {"servers": []}


@pytest.mark.parametrize("query", [{"rubbish": "a"}, {"_secret": "a"}, {"sort_key": "id"}])
async def test_old_versions_ignore_what_they_do_not_know(yard: Yard, query: Any) -> None:
    yard.server()
    assert await names(yard, version="2.74", **query) == ["a server"]


# changes


async def test_an_update_changes_what_it_names_and_shows_the_server(yard: Yard) -> None:
    id = yard.server()
    asked = {"name": "new", "description": "text", "hostname": "guest.example.org", "accessIPv4": "192.0.2.1", "OS-DCF:diskConfig": "AUTO"}
    answer = await yard.user("member").put("nova", f"/v2.1/servers/{id}", json={"server": asked}, version=LATEST)
    shown = answer.json()["server"]
    assert (answer.status, shown["name"], shown["description"], shown["accessIPv4"]) == (200, "new", "text", "192.0.2.1")
    row = yard.row(id)
    assert (row["hostname"], row["disk_config"], row["access_ip_v6"]) == ("guest.example.org", "AUTO", None)
    assert shown == (await get(yard, f"/servers/{id}"))["server"]


async def test_before_2_75_an_update_answers_with_less(yard: Yard) -> None:
    id = yard.server(network_info=[VIF])
    answer = await yard.user("member").put("nova", f"/v2.1/servers/{id}", json={"server": {}}, version="2.74")
    shown = answer.json()["server"]
    assert shown["addresses"] == {"private": [{"version": 4, "addr": "10.0.0.5"}]}
    assert not {name for name in shown if name.startswith(("OS-EXT", "OS-SRV", "os-ext"))} | {"key_name", "config_drive"} & set(shown)


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ({"description": "x"}, "2.18"), ({"hostname": "x1"}, "2.89"), ({"hostname": "a.b"}, "2.93"),
        ({"pinned_availability_zone": "nova"}, "2.103"), ({"name": ""}, LATEST), ({"name": None}, LATEST), ({"accessIPv4": "x"}, LATEST),
        ({"accessIPv6": "10.0.0.1"}, LATEST), ({"OS-DCF:diskConfig": "SOME"}, LATEST), ({"status": "x"}, LATEST),
    ],
)  # fmt: skip
async def test_an_update_that_cannot_be_changes_nothing(yard: Yard, asked: Any, version: str) -> None:
    id = yard.server()
    before = yard.row(id)
    answer = await yard.user("member").put("nova", f"/v2.1/servers/{id}", json={"server": asked}, version=version)
    assert refusal(answer)[:2] == (400, "badRequest")
    assert yard.row(id) == before


@pytest.mark.parametrize(
    ("pinned", "asked", "status"), [("nova", None, 200), ("nova", "east", 409), (None, "nova", 200), (None, "east", 409), (None, None, 200)]
)
async def test_a_server_is_pinned_to_the_zone_where_it_is(yard: Yard, pinned: str | None, asked: str | None, status: int) -> None:
    id = yard.server(availability_zone=pinned)
    json = {"server": {"pinned_availability_zone": asked}}
    assert (await yard.user("member").put("nova", f"/v2.1/servers/{id}", json=json, version=LATEST)).status == status
    assert yard.row(id)["availability_zone"] == (asked if status == 200 else pinned)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_readers_change_nothing(yard: Yard, method: str) -> None:
    id = yard.server()
    json = {"server": {"name": "x"}} if method == "PUT" else None
    answer = await yard.user("reader").request("nova", method, f"/v2.1/servers/{id}", json=json, version=LATEST)
    assert refusal(answer)[:2] == (403, "forbidden")
    assert (yard.row(id)["display_name"], yard.row(id)["task_state"], yard.actions(id)) == ("a server", None, [])


# deletion


async def test_a_deletion_is_the_computes_work_and_asked_for_once(yard: Yard) -> None:
    id = yard.server()
    for _ in range(2):
        answer = await yard.user("member").delete("nova", f"/v2.1/servers/{id}")
        assert (answer.status, answer.content) == (204, b"")
    ((method, args),) = await yard.heard()
    assert (method, args["instance"]["uuid"], args["instance"]["task_state"]) == ("terminate_instance", id, "deleting")
    assert (yard.row(id)["task_state"], yard.row(id)["deleted_at"], yard.actions(id)) == ("deleting", None, ["delete"])


@pytest.mark.parametrize("vm_state", ["active", "building", "stopped", "error", "paused", "resized", "shelved_offloaded"])
async def test_a_server_in_any_state_can_be_deleted(yard: Yard, vm_state: str) -> None:
    id = yard.server(vm_state=vm_state, task_state="spawning" if vm_state == "building" else None)
    assert (await yard.user("member").delete("nova", f"/v2.1/servers/{id}")).status == 204
    assert [method for method, _ in await yard.heard()] == ["terminate_instance"]


async def test_a_locked_server_is_deleted_by_administrators_only(yard: Yard) -> None:
    id = yard.server(locked=True)
    answer = await yard.user("member").delete("nova", f"/v2.1/servers/{id}")
    assert refusal(answer) == (409, "conflictingRequest", f"Instance {id} is locked")
    assert (yard.row(id)["task_state"], yard.actions(id), await yard.heard()) == (None, [], [])
    assert (await yard.user("admin").delete("nova", f"/v2.1/servers/{id}")).status == 204


@pytest.mark.parametrize("state", [{"vm_state": "building", "task_state": "scheduling"}, {"vm_state": "error"}])
async def test_a_server_without_a_host_is_deleted_at_once_with_all_that_it_had(yard: Yard, state: Any) -> None:
    member, admin = yard.user("member"), yard.user("admin")
    volume = (await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]["id"]
    network = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"][0]["id"]
    id, now = yard.server(host=None, node=None, **state), yard.cloud.clock.now()
    port = (await member.post("neutron", "/v2.0/ports", json={"port": {"network_id": network, "device_id": id}})).json()["port"]["id"]
    disk = {"source_type": "volume", "destination_type": "volume", "volume_id": volume, "delete_on_termination": False}
    with yard.db.transaction() as tx:
        tx.insert(tables.block_device_mapping, uuid=NOBODY, instance_uuid=id, created_at=now, **disk)
    assert (await member.delete("nova", f"/v2.1/servers/{id}")).status == 204
    assert (await member.get("nova", f"/v2.1/servers/{id}")).status == 404
    assert yard.row(id)["deleted_at"] is not None
    assert yard.db.all(select(tables.block_device_mapping)) == []
    assert (await admin.get("neutron", f"/v2.0/ports/{port}")).status == 404
    assert (await member.get("cinder", f"/v3/volumes/{volume}")).status == 200
    assert await yard.heard() == []


async def test_the_server_of_a_dead_compute_is_deleted_without_it(yard: Yard) -> None:
    id = yard.server()
    with yard.db.transaction() as tx:
        tx.execute(tables.services.update().where(tables.services.c.host == "compute1").values(forced_down=True))
    assert (await yard.user("member").delete("nova", f"/v2.1/servers/{id}")).status == 204
    assert (yard.row(id)["vm_state"], await yard.heard()) == ("deleted", [])


async def test_a_port_that_was_given_to_a_server_outlives_it(yard: Yard) -> None:
    member = yard.user("member")
    network = (await member.get("neutron", "/v2.0/networks", params={"name": "private"})).json()["networks"][0]["id"]
    port = (await member.post("neutron", "/v2.0/ports", json={"port": {"network_id": network}})).json()["port"]["id"]
    id = yard.server(host=None, vm_state="error", network_info=[VIF | {"id": port, "preserve_on_delete": True}])
    await yard.user("admin").put("neutron", f"/v2.0/ports/{port}", json={"port": {"device_id": id, "device_owner": "compute:nova"}})
    assert (await member.delete("nova", f"/v2.1/servers/{id}")).status == 204
    left = (await member.get("neutron", f"/v2.0/ports/{port}")).json()["port"]
    assert (left["device_id"], left["device_owner"]) == ("", "")
