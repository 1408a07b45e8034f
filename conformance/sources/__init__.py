"""Where evidence comes from: one module per kind, each of which turns what a cloud shows into facts.

A source listens from `open` on; `facts` gives what it has of some requests and servers; what it cannot reach it says in one sentence
(`SourceError`), and the run goes on without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from conformance.evidence import Fact

KINDS = {  # by the name that --evidence takes
    "facts": "conformance.sources.facts:FactsSource",
    "amqp": "conformance.sources.amqp:AmqpSource",
    "notifications": "conformance.sources.notifications:NotificationsSource",
    "osprofiler": "conformance.sources.osprofiler:OsprofilerSource",
    "logs": "conformance.sources.logs:LogsSource",
    "admin": "conformance.sources.admin:AdminSource",
}


class SourceError(Exception):
    """A source that cannot be used; the message is one sentence."""


class Source(Protocol):
    """`shows`: kinds of facts that it shows completely, so that the absence of one means that it did not happen.

    `tells`: kinds of which it shows some, as far as the cloud is set up for it.
    """

    name: str
    shows: frozenset[str]
    tells: frozenset[str]

    def open(self) -> None: ...

    def headers(self) -> Mapping[str, str]:
        """What a launch has to carry so that this source sees it."""
        ...

    def facts(self, request_ids: Iterable[str], server_ids: Iterable[str]) -> list[Fact]:
        """What belongs to these requests and servers, and what cannot be told apart from it."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Traced(Protocol):
    """A source that finds a request by the headers it was sent with."""

    def sent(self, headers: Mapping[str, str], request_id: str) -> None: ...


def make_source(kind: str, where: Mapping[str, Any], cloud: Any) -> Source:
    """A source by its kind and what its announcement (or the option `KIND=WHERE`) says of it. Raises SourceError."""
    if kind not in KINDS:
        raise SourceError(f"there is no evidence source {kind!r}: choose of {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    try:
        source: Source = getattr(importlib.import_module(module), name)(where, cloud)
    except ImportError as error:
        raise SourceError(f"the evidence source {kind} needs a library that is not installed: {error.name}") from error
    return source
