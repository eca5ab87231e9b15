"""A night after 1, 3, 6 and 12 months of history, with as much new data each time: does its cost follow the new data?

`python tests/bench/night_increment.py --help`. The world: each month so many learners begin a course of four weeks; every
day as many statements come as on any other, every learner has a mentor and a session a week, and the nightly export tells
the statuses of all who are in a course. The months before a measured night come in as one file each; then a night makes
everything, a second one settles, and the nights measured take in one day each. Functions are called as the assets call
them: without Dagster, whose overhead is the same each night and would flatter the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from data_contracts.tables.inputs import INPUTS  # noqa: E402
from features.registry import REGISTRY  # noqa: E402
from pipelines import feature_tables  # noqa: E402
from pipelines.core.agreements import build_commitments, build_goal_updates, build_goals  # noqa: E402
from pipelines.core.coverage import build_opened_activities  # noqa: E402
from pipelines.core.days import build_days, build_submissions  # noqa: E402
from pipelines.core.enrolments import build_enrolments, build_participations  # noqa: E402
from pipelines.core.identities import link_identities  # noqa: E402
from pipelines.core.mentoring import build_matches, build_mentoring_events, find_gaps  # noqa: E402
from pipelines.core.presence import build_away_days, build_mentor_weeks  # noqa: E402
from pipelines.core.registrations import build_registrations  # noqa: E402
from pipelines.core.statements import attribute_statements  # noqa: E402
from pipelines.home import Home  # noqa: E402
from pipelines.publish import BUILD_NAME, PublicationBuild  # noqa: E402
from pipelines.resources import Night  # noqa: E402
from pipelines.settings import Settings  # noqa: E402
from pipelines.sources.take_in import take_in  # noqa: E402
from pipelines.statements.identity import Pseudonyms  # noqa: E402
from pipelines.warehouse import Warehouse  # noqa: E402

STARTED = date(2025, 1, 6)
MONTH_DAYS = 28
MONTHS = 13
ACTIVITIES = 40
"""A course's; every eighth is assessed."""

CLOCK = "all, by the clock"
CHECKPOINT = "checkpoint"
"""Part of the night: else one that the database makes meanwhile would stand in one night and not in another."""

_HOME = "https://lms.example.org"
_VERBS = ("viewed", "experienced", "completed")

Step = Callable[[Night], object]


def _take_in(night: Night) -> object:
    return take_in(night, (*INPUTS, "xapi"))


def _checkpoint(night: Night) -> None:
    night.warehouse.execute("CHECKPOINT")


def _steps() -> Iterator[tuple[str, str, Step]]:
    """What the assets of the first three groups call: (stage, name, function)."""
    yield "take in", "", _take_in
    for function in (
        *(link_identities, attribute_statements, build_days, build_opened_activities, build_submissions),
        *(build_enrolments, build_matches, build_registrations, build_participations, build_mentoring_events),
        *(build_mentor_weeks, build_goals, build_goal_updates, build_commitments, build_away_days, find_gaps),
    ):
        yield "core", function.__name__, function
    yield "features", "landmark", feature_tables.build_landmarks
    for name, family in REGISTRY.items():
        yield "features", name, partial(feature_tables.build_family, family=family)
    yield "features", "enrolment_week", feature_tables.build_enrolment_weeks
    yield "features", "label", feature_tables.build_labels


STAGES = ("take in", "core", "features")
STEPS = {": ".join(filter(None, (stage, name))): function for stage, name, function in _steps()}


