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
from pipelines.sources.simulated.mentors import mentor_traits
from pipelines.sources.simulated.settings import DAY_SECONDS, Ints, Row, SimulationSettings, Tables, stream

_FIRST = ("Al", "Be", "Da", "El", "Fi", "Jo", "Ka", "Li", "Ma", "No", "Ri", "Sa", "To", "Vi")
_SECOND = ("la", "mi", "na", "ra", "ri", "sa", "ta", "vo")
_LAST = ("bren", "carv", "dorn", "feld", "gren", "holt", "kest", "lund", "marn", "pell", "rost", "sten", "tolv", "wick")
_LAST_END = ("el", "er", "is", "ov", "as", "en")
_LATE_TRAINED_SHARE = 0.15
_MENTOR_NUMBERS = 8_000_000
_STAFF_NUMBERS = 9_000_000
GUEST_LMS = "https://academy.example.net"
STAFF = 12
ACTORS_PER_PERSON = 3

# What a learner's statements bear, by share: the account alone with learner_key equal to its name and no row of
# learner_identity; then one linked identifier of each type; then two accounts or more kinds of identifier, all in use.
_OWN_ACCOUNT = "own account"
_STYLE_SHARES = {
    _OWN_ACCOUNT: 0.15,
    "account": 0.38,
    "mbox": 0.17,
    "mbox_sha1sum": 0.1,
    "openid": 0.06,
    "account+mbox": 0.07,
    "account+mbox+openid": 0.03,
    "account+guest": 0.04,
}
_STYLES = tuple(_STYLE_SHARES)
_GROUPS: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "gender": (("female", "male", "other"), (0.48, 0.49, 0.03)),
    "age_band": (("under_30", "30_to_44", "45_and_over"), (0.35, 0.42, 0.23)),
    "disability": (("no", "yes"), (0.91, 0.09)),
    "deprivation_band": (("1", "2", "3", "4", "5"), (0.2, 0.2, 0.2, 0.2, 0.2)),
}


@dataclass(frozen=True)
class People:
    """Learners in the order of their person number, then what statements and tables need of them.

    `actors` has three entries a person (they differ for those with several identities), then the staff's.
    """

    learner_keys: list[str]
    mentor_keys: list[str]
    mentor_minutes: Ints
    actors: list[dict[str, object]]
    participants: int
    mentored_only: int
    not_taken: int

    def actor(self, person: Ints, which: Ints | int = 0) -> Ints:
        """Index into `actors` of a person's first, second or third identity."""
        return person * ACTORS_PER_PERSON + which

    @property
    def first_staff_actor(self) -> int:
        """Index into `actors` of the first member of staff, who is no learner."""
        return len(self.learner_keys) * ACTORS_PER_PERSON


def account(name: str, home_page: str = LMS) -> dict[str, str]:
    """An xAPI account, of the world's LMS unless another is named."""
    return {"homePage": home_page, "name": name}


def manager_key(settings: SimulationSettings, manager: int) -> str:
    """Key of one of the block's managers."""
    return f"mgr-{settings.first_mentor + manager:05d}"


def mentored_only_count(settings: SimulationSettings) -> int:
    """Number of learners who have a mentor and no course."""
    return max(2, settings.learners // 150)


def not_taken_count(settings: SimulationSettings) -> int:
    """Number of learners who were invited and never registered, or registered and were not taken."""
    return max(6, settings.learners // 6)


def draw_people(settings: SimulationSettings, cohort: Cohort, left_day: Ints) -> tuple[People, Tables]:
    """Name everybody; `left_day` is each person's last day in the organisation as known at the snapshot, or -1."""
    rng = stream(settings, "people")
    persons = cohort.persons + mentored_only_count(settings) + not_taken_count(settings)
    style = rng.choice(len(_STYLES), persons, p=list(_STYLE_SHARES.values()))
    has_name = rng.random(persons) < 0.4
    learner_keys, actors, identities, learners = [], [], [], []
    first = np.unique(cohort.person, return_index=True)[1]
    is_zone_given = (rng.random(persons) < 0.95).tolist()
    extra_zone = rng.integers(0, len(ZONES), persons)
    extra_manager = rng.integers(0, manager_count(settings), persons)
    opted_out = rng.random(persons) < 0.01
    groups = {name: rng.choice(values, persons, p=shares).tolist() for name, (values, shares) in _GROUPS.items()}
    for person in range(persons):
        number = settings.first_person + person
        display, address = _name(rng, number)
        key, person_actors, person_identities = _identify(_STYLES[style[person]], number, address)
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
                "manager_key": manager_key(settings, int(manager)),
                "left_on": iso_date(left) if left >= 0 else None,
                "opted_out_at": iso_instant(out_second) if opted_out[person] else None,
                **{name: values[person] for name, values in groups.items()},
            }
        )
    actors += [_staff_actor(rng, settings.block * STAFF + number) for number in range(STAFF)]
    mentor_keys, mentor_minutes, mentors = _mentors(settings)
    people = People(
        learner_keys,
        mentor_keys,
        mentor_minutes,
        actors,
        cohort.persons,
        mentored_only_count(settings),
        not_taken_count(settings),
    )
    learners += _mentors_as_learners(settings, mentors)
    return people, {"learner": learners, "learner_identity": identities, "mentor": mentors}


