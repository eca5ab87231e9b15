"""Nights on input by hand: bad rows, the least there may be, nothing at all, a broken mart, other observation times."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from datetime import date, timedelta

import duckdb
import pytest

from data_contracts.tables.marts import MARTS
from pipelines.marts import MART_QUERIES

STARTS_ON = date(2026, 1, 5)
AS_OF = "2026-02-16"
LMS = "https://lms.test"
COURSE = f"{LMS}/course/c-1"
LEARNERS = [f"ana-{number:02d}" for number in range(1, 9)]
EXPERIENCED = "http://adlnet.gov/expapi/verbs/experienced"


def statement(number, name, day, **more):
    """A valid statement: somebody experienced a page of the course at noon of a day of the course."""
    at = f"{STARTS_ON + timedelta(days=day)}T12:{number % 60:02d}:00Z"
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "actor": {"account": {"homePage": LMS, "name": name}},
        "verb": {"id": EXPERIENCED},
        "object": {"id": f"{COURSE}/page/{number % 5}"},
        "context": {"contextActivities": {"parent": [{"id": COURSE}]}},
        "timestamp": at,
        "stored": at,
        **more,
    }


def statements(days=40):
    """Every learner on every third day; the last learner stops after a week."""
    return [
        statement(100 * index + day, name, day)
        for index, name in enumerate(LEARNERS)
        for day in range(0, 7 if name == LEARNERS[-1] else days, 3)
    ]


def enrolments(**more):
    return [
        {"enrolment_id": f"e-{name}", "learner_key": name, "enrolled_on": STARTS_ON, "status": "active", **more}
        for name in LEARNERS
    ]


def write_csv(inbox, table, rows, name="a"):
    folder = inbox / table
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_statements(inbox, lines, name="a"):
    folder = inbox / "xapi"
    folder.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / f"{name}.ndjson").write_text("\n".join(texts) + "\n", "utf-8")


def write_whole(inbox):
    """A small inbox without a fault: a programme of one course, its learners, one mentor with one match."""
    write_statements(inbox, statements())
    write_csv(inbox, "programme", [{"programme_id": "p-1", "name": "First programme", "starts_on": STARTS_ON}])
    course = {"course_id": "c-1", "activity_iri": COURSE, "title": "First course"}
    write_csv(inbox, "course", [{**course, "starts_on": STARTS_ON, "ends_on": STARTS_ON + timedelta(days=111)}])
    write_csv(inbox, "programme_course", [{"programme_id": "p-1", "course_id": "c-1", "is_required": "true"}])
    write_csv(inbox, "learner", [{"learner_key": name, "display_name": f"Name of {name}"} for name in LEARNERS])
    write_csv(inbox, "enrolment", enrolments(programme_id="p-1", course_id="c-1"))
    write_csv(inbox, "mentor", [{"mentor_key": "mia-01", "kind": "peer"}])
    match = {"match_id": "m-1", "mentor_key": "mia-01", "learner_key": LEARNERS[0], "programme_id": "p-1"}
    write_csv(inbox, "mentoring_match", [{**match, "matched_on": STARTS_ON}])


def write_faults(inbox):
    """A broken line, a file without a required column, three bad rows, and two accounts that two learners claim."""
    write_statements(inbox, [statement(9001, LEARNERS[0], 20), '{"id": "broken', statement(9002, LEARNERS[1], 21)], "b")
    write_csv(inbox, "mentor", [{"mentor_key": "max-02", "display_name": "No kind"}], "b")
    good = {"learner_key": LEARNERS[0], "programme_id": "p-1", "course_id": "c-1", "status": "active"}
    rows = [
        {**good, "enrolment_id": "e-lost", "course_id": "c-404", "enrolled_on": STARTS_ON},
        {**good, "enrolment_id": "e-gone", "status": "gone", "enrolled_on": STARTS_ON},
        {**good, "enrolment_id": "e-when", "enrolled_on": "2026-02-30"},
        {**good, "enrolment_id": "e-good", "learner_key": "ana-99", "enrolled_on": STARTS_ON},
    ]
    write_csv(inbox, "enrolment", rows, "b")
    claims = [
        {"learner_key": name, "identity_type": "account", "identity_value": f"{LMS}::{account}"}
        for account in ("shared", "shared-too")
        for name in LEARNERS[:2]
    ]
    write_csv(inbox, "learner_identity", claims)


FAULTS = {
    ("statement", "not_json"): 1,
    ("mentor", "missing_column"): 1,
    ("enrolment", "unknown_course"): 1,
    ("enrolment", "unknown_value"): 1,
    ("enrolment", "not_date"): 1,
    ("learner_identity", "identity_conflict"): 2,
}


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


@pytest.fixture
def night(handrail, home, inbox):
    """Run a night on the inbox by hand, in the home."""

    def run(as_of=AS_OF):
        return handrail("run", "--source", "inbox", "--data", inbox, "--home", home, "--as-of", as_of)

    return run


@pytest.fixture(scope="module")
def published_once(handrail, tmp_path_factory):
    """A home that has published a night on the whole inbox, which lies beside it."""
    folder = tmp_path_factory.mktemp("published")
    write_whole(folder / "given")
    told = handrail("run", "--source", "inbox", "--data", folder / "given", "--home", folder / "home", "--as-of", AS_OF)
    assert told.code == 0, told.err
    return folder


@pytest.fixture
def published(published_once, home, inbox):
    """The test's own home and inbox, as after that night."""
    shutil.copytree(published_once / "home", home, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(published_once / "given", inbox, dirs_exist_ok=True)
    return home / "marts.duckdb"


def ask(file, sql):
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(sql).fetchall()


def refused(file):
    found = ask(file, "SELECT table_name, reason, quarantined_count FROM data_quality WHERE check_name = 'quarantine'")
    return {(table, reason): count for table, reason, count in found}


def observed(marts):
    return ask(marts, "SELECT CAST(observed_at AS VARCHAR) FROM publication")[0][0]


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_bad_rows_go_to_quarantine_are_counted_once_and_stop_nothing(night, home, inbox):
    write_whole(inbox)
    write_faults(inbox)
    told = night()
    assert told.code == 3, told.err
    marts, warehouse = home / "marts.duckdb", home / "warehouse.duckdb"

    # counted by reason, in the mart and in the summary
    assert refused(marts) == FAULTS
    total = sum(FAULTS.values())
    assert f"{total} rows in quarantine" in told.out
    for (table, reason), count in FAULTS.items():
        assert f"{count}  {table}: {reason.replace('_', ' ')}" in told.out
    assert f"{total} rows newly in quarantine" in told.err
    assert "exit code 3" in told.err

    # what is good is taken, from the very files that hold what is bad
    assert f"{len(statements()) + 2} statements taken" in told.out
    taken = {row[0] for row in ask(marts, "SELECT enrolment_id FROM engagement_weekly")}
    assert taken == {f"e-{name}" for name in LEARNERS} | {"e-good"}
    assert ask(marts, "SELECT kind FROM dim_mentor") == [("peer",)]

    # the refused text is kept, in the sealed store alone
    sealed = ask(home / "identity.duckdb", "SELECT raw_text FROM sealed.quarantine")
    assert sum('"broken' in text for (text,) in sealed) == 1
    quarantine = ask(warehouse, "SELECT CAST(q AS VARCHAR) FROM raw.quarantine AS q")
    assert len(quarantine) == total
    assert not [text for (text,) in quarantine if "ana-" in text or "max-" in text]
    assert ask(warehouse, "SELECT line_number FROM raw.quarantine WHERE reason = 'not_json'") == [(2,)]

    # a second run finds nothing new, whether it has nothing to do or a later night to run
    assert night().code == 0
    later = night("2026-02-17")
    assert later.code == 0, later.err
    assert refused(marts) == FAULTS
    assert ask(warehouse, "SELECT count(DISTINCT fault_id) FROM raw.quarantine") == [(total,)]
    assert observed(marts) == "2026-02-17 00:00:00"


def test_statements_and_enrolments_alone_are_enough(night, home, inbox):
    write_statements(inbox, statements())
    write_csv(inbox, "enrolment", enrolments(course_id=COURSE))
    told = night()
    assert told.code == 0, told.err
    marts = home / "marts.duckdb"
    assert ask(marts, "SELECT programme_id FROM dim_programme") == [(f"course:{COURSE}",)]
    assert ask(marts, "SELECT course_id FROM dim_course") == [(COURSE,)]
    assert ask(marts, "SELECT count(*) FROM dim_learner") == [(len(LEARNERS),)]
    # a learner_key that equals an account's name is linked to it, so the statements count for the enrolment
    events = ask(marts, "SELECT enrolment_id, sum(events_count) FROM engagement_weekly GROUP BY ALL ORDER BY ALL")
    assert [count for _, count in events] == [14] * (len(LEARNERS) - 1) + [3]
    # rules only: no model, no probability, and the summary says so
    assert ask(marts, "SELECT model_id FROM publication") == [(None,)]
    assert ask(marts, "SELECT count(*) FROM model_quality") == [(0,)]
    assert "rules only" in told.out
    assert "no model yet" in told.out
    assert ask(marts, "SELECT DISTINCT abandonment_probability_28d FROM learner_risk") == [(None,)]
    # the one who stopped in the first week is gone by the rule of silence
    gone = ask(
        home / "warehouse.duckdb", "SELECT enrolment_id, ended_rule FROM core.enrolment WHERE ended_kind = 'abandoned'"
    )
    assert gone == [(f"e-{LEARNERS[-1]}", "silence")]


def test_an_empty_inbox_publishes_empty_marts(night, home):
    told = night()
    assert told.code == 0, told.err
    filled = {name for name in MARTS if ask(home / "marts.duckdb", f"SELECT count(*) FROM {name}") != [(0,)]}
    assert filled == {"publication", "data_quality", "alert_quality"}
    assert ask(home / "marts.duckdb", "SELECT count(metric_value) FROM alert_quality") == [(0,)]
    assert "0 learners" in told.out


def test_an_inbox_that_is_not_there_is_a_usage_error(handrail, home):
    told = handrail("run", "--source", "inbox", "--data", home / "nowhere", "--home", home)
    assert told.code == 2
    assert "there is no folder" in told.err


def test_a_mart_that_breaks_its_contract_keeps_yesterday_s_marts(night, home, published, monkeypatch):
    pointer, warehouse = home / "marts" / "current", home / "warehouse.duckdb"
    before, target = digest(published), pointer.resolve()
    query = MART_QUERIES["learner_risk"]
    broken = "SELECT * REPLACE (1.5 AS abandonment_probability_28d) FROM ({})"
    with monkeypatch.context() as patched:
        patched.setitem(MART_QUERIES, "learner_risk", lambda context: broken.format(query(context)))
        told = night("2026-02-17")
    assert told.code == 4
    assert "learner_risk_contract" in told.err
    assert "yesterday's marts stay" in told.err
    assert digest(published) == before
    assert pointer.resolve() == target
    runs = ask(warehouse, "SELECT state, exit_code, publication_id FROM ops.run ORDER BY started_at")
    assert runs == [("published", 0, target.name), ("failed", 4, None)]
    violated = ask(warehouse, "SELECT table_name, check_name, check_value FROM ops.check_result WHERE NOT is_passed")
    assert violated == [("main.learner_risk", "abandonment_probability_28d lies within its limits", len(LEARNERS) - 1)]

    # mended, the same night is published
    assert night("2026-02-17").code == 0
    assert observed(published) == "2026-02-17 00:00:00"


def test_an_earlier_night_does_not_know_what_came_in_for_a_later_one(night, published):
    kept = "SELECT row_count FROM data_quality WHERE check_name = 'row_count' AND table_name = 'core.statement'"
    last = "SELECT max(week_starts_on) FROM engagement_weekly"
    assert ask(published, kept) == [(len(statements()),)]
    assert ask(published, last) == [(date(2026, 2, 9),)]
    assert night("2026-01-12").code == 0
    assert observed(published) == "2026-01-12 00:00:00"
    assert ask(published, kept) == [(sum(one["timestamp"] < "2026-01-12" for one in statements()),)]
    assert ask(published, last) == [(STARTS_ON,)]


@pytest.mark.parametrize("as_of", ["yesterday", "2026-13-01", "16.02.2026"])
def test_an_observation_time_nobody_can_read_is_a_usage_error(handrail, home, inbox, as_of):
    told = handrail("run", "--source", "inbox", "--data", inbox, "--home", home, "--as-of", as_of)
    assert told.code == 2
    assert f"--as-of {as_of!r}" in told.err
    assert not (home / "marts.duckdb").exists()


def test_an_unknown_setting_is_a_usage_error_that_names_the_nearest(handrail, home, inbox):
    (home / "handrail.toml").write_text("abandon_after_day = 14\n", "utf-8")
    told = handrail("run", "--source", "inbox", "--data", inbox, "--home", home)
    assert told.code == 2
    assert "did you mean 'abandon_after_days'?" in told.err
