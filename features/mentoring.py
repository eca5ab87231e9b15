"""Mentoring before each landmark: what was held, written, answered and missed, and who the mentor is.

Belongs here: formulas of family mentoring. Does not belong here: what was agreed (`goals`, `commitments`), whether
mentoring helped (`models.effect`), alerts.
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, is_past, last_four_weeks, to_date, weekly_cells

_KIND_OF = {
    "sessions_held": "held",
    "sessions_missed_by_learner": "missed_by_learner",
    "sessions_missed_by_mentor": "missed_by_mentor",
    "messages_by_mentor": "message_by_mentor",
    "messages_by_learner": "message_by_learner",
}
_CONTACT_KINDS = ("held", "message_by_mentor")
_SPOKEN_KINDS = ("held", "message_by_mentor", "message_by_learner")
_INTERVALS = 4
_WEEK_DAYS = 7.0
_ANSWERED_WITHIN_DAYS = 3


def of_programme(landmarks: Frame, rows: Frame) -> Frame:
    """Give each row to the learner's enrolments in its programme, in any programme where it names none."""
    enrolments = landmarks.select("enrolment_id", "learner_id", landmark_programme_id=nw.col("programme_id")).unique()
    programme = nw.col("programme_id")
    return rows.join(enrolments, on="learner_id").filter(
        programme.is_null() | (programme == nw.col("landmark_programme_id"))
    )


def _open_matches(landmarks: Frame, matches: Frame) -> Frame:
    """Each landmark beside the learner's matches in the programme that stand at D."""
    return (
        landmarks.select(*KEY, "learner_id", "programme_id")
        .join(matches, on=["learner_id", "programme_id"])
        .filter(is_past("known_epoch_day") & ~is_past("match_ended_known_epoch_day"))
    )


def _meetings(standing: Frame, events: Frame) -> Frame:
    """Sum each landmark's open matches and the sessions held in them; the pairs stay few, a match has tens."""
    days, a_week = nw.col("observed_epoch_day") - 1 - nw.col("matched_epoch_day"), nw.col("agreed_sessions_per_week")
    # Days x sessions a week against whole weeks, so that nothing is divided that could miss a whole interval.
    intervals = nw.sum_horizontal((days * a_week >= _WEEK_DAYS * n).cast(nw.Int64()) for n in range(1, _INTERVALS + 1))
    ago = nw.col("observed_epoch_day") - nw.col("held_epoch_day")
    agreed = standing.with_columns(agreed=intervals)
    held = (
        agreed.select(*KEY, "match_id", "agreed_sessions_per_week", "agreed")
        .join(
            events.filter(nw.col("event_kind") == "held").select(
                "match_id", held_epoch_day="epoch_day", held_known_epoch_day="known_epoch_day"
            ),
            on="match_id",
        )
        .filter(is_past("held_epoch_day") & is_past("held_known_epoch_day"))
        .with_columns(held=((ago * a_week <= _WEEK_DAYS * nw.col("agreed")) & (nw.col("agreed") > 0)).cast(nw.Int64()))
        .group_by(*KEY, "match_id")
        .agg(nw.col("held").sum(), first_held=nw.col("held_epoch_day").min())
    )
    return (
        agreed.with_columns(
            is_mentor_trained=nw.when(~nw.col("mentor_kind").is_null() | ~nw.col("trained_epoch_day").is_null()).then(
                is_past("trained_epoch_day").cast(nw.Int64())
            )
        )
        .join(held, on=[*KEY, "match_id"], how="left")
        .group_by(*KEY)
        .agg(
            nw.col("agreed", "held").sum(),
            nw.col("matched_epoch_day", "first_held").min(),
            nw.col("is_mentor_trained").max(),
        )
        .with_columns(is_matched=nw.lit(1), has_met=(~nw.col("first_held").is_null()).cast(nw.Int64()))
    )


def _loads(standing: Frame, matches: Frame) -> Frame:
    """Count the learners whose matches with the landmark's mentor stand at D; of several mentors the highest count."""
    mine = standing.select(*KEY, "mentor_id")
    learners = (
        mine.select("observed_epoch_day", "mentor_id")
        .unique()
        .join(
            matches.select("mentor_id", "learner_id", "known_epoch_day", "match_ended_known_epoch_day"), on="mentor_id"
        )
        .filter(is_past("known_epoch_day") & ~is_past("match_ended_known_epoch_day"))
        .group_by("observed_epoch_day", "mentor_id")
        .agg(mentor_learners_count=nw.col("learner_id").n_unique())
    )
    return (
        mine.join(learners, on=["observed_epoch_day", "mentor_id"])
        .group_by(*KEY)
        .agg(nw.col("mentor_learners_count").max())
    )


