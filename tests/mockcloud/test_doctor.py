"""What `mockcloud doctor` says of this machine, and of a bare one."""

from __future__ import annotations

import pytest

from mockcloud import doctor
from mockcloud.__main__ import main
from mockcloud.compute.drivers import acceleration
from tests import hypervisor


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = tuple(doctor.Need(need.name, need.purpose, lambda: False, need.command) for need in doctor.NEEDS)
    monkeypatch.setattr(doctor, "NEEDS", needs)
    monkeypatch.setenv("PATH", "")


def test_a_bare_machine_is_told_every_command(bare: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert all(need.name in said and need.command in said for need in doctor.NEEDS)
    assert "pip install 'mockcloud[libvirt]'" in said and "here" not in said.split()


def test_a_machine_that_has_everything_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "NEEDS", tuple(doctor.Need(n.name, n.purpose, lambda: True, n.command) for n in doctor.NEEDS))
    monkeypatch.setattr(acceleration, "works", lambda accelerator, limit=0.0: accelerator == "tcg")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "mockcloud up --driver libvirt" in said and "translated code" in said


def test_without_qemu_nothing_accelerates(bare: None) -> None:
    assert not acceleration.works("tcg") and acceleration.virt_type("auto") == "qemu"


@pytest.mark.parametrize("wanted", ["kvm", "qemu"])
def test_what_the_settings_say_is_not_probed(bare: None, wanted: str) -> None:
    assert acceleration.virt_type(wanted) == wanted


@pytest.mark.parametrize("works,found", [(True, "kvm"), (False, "qemu")])
def test_the_probe_decides_and_nothing_else(monkeypatch: pytest.MonkeyPatch, works: bool, found: str) -> None:
    monkeypatch.setattr(acceleration, "works", lambda accelerator: works)
    assert acceleration.virt_type("auto") == found


def test_a_guest_of_one_sector_speaks_in_time() -> None:
    if why := hypervisor.missing():
        pytest.skip(why)
    assert acceleration.works("tcg", limit=60.0)
    assert not acceleration.works("tcg", limit=0.0)
    assert not acceleration.works("no-such-accelerator", limit=60.0)
