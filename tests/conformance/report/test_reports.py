"""Every report is made of the one result tree, and none of them hides or leaks anything."""

from __future__ import annotations

import copy
import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.report import SCHEMA
from conformance.report.diagram import in_seen_order
from conformance.report.page import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EMPTY = {
    "level": "MUST", "expected": "", "actual": "", "reason": "", "how": "", "sources": [], "facts": [], "curl": [], "seconds": 0.1,
}  # fmt: skip


@pytest.fixture
def tree(rows_tree: dict[str, Any]) -> dict[str, Any]:
    """A real run's tree, with a check of every verdict put in; one of them tries to break out of the page."""
    made = copy.deepcopy(rows_tree)
    for n, verdict in enumerate(("pass", "fail", "not observable", "unsupported", "disabled", "error"), 1):
        said = {"expected": "401", "actual": "<script>alert(1)</script>"} if verdict == "fail" else {"reason": "" if n == 1 else "a reason"}
        detail = {"given": "g", "when": "w", "then": "t"}
        made["checks"].append({**EMPTY, "id": f"S10.C{n}", "sentence": f"Sentence {n}.", "verdict": verdict, "detail": detail, **said})
    made["checks"][-5]["curl"] = ["curl -i -X GET 'http://cloud/servers?a=1&b=<2>'"]
    made["steps"][7] |= {"verdict": "fail", "expected": "S08 is seen", "actual": "it did not happen"}
    made["steps"][9] |= {"verdict": "not observable", "how": "", "reason": "no source shows it"}
    made["steps"][11] |= {"how": "inferred"}
    return made


def test_the_tree_fits_its_schema(rows_tree: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))
    jsonschema.validate(rows_tree, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize(
    "spoil", [{"verdict": "passed"}, {"verdict": "error", "reason": ""}, {"verdict": "fail", "expected": ""}, {"id": "S29"}]
)
def test_a_tree_with_an_unexplained_verdict_does_not_fit(rows_tree: dict[str, Any], spoil: dict[str, str]) -> None:
    spoilt = copy.deepcopy(rows_tree)
    spoilt["steps"][3] |= spoil
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, json.loads(SCHEMA.read_text()))


class Parsed(html.parser.HTMLParser):
    """What is in the page; refuses tags that are closed in another order than they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network(tree: dict[str, Any]) -> None:
    parsed = Parsed(page(tree))
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe"}
    assert not [
        attrs for _, attrs in parsed.tags if {"src", "srcset", "onload"} & set(attrs) or str(attrs.get("href", "")).startswith("http")
    ]
    assert "url(http" not in page(tree)


def test_the_page_says_every_verdict_in_words_and_signs(tree: dict[str, Any]) -> None:
    text = page(tree)
    for sign, verdict in (("✔", "pass"), ("✘", "fail"), ("?", "not observable"), ("!", "error")):
        assert re.search(rf'<span class="verdict {verdict.replace(" ", "-")}">{re.escape(sign)} {verdict}', text)
    assert "expected: 401<br>actual: &lt;script&gt;" in text
    assert "http://cloud/servers?a=1&amp;b=&lt;2&gt;" in text


def test_the_diagram_has_an_arrow_for_every_step_in_the_order_in_which_they_were_seen(tree: dict[str, Any]) -> None:
    drawn = re.findall(r'class="label"[^>]*>. (S\d\d)<', page(tree))
    assert sorted(drawn) == [f"S{n:02d}" for n in range(1, 29)]
    later = copy.deepcopy(tree["steps"])
    later[18]["detail"]["at"] = max(step["detail"]["at"] or 0 for step in later if step["detail"].get("clock") == "facts") + 1
    assert [step["id"] for step in in_seen_order(later)][-1] == "S19"


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
def test_a_browser_shows_the_page(tree: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page(tree))
    address = (tmp_path / "report.html").as_uri()
    common = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    dom = subprocess.run([*common, "--dump-dom", address], capture_output=True, text=True, timeout=90, check=True).stdout
    assert dom.count('class="step ') == 28
    assert '<g class="step fail" tabindex="0"' in dom
    assert "Does this cloud launch a server the right way?" in dom
    picture = tmp_path / "page.png"
    subprocess.run([*common, f"--screenshot={picture}", "--window-size=1300,1400", address], capture_output=True, timeout=90, check=True)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 50_000, "a page that shows nothing is a small picture"
