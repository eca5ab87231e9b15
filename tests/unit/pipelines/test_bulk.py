"""The fast way in accepts nothing that the exact path refuses, and brings the same rows, identities and faults.

Mutants are seeded; `MUTANTS=100000` makes as many of them as docs/benchmarks.md reports.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from pathlib import Path

import orjson
import pytest

from pipelines.statements import bulk as bulk_module
from pipelines.statements import take
from pipelines.statements.bulk import Bulk
from pipelines.statements.identity import Pseudonyms

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data" / "xapi"
MUTANTS = int(os.environ.get("MUTANTS", "20000"))
KEY = b"k" * 32
COURSE = {"id": "https://lms.test/course", "definition": {"type": "http://adlnet.gov/expapi/activities/course"}}


def made(number=0, **parts):
    """A statement with every part that the fast way knows; a part given as None is left out."""
    statement = {
        "id": f"7d4f3c70-1e79-4243-9b7d-{number:012d}",
        "actor": {
            "objectType": "Agent",
            "name": "Ana",
            "account": {"homePage": "https://lms.test", "name": f"u{number % 7}"},
        },
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en": "completed"}},
        "object": {
            "id": f"https://lms.test/{number % 5}",
            "definition": {"type": "http://adlnet.gov/expapi/activities/lesson"},
        },
        "result": {
            "score": {"scaled": number % 101 / 100, "raw": number % 101, "min": 0, "max": 100},
            "success": number % 2 == 0,
            "completion": True,
            "duration": f"PT{number % 60}M1S",
            "extensions": {
                "https://w3id.org/xapi/video/extensions/progress": number % 9 / 10,
                "https://x.test/n": number,
            },
        },
        "context": {
            "registration": f"8f87ccde-bb56-4c2e-ab83-44982ef2{number % 9999:04d}",
            "platform": "LMS",
            "revision": "2",
            "language": "en-GB",
            "contextActivities": {"parent": [COURSE]},
            "extensions": {"https://x.test/session": f"session {number}"},
        },
        "timestamp": f"2024-03-01T12:{number % 60:02}:00.25Z",
        "stored": f"2024-03-01T13:{number % 60:02}:00.000Z",
        "authority": {"mbox": "mailto:lrs@lms.test"},
        "version": "1.0.3",
    } | parts
    return {name: part for name, part in statement.items() if part is not None}


def line_of(statement):
    return json.dumps(statement, separators=(",", ":")).encode()


def exactly(lines):
    return told(take.take(enumerate(lines, 1), Pseudonyms(KEY)))


def told(batches):
    """Rows, identities and faults, in a form that can be compared byte for byte."""
    batches = list(batches)
    identities = {key: given for batch in batches for key, given in batch.identities.items()}
    return (
        [repr(row) for batch in batches for row in batch.frame().rows()],
        identities,
        [fault for batch in batches for fault in batch.faults],
    )


class Warm(Bulk):
    """One that never gives up, and counts the lines that went the exact way."""

    def __init__(self, lines=()):
        super().__init__(Pseudonyms(KEY))
        self._is_trusted = True
        self.exact = 0
        for _ in range(2):
            self.take(list(enumerate(lines, 1)))
        self.exact = 0

    def _reconsider(self, lines, others):
        pass

    def _exactly(self, numbered, found):
        self.exact += 1
        return super()._exactly(numbered, found)


def assert_the_same(fast, lines):
    assert told([fast.take(list(enumerate(lines, 1)))]) == exactly(lines)


# --- what is fast -------------------------------------------------------------------------------------------------


def test_lines_that_resemble_each_other_go_the_fast_way_and_bring_the_same():
    lines = [line_of(made(number)) for number in range(500)]
    fast = Warm(lines[:100])
    assert_the_same(fast, lines)
    assert fast.exact == 0


def test_parts_never_seen_before_are_judged_without_the_rest_of_their_line():
    fast = Warm([line_of(made(number)) for number in range(20)])
    lines = [
        line_of(
            made(
                number,
                actor={"mbox": f"mailto:new{number}@lms.test"},
                object={"id": f"https://lms.test/new/{number}"},
                verb={"id": f"https://lms.test/verb/{number}"},
                result={"duration": f"PT{number}H"},
            )
        )
        for number in range(20)
    ]
    assert_the_same(fast, lines)
    # One, from which is learned that parts can be so short.
    assert fast.exact == 1


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
@pytest.mark.parametrize("ending", [b"", b"\r", b" \t"])
def test_every_spelling_of_one_statement_has_one_content(separators, ending):
    statement = made(3)
    line = json.dumps(dict(reversed(statement.items())), separators=separators).encode() + ending
    fast = Warm([line])
    rows, _, _ = told([fast.take([(1, line)])])
    assert rows == exactly([line_of(statement)])[0]
    assert fast.exact == 0


def test_texts_beyond_ascii_and_escapes_are_as_in_the_exact_path():
    names = ["Žofie", "\u2028", 'quoted "so"', "back\\slash", "\u0000", "😀", "/"]
    lines = [
        line_of(made(n, context={"language": "en", "extensions": {"https://x.test/e": name}}))
        for n, name in enumerate(names)
    ]
    lines += [line.replace(b"/", b"\\/") for line in lines]
    lines += [orjson.dumps(orjson.loads(line)) for line in lines]
    fast = Warm(lines)
    assert_the_same(fast, lines)
    assert fast.exact == 0


# --- what must not be -----------------------------------------------------------------------------------------------

GOOD = line_of(made())
AGENT = {"objectType": "Agent", "mbox": "mailto:ben@lms.test"}
REFERENCE = {"objectType": "StatementRef", "id": "7d4f3c70-1e79-4243-9b7d-000000000001"}
VOIDED = {"id": "http://adlnet.gov/expapi/verbs/voided"}
DEEP = b"[" * 300 + b"]" * 300


def swapped(old, new):
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


CASES = {
    "a lone surrogate": swapped(b"session 0", rb"\ud800"),
    "half a pair at the end of a key": swapped(b"x.test/session", rb"x.test/\udc00"),
    "a surrogate in UTF-8": swapped(b"session 0", b"\xed\xa0\x80"),
    "an overlong slash": swapped(b"session 0", b"\xc0\xaf"),
    "a stray byte in a known part": swapped(b'"Ana"', b'"A\xffa"'),
    "a stray byte between parts": swapped(b',"verb"', b'\xff,"verb"'),
    "an unknown escape": swapped(b"session 0", rb"\x41"),
    "an escaped quotation mark": swapped(b"session 0", rb"\u0022,\u0022b\u0022:1"),
    "an escaped key": swapped(b'"success"', rb'"s\u0075ccess"'),
    "an escaped key twice": swapped(b'"success":true', rb'"success":true,"s\u0075ccess":true'),
    "an escaped key at the top": swapped(b'"stored"', rb'"st\u006fred"'),
    "a key twice at the top": GOOD[:-1] + b',"version":"1.0.3"}',
    "an id twice": GOOD[:-1] + b',"id":"7d4f3c70-1e79-4243-9b7d-000000000009"}',
    "a part twice": swapped(b'"result":', b'"result":{},"result":'),
    "a key twice in a part": swapped(b'"name":"Ana"', b'"name":"Ana","name":"Ana"'),
    "a key twice in extensions": swapped(b'"https://x.test/n":0', b'"https://x.test/n":0,"https://x.test/n":"x"'),
    "a key twice below extensions": swapped(b'"session 0"', b'{"a":1,"a":2}'),
    "spaces around": b"  " + GOOD + b"\t\r",
    "a form feed": swapped(b',"verb"', b'\x0c,"verb"'),
    "a space in the middle": swapped(b'"verb":{', b'"verb": {'),
    "a NUL": swapped(b',"verb"', b'\0,"verb"'),
    "a comment": swapped(b',"verb"', b'/**/,"verb"'),
    "a comma too many": swapped(b',"verb"', b',,"verb"'),
    "a comma at the end": GOOD[:-1] + b",}",
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "two on a line": GOOD + GOOD,
    "cut off": GOOD[:-1],
    "a bracket too many": GOOD + b"}",
    "a part that goes on": swapped(b'"language":"en-GB"', b'"language":"en-GB"}'),
    "NaN": swapped(b'"raw":0', b'"raw":NaN'),
    "a number no double holds": swapped(b'"https://x.test/n":0', b'"https://x.test/n":1e999'),
    "a score no double holds": swapped(b'"raw":0', b'"raw":1e999'),
    "a leading nought": swapped(b'"raw":0', b'"raw":00'),
    "minus nought": swapped(b'"raw":0', b'"raw":-0'),
    "an integer beyond 64 bits": swapped(b'"https://x.test/n":0', b'"https://x.test/n":' + b"9" * 30),
    "deep in extensions": swapped(b'"session 0"', DEEP),
    "deep in a part": swapped(b'"Ana"', DEEP),
    "a null": swapped(b'"success":true', b'"success":null'),
    "a null in extensions": swapped(b'"https://x.test/n":0', b'"https://x.test/n":null'),
    "an extension key that is no IRI": swapped(b'"https://x.test/n"', b'"n"'),
    "extensions that are a list": swapped(b'{"https://x.test/session":"session 0"}', b"[]"),
    "raw above max": swapped(b'"raw":0', b'"raw":101'),
    "scaled out of range": swapped(b'"scaled":0.0', b'"scaled":1.1'),
    "a duration that is none": swapped(b"PT0M1S", b"P4W1D"),
    "an unknown version": swapped(b"1.0.3", b"1.1.0"),
    "another version": swapped(b"1.0.3", b"2.0.0"),
    "an id in capitals": swapped(b"7d4f3c70", b"7D4F3C70"),
    "an id that is none": swapped(b"7d4f3c70", b"7g4f3c70"),
    "an id too short": swapped(b"7d4f3c70", b"7d4f3c7"),
    "an id as a URN": swapped(b'"7d4f3c70', b'"urn:uuid:7d4f3c70'),
    "a day that is not": swapped(b"2024-03-01T12", b"2023-02-29T12"),
    "a leap day": swapped(b"2024-03-01T12", b"2024-02-29T12"),
    "no leap day in 1900": swapped(b"2024-03-01T12", b"1900-02-29T12"),
    "year nought": swapped(b"2024-03-01T12", b"0000-03-01T12"),
    "year one": swapped(b"2024-03-01T12", b"0001-01-01T00"),
    "month 13": swapped(b"2024-03-01T12", b"2024-13-01T12"),
    "hour 24": swapped(b"2024-03-01T12", b"2024-03-01T24"),
    "a leap second": swapped(b"12:00:00.25Z", b"23:59:60.25Z"),
    "minute 60": swapped(b"12:00:00.25Z", b"12:60:00.25Z"),
    "another offset": swapped(b"12:00:00.25Z", b"12:00:00.25+01:00"),
    "an offset of nought": swapped(b"12:00:00.25Z", b"12:00:00.25+00:00"),
    "an offset of minus nought": swapped(b"12:00:00.25Z", b"12:00:00.25-00:00"),
    "a small t": swapped(b"03-01T12", b"03-01t12"),
    "digits of another script": swapped(b"2024-03-01T12", b"\xef\xbc\x92\xef\xbc\x90\xef\xbc\x92\xef\xbc\x94-03-01T12"),
    "ten decimals": swapped(b"00.25Z", b"00.2512345678Z"),
    "nine decimals": swapped(b"00.25Z", b"00.251234567Z"),
    "a point and no decimals": swapped(b"00.25Z", b"00.Z"),
    "a time that is a number": swapped(b'"2024-03-01T12:00:00.25Z"', b"20240301"),
    "no time": line_of(made(timestamp=None, stored=None)),
    "no id": line_of(made(id=None)),
    "a voided Activity": line_of(made(verb=VOIDED)),
    "a voided statement": line_of(made(verb=VOIDED, object=REFERENCE, context=None)),
    "a platform with an Agent": line_of(made(object=AGENT, context={"platform": "LMS"})),
    "a revision with a StatementRef": line_of(made(object=REFERENCE, context={"revision": "2"})),
    "a platform in a SubStatement about an Agent": line_of(
        made(
            object={
                "objectType": "SubStatement",
                "actor": AGENT,
                "verb": VOIDED | {"id": "https://lms.test/v"},
                "object": AGENT,
                "context": {"platform": "LMS"},
            },
            context=None,
        )
    ),
    "a Group": line_of(made(actor={"objectType": "Group", "member": [AGENT, {"mbox_sha1sum": "a1" * 20}]})),
    "an empty result": line_of(made(result={})),
    "an empty context": line_of(made(context={})),
    "attachments": line_of(made(attachments=[])),
    "an unknown property": GOOD[:-1] + b',"extra":1}',
    "a property in capitals": swapped(b'"verb"', b'"Verb"'),
}


@pytest.fixture(scope="module")
def warm():
    return Warm([line_of(made(number)) for number in range(200)])


@pytest.mark.parametrize("line", CASES.values(), ids=CASES.keys())
def test_a_line_beside_the_rules_is_judged_as_by_the_exact_path(warm, line):
    others = [line_of(made(number)) for number in range(3)]
    assert_the_same(warm, [*others, line, *others, line])


def test_parts_of_good_statements_do_not_make_a_good_one_of_each_other():
    """A context's platform was accepted beside an Activity, and an Agent as an object beside another context."""
    about_agents = [line_of(made(number, object=AGENT, context={"language": "en"})) for number in range(50)]
    voiding = [line_of(made(number, verb=VOIDED, object=REFERENCE, context=None)) for number in range(50)]
    fast = Warm([line_of(made(number)) for number in range(50)] + about_agents + voiding)
    mixed = [line_of(made(1, object=AGENT)), line_of(made(1, verb=VOIDED)), line_of(made(1, object=REFERENCE))]
    assert_the_same(fast, mixed)
    assert exactly(mixed)[0] == []


