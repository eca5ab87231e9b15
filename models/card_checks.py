"""The parts of the model card about the gate and about drift.

Belongs here: checks of risk.gate and rows of risk.drift, as blocks. Does not belong here: how they were made (`gate.py`,
`drift.py`), the rest of the card (`card.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from models.card_figures import interval, limits, number, within
from models.card_words import METRICS, label
from models.document import Block, Grid, Paragraph

MOST_ROWS = 25
"""Rows that a table of the card has at most."""

# Kinds of checks with too many subjects to show each.
_ASIDE = ("group", "drift")
_OUTCOMES = (pl.col("is_passed"), ~pl.col("is_passed"), pl.col("is_passed").is_null())
_CHECK_HEAD = ("within", "found", "must lie", "binding", "outcome")


def gate_blocks(gate: pl.DataFrame, *, state: str, verdict: str) -> Iterator[Block]:
    """What the gate said of the model, and each check behind it."""
    if gate.is_empty():
        yield Paragraph(f"No check of a gate is on record for this model; it stands as {state}.")
        return
    refused = "refused" if gate.filter(~pl.col("is_passed") & pl.col("is_blocking")).height else "let through"
    yield Paragraph(
        f"{verdict or f'The gate {refused} this model'}. A challenger replaces the champion only where every "
        "check that is binding holds; the others are for people to look at."
    )
    main = gate.filter(~pl.col("check_kind").is_in(_ASIDE))
    yield Grid("What the gate checked", ("check", *_CHECK_HEAD), tuple(map(_check, main.iter_rows(named=True))))
    yield from _checks_aside(gate.filter(pl.col("check_kind") == "group"), "By group")


def _checks_aside(checks: pl.DataFrame, about: str) -> Iterator[Block]:
    """Checks of many subjects: how many hold, and each that does not."""
    if checks.is_empty():
        return
    held, failed, unknown = (checks.filter(is_so).height for is_so in _OUTCOMES)
    yield Paragraph(f"{about}: {held:,} checks hold, {failed:,} do not, {unknown:,} could not be made.")
    shown = checks.filter(~pl.col("is_passed")).head(MOST_ROWS)
    if shown.height:
        head = (
            f"{about}: what does not hold",
            ("check", *_CHECK_HEAD),
            tuple(map(_check, shown.iter_rows(named=True))),
        )
        yield Grid(*head)


def _check(row: Mapping[str, Any]) -> tuple[str, ...]:
    subject = "" if row["subject"] == "all" else f", {label(row['subject'])}"
    name, outcome = row["check_name"], {True: "holds", False: "fails", None: "could not be made"}[row["is_passed"]]
    return (
        f"{METRICS[name][0] if name in METRICS else label(name)}{subject}",
        within(row["horizon"]),
        interval(row["metric_value"], row["metric_low"], row["metric_high"], is_percent=False),
        limits(row["limit_low"], row["limit_high"]),
        "yes" if row["is_blocking"] else "no",
        outcome,
    )


def drift_blocks(gate: pl.DataFrame, drift: pl.DataFrame) -> Iterator[Block]:
    """What has moved, at the training and last night."""
    yield Paragraph(
        "A new population is not the one that was learned from. The population stability index says how far: under 0.1 is "
        "called stable, from 0.25 large. Each night measures it anew, in the mart model_quality."
    )
    yield from _checks_aside(
        gate.filter(pl.col("check_kind") == "drift"), "The latest landmarks beside the earlier ones"
    )
    if drift.height:
        shown = drift.sort("metric_value", descending=True, nulls_last=True).head(10)
        rows = tuple(
            (
                label(row["subject"]),
                label(row["drift_kind"]),
                f"{number(row['metric_value'])} {label(row['metric_name'])}",
                row["drift_verdict"],
            )
            for row in shown.iter_rows(named=True)
        )
        yield Grid("What moved most, last night", ("what", "kind", "measure", "verdict"), rows)
