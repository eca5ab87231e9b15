"""A simulated quarter, night by night: do alerts keep their promises, and whom do they find?

`python tests/bench/alert_replay.py --help`. The world has three runs of a course; the nights are those of the second one,
so that a run of labels lies before the first night and every outcome is known. One inbox serves all nights, since a night
reads what was known before it; yet an export made at the end tells less than one a night would: no session before it was
held, no commitment before its review. Mentors act on a share of the alerts that ask for their minutes, the next morning, and say
so in the inbox; the world itself is played already and does not heed them, so outcomes are those without.

A night is its assets up to alerts (`tests.nights`), or with `--command` all of `handrail run`. After each night the promises
are checked from the tables alone (`tests.oracle.alert_life`); at the end Handrail's choice is compared with others that
spend the same minutes (`alert_choices`). With `--folder` home and nights stay; given again, a replay goes on where it
stopped, or compares what is there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from alert_choices import compared, lines  # noqa: E402

from pipelines.home import Home  # noqa: E402
from pipelines.sources.simulated import SimulationSettings, simulate  # noqa: E402
from pipelines.statements.identity import Pseudonyms  # noqa: E402
from pipelines.warehouse import Warehouse  # noqa: E402
from tests.nights import act, assets, opened, run_night  # noqa: E402
from tests.oracle import alert_life  # noqa: E402
from tests.oracle.preventable import Truth  # noqa: E402

EPOCH = date(1970, 1, 1)
SECOND_RUN = 1
PUBLISHED = (0, 3)
CARD_MINUTES = 20
"""What a card takes where nobody calls for one tonight; else who is no candidate takes the candidates' median."""

# Whom a mentor could be asked to speak to tonight, and what is known of them: nothing that came later.
PEOPLE = """
WITH seen AS (
    SELECT e.participation_id, max(d.epoch_day) AS last_day
    FROM core.enrolment AS e JOIN core.enrolment_day AS d USING (enrolment_id) WHERE d.epoch_day < {tonight} GROUP BY ALL
),
open AS (
    SELECT participation_id, min(greatest(enrolled_epoch_day, course_start_epoch_day)) AS open_day
    FROM core.enrolment WHERE ended_kind IS NULL AND course_id IS NOT NULL GROUP BY ALL
),
scored AS (
    SELECT participation_id, max(abandonment_probability_28d) FILTER (NOT is_too_early) AS probability
    FROM risk.score WHERE observed_at = {at} GROUP BY ALL
),
away AS (SELECT DISTINCT learner_id FROM core.away_day WHERE epoch_day = {tonight} AND away_kind = 'leave')
SELECT p.participation_id, p.learner_id, p.programme_id, p.mentor_id, s.probability,
       {tonight} - 1 - coalesce(last_day, open_day - 1) AS silent_days, coalesce(c.expected_minutes, u.minutes, {card}) AS minutes
FROM core.participation AS p JOIN open AS o USING (participation_id) LEFT JOIN seen USING (participation_id)
LEFT JOIN scored AS s USING (participation_id)
LEFT JOIN (FROM alerts.candidate WHERE observed_at = {at} AND kind <> 'good_news') AS c USING (participation_id)
CROSS JOIN (
    SELECT median(expected_minutes) AS minutes FROM alerts.candidate WHERE observed_at = {at} AND kind <> 'good_news'
) AS u
WHERE p.status = 'active' AND p.mentor_id IS NOT NULL AND o.open_day < {tonight}
  AND p.learner_id NOT IN (SELECT learner_id FROM raw.learner WHERE opted_out_at < {at})
  AND p.learner_id NOT IN (FROM away)
ORDER BY p.participation_id
"""


@dataclass
class Found:
    """What the checks of all nights found; empty lists are the good answer."""

    overdrawn: list[str] = field(default_factory=list)
    untold_minutes: list[str] = field(default_factory=list)
    shown_twice: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    not_published: list[str] = field(default_factory=list)
    open_twice: list[str] = field(default_factory=list)
    without_reason: list[str] = field(default_factory=list)
    weeks_over: int = 0

    def broken(self) -> dict[str, list[str]]:
        """What was promised and not kept."""
        return {name: told for name, told in vars(self).items() if isinstance(told, list) and told}


