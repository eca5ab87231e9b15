"""Whether a challenger may become champion, by rules that are written down before it is trained.

Belongs here: the checks, their limits and the verdict. Does not belong here: who is champion and what becomes of a
verdict (`pipelines.champions`), the figures themselves (`metrics.py`, `paired.py`, `groups.py`, `drift.py`).

A check fails where its value lies beyond its limit **and** is beyond what chance alone gives, so that neither a large
sample's trifle nor a small sample's accident refuses a model. A failed check that is blocking refuses; others are for
people to look at. What cannot be judged is null, never passed. Alerts, bands and ranks go by 28 days, so the 7-day model
is shown beside and blocks nothing. Drift blocks nothing either: where the population has changed, the model that was
trained on it last is the better one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import norm, rankdata

from models.drift import LARGE
from models.groups import WITHIN, Gap
from models.metrics import (
    MINIMUM_SLICE_EVENTS,
    UNKNOWN,
    Estimate,
    arrays,
    calibration_intercept,
    calibration_slope,
    roc_auc,
)
from models.paired import paired_differences
from models.split import HORIZONS

Limit = tuple[float | None, float | None]

MAIN = "28d"
_KEY = ("enrolment_id", "observed_epoch_day")


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What passes, as (least, highest); None is open. Our own choices: the literature gives no limits for most.

    `auc_difference` and `log_loss_change` are challenger less champion, the latter as a share of the champion's loss.
    Gaps are group less others: shares, log odds for calibration, area for ABROCA.
    """

    roc_auc: Limit = (0.5, None)
    auc_difference: Limit = (-0.02, None)
    log_loss_change: Limit = (None, 0.02)
    calibration_slope: Limit = (0.75, 1.4)
    calibration_intercept: Limit = (-0.5, 0.5)
    single_feature_auc: Limit = (None, 0.9)
    recall_gap: Limit = (-0.10, None)
    false_positive_rate_gap: Limit = (None, 0.05)
    alert_rate_gap: Limit = (-0.10, 0.10)
    calibration_gap: Limit = (-0.4, 0.4)
    abroca: Limit = (None, 0.10)
    psi: Limit = (None, LARGE)
    least_events: int = MINIMUM_SLICE_EVENTS
    group_level: float = 0.05
    """Chance of any false breach over all groups and figures together (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Rival:
    """The champion on the challenger's fold.

    `scored` has enrolment_id, observed_epoch_day, horizon and the champion's probability of each fold row; `own` the
    same columns of what it once predicted out of sample. It has seen labels that were closed by `trained_epoch_day`.
    """

    model_id: str
    trained_epoch_day: int
    scored: pl.DataFrame
    own: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `is_passed` is None where it could not be made."""

    kind: str
    name: str
    horizon: str
    subject: str
    estimate: Estimate
    limit: Limit
    n_count: int
    n_events_count: int
    is_passed: bool | None
    is_blocking: bool
    reason: str

    @property
    def row(self) -> dict[str, object]:
        """The columns of risk.gate but model_id."""
        return {
            "check_kind": self.kind,
            "check_name": self.name,
            "horizon": self.horizon,
            "subject": self.subject,
            "metric_value": self.estimate.value,
            "metric_low": self.estimate.low,
            "metric_high": self.estimate.high,
            "limit_low": self.limit[0],
            "limit_high": self.limit[1],
            "n_count": self.n_count,
            "n_events_count": self.n_events_count,
            "is_passed": self.is_passed,
            "is_blocking": self.is_blocking,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the challenger may be champion, in a sentence, and every check behind it."""

    is_passed: bool
    sentence: str
    checks: tuple[Check, ...]


def judge(
    predictions: pl.DataFrame,
    *,
    fold_features: pl.DataFrame,
    gaps: Sequence[Gap],
    drift: pl.DataFrame,
    rival: Rival | None,
    limits: GateLimits | None = None,
) -> Verdict:
    """Judge a challenger by its out-of-sample predictions.

    Args:
        predictions: columns of risk.prediction but model_id; those of estimator "model" count.
        fold_features: enrolment_id, observed_epoch_day and the features of the 28-day fold's rows.
        gaps: `groups.gaps` of the predictions; empty where there are no audit attributes.
        drift: `drift.stability` of the fold's rows against the training rows.
        rival: the champion; None where there is none, or none that today's code can load.
        limits: what passes.
    """
    limits = limits or GateLimits()
    mine = predictions.filter(pl.col("estimator") == "model").sort("observed_epoch_day", "enrolment_id")
    checks: list[Check] = []
    for horizon in HORIZONS:
        rows = mine.filter(pl.col("horizon") == horizon)
        checks += _own_checks(rows, horizon, limits)
        if rival is not None:
            checks += _against(rival, rows, horizon, limits)
    main = mine.filter(pl.col("horizon") == MAIN)
    checks += _leak(main, fold_features, limits)
    checks += _groups(gaps, main, limits)
    checks += _drift(drift, limits)
    return Verdict(
        all(check.is_passed is not False for check in checks if check.is_blocking),
        _sentence(checks, rival),
        tuple(checks),
    )


def _sentence(checks: Sequence[Check], rival: Rival | None) -> str:
    failed = [check for check in checks if check.is_blocking and check.is_passed is False]
    if failed:
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        return f"Refused: {'; '.join(check.reason for check in failed[:3])}{more}."
    told = [
        f"{sum(check.is_passed is True for check in checks)} checks passed",
        f"{sum(check.is_passed is None for check in checks)} could not be made",
        f"{sum(check.is_passed is False for check in checks)} to look at",
    ]
    if rival is None:
        against = "no champion to compare with"
    else:
        is_compared = any(one.kind == "champion" and one.horizon == MAIN and one.is_passed for one in checks)
        against = f"{'compared' if is_compared else 'too few events to compare'} with champion {rival.model_id}"
    return f"Passed, {against}: {', '.join(told)}."


def _own_checks(rows: pl.DataFrame, horizon: str, limits: GateLimits) -> Iterator[Check]:
    """Chance and calibration, by the challenger alone."""
    outcome, probability, cluster = arrays(rows)
    events = int(outcome.sum())
    about = (len(outcome), events)
    is_blocking = horizon == MAIN
    auc = roc_auc(outcome, probability, cluster)
    enough = min(events, len(outcome) - events) >= limits.least_events
    low = auc.low if auc.low is not None else 0.0
    yield Check(
        "chance",
        "roc_auc",
        horizon,
        "all",
        auc,
        limits.roc_auc,
        *about,
        low > (limits.roc_auc[0] or 0) if enough else None,
        is_blocking,
        f"{horizon}: AUC {auc.told(unknown='unknown')}, must lie above .5 with its whole interval"
        if enough
        else _too_few(horizon, events, limits),
    )
    for name, ideal, figure in (
        ("calibration_slope", 1.0, calibration_slope),
        ("calibration_intercept", 0.0, calibration_intercept),
    ):
        estimate = figure(outcome, probability, cluster) if enough else UNKNOWN
        limit: Limit = getattr(limits, name)
        is_passed = None if estimate.value is None else not _is_beyond(estimate, limit, ideal)
        told = _told_limit(limit, estimate.value, is_passed=is_passed is True)
        yield Check(
            "calibration",
            name,
            horizon,
            "all",
            estimate,
            limit,
            *about,
            is_passed,
            is_blocking,
            f"{horizon}: {name.replace('_', ' ')} {estimate.told(unknown='unknown')}, {told}"
            if enough
            else _too_few(horizon, events, limits),
        )


def _against(rival: Rival, rows: pl.DataFrame, horizon: str, limits: GateLimits) -> Iterator[Check]:
    """Challenger less champion, on rows that neither has seen the outcome of.

    First choice: landmarks of which nothing was known at the champion's training, not even for the shortest horizon;
    the champion as it scores tonight. It has learned from later rows than the challenger's out-of-sample predictions
    have, so a difference is unkind to the challenger by that much. Where these are too few: the rows of both folds,
    each predicted one rung down.
    """
    is_unseen = is_unseen_by(rival.trained_epoch_day)
    first = _joined(rows.filter(is_unseen), rival.scored, horizon)
    second = _joined(rows, rival.own, horizon)
    both, which = (first, "landmarks of which the champion has seen no outcome")
    if _events(first) < limits.least_events <= _events(second):
        both, which = second, "landmarks that both predicted out of sample"
    outcome, mine, cluster = arrays(both)
    events = _events(both)
    names = ("auc_difference", "log_loss_change")
    if events < limits.least_events:
        reason = (
            f"{horizon}: not compared with champion {rival.model_id}, {events} of {limits.least_events} events "
            f"are there in {which}"
        )
        for name in names:
            limit: Limit = getattr(limits, name)
            yield Check(
                "champion", name, horizon, "all", UNKNOWN, limit, both.height, events, None, horizon == MAIN, reason
            )
        return
    told = paired_differences(outcome, mine, both["champion_probability"].to_numpy(), cluster)
    loss = told.log_loss
    change = Estimate(*(None if v is None else v / told.log_loss_of_second for v in (loss.value, loss.low, loss.high)))
    for name, estimate in zip(names, (told.auc, change), strict=True):
        limit = getattr(limits, name)
        is_passed = not _is_beyond(estimate, limit, 0.0)
        words = _told_limit(limit, estimate.value, is_passed=is_passed)
        yield Check(
            "champion",
            name,
            horizon,
            "all",
            estimate,
            limit,
            both.height,
            events,
            is_passed,
            horizon == MAIN,
            f"{horizon}: {name.replace('_', ' ')} to champion {rival.model_id} {estimate.told(unknown='unknown')}, {words}, "
            f"on {both.height:,} {which}",
        )


def is_unseen_by(trained_epoch_day: int) -> pl.Expr:
    """Whether a model that was trained on that day has seen no outcome of a landmark, not even the shortest horizon's."""
    return pl.col("observed_epoch_day") + min(HORIZONS.values()) > trained_epoch_day


def _joined(rows: pl.DataFrame, theirs: pl.DataFrame, horizon: str) -> pl.DataFrame:
    champion = theirs.filter(pl.col("horizon") == horizon).select(*_KEY, champion_probability="probability")
    return rows.join(champion, on=_KEY, how="inner", validate="1:1", maintain_order="left")


def _events(rows: pl.DataFrame) -> int:
    """The rarer outcome's rows."""
    events = int(rows["outcome_value"].sum())
    return min(events, rows.height - events)


def _leak(rows: pl.DataFrame, fold_features: pl.DataFrame, limits: GateLimits) -> Iterator[Check]:
    """The feature that tells the outcome best by itself: above .9 it knows what it cannot know."""
    outcome = rows["outcome_value"].to_numpy()
    events = int(outcome.sum())
    names = [name for name in fold_features.columns if name not in _KEY]
    joined = rows.select(_KEY).join(fold_features, on=_KEY, how="left", validate="1:1", maintain_order="left")
    best, subject = 0.0, "all"
    enough = _events(rows) >= limits.least_events if rows.height else False
    for name in names if enough else ():
        area = _area(joined[name].cast(pl.Float64), outcome)
        if area > best:
            best, subject = area, name
    is_told = enough and bool(names)
    yield Check(
        "leak",
        "single_feature_auc",
        MAIN,
        subject,
        Estimate(best, None, None) if is_told else UNKNOWN,
        limits.single_feature_auc,
        len(outcome),
        events,
        best <= (limits.single_feature_auc[1] or 1) if is_told else None,
        True,
        f"{subject} alone has AUC {best:.3f}, {_told_limit(limits.single_feature_auc)}: above that a feature leaks"
        if is_told
        else _too_few(MAIN, events, limits),
    )


def _area(values: pl.Series, outcome: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """AUC of one feature in its better direction; unknown values are the lowest, or the highest, whichever is better."""
    found = []
    for stand_in in (-np.inf, np.inf):
        ranks = rankdata(values.fill_nan(None).fill_null(stand_in).to_numpy())
        events = outcome.sum()
        area = (ranks @ outcome - events * (events + 1) / 2) / (events * (outcome.size - events))
        found += [area, 1 - area]
        if values.null_count() == 0:
            break
    return float(max(found))


def _groups(gaps: Sequence[Gap], rows: pl.DataFrame, limits: GateLimits) -> Iterator[Check]:
    """Gaps of groups; those within courses decide where there are several courses, since the rest is their mix."""
    if not gaps:
        events = int(rows["outcome_value"].sum())
        reason = "not audited: there are no attributes of learners"
        yield Check("group", "audit", MAIN, "all", UNKNOWN, (None, None), rows.height, events, None, True, reason)
        return
    audited = sum(gap.withheld is None for gap in gaps)
    surely = float(norm.ppf(1 - limits.group_level / 2 / max(audited, 1)))
    decided_within = {(gap.attribute, gap.group) for gap in gaps if gap.scope == WITHIN and gap.withheld is None}
    for gap in gaps:
        limit: Limit = getattr(limits, gap.name.removesuffix(f"_{WITHIN}"))
        subject = f"{gap.attribute}={gap.group}"
        is_breach = _is_outside(gap.estimate.value, limit) and gap.sureness > surely
        told = f"{gap.name.replace('_', ' ')} of {subject} {gap.estimate.told(unknown='unknown')}, "
        told += _told_limit(limit, gap.estimate.value, is_passed=not is_breach)
        if gap.metric == "abroca" and gap.withheld is None:
            told += f", {gap.null_mean:.3f} by chance alone"
        yield Check(
            "group",
            gap.name,
            MAIN,
            subject,
            gap.estimate,
            limit,
            gap.n_count,
            gap.n_events_count,
            not is_breach if gap.withheld is None else None,
            gap.scope == WITHIN or (gap.attribute, gap.group) not in decided_within,
            told if gap.withheld is None else f"{subject}: not audited, {gap.withheld}",
        )


def _drift(drift: pl.DataFrame, limits: GateLimits) -> Iterator[Check]:
    """Every score, and the features that have drifted far."""
    highest = limits.psi[1] or 0.0
    for row in drift.iter_rows(named=True):
        index = row["metric_value"]
        is_score = row["subject"].startswith("abandonment_probability")
        if not is_score and (index is None or index < highest):
            continue
        yield Check(
            "drift",
            "psi",
            "7d" if row["subject"].endswith("_7d") and is_score else MAIN,
            row["subject"],
            Estimate(index, None, None),
            limits.psi,
            row["n_count"],
            0,
            None if index is None else index < highest,
            False,
            f"{row['subject']}: too few rows for a stability index"
            if index is None
            else f"{row['subject']}: stability index {index:.2f} of the latest fold against the training, large from "
            f"{highest:.2f}",
        )


def _is_outside(value: float | None, limit: Limit) -> bool:
    least, highest = limit
    return value is not None and ((least is not None and value < least) or (highest is not None and value > highest))


def _is_beyond(estimate: Estimate, limit: Limit, ideal: float) -> bool:
    """Whether a figure lies outside its limits and its interval holds the ideal value no longer."""
    if estimate.low is None or estimate.high is None:
        return _is_outside(estimate.value, limit)
    return _is_outside(estimate.value, limit) and not estimate.low <= ideal <= estimate.high


def _too_few(horizon: str, events: int, limits: GateLimits) -> str:
    return f"{horizon}: not judged, {events} of {limits.least_events} events are there"


def _told_limit(limit: Limit, value: float | None = None, *, is_passed: bool = False) -> str:
    """The limit in words, and why a figure beyond it passed all the same."""
    least, highest = limit
    if least is None and highest is None:
        return "no limit"
    if least is not None and highest is not None:
        told = f"limits {least:g} and {highest:g}"
    else:
        told = f"at least {least:g}" if least is not None else f"at most {highest:g}"
    return f"{told}, beyond but not surely" if is_passed and _is_outside(value, limit) else told
