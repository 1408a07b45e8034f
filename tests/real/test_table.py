"""The table of docs/real-openstack.md."""

import json
from pathlib import Path

from tests.real.table import BEGIN, END, replace_table, table


def report(folder: Path, steps: list[tuple[str, str]], checks: list[str]) -> Path:
    folder.mkdir()
    tree = {"steps": [{"verdict": verdict, "how": how} for verdict, how in steps], "checks": [{"verdict": verdict} for verdict in checks]}
    (folder / "report.json").write_text(json.dumps(tree))
    return folder


def test_each_level_has_a_column_with_how_its_steps_were_seen(tmp_path: Path) -> None:
    client = report(tmp_path / "client", [("pass", "direct"), ("pass", "inferred"), ("not observable", "")], ["pass", "unsupported"])
    everything = report(tmp_path / "all", [("pass", "direct")] * 2 + [("fail", "")], ["pass", "pass"])
    made = table({"client": client, "all": everything})
    assert made.splitlines()[:3] == ["| | client | all |", "| --- | --: | --: |", "| steps seen directly | 1 | 2 |"]
    assert "| steps inferred | 1 | 0 |" in made
    assert "| steps failed | 0 | 1 |" in made
    assert "| checks: pass | 1 | 2 |" in made
    assert "| checks: unsupported | 1 | 0 |" in made


def test_a_new_table_replaces_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    replace_table(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
