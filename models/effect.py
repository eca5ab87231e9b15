"""What mentoring changed in abandonment: contrasts estimated from weekly target trials, with all that is stored beside.

Belongs here: from trials to rows of estimates, balance, overlap and checks. Does not belong here: who is eligible and
what is known when (`pipelines.effect_trials`), the score (`models.aipw`), the rules (`models.effect_verdict`), what an
effect is worth (`models.roi`), the hold-out (`models.holdout`).

One contrast of a programme is named in advance as its question, one as the second; all others are exploratory and their
p-values adjusted by Holm. A difference between mentored and other learners that is not one of these rows is selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from data_contracts.fields.effects import ALL
from data_contracts.schema import Table
from data_contracts.tables.effects import BALANCE, EFFECT, EFFECT_CHECK, OVERLAP
from models.aipw import Att, Flags, FollowUp, Ints, att
from models.contract import schema_of
from models.effect_figures import (
    DETECTED_ERRORS,
    Difference,
    Z,
    balance,
    e_value,
    e_value_limit,
    effective_sample,
    holm,
    overlap,
    overlap_share,
    unadjusted,
)
from models.effect_subgroups import OF_SUBGROUP, of_contact, of_match
from models.effect_verdict import (
    ALL_HELD,
    MOST_SPREAD_ERRORS,
    NEGATIVE_CONTROL_LEVEL,
    WIDER_THAN_BREAK_EVEN,
    Evidence,
    Verdict,
    judge,
    too_few,
    usable,
)
from models.nuisance import LEARNERS, Design, Floats, design

# Counted up with every change of how an estimate is made, so that those on record are made anew.
METHOD = 1
PRIMARY: Literal["first_contact"] = "first_contact"
SECOND: Literal["matched"] = "matched"
ESTIMANDS: Mapping[str, str] = MappingProxyType(
    {
        "first_contact": "effect of first contact (held session or mentor-sent message) in a week, against none in that "
        "week, on abandonment within 8 weeks from the week's end, on the contacted (ATT)",
        "matched": "effect of being matched with a mentor in a week, against not being matched until 8 weeks are over, on "
        "abandonment within 8 weeks from the week's end, on the matched (ATT)",
    }
)
NOBODY: Mapping[str, str] = MappingProxyType(
    {
        "first_contact": "nobody who was matched was contacted in a week whose 8 weeks of outcome are over; what a learner "
        "starts is no treatment",
        "matched": "nobody was matched in a week whose 8 weeks of outcome are over",
    }
)
# What is not told where nothing can be said; the figures that say why stay.
_ESTIMATED = (
    "effect_points",
    "effect_low_points",
    "effect_high_points",
    "p_value",
    "untreated_percent",
    "risk_ratio",
    "e_value",
    "e_value_limit",
)
_DIGEST = "trials_digest"
_MAIN = "logistic"
_FEWER_FOLDS = 3


@dataclass(frozen=True, slots=True)
class EffectSettings:
    """Seed, folds, repeats of the folds, threads; whether subgroups and other learners are estimated too.

    `is_withholding`: no estimate is told where nothing can be said.
    """

    seed: int = 20
    fold_count: int = 5
    repeats: int = 3
    threads: int = 2
    is_exploring: bool = True
    is_checking: bool = True
    is_withholding: bool = True


class Estimates(NamedTuple):
    """Rows of `risk.effect` (without trials_digest), `risk.effect_balance`, `risk.effect_overlap`, `risk.effect_check`."""

    effects: pl.DataFrame
    balance: pl.DataFrame
    overlap: pl.DataFrame
    checks: pl.DataFrame


def estimate(
    trials: pl.DataFrame,
    contrast: str,
    *,
    programmes: Iterable[str] | None = None,
    daily: pl.DataFrame | None = None,
    settings: EffectSettings | None = None,
) -> Estimates:
    """Estimate a contrast for all programmes together and for each.

    Args:
        trials: as `pipelines.effect_trials.trials` describes them, of one contrast.
        contrast: `first_contact` or `matched`.
        programmes: those that get a row even without a trial; None: those with trials.
        daily: daily trials of the same contrast, a check of the estimate of all programmes together.
        settings: see there.
    """
    asked = settings or EffectSettings()
    names = sorted({*trials["programme_id"], *(programmes or ())})
    parts = {name: trials.filter(pl.col("programme_id") == name) for name in names}
    if len(names) > 1:
        parts = {ALL: trials, **parts}
    # The libraries' own threads cost more than they bring on matrices of this size; programmes side by side do not.
    with threadpool_limits(1), ThreadPoolExecutor(asked.threads) as pool:
        scopes = list(pool.map(lambda name: _Scope(name, contrast, parts[name], asked), parts))
        if scopes and daily is not None and asked.is_checking:
            scopes[0].hold_against(daily)
    return Estimates(
        _frame([row for scope in scopes for row in scope.effects], EFFECT, without=(_DIGEST,)),
        _frame([row for scope in scopes for row in scope.balance], BALANCE),
        _frame([row for scope in scopes for row in scope.overlap], OVERLAP),
        _frame([row for scope in scopes for row in scope.checks], EFFECT_CHECK),
    )


def against_break_even(effects: pl.DataFrame, break_even_points: Mapping[str, float]) -> pl.DataFrame:
    """Rows whose verdict hangs on nothing else, judged by what pays mentoring back; the others as they are.

    Args:
        effects: rows of `risk.effect`, of this function too.
        break_even_points: by programme, where it is known.
    """

    def judged(row: dict[str, Any]) -> dict[str, Any]:
        if row["subgroup_kind"] != ALL or row["verdict_rule"] not in (ALL_HELD, WIDER_THAN_BREAK_EVEN):
            return row
        points = break_even_points.get(row["programme_id"])
        return row | _said(usable(row["effect_low_points"], row["effect_high_points"], points))

    rows = [judged(row) for row in effects.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=effects.schema, orient="row")


def _frame(rows: list[dict[str, Any]], table: Table, *, without: tuple[str, ...] = ()) -> pl.DataFrame:
    """Rows in order of their key; the last digits of a float, which follow the machine's threads, are rounded away."""
    found = pl.DataFrame(rows, schema=schema_of(table, without=without), orient="row").sort(table.key)
    return found.with_columns(pl.selectors.float().round(6))


