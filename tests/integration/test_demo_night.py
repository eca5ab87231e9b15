"""A night on a simulated world, by the real command: what it publishes, what it keeps to itself, what it repeats.

The world is smaller than `make run`'s demo, yet large enough for a model and for a row in every mart.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil

import duckdb
import polars as pl
import pytest

from data_contracts.tables.marts import MARTS
from data_contracts.views import VIEWS


@pytest.fixture
def marts(demo):
    with duckdb.connect(str(demo.marts), read_only=True) as opened:
        yield opened


def one(con, sql):
    return con.execute(sql).fetchall()[0][0]


# --- what is published


def test_marts_are_base_tables_of_main_and_views_stand_beside_them_with_their_contract_s_columns(marts):
    contracts = MARTS | {name: view.table for name, view in VIEWS.items()}
    found = {}
    for schema, table, column, kind in marts.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "AND database_name = current_database() ORDER BY table_name, column_index"
    ).fetchall():
        found.setdefault((schema, table), []).append((column, kind))
    assert found == {
        ("main", name): [(column.name, column.sql_type) for column in table.columns]
        for name, table in contracts.items()
    }
    tables = {row[0] for row in marts.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert tables == set(MARTS)
    views = {row[0] for row in marts.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    assert views == set(VIEWS)


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_answers_with_a_row_a_key_and_nothing_null_that_may_not_be(marts, name):
    table = VIEWS[name].table
    key = ", ".join(table.key)
    rows, keys = marts.execute(f"SELECT count(*), count(DISTINCT ({key})) FROM {name}").fetchall()[0]
    assert rows == keys
    # A night on the simulated world refuses nothing.
    assert rows > 0 or name == "view_data_problems"
    nulls = ", ".join(f"count(*) FILTER (WHERE {column} IS NULL)" for column in table.required_names)
    assert set(marts.execute(f"SELECT {nulls} FROM {name}").fetchall()[0]) == {0}
    published = marts.execute(f"SELECT DISTINCT publication_id FROM {name}").fetchall()
    assert published == marts.execute("SELECT publication_id FROM publication").fetchall()[: min(rows, 1)]


@pytest.mark.parametrize(
    ("of_view", "of_marts"),
    [
        (
            "SELECT sum(alerts_count), sum(served_alerts_count), sum(unserved_alerts_count) FROM view_alerts_by_programme",
            (
                "SELECT count(*), count(*) FILTER (WHERE is_served), count(*) FILTER (WHERE NOT is_served) FROM learner_alerts "
                "WHERE state NOT IN ('dismissed', 'resolved')"
            ),
        ),
        (
            "SELECT count(*), count(alert_id), count(DISTINCT course_title) FROM view_risk_of_learners",
            (
                "SELECT count(*), count(*) FILTER (WHERE (learner_id, programme_id) IN (SELECT (learner_id, programme_id) "
                "FROM learner_alerts WHERE state NOT IN ('dismissed', 'resolved') AND kind <> 'good_news')), "
                "count(DISTINCT title) FROM learner_risk LEFT JOIN dim_course USING (course_id)"
            ),
        ),
        (
            "SELECT sum(enrolments_count), sum(scored_enrolments_count), sum(high_risk_count) FROM view_risk_by_course",
            "SELECT count(*), count(risk_band), count(*) FILTER (WHERE abandonment_probability_28d >= .3) FROM learner_risk",
        ),
        (
            "SELECT sum(enrolments_count), sum(active_enrolments_count), sum(submissions_count) FROM view_engagement_by_week",
            "SELECT count(*), sum((events_count > 0)::INTEGER), sum(submissions_count) FROM engagement_weekly",
        ),
        (
            "SELECT count(*), count(roi_percent) FROM view_programme_return WHERE component = 'programme'",
            (
                "SELECT count(*), (SELECT count(roi_percent) FROM programme_roi WHERE is_headline AND component = 'programme') "
                "FROM dim_programme"
            ),
        ),
        (
            "SELECT sum(matches_count), sum(sessions_held_count) FROM view_mentoring_by_week",
            "SELECT count(*), sum(sessions_held_count) FROM mentoring_health",
        ),
        (
            "SELECT count(*), count(logistic_regression_value) FROM view_model_quality WHERE metric_name = 'roc_auc'",
            (
                "SELECT count(*) FILTER (WHERE estimator = 'model'), count(*) FILTER (WHERE estimator = 'logistic_regression') "
                "FROM model_quality WHERE slice_kind = 'all' AND metric_name = 'roc_auc'"
            ),
        ),
    ],
    ids=lambda sql: sql.rpartition("FROM ")[2].split()[0] if "view_" in sql else "",
)
def test_a_view_loses_and_doubles_nothing_of_its_marts(marts, of_view, of_marts):
    assert marts.execute(of_view).fetchall() == marts.execute(of_marts).fetchall()


@pytest.mark.parametrize("name", MARTS)
def test_every_mart_has_a_row_of_this_publication(marts, name):
    publication_id = one(marts, "SELECT publication_id FROM publication")
    assert marts.execute(f"SELECT DISTINCT publication_id FROM {name}").fetchall() == [(publication_id,)]


def test_old_clients_can_open_the_marts(marts):
    assert one(marts, "SELECT count(*) FROM duckdb_indexes()") == 0
    assert one(marts, "SELECT count(*) FROM duckdb_constraints()") == 0
    version = one(
        marts, "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = current_database()"
    )
    assert version.startswith("v1.0.0")


def test_row_counts_of_the_publication_are_true(marts):
    told = json.loads(one(marts, "SELECT row_counts FROM publication"))
    assert told == {name: one(marts, f"SELECT count(*) FROM {name}") for name in MARTS if name != "publication"}


def test_every_learner_of_a_mart_is_in_dim_learner(marts):
    for name, table in MARTS.items():
        if "learner_id" in table.column_names:
            strangers = f"SELECT count(*) FROM {name} ANTI JOIN dim_learner USING (learner_id)"
            assert one(marts, strangers) == 0, name


def test_the_model_stands_beside_both_baselines_and_scores_everybody_active(marts):
    estimators = {row[0] for row in marts.execute("SELECT DISTINCT estimator FROM model_quality").fetchall()}
    assert estimators == {"model", "logistic_regression", "inactive_7d_rule"}
    model_id = one(marts, "SELECT model_id FROM publication")
    unscored = "abandonment_probability_28d IS NULL OR model_id IS DISTINCT FROM ?"
    assert marts.execute(f"SELECT count(*) FROM learner_risk WHERE {unscored}", [model_id]).fetchall() == [(0,)]


def test_current_points_to_parquet_files_with_the_same_rows(demo, marts, stable_rows):
    pointer = demo.home / "marts" / "current"
    publication_id = one(marts, "SELECT publication_id FROM publication")
    assert pointer.is_symlink()
    assert pointer.resolve() == demo.home / "marts" / publication_id
    assert {path.name for path in pointer.iterdir()} == {f"{name}.parquet" for name in MARTS}
    for name in MARTS:
        parquet = f"read_parquet('{pointer / name}.parquet')"
        for left, right in ((name, parquet), (parquet, name)):
            assert one(marts, f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})") == 0, name


def test_nothing_half_built_is_left(demo):
    names = {path.name for path in demo.home.rglob("*")}
    assert not [name for name in names if "building" in name or name.endswith(".wal")]


# --- alerts within the minutes that mentors have


def test_no_alert_takes_a_mentor_over_capacity(demo, marts):
    with duckdb.connect(str(demo.home / "warehouse.duckdb"), read_only=True) as warehouse:
        capacity = {
            mentor: (available, planned + used)
            for mentor, available, planned, used in warehouse.execute(
                "SELECT mentor_id, available_minutes, planned_minutes, used_minutes FROM alerts.capacity"
            ).fetchall()
        }
    asked = marts.execute(
        "SELECT mentor_id, sum(minutes) FROM (SELECT mentor_id, learner_id, max(expected_minutes) AS minutes "
        "FROM learner_alerts WHERE is_served AND mentor_id IS NOT NULL GROUP BY ALL) GROUP BY ALL"
    ).fetchall()
    assert asked
    for mentor, minutes in asked:
        available, taken = capacity[mentor]
        assert minutes <= taken <= available, mentor


def test_capacity_binds_and_the_rest_stands_in_unserved_risk(marts):
    unserved = dict(
        marts.execute("SELECT programme_id, count(*) FROM learner_alerts WHERE NOT is_served GROUP BY ALL").fetchall()
    )
    assert sum(unserved.values()) > 0
    told = dict(marts.execute("SELECT programme_id, unserved_alerts_count FROM unserved_risk").fetchall())
    assert {programme: count for programme, count in told.items() if count} == unserved
    assert one(marts, "SELECT count(*) FROM learner_alerts WHERE NOT is_served AND unserved_reason IS NULL") == 0


# --- the summary


def test_the_summary_says_what_a_person_needs_to_know(demo, marts):
    learners, alerts = one(marts, "SELECT count(*) FROM dim_learner"), one(marts, "SELECT count(*) FROM learner_alerts")
    statements = one(
        marts, "SELECT row_count FROM data_quality WHERE check_name = 'row_count' AND table_name = 'raw.statement'"
    )
    for text in (
        f"{learners:,} learners",
        f"{statements:,} statements taken",
        "0 rows in quarantine",
        "the model, calibrated",
        "logistic regression",
        "no activity for 7 days",
        f"Alerts tonight: {alerts:,}",
        "Learning mix",
        "Programme ROI",
        str(demo.marts),
        "handrail ui --home",
    ):
        assert text in demo.out
    for (programme,) in marts.execute("SELECT name FROM dim_programme").fetchall():
        assert demo.out.count(programme) >= 2, programme
    assert demo.out.count("  learner ") == 5


# --- what is kept to itself


def rows_of(inbox, table):
    with (inbox / table / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def actors_of(inbox):
    found = {}
    for path in (inbox / "xapi").iterdir():
        with gzip.open(path, "rb") as file:
            for line in file:
                actor = json.loads(line)["actor"]
                found[json.dumps(actor, sort_keys=True)] = actor
    return list(found.values())


@pytest.fixture(scope="module")
def stored(demo):
    """Identifiers that the identity store must know: keys, names, addresses, accounts and openids."""
    persons = [*rows_of(demo.inbox, "learner"), *rows_of(demo.inbox, "mentor")]
    names = ("learner_key", "mentor_key", "display_name", "contact_address")
    found = {row[name] for row in persons for name in names if name in row}
    found |= {row["identity_value"].partition("::")[2] for row in rows_of(demo.inbox, "learner_identity")}
    for actor in actors_of(demo.inbox):
        found |= {actor.get("openid", ""), actor.get("account", {}).get("name", "")}
    return sorted(found - {""})


@pytest.fixture(scope="module")
def identifiers(demo, stored):
    """Everything that tells who somebody is, wherever the inbox says it, in each form it may take."""
    found = set(stored)
    for row in rows_of(demo.inbox, "learner_identity"):
        found |= {row["identity_value"], row["identity_value"].removeprefix("mailto:")}
    for actor in actors_of(demo.inbox):
        found |= {actor.get("name", ""), actor.get("mbox", ""), actor.get("mbox_sha1sum", "")}
    for table, column in (("learner", "manager_key"), ("course", "owner_key"), ("programme", "coordinator_key")):
        found |= {row[column] for row in rows_of(demo.inbox, table)}
    found |= {
        hashlib.sha1(f"mailto:{row['contact_address']}".encode(), usedforsecurity=False).hexdigest()
        for row in rows_of(demo.inbox, "learner")
    }
    return sorted(found - {""})


def within(texts, needles):
    """The needles that occur anywhere in the texts."""
    return set(texts.str.extract_many(needles).explode().drop_nulls().to_list())


def within_database(file, needles):
    found = set()
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall()
        assert tables
        for schema, table in tables:
            texts = con.sql(f'SELECT CAST(t AS VARCHAR) AS line FROM "{schema}"."{table}" AS t').pl()["line"]
            found |= within(texts, needles)
    return found


def test_the_inbox_has_identifiers_of_every_kind(identifiers):
    assert len(identifiers) > 1000
    for sign in ("@", "emp-", "men-", "mgr-", "own-", "u0000", "https://id.", " 0000", "mailto:", "::"):
        assert any(sign in text for text in identifiers), sign


def test_the_identity_store_knows_them_so_the_scan_can_find(demo, stored):
    assert set(stored) - within_database(demo.home / "identity.duckdb", stored) == set()


@pytest.mark.parametrize("name", ["marts.duckdb", "warehouse.duckdb"])
def test_no_identifier_in_any_table(demo, identifiers, name):
    assert within_database(demo.home / name, identifiers) == set()


def test_no_identifier_in_any_parquet_file(demo, identifiers):
    files = list((demo.home / "marts").rglob("*.parquet"))
    assert len(files) >= len(MARTS)
    with duckdb.connect() as con:
        for file in files:
            texts = con.sql(f"SELECT CAST(t AS VARCHAR) AS line FROM read_parquet('{file}') AS t").pl()["line"]
            assert within(texts, identifiers) == set(), file.name


def test_no_identifier_in_the_bytes_of_any_file_but_the_identity_store_and_digests_for_their_readers(demo, identifiers):
    scanned = set()
    for file in sorted(demo.home.rglob("*")):
        place = file.relative_to(demo.home)
        if not file.is_file() or place.parts[0] == "simulated" or place.name.startswith("identity.duckdb"):
            continue
        if place.parts[0] == "outbox":
            assert (file.stat().st_mode & 0o077, file.parent.stat().st_mode & 0o077) == (0, 0), str(place)
            continue
        assert within(pl.Series([file.read_bytes().decode("latin-1")]), identifiers) == set(), str(place)
        scanned.add(place.parts[0])
    assert {"marts.duckdb", "warehouse.duckdb", "marts", "models", "dagster"} <= scanned


def test_no_identifier_in_what_the_command_prints(demo, identifiers):
    assert within(pl.Series([demo.out, demo.err]), identifiers) == set()


def test_key_and_identity_store_are_the_owner_s_alone(demo):
    for name in ("key", "identity.duckdb", "warehouse.duckdb"):
        assert (demo.home / name).stat().st_mode & 0o077 == 0, name


# --- what is repeated


def test_a_second_run_is_quick_and_changes_nothing(demo, handrail):
    published = (demo.home / "marts.duckdb", *sorted((demo.home / "marts" / "current").iterdir()))
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in published]
    told = handrail("run", "--home", demo.home)
    assert told.code == 0
    assert "Nothing new since the last publication" in told.err
    assert "[ 1/" not in told.err
    assert told.out == demo.out
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in published] == before


def test_a_second_home_with_the_same_seed_and_key_gives_the_same_marts(demo, home, handrail, stable_rows):
    shutil.copyfile(demo.home / "key", home / "key")
    shutil.copyfile(demo.home / "handrail.toml", home / "handrail.toml")
    told = handrail("run", "--home", home)
    assert told.code == 0, told.err
    here, there = stable_rows(home / "marts.duckdb"), stable_rows(demo.marts)
    assert sorted(here) == sorted(there)
    for name, rows in there.items():
        assert here[name] == rows, name
