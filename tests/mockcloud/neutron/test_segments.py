"""Provider segments."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.neutron import segments
from mockcloud.neutron.ipam import IpamError


def segment(kind: str | None, physical: str | None = None, number: int | None = None) -> dict[str, Any]:
    return {"network_type": kind, "physical_network": physical, "segmentation_id": number}


@pytest.mark.parametrize(("used", "found"), [([], 1), ([1, 2, 4], 3), ([2], 1)])
def test_the_lowest_free_number_is_taken(used: list[int], found: int) -> None:
    assert segments.number_for(segment("vxlan"), used) == found


def test_flat_and_local_networks_have_no_number() -> None:
    assert segments.number_for(segment("flat", "p"), []) is None
    assert segments.number_for(segment("local"), []) is None


def test_there_are_only_so_many_vlans() -> None:
    with pytest.raises(IpamError) as error:
        segments.number_for(segment("vlan", "p"), range(1, 4095))
    assert (error.value.kind, error.value.status) == ("NoNetworkAvailable", 503)


@pytest.mark.parametrize(
    "fine", [segment(None), segment("flat", "p"), segment("local"), segment("vlan"), segment("vlan", "p", 7), segment("gre", None, 9)]
)
def test_what_the_drivers_take(fine: dict[str, Any]) -> None:
    segments.check(fine)


@pytest.mark.parametrize(
    "wrong",
    [
        segment(None, "p"),
        segment("flat"),
        segment("flat", "p", 1),
        segment("local", "p"),
        segment("local", None, 1),
        segment("vlan", None, 1),
    ],
)
def test_what_the_drivers_do_not_take(wrong: dict[str, Any]) -> None:
    with pytest.raises(IpamError):
        segments.check(wrong)
