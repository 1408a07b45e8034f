"""What the suite makes on a cloud: under names of its own, and taken away again in reverse order, whatever happens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.client import Exchange, Person
from conformance.registry import Broken

PREFIX = "conformance-"  # of all names that any run gives
DELETED_WITHIN = 60.0  # seconds, by default
READY_WITHIN = 120.0
TRIES_OF_DELETION = 5  # a port or volume that a server still holds is refused for a moment


@dataclass(frozen=True)
class Made:
    """One resource: `path` is where it is shown and deleted."""

    person: Person
    service: str
    path: str
    what: str


class Resources:
    """Makes things and remembers them."""

    def __init__(self, prefix: str = "", patience: float = DELETED_WITHIN) -> None:
        """`patience`: seconds to wait for one thing to be gone."""
        self.patience = patience
        self.prefix = prefix or f"{PREFIX}{secrets.token_hex(3)}"
        self.made: list[Made] = []
        self.lasting: list[Made] = []  # until the run is over

    def name(self, what: str) -> str:
        return f"{self.prefix}-{what}-{secrets.token_hex(2)}"

    def remember(self, person: Person, service: str, path: str, what: str) -> None:
        self.made.append(Made(person, service, path, what))

    def forget(self, path: str) -> None:
        """Of something that is known to be gone."""
        self.made = [made for made in self.made if made.path != path]
        self.lasting = [made for made in self.lasting if made.path != path]

    def keep_since(self, mark: int) -> None:
        """What was made after `len(made)` was `mark` outlives the check that asked for it first."""
        self.lasting += self.made[mark:]
        del self.made[mark:]

    def create(
        self, person: Person, service: str, path: str, kind: str, body: dict[str, Any], *, key: str = "id", version: str | None = None
    ) -> dict[str, Any]:
        """POSTs `{kind: body}` (glance takes the body bare) and gives what was made. Raises Broken when the cloud refuses."""
        answer = person.post(service, path, json=body if service == "image" else {kind: body}, version=version)
        if answer.status not in (200, 201, 202):
            raise Broken(f"the {person.role} cannot make a {kind}: {answer}")
        made: dict[str, Any] = answer.body if service == "image" else answer.body[kind]
        self.remember(person, service, f"{path}/{made[key]}", f"{kind} {made[key]}")
        return made

    # what launches need

    def volume(self, person: Person, size: int = 1, **more: Any) -> str:
        """An available volume's id."""
        made = self.create(person, "volume", "/volumes", "volume", {"size": size, "name": self.name("volume"), **more})
        path = f"/volumes/{made['id']}"
        wait_for(lambda: person.get("volume", path), lambda shown: shown.body["volume"]["status"] == "available", READY_WITHIN,
                 "the volume becomes available", lambda shown: str(shown.body["volume"]["status"]).startswith("error"))  # fmt: skip
        return str(made["id"])

    def image(self, person: Person, content: bytes = b"\0" * 4096, **fields: Any) -> str:
        """An active, private image's id; with `content=b""` it stays queued."""
        body = {"name": self.name("image"), "disk_format": "raw", "container_format": "bare", "visibility": "private", **fields}
        made = self.create(person, "image", "/images", "image", body)
        if content:
            sent = person.put("image", f"/images/{made['id']}/file", data=content, headers={"Content-Type": "application/octet-stream"})
            if sent.status != 204:
                raise Broken(f"the image's data is refused: {sent}")
        return str(made["id"])

    def port(self, person: Person, network_id: str, **fields: Any) -> dict[str, Any]:
        return self.create(person, "network", "/ports", "port", {"network_id": network_id, "name": self.name("port"), **fields})

    def network(self, person: Person, cidr: str = "192.0.2.0/24", **subnet: Any) -> str:
        """A network with one subnet of its own, without gateway and DHCP; its id."""
        made = self.create(person, "network", "/networks", "network", {"name": self.name("network")})
        body = {"network_id": made["id"], "cidr": cidr, "ip_version": 4, "gateway_ip": None, "enable_dhcp": False, **subnet}
        self.create(person, "network", "/subnets", "subnet", {"name": self.name("subnet"), **body})
        return str(made["id"])

    def security_group(self, person: Person) -> dict[str, Any]:
        return self.create(person, "network", "/security-groups", "security_group", {"name": self.name("group")})

    def server_group(self, person: Person, policy: str) -> str:
        body = {"name": self.name("servers"), "policies": [policy]}
        return str(self.create(person, "compute", "/os-server-groups", "server_group", body)["id"])

    def keypair(self, person: Person) -> str:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519

        public = ed25519.Ed25519PrivateKey.generate().public_key()
        text = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
        body = {"name": self.name("key"), "public_key": text}
        return str(self.create(person, "compute", "/os-keypairs", "keypair", body, key="name")["name"])

    def flavor(self, admin: Person, *, vcpus: int = 1, ram: int = 64, disk: int = 1, **more: Any) -> str:
        body = {"name": self.name("flavor"), "vcpus": vcpus, "ram": ram, "disk": disk, **more}
        return str(self.create(admin, "compute", "/flavors", "flavor", body)["id"])

    # taking away

    def delete(self, made: Made) -> str:
        """Deletes one thing and waits until it is gone; says why it is not, if it is not."""
        deadline = time.monotonic() + self.patience
        answer: Exchange | None = None
        for _ in range(TRIES_OF_DELETION):
            answer = made.person.delete(made.service, made.path)
            if answer.status != 409 and answer.status != 400:
                break
            time.sleep(0.2)
        pause = 0.02
        while time.monotonic() < deadline:
            shown = made.person.get(made.service, made.path)
            if shown.status in (404, 410):
                self.made = [other for other in self.made if other is not made]
                self.lasting = [other for other in self.lasting if other is not made]
                return ""
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
        return f"{made.what} is still there {self.patience:.0f} s after its deletion was answered with {answer.status if answer else '?'}"

    def delete_since(self, mark: int) -> list[str]:
        """Takes away all that was made after `len(made)` was `mark`, the last first; what stays is named."""
        return self._delete_each(self.made[mark:])

    def delete_all(self) -> list[str]:
        return self._delete_each(self.made) + self._delete_each(self.lasting)

    def _delete_each(self, things: list[Made]) -> list[str]:
        left = []
        for made in reversed(things):
            try:
                problem = self.delete(made)
            except Exception as error:  # whatever goes wrong with one thing, the others are taken away too
                problem = f"{made.what} could not be deleted: {error}"
            if problem:
                left.append(problem)
        return left


def wait_for(
    look: Callable[[], Exchange],
    reached: Callable[[Exchange], bool],
    seconds: float,
    what: str,
    hopeless: Callable[[Exchange], bool] = lambda shown: False,
) -> Exchange:
    """Looks again and again, ever slower. Raises Broken after `seconds`, or when it cannot come any more."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        shown = look()
        if shown.status < 400 and reached(shown):
            return shown
        if time.monotonic() > deadline or (shown.status < 400 and hopeless(shown)):
            raise Broken(f"it was waited for that {what}, in vain: {shown}")
        time.sleep(pause)
        pause = min(pause * 1.4, 1.0)
