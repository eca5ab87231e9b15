"""The drawings an analyst looks for on an asset's page, each from one question to the night's tables.

Belongs here: the question, and which drawing answers it. Does not belong here: how a drawing is made (`plots`), tables of an
asset's page (`preview`), charts of reports.

No drawing tells of a single person: a group of fewer than `SMALL_CELL` persons is left out or withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from operator import itemgetter

import dagster as dg
import polars as pl

from models.metrics import reliability
from models.suppression import SMALL_CELL, suppress
from pipelines import plots
from pipelines.plots import Count, Curve
from pipelines.resources import Night

_TAKEN = {"planned": "#77b", "used": "#d60", "free": "#297"}
_SERVED = {"served": "#297", "unserved": "#d60", "split withheld": "#888"}
_ONE = {"rows": "#77b"}
_LATE = (("within 1 hour", 1), ("within a day", 24), ("within a week", 168), ("within 30 days", 720))
_LATE_DAYS = 28
_SURVIVAL_WEEKS, _HEAT_WEEKS = 26, 14
_PLACES = 13
_MENTOR_PARTS = 4


def lateness(night: Night) -> dg.MetadataValue:
    """Statements that became known in the last 28 days, by how long after they happened; assumed times say nothing."""
    hours = "date_diff('second', happened_at, known_at) / 3600.0"
    limits = [0, *(limit for _, limit in _LATE), None]
    names = [*(name for name, _ in _LATE), "later"]
    counted = ", ".join(
        f"count(*) FILTER ({f'{hours} > {low}' if low else 'true'} AND {f'{hours} <= {high}' if high else 'true'})"
        for low, high in pairwise(limits)
    )
    (found,) = night.warehouse.rows(
        f"SELECT {counted} FROM raw.statement WHERE NOT is_known_at_assumed AND known_at < {night.observed_sql} "
        f"AND known_at >= {night.observed_sql} - to_days({_LATE_DAYS})"
    )
    rows = [Count(name, (count,)) for name, count in zip(names, found, strict=True)]
    return _drawn(
        plots.counts(
            rows if sum(found) else [],
            _ONE,
            about="Lateness of statements",
            note=f"known in the last {_LATE_DAYS} days",
            nothing="no statement of the last 28 days says when it became known",
        )
    )


def quarantine(night: Night, tables: Sequence[str] = ()) -> dg.MetadataValue:
    """Rows refused and not yet released, by reason, most frequent first; of `tables`, or where none is named of all."""
    named = ", ".join(f"'{name}'" for name in tables)
    rows = night.warehouse.rows(
        "SELECT reason, count(*) FROM raw.quarantine ANTI JOIN raw.released USING (fault_id) "
        f"{f'WHERE table_name IN ({named}) ' if tables else ''}GROUP BY reason ORDER BY count(*) DESC, reason"
    )
    return _drawn(
        plots.counts(
            [Count(reason.replace("_", " "), (count,)) for reason, count in rows],
            {"refused": "#d60"},
            about="Quarantine by reason",
            nothing="nothing is in quarantine",
        )
    )


def survival(night: Night) -> dg.MetadataValue:
    """Who has not abandoned, by programme and weeks since the start (Kaplan-Meier; every other end is censored).

    A line ends where fewer than `SMALL_CELL` were still followed.
    """
    tonight = f"(DATE '1970-01-01' + {night.tonight_epoch_day})"
    found = night.warehouse.frame(
        "WITH stay AS (SELECT programme_id, status = 'abandoned' AS is_event, "
        f"greatest(0, date_diff('day', starts_on, coalesce(ended_on, {tonight})) // 7) AS weeks FROM core.participation "
        f"WHERE starts_on < {tonight}) "
        "SELECT programme_id, week, count(*) FILTER (weeks >= week) AS followed_count, "
        "count(*) FILTER (weeks = week AND is_event) AS events_count "
        f"FROM stay, range(0, {_SURVIVAL_WEEKS}) AS course (week) GROUP BY ALL ORDER BY programme_id, week"
    )
    lines = []
    for rows in found.partition_by("programme_id", maintain_order=True):
        points, still = [(0.0, 1.0)], 1.0
        for week, followed, events in rows.select("week", "followed_count", "events_count").iter_rows():
            if followed < SMALL_CELL:
                break
            still *= 1 - events / followed
            points.append((week + 1.0, still))
        lines.append(Curve(str(rows["programme_id"][0]), _thinned(points)))
    last = max((x for line in lines for x, _ in line.points), default=0)
    return _drawn(
        plots.curves(lines, about="Not abandoned by weeks since start", across=f"0 to {last:.0f} weeks in:", top=1.0)
    )


def calibration(predictions: pl.DataFrame) -> dg.MetadataValue:
    """What was foretold of each tenth of the rows (across) and what became of it (up); on the diagonal both agree.

    `predictions` has the columns of risk.prediction.
    """
    of_model = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    rows = reliability(of_model) if of_model.height else pl.DataFrame()
    points = list(rows.select("probability_mean", "observed_share").iter_rows()) if rows.height else []
    top = max((value for point in points for value in point), default=1.0)
    return _drawn(
        plots.curves(
            [Curve("abandoned", points)],
            about="Calibration within 28 days",
            across=f"foretold 0 to {top:.0%}:",
            top=top,
            diagonal=True,
        )
    )


def recall_by_week(quality: pl.DataFrame) -> dg.MetadataValue:
    """The share of abandonments among the 10 % of highest risk, by course week, of the model and both baselines."""
    rows = (
        quality.filter(
            (pl.col("horizon") == "28d")
            & (pl.col("slice_kind") == "week")
            & (pl.col("metric_name") == "recall_at_10_percent")
            & pl.col("metric_value").is_not_null()
        )
        .with_columns(week=pl.col("slice_value").cast(pl.Int64, strict=False))
        .drop_nulls("week")
        .sort("week")
    )
    weeks = rows["week"].to_list()
    names = {"model": "model", "logistic_regression": "logistic", "inactive_7d_rule": "7-day rule"}
    lines = [
        Curve(said, _thinned(list(rows.filter(estimator=name).select("week", "metric_value").iter_rows())))
        for name, said in names.items()
    ]
    return _drawn(
        plots.curves(
            lines,
            about="Recall among the highest tenth by course week",
            across=f"course week {min(weeks, default=0)} to {max(weeks, default=0)}:",
        )
    )


def alerts_by_level(night: Night) -> dg.MetadataValue:
    """Tonight's open alerts of each level, served and unserved."""
    found = night.warehouse.frame(
        "SELECT coalesce(level, kind) AS name, count(*) FILTER (is_served) AS served, count(*) FILTER (NOT is_served) AS "
        "unserved, count(DISTINCT learner_id) AS people, 0 AS whole FROM alerts.alert "
        f"WHERE observed_at = {night.observed_sql} AND state <> 'resolved' GROUP BY ALL ORDER BY count(*) DESC, name"
    )
    safe = suppress(found, count="people", measures=("served", "unserved"), groups=[["whole"]])
    rows = []
    for name, served, unserved, is_hidden in safe.select("name", "served", "unserved", "is_suppressed").iter_rows():
        parts = (served or 0, unserved or 0, 0)
        if any(0 < part < SMALL_CELL for part in parts):
            parts = (0, 0, sum(parts))
        rows.append(Count(name.replace("_", " "), parts, "withheld" if is_hidden else ""))
    return _drawn(plots.counts(rows, _SERVED, about="Open alerts by level", nothing="no open alerts"))


