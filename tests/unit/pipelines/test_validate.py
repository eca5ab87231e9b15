"""The corpus of the ADL conformance suite, and by name the rules of it that surprise."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import take, verdict

XAPI = Path(__file__).parents[4] / "shared" / "data" / "xapi"

ACTIVITY = {"id": "https://lms.test/page"}
AGENT = {"mbox": "mailto:ana@example.org"}
OTHER_AGENT = {"account": {"homePage": "https://lms.test", "name": "bo"}}
REFERENCE = {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"}
VERB = {"id": "http://adlnet.gov/expapi/verbs/experienced"}
VOIDED = {"id": "http://adlnet.gov/expapi/verbs/voided"}
DURATION_ONLY = {"objectType": "SubStatement", "actor": AGENT, "verb": VERB, "object": ACTIVITY}


def judged(statement):
    return verdict(json.dumps(statement).encode())


def corpus(name):
    file = XAPI / name
    if not file.exists():
        pytest.skip(f"{file.name} is not here; it lies in ../shared/data/xapi on the project's machines and CI")
    with gzip.open(file) as stream:
        return stream.readlines()


@pytest.mark.real_data
def test_every_statement_of_the_conformance_corpus_is_judged_as_it_is_labelled():
    cases = [json.loads(line) for line in corpus("conformance_v1_0_3.ndjson.gz")]
    wrong = [
        f"{case['id']}: {case['name']} ({case['label']})"
        for case in cases
        if judged(case["statement"]).is_valid != (case["label"] == "valid")
    ]
    assert wrong == []
    assert {case["label"] for case in cases} == {"valid", "invalid"}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "rows"), [("ralph_statements.json.gz", 22_000), ("adl_public_lrs_2014.ndjson.gz", 1153)]
)
def test_statements_of_a_real_platform_come_through(name, rows):
    batches = list(take(enumerate(corpus(name), start=1), Pseudonyms(b"k" * 32)))
    assert sum(len(batch.rows) for batch in batches) == rows
    assert [fault.reason for batch in batches for fault in batch.faults] == []


def extended(value):
    return {"extensions": {"https://lms.test/extension": value}}


SURPRISING = [
    # offsets: minus zero is unknown local time, plus zero is UTC
    ("XAPI-00123", False, {"timestamp": "2024-03-01T12:00:00-00"}),
    ("XAPI-00123", False, {"timestamp": "2024-03-01T12:00:00-0000"}),
    ("XAPI-00123", False, {"timestamp": "2024-03-01T12:00:00-00:00"}),
    ("XAPI-00123", True, {"timestamp": "2024-03-01T12:00:00+00:00"}),
    ("XAPI-00123", True, {"timestamp": "2024-03-01T12:00:00-00:30"}),
    ("XAPI-00122", False, {"timestamp": "2024-03-01"}),
    ("XAPI-00122", False, {"timestamp": "2024-02-30T12:00:00Z"}),
    ("XAPI-00122", False, {"timestamp": "2024-03-01T12:00:61Z"}),
    ("XAPI-00122", False, {"timestamp": "2024-03-01T12:00:00+24:00"}),
    ("XAPI-00122", False, {"timestamp": "2024-03-01T12:00:00+05:60"}),
    ("XAPI-00122", False, {"timestamp": "२०२४-03-01T12:00:00Z"}),
    ("XAPI-00122", True, {"timestamp": "2016-12-31T23:59:60Z"}),
    # durations: weeks stand alone
    ("XAPI-00124", True, {"result": {"duration": "P4W"}}),
    ("XAPI-00124", False, {"result": {"duration": "P4W1D"}}),
    ("XAPI-00124", False, {"result": {"duration": "PT"}}),
    ("XAPI-00124", True, {"result": {"duration": "P1Y2M3DT4H5M6.7S"}}),
    # language tags: nine letters are no language, a singleton stands once
    ("XAPI-00013", False, {"verb": VERB | {"display": {"abcdefghi": "x"}}}),
    ("XAPI-00013", False, {"verb": VERB | {"display": {"en-a-bbb-a-ccc": "x"}}}),
    ("XAPI-00013", True, {"verb": VERB | {"display": {"en-a-bbb-b-ccc": "x", "zh-Hant-TW": "x", "x-own": "x"}}}),
    # versions: any patch of 1.0
    ("XAPI-00101", True, {"version": "1.0"}),
    ("XAPI-00101", True, {"version": "1.0.9"}),
    ("XAPI-00101", True, {"version": "2.0.0"}),
    ("XAPI-00101", False, {"version": "1.1.0"}),
    ("XAPI-00101", False, {"version": "0.9.5"}),
    # revision and platform belong to activities, in SubStatements too
    ("XAPI-00084", True, {"context": {"revision": "2"}}),
    ("XAPI-00084", False, {"object": REFERENCE, "context": {"revision": "2"}}),
    ("XAPI-00085", False, {"object": AGENT | {"objectType": "Agent"}, "context": {"platform": "web"}}),
    ("XAPI-00084", False, {"object": DURATION_ONLY | {"object": REFERENCE, "context": {"revision": "2"}}}),
    ("XAPI-00085", True, {"object": DURATION_ONLY | {"context": {"platform": "web"}}}),
    # a Group as authority is two anonymous members (OAuth), no more and no fewer
    ("XAPI-00098", True, {"authority": {"objectType": "Group", "member": [AGENT, OTHER_AGENT]}}),
    ("XAPI-00098", False, {"authority": {"objectType": "Group", "member": [AGENT]}}),
    ("XAPI-00098", False, {"authority": {"objectType": "Group", "member": [AGENT, OTHER_AGENT, AGENT]}}),
    ("XAPI-00098", False, {"authority": {"objectType": "Group", "member": [AGENT, OTHER_AGENT]} | AGENT}),
    # voided forces a StatementRef
    ("XAPI-00020", False, {"verb": VOIDED}),
    ("XAPI-00020", True, {"verb": VOIDED, "object": REFERENCE}),
    # null stands inside extensions alone
    ("XAPI-00001", False, {"result": {"success": None}}),
    ("XAPI-00001", False, {"context": None}),
    ("XAPI-00001", True, {"result": extended(None)}),
    ("XAPI-00001", True, {"result": extended([{"deep": None}])}),
    # scores: raw lies between min and max, and min under max
    ("XAPI-00081", False, {"result": {"score": {"raw": 11, "min": 0, "max": 10}}}),
    ("XAPI-00081", False, {"result": {"score": {"raw": -1, "min": 0}}}),
    ("XAPI-00081", True, {"result": {"score": {"raw": 10, "min": 0, "max": 10}}}),
    ("XAPI-00082", False, {"result": {"score": {"min": 5, "max": 5}}}),
    ("XAPI-00080", False, {"result": {"score": {"scaled": 1.0001}}}),
    ("XAPI-00079", False, {"result": {"score": {"raw": True}}}),
    # a statement inside a statement bears no id, and holds no third one
    ("XAPI-00071", False, {"object": DURATION_ONLY | {"id": REFERENCE["id"]}}),
    ("XAPI-00072", False, {"object": DURATION_ONLY | {"object": DURATION_ONLY}}),
    ("XAPI-00037", False, {"actor": AGENT | OTHER_AGENT}),
]


@pytest.mark.parametrize(
    ("requirement", "is_valid", "parts"),
    SURPRISING,
    ids=[
        f"{requirement}-{'valid' if is_valid else 'refused'}-{number}"
        for number, (requirement, is_valid, _) in enumerate(SURPRISING)
    ],
)
def test_a_rule_that_surprises_is_kept(requirement, is_valid, parts, statement):
    given = statement(timestamp="2024-03-01T12:00:00Z") | parts
    told = judged(given)
    assert told.is_valid is is_valid, told
    if not is_valid:
        assert told.requirement == requirement


PERSONS_OF_2_0 = [
    (
        True,
        "contextAgents",
        [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["https://lms.test/role"]}],
    ),
    (True, "contextAgents", [{"objectType": "contextAgent", "agent": AGENT}]),
    (False, "contextAgents", [{"agent": AGENT}]),
    (False, "contextAgents", [{"objectType": "contextGroup", "agent": AGENT}]),
    (False, "contextAgents", [{"objectType": "contextAgent"}]),
    (False, "contextAgents", [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": []}]),
    (False, "contextAgents", [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["tutor"]}]),
    (False, "contextAgents", {"objectType": "contextAgent", "agent": AGENT}),
    (True, "contextGroups", [{"objectType": "contextGroup", "group": {"objectType": "Group", "member": [AGENT]}}]),
    (False, "contextGroups", [{"group": {"objectType": "Group", "member": [AGENT]}}]),
]


@pytest.mark.parametrize(("is_valid", "kind", "persons"), PERSONS_OF_2_0)
def test_persons_of_a_context_name_their_type_and_relevant_iris(is_valid, kind, persons, statement):
    assert judged(statement(context={kind: persons})).is_valid is is_valid
