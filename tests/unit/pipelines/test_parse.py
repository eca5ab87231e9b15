"""Bytes that want to break a parser: each is judged by rule, at once, and none escapes as another error."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.statements.parse import parsed, verdict
from pipelines.statements.rules import InvalidStatementError

STATEMENT = (
    '{"actor":{"mbox":"mailto:ana@example.org"},"verb":{"id":"https://lms.test/verb"},'
    '"object":{"id":"https://lms.test/page"}%s}'
)
PLAIN = (STATEMENT % "").encode()
EXTENSION = "https://lms.test/extension"
MOST_LEVELS = 254
# The statement, its result, the extensions.
LEVELS_ABOVE = 3


def extended(value):
    """A statement that holds the JSON text as the value of an extension."""
    return (STATEMENT % f',"result":{{"extensions":{{"{EXTENSION}":{value}}}}}').encode()


def kept(line):
    return parsed(line)["result"]["extensions"][EXTENSION]


def told(line):
    seen = verdict(line)
    return seen.reason, seen.requirement


# --- encoding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        PLAIN.decode().encode("utf-16"),
        extended('"é"').decode().encode("latin-1"),
        extended('"X"').replace(b"X", b"\xed\xa0\x80"),
        extended('"X"').replace(b"X", b"\xc0\xaf"),
        extended('"X"').replace(b"X", b"\xf4\x90\x80\x80"),
    ],
    ids=["utf-16", "latin-1", "raw surrogate", "overlong", "beyond unicode"],
)
def test_bytes_that_are_no_utf_8_are_refused(line):
    assert told(line) == ("not_utf8", "XAPI-00015")


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\udc00 alone"', r'"\ud800\ud800"', r'{"\ud83d":1}'])
def test_half_of_a_surrogate_pair_is_refused(text):
    assert told(extended(text)) == ("lone_surrogate", "XAPI-00015")


def test_a_whole_surrogate_pair_is_one_character():
    assert kept(extended(r'"\ud83d\ude00"')) == "\N{GRINNING FACE}"


def test_nul_is_text_where_it_is_escaped_and_no_json_where_it_is_raw():
    assert kept(extended(r'"a\u0000b"')) == "a\x00b"
    assert told(extended('"a\x00b"')) == ("not_json", "XAPI-00014")
    assert told(PLAIN + b"\x00") == ("not_json", "XAPI-00014")
    assert told((STATEMENT % "").replace("/page", "/pa\\u0000ge").encode()) == ("object_id_not_iri", "XAPI-00047")


def test_one_byte_order_mark_is_passed_over():
    assert parsed(b"\xef\xbb\xbf" + PLAIN) == parsed(PLAIN)
    assert told(b"\xef\xbb\xbf\xef\xbb\xbf" + PLAIN) == ("not_json", "XAPI-00014")


# --- JSON ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "01", "1.", "+1", ".5", "0x1", "1_000", "'a'", "[1,]", "{a:1}", '"\t"', ""]
)
def test_what_json_does_not_know_is_refused(text):
    assert told(extended(text)) == ("not_json", "XAPI-00014")


@pytest.mark.parametrize("root", [b"[]", b"[%b]" % PLAIN, b"null", b"true", b"1", b'"x"', b"[[{}]]"])
def test_a_line_that_holds_no_object_is_no_statement(root):
    assert told(root) == ("statement_not_object", "XAPI-00014")


@pytest.mark.parametrize("line", [b"", b"{", PLAIN[:-1], PLAIN + PLAIN, PLAIN + b"x", b"\xef\xbb\xbf"])
def test_half_a_statement_and_two_on_a_line_are_no_json(line):
    assert told(line) == ("not_json", "XAPI-00014")


def test_an_empty_object_lacks_its_actor():
    assert told(b"{}") == ("actor_missing", "XAPI-00003")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18446744073709551615", 18446744073709551615),
        ("123456789012345678901", 1.2345678901234568e20),
        ("1e308", 1e308),
        ("1e999", math.inf),
        ("-1e999", -math.inf),
        ("9" * 5000, math.inf),
        ("0." + "1" * 5000, 0.1111111111111111),
    ],
    ids=lambda given: str(given)[:24],
)
def test_a_number_of_any_length_is_valid_where_a_number_may_stand(text, number):
    assert kept(extended(text)) == number
    assert verdict((STATEMENT % f',"result":{{"score":{{"raw":{text}}}}}').encode()).is_valid


def test_a_scaled_score_beyond_every_double_is_out_of_range():
    scaled = STATEMENT % ',"result":{"score":{"scaled":1e999}}'
    assert told(scaled.encode()) == ("score_scaled_out_of_range", "XAPI-00083")


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")], ids=["arrays", "objects", "both"]
)
@pytest.mark.parametrize("levels", [1000, 2000, 100_000, 1_000_000])
def test_nesting_without_end_is_refused_at_once(opening, closing, levels):
    started = time.perf_counter()
    assert told(extended(opening * levels + "1" + closing * levels)) == ("nested_too_deep", None)
    assert told(extended(opening * levels))[0] in {"nested_too_deep", "not_json"}
    assert time.perf_counter() - started < 2


def test_254_levels_are_the_most():
    room = MOST_LEVELS - LEVELS_ABOVE
    assert verdict(extended("[" * room + "]" * room)).is_valid
    assert told(extended("[" * (room + 1) + "]" * (room + 1))) == ("nested_too_deep", None)


@pytest.mark.parametrize(
    "text",
    [
        "o" * 3_000_000,
        "T" * 3_000_000,
        "2024-03-01T12:00:00." + "1" * 3_000_000,
        "P" + "1" * 3_000_000,
        "mailto:" + "a@" * 1_000_000,
        "en" + "-abcde" * 300_000,
        "en" + "-a-bcde" * 300_000,
        "https:" + "/" * 3_000_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_text_of_megabytes_is_judged_at_once_wherever_it_stands(text):
    started = time.perf_counter()
    for part in (
        {"timestamp": text},
        {"result": {"duration": text}},
        {"actor": {"mbox": text}},
        {"verb": {"id": "https://lms.test/v", "display": {text: "x"}}},
        {"object": {"id": text}},
        {"id": text},
        {"version": text},
    ):
        verdict(json.dumps(json.loads(PLAIN) | part).encode())
    assert time.perf_counter() - started < 10


# --- duplicate keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        PLAIN.replace(b'{"actor"', b'{"actor":1,"actor"'),
        PLAIN.replace(b'{"mbox"', b'{"mbox":"mailto:bo@example.org","mbox"'),
        extended('{"a":1,"a":1}'),
        extended(r'{"a":1,"\u0061":2}'),
        extended('[[{"":0, "":0}]]'),
        extended(r'[{"a":1,"a":2},"\u0022\u0022"]'),
        extended(r'[{"a":"\"","a":2},"\u0022\u0022\u0022"]'),
        extended('{"a":1e999,"a":2}'),
        b"\xef\xbb\xbf" + extended('{"a":1,"a":2}'),
    ],
)
def test_a_key_that_comes_twice_is_refused_wherever_it_stands(line):
    assert told(line) == ("duplicate_key", "XAPI-00021")


@pytest.mark.parametrize(
    "text", [r'"\u0022"', r'"\"\\\""', '{"a":1,"A":2}', '[{"a":1},{"a":1}]', r'"\\u0022"', '"é/ü"']
)
def test_quotation_marks_and_like_keys_of_several_objects_are_no_duplicates(text):
    assert kept(extended(text)) == json.loads(text)


KEYS = st.sampled_from(['"a"', '"b"', r'"\u0061"', r'"\""', r'"\u0022"', '""'])
VALUES = st.recursive(
    st.sampled_from(["1", "null", '"x"', r'"\u0022"', r'"\u0022\u0022"', r'"\""', "1e999"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda found: "[" + ", ".join(found) + "]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda found: "{" + ",".join(f"{key} :{value}" for key, value in found) + "}"
        ),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_duplicates_are_found_exactly_where_there_are_some(text):
    def seen_twice(pairs):
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=seen_twice)
    except AssertionError:
        assert told(extended(text)) == ("duplicate_key", "XAPI-00021")
    else:
        assert kept(extended(text)) == value


# --- nothing else escapes -----------------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FULL = {
    "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0",
    "actor": {"objectType": "Group", "member": [{"account": {"homePage": "https://lms.test", "name": "bo"}}]},
    "verb": {"id": "https://lms.test/verb", "display": {"en": "did"}},
    "object": {
        "id": "https://lms.test/quiz",
        "definition": {
            "name": {"en": "Quiz"},
            "type": "https://lms.test/type",
            "interactionType": "choice",
            "correctResponsesPattern": ["a"],
            "choices": [{"id": "a", "description": {"en": "A"}}],
            "extensions": {EXTENSION: 1},
        },
    },
    "result": {"score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10}, "success": True, "duration": "PT1S"},
    "context": {
        "registration": "8f87ccde-bb56-4c2e-ab83-44982ef22df0",
        "instructor": {"mbox": "mailto:ana@example.org"},
        "contextActivities": {"parent": [{"id": "https://lms.test/course"}]},
        "contextAgents": [{"objectType": "contextAgent", "agent": {"openid": "https://bo.test"}, "relevantTypes": []}],
        "statement": {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"},
        "language": "en",
    },
    "timestamp": "2024-03-01T12:00:00Z",
    "stored": "2024-03-01T12:00:00Z",
    "authority": {"objectType": "Group", "member": [{"openid": "https://a.test"}, {"openid": "https://b.test"}]},
    "version": "1.0.3",
    "attachments": [
        {
            "usageType": "https://lms.test/usage",
            "display": {"en": "x"},
            "contentType": "text/plain",
            "length": 1,
            "sha2": "a" * 64,
        }
    ],
}


def places(value, path=()):
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


PLACES = list(places(FULL))


@given(st.sampled_from(PLACES), JSON_VALUES)
def test_any_json_anywhere_in_a_statement_gets_a_verdict_and_no_other_error(place, value):
    mutant = json.loads(json.dumps(FULL))
    if place:
        inner = mutant
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
    else:
        mutant = value
    seen = verdict(json.dumps(mutant).encode())
    assert seen.is_valid == (seen.reason is None)


@given(st.binary(max_size=40))
def test_any_bytes_get_a_verdict(line):
    assert not verdict(line).is_valid
    with pytest.raises(InvalidStatementError):
        parsed(line)
