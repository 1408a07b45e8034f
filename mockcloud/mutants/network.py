"""Faulty neutrons, and computes that make light of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockcloud.compute import network
from mockcloud.compute.build import Builds
from mockcloud.compute.errors import NetworkRefused
from mockcloud.compute.network import Networks, Port
from mockcloud.context import RequestContext
from mockcloud.mutants import Patch, mutant
from mockcloud.mutants.tokens import asks_nobody, looks_at_nothing
from mockcloud.neutron import access
from mockcloud.nova import views

Json = dict[str, Any]


def no_strays_seen(patch: Patch) -> None:
    """The compute takes its ports for the only ones."""

    async def confirm(self: Networks, ctx: RequestContext, server_id: str, ports: Sequence[Port]) -> list[Port]:
        now = {port["id"]: port for port in await self.ports_of(ctx, server_id)}
        return [Port(now.get(port.body["id"], port.body), port.given, port.tag) for port in ports]

    patch.replace(Networks, "confirm", confirm)


@mutant("M88", 22, "the network is allocated twice, and one port leaks", ["S22.C1"], "B")
def allocated_twice(patch: Patch) -> None:
    def around(add_port: Any) -> Any:
        async def added(self: Networks, ctx: RequestContext, server: Json, entry: Json, groups: list[str] | None = None) -> Port:
            if not entry.get("port_id"):
                await add_port(self, ctx, server, entry, groups)
            return await add_port(self, ctx, server, entry, groups)  # type: ignore[no-any-return]

        return added

    patch.wrap(Networks, "add_port", around)
    no_strays_seen(patch)


@mutant("M89", 22, "a port that is given is not used: a new one is made", ["S22.C2"], "B")
def given_port_unused(patch: Patch) -> None:
    def around(add_port: Any) -> Any:
        async def added(self: Networks, ctx: RequestContext, server: Json, entry: Json, groups: list[str] | None = None) -> Port:
            if entry.get("port_id"):
                port = await self._given(ctx, entry["port_id"], server["uuid"])
                entry = {"network_id": port["network_id"]}
            return await add_port(self, ctx, server, entry, groups)  # type: ignore[no-any-return]

        return added

    patch.wrap(Networks, "add_port", around)


@mutant("M91", 22, "ports stay behind when the build fails", ["S22.C4", "S24.C3", "S28.C5"], "B")
def ports_stay(patch: Patch) -> None:
    async def keep(self: Builds, ctx: RequestContext, launch: Any) -> None:
        pass

    patch.replace(Builds, "_release_network", keep)


@mutant("M173", 22, "the address that is asked for is not heeded", ["S22.C3"], "B")
def any_address(patch: Patch) -> None:
    def around(create: Any) -> Any:
        async def created(self: Networks, ctx: RequestContext, server: Json, entry: Json, groups: list[str] | None) -> Json:
            return await create(self, ctx, server, {**entry, "fixed_ip": None}, groups)  # type: ignore[no-any-return]

        return created

    patch.wrap(Networks, "_create", around)


@mutant("M174", 22, "a server that can have no address runs without one", ["S22.C4"], "B")
def runs_without_address(patch: Patch) -> None:
    def around(allocate: Any) -> Any:
        async def allocated(self: Networks, ctx: RequestContext, server: Json, asked: network.Asked) -> list[Port]:
            try:
                return await allocate(self, ctx, server, asked)  # type: ignore[no-any-return]
            except NetworkRefused:
                return []

        return allocated

    patch.wrap(Networks, "allocate", around)


@mutant("M92", 22, "a server that asks for no network gets a port", ["S22.C5"], "B")
def none_is_some(patch: Patch) -> None:
    def around(entries: Any) -> Any:
        async def found(self: Networks, ctx: RequestContext, server: Json, asked: network.Asked) -> list[Json]:
            return await entries(self, ctx, server, None if asked == "none" else asked)  # type: ignore[no-any-return]

        return found

    patch.wrap(Networks, "_entries", around)


@mutant("M175", 22, "the security groups that are asked for are not heeded", ["S22.C6"], "B")
def groups_unheeded(patch: Patch) -> None:
    async def usual(self: Networks, ctx: RequestContext, server: Json) -> None:
        return None

    patch.replace(Networks, "_group_ids", usual)


@mutant("M93", 23, "neutron does not validate tokens", ["S23.C1"], "B")
def neutron_looks_at_nothing(patch: Patch) -> None:
    looks_at_nothing(patch, "neutron")


@mutant("M94", 23, "a member may bind a port to a host, and use another project's network", ["S23.C2", "S23.C3"], "B2")
def everybody_may(patch: Patch) -> None:
    patch.replace(access, "enforce", lambda ctx, rule, target, guarded=None: None)


@mutant("M95", 23, "neutron never asks keystone: it accepts revoked tokens", ["S23.C4", "S23.C1"], "B")
def neutron_asks_nobody(patch: Patch) -> None:
    asks_nobody(patch, "neutron")


@mutant("M177", 24, "servers show addresses with another MAC than their ports'", ["S24.C1"], "B")
def other_mac(patch: Patch) -> None:
    def around(addresses: Any) -> Any:
        def shown(network_info: Sequence[Json], extended: bool = True) -> Json:
            return addresses([{**vif, "address": "fa:16:3e:00:00:00"} for vif in network_info], extended)  # type: ignore[no-any-return]

        return shown

    patch.wrap(views, "addresses", around)


@mutant("M97", 24, "the port is bound to another host, and says of no device_owner", ["S24.C2"], "B")
def bound_elsewhere(patch: Patch) -> None:
    def around(own: Any) -> Any:
        async def sent(self: Networks, ctx: RequestContext, method: str, path: str, missing_ok: bool = False, **options: Any) -> Json:
            port = (options.get("json") or {}).get("port", {})
            if port.get("device_owner"):
                options["json"] = {"port": {**port, "device_owner": ""}}
            return await own(self, ctx, method, path, missing_ok, **options)  # type: ignore[no-any-return]

        return sent

    patch.wrap(Networks, "_own", around)


@mutant("M98", 24, "a binding that failed is not noticed", ["S24.C3"], "H")
def binding_unnoticed(patch: Patch) -> None:
    class Never(Exception):
        def __init__(self, port_id: str) -> None:
            super().__init__(port_id)

    def around(bind: Any) -> Any:
        async def bound(self: Networks, ctx: RequestContext, port_id: str, server: Json) -> Json:
            try:
                return await bind(self, ctx, port_id, server)  # type: ignore[no-any-return]
            except Never:
                port: Json = (await self._own(ctx, "GET", f"/v2.0/ports/{port_id}"))["port"]
                return port

        return bound

    patch.replace(network, "PortBindingFailed", Never)
    patch.wrap(Networks, "bind", around)


@mutant("M184", 24, "a server is told the network of the one before it on the same host", ["S24.C4", "S28.C9"], "B")
def network_of_another(patch: Patch) -> None:
    last: dict[str, list[Json]] = {}

    def around(describe: Any) -> Any:
        async def described(self: Networks, ctx: RequestContext, ports: Sequence[Port]) -> list[Json]:
            mine: list[Json] = await describe(self, ctx, ports)
            before, last[self._host] = last.get(self._host), mine
            return before if before and mine else mine

        return described

    patch.wrap(Networks, "describe", around)
