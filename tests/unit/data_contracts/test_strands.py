"""Every kind that a log may have is of a strand or of none, with the reason."""

from __future__ import annotations

import pytest

from data_contracts.fields import FIELDS
from data_contracts.fields.learning import STRANDS
from data_contracts.strands import OUTCOME_RULES, STRAND_RULES
from data_contracts.xapi.vocabulary import ACTIVITY_KIND_OF, OULAD_TYPE_PREFIX, STRAND_OF_KIND

KINDS = {"mentoring_event": "event_kind", "commitment": "commitment_status", "work_activity": "work_kind"}


@pytest.mark.parametrize("source", KINDS)
def test_every_kind_of_a_log_has_exactly_one_rule(source):
    kinds = [rule.kind for rule in STRAND_RULES if rule.source == source]
    assert sorted(kinds) == sorted(FIELDS[KINDS[source]].values)


def test_rules_name_strands_that_there_are_and_say_why():
    assert {rule.source for rule in STRAND_RULES} == set(KINDS)
    for rule in STRAND_RULES:
        assert rule.strand in {*STRANDS, None}
        assert rule.why
        # What counts nowhere is no event, and what is no event has no length.
        assert rule.is_event <= (rule.strand is not None)
        assert rule.has_minutes <= rule.is_event


def test_outcomes_are_shares_of_words_that_logs_have_and_what_is_not_listed_is_no_outcome():
    words = {"commitment": "commitment_status", "work_activity": "confirmed_by"}
    for rule in OUTCOME_RULES:
        assert 0 <= rule.outcome_share <= 1
        assert rule.word in FIELDS[words[rule.source]].values
        assert rule.why
    assert len({rule[:2] for rule in OUTCOME_RULES}) == len(OUTCOME_RULES)


@pytest.mark.parametrize("kind", ["forumng", "oucollaborate", "ouelluminate", "ouwiki"])
def test_tutorials_forum_and_wiki_of_the_open_university_are_social(kind):
    assert STRAND_OF_KIND[ACTIVITY_KIND_OF[OULAD_TYPE_PREFIX + kind]] == "social"


@pytest.mark.parametrize("kind", ["oucontent", "dualpane", "htmlactivity", "quiz", "resource", "url", "assessment"])
def test_what_the_open_university_gives_to_read_and_to_answer_is_formal(kind):
    assert ACTIVITY_KIND_OF[OULAD_TYPE_PREFIX + kind] not in STRAND_OF_KIND
