"""The model card: what a model is for, how it was made and judged, for whom it is worse, where it fails.

Belongs here: the card's content, as blocks, from frames and a few facts. Does not belong here: where they are read
from (`pipelines.reports.model_card`), how they are drawn as a page (`document.py`, `pipelines.reports.page`).

A card holds no row about a person, and no count of 1 to 9.
Source: Mitchell et al. 2019, "Model cards for model reporting".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from models.card_checks import MOST_ROWS, drift_blocks, gate_blocks
from models.card_figures import SMALL, UNKNOWN, counted, interval, on_day, percent, setting, within
from models.card_words import (
    ABOUT_FIGURES,
    DIRECTIONS,
    ESTIMATORS,
    KIND,
    LABELS,
    LIMITS,
    METRICS,
    NOT_SCORED,
    PROHIBITED,
    PROTOCOL,
    PURPOSE,
    label,
)
from models.document import Block, Bullets, Document, Figure, Grid, Paragraph, Section
from models.reliability_plot import reliability_svg

_HEADLINES = {
    "who is found": (
        "roc_auc",
        "pr_auc",
        "recall_at_10_percent",
        "precision_at_10_percent",
        "recall_at_20_percent",
        "precision_at_20_percent",
    ),
    "probabilities, and time to act": (
        "brier_skill",
        "calibration_slope",
        "calibration_intercept",
        "lead_days_median",
    ),
}
_BY_SLICE = ("roc_auc", "recall_at_10_percent", "calibration_slope", "base_rate")
_BESIDE = {
    "all": "all landmarks",
    "without_batches": "without administrative batches",
    "without_contacted": "without learners contacted because of an alert",
    "new_learners": "learners with no landmark before the test",
}
_PERCENT = ("recall", "precision", "base_rate", "alert_rate", "false_positive_rate")
_LESS_OTHERS, _WITHIN_COURSES, _RANKED = (
    ": the group less the others",
    ": the group less the others, within course runs",
    ": how differently the group and the others are ranked (ABROCA)",
)
_BAND_GAP = 0.10


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card says of the data, beside the frames.

    `horizons` gives of each horizon its rows, its events and the events' share. `ended_by_rule` counts abandoned
    enrolments by the rule that said so. `is_timed` says whether hours of activity are known, or days alone.
    `batches` names the days of administrative batches (`features.label`), each with its share of the course run's
    abandonments.
    `gate_verdict` is the gate's own sentence, where there was one.
    """

    model_id: str
    trained_on: date
    state: str
    source: str
    code_version: str
    feature_contract_hash: str
    features_count: int
    families: tuple[str, ...]
    settings: Mapping[str, object]
    libraries: Mapping[str, str]
    horizons: Mapping[str, tuple[int, int, float]]
    too_early_days: int
    abandon_after_days: int
    opted_out_count: int
    ended_by_rule: Mapping[str, int]
    is_timed: bool
    batches: Sequence[tuple[str, date, float]] = ()
    gate_verdict: str = ""


@dataclass(frozen=True, slots=True)
class CardFrames:
    """What the card shows; the rows of one model.

    `courses` has course_id, enrolments_count, landmarks_count, abandonments_count, first_on, last_on. `quality`,
    `fairness`, `gate` and `drift` have columns of risk.quality, risk.fairness, risk.gate and risk.drift; the latter two may
    be empty. `reliability` is what `metrics.reliability` returns for the model's 28 days.
    """

    courses: pl.DataFrame
    quality: pl.DataFrame
    reliability: pl.DataFrame
    fairness: pl.DataFrame
    gate: pl.DataFrame
    drift: pl.DataFrame


def model_card(facts: CardFacts, frames: CardFrames) -> Document:
    """The card of one model."""
    sections: dict[str, list[Block]] = {
        "What it is for": [Paragraph(text) for text in PURPOSE],
        "What it must not be used for": [Paragraph(PROHIBITED[0]), Bullets(PROHIBITED[1:])],
        "The model": [_model(facts)],
        "Data": [*_data(facts, frames.courses)],
        "How it is trained and judged": [Bullets(PROTOCOL)],
        "How good it is": [*_quality(frames.quality)],
        "Whether a probability means what it says": [*_reliability(frames.reliability)],
        "By week and by days of history": [*_slices(frames.quality)],
        "Groups of learners": [*_fairness(frames.fairness)],
        "The gate": [*gate_blocks(frames.gate, state=facts.state, verdict=facts.gate_verdict)],
        "Drift": [*drift_blocks(frames.gate, frames.drift)],
        "Limits and known failures": [Bullets(tuple(_limits(facts, frames)))],
        "Who is not scored": [Bullets(_not_scored(facts))],
        "What the figures mean": [_meanings()],
    }
    return Document(
        title="Model card: risk of abandonment",
        lead=f"Model {facts.model_id}, trained on what was known by {facts.trained_on:%-d %B %Y}; "
        f"{facts.state} when this page was written.",
        sections=tuple(Section(title, tuple(blocks)) for title, blocks in sections.items()),
    )


