"""The report of one programme, for who answers for it and for whom they forward it to.

Belongs here: the page's content from the marts' rows of the programme, plain words first. Does not belong here: how they are
read (`pipelines.reports.pages`), the estimates themselves.

All rows are of the programme as a whole, suppressed where few people are behind them; nothing here is about a person. What
cannot be said has a section of its own, so that nobody reads it out of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from data_contracts.fields.learning import STRANDS
from models.card_figures import UNKNOWN, counted
from models.card_words import PROHIBITED
from models.document import Block, Bullets, Document, Figure, Grid, Link, Paragraph, Section
from models.report_figures import Bar, Interval, bars, intervals
from models.report_mix import is_measured, of_programme, split, strands
from models.report_returns import Row, effect_blocks, effect_sentence, headlines, return_sentences, roi_blocks, verdict
from models.report_words import (
    CONTRASTS,
    SUPPRESSED,
    between,
    count,
    label,
    money,
    period,
    points,
    share,
    whole_percent,
)

_LEVELS = {1: "1 reaction", 2: "2 learning", 3: "3 application", 4: "4 impact"}
_AIMS = {
    "tacit_transfer": "to hand on what people know and no book has",
    "personal_development": "personal development",
    "onboarding": "a good start in the organisation",
    "compliance": "compliance",
    "other": "another one than the usual",
}
_FULLY_LOADED = 10
_SELECTIONS = {"hipo": "chosen people", "democratised": "everybody who wants", "mandatory": "everybody who must"}


@dataclass(frozen=True, slots=True)
class ProgrammeFrames:
    """Rows of the marts of one programme. `programme` is its row of dim_programme, `names` has programmes' names."""

    programme: Mapping[str, Any]
    names: Mapping[str, str]
    observed_at: datetime
    publication_id: str
    roi: pl.DataFrame
    drivers: pl.DataFrame
    principles: pl.DataFrame
    results: pl.DataFrame
    mix: pl.DataFrame
    effects: pl.DataFrame
    checks: pl.DataFrame
    outcomes: pl.DataFrame
    comparison: pl.DataFrame
    demand: pl.DataFrame


def programme_report(frames: ProgrammeFrames, up: Link) -> Document:
    """The page of one programme."""
    about = frames.programme
    sections: dict[str, list[Block]] = {
        "In plain words": [Bullets(tuple(_plain_words(frames)))],
        "Who asked for it": [*_demand(frames)],
        "What it cost": [*_cost(frames)],
        "What it returned": [*roi_blocks(frames.roi, {about["programme_id"]: "the programme"}), *_drivers(frames)],
        "How people learnt": [*of_programme(frames.mix)],
        "What mentoring changed": [*effect_blocks(frames.effects, {}), *_effect_checks(frames)],
        "What participants reached": [*_outcomes(frames)],
        "Beside other programmes": [*_comparison(frames)],
        "What we cannot say": [Bullets(tuple(_limits(frames)))],
        "How to read this": [Bullets(_READING)],
        "How carefully the return was worked out": [*_principles(frames)],
    }
    aim, selection = _AIMS.get(about["aim"] or ""), _SELECTIONS.get(about["selection"] or "")
    lead = [
        f"Programme report, as of {frames.observed_at:%-d %B %Y}",
        *([f"aim: {aim}"] if aim else []),
        *([f"for {selection}"] if selection else []),
        f"publication {frames.publication_id}",
    ]
    return Document(
        about["name"] or about["programme_id"],
        f"{'; '.join(lead)}.",
        tuple(Section(title, tuple(blocks)) for title, blocks in sections.items()),
        up,
    )


def _headline(frames: ProgrammeFrames, component: str) -> Row | None:
    return next(iter(headlines(frames.roi, component)), None)


