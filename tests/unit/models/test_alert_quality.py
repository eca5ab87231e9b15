import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.marts import MARTS
from models.alert_quality import LEAST_ALERTS, LEAST_MENTORS, MEDIANS, SHARES, alert_quality

EVERY = {*SHARES, *MEDIANS, "alerts_per_mentor_week"}

SCHEMA = {
    "participation_id": pl.String,
    "programme_id": pl.String,
    "kind": pl.String,
    "rule": pl.String,
    "level": pl.String,
    "channel": pl.String,
    "mentor_load": pl.String,
    "served_by": pl.String,
    "is_served": pl.Boolean,
    "is_abandoned": pl.Boolean,
    "is_acted": pl.Boolean,
    "is_escalated": pl.Boolean,
    "is_resolved_by_itself": pl.Boolean,
    "verdict": pl.String,
    "days_to_abandonment": pl.Int64,
    "days_to_last_activity": pl.Int64,
    "days_to_review": pl.Float64,
}


def alerts(count=40, **columns):
    """Risk alerts of p1, served by four mentors, of which nothing came; a column is a value, or a function of the place."""
    ordinary = {
        "participation_id": lambda place: f"p{place}",
        "programme_id": "p1",
        "kind": "risk",
        "level": "social",
        "channel": "synchronous",
        "mentor_load": "0.5 to 1",
        "served_by": lambda place: f"m{place % 4}",
        "is_served": True,
        "is_abandoned": False,
        "is_acted": False,
        "is_escalated": False,
        "is_resolved_by_itself": False,
        "days_to_abandonment": 14,
    } | columns
    told = {
        name: [value(place) if callable(value) else value for place in range(count)] for name, value in ordinary.items()
    }
    return pl.DataFrame({name: told.get(name, [None] * count) for name in SCHEMA}, schema=SCHEMA)


def figures(rows, slice_kind="all", slice_value="all", mentor_weeks=20):
    found = alert_quality(rows, mentor_weeks=mentor_weeks).filter(slice_kind=slice_kind, slice_value=slice_value)
    return {row["metric_name"]: row for row in found.iter_rows(named=True)}


def value(rows, name, *of):
    return figures(rows, *of)[name]["metric_value"]


def test_precision_is_of_risk_alerts_that_had_a_mentors_minutes_and_of_all_of_them():
    rows = alerts(
        kind=lambda place: "rule" if place >= 30 else "risk",
        is_served=lambda place: place < 20,
        is_abandoned=lambda place: place < 5 or place >= 20,
    )
    told = figures(rows)
    assert told["precision_at_capacity"]["metric_value"] == pytest.approx(5 / 20)
    assert told["precision_of_all"]["metric_value"] == pytest.approx(15 / 30)
    assert (told["precision_of_all"]["n_count"], told["precision_of_all"]["n_events_count"]) == (30, 15)
    assert told["precision_of_all"]["metric_low"] < 0.5 < told["precision_of_all"]["metric_high"]


def test_alerts_of_one_participation_are_less_evidence_than_as_many_of_several():
    def width(rows):
        row = figures(rows)["precision_of_all"]
        return row["metric_high"] - row["metric_low"]

    hit = {"is_abandoned": lambda place: place % 8 < 4}
    assert width(alerts(**hit, participation_id=lambda place: f"p{place % 8}")) > 1.5 * width(alerts(**hit))


def test_shares_of_what_mentors_did_are_of_served_alerts_and_verdicts_of_those_with_one():
    rows = alerts(
        is_served=lambda place: place < 20,
        days_to_review=lambda place: float(place % 3) if place < 15 else None,
        is_acted=lambda place: place < 10,
        is_escalated=lambda place: place >= 18,
        is_resolved_by_itself=lambda place: place >= 30,
        verdict=lambda place: {0: "useful", 1: "wrong"}.get(place % 4, "not_applicable") if place < 12 else None,
    )
    told = {name: row["metric_value"] for name, row in figures(rows).items()}
    assert told["reviewed_share"] == 0.75
    assert told["acted_share"] == 0.5
    assert told["escalated_share"] == 0.1
    assert told["resolved_by_itself_share"] == 0.25
    assert (told["useful_share"], told["wrong_share"], told["not_applicable_share"]) == (0.25, 0.25, 0.5)
    assert told["days_to_review_median"] == 1
    assert told["alerts_per_mentor_week"] == 1


