"""libvirt in a process of its own, one for each compute host: `python -P libvirt_process.py URI FOLDER STAYING`.

Reads calls as JSON lines from its standard input, a socket, and writes answers and events there: {"id", "call", "arguments"},
{"id", "result"} or {"id", "error": {"code", "message"}}, {"event", "guest_id"}. libvirt's QEMU driver allows one connection of
the embedded kind in a process, wants an event loop in another thread, and blocks: none of that is the cloud's business.

The guests of a host are those domains that have a folder in FOLDER. When the socket ends they go, with their folders, unless STAYING.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libvirt

Json = dict[str, Any]
PR_SET_CHILD_SUBREAPER = 36
WORKERS = 4  # calls at the same time: one that hangs does not stop the others
STOPPED_ALREADY = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
FORGET = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
CONFIG = (
    'security_driver = "none"\nremember_owner = 0\ncgroup_controllers = []\nnamespaces = []\nstdio_handler = "file"\n'
    'user = "+{uid}"\ngroup = "+{gid}"\n'
)


class Domains:
    """Every public method is a call. Errors are libvirt's own."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._folder = folder
        self._connection = libvirt.open(uri)

    def watch(self, tell: Any) -> None:
        """`tell(guest_id)` whenever a guest's power may have changed: once at the start too, for what nobody was there to see."""

        def changed(connection: Any, domain: Any, event: int, detail: int, opaque: Any) -> None:
            tell(domain.UUIDString())

        self._connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, changed, None)
        for guest_id, *_ in self.states():
            tell(guest_id)

    def version(self) -> int:
        return int(self._connection.getVersion())

    def states(self) -> list[list[Any]]:
        """[guest's id, libvirt's state, whether its memory is saved]"""
        found = []
        for domain in self._connection.listAllDomains():
            if (self._folder / domain.UUIDString()).is_dir():
                try:
                    found.append([domain.UUIDString(), domain.state()[0], bool(domain.hasManagedSaveImage())])
                except libvirt.libvirtError as error:
                    if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # it went while we looked
                        raise
        return found

    def spawn(self, xml: str) -> None:
        domain = self._connection.defineXML(xml)
        try:
            domain.create()
        except libvirt.libvirtError:
            domain.undefine()
            raise

    def start(self, guest_id: str) -> None:
        domain = self._domain(guest_id)
        if not domain.isActive():
            domain.create()

    def shutdown(self, guest_id: str) -> None:
        """The guest is asked, by ACPI."""
        _unless_off(self._domain(guest_id).shutdown)

    def stop(self, guest_id: str) -> None:
        """At once; memory that was saved is forgotten."""
        domain = self._domain(guest_id)
        _unless_off(domain.destroy)
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove()

    def pause(self, guest_id: str) -> None:
        self._domain(guest_id).suspend()

    def unpause(self, guest_id: str) -> None:
        self._domain(guest_id).resume()

    def save(self, guest_id: str) -> None:
        """The guest's memory goes to a file; the next start has it again."""
        domain = self._domain(guest_id)
        if domain.isActive():
            domain.managedSave()

    def remove(self, guest_id: str) -> None:
        domain = self._domain(guest_id)
        _unless_off(domain.destroy)
        domain.undefineFlags(FORGET)

    def describe(self, guest_id: str) -> str:
        return str(self._domain(guest_id).XMLDesc())

    def attach(self, guest_id: str, xml: str) -> None:
        domain = self._domain(guest_id)
        domain.attachDeviceFlags(xml, _everywhere(domain))

    def detach(self, guest_id: str, xml: str) -> None:
        """A running guest is only asked: it has let go when its description no longer has the device."""
        domain = self._domain(guest_id)
        domain.detachDeviceFlags(xml, _everywhere(domain))

    def detach_running(self, guest_id: str, xml: str) -> None:
        """Asks once more."""
        self._domain(guest_id).detachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _domain(self, guest_id: str) -> Any:
        return self._connection.lookupByUUIDString(guest_id)


def _everywhere(domain: Any) -> int:
    running = libvirt.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else 0
    return int(libvirt.VIR_DOMAIN_AFFECT_CONFIG | running)


def _unless_off(act: Any) -> None:
    try:
        act()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in STOPPED_ALREADY:
            raise


class Service:
    """Calls from a socket, answers to it."""

    def __init__(self, connected: socket.socket, domains: Domains) -> None:
        self._socket, self._domains = connected, domains
        self._writing = threading.Lock()

    def serve(self) -> None:
        """Until the other side hangs up."""
        self._domains.watch(lambda guest_id: self._write({"event": "lifecycle", "guest_id": guest_id}))
        with ThreadPoolExecutor(WORKERS) as pool:
            for line in self._socket.makefile("rb"):
                pool.submit(self._answer, json.loads(line))

    def _answer(self, message: Json) -> None:
        try:
            said: Json = {"result": getattr(self._domains, message["call"])(*message["arguments"])}
        except libvirt.libvirtError as error:
            said = {"error": {"code": error.get_error_code(), "message": str(error)}}
        except Exception as error:
            said = {"error": {"code": 0, "message": f"{type(error).__name__}: {error}"}}
        self._write({"id": message["id"], **said})

    def refuse(self, error: Exception) -> None:
        """There is no connection: the first answer says why, whatever is asked."""
        self._write({"event": "refused", "message": str(error)})

    def _write(self, message: Json) -> None:
        with self._writing:
            try:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
            except OSError:  # nobody is there to hear it
                return


def main() -> int:
    uri, folder, staying = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "staying"
    _reap_orphans()
    connected = socket.socket(fileno=os.dup(0))
    libvirt.registerErrorHandler(lambda *_: None, None)
    _run_events()
    try:
        _configure(uri)
        domains = Domains(uri, folder)
    except (libvirt.libvirtError, OSError) as error:
        Service(connected, None).refuse(error)  # type: ignore[arg-type]
        return 1
    Service(connected, domains).serve()
    if not staying:
        for guest_id, *_ in domains.states():
            domains.remove(guest_id)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _reap_orphans() -> None:
    """QEMU runs as a daemon, and libvirt waits for it to vanish: where process 1 is slow to reap, that takes seconds each time.

    So this process adopts and reaps them, and its child does the work.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        return
    os.close(0)
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 255)


def _run_events() -> None:
    """Before the connection is opened, as libvirt's embedded driver wants it."""
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, daemon=True).start()


def _configure(uri: str) -> None:
    """The embedded driver reads its settings from its own folder."""
    kind, _, root = uri.partition("?root=")
    if kind == "qemu:///embed":
        settings = Path(root) / "etc" / "qemu.conf"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(CONFIG.format(uid=os.geteuid(), gid=os.getegid()))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # libvirt's own threads do not end