def _plain_words(frames: ProgrammeFrames) -> Iterator[str]:
    whole, mentoring = _headline(frames, "programme"), _headline(frames, "mentoring")
    if whole is None:
        yield "Neither costs nor benefits are on record for this programme."
    elif whole["is_suppressed"]:
        yield f"What it cost and returned is {SUPPRESSED}."
    else:
        yield f"{_paid(frames, whole)} {_time_in(whole)}".strip()
        yield " ".join(return_sentences(whole))
    yield effect_sentence(frames.effects.filter(pl.col("subgroup_kind") == "all").rows(named=True))
    if mentoring is not None and not mentoring["is_suppressed"] and mentoring["cost_amount"] is not None:
        cost = money(mentoring["cost_amount"], mentoring["currency"])
        said = " ".join(list(return_sentences(mentoring))[: 2 if _holds_zero(mentoring) else 1])
        yield f"Its mentoring cost {cost}, which is part of the above. {said}"
    yield _mix_words(frames)
    measured = frames.outcomes.filter(pl.col("verdict") == "measurable").height
    if frames.outcomes.height:
        yield (
            f"Of {frames.outcomes.height} outcomes that matter for its aim or were asked about, {measured} "
            f"{'was' if measured == 1 else 'were'} measured; what was found is below, with how many answered."
        )
    yield "What cannot be said, and why, has a section of its own. Please forward it with the rest."


def _holds_zero(row: Row) -> bool:
    return row["roi_percent"] is not None and row["roi_low_percent"] <= 0 <= row["roi_high_percent"]


def _paid(frames: ProgrammeFrames, row: Row) -> str:
    if row["cost_amount"] is None:
        return "What it cost is not on record."
    said = f"{period(row)} the programme cost {money(row['cost_amount'], row['currency'])}"
    result = _whole_result(frames)
    if result is None or result["cost_per_learner_amount"] is None:
        return f"{said}."
    each = f"{money(result['cost_per_learner_amount'], row['currency'])} for each of {count(result['learners_count'])} learners"
    done = result["cost_per_completion_amount"]
    return f"{said}: {each}" + (f", {money(done, row['currency'])} for each completion." if done is not None else ".")


def _loaded(frames: ProgrammeFrames) -> str:
    """Whether all of the cost is in it, by the tenth principle of the method."""
    found = next(frames.principles.filter(pl.col("principle_number") == _FULLY_LOADED).iter_rows(named=True), None)
    if found is None or found["is_principle_kept"] is None:
        return ""
    if not found["is_principle_kept"]:
        return f"Not all of its cost is in this: {found['evidence']}."
    return "Cost is fully loaded: learners' and mentors' time counts, as booked, or as measured minutes at the hourly rate."


def _time_in(row: Row) -> str:
    time, cost = row["cost_of_time_amount"], row["cost_amount"]
    return f"Of this {share(time / cost)} is people's time." if time and cost else ""


def _whole_result(frames: ProgrammeFrames) -> Row | None:
    return next(frames.results.filter(pl.col("delivery") == "all").iter_rows(named=True), None)


def _mix_words(frames: ProgrammeFrames) -> str:
    rows = next(iter(strands(frames.mix).values()), [])
    found = split(rows)
    if found is None:
        return "How learning was split between courses, people and work is not on record, or withheld."
    parts = ", ".join(
        f"{share(found[0][row.name]) if is_measured(row, found[1]) else 'an unknown share'} {row.name}" for row in rows
    )
    targets = [row.target for row in rows]
    aim = "" if None in targets else f" The target is {' : '.join(f'{(target or 0) * 100:.0f}' for target in targets)}."
    return f"Of the learning {found[1]} that were measured, {parts}.{aim} Learning by doing leaves the fewest records."


