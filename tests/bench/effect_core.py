"""A simulated world as the core tables that target trials read, without a night, and its true effects trial by trial.

Belongs here: what a night would make of the world's files, put straight into an open warehouse; truth of given trials.
Does not belong here: scenarios and tables of figures (`effect_worlds`), other estimators (`effect_rivals`).

Statements are counted by day and strand as they are drawn: repeats, voided ones and those that name no course are not
told apart from the rest, so that a night counts some events fewer or more. Who is eligible, treated or abandons is as a
night has it (tests/bench/test_effect_bench.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import polars as pl

from data_contracts.schema import Table
from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.inputs import RAW_TABLES
from models.contract import schema_of
from pipelines.effect_trials import Contrast
from pipelines.sources.simulated.activity import VERB_NAMES, Events, draw_events
from pipelines.sources.simulated.catalogue import Catalogue
from pipelines.sources.simulated.clock import ZONES, LocalClock
from pipelines.sources.simulated.courses import ASSESSMENT_TYPE, ASSESSMENT_WEIGHTS, PROGRAMMES
from pipelines.sources.simulated.ends import Ends
from pipelines.sources.simulated.mentoring import contact_seconds, match_id, matched_entries
from pipelines.sources.simulated.settings import DAY_SECONDS, Ints, SimulationSettings, stream
from pipelines.sources.simulated.truth import arms
from pipelines.sources.simulated.world import World, play_world
from pipelines.warehouse import Warehouse

TABLES: dict[str, Table] = {table.qualified_name: table for table in (*CORE_TABLES, *RAW_TABLES)}
READ = (
    "core.enrolment",
    "core.participation",
    "core.mentoring_match",
    "core.mentoring_event",
    "core.mentor_week",
    "core.enrolment_day",
    "core.submission",
    "core.registration",
    "core.away_day",
    "raw.mentor",
    "raw.support_ticket",
)
"""What trials read."""

Recording = Literal["usual", "late_for_others"]
_EPOCH = dt.date(1970, 1, 1)
_LATE_DAYS = (14, 20)


@dataclass(frozen=True)
class CoreWorld:
    """A world, the local day that begins when it is looked at, and its tables as a night would have them then."""

    world: World
    tonight_epoch_day: int
    frames: dict[str, pl.DataFrame]

    @property
    def before(self) -> str:
        """The observation time as an SQL literal."""
        return f"TIMESTAMP '{_EPOCH + dt.timedelta(days=self.tonight_epoch_day)} 00:00:00'"

    def fill(self, warehouse: Warehouse) -> None:
        """Let the warehouse hold this world and no other."""
        for name in READ:
            warehouse.replace_with(TABLES[name], self.frames[name])

    def truth(self, trials: pl.DataFrame, contrast: Contrast) -> tuple[float, int]:
        """True effect in points on the treated of these trials whose window is closed, and how many they are."""
        of = arms(self.world.cohort, self.world.trajectory)[contrast]
        each = pl.DataFrame({"participation_id": _participations(self.world), "effect": of.with_contact - of.without})
        treated = trials.filter("is_treated", "is_closed").join(each, on="participation_id", validate="m:1")
        return 100 * float(treated["effect"].mean() or 0.0), treated.height  # type: ignore[arg-type]


@cache
def _clock(start: int, weeks: int) -> LocalClock:
    """The clock of all worlds of one calendar, which takes a while to make."""
    settings = SimulationSettings(weeks=weeks)
    if int(settings.start_days[0]) != start:
        message = "worlds of one length have one calendar"
        raise AssertionError(message)
    return LocalClock(settings)


def core_world(
    settings: SimulationSettings, *, tonight_epoch_day: int | None = None, recording: Recording = "usual"
) -> CoreWorld:
    """Play a world and make the tables of it.

    Args:
        settings: the world's.
        tonight_epoch_day: the day on which it is looked at, not after the snapshot; None: the snapshot.
        recording: `late_for_others`: abandonments of those ever contacted are recorded at once, of all others two to
            three weeks later.
    """
    clock = _clock(int(settings.start_days[0]), settings.weeks)
    world = play_world(settings, clock)
    tonight = settings.snapshot_day if tonight_epoch_day is None else tonight_epoch_day
    if recording == "late_for_others":
        world = replace(world, ends=_late_for_others(world))
    known = np.where(
        world.ends.recorded_utc >= 0, world.ends.recorded_utc, clock.end_of_day(world.ends.day, world.cohort.zone)
    )
    world = replace(world, ends=replace(world.ends, is_known=known < tonight * DAY_SECONDS))
    frames = _Frames(world, tonight)
    made = {name: getattr(frames, name.split(".")[1])() for name in READ}
    return CoreWorld(world, tonight, {name: _conformed(frame, TABLES[name]) for name, frame in made.items()})


def _late_for_others(world: World) -> Ends:
    rng = stream(world.settings, "late recording")
    end = world.clock.end_of_day(world.ends.day, world.cohort.zone)
    lag = rng.integers(_LATE_DAYS[0] * DAY_SECONDS, _LATE_DAYS[1] * DAY_SECONDS, world.cohort.size)
    is_told = world.trajectory.has_contact.any(axis=1) | (np.array(world.trajectory.end_kind) != "abandoned")
    return replace(world.ends, recorded_utc=np.where(is_told, end, end + lag))


def _conformed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The table's columns in order, those that no trial reads as nulls, nothing, or empty words."""
    schema = schema_of(table)
    return frame.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in frame.columns
    ).select(pl.col(name).cast(kind) for name, kind in schema.items())


