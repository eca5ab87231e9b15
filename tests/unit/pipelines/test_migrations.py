from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from data_contracts.errors import PermanentError
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.risk import RISK_TABLES
from pipelines import migrations
from pipelines.migrations import Migration
from pipelines.warehouse import Warehouse

# The records of risk as they were before changes had numbers.
BEFORE = """
CREATE SCHEMA risk; CREATE SCHEMA alerts; CREATE SCHEMA ops;
CREATE TABLE ops.schema_version (area VARCHAR, version INTEGER);
INSERT INTO ops.schema_version VALUES ('warehouse', 2), ('identity', 2);
CREATE TABLE risk.model (model_id VARCHAR, trained_at TIMESTAMP, state VARCHAR, feature_contract_hash VARCHAR,
    n_count BIGINT, n_events_count BIGINT);
CREATE TABLE risk.score (enrolment_id VARCHAR, learner_id VARCHAR, programme_id VARCHAR, course_id VARCHAR,
    participation_id VARCHAR, observed_at TIMESTAMP, risk_score_7d DOUBLE, risk_score_28d DOUBLE,
    abandonment_probability_7d DOUBLE, abandonment_probability_28d DOUBLE, risk_band VARCHAR, risk_rank BIGINT,
    probability_change_7d DOUBLE, is_too_early BOOLEAN, course_base_share DOUBLE, model_id VARCHAR, code_version VARCHAR);
CREATE TABLE alerts.alert (alert_id VARCHAR, participation_id VARCHAR, observed_at TIMESTAMP, learner_id VARCHAR,
    programme_id VARCHAR, course_id VARCHAR, enrolment_id VARCHAR, mentor_id VARCHAR, kind VARCHAR, rule VARCHAR,
    state VARCHAR, opened_at TIMESTAMP, state_at TIMESTAMP, abandonment_probability_28d DOUBLE, risk_band VARCHAR,
    probability_change_7d DOUBLE, is_too_early BOOLEAN, reason_1_family VARCHAR, reason_1_text VARCHAR,
    reason_2_family VARCHAR, reason_2_text VARCHAR, reason_3_family VARCHAR, reason_3_text VARCHAR, level VARCHAR,
    channel VARCHAR, expected_minutes BIGINT, next_step VARCHAR, is_served BOOLEAN, unserved_reason VARCHAR,
    route_kind VARCHAR, model_id VARCHAR);
CREATE TABLE alerts.capacity (mentor_id VARCHAR, observed_at TIMESTAMP, week_starts_on DATE, available_minutes DOUBLE,
    planned_minutes DOUBLE, used_minutes DOUBLE, is_capacity_assumed BOOLEAN);
INSERT INTO alerts.alert BY NAME
SELECT unnest(['gone', 'gone', 'open']) AS alert_id, unnest(['p:a', 'p:a', 'p:b']) AS participation_id,
    unnest(['a', 'a', 'b']) AS learner_id, 'risk' AS kind, unnest(['new', 'resolved', 'new']) AS state,
    unnest([TIMESTAMP '2024-03-01', '2024-03-02', '2024-03-02']) AS observed_at,
    unnest([TIMESTAMP '2024-03-01', '2024-03-01', '2024-03-02']) AS opened_at,
    unnest([TIMESTAMP '2024-03-01', '2024-03-02', '2024-03-02']) AS state_at, 20 AS expected_minutes;
INSERT INTO risk.model VALUES
    ('newest', '2024-03-01', 'champion', 'c', 300, 30), ('oldest', '2024-01-01', 'former', 'b', 100, 10),
    ('middle', '2024-02-01', 'former', 'b', 200, 20);
INSERT INTO risk.score BY NAME SELECT 'e1' AS enrolment_id, 'newest' AS model_id, .25 AS abandonment_probability_28d;
CREATE SCHEMA raw; CREATE TABLE raw.big (content VARCHAR);
"""


@pytest.fixture
def old(tmp_path):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute(BEFORE)
    return tmp_path


def opened(folder):
    return Warehouse(folder / "warehouse.duckdb", folder / "identity.duckdb", threads=1, memory_limit="1GB")


def test_a_warehouse_of_before_keeps_its_models_and_knows_who_was_champion_when(old):
    with opened(old) as warehouse:
        for table in (*RISK_TABLES, *ALERT_TABLES):
            found = [(name, kind) for name, kind, *_ in warehouse.rows(f"DESCRIBE {table.qualified_name}")]
            assert found == [(column.name, column.sql_type) for column in table.columns], table.qualified_name
        models = warehouse.rows("SELECT model_id, state, n_count, promoted_by FROM risk.model ORDER BY trained_at")
        changes = warehouse.rows(
            "SELECT promotion_number, model_id, previous_model_id, promoted_at FROM risk.promotion ORDER BY 1"
        )
        assert warehouse.rows("SELECT enrolment_id, model_id, publication_id FROM risk.score") == [
            ("e1", "newest", None)
        ]
    assert models == [
        ("oldest", "former", 100, "newest"),
        ("middle", "former", 200, "newest"),
        ("newest", "champion", 300, "newest"),
    ]
    assert changes == [
        (1, "oldest", None, datetime(2024, 1, 1)),  # noqa: DTZ001
        (2, "middle", "oldest", datetime(2024, 2, 1)),  # noqa: DTZ001
        (3, "newest", "middle", datetime(2024, 3, 1)),  # noqa: DTZ001
    ]