@dataclass(frozen=True, slots=True)
class _Data:
    """Trials as arrays; `used` are those whose window is over."""

    trials: pl.DataFrame
    covariates: Design
    outcome: Floats
    is_treated: Flags
    cluster: Ints
    used: Flags
    follow_up: FollowUp | None

    @classmethod
    def of(cls, trials: pl.DataFrame, contrast: str) -> _Data:
        ordered = trials.sort("participation_id", "week_epoch_day")
        used = ordered["is_closed"].to_numpy()
        follow_up = None
        if contrast == SECOND:
            follow_up = FollowUp(
                participation=_numbered(ordered["participation_id"]),
                week=ordered["week_epoch_day"].cast(pl.Int64).to_numpy(),
                is_cut=ordered["censored_week"].is_not_null().to_numpy(),
                is_used=used,
            )
        return cls(
            trials=ordered,
            covariates=design(ordered),
            outcome=ordered["abandoned_week"].is_not_null().to_numpy().astype(np.float64),
            is_treated=ordered["is_treated"].to_numpy(),
            cluster=_numbered(ordered["learner_id"]),
            used=used,
            follow_up=follow_up,
        )

    def rows(self, chosen: pl.Series) -> _Data:
        """Some of the trials."""
        kept = chosen.fill_null(value=False)
        rows = kept.to_numpy()
        follow_up = self.follow_up
        if follow_up is not None:
            follow_up = replace(
                follow_up,
                participation=follow_up.participation[rows],
                week=follow_up.week[rows],
                is_cut=follow_up.is_cut[rows],
                is_used=follow_up.is_used[rows],
            )
        return replace(
            self,
            trials=self.trials.filter(kept),
            covariates=self.covariates.rows(rows),
            outcome=self.outcome[rows],
            is_treated=self.is_treated[rows],
            cluster=self.cluster[rows],
            used=self.used[rows],
            follow_up=follow_up,
        )

    def att(self, learner: str, settings: EffectSettings, *, repeats: int) -> Att:
        return att(
            self.covariates,
            self.outcome,
            self.is_treated,
            self.cluster,
            learner=LEARNERS[learner],
            follow_up=self.follow_up,
            fold_count=settings.fold_count,
            repeats=repeats,
            seed=settings.seed,
        )


def _numbered(ids: pl.Series) -> Ints:
    """Numbers from 0 in place of identifiers."""
    return np.asarray(ids.rank("dense").cast(pl.Int64) - 1)


