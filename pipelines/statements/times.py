"""What a timestamp is, and which instant it says.

Belongs here: ISO 8601 date-times in all their spellings, RFC 3339 among them. Does not belong here: which property must
bear a timestamp (`validate`), durations (`rules`), what becomes of an instant (`take`).

ISO 8601:2004 in the extended or the basic format: a calendar, week or ordinal date, then at least the hour; a decimal
fraction of the last element given; `Z`, an offset or neither. A space may stand for the `T`, as RFC 3339 allows, and
an offset may leave its colon out. `24:00` is the end of a day; a leap second is the sixtieth second of 23:59 in UTC.
"""

from __future__ import annotations

import re
from calendar import isleap
from datetime import date, datetime, timedelta

_CALENDAR = r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
# What nearly every platform writes; a leap day, a leap second, an offset of minus nought and all the rest are read.
_plain = re.compile(
    rf"\d{{4}}-{_CALENDAR}[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:Z|(?:\+|-(?!00))(?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
).fullmatch
_rfc_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
).fullmatch
_MINUS_NOUGHT = ("-00", "-0000", "-00:00")


def _spelling(dash: str, colon: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<year>\d{{4}}){dash}"
        rf"(?:(?P<month>\d\d){dash}(?P<day>\d\d)|W(?P<week>\d\d){dash}(?P<weekday>\d)|(?P<ordinal>\d{{3}}))[Tt ]"
        rf"(?P<hour>\d\d)(?:{colon}(?P<minute>\d\d)(?:{colon}(?P<second>\d\d))?)?(?:[.,](?P<fraction>\d+))?"
        r"(?:[Zz]|(?P<sign>[+-])(?P<offset_hour>\d\d):?(?P<offset_minute>\d\d)?)?",
        re.ASCII,
    )


_EXTENDED, _BASIC = _spelling("-", ":"), _spelling("", "")
_ELEMENTS = ("hour", "minute", "second", "offset_hour", "offset_minute")
_DAY, _MINUTES_OF_DAY, _LAST_MINUTE = timedelta(days=1), 1440, 1439
_LEAP_YEAR_LIKE_NOUGHT = 2000


def is_timestamp(text: str) -> bool:
    """Whether the text is a date-time of ISO 8601; of an offset of minus nought see `has_unknown_offset`."""
    if _plain(text):
        return True
    try:
        instant(text)
    except OverflowError:
        return True
    except ValueError:
        return False
    return True


def is_rfc_3339(text: str) -> bool:
    """Whether a text that is a timestamp is one of RFC 3339 too, which xAPI 2.0 demands: seconds and offset given."""
    return _rfc_3339(text) is not None


def has_unknown_offset(text: str) -> bool:
    """Whether a timestamp's offset is -00, -0000 or -00:00: "local time unknown", which ISO 8601 does not know."""
    return text.endswith(_MINUS_NOUGHT)


def instant(text: str) -> datetime:
    """The instant that a timestamp says, naive in UTC; without an offset it is UTC. A leap second is the next second.

    Raises:
        ValueError: it is no timestamp.
        OverflowError: it is one, but lies outside the years 1 to 9999.
    """
    found = _EXTENDED.fullmatch(text) or _BASIC.fullmatch(text)
    if found is None:
        message = "not a date-time of ISO 8601"
        raise ValueError(message)
    hour, minute, second, offset_hour, offset_minute = (int(found[name] or 0) for name in _ELEMENTS)
    offset = (offset_hour * 60 + offset_minute) * (-1 if found["sign"] == "-" else 1)
    is_leap = second == 60 and (hour * 60 + minute - offset) % _MINUTES_OF_DAY == _LAST_MINUTE
    past = timedelta(hours=hour, minutes=minute, seconds=second) + _fraction(found)
    if minute > 59 or second > 59 + is_leap or hour > 23 + (past == _DAY) or offset_hour > 23 or offset_minute > 59:
        message = "no such time of day"
        raise ValueError(message)
    day = _day(found, int(found["year"]) or _LEAP_YEAR_LIKE_NOUGHT)
    if found["year"] == "0000":
        message = "year nought cannot be kept"
        raise OverflowError(message)
    # Instants are UTC without a zone.
    return datetime(day.year, day.month, day.day) + past - timedelta(minutes=offset)  # noqa: DTZ001


def _day(found: re.Match[str], year: int) -> date:
    if found["week"]:
        return date.fromisocalendar(year, int(found["week"]), int(found["weekday"]))
    if found["ordinal"]:
        ordinal = int(found["ordinal"])
        if not 1 <= ordinal <= 365 + isleap(year):
            message = "no such day of the year"
            raise ValueError(message)
        return date(year, 1, 1) + timedelta(days=ordinal - 1)
    return date(year, int(found["month"]), int(found["day"]))


def _fraction(found: re.Match[str]) -> timedelta:
    """The decimal fraction of the last element given; what is under a microsecond is cut off."""
    if not found["fraction"]:
        return timedelta()
    digits = found["fraction"][:18]
    unit = 1 if found["second"] else 60 if found["minute"] else 3600
    return timedelta(microseconds=unit * 1_000_000 * int(digits) // 10 ** len(digits))
