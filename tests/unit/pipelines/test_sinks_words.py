"""Text from data is safe to show, and numbers read as people say them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card_words import PROHIBITED
from pipelines.sinks.words import (
    CHANNELS,
    LEVELS,
    PROHIBITED_USES,
    cell,
    chance,
    inert,
    plain,
    trend,
    unread_as_formula,
)


@given(st.text())
def test_nothing_shown_can_turn_hide_or_break_a_line(text):
    shown = plain(text)
    assert not [
        character
        for character in shown
        if unicodedata.category(character)[0] == "C" and character not in "\u200c\u200d"
    ]
    assert len(shown.splitlines()) <= 1
    assert plain(shown) == shown


def test_names_of_all_scripts_stay_as_they_are_written():
    for name in ("Zoë O'Brien", "ليلى", "می‌خواهم", "李小龍", "Nguyễn Thị Ánh", "Jean-Luc", "👩‍🎓"):
        assert plain(name) == name
    assert plain("Ana\u202e\u2066gpj.exe\u2069\x00\x1b[31m\ufeff \u200b Alba\r\nx") == "Anagpj.exe[31m Alba x"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])  # noqa: RUF001 - that is the point
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "\u00a0", "\u3000", "\u202e", "\ufeff", "\x00"])
def test_no_cell_is_a_formula_whatever_stands_before_it(sign, before):
    assert cell(f"{before}{sign}cmd|'/c calc'!A1") == f"'{sign}cmd|'/c calc'!A1"


@given(st.text())
def test_a_cell_never_begins_like_a_formula(text):
    assert not cell(text).lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))  # noqa: RUF001


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "about 1 in 100 (0 %)"),
        (0.032, "about 3 in 100 (3 %)"),
        (0.05, "about 1 in 10 (5 %)"),
        (0.283, "about 3 in 10 (28 %)"),
        (0.949, "about 9 in 10 (95 %)"),
        (0.95, "more than 9 in 10 (95 %)"),
        (0.97, "more than 9 in 10 (97 %)"),
    ],
)
def test_a_probability_is_told_as_people_count(probability, words):
    assert chance(probability) == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, ""),
        (0.004, "unchanged in 7 days"),
        (0.121, "up 12 points in 7 days"),
        (-0.011, "down 1 point in 7 days"),
    ],
)
def test_a_trend_is_told_in_points(change, words):
    assert trend(change) == words


def test_every_level_and_channel_has_words_and_the_prohibited_uses_are_the_model_card_s():
    from data_contracts.fields import FIELDS  # noqa: PLC0415 - only here

    assert set(LEVELS) == set(FIELDS["level"].values)
    assert set(CHANNELS) == set(FIELDS["alert_channel"].values)
    assert PROHIBITED[0].startswith(PROHIBITED_USES)


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-2", "@SUM(A1)", "\t=cmd|' /C calc'!A0", "\uff1d1", "\r=1", " =1"])
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe_and_is_else_as_it_was(text):
    assert unread_as_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Ana", "a=b", "3-4", "'=1"])
def test_any_other_text_stays_as_it_is(text):
    assert unread_as_formula(text) == text


@given(st.text())
def test_whatever_comes_from_data_a_terminal_gets_lines_of_visible_characters_alone(text):
    shown = inert(text)
    assert len(shown) == len(text)
    moving = {sign for sign in shown if unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t"}
    assert not moving
    assert inert("\x1b[31mred\x9b2J \u202egnp.exe\u200b\r") == "\ufffd[31mred\ufffd2J \ufffdgnp.exe\ufffd\ufffd"
