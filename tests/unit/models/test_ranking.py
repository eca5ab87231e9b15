"""What serving an alert counts for."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking import RULE_VALUE, EffectEstimate, RankingInputError, ranked
from tests.unit.models.test_routing import alert, alerts

EFFECT = EffectEstimate("a trial", (0.9, 0.8, 0.5), edges=(0.2, 0.4))


def values(frame: pl.DataFrame) -> list[float]:
    return [round(value, 6) for value in frame["routing_value"]]


def test_without_an_effect_an_alert_counts_for_its_probability_and_a_rule_without_one_for_its_value() -> None:
    tonight = alerts(
        alert("a", 0.28),
        alert("b", None, kind="rule", rule="never_started"),
        alert("c", 0.9, kind="rule", rule="ticket_open"),
        alert("d", 0.01, kind="rule", rule="goal_behind"),
        alert("e", None),
    )
    found = ranked(tonight)
    assert values(found) == [0.28, 0.3, 0.9, 0.01, 0.0]
    assert set(found["ranked_by"]) == {"probability"}


def test_with_an_effect_it_counts_for_the_risk_that_contact_takes_away_in_its_third() -> None:
    tonight = alerts(
        alert("a", 0.1), alert("b", 0.2), alert("c", 0.6), alert("d", None, kind="rule", rule="never_started")
    )
    found = ranked(tonight, EFFECT)
    assert values(found) == [0.01, 0.04, 0.3, 0.06]
    assert set(found["ranked_by"]) == {"risk_reduction"}


def test_where_contact_raises_the_risk_it_counts_for_nothing_and_never_less() -> None:
    found = ranked(alerts(alert("a", 0.1), alert("b", 0.6)), EffectEstimate("a trial", (1.3, 1.0, 0.5), (0.2, 0.4)))
    assert values(found) == [0.0, 0.3]


def test_without_edges_the_thirds_are_those_of_tonights_open_risk_alerts() -> None:
    risks = [alert(name, risk) for name, risk in zip("abcdef", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)]
    others = [alert("g", 0.9, state="resolved"), alert("h", 0.9, kind="rule", rule="ticket_open")]
    found = ranked(alerts(*risks, *others), EffectEstimate("a trial", (0.9, 0.8, 0.5)))
    assert values(found) == [0.01, 0.02, 0.06, 0.08, 0.25, 0.3, 0.45, 0.45]
    no_risk = ranked(alerts(others[1]), EffectEstimate("a trial", (0.9, 0.8, 0.5)))
    assert values(no_risk) == [0.09]


def test_good_news_counts_for_nothing_in_either_order() -> None:
    news = alerts(alert("a", 0.9, kind="good_news", rule="back_on_track"))
    assert values(ranked(news)) == values(ranked(news, EFFECT)) == [0.0]


def test_an_effect_has_three_positive_ratios_and_edges_in_order() -> None:
    with pytest.raises(RankingInputError, match="three positive"):
        EffectEstimate("a trial", (0.5, 0.0, 0.5))
    with pytest.raises(RankingInputError, match="lower one first"):
        EffectEstimate("a trial", (0.5, 0.5, 0.5), edges=(0.4, 0.2))


@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 1), st.none() | st.sampled_from(sorted(RULE_VALUE))), min_size=1, max_size=8
    ),
    st.none() | st.tuples(*[st.floats(0.1, 2)] * 3),
    st.randoms(use_true_random=False),
)
def test_values_are_never_negative_and_no_matter_of_the_order_of_rows(
    kinds: list[tuple[float | None, str | None]], ratios: tuple[float, float, float] | None, random: Any
) -> None:
    rows = [
        alert(f"l{number}", risk, kind="risk" if rule is None else "rule", rule=rule)
        for number, (risk, rule) in enumerate(kinds)
    ]
    effect = None if ratios is None else EffectEstimate("a trial", ratios)
    found = ranked(alerts(*rows), effect)
    assert found["routing_value"].is_between(0, 1).all()
    random.shuffle(rows)
    assert ranked(alerts(*rows), effect).sort("alert_id").equals(found.sort("alert_id"))
