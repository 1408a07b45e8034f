"""Patterns that users give, matched in time that grows with the text alone: none of them can hold the cloud.

Python's `re` tries all ways, and some patterns have more of them than a lifetime is long. The engine here has no look-around and
no back-references, and refuses a pattern that would take too much room.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jsonschema_rs

LINEAR = jsonschema_rs.RegexOptions()


class BadPattern(ValueError):
    """No pattern of this engine's."""


@functools.lru_cache(maxsize=256)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text has the pattern somewhere in it. Raises BadPattern."""
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=LINEAR).is_valid
    except (ValueError, jsonschema_rs.ValidationError):
        raise BadPattern(f"'{pattern}' is not a 'regex'") from None


def regexp(pattern: str, text: str | None) -> bool | None:
    """SQL's `text REGEXP pattern`."""
    return None if text is None else matcher(pattern)(text)
