"""The launch as a sequence diagram, drawn from the evidence: actors across, one arrow a step, in the order in which they were seen."""

from __future__ import annotations

from html import escape
from typing import Any

LANES = (
    "client", "keystone", "nova-api", "nova database", "nova-scheduler", "nova-conductor", "queue", "nova-compute", "glance", "neutron",
    "cinder", "hypervisor",
)  # fmt: skip
SAME_LANE = {"nova_api database": "nova database"}
WIDTH, TOP, STEP, LEFT, GAP = 1240, 64, 30, 96, 100
MARKS = {"pass": "✔", "fail": "✘", "not observable": "?", "unsupported": "-", "disabled": "-", "error": "!"}


def diagram(steps: list[dict[str, Any]]) -> str:
    """An SVG. Verdicts differ by line and sign, not by colour alone; hovering tells when and by whom a step was seen."""
    steps = in_seen_order(steps)
    height = TOP + STEP * len(steps) + 24
    lines = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="diagram-title" class="diagram">',
        '<title id="diagram-title">Sequence diagram of the launch; the table below says the same in words</title>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>',
    ]
    for lane, name in enumerate(LANES):
        lines.append(f'<text class="lane" x="{_x(lane)}" y="{TOP - 36 + 16 * (lane % 2)}">{escape(name)}</text>')
        lines.append(f'<line class="life" x1="{_x(lane)}" x2="{_x(lane)}" y1="{TOP - 12}" y2="{height - 8}"/>')
    begun = min((step["detail"]["at"] for step in steps if _timed(step, _clock(steps))), default=None)
    lines += [_arrow(step, TOP + 14 + STEP * i, begun if _timed(step, _clock(steps)) else None) for i, step in enumerate(steps)]
    return "\n".join([*lines, "</svg>"])


def in_seen_order(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By time where one clock saw them; a step without a time stays behind its number's neighbour."""
    clock = _clock(steps)
    last, keyed = 0.0, []
    for step in steps:
        last = step["detail"]["at"] if _timed(step, clock) else last
        keyed.append(((last, step["id"]), step))
    return [step for _, step in sorted(keyed, key=lambda pair: pair[0])]


def _clock(steps: list[dict[str, Any]]) -> str:
    clocks = [step["detail"].get("clock", "") for step in steps if step["detail"].get("at") is not None]
    return max(set(clocks), key=clocks.count) if clocks else ""


def _timed(step: dict[str, Any], clock: str) -> bool:
    return step["detail"].get("at") is not None and step["detail"].get("clock") == clock


def _x(lane: int) -> int:
    return LEFT + GAP * lane


def _lane(name: str) -> int:
    name = SAME_LANE.get(name, name)
    return LANES.index(name) if name in LANES else 0


def _arrow(step: dict[str, Any], y: int, begun: float | None) -> str:
    detail = step["detail"]
    start, end = _x(_lane(detail.get("actor", ""))), _x(_lane(detail.get("callee", "")))
    at = detail.get("at")
    when = f"+{(at - begun) * 1000:.1f} ms" if begun is not None and at is not None else ""
    kind = "inferred" if step["how"] == "inferred" else step["verdict"].replace(" ", "-")
    hover = f"{step['id']} {step['sentence']} {step['verdict']}{', ' + step['how'] if step['how'] else ''}"
    hover += (
        f"\n{step['actual'] or step['reason']}\nseen by {', '.join(step['sources'])} {when}" if step["sources"] else f"\n{step['reason']}"
    )
    label = f"{MARKS[step['verdict']]} {step['id']}"
    middle = (start + end) / 2
    return (
        f'<g class="step {kind}" tabindex="0"><title>{escape(hover)}</title><text class="when" x="4" y="{y + 4}">{escape(when)}</text>'
        f'<line x1="{start}" x2="{end}" y1="{y}" y2="{y}" marker-end="url(#tip)"/>'
        f'<text class="label" x="{middle}" y="{y - 4}">{escape(label)}</text></g>'
    )