class Replay:
    """A home, its nights one after another, and what was found."""

    def __init__(self, folder: Path, world: SimulationSettings, *, acting: float, is_command: bool) -> None:
        self.folder, self.world, self.acting = folder, world, acting
        self.home = Home(folder / "home")
        self._functions = None if is_command else assets()
        self.nights: list[dict[str, Any]] = []
        self.found = Found()
        self._events: pl.DataFrame | None = None

    def prepare(self) -> None:
        """Simulate the world and put it where the first night takes it in."""
        self.home.path.mkdir(parents=True)
        self.home.settings_file.write_text(
            'source = "inbox"\ninbox_settle_seconds = 0\nthreads = 1\ndigests = false\n', "utf-8"
        )
        self.home.create("inbox")
        self.home.inbox.rmdir()
        simulate(self.folder / "world", self.world)
        shutil.move(self.folder / "world" / "inbox", self.home.inbox)
        (self.folder / "nights").mkdir()

    def remember(self) -> None:
        """Take up what an earlier replay in this folder found."""
        kept = json.loads((self.folder / "nights.json").read_text("utf-8"))
        self.nights, self.found = kept["nights"], Found(**kept["found"])

    @property
    def truth(self) -> Truth:
        """The world again, under this home's pseudonyms."""
        return Truth(self.world, Pseudonyms(bytes.fromhex(self.home.key_file.read_text("ascii").strip())))

    def run(self, day: date) -> None:
        """One night as of the day's first instant, then look at what it left."""
        begun, processor = time.perf_counter(), time.process_time()
        if self._functions is None:
            code, told = handrail("run", "--home", self.home.path, "--as-of", day)
            if code not in PUBLISHED:
                self.found.not_published.append(f"{day}: exit code {code}")
                sys.stderr.write(told[-4000:])
        else:
            run_night(self.home, self._functions, day)
        seconds = time.perf_counter() - begun, time.process_time() - processor
        with opened(self.home) as warehouse:
            tonight = self._look(warehouse, day, *seconds)
        act(self.home, tonight, day, share=self.acting)

    def _look(self, warehouse: Warehouse, day: date, seconds: float, processor: float) -> pl.DataFrame:
        at = datetime.combine(day, datetime.min.time())
        alerts, events = warehouse.frame("FROM alerts.alert"), warehouse.frame("FROM alerts.event")
        capacity = warehouse.frame("FROM alerts.capacity")
        tonight = capacity.filter(pl.col("observed_at") == at)
        of_tonight = alerts.filter(pl.col("observed_at") == at)
        placed = alerts.join(
            capacity.select("mentor_id", "observed_at", "week_starts_on"), on=["mentor_id", "observed_at"]
        )
        this_week = placed.join(tonight.select("mentor_id", "week_starts_on"), on=["mentor_id", "week_starts_on"])
        found = self.found
        found.overdrawn += named(day, alert_life.overdrawn(tonight, of_tonight))
        found.untold_minutes += named(day, alert_life.minutes_untold(tonight, of_tonight, this_week))
        found.shown_twice += named(day, alert_life.shown_twice(of_tonight))
        found.weeks_over += tonight.filter(
            pl.col("planned_minutes") + pl.col("used_minutes") > pl.col("available_minutes")
        ).height
        if self._events is not None:
            before = events.filter(pl.col("observed_at") < at)
            if alert_life.digest_of(before) != alert_life.digest_of(self._events):
                found.rewritten.append(f"{day}: events of earlier nights are not what they were")
        self._events = events
        is_open = of_tonight.filter(pl.col("state").is_in(alert_life.OPEN))
        told = {
            "day": str(day),
            "seconds": round(seconds, 1),
            "processor_seconds": round(processor, 1),
            "open": is_open.height,
            "served": is_open.filter(pl.col("is_served")).height,
            "opened": of_tonight.filter(pl.col("opened_at") == at).height,
            "minutes": float(tonight["alert_minutes"].sum()),
            "model": int(
                warehouse.scalar("SELECT count(DISTINCT model_id) FROM risk.score WHERE observed_at = ?", [at])
            ),
        }
        self.nights.append(told)
        sys.stderr.write(f"{json.dumps(told)}\n")
        kept = {"nights": self.nights, "found": vars(found)}
        (self.folder / "nights.json").write_text(json.dumps(kept), "utf-8")
        people = warehouse.frame(PEOPLE.format(tonight=(day - EPOCH).days, at=f"TIMESTAMP '{at}'", card=CARD_MINUTES))
        people.write_parquet(self.folder / "nights" / f"{day}.parquet")
        return of_tonight

    def conclude(self) -> dict[str, Any]:
        """What all nights together left, and how the choices compare."""
        with opened(self.home) as warehouse:
            alerts, events = warehouse.frame("FROM alerts.alert"), warehouse.frame("FROM alerts.event")
            routing = warehouse.frame("FROM alerts.routing")
        self.found.open_twice = alert_life.open_twice(events)
        self.found.without_reason = alert_life.without_reason(alerts, events)
        lives = alert_life.lives(events).values()
        states: dict[str, int] = {}
        for life in lives:
            name = f"{life.state} ({life.resolution})" if life.resolution else life.state
            states[name] = states.get(name, 0) + 1
        people = {
            date.fromisoformat(file.stem): pl.read_parquet(file)
            for file in sorted((self.folder / "nights").glob("*.parquet"))
        }
        is_open = alerts.filter(pl.col("state").is_in(alert_life.OPEN))
        own = is_open.filter(pl.col("mentor_id").is_not_null())
        nights = max(is_open["observed_at"].n_unique(), 1)
        return {
            "nights": self.nights,
            "broken": self.found.broken(),
            "mentor_nights_over_by_sessions": self.found.weeks_over,
            "alerts": len(lives),
            "alerts_open_a_night": is_open.height / nights,
            "alerts_opened_a_night": len(lives) / nights,
            "served_share": is_open["is_served"].mean(),
            "alerts_a_mentor_and_week": own.select("mentor_id", "alert_id", pl.col("observed_at").dt.truncate("1w"))
            .unique()
            .group_by("mentor_id", "observed_at")
            .len()["len"]
            .mean(),
            "states": dict(sorted(states.items())),
            "kinds": dict(sorted(events.filter(event_kind="opened").group_by("kind").len().iter_rows())),
            "routes": dict(sorted(is_open.filter(pl.col("is_served")).group_by("route_kind").len().iter_rows())),
            "unserved": dict(
                is_open.filter(~pl.col("is_served"))
                .group_by("unserved_reason")
                .len()
                .sort("unserved_reason")
                .iter_rows()
            ),
            "served_value": {
                "over_greedy": routing["served_value"].sum() / max(routing["greedy_served_value"].sum(), 1e-9),
                "of_the_bound": routing["served_value"].sum() / max(routing["served_value_bound"].sum(), 1e-9),
            },
            "choices": compared(self.truth, people, alerts),
        }