def minutes_by_load(night: Night) -> dg.MetadataValue:
    """Minutes a mentor of tonight's week in up to four equal parts of all mentors, by how full their week is.

    Fewer than `SMALL_CELL` mentors are no part.
    """
    mentors = night.warehouse.frame(
        "SELECT available_minutes, planned_minutes, used_minutes FROM alerts.capacity "
        f"WHERE observed_at = {night.observed_sql} AND available_minutes > 0 "
        "ORDER BY (planned_minutes + used_minutes) / available_minutes, available_minutes, planned_minutes"
    )
    parts = min(_MENTOR_PARTS, mentors.height // SMALL_CELL)
    rows = []
    for number in range(parts):
        begin, end = (mentors.height * at // parts for at in (number, number + 1))
        available, planned, used = mentors[begin:end].mean().row(0)
        free = max(0.0, available - planned - used)
        rows.append(
            Count(f"part {number + 1} of {parts}", (planned, used, free), f"{(planned + used) / available:.0%}")
        )
    return _drawn(
        plots.counts(
            rows,
            _TAKEN,
            about="Minutes of mentors by how full their week is",
            note="minutes a mentor, fullest last",
            nothing=f"fewer than {SMALL_CELL} mentors have minutes",
        )
    )


def engagement(night: Night) -> dg.MetadataValue:
    """Mean active days of each ISO week by programme, the last 14 weeks; none where fewer than ten were enrolled."""
    found = night.warehouse.rows(
        "WITH last AS (SELECT max(week_starts_on) AS week FROM building.main.engagement_weekly) "
        "SELECT programme_id, number, any_value(days) FROM (SELECT programme_id, "
        f"{_HEAT_WEEKS} - 1 - date_diff('day', week_starts_on, week) // 7 AS number, avg(active_days_count) AS days, "
        f"FROM building.main.engagement_weekly, last WHERE week_starts_on > week - {7 * _HEAT_WEEKS} "
        f"GROUP BY ALL HAVING count(DISTINCT learner_id) >= {SMALL_CELL}) GROUP BY ALL ORDER BY programme_id, number"
    )
    rows = []
    for programme, cells in groupby(found, key=itemgetter(0)):
        by_week = {number: float(days) for _, number, days in cells}
        rows.append((str(programme), [by_week.get(number) for number in range(_HEAT_WEEKS)]))
    highest = max((cell for _, cells in rows for cell in cells if cell is not None), default=0.0)
    note = f"the last {_HEAT_WEEKS} weeks; strongest: {highest:.1f} active days a week"
    return _drawn(plots.heat(rows, about="Active days a week by programme", note=note))


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `_PLACES` of the points, the first and the last among them."""
    if len(points) <= _PLACES:
        return list(points)
    return [points[round(at * (len(points) - 1) / (_PLACES - 1))] for at in range(_PLACES)]


def _drawn(drawing: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(drawing)