class _Scope:
    """One contrast in one programme, or in all: its rows of every table."""

    def __init__(self, programme_id: str, contrast: str, trials: pl.DataFrame, settings: EffectSettings) -> None:
        self._settings = settings
        self._name = {"programme_id": programme_id, "contrast": contrast}
        self.effects: list[dict[str, Any]] = []
        self.balance: list[dict[str, Any]] = []
        self.overlap: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        row = self._head(trials, ALL, ALL)
        few = _few(row)
        if few is not None:
            self.effects = [row | few | ({} if row["treated_count"] else {"reason": NOBODY[contrast]})]
            return
        data = _Data.of(trials, contrast)
        main = data.att(_MAIN, settings, repeats=settings.repeats)
        self._describe(data, main)
        self.effects = [row | self._estimated(row, data, main, is_whole=True)]
        if settings.is_exploring:
            self.effects += self._explored(data, main)
            _adjust(self.effects)

    def hold_against(self, daily: pl.DataFrame) -> None:
        """Check the estimate by one of daily trials, whose clock starts at the end of the day."""
        whole = self.effects[0]
        if _few(self._head(daily, ALL, ALL)) is not None or whole["standard_error_points"] is None:
            return
        asked = replace(self._settings, fold_count=_FEWER_FOLDS)
        found = _Data.of(daily, self._name["contrast"]).att(_MAIN, asked, repeats=1)
        difference = Difference(found.effect, found.standard_error)
        is_near = None
        if whole["effect_points"] is not None:
            apart = abs(100 * found.effect - whole["effect_points"])
            is_near = apart <= MOST_SPREAD_ERRORS * max(100 * found.standard_error, whole["standard_error_points"])
        self._check("clock", "daily trials", difference, is_passed=is_near)

    def _head(self, trials: pl.DataFrame, kind: str, name: str) -> dict[str, Any]:
        """Key, words and counts of a row."""
        closed = trials.filter("is_closed")
        if self._name["contrast"] == SECOND:
            closed = closed.filter(pl.col("censored_week").is_null())
        counts = closed.group_by("is_treated").agg(n=pl.len(), events=pl.col("abandoned_week").is_not_null().sum())
        found = {is_treated: (n, events) for is_treated, n, events in counts.iter_rows()}
        treated, controls = found.get(True, (0, 0)), found.get(False, (0, 0))
        contrast, is_whole = self._name["contrast"], kind == ALL
        role = "exploratory" if not is_whole else "primary" if contrast == PRIMARY else "secondary"
        return self._name | {
            "subgroup_kind": kind,
            "subgroup": name,
            "role": role,
            "estimand": ESTIMANDS[contrast] + ("" if is_whole else f"; {OF_SUBGROUP[kind].format(name)}"),
            "treated_count": treated[0],
            "treated_events_count": treated[1],
            "controls_count": controls[0],
            "controls_events_count": controls[1],
        }

    def _estimated(self, row: dict[str, Any], data: _Data, found: Att, *, is_whole: bool = False) -> dict[str, Any]:
        """The figures of an estimate and what may be said of it."""
        low, high = found.effect - Z * found.standard_error, found.effect + Z * found.standard_error
        counted = found.weight > 0
        treated = data.is_treated & data.used
        balanced = balance(data.covariates.linear, treated, found.weight)
        effective = effective_sample(found.weight)
        negative = self._negative(data) if is_whole and self._settings.is_checking else None
        spread = self._spread(data, found) if is_whole and self._settings.is_checking else None
        ratios = [_ratio(found.untreated, change) for change in (low, found.effect, high)]
        evidence = Evidence(
            treated=row["treated_count"],
            treated_events=row["treated_events_count"],
            controls_events=row["controls_events_count"],
            effective=effective,
            trimmed_share=found.trimmed_share,
            effect_points=100 * found.effect,
            low_points=100 * low,
            high_points=100 * high,
            error_points=100 * found.standard_error,
            largest_difference=balanced.largest,
            difference_error=(1 / max(row["treated_count"], 1) + 1 / max(effective, 1)) ** 0.5,
            spread_points=spread,
            negative_control_p=None if negative is None else negative.p_value,
        )
        figures = {
            "effect_points": 100 * found.effect,
            "effect_low_points": 100 * low,
            "effect_high_points": 100 * high,
            "standard_error_points": 100 * found.standard_error,
            "p_value": Difference(found.effect, found.standard_error).p_value,
            "untreated_percent": min(max(100 * found.untreated, 0.0), 100.0),
            "risk_ratio": ratios[1],
            "overlap_share": overlap_share(found.nuisance.propensity, treated, found.weight) if counted.any() else 0.0,
            "trimmed_share": found.trimmed_share,
            "effective_sample_count": effective,
            "largest_difference": balanced.largest,
            "learners_spread_points": spread,
            "negative_control_points": None if negative is None else 100 * negative.effect,
            "negative_control_p_value": None if negative is None else negative.p_value,
            "e_value": None if ratios[1] is None else e_value(ratios[1]),
            "e_value_limit": None if ratios[0] is None or ratios[2] is None else e_value_limit(ratios[0], ratios[2]),
            "minimum_detectable_points": 100 * DETECTED_ERRORS * found.standard_error,
        }
        said = judge(evidence)
        is_withheld = said.verdict == "cannot_say" and self._settings.is_withholding
        unsaid = dict.fromkeys(_ESTIMATED) if is_withheld else {}
        return figures | unsaid | _said(said)

    def _describe(self, data: _Data, main: Att) -> None:
        """Balance, overlap and the difference without adjustment."""
        treated = data.is_treated & data.used
        balanced = balance(data.covariates.linear, treated, main.weight)
        for name, before, after in zip(data.covariates.names, *balanced, strict=True):
            self.balance.append(
                self._name | {"covariate": name, "difference_before": before, "difference_after": after}
            )
        found = overlap(main.nuisance.propensity, treated, main.weight)
        names = ("propensity_low_share", "treated_share", "controls_share", "weighted_controls_share")
        self.overlap = [self._name | dict(zip(names, values, strict=True)) for values in zip(*found, strict=True)]
        naive = unadjusted(data.outcome, data.is_treated, data.used, data.cluster)
        self._check("unadjusted", "difference as it is", naive, reason="selection and all; no estimate of an effect")

    def _negative(self, data: _Data) -> Difference:
        """The same estimate of technical tickets, named in advance as what no mentor can change."""
        tickets = replace(data, outcome=data.trials["opens_ticket"].to_numpy().astype(np.float64))
        found = tickets.att(_MAIN, self._settings, repeats=1)
        result = Difference(found.effect, found.standard_error)
        passed = result.p_value >= NEGATIVE_CONTROL_LEVEL
        self._check("negative_control", "technical tickets", result, is_passed=passed)
        return result

    def _spread(self, data: _Data, main: Att) -> float:
        """Range of the estimates in points over nuisance learners, which stand among the checks."""
        effects = [100 * main.effect]
        asked = replace(self._settings, fold_count=_FEWER_FOLDS)
        for name in LEARNERS:
            found = main if name == _MAIN else data.att(name, asked, repeats=1)
            apart = abs(found.effect - main.effect) <= MOST_SPREAD_ERRORS * main.standard_error
            difference = Difference(found.effect, found.standard_error)
            self._check("nuisance_learner", name, difference, is_passed=None if name == _MAIN else apart)
            effects.append(100 * found.effect)
        return max(effects) - min(effects)

    def _check(
        self, kind: str, name: str, found: Difference, *, is_passed: bool | None = None, reason: str | None = None
    ) -> None:
        self.checks.append(
            self._name
            | {
                "check_kind": kind,
                "check_name": name,
                "effect_points": 100 * found.effect,
                "effect_low_points": 100 * (found.effect - Z * found.standard_error),
                "effect_high_points": 100 * (found.effect + Z * found.standard_error),
                "is_passed": is_passed,
                "reason": reason,
            }
        )

    def _explored(self, data: _Data, main: Att) -> Iterator[dict[str, Any]]:
        """Rows of subgroups, each with nuisance of its own."""
        asked = replace(self._settings, fold_count=_FEWER_FOLDS)
        is_match = self._name["contrast"] == SECOND
        for kind, name, chosen in (
            of_match(data.trials) if is_match else of_contact(data.trials, main.nuisance.untreated)
        ):
            row = self._head(data.trials.filter(chosen.fill_null(value=False)), kind, name)
            said = _few(row)
            if said is None:
                part = data.rows(chosen)
                said = self._estimated(row, part, part.att(_MAIN, asked, repeats=1))
            yield row | said


def _few(row: Mapping[str, Any]) -> dict[str, Any] | None:
    found = too_few(
        treated=row["treated_count"],
        treated_events=row["treated_events_count"],
        controls_events=row["controls_events_count"],
    )
    return None if found is None else _said(found)


def _said(verdict: Verdict) -> dict[str, Any]:
    return {"verdict": verdict.verdict, "verdict_rule": verdict.rule, "reason": verdict.reason}


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Holm over the exploratory rows that have a p-value."""
    tested = [row for row in rows if row["role"] == "exploratory" and row.get("p_value") is not None]
    for row, adjusted in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row["p_adjusted"] = adjusted


def _ratio(untreated: float, change: float) -> float | None:
    """Risk with treatment over risk without it; null where nobody would abandon without it."""
    return None if untreated <= 0 else max((untreated + change) / untreated, 0.0)
