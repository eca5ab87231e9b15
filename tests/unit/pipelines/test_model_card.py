"""What the model card and the rule of too early are told from the warehouse."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.assets.risk import _active
from pipelines.home import EPOCH
from pipelines.reports.model_card import _batches, _courses, predictions_with_history


def enrol(house, enrolment_id, *, course_id="course", enrolled=100, start=110, ended=None, kind=None):
    house.add(
        "core.enrolment",
        enrolment_id=enrolment_id,
        learner_id=f"learner of {enrolment_id}",
        programme_id="p",
        course_id=course_id,
        participation_id=f"participation of {enrolment_id}",
        enrolled_epoch_day=enrolled,
        course_start_epoch_day=start,
        course_end_epoch_day=300,
        ended_epoch_day=ended,
        ended_kind=kind,
        has_recorded_outcome=True,
        timezone="UTC",
    )


def predict(house, enrolment_id, day, model_id="m", horizon="28d"):
    house.add(
        "risk.prediction",
        model_id=model_id,
        enrolment_id=enrolment_id,
        course_id="course",
        observed_epoch_day=day,
        week_index=0,
        horizon=horizon,
        estimator="model",
        outcome_value=0.0,
        probability=0.1,
    )


def observe(house, enrolment_id, day, *, is_scoring=False, abandons=0, is_batch=False):
    house.add(
        "features.landmark",
        enrolment_id=enrolment_id,
        learner_id=f"learner of {enrolment_id}",
        programme_id="p",
        course_id="course",
        observed_epoch_day=day,
        week_index=0,
        is_scoring=is_scoring,
    )
    house.add(
        "features.label",
        enrolment_id=enrolment_id,
        observed_epoch_day=day,
        abandons_28d=abandons,
        is_batch_end=is_batch,
    )


def test_history_counts_from_when_activity_was_possible_to_the_landmark(house):
    enrol(house, "before", enrolled=100, start=110, ended=130, kind="abandoned")
    enrol(house, "late", enrolled=116, start=110)
    for enrolment_id in ("before", "late", "erased"):
        predict(house, enrolment_id, 117)
    predict(house, "late", 124, model_id="another")
    rows = (
        predictions_with_history(house.night, "m").select("enrolment_id", "days_of_history", "ended_epoch_day").rows()
    )
    assert rows == [("before", 7, 130), ("erased", None, None), ("late", 1, None)]


def test_a_prediction_is_of_a_contacted_learner_where_its_own_window_and_the_contact_meet(house):
    enrol(house, "e")
    for horizon, days in (("28d", (113, 114)), ("7d", (134, 135))):
        for day in days:
            predict(house, "e", day, horizon=horizon)
    contacted_at = EPOCH.replace(tzinfo=None) + timedelta(days=141, hours=9)
    opened_at = EPOCH.replace(tzinfo=None) + timedelta(days=100)
    house.add(
        "alerts.event",
        alert_id="a",
        event_number=1,
        participation_id="participation of e",
        event_kind="opened",
        happened_at=opened_at,
        observed_at=opened_at,
    )
    house.add("raw.alert_feedback", alert_id="a", state="acted", at=contacted_at, known_at=contacted_at)
    rows = predictions_with_history(house.night, "m").sort("observed_epoch_day")
    assert rows["is_contacted"].to_list() == [False, True, False, True]


def test_the_first_due_work_of_an_enrolment_is_its_earliest(house):
    for enrolment_id, dues in {"two": [140, 125], "undated": [None], "none": []}.items():
        enrol(house, enrolment_id)
        observe(house, enrolment_id, 150, is_scoring=True)
        for number, due in enumerate(dues):
            house.add("core.submission", enrolment_id=enrolment_id, activity_iri=f"work {number}", due_epoch_day=due)
    found = dict(_active(house.night).select("enrolment_id", "first_due_epoch_day").iter_rows())
    assert found == {"two": 125, "undated": None, "none": None}


@pytest.mark.parametrize("is_batch", [True, False])
def test_a_day_of_a_batch_is_what_the_labels_call_one_with_its_share_of_the_run_s_abandonments(house, is_batch):
    for number in range(3):
        enrol(house, f"batch {number}", ended=130, kind="abandoned")
        for day in (111, 118):
            observe(house, f"batch {number}", day, is_batch=is_batch)
    enrol(house, "never seen", ended=130, kind="abandoned")
    enrol(house, "completed", ended=130, kind="completed")
    for number in range(6):
        enrol(house, f"other {number}", ended=131 + number, kind="abandoned")
        observe(house, f"other {number}", 118)
    enrol(house, "elsewhere", course_id="another", ended=130, kind="abandoned")
    assert _batches(house.night) == ([("course", date(1970, 5, 11), pytest.approx(0.4))] if is_batch else [])


def test_course_runs_are_counted_by_their_closed_landmarks(house):
    enrol(house, "stays")
    enrol(house, "leaves", ended=130, kind="abandoned")
    for day in (111, 118):
        observe(house, "stays", day)
        observe(house, "leaves", day, abandons=1)
    observe(house, "stays", 125, abandons=None)
    observe(house, "stays", 126, is_scoring=True)
    first = EPOCH.date() + timedelta(days=111)
    assert _courses(house.night).to_dicts() == [
        {
            "course_id": "course",
            "enrolments_count": 2,
            "landmarks_count": 4,
            "abandonments_count": 1,
            "first_day": 111,
            "last_day": 118,
            "first_on": first,
            "last_on": first + timedelta(days=7),
        }
    ]
