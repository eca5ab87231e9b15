"""Trials of small random warehouses are those of the definition in plain loops (tests/oracle/trials.py)."""

from __future__ import annotations

import datetime as dt
import random

import polars as pl
import pytest

from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.inputs import RAW_TABLES
from models.contract import schema_of
from pipelines.effect_trials import trials
from pipelines.warehouse import Warehouse
from tests.oracle import trials as oracle

TONIGHT, ALLOWANCE = 20_500, 10
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as stored
CORE = ("participation", "enrolment", "mentoring_match", "mentoring_event", "enrolment_day", "submission", "away_day")


def some_world(rng: random.Random) -> dict[str, list[dict[str, object]]]:
    """A handful of people in two programmes, all that happens to them drawn without any sense."""
    tables: dict[str, list[dict[str, object]]] = {name: [] for name in (*CORE, "support_ticket")}

    def day(back: int = 170) -> int:
        return TONIGHT - rng.randint(1, back)

    for number in range(rng.randint(6, 14)):
        learner, programme = f"learner {number // 2}", f"programme {number % 2}"
        key = {"learner_id": learner, "programme_id": programme, "participation_id": f"{programme}:{learner}"}
        begins = TONIGHT - rng.randint(75, 140)
        ended = rng.choice([None, None, begins + rng.randint(0, 170), begins + rng.randint(20, 90)])
        ended = None if ended is None or ended >= TONIGHT else ended
        status = rng.choice(["abandoned", "abandoned", "completed"]) if ended is not None else "active"
        tables["participation"].append(key | {"status": status, "ended_day": ended})
        for course in range(rng.randint(1, 3)):
            enrolment = f"enrolment {number}.{course}"
            row = {"enrolment_id": enrolment, "course_id": rng.choice(["one", "two", None]), "timezone": "UTC"}
            row |= {"enrolled_epoch_day": begins + rng.randint(0, 20), "course_start_epoch_day": begins}
            row |= {"ended_epoch_day": ended, "ended_known_epoch_day": ended, "ended_kind": status if ended else None}
            tables["enrolment"].append(key | row)
            for one in rng.sample(range(begins - 10, begins + 60), rng.randint(0, 25)):
                told = one + rng.choice([0, 0, 0, 1, 8])
                act = {"enrolment_id": enrolment, "epoch_day": one, "known_epoch_day": told}
                act |= {
                    "strand": rng.choice(["formal", "social"]),
                    "activity_kind": "page",
                    "events_count": rng.randint(1, 9),
                }
                tables["enrolment_day"].append(act)
            for work in range(rng.randint(0, 3)):
                done = rng.choice([None, day()])
                known = None if done is None else done + rng.choice([0, 5])
                row = {
                    "enrolment_id": enrolment,
                    "activity_iri": f"work {work}",
                    "due_epoch_day": rng.choice([None, day()]),
                }
                tables["submission"].append(row | {"submitted_epoch_day": done, "known_epoch_day": known})
        matches = rng.sample(range(begins - 5, begins + 40), rng.choice([0, 1, 1, 2]))
        for place, matched in enumerate(matches):
            over = rng.choice([None, None, matched + rng.randint(0, 60)])
            row = {"match_id": f"match {number}.{place}", "mentor_id": "mentor", "matched_epoch_day": matched}
            tables["mentoring_match"].append(key | row | {"known_epoch_day": matched, "match_ended_epoch_day": over})
        for place in range(rng.randint(0, 3)):
            # Some in the very week in which the participation ends.
            usual = rng.choice(matches or [begins]) + rng.randint(-3, 30)
            happened = rng.choice([usual, usual, ended if ended is not None else day()])
            match = f"match {number}.{rng.randrange(len(matches))}" if matches and rng.random() < 0.7 else None
            row = {
                "event_id": f"event {number}.{place}",
                "match_id": match,
                "mentor_id": "mentor",
                "epoch_day": happened,
            }
            row |= {"learner_id": learner, "programme_id": programme, "known_epoch_day": happened + rng.choice([0, 9])}
            kind = rng.choice(["held", "message_by_mentor", "message_by_learner", "missed_by_learner", "cancelled"])
            tables["mentoring_event"].append(
                row | {"event_kind": kind, "happened_at": EPOCH + dt.timedelta(days=happened)}
            )
    for learner in sorted({str(row["learner_id"]) for row in tables["participation"]}):
        for number in range(rng.randint(0, 3)):
            opened = day()
            row = {"ticket_id": f"ticket {learner} {number}", "learner_id": learner, "opened": opened}
            row |= {
                "kind": rng.choice(["technical", "content"]),
                "resolved": rng.choice([None, opened + rng.randint(0, 9)]),
            }
            tables["support_ticket"].append(row)
        for away in rng.sample(range(TONIGHT - 160, TONIGHT), 6):
            row = {"learner_id": learner, "epoch_day": away, "known_epoch_day": away - rng.choice([0, 20])}
            tables["away_day"].append(row | {"away_kind": "leave"})
    return tables


