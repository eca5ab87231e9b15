"""ISO 8601 date-times: which there are, and which instant each says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.statements.times import has_unknown_offset, instant, is_rfc_3339, is_timestamp

NOON = datetime(2024, 3, 1, 12)  # noqa: DTZ001 - instants are UTC without a zone


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2024-03-01T12:00:00Z", NOON),
        ("2024-03-01T12:00:00", NOON),
        ("2024-03-01t12:00z", NOON),
        ("2024-03-01 12Z", NOON),
        ("20240301T120000Z", NOON),
        ("20240301T12+0000", NOON),
        ("2024-W09-5T12:00:00Z", NOON),
        ("2024W095T1200Z", NOON),
        ("2024-061T12:00:00Z", NOON),
        ("2024061T120000Z", NOON),
        ("2024-03-01T14:30:00+02:30", NOON),
        ("2024-03-01T11:30:00-0030", NOON),
        ("2024-03-01T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2024-03-01T12:00:00.1234567899Z", NOON + timedelta(microseconds=123_456)),
        ("2024-03-01T12:00,5Z", NOON + timedelta(seconds=30)),
        ("2024-03-01T12.5Z", NOON + timedelta(minutes=30)),
        ("2024-02-29T24:00:00Z", datetime(2024, 3, 1)),  # noqa: DTZ001
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1)),  # noqa: DTZ001
        ("2017-01-01T05:29:60.5+05:30", datetime(2017, 1, 1, 0, 0, 0, 500_000)),  # noqa: DTZ001
        ("0001-01-01T00:00:00Z", datetime.min),  # noqa: DTZ901 - the first instant there is
        ("9999-12-31T23:59:59.999999Z", datetime.max),  # noqa: DTZ901 - the last one
    ],
)
def test_a_timestamp_says_an_instant_in_utc(text, said):
    assert is_timestamp(text)
    assert instant(text) == said


@pytest.mark.parametrize("text", ["0000-02-29T12:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01"])
def test_an_instant_outside_years_1_to_9999_is_a_timestamp_that_cannot_be_kept(text):
    assert is_timestamp(text)
    with pytest.raises(OverflowError):
        instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-03-01",
        "12:00:00Z",
        "2024-03-01T",
        "2024-3-1T12:00:00Z",
        "24-03-01T12:00:00Z",
        "2024-13-01T12:00:00Z",
        "2024-02-30T12:00:00Z",
        "2023-02-29T12:00:00Z",
        "0000-02-30T12:00:00Z",
        "2024-03-32T12:00:00Z",
        "2023-366T12:00:00Z",
        "2024-000T12:00:00Z",
        "2024-W53-1T12:00:00Z",
        "2024-W09-8T12:00:00Z",
        "2024-03-01T25:00:00Z",
        "2024-03-01T24:00:01Z",
        "2024-03-01T12:60:00Z",
        "2024-03-01T12:00:60Z",
        "2024-03-01T23:59:60+01:00",
        "2024-03-01T23:59:61Z",
        "2024-03-01T12:00:00+24:00",
        "2024-03-01T12:00:00+05:60",
        "2024-03-01T12:00:00+5",
        "2024-03-01T12:00:00.Z",
        "2024-03-01T120000Z",
        "20240301T12:00:00Z",
        "2024-03-01T12:00:00Z ",
        " 2024-03-01T12:00:00Z",
        "2024-03-01T12:00:00Z\n",
        "+2024-03-01T12:00:00Z",
        "2024-03-01T12:00:00 UTC",
        "२०२४-03-01T12:00:00Z",
        "Fri, 01 Mar 2024 12:00:00 GMT",
        "01/011/2015",
    ],
)
def test_what_is_no_date_time_is_no_timestamp(text):
    assert not is_timestamp(text)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from(["T", " "]),
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
)
def test_every_instant_that_python_writes_is_read_as_python_reads_it(when, minutes, separator, timespec):
    text = when.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat(separator, timespec)
    assert is_timestamp(text)
    assert is_rfc_3339(text)
    assert not has_unknown_offset(text)
    assert instant(text) == datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


@given(st.text(alphabet="0123456789-:TZW+.,", max_size=30))
def test_whatever_is_a_timestamp_can_be_read_or_lies_outside_the_years(text):
    try:
        instant(text)
    except ValueError:
        assert not is_timestamp(text)
    except OverflowError:
        assert is_timestamp(text)
    else:
        assert is_timestamp(text)
