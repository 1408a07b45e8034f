"""What is made for one check goes with it; what is made for the run stays until its end."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.cloud import _chosen
from conformance.resources import Resources


class Gone:
    """Stands for somebody whose things are gone as soon as they are deleted."""

    role = "member"

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def delete(self, service: str, path: str) -> Any:
        self.deleted.append(path)
        return type("Answer", (), {"status": 204})()

    def get(self, service: str, path: str) -> Any:
        return type("Answer", (), {"status": 404 if path in self.deleted else 200})()


def test_what_outlives_a_check_is_deleted_last_and_in_reverse_order() -> None:
    person: Any = Gone()
    resources = Resources("t")
    for path in ("/a", "/b"):
        resources.remember(person, "compute", path, path)
    resources.keep_since(0)
    resources.remember(person, "compute", "/c", "/c")
    assert resources.delete_since(0) == []
    assert person.deleted == ["/c"]
    assert resources.delete_all() == []
    assert person.deleted == ["/c", "/b", "/a"]
    assert not resources.made and not resources.lasting


@pytest.mark.parametrize(("wanted", "found"), [("", ["private"]), ("conformance-1-network", ["conformance-1-network"]), ("absent", [])])
def test_what_a_run_has_made_is_not_taken_for_the_clouds_own(wanted: str, found: list[str]) -> None:
    things = [{"id": "1", "name": "conformance-1-network"}, {"id": "2", "name": "private"}]
    assert [thing["name"] for thing in _chosen(things, wanted)] == found
