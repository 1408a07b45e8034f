"""Whether a host can run what an image's properties ask: architecture, hypervisor and its version, virtual machine mode."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

_ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "x86": "i686", "i386": "i686", "i486": "i686", "i586": "i686"}
_MODES = {"pv": "xen", "hv": "hvm", "baremetal": "hvm"}
_NAMES = {  # property and its older name -> how its spellings are told apart
    ("hw_architecture", "architecture"): _ARCHITECTURES,
    ("img_hv_type", "hypervisor_type"): {"xapi": "xen"},
    ("hw_vm_mode", "vm_mode"): _MODES,
}
_COMPARE = {"<": operator.lt, "<=": operator.le, "==": operator.eq, ">": operator.gt, ">=": operator.ge, "!=": operator.ne}
_PREDICATE = re.compile(r"^\s*(<=|>=|<|>|==|!=)\s*([\d.]+)\s*$")


def unsupported(properties: Mapping[str, Any], supported: Sequence[Sequence[str]], version: int) -> str | None:
    """What stands against it, or None. `supported` lists [architecture, hypervisor, mode] triples."""
    asked = [value for names, spellings in _NAMES.items() if (value := _asked(properties, names, spellings))]
    if not asked:
        return None
    if not any(set(asked) <= set(triple) for triple in supported):
        return f"supports no {', '.join(asked)}"
    wanted = properties.get("img_hv_requested_version") or properties.get("hypervisor_version_requires")
    if wanted and version and not _version_fits(str(wanted), version):
        return f"hypervisor version {_version_text(version)} is not {wanted}"
    return None


def _asked(properties: Mapping[str, Any], names: tuple[str, str], spellings: Mapping[str, str]) -> str | None:
    value = next((properties[name] for name in names if properties.get(name)), None)
    return None if value is None else spellings.get(str(value).lower(), str(value).lower())


def _version_fits(predicates: str, version: int) -> bool:
    """`>=6.0, <7.0` against nova's number for 6.2.3, 6002003."""
    for predicate in predicates.split(","):
        found = _PREDICATE.match(predicate)
        if found is None:
            return False
        numbers = [int(part) for part in found[2].split(".") if part]
        wanted = sum(part * factor for part, factor in zip(numbers, (1_000_000, 1_000, 1), strict=False))
        if not _COMPARE[found[1]](version, wanted):
            return False
    return True


def _version_text(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}.{version % 1_000}"
