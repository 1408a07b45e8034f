"""What is over a limit, and in which words."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from mockcloud.db.engine import Database, Transaction
from mockcloud.http.errors import Forbidden
from mockcloud.nova import quota
from mockcloud.nova.tables import instance_group_members, instance_groups, instances, key_pairs, metadata, project_user_quotas, quotas

NOW = datetime(2026, 1, 1)
SMALL = {"vcpus": 1, "memory_mb": 2048}


@pytest.fixture
def tx() -> Iterator[Transaction]:
    database = Database("nova", metadata)
    with database.transaction() as transaction:
        yield transaction
    database.close()


def _server(tx: Transaction, user_id: str = "u", project_id: str = "p", **values: Any) -> str:
    row = {"display_name": "s", "flavor": {}, "vm_state": "active", "root_gb": 1, **SMALL, **values}
    server_id = str(uuid.uuid4())
    tx.insert(instances, uuid=server_id, created_at=NOW, project_id=project_id, user_id=user_id, **row)
    return server_id


def test_usage_counts_the_projects_living_servers(tx: Transaction) -> None:
    _server(tx)
    _server(tx, vcpus=4, vm_state=None)
    _server(tx, project_id="q")
    _server(tx, deleted_at=NOW)
    _server(tx, vm_state="soft-delete")
    used = quota.usage_of(tx, "p")
    assert (used["instances"], used["cores"], used["ram"], used["server_groups"], used["key_pairs"]) == (2, 5, 4096, 0, 0)
    assert quota.usage_of(tx, "p", "someone else")["instances"] == 0


def test_the_last_free_server_fits_and_the_next_is_refused(tx: Transaction) -> None:
    for _ in range(9):
        _server(tx)
    quota.check(tx, "p", {"instances": 1, "cores": 1, "ram": 512})
    _server(tx)
    with pytest.raises(Forbidden) as refused:
        quota.check(tx, "p", {"instances": 1, "cores": 1, "ram": 512})
    assert refused.value.message == "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"


def test_several_exceeded_resources_are_named_in_order(tx: Transaction) -> None:
    with pytest.raises(Forbidden) as refused:
        quota.check_servers(tx, "p", "u", {"vcpus": 8, "memory_mb": 16_384}, 4, 4)
    assert refused.value.message == "Quota exceeded for cores, ram: Requested 32, 65536, but already used 0, 0 of 20, 51200 cores, ram"


@pytest.mark.parametrize(("low", "high", "made"), [(1, 5, 5), (1, 12, 10), (10, 12, 10)])
def test_a_range_of_servers_shrinks_to_what_fits(tx: Transaction, low: int, high: int, made: int) -> None:
    assert quota.check_servers(tx, "p", "u", SMALL, low, high) == made


def test_a_range_whose_least_does_not_fit_is_refused(tx: Transaction) -> None:
    with pytest.raises(Forbidden) as refused:
        quota.check_servers(tx, "p", "u", SMALL, 11, 12)
    assert refused.value.message == "Quota exceeded for instances: Requested 11-12, but already used 0 of 10 instances"


def test_no_limit_is_never_exceeded(tx: Transaction) -> None:
    for name in ("instances", "cores", "ram"):
        tx.insert(quotas, project_id="p", resource=name, hard_limit=-1)
    assert quota.check_servers(tx, "p", "u", SMALL, 1000, 1000) == 1000


def test_a_users_own_limit_counts_their_own_servers(tx: Transaction) -> None:
    tx.insert(project_user_quotas, project_id="p", user_id="u", resource="instances", hard_limit=1)
    _server(tx, user_id="other")
    quota.check(tx, "p", {"instances": 1}, "u")
    _server(tx)
    with pytest.raises(Forbidden, match="already used 1 of 1 instances"):
        quota.check(tx, "p", {"instances": 1}, "u")
    quota.check(tx, "p", {"instances": 1}, "other")


def test_key_pairs_belong_to_users(tx: Transaction) -> None:
    tx.insert(quotas, project_id="p", resource="key_pairs", hard_limit=1)
    quota.check_key_pairs(tx, "p", "u")
    tx.insert(key_pairs, created_at=NOW, user_id="u", name="k", fingerprint="f", public_key="k")
    with pytest.raises(Forbidden, match=r"^Quota exceeded, too many key pairs\.$"):
        quota.check_key_pairs(tx, "p", "u")
    quota.check_key_pairs(tx, "p", "other")


def test_groups_and_their_members_are_limited(tx: Transaction) -> None:
    tx.insert(quotas, project_id="p", resource="server_groups", hard_limit=1)
    tx.insert(quotas, project_id="p", resource="server_group_members", hard_limit=1)
    tx.insert(instance_groups, uuid="g", created_at=NOW, project_id="p", user_id="u", name="g", policy="affinity")
    with pytest.raises(Forbidden, match=r"^Quota exceeded, too many server groups\.$"):
        quota.check(tx, "p", {"server_groups": 1})
    quota.check_group_members(tx, "p", "u", "g")
    tx.insert(instance_group_members, group_uuid="g", instance_uuid=_server(tx))
    with pytest.raises(Forbidden, match=r"^Quota exceeded, too many servers in group$"):
        quota.check_group_members(tx, "p", "u", "g")


def test_metadata_and_files_are_limited_without_being_counted(tx: Transaction) -> None:
    quota.check_metadata_items(tx, "p", 128)
    with pytest.raises(Forbidden, match=r"^Maximum number of metadata items exceeds 128$"):
        quota.check_metadata_items(tx, "p", 129)
    quota.check_injected_files(tx, "p", [("/etc/motd", "hello")] * 5)
    for files, message in (
        ([("/etc/motd", "")] * 6, "Personality file limit exceeded"),
        ([("/" + "x" * 255, "")], "Personality file path exceeds maximum 255"),
        ([("/etc/motd", "x" * 10_241)], "Personality file content exceeds maximum 10240"),
    ):
        with pytest.raises(Forbidden) as refused:
            quota.check_injected_files(tx, "p", files)
        assert refused.value.message == message