def test_alerts_of_before_have_events_that_tell_their_life(old):
    with opened(old) as warehouse:
        told = warehouse.rows(
            "SELECT alert_id, event_number, event_kind, happened_at, resolution FROM alerts.event ORDER BY ALL"
        )
        standing = warehouse.rows("SELECT alert_id, state, state_at, opened_at FROM alerts.current ORDER BY alert_id")
        assert warehouse.rows("SELECT DISTINCT due_minutes, resolution FROM alerts.alert WHERE state <> 'new'") == [
            (20, "cause_gone")
        ]
    first, second = datetime(2024, 3, 1), datetime(2024, 3, 2)  # noqa: DTZ001
    assert told == [
        ("gone", 1, "opened", first, None),
        ("gone", 2, "resolved", second, "cause_gone"),
        ("open", 1, "opened", second, None),
    ]
    assert standing == [("gone", "resolved", second, first), ("open", "new", second, second)]


def test_the_records_as_they_were_lie_in_a_backup_for_the_owner_alone_and_nothing_else_does(old):
    with opened(old):
        pass
    backup = old / "backup" / "records-before-0001.duckdb"
    assert (backup.parent.stat().st_mode & 0o777, backup.stat().st_mode & 0o777) == (0o700, 0o600)
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]
    with duckdb.connect(str(backup), read_only=True) as con:
        assert len(con.execute("DESCRIBE risk.model").fetchall()) == 6
        assert con.execute("SELECT count(*) FROM risk.model").fetchall() == [(3,)]
        schemas = {row[0] for row in con.execute("SELECT schema_name FROM duckdb_tables()").fetchall()}
    assert schemas == {"risk", "alerts", "ops"}


def test_a_change_is_made_once(old):
    for _ in range(2):
        with opened(old) as warehouse:
            assert warehouse.scalar("SELECT count(*) FROM risk.promotion") == 3
            assert warehouse.rows("SELECT version FROM ops.schema_version WHERE area = 'records'") == [
                (len(migrations.migrations()),)
            ]


def test_a_new_warehouse_needs_no_change_and_no_backup(tmp_path):
    with opened(tmp_path) as warehouse:
        assert warehouse.scalar("SELECT count(*) FROM risk.promotion") == 0
    assert not (tmp_path / "backup").exists()


def test_a_change_that_fails_leaves_everything_as_it_was_and_is_tried_again(old, monkeypatch):
    real = migrations.migrations()
    broken = (Migration(1, "0001_broken", "ALTER TABLE risk.model ADD COLUMN x DATE; SELECT no_such_column"),)
    with monkeypatch.context() as once:
        once.setattr(migrations, "migrations", lambda: broken)
        with pytest.raises(duckdb.BinderException):
            opened(old)
    with duckdb.connect(str(old / "warehouse.duckdb"), read_only=True) as con:
        assert len(con.execute("DESCRIBE risk.model").fetchall()) == 6
        assert con.execute("SELECT area FROM ops.schema_version WHERE area = 'records'").fetchall() == []
    assert real == migrations.migrations()
    with opened(old) as warehouse:
        assert warehouse.scalar("SELECT count(*) FROM risk.promotion") == 3


def test_a_later_change_is_made_on_top_of_the_earlier_ones(old, monkeypatch):
    with opened(old):
        pass
    later = Migration(len(REAL) + 1, "later", "CREATE TABLE alerts.later (a INTEGER)")
    monkeypatch.setattr(migrations, "migrations", lambda: (*REAL, later))
    with opened(old) as warehouse:
        assert warehouse.scalar("SELECT count(*) FROM alerts.later") == 0
        assert warehouse.scalar("SELECT count(*) FROM risk.promotion") == 3
    assert (old / "backup" / f"records-before-{len(REAL) + 1:04}.duckdb").exists()


REAL = migrations.migrations()


def test_records_of_newer_code_are_refused_and_left_as_they_are(old):
    with opened(old) as warehouse:
        warehouse.execute("UPDATE ops.schema_version SET version = 99 WHERE area = 'records'")
    with pytest.raises(PermanentError, match=r"schema version 99, this code knows \d+; install the newer"):
        opened(old)
    with duckdb.connect(str(old / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM risk.model").fetchall() == [(3,)]


def test_a_rebuild_of_what_is_derived_forgets_no_version_of_the_records(old):
    with opened(old) as warehouse:
        warehouse.execute("UPDATE ops.schema_version SET version = 1 WHERE area = 'warehouse'")
    with opened(old) as warehouse:
        assert warehouse.scalar("SELECT count(*) FROM ops.schema_version") == 3
        assert warehouse.scalar("SELECT count(*) FROM risk.promotion") == 3


def test_numbers_without_a_gap_are_held_to(tmp_path, monkeypatch):
    (tmp_path / "0002_second.sql").write_text("SELECT 1", "utf-8")
    monkeypatch.setattr(migrations, "_FOLDER", tmp_path)
    with pytest.raises(PermanentError, match=r"numbers must run from 0001 without a gap, found 0002_second\.sql"):
        migrations.migrations.__wrapped__()
