"""The 28 steps of one launch, found among the facts that the seams recorded.

A pure function over facts: it never sees a signpost. Facts of one launch carry its request id, or the global one that it
sent on; a message is followed by its unique id, an answer by the id of its call, a REST call to its server by parenthood.
A step counts where it was seen behind the steps that it must follow. One that was not seen hides only what is part of the
same exchange.
"""

from __future__ import annotations

from collections.abc import Iterable

from mockcloud.evidence import cells, classic, shared
from mockcloud.evidence.launch import EVIDENCE, RULES, Launch, Sighting, boot_requests
from mockcloud.trace import Fact

__all__ = ["EVIDENCE", "RULES", "Sighting", "boot_requests", "cells", "classic", "shared", "sightings"]


def sightings(facts: Iterable[Fact], boot: Fact | None = None) -> dict[int, Sighting]:
    """The steps that were seen of one launch, by number; without `boot`, of the only or the last one."""
    launch = Launch(list(facts), boot)
    for number in launch.order:
        found = RULES[launch.dialect][number](launch)
        if found is not None:
            fact, at, seen = found
            launch.facts[number] = fact
            launch.seen[number] = Sighting(number, fact.id, at, seen)
    return dict(sorted(launch.seen.items()))