def _name(rng: np.random.Generator, number: int) -> tuple[str, str]:
    """Return a display name and a mail address of fixed width."""
    one, two, three, four = (int(draw) for draw in rng.integers(0, 1_000_000, 4))
    first = _FIRST[one % len(_FIRST)] + _SECOND[two % len(_SECOND)]
    last = (_LAST[three % len(_LAST)] + _LAST_END[four % len(_LAST_END)]).capitalize()
    return f"{first} {last} {number:07d}", f"{first.lower()}.{last.lower()}.{number:07d}@example.org"


def _identify(style: str, person: int, address: str) -> tuple[str, list[dict[str, object]], list[tuple[str, str]]]:
    """Return the learner_key, the three actors and the rows of learner_identity of one person."""
    name, mailbox, openid = f"u{person:07d}", f"mailto:{address}", f"https://id.example.org/p{person:07d}"
    guest = f"g{person:07d}"
    digest = sha1(mailbox.encode(), usedforsecurity=False).hexdigest()
    agents: dict[str, dict[str, object]] = {
        "account": {"account": account(name)},
        "guest": {"account": account(guest, GUEST_LMS)},
        "mbox": {"mbox": mailbox},
        "mbox_sha1sum": {"mbox_sha1sum": digest},
        "openid": {"openid": openid},
    }
    links = {
        "account": ("account", f"{LMS}::{name}"),
        "guest": ("account", f"{GUEST_LMS}::{guest}"),
        "mbox": ("mbox", mailbox),
        # A mail address and its sha1sum are one identity: half of the links give the one, half the other.
        "mbox_sha1sum": ("mbox", mailbox) if person % 2 else ("mbox_sha1sum", digest),
        "openid": ("openid", openid),
    }
    is_own = style == _OWN_ACCOUNT
    kinds = ["account"] if is_own else style.split("+")
    actors = [{"objectType": "Agent", **agents[kind]} for kind in kinds]
    every = [actors[place % len(actors)] for place in range(ACTORS_PER_PERSON)]
    return name if is_own else f"emp-{person:07d}", every, [] if is_own else [links[kind] for kind in kinds]


def _staff_actor(rng: np.random.Generator, number: int) -> dict[str, object]:
    display, _ = _name(rng, _STAFF_NUMBERS + number)
    return {"objectType": "Agent", "name": display, "account": account(f"s{_STAFF_NUMBERS + number:07d}")}


def _mentors(settings: SimulationSettings) -> tuple[list[str], Ints, list[Row]]:
    """Draw the mentors; some manage, one is external, some are untrained or were trained late, none has much time."""
    rng = stream(settings, "mentors")
    count = mentor_count(settings)
    trained_days = _trained_days(settings)
    minutes = rng.choice([60, 75, 90], count).astype(np.int64)
    keys: list[str] = []
    rows: list[Row] = []
    for mentor in range(count):
        manager = manager_of_mentor(mentor)
        number = settings.first_mentor + mentor
        key = f"men-{number:05d}" if manager is None else manager_key(settings, manager)
        display, address = _name(rng, _MENTOR_NUMBERS + number)
        is_external = mentor == 1
        kind = "manager" if manager is not None else ("expert", "independent", "peer", "alumnus")[mentor % 4]
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
                "trained_on": iso_date(day) if (day := trained_days[mentor]) is not None else None,
                "skills": ";".join(rng.choice(["coaching", "data", "leadership", "safety", "sales"], 2, replace=False)),
                "timezone": ZONES[int(rng.choice(len(ZONES), p=[0.4, 0.2, 0.3, 0.1]))],
            }
        )
    return keys, minutes, rows


def _trained_days(settings: SimulationSettings) -> list[int | None]:
    """When each mentor was trained: before the first run, or only in the second, or not at all."""
    rng = stream(settings, "training of mentors")
    is_trained = mentor_traits(settings).is_trained
    count = len(is_trained)
    early = int(settings.start_days[0]) - rng.integers(20, 200, count)
    late = int(settings.start_days[1]) + rng.integers(0, 7 * settings.weeks, count)
    is_late = rng.random(count) < _LATE_TRAINED_SHARE
    is_late[np.flatnonzero(is_trained)[:1]] = True
    days = np.where(is_late, late, early).tolist()
    return [day if trained else None for day, trained in zip(days, is_trained.tolist(), strict=True)]


def _mentors_as_learners(settings: SimulationSettings, mentors: list[Row]) -> list[Row]:
    """Rows of `learner` for the mentors of whom the organisation's own list knows: managers and half of the others."""
    rng = stream(settings, "mentors as learners")
    unit, is_listed = rng.integers(0, len(UNITS), len(mentors)), rng.random(len(mentors)) < 0.5
    rows: list[Row] = []
    for number, mentor in enumerate(mentors):
        manager = manager_of_mentor(number)
        if not mentor["is_external"] and (manager is not None or is_listed[number]):
            own = {name: mentor[name] for name in ("display_name", "contact_address", "timezone")}
            place = int(unit[number]) if manager is None else manager
            rows.append({"learner_key": mentor["mentor_key"], **own, "org_unit": UNITS[place % len(UNITS)]})
    return rows
