"""What a flavor takes of a host, and the question to placement that asks for it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from mockcloud.scheduler.spec import RequestSpec

CANDIDATES_LIMIT = 1000
DISABLED = "COMPUTE_STATUS_DISABLED"
_GROUPED = re.compile(r"^(resources|trait)([a-zA-Z0-9_-]{1,64})?:(.+)$")


def amounts(flavor: Mapping[str, Any], boots_from_volume: bool) -> dict[str, int]:
    """Resource classes that the flavor takes of the host itself; its extra specs `resources:CLASS` override, 0 removes."""
    disk = flavor.get("ephemeral_gb", 0) + -(-flavor.get("swap", 0) // 1024)
    if not boots_from_volume:
        disk += flavor.get("root_gb", 0)
    wanted = {"VCPU": flavor["vcpus"], "MEMORY_MB": flavor["memory_mb"], "DISK_GB": disk}
    asked = _granular(flavor.get("extra_specs") or {}, "resources")
    if any("PCPU" in classes for classes in asked.values()):
        wanted.pop("VCPU")
    for suffix, classes in asked.items():
        for name, value in classes.items():
            wanted.pop(name, None)
            if not suffix:
                wanted[name] = int(value)
    return {name: amount for name, amount in wanted.items() if amount}


def candidates_query(spec: RequestSpec, in_tree: str | None = None) -> dict[str, str]:
    """Parameters of `GET /allocation_candidates` (1.36). Disabled hosts carry a trait that is forbidden here."""
    extra_specs = spec.extra_specs
    query = {"limit": str(CANDIDATES_LIMIT), "root_required": f"!{DISABLED}"}
    query["resources"] = _pairs(amounts(spec.flavor, spec.boots_from_volume))
    for suffix, classes in _granular(extra_specs, "resources").items():
        if suffix:
            query[f"resources{suffix}"] = _pairs({name: int(value) for name, value in classes.items()})
    traits = _granular(extra_specs, "trait")
    for name, value in spec.image_properties.items():
        if name.startswith("trait:"):
            traits[""][name.removeprefix("trait:")] = value
    for suffix, names in traits.items():
        query[f"required{suffix}"] = ",".join(("" if value == "required" else "!") + name for name, value in sorted(names.items()))
    if policy := extra_specs.get("group_policy"):
        query["group_policy"] = policy
    if in_tree:
        query["in_tree"] = in_tree
    return query


def _granular(extra_specs: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """`resources1:VGPU=1` -> {"1": {"VGPU": "1"}}; without a number the suffix is empty."""
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, value in extra_specs.items():
        if (match := _GROUPED.match(key)) and match[1] == kind:
            groups[match[2] or ""][match[3]] = value
    return groups


def _pairs(classes: Mapping[str, int]) -> str:
    return ",".join(f"{name}:{amount}" for name, amount in sorted(classes.items()))
