"""Entries of the systemd journal, as `journalctl -o export` and `-o json` write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping


def journal_entries(data: bytes) -> Iterator[Mapping[str, str]]:
    """Entries of `journalctl -o export` or `-o json`."""
    if data.lstrip().startswith(b"{"):
        yield from filter(None, map(_json_entry, data.splitlines()))
    else:
        yield from _exported(data)


def is_journal(head: bytes) -> bool:
    return head.startswith((b"__CURSOR=", b"{")) and (b"__REALTIME_TIMESTAMP" in head or b"MESSAGE" in head)


def complete(data: bytes) -> bytes:
    """The part that ends with a whole entry."""
    end = b"\n" if data.lstrip().startswith(b"{") else b"\n\n"
    found = data.rfind(end)
    return data[: found + len(end)] if found >= 0 else b""


def _json_entry(line: bytes) -> Mapping[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(entry, dict):
        return {}
    return {key: _text(value) for key, value in entry.items()}


def _text(value: object) -> str:
    """The journal gives what is no UTF-8 as a list of bytes."""
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode(errors="replace")
    return str(value)


def _exported(data: bytes) -> Iterator[Mapping[str, str]]:
    """`KEY=VALUE`, or `KEY`, eight bytes of length and the value; an empty line ends an entry."""
    entry: dict[str, str] = {}
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        key, equals, value = data[at:end].partition(b"=")
        at = end + 1
        if key and not equals:
            size = int.from_bytes(data[at : at + 8], "little")
            value = data[at + 8 : at + 8 + size]
            at += 8 + size + 1
        if key:
            entry[key.decode(errors="replace")] = value.decode(errors="replace")
        elif entry:
            yield entry
            entry = {}
    if entry:
        yield entry
