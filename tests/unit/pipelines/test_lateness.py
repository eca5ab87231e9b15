from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pipelines.lateness import lateness

OBSERVED = datetime(2024, 6, 1)  # noqa: DTZ001
TRAINED = OBSERVED - timedelta(days=40)


def stated(house, number, known_at, *, hours, is_assumed=False):
    house.add(
        "raw.statement",
        statement_id=f"s{number}",
        happened_at=known_at - timedelta(hours=hours),
        known_at=known_at,
        is_known_at_assumed=is_assumed,
    )


def told(house):
    (row,) = lateness(house.warehouse, OBSERVED, "m").to_dicts()
    return row


@pytest.fixture
def trained(house):
    house.add("risk.model", model_id="m", trained_at=TRAINED)
    return house


def test_what_came_late_lately_is_held_against_what_came_before_the_training(trained):
    for number in range(10):
        stated(trained, f"before{number}", TRAINED - timedelta(days=1 + number), hours=20)
        stated(trained, f"recent{number}", OBSERVED - timedelta(days=1 + number), hours=50)
    row = told(trained)
    assert (row["metric_value"], row["limit_high"], row["n_count"], row["drift_verdict"]) == (50, 40, 10, "large")


def test_what_came_between_is_neither_and_what_is_not_known_yet_or_assumed_says_nothing(trained):
    stated(trained, "before", TRAINED - timedelta(days=1), hours=2)
    stated(trained, "recent", OBSERVED - timedelta(days=1), hours=3)
    stated(trained, "between", TRAINED + timedelta(days=5), hours=500)
    stated(trained, "tomorrow", OBSERVED, hours=500)
    stated(trained, "assumed", OBSERVED - timedelta(days=1), hours=500, is_assumed=True)
    stated(trained, "long ago", TRAINED - timedelta(days=200), hours=500)
    row = told(trained)
    assert (row["metric_value"], row["n_count"], row["drift_verdict"]) == (3, 1, "stable")


def test_nothing_known_is_not_audited(trained):
    row = told(trained)
    assert (row["metric_value"], row["limit_high"], row["n_count"], row["drift_verdict"]) == (
        *(None, None, 0, "not audited"),
    )
