"""Simulate a world and write it down.

Belongs here: the order of writing and truth.json. Does not belong here: any part of the world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import orjson

from pipelines.sources.simulated.activity import draw_events
from pipelines.sources.simulated.catalogue import Catalogue
from pipelines.sources.simulated.clock import iso_instant
from pipelines.sources.simulated.hazard import BETA, CONTACT_WORKS_WEEKS
from pipelines.sources.simulated.mentoring import draw_mentoring
from pipelines.sources.simulated.money import cost_totals, draw_money
from pipelines.sources.simulated.outcomes import draw_outcomes
from pipelines.sources.simulated.settings import RUNNING, Row, SimulationSettings, SimulationSummary, Tables
from pipelines.sources.simulated.statements import Written, write_statements
from pipelines.sources.simulated.truth import OUTCOME_WEEKS, contrasts, hazard_table
from pipelines.sources.simulated.world import World, play_world
from pipelines.sources.simulated.write import whole_folder, write_tables

_JSON = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def simulate(
    out: Path, settings: SimulationSettings, on_progress: Callable[[str], None] | None = None
) -> SimulationSummary:
    """Write a world to `out`: `inbox/`, `snapshot.json`, `truth.json`, `truth.parquet`.

    The same settings give the same bytes. The folder appears whole or not at all; an earlier simulation there is
    replaced. `on_progress` hears a sentence before each step. Raises `UsageError` where `out` holds anything else.
    """
    say = on_progress or _say_nothing
    with whole_folder(out) as folder:
        say("playing the world")
        world = play_world(settings)
        tables = world.tables | draw_mentoring(world) | draw_outcomes(world) | draw_money(world)
        say("writing the tables")
        write_tables(tables, folder / "inbox")
        say("writing the statements")
        catalogue = Catalogue(settings, world.runs)
        events, minutes = draw_events(world, catalogue)
        written = write_statements(world, events, catalogue, folder / "inbox" / "xapi")
        say("writing the truth")
        observed_at = iso_instant(settings.snapshot_second)
        (folder / "snapshot.json").write_bytes(orjson.dumps({"observed_at": observed_at}, option=_JSON))
        (folder / "truth.json").write_bytes(orjson.dumps(_truth(world, tables, written, minutes), option=_JSON))
        hazard_table(world.cohort, world.trajectory, world.enrolments.ids).write_parquet(folder / "truth.parquet")
    return SimulationSummary(
        out=out,
        statements=written.statements,
        learners=len(tables["learner"]),
        enrolments=len(tables["enrolment"]),
        observed_at=settings.observed_at,
    )


def _say_nothing(_: str) -> None:
    """Hear nothing."""


def _truth(world: World, tables: Tables, written: Written, minutes: dict[str, dict[str, float]]) -> dict[str, object]:
    """What a run of the pipeline is to find."""
    settings = world.settings
    past = {run.course_id for courses in world.runs[:RUNNING] for run in courses}
    statuses = Counter(str(row["status"]) for row in tables["enrolment"] if row.get("course_id") in past)
    return {
        "settings": asdict(settings),
        "observed_at": iso_instant(settings.snapshot_second),
        "rows": {name: len(rows) for name, rows in tables.items()},
        "statements": asdict(written),
        "past_enrolments": dict(statuses),
        "beta_log_hazard_ratio": BETA,
        "contact_works_weeks": CONTACT_WORKS_WEEKS,
        "outcome_weeks": OUTCOME_WEEKS,
        "effects": {name: item.as_json() for name, item in contrasts(world.cohort, world.trajectory).items()},
        "activity_minutes": minutes,
        "mentoring_minutes": _mentoring_minutes(tables),
        "work_minutes": _sum_by_programme(tables["work_activity"], "minutes"),
        "costs": cost_totals(tables["programme_cost"]),
    }


def _sum_by_programme(rows: list[Row], column: str) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for row in rows:
        totals[str(row["programme_id"])] += int(str(row[column]))
    return dict(totals)


def _mentoring_minutes(tables: Tables) -> dict[str, int]:
    """Minutes of learners in held sessions; a group session counts for each learner in it."""
    programme_of = {row["match_id"]: row["programme_id"] for row in tables["mentoring_match"]}
    by_pair = {(row["mentor_key"], row["learner_key"]): row["match_id"] for row in tables["mentoring_match"]}
    held: list[Row] = []
    for row in tables["mentoring_session"]:
        if row["outcome"] == "held":
            match = row.get("match_id") or by_pair[row["mentor_key"], row["learner_key"]]
            held.append({"programme_id": programme_of[match], "minutes": row["duration_minutes"]})
    return _sum_by_programme(held, "minutes")
