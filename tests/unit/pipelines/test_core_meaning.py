"""Terms that nobody knows: counted, shown, and shown in a form that names nobody."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.core.findings import findings
from pipelines.core.identities import link_identities
from pipelines.core.statements import attribute_statements

KNOWN = "http://adlnet.gov/expapi/verbs/experienced"
VIDEO = "https://w3id.org/xapi/video/activity-type/video"


def terms(house):
    link_identities(house.night)
    attribute_statements(house.night)
    return house.rows("FROM core.unknown_term")


def test_unknown_verbs_and_types_are_counted_with_their_days_and_sources(house):
    for number, (day, source) in enumerate([("2024-03-03", "lrs-b"), ("2024-03-01", "lrs-a"), ("2024-03-02", "lrs-b")]):
        given = {"verb_iri": "https://x.test/verbs/pondered", "happened_at": f"{day} 10:00:00", "source_name": source}
        house.add("raw.statement", statement_id=f"s{number}", activity_type_iri=VIDEO, **given)
    house.add("raw.statement", statement_id="t", verb_iri=KNOWN, activity_type_iri="urn:x:riddle")
    house.add("raw.statement", statement_id="later", verb_iri="https://x.test/verbs/later", known_at="2024-03-13")
    assert terms(house) == [
        ("activity_type", "urn:x:riddle", 1, date(2024, 3, 1), date(2024, 3, 1), "inbox"),
        ("verb", "https://x.test/verbs/pondered", 3, date(2024, 3, 1), date(2024, 3, 3), "lrs-a,lrs-b"),
    ]
    told = findings(house.warehouse)
    assert (told["unknown_term_verb"], told["unknown_term_activity_type"]) == (3, 1)


def test_a_statement_without_a_type_has_no_unknown_one(house):
    house.add("raw.statement", statement_id="s1", verb_iri=KNOWN)
    assert terms(house) == []


@pytest.mark.parametrize(
    ("iri", "shown"),
    [
        ("https://x.test/verbs/pondered", "https://x.test/verbs/pondered"),
        ("https://x.test/verbs#pondered", "https://x.test/verbs#pondered"),
        ("https://x.test/verbs/by/ana@example.org", "https://x.test"),
        ("https://ana@example.org/verbs/x", "https://example.org"),
        ("https://x.test/verbs/ana%40example.org", "https://x.test"),
        ("https://x.test/verbs?user=ana", "https://x.test"),
        ("https://x.test/users/ana/verb", "https://x.test"),
        ("https://x.test/~ana/verb", "https://x.test"),
        ("https://x.test/verbs/123456789", "https://x.test"),
        ("https://x.test/verbs/0123456789abcdef", "https://x.test"),
        ("https://x.test/verbs/" + "a" * 300, "https://x.test"),
        ("https://x.test/verbs/ána", "https://x.test"),
        ("mailto:ana@example.org", "mailto:"),
        ("urn:person:ana", "urn:"),
        # Names of persons we know.
        ("https://x.test/verbs/secret-ana", "https://x.test"),
        ("https://x.test/verbs/s.ana", "https://x.test"),
        ("https://x.test/verbs/Secret-Key", "https://x.test"),
    ],
)
def test_what_might_name_a_person_is_shown_as_its_host(house, iri, shown):
    for row in (
        ("i1", "account", "https://lms.test::secret-ana"),
        ("i2", "mbox", "mailto:s.ana@example.org"),
    ):
        house.warehouse.execute("INSERT INTO identity.main.identifier VALUES (?, ?, ?)", row)
    house.warehouse.execute("INSERT INTO identity.main.person VALUES ('p', 'secret-key', NULL, NULL)")
    house.add("raw.statement", statement_id="s1", verb_iri=iri, activity_type_iri=iri)
    assert [(kind, term) for kind, term, *_ in terms(house)] == [("activity_type", shown), ("verb", shown)]


def test_terms_of_one_host_that_may_not_be_shown_are_counted_together(house):
    for number in range(3):
        house.add("raw.statement", statement_id=f"s{number}", verb_iri=f"https://x.test/verbs?user={number}")
    assert [row[:3] for row in terms(house)] == [("verb", "https://x.test", 3)]
