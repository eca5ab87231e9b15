"""The last night on one page: what came in, what was refused, who is at risk, who is served, what it returned.

Belongs here: the page's content from frames of published marts. Does not belong here: how they are read
(`pipelines.reports.pages`), the terminal's summary (`pipelines.commands.summary`).

The page holds no row about a person, and withholds counts of fewer than ten learners and what would give them away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from data_contracts.tables.inputs import RAW_INPUTS
from models.card_figures import SMALL, UNKNOWN, counted, interval, number, on_day, percent
from models.card_words import ESTIMATORS, METRICS, PROHIBITED
from models.document import Block, Bullets, Document, Figure, Grid, Link, Links, Paragraph, Section
from models.report_figures import Bar, bars
from models.report_mix import overview
from models.report_returns import headlines, return_sentences, roi_blocks
from models.report_words import label
from models.suppression import suppress

SERVED, UNSERVED = "served", "not served"
_BANDS = ("high", "middle", "low")
_MOST_ROWS = 20
_FEW = '"few" stands for a count that is withheld: fewer than ten people, or what would give one such away.'


@dataclass(frozen=True, slots=True)
class NightFrames:
    """Rows of the marts, and counts made of them.

    `publication` is the one row of the mart. `alerts` has programme_id, level, rule, learner_id, is_new and is_served of each
    alert that asks something of somebody; `events` counts what alerts became: resolved, escalated, good_news. `bands` has
    programme_id, risk_band, learner_id of each score. The others are marts.
    """

    publication: Mapping[str, Any]
    names: Mapping[str, str]
    data_quality: pl.DataFrame
    model_quality: pl.DataFrame
    bands: pl.DataFrame
    alerts: pl.DataFrame
    events: Mapping[str, int]
    unserved: pl.DataFrame
    mix: pl.DataFrame
    roi: pl.DataFrame


def night_report(frames: NightFrames, more: tuple[Link, ...], up: Link) -> Document:
    """The page of the last night; `more` leads to the other pages."""
    row = frames.publication
    model = f"model {row['model_id']}" if row["model_id"] else "no model: rules only"
    sections: dict[str, list[Block]] = {
        "In short": [Bullets(tuple(_in_short(frames)))],
        "What came in": [*_intake(frames.data_quality)],
        "What was refused": [*_refused(frames.data_quality)],
        "Risk of abandonment": [*_risk(frames)],
        "Alerts": [*_alerts(frames)],
        "Learning mix": [*overview(frames.mix, dict(frames.names))],
        "What programmes cost and returned": [*roi_blocks(frames.roi, frames.names)],
        "Checks": [*_checks(frames)],
        "What this page is not for": [Paragraph(PROHIBITED[0]), Bullets(PROHIBITED[1:])],
        "More": [Links(more)],
    }
    return Document(
        "The last night",
        f"What was known on {row['observed_at']:%-d %B %Y, %H:%M} UTC. Published {row['published_at']:%-d %B %Y, %H:%M} UTC; "
        f"publication {row['publication_id']}; {model}.",
        tuple(Section(title, tuple(blocks)) for title, blocks in sections.items()),
        up,
    )


def _in_short(frames: NightFrames) -> Iterator[str]:
    active = frames.bands["learner_id"].n_unique()
    served = frames.alerts.filter("is_served")["learner_id"].n_unique()
    asked = frames.alerts["learner_id"].n_unique()
    programmes = len(frames.names)
    yield f"{counted(active)} learners are active now, in {programmes:,} programme{'s' if programmes != 1 else ''}."
    new = frames.alerts.filter("is_new")["learner_id"].n_unique()
    if asked:
        yield (
            f"{counted(asked)} learners have an open alert, {_part(new, asked)} of them a new one. Mentors' and coordinators' "
            f"minutes reach {_part(served, asked)} of them."
        )
    else:
        yield "No alert is open tonight."
    many = _waiting(frames).filter(pl.col("unserved_alerts_count") > 0, ~pl.col("is_suppressed"))
    loss, reached = many.select(pl.col("expected_loss", "served_by_one_more_hour_count").sum()).row(0)
    if many.height:
        yield (
            (f"Among those whom nobody has the minutes for, {loss:.0f} abandonments are expected within 28 days; one" if loss
             else "One") + f" more hour in each programme would reach {counted(int(reached))} more."
        )  # fmt: skip
    if frames.publication["failed_sources"]:
        yield f"Sources that failed, and are missing from this night: {frames.publication['failed_sources']}."
    refused = int(frames.data_quality["quarantined_count"].sum())
    failed = frames.data_quality.filter(~pl.col("is_passed"), pl.col("check_name") != "quarantine").height
    yield (
        f"{refused:,} rows were refused and wait in quarantine; " if refused else "No row was refused; "
    ) + (f"{failed:,} checks of the tables failed." if failed else "every check of the tables held.")  # fmt: skip
    for row in headlines(frames.roi, "programme"):
        doubt = " The evidence is weak." if row["verdict"] == "weak" else ""
        yield f"{frames.names.get(row['programme_id'], row['programme_id'])}: {next(return_sentences(row))}{doubt}"


def _part(people: int, of: int) -> str:
    """A part of them, unless it or the rest is so small that it might point at somebody."""
    return "all but a few" if 0 < of - people < SMALL <= people else counted(people)


def _intake(quality: pl.DataFrame) -> Iterator[Block]:
    inputs = ["raw.statement", *(table.qualified_name for table in RAW_INPUTS.values())]
    rows = quality.filter(pl.col("check_name") == "row_count", pl.col("table_name").is_in(inputs))
    total = dict(quality.filter(pl.col("check_name") == "row_count").select("table_name", "row_count").iter_rows())
    taken, kept = total.get("raw.statement", 0), total.get("core.statement", 0)
    yield Paragraph(
        f"{taken:,} statements have been taken so far; {kept:,} count, the others are duplicates, voided or voiding ones. "
        f"{_whose(quality)}"
    )
    grid = tuple(
        (_input(name), f"{held:,}")
        for name, held in rows.sort("table_name").select("table_name", "row_count").iter_rows()
        if held
    )
    empty = [_input(name) for name in rows.filter(pl.col("row_count") == 0)["table_name"].sort()]
    late = tuple(_lateness(quality))
    if late:
        yield Grid("How late rows come", ("table", "half are known within", "95 of 100 known within"), late)
    yield Paragraph(
        ("For the other inputs it" if late else "It")
        + " is not known how late rows come: only a log that records both when something happened and when it became known "
        "can say."
    )
    yield Grid("Rows of each input", ("table", "rows held"), grid)
    if empty:
        yield Paragraph(f"Nothing was given for: {', '.join(empty)}. What needs them is switched off.")


def _input(table: str) -> str:
    return label(table.removeprefix("raw."))


def _lateness(quality: pl.DataFrame) -> Iterator[tuple[str, str, str]]:
    rows = quality.filter(pl.col("check_name") == "lateness").drop_nulls("lateness_hours_median").sort("table_name")
    for name, half, most in rows.select("table_name", "lateness_hours_median", "lateness_hours_p95").iter_rows():
        yield _input(name), _hours(half), _hours(most)


def _hours(hours: float) -> str:
    if hours < 1:
        return "under 1 min" if hours * 60 < 1 else f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def _whose(quality: pl.DataFrame) -> str:
    found = quality.filter((pl.col("check_name") == "attribution") & (pl.col("row_count") > 0))
    told = {
        reason: value / rows for reason, value, rows in found.select("reason", "check_value", "row_count").iter_rows()
    }
    if not told:
        return ""
    certain = sum(told.get(way, 0) for way in ("registration", "parent_course", "most_recent"))
    return (
        f"Of those that count {certain:.1%} belong to one enrolment, {told.get('ambiguous', 0):.1%} to the likeliest of several, "
        f"{told.get('outside', 0):.1%} to none."
    )


def _refused(quality: pl.DataFrame) -> Iterator[Block]:
    rows = quality.filter(pl.col("check_name") == "quarantine").sort(
        "quarantined_count", "table_name", "reason", descending=[True, False, False]
    )
    if rows.is_empty():
        yield Paragraph("Nothing is in quarantine: every row that came could be read and was taken.")
        return
    yield Paragraph(
        "A refused row is kept with its reason and never lost. Mend it at its source and deliver it again; a row that is "
        "released counts from the next night on."
    )
    by_reason = rows.group_by("reason").agg(pl.col("quarantined_count").sum()).sort("quarantined_count", "reason")
    drawn = [Bar(label(reason), f"{held:,}", [held]) for reason, held in by_reason.reverse().head(8).iter_rows()]
    yield Figure("Rows in quarantine by reason", bars(drawn, ["rows"], about="Rows in quarantine by reason."))
    shown = rows.head(_MOST_ROWS).select("table_name", "reason", "quarantined_count")
    grid = tuple((name, label(reason), f"{held:,}") for name, reason, held in shown.iter_rows())
    left = rows.height - shown.height
    yield Grid(
        "Rows in quarantine" + (f"; {left} smaller ones are left out" if left else ""),
        ("table", "reason", "rows"),
        grid,
    )


def _risk(frames: NightFrames) -> Iterator[Block]:
    quality = frames.model_quality
    judged = quality.filter(pl.col("horizon") == "28d", pl.col("slice_kind") == "all")
    if judged.is_empty():
        stopped = quality.filter(pl.col("slice_kind") == "gate").height
        why = "the gate let none pass; handrail models list says why" if stopped else "there is too little history"
        yield Paragraph(f"There is no model yet: {why}. Alerts come from rules alone, and no probability is shown.")
        return
    first = judged.row(0, named=True)
    yield Paragraph(
        f"Judged on {first['n_count']:,} landmarks from {on_day(first['fold_starts_on'])} to {on_day(first['fold_ends_on'])} "
        f"that the model had not seen, {counted(first['n_events_count'])} of them followed by abandonment within 28 days; "
        "beside it what simpler means would have found."
    )
    metrics = ("roc_auc", "recall_at_10_percent", "precision_at_10_percent", "calibration_slope")
    found = {(row["estimator"], row["metric_name"]): row for row in judged.iter_rows(named=True)}
    grid = tuple(
        (
            ESTIMATORS.get(estimator, label(estimator)),
            *(_metric(found.get((estimator, metric)), metric) for metric in metrics),
        )
        for estimator in ("model", "logistic_regression", "inactive_7d_rule")
        if (estimator, "roc_auc") in found
    )
    yield Grid("Within 28 days", ("", *(METRICS[metric][0] for metric in metrics)), grid)
    weeks = quality.filter(
        pl.col("estimator") == "model", pl.col("horizon") == "28d", pl.col("slice_kind") == "week",
        pl.col("metric_name") == "recall_at_10_percent", pl.col("metric_value").is_not_null(),
    ).sort(pl.col("slice_value").cast(pl.Int64, strict=False), "slice_value")  # fmt: skip
    if weeks.height:
        drawn = [Bar(f"week {week}", percent(value), [value]) for week, value in
                 weeks.select("slice_value", "metric_value").head(16).iter_rows()]  # fmt: skip
        about = (
            "Share of those who abandon that is among the tenth with the highest probability, by week of the course."
        )
        yield Figure(
            "Of those who abandon, found in the top tenth, by week of the course", bars(drawn, ["found"], about=about)
        )
    yield from _bands(frames)


def _metric(row: Mapping[str, Any] | None, metric: str) -> str:
    if row is None:
        return UNKNOWN
    is_percent = metric.startswith(("recall", "precision"))
    return interval(row["metric_value"], row["metric_low"], row["metric_high"], is_percent=is_percent, metric=metric)


def _bands(frames: NightFrames) -> Iterator[Block]:
    scored = frames.bands.drop_nulls("risk_band")
    if scored.height:
        table = _crossed(scored, "programme_id", "risk_band", _BANDS)
        grid = tuple((frames.names.get(name, name), *map(_said, cells)) for name, cells in table.items())
        yield Grid("Learners active now by band of risk", ("programme", *_BANDS), grid)
        yield Paragraph(_FEW)


def _alerts(frames: NightFrames) -> Iterator[Block]:
    if frames.alerts.is_empty():
        yield Paragraph("No alert is open.")
        return
    events = frames.events
    told = [
        f"{counted(events[name])} {words}"
        for name, words in (
            ("resolved", "alerts have resolved by themselves or by an answer"),
            ("escalated", "were escalated, since nobody reviewed them"),
            ("good_news", "pieces of good news go out"),
        )
        if events.get(name)
    ]
    yield Paragraph(
        "Learners with an open alert that asks something of somebody. Those not served wait: their mentor's minutes are used "
        "up, or the mentor is away." + (f" Besides, {'; '.join(told)}." if told else "")
    )
    alerts = frames.alerts.with_columns(
        served=pl.when("is_served").then(pl.lit(SERVED)).otherwise(pl.lit(UNSERVED)),
        programme=pl.col("programme_id").replace(dict(frames.names)),
    )
    for column, what in (("programme", "programme"), ("level", "level"), ("rule", "what raised it")):
        table = _crossed(alerts, column, "served", (SERVED, UNSERVED))
        rows = {name if column == "programme" else label(name): cells for name, cells in table.items()}
        drawn = [Bar(name, ", ".join(map(_said, cells)), [cell or 0 for cell in cells]) for name, cells in rows.items()]
        about = f"Learners with an open alert by {what}: served, and not served."
        yield Figure(
            f"Served and not served, by {what}", bars(drawn, [SERVED, UNSERVED], about=about, shades=("one", "rest"))
        )
        grid = tuple((name, *map(_said, cells)) for name, cells in rows.items())
        yield Grid(f"Learners with an open alert by {what}", (what, SERVED, UNSERVED), grid)
    yield Paragraph(_FEW)
    waiting = tuple(
        (
            frames.names.get(row["programme_id"], row["programme_id"]),
            *(
                ["few"] * 3
                if row["is_suppressed"]
                else [
                    f"{row['unserved_alerts_count']:,}",
                    f"{row['expected_loss'] or 0:.1f}",
                    counted(int(row["served_by_one_more_hour_count"] or 0)),
                ]
            ),
        )
        for row in _waiting(frames).iter_rows(named=True)
    )
    head = ("programme", "alerts not served", "abandonments expected", "one more hour would reach")
    yield Grid("What nobody has the minutes for, this week", head, waiting)


def _waiting(frames: NightFrames) -> pl.DataFrame:
    """Programmes' alerts that nobody serves; `is_suppressed` where they are few, or would give away one with few.

    Of few people a sum of probabilities tells of each.
    """
    rows = frames.unserved.sort("programme_id").with_columns(whole=pl.lit("all"))
    return suppress(rows, count="unserved_alerts_count", measures=["expected_loss"], groups=[["whole"]])


def _crossed(rows: pl.DataFrame, by: str, across: str, values: tuple[str, ...]) -> dict[str, list[int | None]]:
    """Learners by two columns; None where fewer than ten are behind a cell, or it would give away one that has so few.

    No line has a total, and those of columns are told elsewhere.
    """
    cells = rows.group_by(by, across).agg(people=pl.col("learner_id").n_unique().cast(pl.Int64))
    every = pl.DataFrame({by: sorted(rows[by].unique())}).join(pl.DataFrame({across: values}), how="cross")
    counts = every.join(cells, on=[by, across], how="left", maintain_order="left").fill_null(0)
    safe = suppress(counts.with_columns(shown="people"), count="people", measures=["shown"], groups=[[across]])
    found: dict[str, list[int | None]] = {}
    for key, shown in safe.select(by, "shown").iter_rows():
        found.setdefault(key, []).append(shown)
    return found


def _said(people: int | None) -> str:
    return "few" if people is None else f"{people:,}"


def _checks(frames: NightFrames) -> Iterator[Block]:
    quality = frames.data_quality.filter(pl.col("check_name") != "quarantine")
    held, failed = quality.filter("is_passed").height, quality.filter(~pl.col("is_passed"))
    yield Paragraph(f"{held:,} checks of tables held, {failed.height:,} did not.")
    if failed.height:
        grid = tuple(
            (
                row["table_name"],
                label(row["check_name"]),
                label(row["reason"]),
                number(row["check_value"]),
                f"{row['row_count']:,}",
            )
            for row in failed.sort("table_name", "check_name").head(_MOST_ROWS).iter_rows(named=True)
        )
        yield Grid("Checks that failed", ("table", "check", "reason", "value", "rows"), grid)
    found = quality.filter(
        ~pl.col("check_name").is_in(["contract", "row_count", "lateness", "attribution"]), pl.col("check_value") > 0
    )
    if found.height:
        grid = tuple(
            (
                row["table_name"],
                label(row["check_name"]),
                label(row["reason"]),
                f"{row['check_value']:,.0f}",
                f"{row['row_count']:,}",
            )
            for row in found.sort("table_name", "check_name", "reason").head(_MOST_ROWS).iter_rows(named=True)
        )
        yield Grid("Noticed, and taken all the same", ("table", "what", "which", "rows", "of"), grid)
    model = frames.model_quality.filter(~pl.col("is_passed"))
    if model.height:
        shown = model.sort("slice_kind", "metric_name", "slice_value").head(_MOST_ROWS)
        limits = tuple(
            (
                f"{row['slice_kind']}: {label(row['metric_name'])}",
                label(row["slice_value"]),
                number(row["metric_value"]),
                row["reason"] or UNKNOWN,
            )
            for row in shown.iter_rows(named=True)
        )
        left = model.height - shown.height
        caption = "What the gate or drift found out of its limits" + (f"; {left} more are in the mart" if left else "")
        yield Grid(caption, ("check", "of", "value", "reason"), limits)