def fill(warehouse: Warehouse, tables: dict[str, list[dict[str, object]]]) -> None:
    """Let the warehouse hold these rows and no others."""
    written = dict(tables)
    written["participation"] = [
        row
        | {
            "ended_on": None
            if row["ended_day"] is None
            else dt.date(1970, 1, 1) + dt.timedelta(days=int(str(row["ended_day"])))
        }
        for row in tables["participation"]
    ]
    written["support_ticket"] = [
        row
        | {
            f"{name}_at": None if row[name] is None else EPOCH + dt.timedelta(days=int(str(row[name])))
            for name in ("opened", "resolved")
        }
        for row in tables["support_ticket"]
    ]
    contracts = {contract.name: contract for contract in CORE_TABLES if contract.name in CORE}
    contracts |= {contract.name: contract for contract in RAW_TABLES if contract.name == "support_ticket"}
    for name, contract in contracts.items():
        schema = schema_of(contract)
        rows = [{column: row.get(column) for column in schema} for row in written[name]]
        if name == "support_ticket":
            rows = [row | {"known_at": row["opened_at"]} for row in rows]
        warehouse.replace_with(contract, pl.DataFrame(rows, schema=schema))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    file = tmp_path_factory.mktemp("trials") / "warehouse.duckdb"
    with Warehouse(file, file.with_name("identity.duckdb"), threads=1, memory_limit="500MB") as opened:
        yield opened


@pytest.mark.parametrize("contrast", ["first_contact", "matched"])
def test_trials_of_random_warehouses_are_those_of_the_definition(warehouse, contrast):
    seen = {"trials": 0, "treated": 0, "abandoned": 0, "censored": 0, "open": 0}
    for seed in range(40):
        tables = some_world(random.Random(seed))  # noqa: S311 - worlds, no secrets
        fill(warehouse, tables)
        before = f"TIMESTAMP '{EPOCH + dt.timedelta(days=TONIGHT)}'"
        told = trials(warehouse, contrast, tonight_epoch_day=TONIGHT, before=before, allowance_days=ALLOWANCE)
        expected = oracle.trials(tables, contrast, tonight=TONIGHT, allowance=ALLOWANCE)
        computed = {(row["participation_id"], row["week_epoch_day"]): row for row in told.iter_rows(named=True)}
        assert computed.keys() == expected.keys(), seed
        assert len(computed) == told.height, f"world {seed}: a trial stands several times"
        for key, row in expected.items():
            found = {name: computed[key][name] for name in row}
            numbers = {name for name in row if name.startswith("x_")}
            assert {name: found[name] for name in row.keys() - numbers} == {
                name: row[name] for name in row.keys() - numbers
            }, (seed, key)
            assert {name: float(found[name]) for name in numbers} == pytest.approx(
                {name: row[name] for name in numbers}
            ), (
                seed,
                key,
            )
        seen["trials"] += len(expected)
        seen["treated"] += sum(row["is_treated"] for row in expected.values())
        seen["abandoned"] += sum(row["abandoned_week"] is not None for row in expected.values())
        seen["censored"] += sum(row["censored_week"] is not None for row in expected.values())
        seen["open"] += sum(not row["is_closed"] for row in expected.values())
    assert min(seen["trials"], seen["treated"], 4 * seen["abandoned"]) >= 20, seen
    if contrast == "matched":
        assert min(seen.values()) >= 10, seen