# --- mutants ------------------------------------------------------------------------------------------------------

PIECES = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\n"[:0],
        b"\t",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
    ),
    *(rb"\ud83d", rb"\u0022", rb"\u0041", rb"\/", b"null", b"true", b"0", b"-0", b"1e400", b"NaN", b"9" * 25),
    *(b'"id":1,', b',"extra":{}', b'"objectType":"Agent",', b'"objectType":"StatementRef",', b"00:00", b"-00:00", b"Z"),
    *(
        b"http://adlnet.gov/expapi/verbs/voided",
        b'"platform":"x",',
        b'"revision":"1",',
        b"\xef\xbb\xbf",
        b"\x85",
        b"\xe2\x80\xa8",
    ),
]
NUMBER, TEXT = re.compile(rb"-?\d+(?:\.\d+)?"), re.compile(rb'"[^"\\]*"')


def mutant(chance, lines):
    """A line with something changed, or put together of two."""
    line = bytearray(chance.choice(lines))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(line) + 1)
        way = chance.randrange(11)
        if way == 0:
            line[at : at + 1] = bytes([chance.randrange(256)])
        elif way == 1:
            line[at:at] = chance.choice(PIECES)
        elif way == 2:
            del line[at : at + chance.choice((1, 1, 2, 5, 40))]
        elif way == 3:
            line[at : at + chance.randrange(6)] = chance.choice(PIECES)
        elif way == 4:
            end = at + chance.randrange(60)
            line[at:at] = line[at:end]
        elif way in (5, 6):
            found = list((NUMBER if way == 5 else TEXT).finditer(line))
            other = list((NUMBER if way == 5 else TEXT).finditer(chance.choice(lines)))
            if found and other:
                place = chance.choice(found)
                line[place.start() : place.end()] = chance.choice(other).group()
        else:
            line = bytearray(restated(chance, bytes(line), chance.choice(lines), way))
    return bytes(line).replace(b"\n", b" ")


