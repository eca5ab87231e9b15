"""Who has the minutes for an alert, and what nobody has minutes for."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.alerts import ALERT, CAPACITY, UNSERVED
from models.contract import schema_of
from models.routing import Routed, RoutingInputError, capacity, charged_this_week, route, unserved

MONDAY = datetime(2026, 3, 2, 3, 30)  # noqa: DTZ001 - instants are UTC without a zone
WEDNESDAY = datetime(2026, 3, 4, 3, 30)  # noqa: DTZ001
NO_CHARGES = pl.DataFrame(
    schema={"programme_id": pl.String, "mentor_id": pl.String, "learner_id": pl.String, "minutes": pl.Int64}
)


def alert(learner: str, p: float | None = 0.2, minutes: int = 20, **given: object) -> dict[str, object]:
    programme = given.get("programme_id", "p")
    return {
        "alert_id": f"{programme}-{learner}",
        "participation_id": f"{programme}:{learner}",
        "learner_id": learner,
        "programme_id": programme,
        "observed_at": WEDNESDAY,
        "kind": "risk",
        "state": "new",
        "opened_at": WEDNESDAY,
        "state_at": WEDNESDAY,
        "abandonment_probability_28d": p,
        "is_too_early": False,
        "level": "methodological",
        "channel": "asynchronous",
        "expected_minutes": minutes,
    } | given


def alerts(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema_of(ALERT))


def minutes(*rows: tuple[str, float], used: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "mentor_id": mentor,
                "observed_at": WEDNESDAY,
                "week_starts_on": MONDAY.date(),
                "available_minutes": available,
                "planned_minutes": 0.0,
                "used_minutes": used,
                "is_capacity_assumed": False,
            }
            for mentor, available in rows
        ],
        schema=schema_of(CAPACITY),
    )


def matches(*rows: tuple[str, str], programme: str = "p") -> pl.DataFrame:
    return pl.DataFrame(
        [(mentor, learner, programme, date(2026, 1, 5)) for mentor, learner in rows],
        schema={"mentor_id": pl.String, "learner_id": pl.String, "programme_id": pl.String, "matched_on": pl.Date},
        orient="row",
    )


def programmes(active: int = 100, *names: str, at: datetime = WEDNESDAY) -> pl.DataFrame:
    return pl.DataFrame(
        [(name, active, at) for name in names or ("p",)],
        schema={"programme_id": pl.String, "active_participations_count": pl.Int64, "local_at": pl.Datetime("us")},
        orient="row",
    )


def people(*names: str, at: datetime = WEDNESDAY, planned: float = 0.0, held: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(
        [(name, at, 60.0, True, planned, held) for name in names],
        schema={
            "mentor_id": pl.String,
            "local_at": pl.Datetime("us"),
            "available_minutes": pl.Float64,
            "is_capacity_assumed": pl.Boolean,
            "planned_minutes": pl.Float64,
            "held_minutes": pl.Float64,
        },
        orient="row",
    )


def routed(
    tonight: pl.DataFrame,
    free: pl.DataFrame,
    pairs: pl.DataFrame,
    *,
    active: int = 100,
    at: datetime = WEDNESDAY,
    charged: pl.DataFrame = NO_CHARGES,
) -> Routed:
    names = sorted({"p", *tonight["programme_id"]})
    return route(
        tonight,
        free,
        matches=pairs,
        programmes=programmes(active, *names),
        mentors=people(*free["mentor_id"], at=at),
        charged=charged,
    )


def ways(found: Routed) -> dict[str, tuple[str | None, str | None, str | None]]:
    columns = found.alerts.select("learner_id", "mentor_id", "route_kind", "unserved_reason")
    return {learner: (mentor, kind, why) for learner, mentor, kind, why in columns.iter_rows()}


def test_the_own_mentor_serves_the_highest_risk_first_and_the_rest_spills_over_then_waits() -> None:
    tonight = alerts(alert("a", 0.2), alert("b", 0.6), alert("c", 0.4), alert("d", 0.3))
    pairs = matches(("m", "a"), ("m", "b"), ("m", "c"), ("m", "d"), ("n", "z"))
    found = routed(tonight, minutes(("m", 40), ("n", 25)), pairs)
    assert ways(found) == {
        "b": ("m", "own_mentor", None),
        "c": ("m", "own_mentor", None),
        "d": ("n", "spill_over", None),
        "a": (None, None, "mentor_full"),
    }
    assert dict(found.alerts.schema) == schema_of(ALERT)
    assert found.capacity["used_minutes"].to_list() == [40, 20]


def test_spill_over_goes_to_the_freest_mentor_of_the_same_programme_only() -> None:
    pairs = pl.concat([matches(("m", "a"), ("n", "x"), ("o", "y")), matches(("q", "z"), programme="other")])
    found = routed(alerts(alert("a")), minutes(("m", 10), ("n", 30), ("o", 50), ("q", 500)), pairs)
    assert ways(found)["a"] == ("o", "spill_over", None)


def test_without_minutes_the_reason_tells_an_absent_mentor_from_a_full_one() -> None:
    pairs = matches(("m", "a"), ("n", "b"))
    found = routed(alerts(alert("a"), alert("b")), minutes(("m", 0), ("n", 10)), pairs)
    assert ways(found) == {"a": (None, None, "mentor_absent"), "b": (None, None, "mentor_full")}
    assert found.alerts["is_served"].to_list() == [False, False]


def test_the_coordinator_serves_a_tenth_of_the_active_participations_and_at_least_one() -> None:
    tonight = alerts(*(alert(f"l{number:02}", 0.2 + number / 100) for number in range(12)))
    for active, budget in ((100, 10), (39, 3), (10, 1), (3, 1)):
        found = ways(routed(tonight, minutes(), matches(), active=active))
        served = sorted(learner for learner, way in found.items() if way == (None, "coordinator", None))
        assert served == [f"l{number:02}" for number in range(12 - budget, 12)]
        assert {way for way in found.values() if way[1] is None} == {(None, None, "no_mentor_budget")}


def test_rules_count_for_a_stated_value_beside_probabilities() -> None:
    tonight = alerts(
        alert("a", 0.28),
        alert("b", None, kind="rule", rule="never_started"),
        alert("c", 0.9, kind="rule", rule="ticket_open"),
        alert("d", None, kind="rule", rule="mentor_silent"),
    )
    order = ["c", "b", "a", "d"]
    for count in range(5):
        found = ways(routed(tonight, minutes(("m", 20 * count)), matches(*(("m", learner) for learner in "abcd"))))
        assert sorted(learner for learner, way in found.items() if way[0]) == sorted(order[:count])


def test_a_learner_in_two_programmes_is_one_card_charged_once() -> None:
    tonight = alerts(alert("a", 0.5, 20), alert("a", 0.4, 30, programme_id="q"), alert("b", 0.3, 20))
    pairs = pl.concat([matches(("m", "a"), ("m", "b")), matches(("m", "a"), programme="q")])
    found = routed(tonight, minutes(("m", 50)), pairs)
    assert found.alerts["is_served"].all()
    assert found.capacity["used_minutes"].to_list() == [50]


def test_alerts_of_earlier_nights_keep_their_mentor_before_a_new_higher_risk() -> None:
    kept = alert("a", 0.2, mentor_id="m", is_served=True, route_kind="own_mentor")
    found = routed(alerts(kept, alert("b", 0.9)), minutes(("m", 20)), matches(("m", "a"), ("m", "b")))
    assert ways(found) == {"a": ("m", "own_mentor", None), "b": (None, None, "mentor_full")}


def test_what_was_charged_this_week_is_not_charged_again() -> None:
    charged = pl.DataFrame([(None, "m", "a", 20)], schema=NO_CHARGES.schema, orient="row")
    kept = alert("a", 0.2, mentor_id="m", is_served=True, route_kind="own_mentor")
    free = minutes(("m", 40), used=20.0)
    found = routed(alerts(kept, alert("b")), free, matches(("m", "a"), ("m", "b")), charged=charged)
    assert found.alerts["is_served"].all()
    assert found.capacity["used_minutes"].to_list() == [40]


def test_a_route_ends_with_its_match() -> None:
    kept = alert("a", mentor_id="m", is_served=True, route_kind="own_mentor")
    assert ways(routed(alerts(kept), minutes(("m", 60), ("n", 60)), matches(("n", "a"))))["a"][0] == "n"
    unmatched = routed(alerts(kept), minutes(("m", 60)), matches(("m", "z")))
    assert ways(unmatched)["a"] == (None, "coordinator", None)
    coordinated = alert("a", is_served=True, route_kind="coordinator")
    assert ways(routed(alerts(coordinated), minutes(("m", 60)), matches(("m", "a"))))["a"][1] == "own_mentor"


def test_on_a_monday_forty_percent_of_the_free_minutes_are_kept() -> None:
    pairs = matches(("m", "a"), ("m", "b"), ("m", "c"))
    tonight = alerts(alert("a", 0.5), alert("b", 0.4), alert("c", 0.3))
    assert routed(tonight, minutes(("m", 60)), pairs, at=MONDAY).alerts["is_served"].sum() == 1
    assert routed(tonight, minutes(("m", 67)), pairs, at=MONDAY).alerts["is_served"].sum() == 2
    assert routed(tonight, minutes(("m", 60)), pairs, at=WEDNESDAY).alerts["is_served"].sum() == 3


def test_resolved_alerts_pass_with_the_route_they_had() -> None:
    row = alert("a", state="resolved", mentor_id="gone", is_served=True, route_kind="spill_over")
    assert ways(routed(alerts(row), minutes(), matches())) == {"a": ("gone", "spill_over", None)}


def test_a_mentor_without_capacity_or_a_programme_without_a_row_is_an_error() -> None:
    with pytest.raises(RoutingInputError, match="mentor of an active match"):
        routed(alerts(alert("a")), minutes(), matches(("m", "a")))
    with pytest.raises(RoutingInputError, match="programme"):
        route(
            alerts(alert("a")),
            minutes(),
            matches=matches(),
            programmes=programmes(1, "q"),
            mentors=people(),
            charged=NO_CHARGES,
        )


def test_sessions_held_and_alerts_of_earlier_nights_are_used_minutes_of_the_mentors_week() -> None:
    mentors = pl.concat([people("m", held=90.0, planned=15.0), people("n")])
    found = capacity(
        mentors,
        charged=pl.DataFrame([(None, "m", "a", 20), ("p", None, "b", 20)], schema=NO_CHARGES.schema, orient="row"),
        observed_at=WEDNESDAY,
    )
    assert dict(found.schema) == schema_of(CAPACITY)
    assert found.select("mentor_id", "available_minutes", "planned_minutes", "used_minutes").rows() == [
        ("m", 60.0, 15.0, 110.0),
        ("n", 60.0, 0.0, 0.0),
    ]
    assert found["week_starts_on"].unique().to_list() == [MONDAY.date()]


def test_charges_are_those_of_the_running_local_week_one_card_a_learner() -> None:
    def served(learner: str, at: datetime, **given: object) -> dict[str, object]:
        return alert(learner, observed_at=at, mentor_id="m", is_served=True) | given

    history = alerts(
        served("a", MONDAY),
        served("a", MONDAY + timedelta(days=1), expected_minutes=30),
        served("b", MONDAY - timedelta(days=1)),
        served("c", MONDAY, is_served=False),
        served("d", MONDAY, mentor_id=None),
        served("e", WEDNESDAY),
        served("f", MONDAY, mentor_id="west"),
    )
    # In the far west Monday 03:30 UTC is still Sunday of the week before.
    mentors = pl.concat([people("m"), people("west", at=WEDNESDAY - timedelta(hours=8))])
    found = charged_this_week(history, mentors, programmes(), observed_at=WEDNESDAY)
    assert found.rows() == [(None, "m", "a", 30), ("p", None, "d", 20)]


def test_unserved_counts_the_loss_and_fills_one_more_hour_in_order_of_value() -> None:
    tonight = alerts(
        alert("a", 0.5, 40, is_served=False),
        alert("b", 0.4, 30, is_served=False),
        alert("c", 0.3, 20, is_served=False),
        alert("d", 0.2, 10, is_served=False),
        alert("e", 0.9, 20, is_served=True),
        alert("f", 0.9, 20, is_served=False, state="resolved"),
        alert("g", None, 10, is_served=False, kind="rule", rule="commitment_overdue"),
    )
    found = unserved(tonight, programmes(100, "p", "q"), observed_at=WEDNESDAY)
    assert dict(found.schema) == schema_of(UNSERVED)
    first, second = found.iter_rows(named=True)
    assert (first["unserved_alerts_count"], first["served_alerts_count"]) == (5, 1)
    assert first["expected_loss"] == pytest.approx(1.4)
    # 40 + 20 minutes: the second needs 30 and no longer fits.
    assert first["served_by_one_more_hour_count"] == 2
    assert first["loss_served_by_one_more_hour"] == pytest.approx(0.8)
    assert first["week_starts_on"] == MONDAY.date()
    assert (second["programme_id"], second["unserved_alerts_count"], second["expected_loss"]) == ("q", 0, 0.0)


def test_a_night_without_alerts_matches_or_mentors_routes_nothing() -> None:
    history = charged_this_week(alerts(), people(), programmes(), observed_at=WEDNESDAY)
    free = capacity(people(), charged=history, observed_at=WEDNESDAY)
    found = routed(alerts(), free, matches(), charged=history)
    assert found.alerts.is_empty()
    assert found.capacity.is_empty()
    assert unserved(found.alerts, programmes(), observed_at=WEDNESDAY)["unserved_alerts_count"].to_list() == [0]


@st.composite
def nights(draw: st.DrawFn) -> tuple[list[dict[str, object]], dict[str, float], list[tuple[str, str, str]], int]:
    mentors = draw(st.dictionaries(st.sampled_from("mnop"), st.floats(0, 120), min_size=1))
    pairs = draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(mentors)), st.sampled_from("abcdefgh"), st.sampled_from(["p", "q"])),
            unique_by=lambda pair: pair[1:],
        )
    )
    rows = [
        alert(
            learner,
            draw(st.none() | st.floats(0, 1)),
            draw(st.sampled_from([10, 15, 20, 30])),
            programme_id=programme,
            rule="ticket_open",
            mentor_id=(kept := draw(st.none() | st.sampled_from(sorted(mentors)))),
            is_served=None if kept is None else True,
        )
        for learner, programme in draw(
            st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["p", "q"])), unique=True)
        )
    ]
    return rows, mentors, pairs, draw(st.integers(1, 60))


@settings(max_examples=150, deadline=None)
@given(nights(), st.randoms(use_true_random=False), st.sampled_from([MONDAY, WEDNESDAY]))
def test_no_mentor_is_over_capacity_no_learner_charged_twice_and_order_does_not_matter(
    night: tuple[list[dict[str, object]], dict[str, float], list[tuple[str, str, str]], int],
    random: Any,
    at: datetime,
) -> None:
    rows, mentors, pairs, active = night
    free = minutes(*mentors.items())
    matched = pl.concat([matches(), *(matches((m, learner), programme=p) for m, learner, p in pairs)])
    found = routed(alerts(*rows), free, matched, active=active, at=at)

    assert found.alerts.height == len(rows)
    assert (found.alerts["is_served"] == found.alerts["unserved_reason"].is_null()).all()
    assert (found.alerts["is_served"] == found.alerts["route_kind"].is_not_null()).all()
    cards: dict[tuple[str, str], int] = defaultdict(int)
    coordinated: dict[str, int] = defaultdict(int)
    for row in found.alerts.filter("is_served").iter_rows(named=True):
        if row["mentor_id"] is None:
            coordinated[row["programme_id"]] += 1
            assert not any((learner, p) == (row["learner_id"], row["programme_id"]) for _, learner, p in pairs)
        else:
            assert any((m, p) == (row["mentor_id"], row["programme_id"]) for m, _, p in pairs)
            card = (row["mentor_id"], row["learner_id"])
            cards[card] = max(cards[card], row["expected_minutes"])
    used = {mentor: sum(taken for (name, _), taken in cards.items() if name == mentor) for mentor in mentors}
    for mentor, taken in used.items():
        assert taken <= mentors[mentor]
    assert dict(found.capacity.select("mentor_id", "used_minutes").iter_rows()) == used
    assert all(count <= max(1, active // 10) for count in coordinated.values())

    random.shuffle(rows)
    random.shuffle(pairs)
    shuffled = pl.concat([matches(), *(matches((m, learner), programme=p) for m, learner, p in pairs)])
    again = routed(alerts(*rows), free.reverse(), shuffled, active=active, at=at)
    assert again.alerts.equals(found.alerts)
    assert again.capacity.equals(found.capacity)


def test_ten_thousand_alerts_are_routed_in_two_seconds() -> None:
    names = [f"m{number:03}" for number in range(300)]
    tonight = alerts(*(alert(f"l{number:05}", number % 997 / 997) for number in range(10_000)))
    pairs = matches(*((names[number % 300], f"l{number:05}") for number in range(10_000)))
    started = time.perf_counter()
    found = routed(tonight, minutes(*((name, 60.0 + number % 7) for number, name in enumerate(names))), pairs)
    assert time.perf_counter() - started < 2
    assert found.alerts["is_served"].sum() == 900
