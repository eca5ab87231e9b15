"""Persons: names, identifiers, actors of statements, and the tables learner, learner_identity, mentor.

Belongs here: everything a scan for personal data must be able to recognise. All identifiers of a kind have one
length, so none contains another. Does not belong here: what a person does.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1

import numpy as np

from pipelines.sources.simulated.clock import ZONES, iso_date, iso_instant
from pipelines.sources.simulated.cohort import (
    UNITS,
    Cohort,
    manager_count,
    manager_of_mentor,
    mentor_count,
)
from pipelines.sources.simulated.courses import LMS, PROGRAMMES
from pipelines.sources.simulated.settings import DAY_SECONDS, Ints, Row, SimulationSettings, Tables, stream

_FIRST = ("Al", "Be", "Da", "El", "Fi", "Jo", "Ka", "Li", "Ma", "No", "Ri", "Sa", "To", "Vi")
_SECOND = ("la", "mi", "na", "ra", "ri", "sa", "ta", "vo")
_LAST = ("bren", "carv", "dorn", "feld", "gren", "holt", "kest", "lund", "marn", "pell", "rost", "sten", "tolv", "wick")
_LAST_END = ("el", "er", "is", "ov", "as", "en")
_MENTOR_NUMBERS = 800_000
_STAFF_NUMBERS = 900_000
STAFF = 12
ACTORS_PER_PERSON = 2

# What a learner's statements bear, by share: the account alone with learner_key equal to its name and no row of
# learner_identity; then one linked identifier of each type; then an account and a mail address, both in use.
_STYLES = ("own_account", "account", "mbox", "mbox_sha1sum", "openid", "account_and_mbox")
_STYLE_SHARES = (0.15, 0.4, 0.18, 0.1, 0.07, 0.1)
_GROUPS: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "gender": (("female", "male", "other"), (0.48, 0.49, 0.03)),
    "age_band": (("under_30", "30_to_44", "45_and_over"), (0.35, 0.42, 0.23)),
    "disability": (("no", "yes"), (0.91, 0.09)),
    "deprivation_band": (("1", "2", "3", "4", "5"), (0.2, 0.2, 0.2, 0.2, 0.2)),
}


@dataclass(frozen=True)
class People:
    """Learners in the order of their person number, then what statements and tables need of them.

    `actors` has two entries a person (the second differs for those with two identities), then the staff's.
    """

    learner_keys: list[str]
    mentor_keys: list[str]
    mentor_minutes: Ints
    actors: list[dict[str, object]]
    participants: int
    mentored_only: int
    declined: int

    def actor(self, person: Ints, is_second: Ints) -> Ints:
        """Index into `actors` of a person's first or second identity."""
        return person * ACTORS_PER_PERSON + is_second

    @property
    def first_staff_actor(self) -> int:
        """Index into `actors` of the first member of staff, who is no learner."""
        return len(self.learner_keys) * ACTORS_PER_PERSON


def account(name: str) -> dict[str, str]:
    """An xAPI account of the world's LMS."""
    return {"homePage": LMS, "name": name}