def restated(chance, line, other, way):
    """The statement with a part of another one's, a key twice, other spaces or escapes."""
    try:
        statement, giver = json.loads(line), json.loads(other)
        key, given = chance.choice(list(statement)), chance.choice(list(giver))
    except (ValueError, TypeError, IndexError, RecursionError):
        return line
    if way in (7, 8):
        statement[given] = giver[given]
    elif way == 9:
        part = json.dumps({key: giver.get(key, statement[key])}).encode()[1:-1]
        return line.rstrip()[:-1] + b"," + part + b"}"
    else:
        return json.dumps(statement, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, 0, 1))).encode(
            "utf-8", "surrogatepass"
        )
    separators = chance.choice(((",", ":"), (", ", ": ")))
    return json.dumps(statement, separators=separators).encode("utf-8", "surrogatepass")


def originals(folder):
    """Lines of every kind there is: made ones, the simulated world's, and real ones where they are."""
    lines = [line_of(made(number)) for number in range(300)]
    lines += [line for line in CASES.values() if b"\n" not in line]
    for file in sorted((folder / "xapi").glob("*.ndjson.gz")):
        lines += gzip.decompress(file.read_bytes()).splitlines()[:400]
    if REAL.is_dir():
        lines += gzip.decompress((REAL / "ralph_statements.json.gz").read_bytes()).splitlines()[:600]
        lines += gzip.decompress((REAL / "adl_public_lrs_2014.ndjson.gz").read_bytes()).splitlines()[:400]
        labelled = gzip.decompress((REAL / "conformance_v1_0_3.ndjson.gz").read_bytes()).splitlines()
        lines += [
            json.dumps({"id": made()["id"], "timestamp": made()["timestamp"]} | json.loads(line)["statement"]).encode()
            for line in labelled
        ]
    return lines


