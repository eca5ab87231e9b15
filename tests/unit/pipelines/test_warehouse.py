from __future__ import annotations

import subprocess
import sys
from datetime import datetime

import duckdb
import narwhals as nw
import polars as pl
import pytest

from data_contracts.errors import PermanentError, TransientError
from data_contracts.tables.alerts import ALERT_TABLES
from data_contracts.tables.core import CORE_TABLES, LEARNER_ACTIVITY
from data_contracts.tables.features import FEATURE_TABLES
from data_contracts.tables.inputs import RAW_INPUTS, RAW_TABLES
from data_contracts.tables.risk import RISK_TABLES
from pipelines.migrations import migrations
from pipelines.warehouse import SCHEMA_VERSION, Warehouse, current

ENROLMENT = RAW_INPUTS["enrolment"]


@pytest.fixture
def files(tmp_path):
    return tmp_path / "warehouse.duckdb", tmp_path / "identity.duckdb"


def opened(files):
    return Warehouse(*files, threads=1, memory_limit="1GB")


def test_every_contracted_table_stands_with_its_columns_and_types(house):
    for table in (*RAW_TABLES, *CORE_TABLES, *FEATURE_TABLES, *RISK_TABLES, *ALERT_TABLES):
        found = [(name, kind) for name, kind, *_ in house.rows(f"DESCRIBE {table.qualified_name}")]
        assert found == [(column.name, column.sql_type) for column in table.columns]


def test_opening_again_changes_nothing(files):
    with opened(files) as warehouse:
        warehouse.append(LEARNER_ACTIVITY, activity("a", 1))
        stamped = warehouse.rows("FROM ops.schema_version ORDER BY ALL")
    with opened(files) as warehouse:
        assert warehouse.count(LEARNER_ACTIVITY) == 1
        assert warehouse.rows("FROM ops.schema_version ORDER BY ALL") == stamped
    assert stamped == [
        ("identity", SCHEMA_VERSION),
        ("records", len(migrations())),
        ("warehouse", SCHEMA_VERSION),
    ]


@pytest.mark.parametrize("area", ["warehouse", "identity"])
def test_a_store_of_a_newer_schema_is_refused_and_left_as_it_is(files, area):
    with opened(files) as warehouse:
        warehouse.execute("UPDATE ops.schema_version SET version = ? WHERE area = ?", [SCHEMA_VERSION + 1, area])
    words = (
        f"the {area} store has schema version {SCHEMA_VERSION + 1}, this code knows {SCHEMA_VERSION}; install the newer"
    )
    with pytest.raises(PermanentError, match=words):
        opened(files)
    with duckdb.connect(str(files[0]), read_only=True) as free:
        assert free.execute("SELECT max(version) FROM ops.schema_version").fetchall() == [(SCHEMA_VERSION + 1,)]


def test_a_store_of_an_older_schema_is_filled_anew_from_the_archive_and_keeps_its_records(
    house, files, statement, lines
):
    house.deliver("xapi", "a.ndjson", lines([statement(object={"id": f"x:{n}"}) for n in range(3)]))
    house.deliver(
        "enrolment", "e.csv", "enrolment_id,learner_key,course_id,enrolled_on,status\ne,ana,c,2024-01-01,active\n"
    )
    house.take()
    wanted = {table.name: house.rows(f"FROM {table.qualified_name}") for table in RAW_TABLES}
    assert (len(wanted["statement"]), len(wanted["enrolment"])) == (3, 1)
    house.warehouse.execute("INSERT INTO ops.run BY NAME SELECT 'r' AS run_id")
    house.warehouse.execute(
        "UPDATE ops.schema_version SET version = 1 WHERE area IN ('warehouse', 'identity'); "
        "DROP TABLE raw.statement; DROP SCHEMA core CASCADE"
    )
    home = house.night.home
    house.warehouse.con.close()
    with Warehouse(home.warehouse_file, home.identity_file, threads=1, memory_limit="1GB") as warehouse:
        assert {table.name: warehouse.rows(f"FROM {table.qualified_name}") for table in RAW_TABLES} == wanted
        assert warehouse.count(LEARNER_ACTIVITY) == 0
        assert warehouse.rows("SELECT run_id FROM ops.run") == [("r",)]


def test_a_file_that_another_process_has_open_is_worth_a_retry(files):
    holder = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(files[0])], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"1\n"
        with pytest.raises(TransientError, match=r"warehouse\.duckdb is open in another process"):
            opened(files)
        process.stdin.close()


def test_a_file_that_is_no_database_is_not_said_to_be_open_elsewhere(files):
    files[0].write_bytes(b"this is no database" * 1000)
    with pytest.raises(PermanentError, match="it is damaged"):
        opened(files)


def test_only_the_owner_may_read_the_stores(files):
    with opened(files):
        pass
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_a_path_with_a_quote_is_a_path(tmp_path):
    with opened((tmp_path / "it's.duckdb", tmp_path / "theirs'.duckdb")) as warehouse:
        assert warehouse.scalar("SELECT count(*) FROM identity.main.person") == 0


