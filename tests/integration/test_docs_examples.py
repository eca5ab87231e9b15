"""The examples in the docs do what they say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_smallest_inbox_is_enough_and_its_statement_belongs_to_its_learner(tmp_path, home, handrail):
    section = (DOCS / "inputs.md").read_text("utf-8").split("## The smallest inbox")[1].split("\n## ")[0]
    examples = re.findall(r"`(inbox/[\w/.]+)`[^`]*```\w+\n(.*?)```", section, re.DOTALL)
    assert [name for name, _ in examples] == ["inbox/xapi/january.ndjson", "inbox/enrolment/enrolment.csv"]
    for name, content in examples:
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(content, "utf-8")
    told = handrail("run", "--source", "inbox", "--data", tmp_path / "inbox", "--home", home, "--as-of", "2026-01-12")
    assert told.code == 0, told.err
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        events = marts.execute(
            "SELECT enrolment_id, sum(events_count) FROM engagement_weekly GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        refused = marts.execute("SELECT sum(quarantined_count) FROM data_quality").fetchall()
        programmes = marts.execute("SELECT programme_id FROM dim_programme").fetchall()
    assert events == [("e-1", 1), ("e-2", 0)]
    assert refused == [(0,)]
    assert programmes == [("course:safety-2026",)]


def test_the_example_that_reads_the_marts_from_python_runs(demo, tmp_path, monkeypatch, capfd):
    text = (DOCS / "marts.md").read_text("utf-8")
    example = re.search(r"^    import duckdb\n(?:    .*\n)+", text, re.MULTILINE)[0]
    (tmp_path / "var").mkdir()
    shutil.copy(demo.marts, tmp_path / "var" / "marts.duckdb")
    monkeypatch.chdir(tmp_path)
    exec(re.sub(r"^    ", "", example, flags=re.MULTILINE), {})  # noqa: S102 - the page's own example
    assert "enrolment_id" in capfd.readouterr().out