def _model(facts: CardFacts) -> Block:
    rows = [
        ("kind", KIND),
        ("reads", f"{facts.features_count} features of {len(facts.families)} families: {', '.join(facts.families)}"),
        ("does not read", "gender, age, disability, deprivation, names, course run or learner as such"),
        *(
            (
                f"windows of {within(horizon)}",
                f"{rows:,} landmarks whose window is over, {counted(events)} of them ({share:.1%}) with an abandonment in it",
            )
            for horizon, (rows, events, share) in facts.horizons.items()
        ),
        ("settings", ", ".join(f"{label(name)} {setting(value)}" for name, value in facts.settings.items())),
        ("libraries", ", ".join(f"{name} {version}" for name, version in facts.libraries.items())),
        ("code", f"Handrail {facts.code_version}, feature contract {facts.feature_contract_hash[:16]}"),
    ]
    return Grid("The model and what it was made with", ("what", "value"), tuple(rows))


def _data(facts: CardFacts, courses: pl.DataFrame) -> Iterator[Block]:
    sums = courses.select(pl.col("enrolments_count", "landmarks_count", "abandonments_count").sum()).row(0)
    yield Paragraph(
        f"Source: {facts.source}. {sums[0]:,} enrolments in {courses['course_id'].count():,} course runs, seen at "
        f"{sums[1]:,} landmarks; "
        f"{counted(sums[2])} of the enrolments were abandoned. A landmark is one enrolment, still active, on one day; "
        "landmarks lie a week apart. A feature uses what had happened and was known before the landmark's day; the "
        "label says what became of the enrolment from that day on."
    )
    shown = courses.sort("landmarks_count", "course_id", descending=[True, False]).head(MOST_ROWS)
    left = courses.height - shown.height
    runs = tuple(
        (
            row["course_id"] or "no course",
            f"{on_day(row['first_on'])} to {on_day(row['last_on'])}",
            counted(row["enrolments_count"]),
            counted(row["landmarks_count"]),
            counted(row["abandonments_count"]),
        )
        for row in shown.iter_rows(named=True)
    )
    head = ("course run", "landmarks from and to", "enrolments", "landmarks", "abandoned")
    yield Grid("Course runs" + (f"; {left} smaller ones are left out" if left else ""), head, runs)
    yield Paragraph("What counts as abandoned, in this order:")
    yield Bullets(tuple(text.format(days=facts.abandon_after_days) for text in LABELS))
    total = sum(facts.ended_by_rule.values())
    if total:
        rows = tuple((label(rule), counted(n), f"{n / total:.0%}") for rule, n in facts.ended_by_rule.items())
        yield Grid("How abandonments became known", ("by", "enrolments", "share"), rows)


def _quality(quality: pl.DataFrame) -> Iterator[Block]:
    for (horizon,), part in quality.filter(pl.col("slice_kind") == "all").group_by("horizon", maintain_order=True):
        first = part.row(0, named=True)
        span = (
            f"{within(str(horizon))}: {first['n_count']:,} landmarks from {on_day(first['fold_starts_on'])} to "
            f"{on_day(first['fold_ends_on'])}"
        )
        base = _figure(part.filter(pl.col("estimator") == "model"), "base_rate")
        yield Paragraph(
            f"{span}, {counted(first['n_events_count'])} of them followed by an abandonment, or {base}. None of the three had "
            "seen these landmarks. In brackets: the 95 % interval, counted by enrolment."
        )
        for about, metrics in _HEADLINES.items():
            known = tuple(name for name in metrics if not part.filter(pl.col("metric_name") == name).is_empty())
            rows = tuple(
                (words, *(_figure(part.filter(pl.col("estimator") == name), metric) for metric in known))
                for name, words in ESTIMATORS.items()
            )
            yield Grid(f"Within {within(str(horizon))}: {about}", ("by", *(METRICS[name][0] for name in known)), rows)
        yield from _beside(
            quality.filter((pl.col("horizon") == horizon) & (pl.col("estimator") == "model")), str(horizon)
        )
    if quality.is_empty():
        yield Paragraph("Not measured.")


