"""Statements from line to row, beside parsing alone: a ratio of one run, on one core.

Figures of absolute speed belong to a machine and stand in docs/benchmarks.md; what is held here is the ratio.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

import numpy as np
import orjson
import pytest

from pipelines.commands.console import show
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import statements_of, take

LINES, LEARNERS, ROUNDS = 20_000, 500, 3
MOST_TIMES_PARSING = 60
"""A check against collapse, not a target: judging and hashing a statement costs a multiple of parsing it."""


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Statements of about 830 bytes, as an LMS plug-in writes them."""
    random = np.random.default_rng(20)
    verbs = [
        ("http://adlnet.gov/expapi/verbs/experienced", "experienced"),
        ("http://id.tincanapi.com/verb/viewed", "viewed"),
    ]
    written = []
    for number in range(LINES):
        verb, word = verbs[number % 2]
        learner, page = int(random.integers(LEARNERS)), int(random.integers(300))
        moment = f"2024-03-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:07.250Z"
        course = "https://lms.example.org/course/view.php?id=4"
        statement = {
            "id": str(uuid.UUID(bytes=random.bytes(16), version=4)),
            "actor": {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": f"u{learner}"}},
            "verb": {"id": verb, "display": {"en": word}},
            "object": {
                "id": f"https://lms.example.org/mod/page/view.php?id={page}",
                "definition": {"type": "http://adlnet.gov/expapi/activities/lesson", "name": {"en": f"Page {page}"}},
            },
            "context": {
                "platform": "LMS",
                "language": "en",
                "contextActivities": {
                    "parent": [{"id": course, "definition": {"type": "http://adlnet.gov/expapi/activities/course"}}],
                    "category": [{"id": "https://w3id.org/learning-analytics/profile"}],
                },
                "extensions": {"https://lms.example.org/ext/info": {"event": "page_viewed", "edition": "4.1"}},
            },
            "timestamp": moment,
            "stored": moment,
            "version": "1.0.3",
        }
        written.append(json.dumps(statement).encode())
    return written


def best_seconds(work: Callable[[], object]) -> float:
    """The least of some rounds: what else the machine does only ever adds."""
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def test_taking_statements_in_beside_parsing_them(lines):
    size = sum(map(len, lines)) / len(lines)

    def parse() -> None:
        for line in lines:
            orjson.loads(line)

    def take_in() -> int:
        batches = take(statements_of(lines), Pseudonyms(b"k" * 32))
        return sum(batch.frame().height for batch in batches)

    parsing, taking = best_seconds(parse), best_seconds(take_in)
    show(f"\n{LINES:,} statements of {size:.0f} bytes, one core, best of {ROUNDS}")
    show(f"  orjson parse alone            {LINES / parsing / 1000:8.0f} k/s")
    show(f"  take(): judge, hash, columns  {LINES / taking / 1000:8.0f} k/s   {taking / parsing:.1f} times the parse")
    assert take_in() == LINES
    assert taking < MOST_TIMES_PARSING * parsing
