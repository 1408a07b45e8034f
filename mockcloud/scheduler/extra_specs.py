"""The little language of a flavor's extra specs: `>= 4`, `s== x86_64`, `<in> avx`, `<or> kvm <or> qemu`."""

from __future__ import annotations

import operator
from collections.abc import Callable

_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge,  # a number must be at least as large: nova's oldest operator
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_STRINGS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
}


def match(value: str, requirement: str) -> bool:
    """Whether a host's value meets the requirement; one without an operator is met by the same text."""
    words = requirement.split()
    if not words:
        return value == requirement
    name, rest = words[0], words[1:]
    if name == "<or>":
        return value in rest[::2]
    if name not in _NUMBERS and name not in _STRINGS and name not in ("<in>", "<all-in>"):
        return value == requirement
    if not rest:
        return False
    if name in _NUMBERS:
        return _compare(_NUMBERS[name], value, rest[0])
    if name in _STRINGS:
        return _STRINGS[name](value, rest[0])
    return all(word in value for word in (rest if name == "<all-in>" else rest[:1]))


def _compare(operation: Callable[[float, float], bool], value: str, wanted: str) -> bool:
    try:
        return operation(float(value), float(wanted))
    except ValueError:
        return False
