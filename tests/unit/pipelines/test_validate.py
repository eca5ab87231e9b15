"""The corpus of the ADL conformance suite, our own cases for what it lacks, and every rule in every place it holds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipelines.statements.parse import verdict
from pipelines.statements.rules import Spec

XAPI = Path(__file__).parents[4] / "shared" / "data" / "xapi"
GOLDEN = Path(__file__).parents[2] / "golden"

AGENT = {"mbox": "mailto:ana@example.org"}
OTHER_AGENT = {"account": {"homePage": "https://lms.test", "name": "bo"}}
REFERENCE = {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"}


def judged(statement, spec=None):
    return verdict(json.dumps(statement).encode(), spec)


def corpus(name):
    file = XAPI / name
    if not file.exists():
        pytest.skip(f"{file.name} is not here; it lies in ../shared/data/xapi on the project's machines and CI")
    with gzip.open(file) as stream:
        return stream.readlines()


def golden(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines()]


# --- the conformance suite ----------------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize("spec", [None, Spec.V1_0_3])
def test_every_statement_of_the_conformance_corpus_is_judged_as_it_is_labelled(spec):
    cases = [json.loads(line) for line in corpus("conformance_v1_0_3.ndjson.gz")]
    wrong = [
        f"{case['id']}: {case['name']} ({case['label']})"
        for case in cases
        if judged(case["statement"], spec).is_valid != (case["label"] == "valid")
        # It posts a 2.0 statement to see whether a record store leaves it alone.
        and not (spec and case["statement"].get("version", "").startswith("2."))
    ]
    assert wrong == []
    assert {case["label"] for case in cases} == {"valid", "invalid"}


@pytest.mark.real_data
def test_nine_in_ten_refusals_name_the_requirement_that_the_suite_names():
    """The rest: the suite has the same statement under two requirements, and a verdict names one."""
    cases = [json.loads(line) for line in corpus("conformance_v1_0_3.ndjson.gz")]
    labelled = [case for case in cases if case["label"] == "invalid" and case["requirements"]]
    told = [judged(case["statement"]).requirement in case["requirements"] for case in labelled]
    assert sum(told) >= 0.92 * len(labelled)


@pytest.mark.real_data
@pytest.mark.parametrize("spec", [None, *Spec])
@pytest.mark.parametrize(
    ("name", "rows"), [("ralph_statements.json.gz", 22_000), ("adl_public_lrs_2014.ndjson.gz", 1153)]
)
def test_statements_of_a_real_platform_are_valid_by_either_edition(name, rows, spec):
    refused = [told for line in corpus(name) if not (told := verdict(line, spec)).is_valid]
    assert (refused, len(corpus(name))) == ([], rows)


def test_a_golden_statement_is_valid_by_its_edition():
    cases = golden("statements_valid.ndjson")
    refused = [
        (case["requirement"], told)
        for case in cases
        if not (told := judged(case["statement"], case["spec"] and Spec(case["spec"]))).is_valid
    ]
    assert refused == []
    assert len(cases) > 100


def test_a_golden_statement_that_breaks_one_rule_is_refused_with_that_rules_code_and_requirement():
    cases = golden("statements_invalid.ndjson")
    wrong = [
        (case["reason"], case["requirement"], told)
        for case in cases
        if (told := judged(case["statement"], case["spec"] and Spec(case["spec"]))).is_valid
        or (told.reason, told.requirement) != (case["reason"], case["requirement"])
    ]
    assert wrong == []
    assert len(cases) > 200


def test_what_only_one_edition_refuses_is_valid_where_none_is_asked_for():
    cases = [case for case in golden("statements_invalid.ndjson") if case["spec"]]
    other = {"1.0.3": Spec.V2_0, "2.0": Spec.V1_0_3}
    assert {case["spec"] for case in cases} == {"1.0.3", "2.0"}
    assert [case for case in cases if not judged(case["statement"]).is_valid] == []
    assert [case for case in cases if not judged(case["statement"], other[case["spec"]]).is_valid] == []


# --- a rule holds wherever its kind of object may stand -------------------------------------------------------------

ACTORS_PLACES = {
    "actor": lambda one: {"actor": one},
    "object": lambda one: {"object": {"objectType": "Agent"} | one},
    "authority": lambda one: {"authority": one},
    "instructor": lambda one: {"context": {"instructor": one}},
    "member": lambda one: {"actor": {"objectType": "Group", "member": [OTHER_AGENT, one]}},
    "team member": lambda one: {"context": {"team": {"objectType": "Group", "member": [one]}}},
    "context agent": lambda one: {"context": {"contextAgents": [{"objectType": "contextAgent", "agent": one}]}},
}
GROUPS_PLACES = {
    "actor": lambda one: {"actor": one},
    "object": lambda one: {"object": one},
    "instructor": lambda one: {"context": {"instructor": one}},
    "team": lambda one: {"context": {"team": one}},
    "context group": lambda one: {"context": {"contextGroups": [{"objectType": "contextGroup", "group": one}]}},
}
BAD_AGENTS = {
    "XAPI-00031": {"objectType": "agent", **AGENT},
    "XAPI-00032": {"objectType": ["Agent"], **AGENT},
    "XAPI-00033": {"name": {"first": "Ana"}, **AGENT},
    "XAPI-00034": {"name": "Ana"},
    "XAPI-00035": {"member": [OTHER_AGENT], **AGENT},
    "XAPI-00038": {"mbox": "ana@example.org"},
    "XAPI-00039": {"mbox_sha1sum": 40},
    "XAPI-00040": {"openid": "ana"},
    "XAPI-00041": {"account": []},
    "XAPI-00042": {"account": {"homePage": "home", "name": "ana"}},
    "XAPI-00043": {"account": {"homePage": "https://lms.test"}},
}
BAD_GROUPS = {
    "XAPI-00033": {"objectType": "Group", "name": 1, **AGENT},
    "XAPI-00035": {"objectType": "Group"},
    "XAPI-00036": {"objectType": "Group", "member": AGENT},
    "XAPI-00037": {"objectType": "Group", "member": [AGENT], **AGENT, **OTHER_AGENT},
    "XAPI-00038": {"objectType": "Group", "mbox": 7},
    "XAPI-00042": {"objectType": "Group", "account": {"name": "crew"}},
}


@pytest.mark.parametrize("place", ACTORS_PLACES)
@pytest.mark.parametrize("requirement", BAD_AGENTS)
def test_a_bad_agent_is_refused_in_every_place_and_in_a_sub_statement_too(place, requirement, statement):
    if (place, requirement) in {("object", "XAPI-00031"), ("object", "XAPI-00032")}:
        return  # There the objectType says which kind of object it is: XAPI-00046, in the golden cases.
    bad = statement(**ACTORS_PLACES[place](BAD_AGENTS[requirement]))
    assert judged(bad).requirement == requirement
    good = statement(**ACTORS_PLACES[place](AGENT))
    assert judged(good).is_valid
    if place != "authority":
        assert judged(nested(bad, statement)).requirement == requirement
        assert judged(nested(good, statement)).is_valid


@pytest.mark.parametrize("place", GROUPS_PLACES)
@pytest.mark.parametrize("requirement", BAD_GROUPS)
def test_a_bad_group_is_refused_in_every_place_and_in_a_sub_statement_too(place, requirement, statement):
    bad = statement(**GROUPS_PLACES[place](BAD_GROUPS[requirement]))
    assert judged(bad).requirement == requirement
    assert judged(nested(bad, statement)).requirement == requirement
    assert judged(nested(statement(**GROUPS_PLACES[place]({"objectType": "Group", **AGENT})), statement)).is_valid


SHARED = ("actor", "verb", "object", "result", "context", "attachments")


def test_what_is_refused_in_a_statement_is_refused_in_a_sub_statement(statement):
    wrong = []
    for case in golden("statements_invalid.ndjson"):
        given = case["statement"]
        if case["spec"] or set(given) - {*SHARED, "timestamp"} or not set(SHARED[:3]) <= set(given):
            continue
        if isinstance(given["object"], dict) and given["object"].get("objectType") == "SubStatement":
            continue
        if judged(nested(given, statement)).is_valid:
            wrong.append(case)
    assert wrong == []


def nested(given, statement):
    """The statement as the object of another one."""
    return statement(object={"objectType": "SubStatement", **{key: given[key] for key in given if key != "id"}})
