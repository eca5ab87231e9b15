"""Mentoring and support before each landmark.

Belongs here: formulas of families mentoring and support. Does not belong here: whether mentoring helped
(`models.effect`), alerts.
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import MENTORING
from features.contract import Frame, conform
from features.windows import KEY, to_date, trailing, weekly_cells

_KIND_OF = {
    "sessions_held": "held",
    "sessions_missed_by_learner": "missed_by_learner",
    "sessions_missed_by_mentor": "missed_by_mentor",
    "messages_by_mentor": "message_by_mentor",
    "messages_by_learner": "message_by_learner",
}
_CONTACT_KINDS = ("held", "message_by_mentor")
_WINDOW_DAYS = 28


def _of_enrolments(landmarks: Frame, events: Frame) -> Frame:
    """Give each event to the learner's enrolments in its programme, in any programme where it names none."""
    enrolments = landmarks.select("enrolment_id", "learner_id", landmark_programme_id=nw.col("programme_id")).unique()
    programme = nw.col("programme_id")
    return (
        events.filter(nw.col("event_kind").is_in(tuple(_KIND_OF.values())))
        .join(enrolments, on="learner_id")
        .filter(programme.is_null() | (programme == nw.col("landmark_programme_id")))
        .with_columns((nw.col("event_kind") == kind).cast(nw.Int64()).alias(name) for name, kind in _KIND_OF.items())
    )


def _agreed(landmarks: Frame, matches: Frame) -> Frame:
    """Landmarks with a match, and how many sessions were agreed in the last 28 days, since the match at most."""
    observed, ended = nw.col("observed_epoch_day"), nw.col("match_ended_epoch_day")
    matched_days = nw.min_horizontal(observed - 1 - nw.col("matched_epoch_day"), nw.lit(_WINDOW_DAYS))
    return (
        landmarks.select(*KEY, "learner_id", "programme_id")
        .join(matches, on=["learner_id", "programme_id"])
        .filter((nw.col("matched_epoch_day") < observed) & (ended.is_null() | (ended >= observed)))
        .with_columns(agreed=nw.col("agreed_sessions_per_week") * matched_days.cast(nw.Float64()) / 7.0)
        .group_by(*KEY)
        .agg(nw.col("agreed").sum())
        .with_columns(is_matched=nw.lit(1))
    )


def _open_tickets(landmarks: Frame, tickets: Frame) -> Frame:
    observed, resolved = nw.col("observed_epoch_day"), nw.col("resolved_epoch_day")
    return (
        landmarks.select(*KEY, "learner_id")
        .join(tickets, on="learner_id")
        .filter((nw.col("opened_epoch_day") < observed) & (resolved.is_null() | (resolved >= observed)))
        .group_by(*KEY)
        .agg(open_tickets_count=nw.len())
    )


def mentoring_features(landmarks: Frame, matches: Frame, events: Frame, tickets: Frame) -> Frame:
    """Families mentoring and support as `features.mentoring`: one row per landmark, unmatched learners included.

    `matches`: learner_id, programme_id, matched_epoch_day, match_ended_epoch_day, agreed_sessions_per_week.
    `events`: `core.mentoring_event`. `tickets`: learner_id, opened_epoch_day, resolved_epoch_day.
    Matched at D: matched before D and not ended before D; a ticket is open alike. Counts are over days D-28 to D-1,
    known before D. days_since_contact = D - 1 - day of the last held session or mentor's message, null before the
    first. held_over_agreed_28d_share = min(1, held / (agreed a week x days matched of the last 28 / 7)), summed over
    the current matches of the programme; null without a cadence agreed.
    """
    key = list(KEY)
    own = _of_enrolments(landmarks, events)
    contacts = weekly_cells(own.filter(nw.col("event_kind").is_in(_CONTACT_KINDS)), landmarks, sums=())
    counts = trailing(weekly_cells(own, landmarks, sums=tuple(_KIND_OF)), dict.fromkeys(_KIND_OF, (_WINDOW_DAYS,)))
    held, agreed = nw.col("sessions_held_28d"), nw.col("agreed")
    features = (
        landmarks.select(*KEY)
        .join(_agreed(landmarks, matches), on=key, how="left")
        .join(to_date(contacts, landmarks, sums=()), on=key)
        .join(counts, on=key, how="left")
        .join(_open_tickets(landmarks, tickets), on=key, how="left")
        .with_columns(
            nw.col("is_matched", "open_tickets_count", *(f"{name}_28d" for name in _KIND_OF)).fill_null(0),
            days_since_contact=nw.col("observed_epoch_day") - 1 - nw.col("last_epoch_day"),
        )
        .with_columns(
            held_over_agreed_28d_share=nw.when(agreed > 0).then(nw.min_horizontal(held / agreed, nw.lit(1.0)))
        )
    )
    return conform(features, MENTORING.columns)
