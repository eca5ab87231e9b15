"""Files of statements for the ingestion benchmark: made, or real ones told again under other ids.

Belongs here: content. Does not belong here: timing (`ingestion`).
"""

from __future__ import annotations

import gzip
import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

LEARNERS, COURSES, ACTIVITIES = 4_000, 8, 40
"""ACTIVITIES a course; of these every fourth is a quiz, whose statements have a result."""

_HOME = "https://lms.example.org"
_STARTED = datetime(2024, 2, 5, 6, tzinfo=UTC)
_WEEKS = 16
_VERBS = {
    "viewed": "http://id.tincanapi.com/verb/viewed",
    "experienced": "http://adlnet.gov/expapi/verbs/experienced",
    "completed": "http://adlnet.gov/expapi/verbs/completed",
}
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DECIMALS = re.compile(rb"(?<=\d\.)\d+(?=[,}\[])")


def repetitive(count: int, seed: int = 20) -> Iterator[bytes]:
    """Lines of about 940 bytes, as an LMS writes them: few parts in many combinations, own ids, times and results."""
    chance = random.Random(seed)  # noqa: S311 - seeded on purpose
    actors = [_json({"account": {"homePage": _HOME, "name": f"u{1000 + learner}"}}) for learner in range(LEARNERS)]
    registrations = [_uuid(chance) for _ in range(LEARNERS)]
    verbs = {word: _json({"id": iri, "display": {"en": word}}) for word, iri in _VERBS.items()}
    tail = (
        ',"authority":'
        + _json({"objectType": "Agent", "account": {"homePage": _HOME, "name": "lrs"}})
        + ',"version":"1.0.3"}\n'
    )
    span = _WEEKS * 7 * 86_400_000
    for number in range(count):
        learner = min(int(chance.expovariate(3) * LEARNERS), LEARNERS - 1)
        course, activity = chance.randrange(COURSES), min(int(chance.expovariate(2) * ACTIVITIES), ACTIVITIES - 1)
        is_quiz = activity % 4 == 3
        word = "completed" if is_quiz else "viewed" if activity % 4 else "experienced"
        kind = "assessment" if is_quiz else "lesson"
        happened = _STARTED + timedelta(milliseconds=span * number // count + chance.randrange(60_000))
        stored = happened + timedelta(milliseconds=chance.randrange(200, 9_000))
        result = ""
        if is_quiz:
            raw, seconds = chance.randrange(101), chance.randrange(20, 3600)
            result = (
                f'"result":{{"score":{{"scaled":{raw / 100},"raw":{raw},"min":0,"max":100}},"success":{_word(raw >= 60)},'
                f'"completion":true,"duration":"PT{seconds // 60}M{seconds % 60}S"}},'
            )
        yield (
            f'{{"id":"{_uuid(chance)}","actor":{actors[learner]},"verb":{verbs[word]},"object":{{"objectType":"Activity",'
            f'"id":"{_HOME}/mod/{kind}/view.php?id={course * ACTIVITIES + activity}","definition":{{"type":'
            f'"http://adlnet.gov/expapi/activities/{kind}","name":{{"en":"{kind} {activity}"}}}}}},{result}'
            f'"context":{{"registration":"{registrations[learner]}","contextActivities":{{"parent":[{{"id":'
            f'"{_HOME}/course/view.php?id={course}","definition":{{"type":"http://adlnet.gov/expapi/activities/course"}}}}],'
            f'"category":[{{"id":"https://w3id.org/learning-analytics/lms-profile"}}]}},"platform":"LMS","language":"en"}},'
            f'"timestamp":"{_stamp(happened)}","stored":"{_stamp(stored)}"{tail}'
        ).encode()


def diverse(source: Path, count: int, *, is_fresh: bool, seed: int = 20) -> Iterator[bytes]:
    """Real statements over and over, each time under new ids; fresh ones with new sessions and other decimals too.

    Nothing but learners, objects and words is then said twice, which no real data does to that extent.
    """
    lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)
    chance = random.Random(seed)  # noqa: S311 - seeded on purpose
    for number in range(count):
        if number % len(lines) == 0:
            mask, digit = chance.getrandbits(122), str(chance.randrange(1, 10)).encode()

            def other(found: re.Match[bytes], mask: int = mask) -> bytes:
                return str(uuid.UUID(int=uuid.UUID(found.group().decode()).int ^ mask)).encode()

        head, middle, rest = lines[number % len(lines)].partition(b'"actor": ')
        before, key, given = head.rpartition(b'"id": ')
        if is_fresh:
            before = _DECIMALS.sub(lambda found, digit=digit: found.group() + digit, _UUID.sub(other, before))
        yield before + key + _UUID.sub(other, given) + middle + rest


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _word(value: bool) -> str:
    return "true" if value else "false"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