def _cost(frames: ProgrammeFrames) -> Iterator[Block]:
    row = _headline(frames, "programme")
    if row is None or row["cost_amount"] is None:
        yield Paragraph("No cost is on record, or it is withheld.")
        return
    currency = row["currency"]
    yield Paragraph(f"{_paid(frames, row)} {_loaded(frames)}".strip())
    parts = (
        ("of it people's time", row["cost_of_time_amount"]),
        ("of this time, priced from measured minutes", row["cost_priced_amount"]),
        ("of it a share of costs of all programmes", row["cost_allocated_amount"]),
    )
    result = _whole_result(frames) or {}
    grid = (
        ("all", money(row["cost_amount"], currency)),
        *((what, money(amount, currency)) for what, amount in parts),
        ("for each learner", money(result.get("cost_per_learner_amount"), currency)),
        ("for each completion", money(result.get("cost_per_completion_amount"), currency)),
        ("for each learner active or completed", money(result.get("cost_per_retained_amount"), currency)),
    )
    yield Grid("What it cost", ("", "amount"), grid)
    of_strands = (
        pl.col("strand").is_in(STRANDS),
        pl.col("course_id") == "all",
        pl.col("component") == "programme",
        pl.col("method") == "full",
        pl.col("cost_amount").is_not_null(),
    )
    by_strand = frames.roi.filter(*of_strands).unique("strand").sort(pl.col("strand").cast(pl.Enum(STRANDS)))
    if by_strand.height:
        drawn = [
            Bar(label(name), money(amount, currency), [amount])
            for name, amount in by_strand.select("strand", "cost_amount").iter_rows()
        ]
        yield Figure("Cost by strand of learning", bars(drawn, ["cost"], about="Cost by strand of learning."))
        yield Grid("Cost by strand of learning", ("strand", "cost"), tuple((bar.name, bar.said) for bar in drawn))
    deliveries = frames.results.filter(pl.col("delivery") != "all").sort("delivery")
    if deliveries.height:
        rows = tuple(
            (
                label(one["delivery"]),
                *(
                    [SUPPRESSED, UNKNOWN]
                    if one["is_suppressed"]
                    else [money(one["cost_amount"], currency), money(one["cost_per_learner_amount"], currency)]
                ),
            )
            for one in deliveries.iter_rows(named=True)
        )
        yield Grid("Cost by how it is delivered", ("delivery", "cost", "for each learner of the programme"), rows)


def _drivers(frames: ProgrammeFrames) -> Iterator[Block]:
    rows = frames.drivers.filter(pl.col("component") == "programme").sort("driver_rank")
    if rows.height:
        yield Paragraph("How the return would change if one input alone were at its lower or its upper end:")
        grid = tuple(
            (
                label(row["factor"]),
                whole_percent(row["roi_at_low_percent"]),
                whole_percent(row["roi_at_high_percent"]),
                row["input_basis"],
            )
            for row in rows.iter_rows(named=True)
        )
        yield Grid(
            "What moves the return most", ("input", "ROI at its lower end", "at its upper end", "ends are"), grid
        )


def _effect_checks(frames: ProgrammeFrames) -> Iterator[Block]:
    failed = frames.checks.filter(~pl.col("is_passed"))
    if frames.checks.filter(pl.col("is_passed").is_not_null()).is_empty():
        return
    if failed.is_empty():
        yield Paragraph(
            "Every check that decides something agrees with the estimates: other ways of adjusting give about the same, and "
            "mentoring appears to change nothing that it cannot change (technical tickets)."
        )
        return
    grid = tuple(
        (f"{label(row['contrast'])}: {row['check_name']}", points(row["effect_points"]), row["reason"] or UNKNOWN)
        for row in failed.sort("contrast", "check_kind", "check_name").iter_rows(named=True)
    )
    yield Grid("Checks that do not agree with the estimates", ("check", "effect, points", "why it matters"), grid)


