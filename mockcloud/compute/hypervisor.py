"""The driver behind its seam: every call to the hypervisor is a fact, and a missing ability says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

from mockcloud.compute.drivers.base import (
    Capacity,
    Device,
    Diagnoses,
    Driver,
    Events,
    Guest,
    InstanceNotFound,
    Moves,
    Passwords,
    Power,
    PowerState,
    Rescues,
    Snapshots,
)
from mockcloud.trace import record_driver_call

T = TypeVar("T")
Json = dict[str, Any]


class Hypervisor:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def run(self, name: str, guest_id: str, act: Awaitable[T]) -> T:
        """`act` as the call `name` about a guest."""
        async with record_driver_call(name, instance_uuid=guest_id):
            return await act

    async def capacity(self) -> Capacity:
        return await self.run("capacity", "", self._driver.capacity())

    async def power_states(self) -> dict[str, PowerState]:
        return dict(await self.run("guests", "", self._driver.guests()))

    async def power_state(self, guest_id: str) -> PowerState:
        """NOSTATE when there is no such guest."""
        return (await self.power_states()).get(guest_id, PowerState.NOSTATE)

    async def spawn(self, guest: Guest) -> None:
        await self.run("spawn", guest.id, self._driver.spawn(guest))

    async def destroy(self, guest_id: str) -> None:
        await self.run("destroy", guest_id, self._driver.destroy(guest_id))

    async def power(self, guest_id: str, action: Power) -> None:
        await self.run(action.value, guest_id, self._driver.power(guest_id, action))

    async def attach(self, guest_id: str, device: Device) -> None:
        await self.run("attach", guest_id, self._driver.attach(guest_id, device))

    async def detach(self, guest_id: str, device_id: str) -> None:
        """No such guest has no such device."""
        try:
            await self.run("detach", guest_id, self._driver.detach(guest_id, device_id))
        except InstanceNotFound:
            return

    async def console_output(self, guest_id: str) -> str:
        return await self.run("console_output", guest_id, self._driver.console_output(guest_id))

    # abilities

    async def disk_data(self, guest_id: str) -> AsyncIterator[bytes]:
        return await self.run("disk_data", guest_id, self._able(Snapshots).disk_data(guest_id))

    async def diagnostics(self, guest_id: str) -> Json:
        return await self.run("diagnostics", guest_id, self._able(Diagnoses).diagnostics(guest_id))

    async def set_admin_password(self, guest_id: str, password: str) -> None:
        await self.run("set_admin_password", guest_id, self._able(Passwords).set_admin_password(guest_id, password))

    async def rescue(self, guest: Guest) -> None:
        await self.run("rescue", guest.id, self._able(Rescues).rescue(guest))

    async def unrescue(self, guest_id: str) -> None:
        await self.run("unrescue", guest_id, self._able(Rescues).unrescue(guest_id))

    async def set_aside(self, guest_id: str) -> Json:
        return await self.run("set_aside", guest_id, self._able(Moves).set_aside(guest_id))

    async def move_in(self, guest: Guest, disk: Json) -> None:
        await self.run("move_in", guest.id, self._able(Moves).move_in(guest, disk))

    async def drop_aside(self, guest_id: str) -> None:
        """A driver that sets nothing aside has nothing there."""
        if isinstance(self._driver, Moves):
            await self.run("drop_aside", guest_id, self._driver.drop_aside(guest_id))

    async def changed(self) -> set[str]:
        """Guests whose power may have changed; a driver that does not tell of it keeps one waiting for ever. Nothing is asked, no fact."""
        if isinstance(self._driver, Events):
            return await self._driver.changed()
        never: asyncio.Future[set[str]] = asyncio.get_running_loop().create_future()
        return await never

    async def take_back(self, guest_id: str) -> None:
        await self.run("take_back", guest_id, self._able(Moves).take_back(guest_id))

    def _able(self, ability: Any) -> Any:
        """The driver as one that has an optional ability."""
        if not isinstance(self._driver, ability):
            raise NotImplementedError(f"The hypervisor's driver has no {ability.__name__.lower()}.")
        return self._driver


def instance_name(instance: dict[str, Any]) -> str:
    """nova's default template: instance-%08x of the row's number."""
    return f"instance-{instance['id']:08x}"