def _beside(quality: pl.DataFrame, horizon: str) -> Iterator[Block]:
    """The model on parts of the test that answer a doubt: does it only know the office, or the learners; did help change it?"""
    parts = [(words, quality.filter(pl.col("slice_kind") == kind)) for kind, words in _BESIDE.items()]
    rows = tuple(
        (words, counted(part["n_count"][0]), *(_figure(part, name) for name in _BY_SLICE))
        for words, part in parts
        if part.height
    )
    if len(rows) > 1:
        head = ("the model on", "landmarks", *(METRICS[name][0] for name in _BY_SLICE))
        yield Grid(f"Within {within(horizon)}: parts of the same test", head, rows)


def _reliability(reliability: pl.DataFrame) -> Iterator[Block]:
    shown = reliability.filter(pl.col("n_count") >= SMALL)
    if shown.is_empty():
        yield Paragraph("Not measured.")
        return
    yield Paragraph(
        "The landmarks of the same test, in ten parts of about equal size by the probability that the model gave for 28 "
        "days. Where the model is right, as many were abandoned as it said."
    )
    yield Figure("Probability given and share abandoned, by tenth of the landmarks", reliability_svg(shown))
    rows = tuple(
        (
            str(row["part"]),
            f"{row['n_count']:,}",
            f"{row['probability_mean']:.1%}",
            interval(row["observed_share"], row["observed_low"], row["observed_high"], is_percent=True),
            "yes" if row["observed_low"] <= row["probability_mean"] <= row["observed_high"] else "no",
        )
        for row in shown.iter_rows(named=True)
    )
    head = ("part, from the lowest", "landmarks", "probability given", "abandoned", "given lies in the interval")
    yield Grid("The ten parts", head, rows)


def _slices(quality: pl.DataFrame) -> Iterator[Block]:
    model = quality.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    for kind, title, caption in (
        ("days_of_history", "days of history", "28 days, by whole days since the first possible activity"),
        ("week", "week of the course", "28 days, by week of the course"),
    ):
        part = model.filter(pl.col("slice_kind") == kind).with_columns(
            first=pl.col("slice_value").str.extract(r"^(-?\d+)").cast(pl.Int64)
        )
        if part.is_empty():
            yield Paragraph(f"{caption}: no part with enough abandonments to judge it by.")
            continue
        rows = tuple(
            (str(value), f"{rows['n_count'][0]:,}", *(_figure(rows, metric) for metric in _BY_SLICE))
            for (_, value), rows in part.sort("first").group_by("first", "slice_value", maintain_order=True)
        )
        yield Grid(caption, (title, "landmarks", *(METRICS[name][0] for name in _BY_SLICE)), rows)


def _fairness(fairness: pl.DataFrame) -> Iterator[Block]:
    audited = fairness.filter(pl.col("audit_verdict") == "audited")
    if fairness.is_empty() or fairness["attribute_name"].to_list() == ["all"]:
        yield Paragraph(
            "Not audited: no attribute of learners (gender, age band, disability, deprivation) was given. That is no pass; "
            "nobody knows whether the model is worse for some of them."
        )
        return
    yield Paragraph(
        "The attributes serve this audit alone; the model does not read them. The 10 % of landmarks with the highest "
        "probability count as alerted, over everybody. There is no pass: figures are shown for people to judge."
    )
    names = sorted(set(audited["metric_name"]), key=_standing)
    for (attribute,), part in fairness.group_by("attribute_name", maintain_order=True):
        about = label(str(attribute))
        for comparison in dict.fromkeys(map(_comparison, names)):
            shown = [name for name in names if _comparison(name) == comparison]
            rows = tuple(
                (label(str(group)), counted(cells["n_count"][0]), *(_figure(cells, name) for name in shown))
                for (group,), cells in part.filter(
                    (pl.col("audit_verdict") == "audited") & pl.col("metric_name").is_in(shown)
                ).group_by("group_name", maintain_order=True)
            )
            if rows:
                yield Grid(f"By {about}{comparison}", ("group", "landmarks", *(_metric(name) for name in shown)), rows)
        left = part.filter(pl.col("audit_verdict") != "audited").unique(
            ["group_name", "audit_reason"], maintain_order=True
        )
        if left.height:
            yield Paragraph(f"Not audited by {about}:")
            yield Bullets(
                tuple(f"{label(row['group_name'])}: {row['audit_reason']}" for row in left.iter_rows(named=True))
            )