@dataclass(frozen=True)
class World:
    """What comes in: `learners` a month, `statements` a day."""

    inbox: Path
    learners: int
    statements: int

    def write_catalogue(self) -> None:
        """The year's courses and activities, and the mentors."""
        self._write("programme", "programme_id,name", ["p,Programme"])
        courses, activities = [], []
        for month in range(MONTHS):
            first = STARTED + timedelta(days=MONTH_DAYS * month)
            courses.append(f"c{month},{_course(month)},Course {month},{first},{first + timedelta(days=MONTH_DAYS - 1)}")
            for number in range(ACTIVITIES):
                due = first + timedelta(days=7 * (number % 4) + 6)
                assessed = str(number % 8 == 0).lower()
                activities.append(f"{_activity(month, number)},c{month},{due if number % 8 == 0 else ''},{assessed}")
        self._write("course", "course_id,activity_iri,title,starts_on,ends_on", courses)
        self._write("activity", "activity_iri,course_id,due_on,is_assessment", activities)
        self._write("mentor", "mentor_key,display_name", (f"m{number},Mentor {number}" for number in range(50)))

    def write_days(self, first: int, last: int) -> None:
        """All that comes in on the days from `first` to `last` (since the start), as a file a table."""
        name = f"{first}-{last}"
        months = range(first // MONTH_DAYS, last // MONTH_DAYS + 1)
        people = [(month, number) for month in months for number in range(self.learners)]
        self._write(
            "enrolment",
            "enrolment_id,learner_key,programme_id,course_id,enrolled_on,status,status_on,recorded_at",
            (self._enrolment(month, number, last) for month, number in people),
            name,
        )
        self._write(
            "mentoring_match",
            "match_id,mentor_key,learner_key,programme_id,matched_on,agreed_sessions_per_week",
            (
                f"x{month}-{number},m{number % 50},u{month}-{number},p,{_day(MONTH_DAYS * month)},1"
                for month, number in people
            ),
            name,
        )
        self._write(
            "mentoring_session",
            "session_id,match_id,held_at,duration_minutes,outcome,recorded_at",
            (
                f"s{day}-{number},x{day // MONTH_DAYS}-{number},{_day(day)}T15:00:00Z,30,held,{_day(day)}T16:00:00Z"
                for day in range(first, last + 1)
                for number in range(day % 7, self.learners, 7)
            ),
            name,
        )
        folder = self.inbox / "xapi"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.ndjson").open("w", encoding="utf-8") as stream:
            for day in range(first, last + 1):
                stream.writelines(self._statements(day))

    def _enrolment(self, month: int, number: int, last: int) -> str:
        """As the nightly export tells it: one in eight leaves after 9 to 22 days, the others complete in the end."""
        leaves = MONTH_DAYS * month + 9 + number % 14
        ended, day = ("abandoned", leaves) if number % 8 == 0 else ("completed", MONTH_DAYS * (month + 1) - 1)
        status, status_on = (ended, _day(day)) if day <= last else ("active", "")
        began = _day(MONTH_DAYS * month)
        told = _day(min(day, last)) if status != "active" else began
        return f"e{month}-{number},u{month}-{number},p,c{month},{began},{status},{status_on},{told}T20:00:00Z"

    def _statements(self, day: int) -> Iterator[str]:
        """A day's statements; one in 500 voids one of the last ten days or comes a week late."""
        chance, month = Random(day), day // MONTH_DAYS  # noqa: S311 - seeded on purpose
        second = datetime.combine(STARTED, datetime.min.time(), UTC) + timedelta(days=day)
        for number in range(self.statements):
            happened = second + timedelta(seconds=number * 80_000 // self.statements)
            stored = happened + timedelta(seconds=3)
            said: dict[str, object] = {"id": _identifier(day, number)}
            learner = chance.randrange(self.learners)
            actor = {"account": {"homePage": _HOME, "name": f"u{month}-{learner}"}}
            if number % 500 == 0 and day:
                target = _identifier(max(day - 1 - number // 500 % 10, 0), number + 1)
                verb = "http://adlnet.gov/expapi/verbs/voided"
                said |= {"verb": {"id": verb}, "object": {"objectType": "StatementRef", "id": target}}
            else:
                if number % 500 == 2 and day % MONTH_DAYS > 7:
                    happened -= timedelta(days=7)
                activity = chance.randrange(ACTIVITIES)
                said |= {
                    "verb": {"id": f"http://adlnet.gov/expapi/verbs/{_VERBS[activity % 3]}"},
                    "object": {"id": _activity(month, activity)},
                    "context": {
                        "registration": str(uuid.UUID(int=month * 1_000_000 + learner + (4 << 76) + (8 << 60))),
                        "contextActivities": {"parent": [{"id": _course(month)}]},
                    },
                }
                if activity % 8 == 0:
                    said["result"] = {"score": {"scaled": chance.randrange(101) / 100}}
            stamps = {"timestamp": f"{happened:%Y-%m-%dT%H:%M:%SZ}", "stored": f"{stored:%Y-%m-%dT%H:%M:%SZ}"}
            yield json.dumps(said | {"actor": actor} | stamps) + "\n"

    def _write(self, table: str, head: str, rows: object, name: str = "all") -> None:
        folder = self.inbox / table
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8")  # type: ignore[misc]


def _day(number: int) -> str:
    return str(STARTED + timedelta(days=number))


def _course(month: int) -> str:
    return f"{_HOME}/course/view.php?id={month}"


def _activity(month: int, number: int) -> str:
    return f"{_HOME}/mod/view.php?id={month * ACTIVITIES + number}"


def _identifier(day: int, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{day}/{number}"))


@contextmanager
def opened(folder: Path, *, learners: int, statements: int) -> Iterator[tuple[Night, World]]:
    """An empty home with its night and its world."""
    home = Home(folder / "home")
    home.create()
    settings = Settings(timezone="UTC", threads=2, memory_limit="2GB", inbox_settle_seconds=0)
    world = World(home.inbox, learners, statements)
    with Warehouse.of(home, settings) as warehouse:
        yield (
            Night(
                home=home,
                settings=settings,
                data=home.inbox,
                observed_at=datetime.combine(STARTED, datetime.min.time(), UTC),
                run_id="bench",
                warehouse=warehouse,
                pseudonyms=Pseudonyms(b"k" * 32),
                build=PublicationBuild(warehouse.con, home.path / BUILD_NAME),
            ),
            world,
        )


def run_night(night: Night, day: int) -> dict[str, float]:
    """Run the stages as at the end of a day; processor seconds of all cores by stage and function, and seconds in all."""
    tonight = datetime.combine(STARTED + timedelta(days=day + 1), datetime.min.time(), UTC)
    night = replace(night, observed_at=tonight)
    seconds: dict[str, float] = {}
    begun = time.perf_counter()
    for name, step in {**STEPS, CHECKPOINT: _checkpoint}.items():
        started = _processor_seconds()
        step(night)
        seconds[name] = _processor_seconds() - started
    seconds[CLOCK] = time.perf_counter() - begun
    shutil.rmtree(night.home.inbox)
    return seconds


def _processor_seconds() -> float:
    """What this process and its children have used; unlike time by the clock it hardly hangs on what else runs."""
    return time.process_time() + sum(os.times()[2:4])


def nights_after(
    folder: Path, months: tuple[int, ...], *, learners: int, statements: int, nights: int
) -> dict[int, dict[str, float]]:
    """After each of so many months, the median over some nights of what each stage took; a day of data each night.

    Nights of all histories take turns, so that what else runs on the machine falls on all alike.
    """
    done = 0
    for month in months:
        with opened(folder / "home", learners=learners, statements=statements) as (night, world):
            if not done:
                world.write_catalogue()
            for start in range(done, _first_night(month), MONTH_DAYS):
                world.write_days(start, min(start + MONTH_DAYS, _first_night(month)) - 1)
                _take_in(replace(night, observed_at=datetime(2030, 1, 1, tzinfo=UTC)))
            done = _first_night(month)
            shutil.rmtree(world.inbox)
        shutil.copytree(folder / "home", folder / str(month))
    told: dict[int, list[dict[str, float]]] = {month: [] for month in months}
    with ExitStack() as stack:
        worlds = {
            month: stack.enter_context(opened(folder / str(month), learners=learners, statements=statements))
            for month in months
        }
        for number in range(nights + 1):
            for month, (night, world) in worlds.items():
                day = _first_night(month) + number
                world.write_days(day, day)
                told[month].append(run_night(night, day))
    return {
        month: {name: statistics.median(one[name] for one in each[1:]) for name in each[0]}
        for month, each in told.items()
    }


def _first_night(month: int) -> int:
    """Nights are measured in the second week of a course, where much the same is going on each time."""
    return MONTH_DAYS * month - 14


def table(columns: dict[int, dict[str, float]]) -> list[tuple[str, list[float]]]:
    """Rows of what is printed: functions, stages, all."""
    months = list(columns)
    rows = [(name, [columns[month][name] for month in months]) for name in columns[months[0]]]
    functions, clock = rows[:-1], rows[-1]
    stages = [
        (
            stage.upper(),
            [sum(part) for part in zip(*(one for name, one in functions if name.startswith(stage)), strict=True)],
        )
        for stage in STAGES
    ]
    every = ("ALL", [sum(part) for part in zip(*(one for _, one in functions), strict=True)])
    return [*functions, *stages, every, clock]


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--learners", type=int, default=500, help="a month")
    options.add_argument("--statements", type=int, default=10_000, help="a day")
    options.add_argument("--months", type=int, nargs="+", default=[1, 3, 6, 12])
    options.add_argument("--nights", type=int, default=5, help="measured after each")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        columns = nights_after(
            Path(folder),
            tuple(arguments.months),
            learners=arguments.learners,
            statements=arguments.statements,
            nights=arguments.nights,
        )
    sys.stdout.write(f"{'processor seconds a night, after months':<42}{''.join(f'{one:>8}' for one in columns)}\n")
    for name, seconds in table(columns):
        shown = "".join(f"{one:8.2f}" for one in seconds)
        sys.stdout.write(f"{name:<42}{shown}   {seconds[-1] / max(seconds[0], 0.01):5.2f} times\n")


if __name__ == "__main__":
    main()
