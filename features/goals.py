"""Goals before each landmark: how many stand, how far they are, and how far they should be.

Belongs here: formulas of family goals. Does not belong here: commitments (`commitments`), versions of goals and
their measures (core).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, is_past

_GOAL = (*KEY, "goal_id")


def _in_force(landmarks: Frame, goals: Frame, matches: Frame) -> Frame:
    """Each landmark beside the versions of goals in force at D; a goal ends with its match."""
    return (
        landmarks.select(*KEY, "learner_id", "programme_id")
        .join(goals, on=["learner_id", "programme_id"])
        .join(matches.select("match_id", "match_ended_known_epoch_day"), on="match_id", how="left")
        .filter(is_past("known_epoch_day") & ~is_past("superseded_epoch_day") & ~is_past("match_ended_known_epoch_day"))
    )


def _measured(in_force: Frame, updates: Frame) -> Frame:
    """Each goal's last measure known before D, when it was last updated, and whether it was dropped since."""
    day, status = nw.col("update_epoch_day"), nw.col("status")
    seen = (
        in_force.select(*_GOAL)
        .join(
            updates.select(
                "goal_id",
                "attained_share",
                "status",
                update_epoch_day="epoch_day",
                update_known_epoch_day="known_epoch_day",
            ),
            on="goal_id",
        )
        .filter(is_past("update_epoch_day") & is_past("update_known_epoch_day"))
    )
    is_measured = ~nw.col("attained_share").is_null()
    last_days = (
        seen.select(
            *_GOAL,
            updated_day=day,
            measured_day=nw.when(is_measured).then(day),
            dropped_day=nw.when(status == "dropped").then(day),
            pursued_day=nw.when(status != "dropped").then(day),
        )
        .group_by(*_GOAL)
        .agg(nw.col("updated_day", "measured_day", "dropped_day", "pursued_day").max())
    )
    shares = seen.filter(is_measured).select(*_GOAL, "attained_share", measured_day=day)
    return last_days.join(shares, on=[*_GOAL, "measured_day"], how="left")


def goals_features(landmarks: Frame, goals: Frame, goal_updates: Frame, matches: Frame) -> Frame:
    """Family goals as `features.goals`: one row per landmark, learners without a goal included.

    `goals`, `goal_updates`, `matches`: `core.goal`, `core.goal_update`, `core.mentoring_match`. A version is in force
    at D when it was known before D and the next one was not, until its match is known to have ended or the goal to be
    dropped for good. Means are weighted with the goals' weights, 1 where none is given.

    goals_count: goals in force of the learner in the programme; 0 where nothing is agreed.
    goal_attained_share: mean of each goal's last measure known before D; null before the first measure.
    goal_expected_share: mean of min(1, (D - 1 - day agreed) / (due day - day agreed)), 1 where a goal was due at once;
    null without a due day.
    goal_gap_share = attained - expected, mean over goals that have both; negative where goals are behind.
    days_since_goal_update = D - 1 - last day on which a goal in force was agreed or measured; null without a goal.
    """
    in_force = _in_force(landmarks, goals, matches)
    observed, agreed, due = (nw.col(f"{name}_epoch_day") for name in ("observed", "agreed", "due"))
    attained, expected, gap = nw.col("attained_share"), nw.col("expected_share"), nw.col("gap_share")
    weight, dropped = nw.col("weight"), nw.col("dropped_day")
    pursued = in_force.join(_measured(in_force, goal_updates), on=list(_GOAL), how="left").filter(
        dropped.is_null() | (dropped < nw.max_horizontal(nw.col("pursued_day"), agreed))
    )
    elapsed_share = (observed - 1 - agreed).cast(nw.Float64()) / (due - agreed).cast(nw.Float64())
    standing = pursued.with_columns(
        weight=weight.fill_null(1.0),
        expected_share=nw.when(due <= agreed)
        .then(nw.lit(1.0))
        .when(due > agreed)
        .then(nw.min_horizontal(elapsed_share, nw.lit(1.0))),
        touched_day=nw.max_horizontal(agreed, nw.col("updated_day")),
    ).with_columns(gap_share=attained - expected)
    weighed = {
        name: nw.when(~value.is_null()).then(weight)
        for name, value in (("attained", attained), ("expected", expected), ("gap", gap))
    }
    summed = (
        standing.with_columns(
            **{f"{name}_weight": of for name, of in weighed.items()},
            **{f"{name}_sum": of * nw.col(f"{name}_share") for name, of in weighed.items()},
        )
        .group_by(*KEY)
        .agg(
            *(nw.col(f"{name}_{part}").sum() for name in weighed for part in ("weight", "sum")),
            nw.col("touched_day").max(),
            goals_count=nw.len(),
        )
    )
    features = (
        landmarks.select(*KEY)
        .join(summed, on=list(KEY), how="left")
        .with_columns(
            nw.col("goals_count").fill_null(0),
            days_since_goal_update=observed - 1 - nw.col("touched_day"),
            **{
                f"goal_{name}_share": nw.when(nw.col(f"{name}_weight") > 0).then(
                    nw.col(f"{name}_sum") / nw.col(f"{name}_weight")
                )
                for name in weighed
            },
        )
    )
    return conform(features, FAMILY_TABLES["goals"].columns)