def test_identities_are_written_past_the_transaction_of_the_warehouse(files):
    person = pl.DataFrame({"person_id": ["p"], "person_key": ["ana"]})
    with opened(files) as warehouse:
        warehouse.execute("BEGIN")
        warehouse.append(LEARNER_ACTIVITY, activity("a", 1))
        warehouse.write_identities("INSERT INTO identity.main.person BY NAME FROM incoming", person)
        warehouse.execute("ROLLBACK")
        assert warehouse.count(LEARNER_ACTIVITY) == 0
        assert warehouse.rows("SELECT person_id, person_key FROM identity.main.person") == [("p", "ana")]


# --- frames -------------------------------------------------------------------------------------------------------


def activity(learner_id, epoch_day):
    return pl.DataFrame(
        {
            "minutes": [1.5],
            "events_count": [2],
            "activity_kind": ["page"],
            "strand": ["formal"],
            "epoch_day": [epoch_day],
            "learner_id": [learner_id],
        }
    )


def test_a_frame_comes_in_by_column_name_and_not_by_position(house):
    house.warehouse.append(LEARNER_ACTIVITY, activity("a", 7))
    assert house.rows("FROM core.learner_activity") == [("a", 7, "formal", "page", 2, 1.5)]


def test_replacing_leaves_nothing_of_before_and_casts_to_the_contract(house):
    warehouse = house.warehouse
    warehouse.append(LEARNER_ACTIVITY, activity("old", 7))
    assert (
        warehouse.replace_with(LEARNER_ACTIVITY, activity("new", 8).with_columns(pl.col("epoch_day").cast(pl.Int8)))
        == 1
    )
    assert house.rows("SELECT learner_id, epoch_day FROM core.learner_activity") == [("new", 8)]
    types = {name: kind for name, kind, *_ in house.rows("DESCRIBE core.learner_activity")}
    assert types["epoch_day"] == "BIGINT"


def test_a_lazy_frame_is_run_by_the_database_and_lies_in_order(house):
    warehouse = house.warehouse
    for learner_id, epoch_day in (("b", 2), ("a", 1)):
        warehouse.append(LEARNER_ACTIVITY, activity(learner_id, epoch_day))
    later = warehouse.relation("FROM core.learner_activity").with_columns(epoch_day=nw.col("epoch_day") + 10)
    assert warehouse.replace_relation(LEARNER_ACTIVITY, later) == 2
    assert house.rows("SELECT learner_id, epoch_day FROM core.learner_activity") == [("a", 11), ("b", 12)]


def test_a_scalar_of_no_row_is_none(house):
    assert house.warehouse.scalar("SELECT 1 WHERE false") is None
    assert house.warehouse.frame("SELECT 1 AS one").to_dicts() == [{"one": 1}]


# --- versions -----------------------------------------------------------------------------------------------------


def known(house, status, when):
    house.add(
        "raw.enrolment", enrolment_id="e", learner_id="ana", enrolled_on="2024-01-01", status=status, known_at=when
    )


def statuses(house, *before):
    return [row[0] for row in house.rows(f"SELECT status FROM {current(ENROLMENT, *before)}")]


def test_of_several_versions_the_latest_known_stands_whatever_the_order_of_arrival(house):
    known(house, "completed", "2024-03-01")
    known(house, "active", "2024-01-01")
    assert statuses(house) == ["completed"]


def test_of_versions_known_at_one_time_the_last_to_arrive_stands(house):
    for status in ("active", "failed", "completed"):
        known(house, status, "2024-01-01")
    assert statuses(house) == ["completed"]


def test_a_version_not_known_before_the_instant_is_not_there_yet(house):
    known(house, "active", "2024-01-01")
    known(house, "completed", "2024-03-01")
    assert statuses(house, "TIMESTAMP '2024-03-01'") == ["active"]
    assert statuses(house, "TIMESTAMP '2024-01-01'") == []


def test_rows_of_other_keys_do_not_supersede_each_other(house):
    for enrolment_id in ("e1", "e2"):
        house.add("raw.enrolment", enrolment_id=enrolment_id, known_at=datetime(2024, 1, 1))  # noqa: DTZ001
    assert sorted(house.rows(f"SELECT enrolment_id FROM {current(ENROLMENT)}")) == [("e1",), ("e2",)]


def test_rows_that_pass_through_are_given_little_memory_and_then_all_of_it_again(house):
    def limit():
        return house.warehouse.scalar("SELECT current_setting('memory_limit')")

    before = limit()
    with house.warehouse.frugal():
        assert limit() == "381.4 MiB"
    assert limit() == before


def test_an_operator_who_gives_less_memory_is_heard(files):
    with Warehouse(*files, threads=1, memory_limit="200MB") as warehouse, warehouse.frugal():
        assert warehouse.scalar("SELECT current_setting('memory_limit')") == "190.7 MiB"
