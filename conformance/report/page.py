"""One self-contained HTML page: readable without network, without colour, and without JavaScript."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from conformance.report.diagram import MARKS, diagram

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #f3f4f6; --line: #b9c0c8; --good: #12692f; --bad: #b3131a;
        --dim: #5b6570; --warn: #8a5200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #14171a; --soft: #1f2429; --line: #4a535c; --good: #6fd08c;
        --bad: #ff8b8b; --dim: #a3adb7; --warn: #ffc069; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 1280px;
       padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
        vertical-align: top; }
dl.about { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dt { color: var(--dim); } dd { margin: 0; }
.totals { display: flex; flex-wrap: wrap; gap: .6rem; } .totals div { background: var(--soft); padding: .4rem .8rem; border-radius: .4rem; }
.verdict { white-space: nowrap; font-weight: 600; } .pass { color: var(--good); } .fail { color: var(--bad); }
.error { color: var(--warn); } .not-observable, .unsupported, .disabled { color: var(--dim); }
details { border-bottom: 1px solid var(--line); padding: .25rem 0; } summary { cursor: pointer; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; font-size: 12.5px; white-space: pre-wrap; overflow-wrap: anywhere; }
svg.diagram { width: 100%; height: auto; background: var(--soft); border-radius: .4rem; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .lane { text-anchor: middle; font-weight: 600; }
svg .label { text-anchor: middle; font-size: 11px; } svg .when { font-size: 10px; fill: var(--dim); }
svg .life { stroke: var(--line); stroke-dasharray: 2 4; } svg .step line { stroke: var(--good); stroke-width: 1.8; }
svg .inferred line { stroke-dasharray: 7 4; } svg .fail line { stroke: var(--bad); stroke-width: 3.5; } svg .fail text { fill: var(--bad); }
svg .not-observable line, svg .unsupported line, svg .disabled line { stroke: var(--dim); stroke-dasharray: 1 5; }
svg .error line { stroke: var(--warn); stroke-dasharray: 10 3 2 3; } svg .step:focus line { stroke-width: 4; }
"""


def page(tree: dict[str, Any]) -> str:
    """The result tree as HTML."""
    about = tree["about"]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Conformance of {escape(about.get("url", "a cloud"))}</title><style>{STYLE}</style></head><body>
<h1>Does this cloud launch a server the right way?</h1>
{_about(tree)}
<h2>Verdicts</h2>
{_totals("The 28 steps", tree["totals"]["steps"])}
{_totals("Checks", tree["totals"]["checks"])}
{_launch(tree["steps"])}
<h2>Checks</h2>
{"".join(_check(check) for check in _worst_first(tree["checks"])) or "<p>None was asked for.</p>"}
{_leftovers(tree["leftovers"])}
<p>✔ pass · ✘ fail · ? not observable: nothing that was there could show it; never a pass · - unsupported or left out ·
! the suite's own trouble. A dashed arrow was inferred from an effect that only a correct step has.</p>
</body></html>
"""


def _about(tree: dict[str, Any]) -> str:
    about = tree["about"]
    rows = {
        "cloud": about.get("url", ""), "dialect": about.get("dialect", ""), "evidence": ", ".join(about.get("sources", [])),
        "people": ", ".join(about.get("people", [])), "when": f"{tree['started']}, {tree['seconds']} s",
        "launch": " ".join(f"{name} {value}" for name, value in about.get("launch", {}).items()),
    }  # fmt: skip
    rows |= {f"no evidence from {name}": problem for name, problem in about.get("source_problems", {}).items()}
    return '<dl class="about">' + "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v)) or '-'}</dd>" for k, v in rows.items()) + "</dl>"


def _totals(name: str, totals: dict[str, int]) -> str:
    shown = "".join(
        f'<div><span class="verdict {verdict.replace(" ", "-")}">{MARKS[verdict]} {count}</span> {verdict}</div>'
        for verdict, count in totals.items()
        if count
    )
    return f'<p>{name}</p><div class="totals">{shown or "<div>none</div>"}</div>'


def _verdict(result: dict[str, Any]) -> str:
    how = f" ({result['how']})" if result["how"] else ""
    return f'<span class="verdict {result["verdict"].replace(" ", "-")}">{MARKS[result["verdict"]]} {result["verdict"]}{how}</span>'


def _launch(steps: list[dict[str, Any]]) -> str:
    if not steps:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{step["id"]}</th><td>{escape(step["sentence"])}</td><td>{_verdict(step)}</td>'
        f"<td>{escape(', '.join(step['sources']))}</td><td>{_said(step)}{_facts(step)}</td></tr>"
        for step in steps
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("step", "what happens", "verdict", "seen by", "evidence"))
    return f"<h2>The launch, as it was seen</h2>{diagram(steps)}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _said(result: dict[str, Any]) -> str:
    if result["verdict"] == "fail":
        return f"expected: {escape(result['expected'])}<br>actual: {escape(result['actual'])}"
    return escape(result["actual"] if result["verdict"] == "pass" else result["reason"])


def _facts(result: dict[str, Any]) -> str:
    if not result["facts"]:
        return ""
    text = "\n".join(json.dumps(fact, default=str, ensure_ascii=False) for fact in result["facts"])
    return f"<details><summary>{len(result['facts'])} facts</summary><pre>{escape(text[:20_000])}</pre></details>"


def _worst_first(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = ("fail", "error", "pass", "not observable", "unsupported", "disabled")
    return sorted(checks, key=lambda check: (order.index(check["verdict"]), check["id"]))


def _check(check: dict[str, Any]) -> str:
    detail = check["detail"]
    parts = [
        f"<p>Given {escape(detail.get('given', ''))}. When {escape(detail.get('when', ''))}. Then {escape(detail.get('then', ''))}.</p>"
    ]
    if check["verdict"] != "pass":
        parts.append(f"<p>{_said(check)}</p>")
    parts.append(f"<p>Least evidence: {escape(detail.get('evidence', ''))} · level {check['level']} · {check['seconds']} s</p>")
    if check["curl"]:
        parts.append(f"<pre>{escape(chr(10).join(check['curl']))}</pre>")
    parts.append(_facts(check))
    opened = " open" if check["verdict"] in ("fail", "error") else ""
    return (
        f'<details id="{check["id"]}"{opened}><summary>{_verdict(check)} <b>{check["id"]}</b> {escape(check["sentence"])}</summary>'
        f"{''.join(parts)}</details>"
    )


def _leftovers(leftovers: list[str]) -> str:
    if not leftovers:
        return "<h2>Left behind</h2><p>Nothing.</p>"
    return "<h2>Left behind</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in leftovers) + "</ul>"
