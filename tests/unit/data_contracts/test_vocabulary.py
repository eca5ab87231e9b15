"""Vocabularies: what each IRI means, that variants of one IRI agree, and that a wrong file is refused."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.fields.learning import ACTIVITY_KINDS, STRANDS, VERB_KINDS
from data_contracts.schema import ContractError
from data_contracts.xapi.vocabulary import (
    ACTIVITY_KIND_OF,
    NO_ACT_KINDS,
    STRAND_OF_KIND,
    STRAND_OF_VERB,
    VERB_KIND_OF,
    VOCABULARIES,
    merged,
    normal_form,
    normal_form_sql,
    read_vocabulary,
)

ADL, W3ID = "http://adlnet.gov/expapi/", "https://w3id.org/xapi/"
TINCAN, STREAMS = "http://id.tincanapi.com/", "http://activitystrea.ms/"


def test_every_vocabulary_names_its_source_and_gives_terms():
    for one in VOCABULARIES:
        assert one.name
        assert one.source
        assert one.verbs or one.types, one.name


def test_kinds_and_strands_are_of_the_closed_sets():
    assert set(VERB_KIND_OF.values()) <= set(VERB_KINDS)
    assert set(ACTIVITY_KIND_OF.values()) <= set(ACTIVITY_KINDS)
    assert set(VERB_KINDS) >= NO_ACT_KINDS | set(STRAND_OF_VERB)
    assert set(STRAND_OF_KIND) <= set(ACTIVITY_KINDS)
    assert {*STRAND_OF_KIND.values(), *STRAND_OF_VERB.values()} <= set(STRANDS)


@pytest.mark.parametrize(
    ("iri", "kind"),
    [
        # xAPI-Video profile 1.0, section 5; its other verbs are ADL's.
        (f"{W3ID}video/verbs/played", "engaged"),
        (f"{W3ID}video/verbs/seeked", "engaged"),
        # cmi5 9.3: what the LMS says is no act of the learner.
        (f"{ADL}verbs/launched", "engaged"),
        (f"{ADL}verbs/terminated", "engaged"),
        (f"{W3ID}adl/verbs/abandoned", "administrative"),
        (f"{W3ID}adl/verbs/waived", "administrative"),
        (f"{W3ID}adl/verbs/satisfied", "satisfied"),
        # Moodle's logstore: a grade is given by a teacher, an enrolment by whoever enrols.
        (f"{ADL}verbs/scored", "graded"),
        (f"{ADL}verbs/registered", "administrative"),
        # SCORM profile: a response answers an interaction.
        (f"{ADL}verbs/responded", "submitted"),
        # Open edX
        (f"{W3ID}acrossx/verbs/evaluated", "submitted"),
        (f"{W3ID}dod-isd/verbs/navigated", "engaged"),
        (f"{TINCAN}verb/unregistered", "administrative"),
        (f"{TINCAN}verb/replied", "interacted"),
        (f"{TINCAN}verb/earned", "graded"),
        (f"{STREAMS}create", "created"),
        (f"{STREAMS}schema/1.0/create", "created"),
        ("https://brindlewaye.com/xAPITerms/verbs/loggedin/", "engaged"),
        ("https://brindlewaye.com/xAPITerms/verbs/loggedout/", "administrative"),
        (f"{ADL}verbs/voided", "voided"),
    ],
)
def test_verbs_mean_what_their_vocabulary_says(iri, kind):
    known = {normal_form(term): meaning for term, meaning in VERB_KIND_OF.items()}
    assert known[normal_form(iri)] == kind


@pytest.mark.parametrize(
    ("iri", "kind"),
    [
        (f"{ADL}activities/course", "page"),
        (f"{ADL}activities/cmi.interaction", "quiz"),
        (f"{ADL}activities/meeting", "collaboration"),
        (f"{ADL}activities/performance", "work"),
        (f"{TINCAN}activitytype/webinar", "collaboration"),
        (f"{TINCAN}activitytype/forum-topic", "forum"),
        (f"{W3ID}video/activity-type/video", "video"),
        (f"{W3ID}cmi5/activitytype/block", "page"),
        ("http://vocab.xapi.fr/activities/quiz", "quiz"),
        ("http://lrs.learninglocker.net/define/type/moodle/assign", "assessment"),
        ("https://analyse.kmi.open.ac.uk/open_dataset/activity-type/forumng", "forum"),
    ],
)
def test_types_are_of_the_kind_their_vocabulary_says(iri, kind):
    assert ACTIVITY_KIND_OF[iri] == kind


@pytest.mark.parametrize(
    "variant",
    [
        "http://adlnet.gov/expapi/verbs/passed",
        "https://adlnet.gov/expapi/verbs/passed",
        "http://www.adlnet.gov/expapi/verbs/passed/",
        "HTTP://ADLnet.gov/expapi/verbs/passed",
    ],
)
def test_variants_of_one_iri_have_one_form(variant):
    assert normal_form(variant) == "adlnet.gov/expapi/verbs/passed"


@given(st.text(st.sampled_from("htps:/w.aZ@#?=-é"), max_size=24))
@settings(max_examples=300, deadline=None)
def test_sql_and_python_reduce_an_iri_to_the_same_form(iri):
    with duckdb.connect() as con:
        assert con.execute(f"SELECT {normal_form_sql('iri')} FROM (SELECT ? AS iri)", [iri]).fetchall() == [
            (normal_form(iri),)
        ]


def test_an_unknown_kind_and_an_iri_that_stands_twice_are_refused():
    with pytest.raises(ContractError, match="'busy' is no kind"):
        read_vocabulary('name = "x"\nsource = "y"\n[[verbs]]\nprefixes = ["v:"]\nbusy = "a"', "x.toml")
    with pytest.raises(ContractError, match="v:a stands twice"):
        read_vocabulary('name = "x"\nsource = "y"\n[[verbs]]\nprefixes = ["v:"]\nengaged = "a"\nvoided = "a"', "x.toml")


def test_vocabularies_that_disagree_on_variants_of_one_iri_are_refused():
    with pytest.raises(ContractError, match="voided here and engaged elsewhere"):
        merged([("one", {"http://v.test/a": "engaged"}), ("two", {"https://v.test/a/": "voided"})])
