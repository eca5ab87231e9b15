"""What an analyst sees of last night in Dagster's UI, in a real browser."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import ROOT, words_of

ASSETS = json.loads((ROOT / "tests/golden/definitions.json").read_text("utf-8"))["assets"]
GROUPS = sorted({asset["group"] for asset in ASSETS.values()})


def test_the_graph_shows_every_group_in_the_order_of_the_pipeline(ui, look):
    text = look().at(f"{ui.address}/asset-groups/", "graph", wait=f"text={GROUPS[-1]}")
    places = [text.find(group) for group in GROUPS]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["alert_current", "risk_quality", "programme_roi"])
def test_an_asset_page_says_what_the_table_is_and_shows_its_plot_without_a_click(ui, look, name, scheme):
    seen = look(scheme=scheme)
    text = words_of(seen.at(f"{ui.address}/assets/{name}?view=events", f"asset_{name}_{scheme}", wait="table img"))
    assert "row_count" in text
    pictures = seen.page.eval_on_selector_all("table img", "all => all.map(one => one.naturalWidth)")
    assert pictures
    assert all(width > 0 for width in pictures)
    overview = words_of(seen.at(f"{ui.address}/assets/{name}", f"overview_{name}_{scheme}", wait="text=Column name"))
    assert "Row count" in overview
    assert ASSETS[name]["group"] in overview


def test_a_check_page_says_how_much_was_judged(ui, look):
    name = "alert_current_contract"
    address = f"{ui.address}/assets/alert_current?view=checks&checkDetail={name}"
    text = words_of(look().at(address, "check", wait="text=Latest execution"))
    assert "Passed" in text
    assert "expectations" in text


def test_the_nightly_schedule_is_on(ui, look):
    seen = look()
    text = words_of(seen.at(f"{ui.address}/automation", "automation", wait="text=nightly_schedule"))
    assert "At 03:30 AM" in text
    is_on = "[...document.querySelectorAll('input[type=checkbox]')].some(one => one.checked)"
    assert seen.page.evaluate(is_on)


def test_a_night_of_the_command_line_stands_on_the_timeline(ui, look):
    seen = look()
    text = words_of(seen.at(f"{ui.address}/overview/activity/timeline", "timeline", wait="text=nightly"))
    assert "nightly" in text
    runs = words_of(seen.at(f"{ui.address}/runs", "runs", wait="text=nightly"))
    assert "Success" in runs
