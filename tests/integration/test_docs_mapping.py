"""The examples of docs/mapping.md do what the page says."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mapping.md"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    """The page's files, and its pieces of mapping as one file."""
    folder = tmp_path_factory.mktemp("mapped") / "inbox"
    text = PAGE.read_text("utf-8")
    files = re.findall(r"`inbox/([\w/.]+\.csv)`[^`]*```csv\n(.*?)```", text, re.DOTALL)
    pieces = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in files] == ["mentoring/sessions.csv", "mentoring/matches.csv", "hr/extract.csv"]
    assert len(pieces) == 3
    for name, content in files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")
    (folder / "mapping.yaml").write_text("".join(pieces), "utf-8")
    return folder


def test_three_exports_become_tables_of_one_night_without_code(inbox, home, handrail):
    told = handrail("run", "--source", "inbox", "--data", inbox, "--home", home, "--as-of", "2026-03-12")
    assert told.code == 0, told.err
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:

        def rows(sql):
            return warehouse.execute(sql).fetchall()

        learner = dict(rows("SELECT learner_id, org_unit FROM raw.learner"))
        enrolled = rows("SELECT learner_id, course_id, status, status_on FROM raw.enrolment ORDER BY status")
        matched = rows(
            "SELECT learner_id, ended_on, end_reason, agreed_sessions_per_week FROM raw.mentoring_match ORDER BY 4"
        )
        sessions = rows("SELECT learner_id, held_at, outcome, duration_minutes FROM raw.mentoring_session ORDER BY 2")
        refused = rows("SELECT table_name, line_number, column_name, reason FROM raw.quarantine")
        events = rows("SELECT learner_id, event_kind FROM core.mentoring_event ORDER BY epoch_day")
    ids = {unit: learner_id for learner_id, unit in learner.items()}
    assert sorted(ids) == ["North", "South"]
    assert enrolled == [
        (ids["North"], "safety-2026", "active", None),
        (ids["South"], "safety-2026", "left_organisation", date(2026, 3, 6)),
    ]
    assert matched == [(ids["North"], None, None, 0.5), (ids["South"], date(2026, 2, 27), "concluded", 1.0)]
    assert sessions == [
        (ids["North"], datetime(2026, 3, 2, 9, 30), "held", 45.0),  # noqa: DTZ001 - instants are UTC without a zone
        (ids["North"], datetime(2026, 3, 9, 9, 30), "missed_by_learner", None),  # noqa: DTZ001
        (ids["South"], datetime(2026, 3, 10, 16), "held", 70.0),  # noqa: DTZ001
    ]
    assert events == [(ids["North"], "held"), (ids["North"], "missed_by_learner"), (ids["South"], "held")]
    assert refused == []


def test_a_run_with_a_mapping_that_errs_ends_at_once_and_says_where(tmp_path, home, handrail):
    folder = tmp_path / "inbox" / "learner"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("learner_key\nana\n", "utf-8")
    (folder.parent / "mapping.yaml").write_text("learner: {files: learner/*, colums: {}}\n", "utf-8")
    told = handrail("run", "--source", "inbox", "--data", folder.parent, "--home", home, "--as-of", "2026-03-12")
    assert told.code == 2
    assert "mapping.yaml: learner: unknown key 'colums'; did you mean 'columns'?" in told.err
    assert not (home / "warehouse.duckdb").exists()
