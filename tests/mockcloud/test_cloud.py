"""A cloud as a whole: what it keeps, what it repeats, what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest

from mockcloud.cloud import MOUNTS, PORTS, Cloud, default_urls
from mockcloud.settings import Settings, SettingsError
from mockcloud.testing.client import client

LIGHT = ("keystone", "cinder")


async def names(cloud: Cloud) -> list[str]:
    volumes = (await client(cloud, "member").get("cinder", "/v3/volumes")).json()["volumes"]
    return [volume["name"] for volume in volumes]


async def keep(cloud: Cloud, name: str) -> str:
    made = await client(cloud, "member").post("cinder", "/v3/volumes", json={"volume": {"size": 1, "name": name}})
    return made.json()["volume"]["id"]


async def test_a_cloud_without_a_state_directory_forgets(make_cloud):
    await keep(await make_cloud(services=LIGHT), "lost")
    assert await names(await make_cloud(services=LIGHT)) == []


async def test_a_state_directory_outlives_the_cloud_and_takes_no_second_seed(tmp_path):
    for expected in ([], ["kept"]):
        cloud = Cloud(Settings(state_dir=str(tmp_path / "state")), LIGHT)
        await cloud.start()
        assert await names(cloud) == expected
        projects = (await client(cloud, "admin").get("keystone", "/v3/projects")).json()["projects"]
        assert len(projects) == len({project["name"] for project in projects})
        if not expected:
            await keep(cloud, "kept")
        await cloud.stop()


@pytest.mark.parametrize("option", ["state_dir", "database"])
async def test_reset_empties_what_outlives_the_cloud_too(tmp_path, option):
    where = {"state_dir": str(tmp_path / "state"), "database": f"sqlite:///{tmp_path}/{{service}}.sqlite"}[option]
    cloud = Cloud(Settings(**{option: where}), LIGHT)
    await cloud.start()
    await keep(cloud, "lost")
    await cloud.reset()
    assert await names(cloud) == []
    await cloud.stop()


async def test_a_database_of_ones_own_outlives_the_cloud(tmp_path):
    settings = Settings(database=f"sqlite:///{tmp_path}/{{service}}.sqlite")
    for expected in ([], ["kept"]):
        cloud = Cloud(settings, LIGHT)
        await cloud.start()
        assert await names(cloud) == expected
        if not expected:
            await keep(cloud, "kept")
        await cloud.stop()


def test_a_directory_with_something_else_in_it_is_neither_used_nor_emptied(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingsError, match="something else than a cloud"):
        Cloud(Settings(state_dir=str(tmp_path)), LIGHT)
    assert (tmp_path / "thesis.tex").exists()


async def test_a_state_directory_of_another_seed_number_is_refused(tmp_path):
    state = str(tmp_path / "state")
    await Cloud(Settings(state_dir=state), LIGHT).stop()
    with pytest.raises(SettingsError, match="made with --seed 0"):
        Cloud(Settings(state_dir=state, seed=1), LIGHT)


async def test_a_seed_that_failed_leaves_a_state_directory_that_can_be_used(tmp_path):
    state, bad = str(tmp_path / "state"), tmp_path / "bad.yaml"
    bad.write_text("users: [{name: 7, roles: []}]\nvolume_types: [{nam: x}]")
    with pytest.raises(SettingsError):
        Cloud(Settings(state_dir=state, seed_file=str(bad)), LIGHT)
    cloud = Cloud(Settings(state_dir=state), LIGHT)
    await cloud.start()
    assert await names(cloud) == []
    await cloud.stop()


async def test_a_seed_number_makes_the_seeds_ids_the_same_in_every_run(make_cloud):
    first, second, other = await make_cloud(), await make_cloud(), await make_cloud(seed=1)

    async def ids(cloud):
        admin = client(cloud, "admin")
        found = {}
        for service, path, key in (
            ("keystone", "/v3/users", "users"), ("keystone", "/v3/projects", "projects"), ("glance", "/v2/images", "images"),
            ("neutron", "/v2.0/networks", "networks"),
        ):  # fmt: skip
            found |= {(key, item["name"]): item["id"] for item in (await admin.get(service, path)).json()[key]}
        return found

    one = await ids(first)
    assert one == await ids(second)
    assert one.keys() == (another := await ids(other)).keys()
    assert not set(one.values()) & set(another.values())


@pytest.mark.parametrize(("ports", "count"), [("single", 1), ("classic", 6)])
def test_urls_are_one_port_with_mounts_or_a_port_for_each(ports, count):
    urls = default_urls(Settings(ports=ports))
    assert set(urls) == set(MOUNTS) == set(PORTS)
    assert len({url.split("/")[2] for url in urls.values()}) == count
    assert len(set(urls.values())) == 6


async def test_the_catalog_has_the_urls_at_which_the_cloud_is_reached(tmp_path):
    urls = {name: f"http://{name}.example:80" for name in MOUNTS}
    cloud = Cloud(Settings(), LIGHT, urls)
    await cloud.start()
    admin = client(cloud, "admin")
    await admin.login()
    endpoints = (await admin.get("keystone", "/v3/endpoints")).json()["endpoints"]
    found = {endpoint["url"] for endpoint in endpoints if endpoint["interface"] == "public"}
    assert {"http://cinder.example:80/v3", "http://keystone.example:80/v3"} <= found
    await cloud.stop()


async def test_a_catalog_follows_the_port_also_where_the_state_was_made_at_another(tmp_path):
    state = str(tmp_path / "state")
    for port in (5001, 5002):
        cloud = Cloud(Settings(state_dir=state, port=port), LIGHT)
        await cloud.start()
        admin = client(cloud, "admin")
        endpoints = (await admin.get("keystone", "/v3/endpoints")).json()["endpoints"]
        assert all(f":{port}" in endpoint["url"] for endpoint in endpoints)
        await cloud.stop()


async def test_no_task_is_left_when_it_has_stopped():
    before = asyncio.all_tasks()
    cloud = Cloud(Settings())
    await cloud.start()
    await client(cloud, "member").get("nova", "/v2.1/servers")
    assert asyncio.all_tasks() > before
    await cloud.stop()
    assert asyncio.all_tasks() == before


async def test_clouds_that_are_no_longer_used_take_no_memory():
    async def used() -> weakref.ref[Cloud]:
        cloud = Cloud(Settings())
        await cloud.start()
        await client(cloud, "member").get("nova", "/v2.1/servers")
        await cloud.stop()
        return weakref.ref(cloud)

    seen = [await used() for _ in range(3)]
    gc.collect()
    assert sum(cloud() is not None for cloud in seen) <= 1, "the last one may still be somebody's"


async def test_a_cloud_in_process_opens_no_socket(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    cloud = Cloud(Settings())
    await cloud.start()
    assert (await client(cloud, "member").get("glance", "/v2/images")).status == 200
    await cloud.stop()


async def test_stopping_twice_and_resetting_after_a_stop_do_no_harm(make_cloud):
    cloud = await make_cloud(services=LIGHT)
    await cloud.stop()
    await cloud.stop()
    await cloud.reset()
    assert await names(cloud) == []


async def test_clouds_beside_each_other_share_nothing(make_cloud):
    one, two = await make_cloud(services=LIGHT), await make_cloud(services=LIGHT)
    await keep(one, "mine")
    assert (await names(one), await names(two)) == (["mine"], [])
    member = client(one, "member")
    await member.login()
    answer = await client(two, "nobody").get("cinder", "/v3/volumes", headers={"X-Auth-Token": member.token})
    assert answer.status == 401
