"""Schema risk's estimates of what mentoring changed, made anew only where the trials they rest on changed.

Belongs here: reading trials and lots, telling whether anything is new, writing the rows. Does not belong here: the
trials (`effect_trials`), the lots (`lottery_pairs`), any estimate (`models.effect`, `models.holdout`).

Most nights change no trial: a week's outcome window closes once a week. Then last night's rows stand as they are.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Literal, get_args

import polars as pl

from data_contracts.schema import Table
from data_contracts.tables import effects as tables
from models.contract import conform
from models.effect import METHOD, PRIMARY, EffectSettings, Estimates, against_break_even, estimate
from models.effect_subgroups import RISK_NAMES
from models.holdout import routed
from models.ranking import EffectEstimate
from models.roi import break_even_points
from pipelines import __version__, lottery_pairs
from pipelines.accounts import ledger
from pipelines.effect_trials import Contrast, trials
from pipelines.marts import money
from pipelines.resources import Night

_CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)


def bring_up_to_date(night: Night) -> dict[str, int]:
    """Estimate where trials, lots or settings are others than those of the rows on record; counts for the metadata.

    What pays mentoring back may change with any cost, so the rule that asks for it is asked each night.
    """
    warehouse = night.warehouse
    settings = EffectSettings(seed=night.settings.seed, threads=night.settings.threads)
    told = {name: _trials(night, name) for name in _CONTRASTS}
    pairs = warehouse.frame(lottery_pairs.pairs(night))
    programmes = warehouse.frame(money.programmes(night.observed_sql))["programme_id"].to_list()
    digest = _digest([*told.values(), pairs], [METHOD, replace(settings, threads=1), programmes])
    is_known = warehouse.rows("SELECT DISTINCT trials_digest FROM risk.effect") == [(digest,)]
    if not is_known:
        daily: dict[Contrast, pl.DataFrame] = {PRIMARY: _trials(night, PRIMARY, length_days=1)}
        found = [
            estimate(frame, name, programmes=programmes, daily=daily.get(name), settings=settings)
            for name, frame in told.items()
        ]
        effects = pl.concat([*(part.effects for part in found), routed(pairs, seed=settings.seed)])
        _record(night, found, effects.with_columns(trials_digest=pl.lit(digest)))
    effects = warehouse.frame("FROM risk.effect")
    judged = against_break_even(effects, break_even_points(ledger(night)))
    if not judged.equals(effects):
        with warehouse.transaction():
            _replace(night, tables.EFFECT, judged)
    counts = {f"{name}_trials": int(frame["is_closed"].sum()) for name, frame in told.items()}
    return counts | {"estimated_anew": int(not is_known)}


def _trials(night: Night, contrast: Contrast, *, length_days: Literal[7, 1] = 7) -> pl.DataFrame:
    return trials(
        night.warehouse,
        contrast,
        tonight_epoch_day=night.tonight_epoch_day,
        before=night.observed_sql,
        length_days=length_days,
    )


def _digest(frames: list[pl.DataFrame], settings: list[object]) -> str:
    """Changes with any row of the frames, the settings and the code."""
    said = sha256(repr((__version__, pl.__version__, settings)).encode())
    for frame in frames:
        said.update(repr(frame.schema).encode())
        said.update(frame.hash_rows(seed=0).to_numpy().tobytes())
    return said.hexdigest()[:32]


def _record(night: Night, found: list[Estimates], effects: pl.DataFrame) -> None:
    with night.warehouse.transaction():
        _replace(night, tables.EFFECT, effects)
        _replace(night, tables.BALANCE, pl.concat([part.balance for part in found]))
        _replace(night, tables.OVERLAP, pl.concat([part.overlap for part in found]))
        _replace(night, tables.EFFECT_CHECK, pl.concat([part.checks for part in found]))


def _replace(night: Night, table: Table, rows: pl.DataFrame) -> None:
    night.warehouse.execute(f"DELETE FROM {table.qualified_name}")
    night.warehouse.append(table, conform(rows, table))


def contact_estimate(night: Night) -> EffectEstimate | None:
    """What contact is expected to change, by thirds of risk, to rank alerts by; None ranks them by probability.

    The operator's own ratios go first, then a usable hold-out (one ratio for all), then usable estimates of first contact in
    each third of risk. A ratio whose effect cannot be told from zero is no reason to rank by it.
    """
    if night.settings.contact_risk_ratios:
        return EffectEstimate("settings", night.settings.contact_risk_ratios)
    lot = _usable_ratios(night, "routed", "all", ("all",))
    if lot:
        return EffectEstimate("hold-out", (lot[0], lot[0], lot[0]))
    thirds = _usable_ratios(night, "first_contact", "risk", RISK_NAMES)
    return EffectEstimate("first contact by thirds of risk", (thirds[0], thirds[1], thirds[2])) if thirds else None


def _usable_ratios(night: Night, contrast: str, kind: str, names: tuple[str, ...]) -> list[float]:
    """Risk ratios of these subgroups in all programmes together, or the only one.

    None unless all of them are usable and one differs from zero.
    """
    widest = "coalesce(min(programme_id) FILTER (programme_id = 'all'), min(programme_id))"
    rows = night.warehouse.rows(
        "SELECT subgroup, risk_ratio, effect_low_points <= 0 AND effect_high_points >= 0 FROM risk.effect WHERE contrast = ? "
        "AND subgroup_kind = ? AND verdict = 'usable' AND risk_ratio > 0 "
        f"AND programme_id = (SELECT {widest} FROM risk.effect)",
        [contrast, kind],
    )
    found = {str(name): (float(ratio), bool(holds_zero)) for name, ratio, holds_zero in rows}
    if set(found) != set(names) or all(holds_zero for _, holds_zero in found.values()):
        return []
    return [found[name][0] for name in names]
