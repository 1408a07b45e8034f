"""A cloud that lets the suite provoke faults: the small REST interface that its discovery document, or a hook, names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from conformance.http import session_for
from conformance.registry import Broken, Unsupported


class Control:
    """`base` has `/faults`, `/services/{name}`, `/workers/{name}`, `/clock` and `/facts` beneath it."""

    def __init__(self, base: str, timeout: float = 30.0) -> None:
        self.base = base.rstrip("/")
        self._http = session_for(base)
        self._timeout = timeout

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Raises Unsupported for 501: a hook of a real cloud may be able to stop a service, and not to spoil a step."""
        try:
            answer = self._http.request(method, self.base + path, timeout=self._timeout, **more)
        except requests.RequestException as error:
            raise Broken(f"the fault hook at {self.base} does not answer: {type(error).__name__}") from error
        if answer.status_code == 501:
            raise Unsupported(f"the fault hook of this cloud cannot {method} {path}")
        if not answer.ok:
            raise Broken(f"the fault hook refuses {method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None

    @contextmanager
    def fault(self, step: int, kind: str, when: str = "before", **options: Any) -> Iterator[None]:
        """kind: fail, delay, skip, duplicate, reorder, wrong_token, wrong_project. `request_id` narrows it to one request."""
        made = self.ask("POST", "/faults", json={"step": step, "kind": kind, "when": when, **options})
        try:
            yield
        finally:
            self._forget(f"/faults/{made['id']}")

    def _forget(self, path: str) -> None:
        try:
            self.ask("DELETE", path)
        except Broken as error:
            if " 404 " not in str(error):  # it struck as often as it should, and is gone
                raise

    @contextmanager
    def without_service(self, name: str) -> Iterator[None]:
        """A service (keystone, glance …) that does not answer for a while."""
        self.ask("PUT", f"/services/{name}", json={"up": False})
        try:
            yield
        finally:
            self.ask("PUT", f"/services/{name}", json={"up": True})

    @contextmanager
    def without_worker(self, name: str) -> Iterator[None]:
        """A worker (nova-scheduler, nova-compute.compute1 …) that is dead for a while."""
        self.stop_worker(name)
        try:
            yield
        finally:
            self.start_worker(name)

    def stop_worker(self, name: str) -> None:
        self.ask("PUT", f"/workers/{name}", json={"up": False})

    def start_worker(self, name: str) -> None:
        self.ask("PUT", f"/workers/{name}", json={"up": True})

    def workers(self) -> dict[str, bool]:
        return dict(self.ask("GET", "/health")["workers"])

    def corrupt_image(self, image_id: str) -> None:
        """The data that glance keeps of an image get another checksum."""
        self.ask("POST", f"/images/{image_id}/corrupt")

    def advance(self, seconds: float) -> None:
        """The cloud's own clock jumps: time-outs of its inside come at once."""
        self.ask("PUT", "/clock", json={"advance": seconds})

    @contextmanager
    def faster(self, speed: float) -> Iterator[None]:
        """The cloud's own clock runs faster."""
        before = self.ask("GET", "/clock")["speed"]
        self.ask("PUT", "/clock", json={"speed": speed})
        try:
            yield
        finally:
            self.ask("PUT", "/clock", json={"speed": before})
