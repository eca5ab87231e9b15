"""Views as data: what each asks and whom its rows are about; what they answer is tested on a night."""

from __future__ import annotations

import re

import pytest

from data_contracts.tables.marts import MARTS
from data_contracts.views import VIEWS

# Columns that tell one person from another, or lead to one.
OF_ONE_PERSON = {"learner_id", "enrolment_id", "match_id", "goal_id", "alert_id"}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_s_level_says_whom_its_rows_are_about(view):
    named = set(view.table.column_names)
    about = "learner" if named & OF_ONE_PERSON else "mentor" if "mentor_id" in named else "aggregate"
    assert view.table.level == about


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_is_a_question_and_reads_marts_alone(view):
    assert view.question.endswith("?")
    assert view.table.name.startswith("view_")
    assert view.table.name not in MARTS
    read = set(re.findall(r"(?:FROM|JOIN) (\w+)", view.sql))
    assert read
    assert read <= set(MARTS)


def test_views_take_nothing_from_a_mart_row_that_is_suppressed_but_what_the_mart_shows():
    """A suppressed row keeps its nulls: no view fills them from somewhere else, or counts over them."""
    for name in ("view_mix_against_target", "view_programme_return"):
        assert "coalesce" not in VIEWS[name].query.lower()
        assert "sum(" not in VIEWS[name].query.lower()
