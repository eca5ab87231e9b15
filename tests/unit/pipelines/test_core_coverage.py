"""core.opened_activity: since when an activity is known to be opened, kept up to date."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import feature_tables
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days

COLUMNS = "enrolment_id, activity_iri, known_epoch_day"


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def opens(house, statement_id, activity, known=10, **values):
    """A statement that an activity was opened, placed and attributed already."""
    given = {
        "learner_id": "ana",
        "enrolment_id": "e1",
        "strand": "formal",
        "activity_kind": "page",
        "verb_kind": "engaged",
        "is_act": True,
        "object_iri": activity,
        "event_count": 1,
        "happened_at": "2024-03-01 10:00:00",
        "first_second": 36_000,
        "epoch_day": min(known, 10),
        "known_epoch_day": known,
    }
    house.add("core.statement", statement_id=statement_id, **(given | values))


def brought_up(house):
    """What is opened after a night whose days are as core.statement says."""
    house.warehouse.execute("DELETE FROM ops.basis WHERE area = 'days'")
    build_days(house.night)
    build_opened_activities(house.night)
    return house.rows(f"SELECT {COLUMNS} FROM core.opened_activity ORDER BY ALL")


def test_an_activity_is_opened_from_when_the_first_of_its_acts_is_known(house):
    opens(house, "s1", "a", known=14)
    opens(house, "s2", "a", known=12)
    opens(house, "s3", "b", known=20)
    assert brought_up(house) == [("e1", "a", 12), ("e1", "b", 20)]


def test_what_is_no_act_no_activity_or_of_no_enrolment_opens_nothing(house):
    opens(house, "s1", "a", is_act=False, verb_kind="graded")
    opens(house, "s2", None)
    opens(house, "s3", "a", enrolment_id=None)
    assert brought_up(house) == []


def test_only_enrolments_whose_statements_changed_are_looked_at_anew(house):
    opens(house, "s1", "a")
    opens(house, "s2", "b", enrolment_id="e2")
    brought_up(house)
    house.warehouse.execute("UPDATE core.opened_activity SET activity_iri = 'kept'")
    opens(house, "s3", "c", enrolment_id="e2", known=12)
    assert brought_up(house) == [("e1", "kept", 10), ("e2", "b", 10), ("e2", "c", 12)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nights=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 5), st.sampled_from(["e1", "e2", None]), st.sampled_from("abc"), st.integers(10, 14)
            ),
            max_size=6,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_night_after_night_is_what_one_night_makes(house, nights):
    for table in ("core.statement", "core.opened_activity", "core.day_state", "core.enrolment_day"):
        house.warehouse.execute(f"DELETE FROM {table}")
    for statements in nights:
        for number, enrolment, activity, known in statements:
            house.warehouse.execute("DELETE FROM core.statement WHERE statement_id = ?", [f"s{number}"])
            if known < 14:
                opens(house, f"s{number}", activity, enrolment_id=enrolment, known=known)
        found = brought_up(house)
    assert found == house.rows(
        "SELECT enrolment_id, object_iri, min(known_epoch_day) FROM core.statement "
        "WHERE enrolment_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )


@pytest.fixture
def offer(house):
    house.add("core.enrolment", enrolment_id="e1", learner_id="ana", course_id="c1")
    for activity, course, available in (("a", "c1", "2024-03-01"), ("b", "c1", None), ("a", "c2", None)):
        house.add("raw.activity", activity_iri=activity, course_id=course, available_on=available)
    return house


def test_features_read_openings_of_the_courses_own_activities_with_their_day_of_release(offer):
    for number, activity in enumerate("abz"):
        opens(offer, f"s{number}", activity)
    brought_up(offer)
    query = feature_tables.FRAMES["openings"].query(offer.night)
    assert sorted(offer.rows(query)) == [("e1", 10, 0, 1), ("e1", 10, epoch("2024-03-01"), 1)]
    counts = feature_tables.FRAMES["activities"].query(offer.night)
    assert sorted(offer.rows(counts)) == [("c1", 0, 1), ("c1", epoch("2024-03-01"), 1), ("c2", 0, 1)]
