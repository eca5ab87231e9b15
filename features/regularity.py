"""Whether the learner keeps to hours and weekdays.

Belongs here: formulas of family regularity. Does not belong here: how much is done (`activity`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, trailing, weekly_cells

_WEEKS = (7, 14, 21, 28)
_WEEKDAYS, _HOURS = 7, 24
_LEAST_ACTIVE_DAYS = 4
_HOURS_SECONDS = 3600
# Hours travel through the windows as digits to base 32, eight to a number: no hour has more than 28 days, and whole
# numbers below 32^8 = 2^40 are exact.
_BASE, _DIGITS = 32, 8
_PACKED = tuple(f"hours_{first}" for first in range(0, _HOURS, _DIGITS))


def _packed(position: nw.Expr, first: int, count: int, base: int) -> nw.Expr:
    """Return base^k for position first + k, 0 for positions outside; sums of these are counted digit by digit."""
    return nw.sum_horizontal(*((position == first + k).cast(nw.Float64()) * float(base**k) for k in range(count)))


def _digit(packed: nw.Expr, k: int, base: int) -> nw.Expr:
    # Both bases are powers of two, so the product is the quotient; Spark would write out a quotient's operands often.
    return (packed * float(base) ** -k).floor() - (packed * float(base) ** -(k + 1)).floor() * float(base)


def _active_days(enrolment_days: Frame) -> Frame:
    """One row per enrolment, day and day known: its weekday as a bit, on the first-known row of each day alone."""
    weekday = (nw.col("epoch_day") + 3 + _WEEKDAYS * 1_000_000) % _WEEKDAYS
    first_known = nw.col("known_epoch_day").min().over("enrolment_id", "epoch_day")
    return (
        enrolment_days.group_by("enrolment_id", "epoch_day", "known_epoch_day")
        .agg(nw.col("first_second").min(), nw.col("last_second").max())
        .with_columns(
            weekday=nw.when(nw.col("known_epoch_day") == first_known)
            .then(_packed(weekday, 0, _WEEKDAYS, 2))
            .otherwise(nw.lit(0.0)),
            timed=(nw.col("last_second") > nw.col("first_second")).cast(nw.Float64()),
            **{name: nw.lit(0.0) for name in _PACKED},
        )
        .select("enrolment_id", "epoch_day", "known_epoch_day", "weekday", "timed", *_PACKED)
    )


def _active_hours(enrolment_days: Frame) -> Frame:
    """One row per enrolment, day and hour in which some kind of activity began, from when that was known."""
    hour = (nw.col("first_second").cast(nw.Float64()) / float(_HOURS_SECONDS)).floor().cast(nw.Int64())
    return (
        enrolment_days.with_columns(hour=hour)
        .group_by("enrolment_id", "epoch_day", "hour")
        .agg(nw.col("known_epoch_day").min())
        .with_columns(
            weekday=nw.lit(0.0),
            timed=nw.lit(0.0),
            **{name: _packed(nw.col("hour"), index * _DIGITS, _DIGITS, _BASE) for index, name in enumerate(_PACKED)},
        )
        .select("enrolment_id", "epoch_day", "known_epoch_day", "weekday", "timed", *_PACKED)
    )


def _peak(counts: Sequence[str]) -> nw.Expr:
    """(log2 size - entropy) x largest share of the counts, in bits; with H = log n - sum(c log c) / n."""
    values = [nw.col(name) for name in counts]
    total = nw.max_horizontal(nw.sum_horizontal(*values), nw.lit(1.0))
    spread = nw.sum_horizontal(*(value * nw.max_horizontal(value, nw.lit(1.0)).log() for value in values))
    entropy = total.log() - spread / total
    return (log(len(counts)) - entropy) / log(2) * nw.max_horizontal(*values) / total


def _overlap() -> nw.Expr:
    """Mean of shared over the larger number of active weekdays, over pairs of weeks of which one had any."""
    shares, pairs = [], []
    for later in range(len(_WEEKS)):
        for earlier in range(later + 1, len(_WEEKS)):
            larger = nw.max_horizontal(nw.col(f"days_{later}"), nw.col(f"days_{earlier}"))
            shared = nw.sum_horizontal(
                *(nw.col(f"bit_{later}_{k}") * nw.col(f"bit_{earlier}_{k}") for k in range(_WEEKDAYS))
            )
            shares.append(shared / nw.max_horizontal(larger, nw.lit(1.0)))
            pairs.append((larger > 0).cast(nw.Float64()))
    return nw.sum_horizontal(*shares) / nw.max_horizontal(nw.sum_horizontal(*pairs), nw.lit(1.0))


def regularity_features(landmarks: Frame, enrolment_days: Frame) -> Frame:
    """Family regularity as `features.regularity`: one row per landmark, over days D-28 to D-1 known before D.

    H is the entropy of the counts to base 2, D_i the weekdays active in the i-th week back from D.

    hour_peak_Nd = (log2 24 - H) x largest share, over the hours 0 to 23, of active days an hour; 0 to log2 24. An
        hour of a day counts once where some strand and kind of activity had its first act of the day in it: that is
        what core.enrolment_day keeps, so a second visit to the same kind of activity later that day is not seen.
    weekday_peak_Nd = (log2 7 - H) x largest share, over the weekdays 0 to 6, of active days a weekday; 0 to log2 7.
    weekday_overlap_Nd_share = mean over pairs of weeks, of which one had any, of |D_i and D_j| / max(|D_i|, |D_j|).

    All are null under four active days; the hour's peak also where no day had acts at two different seconds, as in
    data that gives days only.

    Source: Boroujeni et al. 2016, "How to quantify student's regularity?", EC-TEL; there over whole courses and by
    acts, here over four weeks and by days, so that one long sitting is no rhythm.
    """
    rows = nw.concat([_active_days(enrolment_days), _active_hours(enrolment_days)])
    cells = weekly_cells(rows, landmarks, sums=("weekday", "timed", *_PACKED))
    windows = {"weekday": _WEEKS, **dict.fromkeys(("timed", *_PACKED), _WEEKS[-1:])}
    weeks = [nw.col(f"weekday_{days}d") for days in _WEEKS]
    bits = [
        (week, k, weeks[week] - weeks[week - 1] if week else weeks[0]) for week in range(4) for k in range(_WEEKDAYS)
    ]
    hours = [nw.col(f"{name}_28d") for name in _PACKED]
    active_days = nw.sum_horizontal(*(nw.col(f"days_{week}") for week in range(4)))
    is_enough = active_days >= _LEAST_ACTIVE_DAYS
    features = (
        landmarks.select(*KEY)
        .join(trailing(cells, windows), on=list(KEY), how="left")
        .with_columns(
            **{f"bit_{week}_{k}": _digit(packed, k, 2) for week, k, packed in bits},
            **{f"hour_{hour}": _digit(hours[hour // _DIGITS], hour % _DIGITS, _BASE) for hour in range(_HOURS)},
        )
        .with_columns(
            **{
                f"days_{week}": nw.sum_horizontal(*(nw.col(f"bit_{week}_{k}") for k in range(_WEEKDAYS)))
                for week in range(4)
            },
            **{
                f"weekday_{k}": nw.sum_horizontal(*(nw.col(f"bit_{week}_{k}") for week in range(4)))
                for k in range(_WEEKDAYS)
            },
        )
        .with_columns(
            hour_peak_28d=nw.when(is_enough & (nw.col("timed_28d") > 0)).then(
                _peak([f"hour_{hour}" for hour in range(_HOURS)])
            ),
            weekday_peak_28d=nw.when(is_enough).then(_peak([f"weekday_{k}" for k in range(_WEEKDAYS)])),
            weekday_overlap_28d_share=nw.when(is_enough).then(_overlap()),
        )
    )
    return conform(features, FAMILY_TABLES["regularity"].columns)
