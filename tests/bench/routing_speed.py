"""How fast a night's alerts are routed and how much they serve, beside greedy routes and an exact programme.

    python tests/bench/routing_speed.py --alerts 100000 --mentors 5000 --programmes 1 50 --shared 0.1 --lengths few many

Alerts and mentors are made up: risks as of a skewed population, cards of the default lengths (few: 10, 15, 20, 30 minutes)
or of learned ones (many: 10 to 60 in fives), mentors with 30 to 120 minutes less sessions, so that about a fifth of the
alerts can be served. With --exact each alert and mentor is a variable of its own in an integer programme of HiGHS, stopped
at a gap of a hundredth of a percent; it is for small sizes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from data_contracts.tables.alerts import ALERT, CAPACITY  # noqa: E402
from models.contract import schema_of  # noqa: E402
from models.routing import RoutingSettings, route  # noqa: E402

NIGHT = datetime(2026, 3, 4, 3, 30)  # noqa: DTZ001 - instants are UTC without a zone
LENGTHS = {"few": (10, 15, 20, 30), "many": tuple(range(10, 65, 5))}
EXACT_GAP = 1e-4


class World(NamedTuple):
    """The tables that routing reads."""

    alerts: pl.DataFrame
    capacity: pl.DataFrame
    matches: pl.DataFrame
    programmes: pl.DataFrame
    mentors: pl.DataFrame


def world(alerts: int, mentors: int, programmes: int, shared: float, lengths: Sequence[int]) -> World:
    """Alerts of as many learners, mentors of one programme each, and some of two."""
    random = np.random.default_rng(20)
    own = random.integers(0, mentors, alerts)
    second = np.where(random.random(mentors) < shared, random.integers(0, programmes, mentors), np.arange(mentors))
    in_second = random.random(alerts) < 0.5
    place = np.where(in_second, second[own], own) % programmes
    minutes = random.choice(lengths, alerts)
    value = 0.1 + random.beta(1.5, 6, alerts) * 0.9
    planned = random.choice([0, 0, 15, 30, 45, 65], mentors)
    available = random.choice([30, 60, 60, 60, 90, 120], mentors)
    names = [f"m{number:05}" for number in range(mentors)]
    learners = [f"l{number:06}" for number in range(alerts)]
    at = [f"p{number:03}" for number in place]
    night = pl.lit(NIGHT, pl.Datetime("us"))
    routed = pl.DataFrame(
        {
            "alert_id": learners,
            "learner_id": learners,
            "participation_id": learners,
            "programme_id": at,
            "due_minutes": minutes,
            "expected_minutes": minutes,
            "abandonment_probability_28d": value,
            "routing_value": value,
        }
    ).with_columns(
        kind=pl.lit("risk"), state=pl.lit("new"), ranked_by=pl.lit("probability"), observed_at=night, opened_at=night
    )
    missing = {name: kind for name, kind in schema_of(ALERT).items() if name not in routed.columns}
    capacity = pl.DataFrame(
        {
            "mentor_id": names,
            "available_minutes": available.astype(float),
            "planned_minutes": planned.astype(float),
            "used_minutes": 0.0,
            "alert_minutes": 0.0,
            "is_capacity_assumed": False,
            "week_starts_on": date(2026, 3, 2),
            "observed_at": NIGHT,
        }
    ).select(pl.col(name).cast(kind) for name, kind in schema_of(CAPACITY).items())
    return World(
        routed.with_columns(pl.lit(None, kind).alias(name) for name, kind in missing.items()),
        capacity,
        pl.DataFrame(
            {"mentor_id": [names[each] for each in own], "learner_id": learners, "programme_id": at}
        ).with_columns(matched_on=pl.lit(date(2026, 1, 5))),
        pl.DataFrame({"programme_id": sorted(set(at))}).with_columns(
            active_participations_count=pl.lit(100), local_at=night
        ),
        pl.DataFrame({"mentor_id": names}).with_columns(local_at=night),
    )


def routes(given: World, method: str) -> tuple[float, float, Mapping[str, float]]:
    """Seconds by the clock and of the processor, and the record of the night."""
    clock, processor = time.perf_counter(), time.process_time()
    found = route(
        given.alerts,
        given.capacity,
        matches=given.matches,
        programmes=given.programmes,
        mentors=given.mentors,
        charged=pl.DataFrame(
            schema={"programme_id": pl.String, "mentor_id": pl.String, "learner_id": pl.String, "minutes": pl.Int64}
        ),
        settings=RoutingSettings(method="greedy" if method == "greedy" else "assignment"),
    )
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    over = found.capacity.filter(pl.col("planned_minutes") + pl.col("used_minutes") > pl.col("available_minutes"))
    if over.filter(pl.col("used_minutes") > 0).height:
        message = "a mentor is over capacity"
        raise SystemExit(message)
    return clock, processor, found.record.row(0, named=True)


def exact(given: World) -> tuple[float, float, float]:
    """Seconds, value and bound of one variable for each alert and mentor of its programme."""
    clock = time.perf_counter()
    free = {
        name: max(0.0, available - planned)
        for name, available, planned in given.capacity.select(
            "mentor_id", "available_minutes", "planned_minutes"
        ).iter_rows()
    }
    mentors: dict[str, set[str]] = defaultdict(set)
    for name, programme in given.matches.select("mentor_id", "programme_id").iter_rows():
        mentors[programme].add(name)
    row_of = {name: given.alerts.height + place for place, name in enumerate(free)}
    entries: list[tuple[int, int, float]] = []
    costs: list[float] = []
    columns = ("programme_id", "due_minutes", "routing_value")
    for place, (programme, minutes, value) in enumerate(given.alerts.select(columns).iter_rows()):
        for name in sorted(mentors[programme]):
            if minutes <= free[name]:
                entries += [(place, len(costs), 1.0), (row_of[name], len(costs), float(minutes))]
                costs.append(-value)
    rows, places, factors = zip(*entries, strict=True)
    matrix = csr_array((factors, (rows, places)), shape=(given.alerts.height + len(free), len(costs)))
    most = np.array([1.0] * given.alerts.height + list(free.values()))
    found = milp(
        np.array(costs),
        integrality=np.ones(len(costs), dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, -np.inf, most),
        options={"mip_rel_gap": EXACT_GAP},
    )
    return time.perf_counter() - clock, -float(found.fun or 0.0), -float(found.mip_dual_bound or 0.0)


def main() -> None:
    """Route every size asked for and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, nargs="+", default=[100_000])
    parser.add_argument("--mentors", type=int, nargs="+", default=[5_000])
    parser.add_argument("--programmes", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--shared", type=float, nargs="+", default=[0.0, 0.1], help="mentors of a second programme")
    parser.add_argument("--lengths", choices=LENGTHS, nargs="+", default=["few", "many"])
    parser.add_argument("--exact", action="store_true")
    given = parser.parse_args()
    for alerts, mentors in zip(given.alerts, given.mentors, strict=True):
        for programmes in given.programmes:
            for shared in given.shared if programmes > 1 else [0.0]:
                for lengths in given.lengths:
                    found = world(alerts, mentors, programmes, shared, LENGTHS[lengths])
                    clock, processor, record = routes(found, "assignment")
                    *_, greedy = routes(found, "greedy")
                    value, bound = record["served_value"], record["served_value_bound"]
                    line = (
                        f"{alerts:>7,} alerts {mentors:>5,} mentors {programmes:>3} programmes {shared:.0%} shared {lengths:>4} "
                        f"{clock:6.2f} s {processor:6.2f} core s value {value:9.3f} gap {1 - value / bound:.5%} "
                        f"own {record['own_mentor_count']:>6,} spilled {record['spill_over_count']:>6,} "
                        f"{value / greedy['served_value']:.4f} times greedy "
                        f"(own {greedy['own_mentor_count']:,} spilled {greedy['spill_over_count']:,})"
                    )
                    if given.exact:
                        took, best, most = exact(found)
                        line += f" exact {took:.2f} s value {best:.3f} bound {most:.3f} ratio {value / best:.6f}"
                    sys.stdout.write(line + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
