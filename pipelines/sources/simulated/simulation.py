"""Simulate a world, block by block, and write it down.

Belongs here: the order of writing and truth.json. Does not belong here: any part of the world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson

from pipelines.sources.simulated.activity import draw_events
from pipelines.sources.simulated.catalogue import Catalogue
from pipelines.sources.simulated.clock import LocalClock, iso_instant
from pipelines.sources.simulated.courses import course_runs
from pipelines.sources.simulated.faults import Place, plant_in_tables
from pipelines.sources.simulated.hazard import CONTACT_WORKS_WEEKS
from pipelines.sources.simulated.mentoring import draw_mentoring
from pipelines.sources.simulated.mentoring_truth import MentoringTruth
from pipelines.sources.simulated.money import Headcount, cost_totals, draw_money
from pipelines.sources.simulated.outcomes import draw_outcomes
from pipelines.sources.simulated.settings import RUNNING, SimulationSettings, SimulationSummary, Tables
from pipelines.sources.simulated.statement_truth import StatementTruth
from pipelines.sources.simulated.statements import write_statements
from pipelines.sources.simulated.truth import OUTCOME_WEEKS, Contrasts, HazardTable
from pipelines.sources.simulated.world import World, play_world
from pipelines.sources.simulated.write import TableWriter, whole_folder

_JSON = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
# Tables whose rows are counted by their identifier: a later file may state a row again.
_COUNTED = {
    "learner": "learner_key",
    "enrolment": "enrolment_id",
    "mentor": "mentor_key",
    "mentoring_match": "match_id",
    "mentoring_message": "message_id",
    "goal": "goal_id",
    "commitment": "commitment_id",
    "survey_response": "response_id",
    "support_ticket": "ticket_id",
}


def simulate(
    out: Path, settings: SimulationSettings, on_progress: Callable[[str], None] | None = None
) -> SimulationSummary:
    """Write a world to `out`: `inbox/`, `snapshot.json`, `truth.json`, `truth.parquet`.

    The same settings give the same bytes. The folder appears whole or not at all; an earlier simulation there is
    replaced. `on_progress` hears a sentence before each step. Raises `UsageError` where `out` holds anything else.
    """
    say = on_progress or _say_nothing
    truth, clock = _Truth(settings), LocalClock(settings)
    with whole_folder(out) as folder:
        blocks = list(settings.blocks())
        with TableWriter(folder / "inbox") as writer, HazardTable(folder / "truth.parquet") as hazards:
            for block in blocks:
                where = f"block {block.block + 1} of {len(blocks)}: " if len(blocks) > 1 else ""
                say(f"{where}playing the world")
                world = play_world(block, clock)
                mentoring, told_later = draw_mentoring(world)
                outcomes, goals_later = draw_outcomes(world)
                tables, later = world.tables | mentoring | outcomes, told_later | goals_later
                truth.add(world, tables, later)
                say(f"{where}writing the tables")
                truth.faults += plant_in_tables(block, tables)
                writer.write(tables)
                writer.write(later, later=True)
                say(f"{where}writing the statements")
                catalogue = Catalogue(block, world.runs)
                events = draw_events(world, catalogue)
                written = write_statements(world, events, catalogue, folder / "inbox" / "xapi", truth.of_statements)
                truth.statements += written.counts
                truth.faults += written.faults
                hazards.write(world.cohort, world.trajectory, world.enrolments.ids)
            money = draw_money(settings, truth.heads)
            truth.add_money(money)
            truth.faults += plant_in_tables(settings, money)
            writer.write(money)
            writer.ensure_complete()
        say("writing the truth")
        observed_at = iso_instant(settings.snapshot_second)
        (folder / "snapshot.json").write_bytes(orjson.dumps({"observed_at": observed_at}, option=_JSON))
        (folder / "truth.json").write_bytes(orjson.dumps(truth.told(), option=_JSON))
    return SimulationSummary(
        out=out,
        statements=truth.statements["distinct"],
        learners=truth.counts["learner"],
        enrolments=truth.counts["enrolment"],
        faults=truth.faults.total(),
        observed_at=settings.observed_at,
    )


def _say_nothing(_: str) -> None:
    """Hear nothing."""


class _Truth:
    """What a run of the pipeline is to find, summed over blocks."""

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        self.statements: Counter[str] = Counter()
        self.of_statements = StatementTruth()
        self._tickets: Counter[str] = Counter()
        self.faults: Counter[Place] = Counter()
        self.counts: Counter[str] = Counter()
        self.heads = Headcount()
        self._restated: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._mentoring = MentoringTruth()
        self._work: Counter[str] = Counter()
        self._contrasts = Contrasts()
        self._costs: dict[str, dict[str, int]] = {}

    def add(self, world: World, tables: Tables, later: Tables) -> None:
        """Count a block's good rows."""
        self.heads.add(world.cohort, world.trajectory)
        self._contrasts.add(world.cohort, world.trajectory)
        for name, rows in tables.items():
            self.counts[name] += len(rows)
        self._restated.update({name: len(rows) for name, rows in later.items()})
        past = {run.course_id for courses in world.runs[:RUNNING] for run in courses}
        for row in tables["enrolment"]:
            self._statuses[str(row["status"])] += 1
            self._ended[str(row["status"])] += row.get("course_id") in past
        self._mentoring.add(world, tables, later)
        for row in tables["mentoring_message"]:
            self.counts[f"messages_by_{row['sender']}"] += 1
        self._tickets.update(str(row["kind"]) for row in tables["support_ticket"])
        for row in tables["work_activity"]:
            self._work[str(row["programme_id"])] += int(str(row["minutes"]))

    def add_money(self, money: Tables) -> None:
        """Count costs and benefits."""
        self._costs = cost_totals(money["programme_cost"])
        self.counts.update({name: len(rows) for name, rows in money.items()})

    def told(self) -> dict[str, object]:
        """The content of truth.json."""
        return {
            "settings": self._settings.told(),
            "observed_at": iso_instant(self._settings.snapshot_second),
            "rows": dict(self.counts),
            "restated_rows": dict(self._restated),
            "statements": dict(self.statements),
            "enrolments_by_status": dict(self._statuses),
            "past_enrolments": {status: count for status, count in self._ended.items() if count},
            "contact_works_weeks": CONTACT_WORKS_WEEKS,
            "outcome_weeks": OUTCOME_WEEKS,
            "effects": self._contrasts.told(),
            "activity_minutes": _nested(self.of_statements.minutes),
            "community": self.of_statements.community(),
            "course_issues": self.of_statements.course_issues(course_runs(self._settings), self._tickets),
            "mentoring": self._mentoring.told(),
            "work_minutes": dict(self._work),
            "costs": self._costs,
            "faults": [
                {"found_in": found_in, "table": table, "reason": reason, "count": count}
                for (found_in, table, reason), count in sorted(self.faults.items())
                if count
            ],
        }


def _nested(totals: Counter[tuple[str, str]]) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = {}
    for (outer, inner), total in totals.items():
        result.setdefault(outer, {})[inner] = round(total, 3)
    return result