def _outcomes(frames: ProgrammeFrames) -> Iterator[Block]:
    if frames.outcomes.is_empty():
        yield Paragraph("No survey and no goal is on record.")
        return
    yield Paragraph(
        "Answers to surveys on a scale from 0 to 100 percent, and goals. A change is that of people who answered twice; without "
        "a start survey there is none. It is no effect: people change without a programme too."
    )
    order = (pl.col("primary_rank").is_null(), "primary_rank", "subject_type", "construct", "measured_by")
    rows = frames.outcomes.sort(order).rows(named=True)
    drawn = [
        Interval(
            _outcome(row),
            points(row["change_points"]),
            row["change_points"],
            row["change_low_points"],
            row["change_high_points"],
        )
        for row in rows
        if row["change_points"] is not None and row["change_low_points"] is not None and not row["is_suppressed"]
    ]
    if drawn:
        about = "Change of survey answers from start to end, in points, with 95 % intervals."
        yield Figure("Change from start to end", intervals(drawn, about=about, unit="points"))
    grid = tuple(
        (
            _outcome(row) + (" *" if row["primary_rank"] else ""),
            _LEVELS.get(row["outcome_level"], UNKNOWN),
            *(
                [SUPPRESSED, UNKNOWN, UNKNOWN]
                if row["is_suppressed"]
                else [
                    _answered(row),
                    _with(share(row["reached_share"]), row["reached_low_share"], row["reached_high_share"]),
                    UNKNOWN
                    if row["change_points"] is None
                    else f"{points(row['change_points'])}\n"
                    f"({between(row['change_low_points'], row['change_high_points'], 'points', 1)})",
                ]
            ),
            verdict(row, "reason"),
        )
        for row in rows
    )
    head = ("outcome (* matters most for the aim)", "level", "answered", "reached", "change", "can be said")
    yield Grid("Outcomes", head, grid)


def _outcome(row: Row) -> str:
    return f"{label(row['construct'])}, {row['measured_by']} ({row['subject_type']})"


def _answered(row: Row) -> str:
    """How many answered, of how many: where others than those who could have been asked did too, it is no share."""
    asked, response = row["asked_count"], row["response_share"]
    is_part = asked and response is not None and round(response * asked) == row["subjects_count"]
    return count(row["subjects_count"]) + (f" of {count(asked)}" if is_part else "")


def _with(said: str, low: float | None, high: float | None) -> str:
    return said if low is None or high is None else f"{said}\n({between(low * 100, high * 100, '%')})"


def _comparison(frames: ProgrammeFrames) -> Iterator[Block]:
    rows = frames.comparison.filter(
        (pl.col("comparison_kind") == "programme")
        & (
            (pl.col("compared_group") == frames.programme["programme_id"])
            | (pl.col("other_group") == frames.programme["programme_id"])
        )
    ).sort("compared_outcome", "compared_group", "other_group")
    if rows.is_empty():
        yield Paragraph("There is no other programme to stand beside, or too little to compare.")
        return
    yield Paragraph(
        "Differences after adjusting for how people started. Programmes have other people and other aims: a difference is a "
        "question to ask, no ranking."
    )
    grid = tuple(
        (
            _difference(frames, row),
            SUPPRESSED
            if row["is_suppressed"]
            else UNKNOWN
            if row["adjusted_difference_points"] is None
            else f"{points(row['adjusted_difference_points'])}\n"
            f"({between(row['adjusted_low_points'], row['adjusted_high_points'], 'points', 1)})",
            verdict(row, "reason"),
        )
        for row in rows.iter_rows(named=True)
    )
    yield Grid("Differences, adjusted", ("what", "points (95 % interval)", "verdict"), grid)


def _difference(frames: ProgrammeFrames, row: Row) -> str:
    one, other = (frames.names.get(row[group], row[group]) for group in ("compared_group", "other_group"))
    return f"{label(row['compared_outcome'])}: {one} less {other}"