def handrail(*words: object) -> tuple[int, str]:
    """Run the command in this process; returns its exit code and what it printed."""
    from pipelines.cli import main as command  # noqa: PLC0415 - imports Dagster

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command([str(word) for word in words])
    return code, said.getvalue()


def named(day: date, told: list[Any]) -> list[str]:
    """Findings with the night they were found on."""
    return [f"{day}: {one}" for one in told]


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--learners", type=int, default=1200, help="participations a run")
    options.add_argument("--weeks", type=int, default=13, help="of a run")
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--effect", type=float, default=-0.15, help="log hazard ratio of contact")
    options.add_argument("--nights", type=int, default=91)
    options.add_argument("--first", type=int, default=0, help="day of the second run on which the nights begin")
    options.add_argument("--acting", type=float, default=1.0, help="share of served alerts that mentors act on")
    options.add_argument(
        "--command", action="store_true", help="run `handrail run` each night: marts, publication and delivery too"
    )
    options.add_argument(
        "--folder", type=Path, help="where home and nights stay; goes on where it stopped, if it is there"
    )
    options.add_argument("--out", type=Path, help="JSON of all figures")
    arguments = options.parse_args()
    world = SimulationSettings(
        seed=arguments.seed, learners=arguments.learners, weeks=arguments.weeks, effect=arguments.effect
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as aside:
        folder = arguments.folder or Path(aside) / "replay"
        replay = Replay(folder, world, acting=arguments.acting, is_command=arguments.command)
        if folder.exists():
            replay.remember()
        else:
            replay.prepare()
        first = EPOCH + timedelta(days=int(world.start_days[SECOND_RUN]) + arguments.first)
        for number in range(len(replay.nights), arguments.nights):
            replay.run(first + timedelta(days=number))
        begun = time.perf_counter()
        told = replay.conclude() | {"world": world.told(), "acting": arguments.acting}
        told["seconds_of_comparing"] = round(time.perf_counter() - begun, 1)
    if arguments.out:
        told["measured_at"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        arguments.out.write_text(json.dumps(told, indent=1), "utf-8")
    sys.stdout.write("\n".join(shown(told)) + "\n")


def shown(told: dict[str, Any]) -> list[str]:
    """The figures as a table to read."""
    nights = told["nights"]
    found = [
        f"{len(nights)} nights, {told['alerts']} alerts, {told['alerts_opened_a_night']:.1f} opened a night",
        f"{told['alerts_open_a_night']:.1f} open a night, {told['served_share']:.0%} of them served",
        f"{told['alerts_a_mentor_and_week'] or 0:.1f} alerts a mentor and week",
        f"kinds {told['kinds']}",
        f"states {told['states']}",
        f"routes {told['routes']}, unserved {told['unserved']}",
        f"mentor-nights over capacity by meetings and contact that had been: {told['mentor_nights_over_by_sessions']}",
    ]
    if nights:
        seconds = sorted(night["processor_seconds"] for night in nights)
        found.append(f"processor seconds a night: median {seconds[len(seconds) // 2]}, most {seconds[-1]}")
    value = told["served_value"]
    found.append(f"served value {value['over_greedy']:.4f} times greedy's, {value['of_the_bound']:.4f} of the bound")
    broken = told["broken"]
    found.append("promises broken: none" if not broken else "PROMISES BROKEN")
    for name, examples in broken.items():
        found += [f"  {name}: {len(examples)}", *(f"    {example}" for example in examples[:5])]
    return [*found, *lines(told["choices"])]


if __name__ == "__main__":
    main()