def test_no_mutant_is_judged_otherwise_than_by_the_exact_path(small_world):
    chance = random.Random(20)  # noqa: S311 - seeded on purpose
    lines = originals(small_world)
    fast, count = Warm(lines), 0
    for start in range(0, MUTANTS, 1000):
        mutants = [mutant(chance, lines) for _ in range(min(1000, MUTANTS - start))]
        mutants = [line for line in mutants if line.strip()]
        assert_the_same(fast, mutants)
        count += len(mutants)
    # Were all of them judged line by line, nothing would have been shown.
    assert count - fast.exact > count / 20
    print(f"{count:,} mutants, {count - fast.exact:,} of them taken the fast way")  # noqa: T201


# --- bounds -------------------------------------------------------------------------------------------------------


def test_what_is_known_is_forgotten_when_it_takes_too_much_room(monkeypatch):
    monkeypatch.setattr(bulk_module, "_ROOM", 20_000)
    lines = [line_of(made(n, actor={"mbox": f"mailto:p{n}@lms.test"})) for n in range(3000)]
    fast = Bulk(Pseudonyms(KEY))
    for start in range(0, len(lines), 100):
        some = lines[start : start + 100]
        assert_the_same(fast, some)
        assert sum(map(len, fast._known.values())) < 1000


def test_lines_without_repetition_are_judged_line_by_line_for_a_while(monkeypatch):
    def stranger(number):
        return line_of(
            made(
                number,
                actor={"mbox": f"mailto:p{number}@lms.test"},
                verb={"id": f"https://lms.test/verb/{number}"},
                object={"id": f"https://lms.test/object/{number}"},
                context={"registration": f"8f87ccde-bb56-4c2e-ab83-{number:012d}"},
            )
        )

    lines = [stranger(number) for number in range(8000)]
    fast = Bulk(Pseudonyms(KEY))
    assert_the_same(fast, lines)
    assert len(fast._known["actor"]) < 3000
    repeated = [line_of(made(number)) for number in range(4000)]
    fast._rest = 0
    assert_the_same(fast, repeated)
    assert fast._is_trusted


def test_nothing_gives_no_rows():
    assert told([Bulk(Pseudonyms(KEY)).take([])]) == ([], {}, [])
    assert list(bulk_module.take([], Pseudonyms(KEY))) == []


def test_blank_lines_of_a_block_count_and_are_left_out():
    block = b"\n".join([GOOD, b"", b" \t", b"broken", GOOD, b""])
    batch, line_ends = Bulk(Pseudonyms(KEY)).take_block(block)
    assert (batch.frame().height, [fault.line_number for fault in batch.faults], line_ends) == (2, [4], 5)