def _exchanges(own: Frame, landmarks: Frame) -> Frame:
    """Count the last 28 days' sessions and messages, who began, by which channel, and how answers came."""
    kind = nw.col("event_kind")
    by_learner, is_answered = kind == "message_by_learner", is_past("answered_known_epoch_day")
    is_old = nw.col("observed_epoch_day") - nw.col("epoch_day") > _ANSWERED_WITHIN_DAYS
    counted = {
        **{f"{name}_28d": kind == of for name, of in _KIND_OF.items()},
        "started": nw.col("is_start"),
        "started_by_learner": nw.col("is_start") & by_learner,
        "spoken": kind.is_in(_SPOKEN_KINDS),
        "synchronous": (kind == "held") | (kind.is_in(_SPOKEN_KINDS) & (nw.col("channel") == "chat")),
        "unanswered_messages_28d": nw.col("is_start") & by_learner & is_old & ~is_answered,
    }
    started, spoken = nw.col("started").cast(nw.Float64()), nw.col("spoken").cast(nw.Float64())
    return (
        last_four_weeks(own, landmarks)
        .with_columns(
            *(condition.fill_null(value=False).cast(nw.Int64()).alias(name) for name, condition in counted.items()),
            response_hours=nw.when(by_learner & is_answered).then(nw.col("answer_seconds").cast(nw.Float64())),
        )
        .group_by(*KEY)
        .agg(*(nw.col(name).sum() for name in counted), nw.col("response_hours").median())
        .with_columns(
            started_by_learner_28d_share=nw.when(started > 0).then(nw.col("started_by_learner") / started),
            synchronous_28d_share=nw.when(spoken > 0).then(nw.col("synchronous") / spoken),
            response_hours_median_28d=nw.col("response_hours") / 3600.0,
        )
    )


def mentoring_features(landmarks: Frame, matches: Frame, events: Frame) -> Frame:
    """Family mentoring as `features.mentoring`: one row per landmark, unmatched learners included.

    `matches`: `core.mentoring_match`. `events`: `core.mentoring_event` with `answer_seconds`, from a message to its
    answer. A match stands at D when it was known before D and its end was not. Counts are over days D-28 to D-1,
    known before D; events that name no programme count in each of the learner's.

    is_matched = 1 where a match of the learner in the programme stands at D, else 0.
    has_met = 1 where a session of a standing match was held, else 0; null without one.
    days_until_first_meeting = day of the first session held in a standing match, D - 1 before there is one, less the day
    of the match; at least 0, null without a match.
    days_since_contact = D - 1 - day of the last held session or mentor's message; null before the first.
    held_over_agreed_4i_share = min(1, sessions held / intervals), over the last four intervals of 7 / (agreed sessions a
    week) days before D, each of which asks for one session. Only intervals that are over since the match count; null
    before the first is and without a cadence; of several standing matches the sums.
    sessions_held_28d: sessions held.
    sessions_missed_by_learner_28d: sessions of outcome missed_by_learner.
    sessions_missed_by_mentor_28d: sessions of outcome missed_by_mentor.
    messages_by_mentor_28d: messages that the mentor sent.
    messages_by_learner_28d: messages that the learner sent.
    started_by_learner_28d_share = conversations begun by a message of the learner / by a message of either; a message
    begins one where it answers nothing and the two were silent for three days.
    response_hours_median_28d: median of hours from a message of the learner to the mentor's answer, of answers known
    before D; null without one.
    unanswered_messages_28d: messages with which the learner began a conversation, sent before D - 3, whose answer is not
    known before D.
    synchronous_28d_share = (sessions held + chat messages) / (sessions held + messages); e-mail and forum are not
    synchronous; null without any.
    mentor_learners_count: learners who have a standing match with the mentor, in any programme; of several mentors the
    highest; 1 or more, null without a match.
    is_mentor_trained = 1 where the mentor of a standing match was trained before D, else 0; null where nothing is told
    of the mentor.
    """
    key = list(KEY)
    own, standing = of_programme(landmarks, events), _open_matches(landmarks, matches)
    contacts = weekly_cells(own.filter(nw.col("event_kind").is_in(_CONTACT_KINDS)), landmarks, sums=())
    observed, agreed = nw.col("observed_epoch_day"), nw.col("agreed").cast(nw.Float64())
    waited = nw.coalesce("first_held", observed - 1) - nw.col("matched_epoch_day")
    features = (
        landmarks.select(*KEY)
        .join(_meetings(standing, events), on=key, how="left")
        .join(_loads(standing, matches), on=key, how="left")
        .join(to_date(contacts, landmarks, sums=()), on=key)
        .join(_exchanges(own, landmarks), on=key, how="left")
        .with_columns(
            nw.col("is_matched", "unanswered_messages_28d", *(f"{name}_28d" for name in _KIND_OF)).fill_null(0),
            days_since_contact=observed - 1 - nw.col("last_epoch_day"),
            days_until_first_meeting=nw.when(~nw.col("matched_epoch_day").is_null()).then(
                nw.max_horizontal(waited, nw.lit(0))
            ),
            held_over_agreed_4i_share=nw.when(agreed > 0).then(
                nw.min_horizontal(nw.col("held").fill_null(0).cast(nw.Float64()) / agreed, nw.lit(1.0))
            ),
        )
    )
    return conform(features, FAMILY_TABLES["mentoring"].columns)