def _participations(world: World) -> pl.Series:
    programmes = np.array([item.programme_id for item in PROGRAMMES])[world.cohort.programme]
    learners = np.array(world.people.learner_keys)[world.cohort.person]
    return pl.Series([f"{programme}:{learner}" for programme, learner in zip(programmes, learners, strict=True)])


def _dates(days: Iterable[int]) -> pl.Series:
    return pl.Series(list(days), dtype=pl.Int32).cast(pl.Date)


class _Frames:
    """The tables by name; an entry is a participation of the world, in its order."""

    def __init__(self, world: World, tonight: int) -> None:
        self._world, self._tonight = world, tonight
        cohort = world.cohort
        told = [row.get("timezone") for row in world.tables["learner"][: cohort.persons]]
        programme_zone = np.array([item.zone for item in PROGRAMMES])[cohort.programme]
        given = np.array([ZONES.index(str(zone)) if zone else -1 for zone in told])[cohort.person]
        # Who gave no zone lives by the programme's, as far as a night can know.
        self._zone: Ints = np.where(given >= 0, given, programme_zone)
        self._entries = pl.DataFrame(
            {
                "entry": np.arange(cohort.size),
                "participation_id": _participations(world),
                "learner_id": np.array(world.people.learner_keys)[cohort.person],
                "programme_id": np.array([item.programme_id for item in PROGRAMMES])[cohort.programme],
                "timezone": np.array(ZONES)[self._zone],
                "is_known": world.ends.is_known,
                "day": world.ends.day,
                "kind": world.trajectory.end_kind,
            }
        )
        self._matched = matched_entries(world)
        self._matched = self._matched[cohort.match_day[self._matched] < tonight]

    def enrolment(self) -> pl.DataFrame:
        """core.enrolment: the required one of each entry, then the extra ones, which end with it."""
        world, cohort = self._world, self._world.cohort
        of = np.concatenate([np.arange(cohort.size), world.enrolments.extra])
        told = np.where(world.ends.recorded_utc >= 0, world.ends.recorded_utc, world.ends.utc)
        known = self._local_day(told, np.arange(cohort.size))
        rows = pl.DataFrame(
            {
                "entry": of,
                "enrolment_id": [row["enrolment_id"] for row in world.enrolments.rows[: of.size]],
                "course_id": [row["course_id"] for row in world.enrolments.rows[: of.size]],
                "studied_credits": [row["studied_credits"] for row in world.enrolments.rows[: of.size]],
                "previous_attempts_count": [row["previous_attempts_count"] for row in world.enrolments.rows[: of.size]],
                "enrolled_epoch_day": cohort.enrolled_day[of],
                "course_start_epoch_day": world.settings.start_days[cohort.run[of]],
                "ended_known_epoch_day": np.maximum(known, world.ends.day)[of],
                "org_unit": [world.tables["learner"][person]["org_unit"] for person in cohort.person[of].tolist()],
            }
        )
        is_known = pl.col("is_known")
        return (
            rows.join(self._entries, on="entry", maintain_order="left")
            .with_columns(
                ended_epoch_day=pl.when(is_known).then("day"),
                ended_known_epoch_day=pl.when(is_known).then("ended_known_epoch_day"),
                ended_kind=pl.when(is_known).then("kind"),
            )
            .filter(pl.col("enrolled_epoch_day") < self._tonight)
        )

    def participation(self) -> pl.DataFrame:
        """core.participation: abandoned or not; the words of other ends are nobody's concern here."""
        is_known = pl.col("is_known")
        enrolled = self._world.cohort.enrolled_day < self._tonight
        return self._entries.with_columns(
            status=pl.when(is_known & (pl.col("kind") == "abandoned"))
            .then(pl.lit("abandoned"))
            .when(is_known)
            .then(pl.lit("ended"))
            .otherwise(pl.lit("active")),
            ended_on=pl.when(is_known).then(pl.col("day").cast(pl.Int32).cast(pl.Date)),
        ).filter(enrolled)

    def mentoring_match(self) -> pl.DataFrame:
        """core.mentoring_match: ended when the participation is."""
        world, matched = self._world, self._matched
        mentors = [world.people.mentor_keys[mentor] for mentor in world.cohort.mentor[matched].tolist()]
        return self._entries[matched].with_columns(
            match_id=pl.Series([match_id(world.settings, entry) for entry in matched.tolist()]),
            mentor_id=pl.Series(mentors),
            matched_epoch_day=world.cohort.match_day[matched],
            match_ended_epoch_day=pl.when("is_known").then("day"),
        )

    def mentoring_event(self) -> pl.DataFrame:
        """core.mentoring_event: contact alone, each week's as one message."""
        world = self._world
        utc = contact_seconds(world)[1]
        is_logged = world.trajectory.has_contact & (utc < self._tonight * DAY_SECONDS)
        is_logged[np.setdiff1d(np.arange(world.cohort.size), self._matched)] = False
        entry, week = np.nonzero(is_logged)
        second = utc[entry, week]
        return self._entries[entry].with_columns(
            event_id=pl.Series([f"contact-{number:06d}" for number in range(entry.size)]),
            match_id=pl.Series([match_id(world.settings, one) for one in entry.tolist()]),
            event_kind=pl.lit("message_by_mentor"),
            channel=pl.lit("email"),
            happened_at=pl.Series(second * 1_000_000).cast(pl.Datetime("us")),
            epoch_day=self._local_day(second, entry),
            known_epoch_day=self._local_day(second, entry),
        )

    def mentor_week(self) -> pl.DataFrame:
        """core.mentor_week: how many learners each mentor has in each week."""
        matches = self.mentoring_match().select(
            "mentor_id",
            "learner_id",
            week=pl.int_ranges(
                (pl.col("matched_epoch_day") - (pl.col("matched_epoch_day") + 3) % 7),
                pl.coalesce("match_ended_epoch_day", pl.lit(self._tonight + 7)) + 1,
                7,
            ),
        )
        return (
            matches.explode("week", empty_as_null=False)
            .group_by("mentor_id", week_starts_on=pl.col("week").cast(pl.Int32).cast(pl.Date))
            .agg(learners_count=pl.col("learner_id").n_unique())
        )

    def _events(self) -> tuple[Events, Ints]:
        """All that is done in courses before tonight, and the entry that each is of."""
        world = self._world
        catalogue = Catalogue(world.settings, world.runs)
        self._things = catalogue.things
        events = draw_events(world, catalogue)
        events = events.keep((events.enrolment >= 0) & (events.utc < self._tonight * DAY_SECONDS))
        owner = np.concatenate([np.arange(world.cohort.size), world.enrolments.extra])
        return events, np.asarray(owner[events.enrolment])

    def enrolment_day(self) -> pl.DataFrame:
        """core.enrolment_day: events by day and strand; what stands for the submissions too."""
        events, entry = self._events()
        self._acts = events, entry
        strand = np.array([thing.strand for thing in self._things])[events.thing]
        ids = np.array([str(row["enrolment_id"]) for row in self._world.enrolments.rows])
        counted = (
            pl.DataFrame(
                {"enrolment": events.enrolment, "epoch_day": self._local_day(events.utc, entry), "strand": strand}
            )
            .group_by("enrolment", "epoch_day", "strand")
            .agg(events_count=pl.len())
        )
        return counted.with_columns(
            enrolment_id=pl.Series(ids[counted["enrolment"].to_numpy()]),
            known_epoch_day=pl.col("epoch_day"),
            activity_kind=pl.lit("content"),
        )

    def submission(self) -> pl.DataFrame:
        """core.submission: every work of every enrolment's course, handed in or not."""
        world, (events, entry) = self._world, self._acts
        is_work = np.array([thing.type_iri == ASSESSMENT_TYPE for thing in self._things])
        is_act = is_work[events.thing] & (events.verb != VERB_NAMES.index("attempted"))
        done = pl.DataFrame(
            {
                "enrolment": events.enrolment[is_act],
                "activity_iri": [self._things[thing].iri for thing in events.thing[is_act].tolist()],
                "submitted_epoch_day": self._local_day(events.utc[is_act], entry[is_act]),
                "score_share": events.score[is_act],
            }
        )
        rows = world.enrolments.rows[: world.cohort.size + len(world.enrolments.extra)]
        due = pl.DataFrame(
            {
                "course_id": run.course_id,
                "activity_iri": run.assessment_iri(number),
                "due_epoch_day": None if run.course.is_rolling else run.due_day(number),
            }
            for runs in world.runs
            for run in runs
            for number in range(len(ASSESSMENT_WEIGHTS))
        )
        enrolled = pl.DataFrame(
            {
                "enrolment": np.arange(len(rows)),
                "enrolment_id": [row["enrolment_id"] for row in rows],
                "course_id": [row["course_id"] for row in rows],
            }
        )
        return (
            enrolled.join(due, on="course_id")
            .join(done, on=["enrolment", "activity_iri"], how="left")
            .with_columns(
                known_epoch_day=pl.col("submitted_epoch_day"),
                score_known_epoch_day=pl.col("submitted_epoch_day"),
            )
        )

    def registration(self) -> pl.DataFrame:
        """core.registration: what is known of everybody at the start."""
        names = ("learner_key", "programme_id", "is_hipo", "baseline_score", "route")
        rows = pl.DataFrame([{name: row.get(name) for name in names} for row in self._world.tables["registration"]])
        participation = pl.col("programme_id") + ":" + pl.col("learner_key")
        return rows.with_columns(learner_id=pl.col("learner_key"), participation_id=participation)

    def away_day(self) -> pl.DataFrame:
        """core.away_day: leave and closed days."""
        leave = [
            (str(row["learner_key"]), _day(row["from_on"]) + ahead, "leave")
            for row in self._world.tables["absence"]
            for ahead in range(_day(row["to_on"]) - _day(row["from_on"]) + 1)
        ]
        away = pl.DataFrame(leave, schema=["learner_id", "epoch_day", "away_kind"], orient="row")
        return away.unique(["learner_id", "epoch_day"]).with_columns(known_epoch_day=pl.col("epoch_day") - 7)

    def mentor(self) -> pl.DataFrame:
        """raw.mentor: kinds and training."""
        rows = self._world.tables["mentor"]
        return pl.DataFrame(
            {
                "mentor_id": [str(row["mentor_key"]) for row in rows],
                "kind": [str(row["kind"]) for row in rows],
                "trained_on": _trained(rows),
                "known_at": [dt.datetime(2000, 1, 1)] * len(rows),  # noqa: DTZ001 - UTC, as stored
            }
        )

    def support_ticket(self) -> pl.DataFrame:
        """raw.support_ticket: as told at the snapshot."""
        names = ("ticket_id", "learner_key", "kind", "opened_at", "resolved_at")
        rows = pl.DataFrame(
            [{name: row.get(name) for name in names} for row in self._world.tables["support_ticket"]],
            schema=dict.fromkeys(names, pl.String),
        )
        return rows.with_columns(
            pl.col("opened_at", "resolved_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us"),
            learner_id="learner_key",
        ).with_columns(known_at="opened_at")

    def _local_day(self, utc: Ints, entry: Ints) -> Ints:
        return self._world.clock.local_day(utc, self._zone[entry])


def _day(written: object) -> int:
    return (dt.date.fromisoformat(str(written)) - _EPOCH).days


def _trained(rows: list[dict[str, object]]) -> pl.Series:
    return pl.Series([row.get("trained_on") for row in rows], dtype=pl.String).str.to_date()