def mentored_only_count(settings: SimulationSettings) -> int:
    """Number of learners who have a mentor and no course."""
    return max(2, settings.learners // 150)


def declined_count(settings: SimulationSettings) -> int:
    """Number of learners who registered and were not taken."""
    return max(3, settings.learners // 12)


def draw_people(settings: SimulationSettings, cohort: Cohort, left_day: Ints) -> tuple[People, Tables]:
    """Name everybody; `left_day` is each person's last day in the organisation as known at the snapshot, or -1."""
    rng = stream(settings, "people")
    persons = cohort.persons + mentored_only_count(settings) + declined_count(settings)
    style = rng.choice(len(_STYLES), persons, p=_STYLE_SHARES)
    has_name = rng.random(persons) < 0.4
    learner_keys, actors, identities, learners = [], [], [], []
    first = np.unique(cohort.person, return_index=True)[1]
    is_zone_given = (rng.random(persons) < 0.95).tolist()
    extra_zone = rng.integers(0, len(ZONES), persons)
    extra_manager = rng.integers(0, manager_count(settings), persons)
    opted_out = rng.random(persons) < 0.01
    groups = {name: rng.choice(values, persons, p=shares).tolist() for name, (values, shares) in _GROUPS.items()}
    for person in range(persons):
        display, address = _name(rng, person)
        key, person_actors, person_identities = _identify(_STYLES[style[person]], person, address)
        learner_keys.append(key)
        actors += [{**actor, "name": display} if has_name[person] else actor for actor in person_actors]
        identities += [
            {"learner_key": key, "identity_type": kind, "identity_value": value} for kind, value in person_identities
        ]
        zone, manager, start, left = extra_zone[person], extra_manager[person], settings.snapshot_day, -1
        language = "en"
        if person < cohort.persons:
            entry = first[person]
            zone, manager, start = cohort.zone[entry], cohort.manager[entry], cohort.start_day[entry]
            left = int(left_day[person])
            is_default = zone == PROGRAMMES[cohort.programme[entry]].zone and not cohort.is_returning[entry]
            language = ("pt-PT", "de", "en", "pt-BR")[zone]
        else:
            is_default = False
        out_second = int(start) * DAY_SECONDS - 30 * 3600
        learners.append(
            {
                "learner_key": key,
                "display_name": display,
                "contact_address": address,
                "timezone": ZONES[zone] if is_zone_given[person] or not is_default else None,
                "language": language,
                "org_unit": UNITS[manager % len(UNITS)],
                "manager_key": f"mgr-{manager:05d}",
                "left_on": iso_date(left) if left >= 0 else None,
                "opted_out_at": iso_instant(out_second) if opted_out[person] else None,
                **{name: values[person] for name, values in groups.items()},
            }
        )
    actors += [_staff_actor(rng, number) for number in range(STAFF)]
    mentor_keys, mentor_minutes, mentors = _mentors(settings)
    people = People(
        learner_keys,
        mentor_keys,
        mentor_minutes,
        actors,
        cohort.persons,
        mentored_only_count(settings),
        declined_count(settings),
    )
    return people, {"learner": learners, "learner_identity": identities, "mentor": mentors}


def _name(rng: np.random.Generator, number: int) -> tuple[str, str]:
    """Return a display name and a mail address of fixed width."""
    one, two, three, four = (int(draw) for draw in rng.integers(0, 1_000_000, 4))
    first = _FIRST[one % len(_FIRST)] + _SECOND[two % len(_SECOND)]
    last = (_LAST[three % len(_LAST)] + _LAST_END[four % len(_LAST_END)]).capitalize()
    return f"{first} {last} {number:06d}", f"{first.lower()}.{last.lower()}.{number:06d}@example.org"


def _identify(style: str, person: int, address: str) -> tuple[str, list[dict[str, object]], list[tuple[str, str]]]:
    """Return the learner_key, the two actors and the rows of learner_identity of one person."""
    name, key = f"u{person:07d}", f"emp-{person:07d}"
    mailbox, openid = f"mailto:{address}", f"https://id.example.org/p{person:07d}"
    by_account: dict[str, object] = {"objectType": "Agent", "account": account(name)}
    by_mail: dict[str, object] = {"objectType": "Agent", "mbox": mailbox}
    linked_account = ("account", f"{LMS}::{name}")
    if style == "own_account":
        return name, [by_account, by_account], []
    if style == "account":
        return key, [by_account, by_account], [linked_account]
    if style == "mbox":
        return key, [by_mail, by_mail], [("mbox", mailbox)]
    if style == "openid":
        by_openid: dict[str, object] = {"objectType": "Agent", "openid": openid}
        return key, [by_openid, by_openid], [("openid", openid)]
    if style == "mbox_sha1sum":
        digest = sha1(mailbox.encode(), usedforsecurity=False).hexdigest()
        by_digest: dict[str, object] = {"objectType": "Agent", "mbox_sha1sum": digest}
        # A mail address and its sha1sum are one identity: half of the links give the one, half the other.
        link = ("mbox", mailbox) if person % 2 else ("mbox_sha1sum", digest)
        return key, [by_digest, by_digest], [link]
    return key, [by_account, by_mail], [linked_account, ("mbox", mailbox)]


def _staff_actor(rng: np.random.Generator, number: int) -> dict[str, object]:
    display, _ = _name(rng, _STAFF_NUMBERS + number)
    return {"objectType": "Agent", "name": display, "account": account(f"s{_STAFF_NUMBERS + number:07d}")}


def _mentors(settings: SimulationSettings) -> tuple[list[str], Ints, list[Row]]:
    """Draw the mentors; some manage, one is external, some are untrained, none has much time."""
    rng = stream(settings, "mentors")
    count = mentor_count(settings)
    minutes = rng.choice([60, 75, 90], count).astype(np.int64)
    keys: list[str] = []
    rows: list[Row] = []
    for mentor in range(count):
        manager = manager_of_mentor(mentor)
        key = f"men-{mentor:05d}" if manager is None else f"mgr-{manager:05d}"
        display, address = _name(rng, _MENTOR_NUMBERS + mentor)
        is_external = mentor == 1
        kind = "manager" if manager is not None else ("expert", "independent", "peer", "alumnus")[mentor % 4]
        is_trained = rng.random() < 0.8
        trained_day = int(settings.start_days[0]) - int(rng.integers(20, 200))
        keys.append(key)
        rows.append(
            {
                "mentor_key": key,
                "display_name": display,
                "contact_address": address,
                "kind": "independent" if is_external else kind,
                "is_external": is_external,
                # One mentor's capacity is not known: the default of the settings applies.
                "capacity_minutes_per_week": None if mentor == 2 else int(minutes[mentor]),
                "max_learners": int(rng.integers(15, 31)),
                "trained_on": iso_date(trained_day) if is_trained else None,
                "skills": ";".join(rng.choice(["coaching", "data", "leadership", "safety", "sales"], 2, replace=False)),
                "timezone": ZONES[int(rng.choice(len(ZONES), p=[0.4, 0.2, 0.3, 0.1]))],
            }
        )
    return keys, minutes, rows
