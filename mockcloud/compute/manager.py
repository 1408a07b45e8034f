"""nova-compute: runs the servers of one host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mockcloud.component import Component
from mockcloud.compute.build import Builds
from mockcloud.compute.build_cells import CellBuilds
from mockcloud.compute.drivers.base import Driver
from mockcloud.compute.host import Host
from mockcloud.compute.plugging import Plugging
from mockcloud.compute.power import PowerChanges
from mockcloud.compute.rebuilding import Rebuilding
from mockcloud.compute.recovery import Recovery
from mockcloud.compute.resize import Resizes
from mockcloud.compute.termination import Terminations

Method = Callable[..., Awaitable[Any]]


class ComputeManager:
    """The endpoint of topic `compute.<host>` (docs/rpc.md has the contract): a table of its methods.

    `run_instance` is what classic sends, `build_and_run_instance` what cells_v2 does; the others are the same in both.

    `tasks` run beside it.
    """

    def __init__(self, component: Component, driver: Driver) -> None:
        self.host = host = Host(component, driver)

        builds = Builds(host)
        self.run_instance: Method = builds.run_instance
        self.build_and_run_instance: Method = CellBuilds(host).build_and_run_instance

        terminations = Terminations(host)
        self.terminate_instance: Method = terminations.terminate_instance
        self.drop_resize: Method = terminations.drop_resize

        power = PowerChanges(host)
        self.start_instance: Method = power.method("start_instance")
        self.stop_instance: Method = power.method("stop_instance")
        self.pause_instance: Method = power.method("pause_instance")
        self.unpause_instance: Method = power.method("unpause_instance")
        self.suspend_instance: Method = power.method("suspend_instance")
        self.resume_instance: Method = power.method("resume_instance")
        self.reboot_instance: Method = power.reboot_instance

        rebuilding = Rebuilding(host)
        self.rebuild_instance: Method = rebuilding.rebuild_instance
        self.rescue_instance: Method = rebuilding.rescue_instance
        self.unrescue_instance: Method = rebuilding.unrescue_instance
        self.snapshot_instance: Method = rebuilding.snapshot_instance
        self.set_admin_password: Method = rebuilding.set_admin_password
        self.get_console_output: Method = rebuilding.get_console_output
        self.get_diagnostics: Method = rebuilding.get_diagnostics

        resizes = Resizes(host)
        self.prep_resize: Method = resizes.prep_resize
        self.resize_instance: Method = resizes.resize_instance
        self.finish_resize: Method = resizes.finish_resize
        self.confirm_resize: Method = resizes.confirm_resize
        self.revert_resize: Method = resizes.revert_resize
        self.finish_revert_resize: Method = resizes.finish_revert_resize

        plugging = Plugging(host)
        self.attach_volume: Method = plugging.attach_volume
        self.detach_volume: Method = plugging.detach_volume
        self.attach_interface: Method = plugging.attach_interface
        self.detach_interface: Method = plugging.detach_interface
        self.external_instance_event: Method = plugging.external_instance_event

        recovery = Recovery(host, terminations)
        self.tasks: list[Callable[[], Awaitable[None]]] = [
            host.report_state, recovery.recover, recovery.sync_power_states, recovery.hear_of_changes, recovery.reap_deleted,
        ]  # fmt: skip

    async def init_host(self) -> None:
        await self.host.register()