def test_lead_is_of_abandoned_risk_alerts_and_may_lie_before_the_alert():
    rows = alerts(
        is_abandoned=lambda place: place < 20,
        days_to_abandonment=lambda place: 14 if place < 20 else 400,
        days_to_last_activity=lambda place: -3 if place < 15 else None,
    )
    told = figures(rows)
    assert told["lead_days_median"]["metric_value"] == 14
    assert told["lead_days_to_last_activity_median"]["metric_value"] == -3
    assert told["lead_days_to_last_activity_median"]["n_count"] == 15


def test_good_news_stands_in_its_kind_alone():
    rows = alerts(kind=lambda place: "good_news" if place < 20 else "risk", is_abandoned=lambda place: place < 20)
    assert value(rows, "precision_of_all") == 0
    assert figures(rows, "programme", "p1")["resolved_by_itself_share"]["n_count"] == 20
    assert figures(rows, "kind", "good_news")["resolved_by_itself_share"]["n_count"] == 20
    assert "precision_of_all" not in figures(rows, "kind", "good_news")


@pytest.mark.parametrize("count", [0, LEAST_ALERTS - 1])
def test_figures_of_few_alerts_are_withheld_with_their_events(count):
    rows = alerts(count, is_abandoned=True, is_acted=True, verdict="useful")
    told = figures(rows)
    assert set(told) == EVERY
    assert {row["metric_value"] for row in told.values()} == {None}
    assert {row["n_events_count"] for row in told.values()} == {0}
    assert told["precision_of_all"]["n_count"] == count


@pytest.mark.parametrize("mentors", [1, LEAST_MENTORS - 1])
def test_nothing_is_told_of_what_one_or_two_mentors_did(mentors):
    rows = alerts(
        served_by=lambda place: f"m{place % mentors}",
        is_acted=True,
        verdict="wrong",
        days_to_review=1.0,
        is_abandoned=True,
    )
    known = {name for name, row in figures(rows).items() if row["metric_value"] is not None}
    assert known == {"precision_at_capacity", "precision_of_all", "resolved_by_itself_share", "lead_days_median"}


def test_no_column_and_no_slice_is_of_a_mentor():
    contract = MARTS["alert_quality"]
    told = alert_quality(alerts(), mentor_weeks=20)
    assert set(told.columns) == set(contract.column_names) - {"publication_id"}
    assert set(told["slice_kind"]) <= set(contract.column("slice_kind").field.values)
    assert not {"m0", "m1", "m2", "m3"} & set(told["slice_value"])


def test_a_mentors_week_is_cut_by_how_full_it_was():
    rows = alerts(
        mentor_load=lambda place: "1 and over" if place < 20 else "under 0.5", is_acted=lambda place: place < 5
    )
    assert value(rows, "acted_share", "mentor_load", "1 and over") == 0.25
    assert value(rows, "acted_share", "mentor_load", "under 0.5") == 0
    assert "alerts_per_mentor_week" not in figures(rows, "mentor_load", "1 and over")


@settings(max_examples=20, deadline=None)
@given(
    places=st.permutations(range(24)),
    abandoned=st.sets(st.integers(0, 23)),
    served=st.sets(st.integers(0, 23)),
)
def test_the_order_of_alerts_does_not_matter_and_every_share_is_one(places, abandoned, served):
    rows = alerts(
        24,
        is_abandoned=lambda place: place in abandoned,
        is_served=lambda place: place in served,
        days_to_abandonment=lambda place: place,
        rule=lambda place: "mentor_silent" if place % 2 else None,
    )
    told = alert_quality(rows, mentor_weeks=7)
    assert told.equals(alert_quality(rows[list(places)], mentor_weeks=7))
    shares = told.filter(pl.col("metric_name").is_in(list(SHARES)), pl.col("metric_value").is_not_null())
    assert shares["metric_value"].is_between(0, 1).all()
    assert (shares["metric_low"] <= shares["metric_value"] + 1e-12).all()
    assert (shares["metric_value"] <= shares["metric_high"] + 1e-12).all()