def _limits(frames: ProgrammeFrames) -> Iterator[str]:
    for component, what in (("programme", "the whole programme"), ("mentoring", "its mentoring")):
        row = _headline(frames, component)
        if row is not None and row["verdict"] != "usable" and row["withheld_reason"] and not row["is_suppressed"]:
            verb = "What" if row["roi_percent"] is None else "With certainty, what"
            yield f"{verb} {what} returned: {row['withheld_reason']}."
    yield (
        "What a single strand of learning returned, courses, people or work: costs are known by strand, benefits are not, "
        "and time spent is no measure of effect."
    )
    if frames.roi.filter(pl.col("course_id") != "all", pl.col("component") == "mentoring").height:
        yield "What mentoring changed in a single course: effects are not isolated by course."
    yield (
        "What mentoring did for anything but abandonment within 8 weeks: confidence, goals and work are told as they "
        "are, without what they would have been."
    )
    for row in frames.effects.filter(pl.col("subgroup_kind") == "all").sort("role").iter_rows(named=True):
        if row["effect_points"] is None:
            yield f"What changed through {CONTRASTS.get(row['contrast'], label(row['contrast']))}: {row['reason']}."
        elif row["effect_low_points"] <= 0 <= row["effect_high_points"] and row["minimum_detectable_points"]:
            least = f"{row['minimum_detectable_points']:.0f}"
            yield (
                f"Whether {CONTRASTS.get(row['contrast'], label(row['contrast']))} changes abandonment by less than about "
                f"{least} points, for better or worse: so few learners cannot show it."
            )
    coverage = [row.coverage for row in next(iter(strands(frames.mix).values()), []) if row.name == "experiential"]
    if coverage and coverage[0] is not None:
        yield (
            f"What was learnt at work by those of whom nothing is recorded, {share(1 - coverage[0])} of the active participants "
            "in an average month, and most of what the others learnt there."
        )
    unmeasured = frames.outcomes.filter(pl.col("verdict") != "measurable")
    for reason, part in unmeasured.group_by("reason", maintain_order=True):
        constructs = ", ".join(sorted({label(name) for name in part["construct"]}))
        yield f"How far it changed {constructs}: {reason[0]}."
    hidden = int(frames.roi["is_suppressed"].sum()) + int(frames.mix["is_suppressed"].sum())
    if hidden:
        yield f"What few people are behind: {hidden} rows of figures, withheld so that nobody can be told from them."
    yield PROHIBITED[0].removesuffix(" In particular not:")


_READING = (
    (
        "An interval of 95 %: were all this done again and again, 95 of 100 such intervals would hold the true figure. The ends "
        "are as serious as the middle."
    ),
    "ROI: what came back, less the cost, over the cost. 0 % is all paid back, 100 % is twice paid back.",
    "Conservative: the same with the least favourable of several defensible choices.",
    (
        "Verdicts: usable, all rules hold; weak, it stands with the reason named; cannot be said, a figure would mislead, so "
        "there is none."
    ),
    "Formal, social, experiential: courses; people; work. The 10, the 20 and the 70 of the usual rule of thumb.",
    (
        "E-value: how strongly something unrecorded would have to be tied both to being mentored and to abandoning to explain an "
        "effect away; 1 is not at all."
    ),
    '"-" stands where there is no figure; "withheld" where few people are behind it.',
)


def _principles(frames: ProgrammeFrames) -> Iterator[Block]:
    if frames.principles.is_empty():
        yield Paragraph("No return was worked out.")
        return
    said = {True: "kept", False: "not kept", None: "not to be told"}
    grid = tuple(
        (f"{row['principle_number']}. {row['principle']}", said[row["is_principle_kept"]], row["evidence"])
        for row in frames.principles.sort("principle_number").iter_rows(named=True)
    )
    yield Grid("The twelve principles of the ROI method (Phillips)", ("principle", "is", "what shows it"), grid)


def _demand(frames: ProgrammeFrames) -> Iterator[Block]:
    demand = next(frames.demand.iter_rows(named=True), None)
    if demand:
        told = (
            ("invited", demand["invited_count"]),
            ("registered", demand["registered_count"]),
            ("matched with a mentor", demand["matched_count"]),
            ("waiting for a mentor", demand["waiting_count"]),
            ("declined", demand["declined_count"]),
        )
        shown = tuple((what, UNKNOWN if people is None else counted(people)) for what, people in told)
        yield Grid("Demand", ("", "learners"), shown)
    else:
        yield Paragraph("Who was invited and who registered is not on record.")
