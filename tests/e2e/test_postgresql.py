"""The whole cloud on PostgreSQL instead of SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import specs
from mockcloud.cloud import SERVICES
from mockcloud.testing.client import client
from tests import postgresql
from tests.conftest import MakeCloud
from tests.e2e import launching
from tests.mockcloud.test_main import fails


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.PostgreSQL]:
    if not postgresql.installed():
        pytest.skip(postgresql.MISSING)
    with postgresql.PostgreSQL() as running:
        yield running


@pytest.mark.parametrize("dialect", specs.DIALECTS)
async def test_a_launch_on_postgresql_is_there_after_a_restart_and_leaves_nothing_behind(
    make_cloud: MakeCloud, server: postgresql.PostgreSQL, dialect: str
) -> None:
    url = server.databases(*SERVICES)
    cloud = await make_cloud(database=url, dialect=dialect)
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    answer = await launching.boot(member, given, given.volume_ids[0])
    assert answer.status == 202, answer.content
    launched = await launching.settled(cloud, member, answer.json()["server"]["id"])
    assert launched["status"] == "ACTIVE", launched.get("fault")
    await cloud.stop()

    again = await make_cloud(database=url, dialect=dialect)
    member = client(again, "member")
    seen = await launching.show(member, launched["id"])
    assert seen is not None
    assert (seen["status"], seen["addresses"], seen["hostId"]) == ("ACTIVE", launched["addresses"], launched["hostId"])
    await launching.delete(again, member, launched["id"])
    await launching.nothing_left(again)


async def test_what_a_launch_on_postgresql_is_refused_leaves_nothing_behind(make_cloud: MakeCloud, server: postgresql.PostgreSQL) -> None:
    cloud = await make_cloud(database=server.databases(*SERVICES))
    member = client(cloud, "member")
    given = await launching.prepare(cloud, member)
    cloud.faults.add(28, "fail", count=None)
    answer = await launching.boot(member, given, given.volume_ids[0])
    server_id = answer.json()["server"]["id"]
    assert (await launching.settled(cloud, member, server_id))["status"] == "ERROR"
    await launching.delete(cloud, member, server_id)
    await launching.nothing_left(cloud)


def test_a_database_that_is_not_there_is_one_sentence_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("MOCKCLOUD_DATABASE", f"postgresql+psycopg://someone:hidden@127.0.0.1:{unused_tcp_port}/{{service}}")
    said = fails(capsys, "up", "--port", "0")
    assert said.startswith("mockcloud: cannot use the database of keystone: ") and "refused" in said
    assert "hidden" not in said


def test_a_kind_of_database_that_nobody_knows_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCKCLOUD_DATABASE", "papyrus://someone:hidden@127.0.0.1/{service}")
    said = fails(capsys, "up", "--port", "0")
    assert "cannot use the database of keystone" in said and "hidden" not in said
