"""What became of each landmark, as far as it is known tonight.

Belongs here: abandoned, competing, censored. Does not belong here: which rule decided an end (core), purging by
contact (`models`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import LABEL
from features.contract import Frame, conform
from features.windows import KEY, ends_as_known

_HORIZONS_DAYS = (7, 28)


def labels(landmarks: Frame, enrolments: Frame, *, tonight_epoch_day: int, abandon_after_days: int = 28) -> Frame:
    """Labels as `features.label`: 1 abandons, 0 does not, null not yet known.

    abandons_Hd is 1 when the enrolment is known to be abandoned on a day of [D, D + H - 1]; else 0 when its end is
    known (a competing end, or one after the window), the window has closed (D + H <= tonight) or the course is over
    (last day < tonight). abandons_end and fails_or_abandons_end ask how the enrolment ended, whenever that was, and are
    known once it has or the course is over. Where ends are inferred from silence, an abandonment shows
    `abandon_after_days` late, so there windows and courses close that many days later.
    """
    observed, ended = nw.col("observed_epoch_day"), nw.col("ended_epoch_day")
    is_abandoned = nw.col("ended_kind") == "abandoned"
    settled_until = nw.col("settled_until_epoch_day")
    known = (
        landmarks.select(*KEY)
        .join(ends_as_known(enrolments, tonight_epoch_day=tonight_epoch_day), on="enrolment_id")
        .with_columns(
            settled_until_epoch_day=nw.when(nw.col("has_recorded_outcome"))
            .then(nw.lit(tonight_epoch_day))
            .otherwise(nw.lit(tonight_epoch_day - abandon_after_days))
        )
    )
    is_settled = ~ended.is_null() | (nw.col("course_end_epoch_day") < settled_until)

    def label(event: nw.Expr, settled: nw.Expr) -> nw.Expr:
        return nw.when(event).then(nw.lit(1)).when(settled).then(nw.lit(0))

    return conform(
        known.with_columns(
            **{
                f"abandons_{days}d": label(
                    is_abandoned & (ended >= observed) & (ended < observed + days),
                    is_settled | (observed + days <= settled_until),
                )
                for days in _HORIZONS_DAYS
            },
            abandons_end=label(is_abandoned, is_settled),
            fails_or_abandons_end=label(nw.col("ended_kind").is_in(("abandoned", "failed")), is_settled),
        ),
        LABEL.columns,
    )