def _comparison(name: str) -> str:
    """What a figure of risk.fairness compares, as part of its table's caption."""
    if name.startswith("abroca"):
        return _RANKED
    if name.endswith("_gap_within_course"):
        return _WITHIN_COURSES
    return _LESS_OTHERS if name.endswith("_gap") else ""


def _standing(name: str) -> tuple[object, ...]:
    """Rates, gaps, ABROCA with what chance alone gives: over all first, then within courses."""
    order = ("", _LESS_OTHERS, _WITHIN_COURSES, _RANKED).index(_comparison(name))
    return order, "within_course" in name, "deviation" in name, "mean" in name, name


def _limits(facts: CardFacts, frames: CardFrames) -> Iterator[str]:
    """Known failures, with what this model's own data says of each."""
    overall, early = (
        _value(frames.quality, kind, value, "roc_auc") for kind, value in (("all", "all"), ("days_of_history", "0-6"))
    )
    found = "" if early is None or overall is None else f" Here: AUC {early:.2f} there, {overall:.2f} over all."
    yield LIMITS["too_early"] + found
    if not facts.is_timed:
        yield LIMITS["day_only"]
    total = sum(facts.ended_by_rule.values())
    silent = facts.ended_by_rule.get("silence", 0)
    yield LIMITS["silence"] + (f" Here: {silent / total:.0%} of the abandonments." if silent else " Here: none.")
    yield LIMITS["batches"] + (
        " Here: "
        + "; ".join(f"{course} on {on_day(day)} ({share:.0%} of the run's)" for course, day, share in facts.batches)
        + "."
        if facts.batches
        else " Here: no such day was found."
    )
    slope = _value(frames.quality, "all", "all", "calibration_slope")
    yield LIMITS["drift"] + (
        f" Here: slope {slope:.2f}, so the probabilities are {DIRECTIONS[_direction(slope)]}."
        if slope is not None
        else ""
    )
    yield LIMITS["looked_normal"]
    recall, precision = (
        _value(frames.quality, "all", "all", f"{name}_at_10_percent") for name in ("recall", "precision")
    )
    if recall is not None and precision is not None:
        yield LIMITS["missed"].format(recall=percent(recall), precision=percent(precision))
    yield LIMITS["cause"]


def _not_scored(facts: CardFacts) -> tuple[str, ...]:
    opted_out = f"{counted(facts.opted_out_count)} so far" if facts.opted_out_count else "none so far"
    days = facts.too_early_days
    return tuple(text.format(days=days, at_most=2 * days, opted_out=opted_out) for text in NOT_SCORED)


def _direction(slope: float) -> str:
    if abs(slope - 1) <= _BAND_GAP:
        return "right"
    return "timid" if slope > 1 else "extreme"


def _meanings() -> Block:
    rows = tuple((name, meaning) for name, meaning in METRICS.values())
    return Grid(ABOUT_FIGURES, ("figure", "meaning"), rows)


def _value(quality: pl.DataFrame, kind: str, value: str, metric: str) -> float | None:
    found = quality.filter(
        (pl.col("estimator") == "model")
        & (pl.col("horizon") == "28d")
        & (pl.col("slice_kind") == kind)
        & (pl.col("slice_value") == value)
        & (pl.col("metric_name") == metric)
    )["metric_value"]
    return None if found.is_empty() else found[0]


def _figure(rows: pl.DataFrame, metric: str) -> str:
    found = rows.filter(pl.col("metric_name") == metric)
    if found.is_empty():
        return UNKNOWN
    row = found.row(0, named=True)
    return interval(
        row["metric_value"],
        row["metric_low"],
        row["metric_high"],
        is_percent=metric.startswith(_PERCENT),
        metric=metric,
    )


def _metric(name: str) -> str:
    if name.startswith("abroca"):
        return label(name).replace("abroca", "ABROCA").replace("null", "by chance,")
    known = name.removesuffix("_within_course").removesuffix("_gap")
    return METRICS[known][0] if known in METRICS else label(known)
