"""The pages of a publication: read from its marts alone, nothing about a person, nothing left of the last one's."""

import re
from datetime import date, datetime

import duckdb
import pytest

from data_contracts.tables.marts import MARTS
from pipelines.home import Home
from pipelines.reports.pages import programme_page, write_reports
from tests.unit.pipelines.test_report_page import Page

AT = datetime.fromisoformat("2026-03-02")
EVIL = "../../evil"
PUBLICATION = {
    "publication_id": "p1",
    "run_id": "r1",
    "published_at": AT,
    "observed_at": AT,
    "contract_version": "1",
    "code_version": "1",
    "settings": "{}",
    "row_counts": "{}",
    "failed_sources": "",
}
ROI = {
    "programme_id": "growth",
    "course_id": "all",
    "strand": "all",
    "component": "programme",
    "method": "full",
    "isolation": "attribution",
    "is_headline": True,
    "is_suppressed": False,
    "period_starts_on": date(2025, 3, 1),
    "period_ends_on": date(2026, 3, 1),
    "learners_count": 120,
    "cost_amount": 50_000.0,
    "currency": "EUR",
    "verdict": "weak",
    "withheld_reason": "the interval holds zero",
    "roi_percent": -12.0,
    "roi_low_percent": -40.0,
    "roi_high_percent": 25.0,
    "benefit_cost_ratio": 0.88,
    "roi_positive_probability": 0.2,
}
EFFECT = {
    "programme_id": "growth",
    "contrast": "first_contact",
    "subgroup_kind": "all",
    "subgroup": "all",
    "role": "primary",
    "estimand": "e",
    "verdict": "cannot_say",
    "verdict_rule": "treated_too_few",
    "reason": "40 were treated; 100 are needed",
}


def alerts(level, people, *, is_served):
    return [
        {
            "alert_id": f"alert-{level}-{is_served}-{number}",
            "learner_id": f"learner-{level}-{is_served}-{number}",
            "programme_id": "growth",
            "kind": "risk",
            "state": "new",
            "level": level,
            "is_served": is_served,
            "mentor_id": "mentor-secret",
            "opened_at": AT,
            "observed_at": AT,
        }
        for number in range(people)
    ]


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    return home


def publish(home, **rows):
    """Marts by their contract with the rows given, columns not given null."""
    home.marts_file.unlink(missing_ok=True)
    with duckdb.connect(str(home.marts_file)) as con:
        for name, table in MARTS.items():
            con.execute(f"CREATE TABLE {name} ({', '.join(f'{c.name} {c.sql_type}' for c in table.columns)})")
            for row in [PUBLICATION] if name == "publication" else rows.get(name, []):
                marks = ", ".join("?" * len(row))
                con.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    return {"nightly": home.nightly_report, "index": home.reports_index, **write_reports(home)}


def programme(programme_id="growth", name="Growth for everyone"):
    return {"programme_id": programme_id, "name": name, "currency": "EUR"}


def words(path):
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", path.read_text("utf-8"), flags=re.DOTALL).split())


def test_a_night_without_programmes_and_without_a_model_has_its_pages(home):
    pages = publish(home)
    assert set(pages) == {"nightly", "index"}
    told = words(pages["nightly"])
    assert "There is no model yet: there is too little history" in told
    assert "No alert is open" in told
    assert "None yet." in words(pages["index"])


def test_a_programme_of_which_nothing_is_known_says_so_in_each_section(home):
    told = words(publish(home, dim_programme=[programme()])["growth"])
    for sentence in (
        "Neither costs nor benefits are on record",
        "No cost is on record",
        "No effect has been estimated",
        "No survey and no goal is on record",
        "There is no other programme to stand beside",
        "No return was worked out",
    ):
        assert sentence in told


def test_a_return_is_told_with_its_interval_its_doubt_and_its_reason(home):
    told = words(publish(home, dim_programme=[programme()], programme_roi=[ROI])["growth"])
    assert "returned 0.88 for each 1.00 spent" in told
    assert "between \u221240 % and 25 %" in told
    assert "The interval holds zero" in told
    assert "Take this as weak evidence: the interval holds zero." in told


def test_what_cannot_be_said_has_its_reason_and_no_figure(home):
    unknown = ROI | {
        "verdict": "cannot_say",
        "withheld_reason": "no value per completion",
        "roi_percent": None,
        "roi_low_percent": None,
        "roi_high_percent": None,
        "benefit_cost_ratio": None,
        "roi_positive_probability": None,
    }
    pages = publish(home, dim_programme=[programme()], programme_roi=[unknown], mentoring_effect=[EFFECT])
    told = words(pages["growth"])
    assert "returned cannot be said: no value per completion" in told
    assert "What a first contact by the mentor changed in abandonment cannot be said: 40 were treated" in told
    assert "%, and with 95" not in told


def test_a_suppressed_row_stays_suppressed(home):
    hidden = (
        ROI | {name: None for name in ROI if name.startswith(("roi_", "cost_", "benefit_"))} | {"is_suppressed": True}
    )
    told = words(publish(home, dim_programme=[programme()], programme_roi=[hidden])["growth"])
    assert "What it cost and returned is withheld: few people." in told


def test_counts_of_few_learners_are_withheld_and_so_is_what_would_give_them_away(home):
    found = [
        *alerts("social", 3, is_served=True),
        *alerts("technical", 12, is_served=True),
        *alerts("educational", 40, is_served=True),
    ]
    page = publish(home, dim_programme=[programme()], learner_alerts=found)["nightly"].read_text("utf-8")
    assert '<th scope="row">social</th><td>few</td>' in page
    assert '<th scope="row">technical</th><td>few</td>' in page
    assert '<th scope="row">educational</th><td>40</td>' in page


def test_a_sum_of_probabilities_of_few_people_is_withheld(home):
    week = {"programme_id": "growth", "week_starts_on": date(2026, 3, 2), "served_by_one_more_hour_count": 2}
    one = week | {"unserved_alerts_count": 1, "expected_loss": 0.37}
    page = publish(
        home, dim_programme=[programme()], learner_alerts=alerts("social", 30, is_served=True), unserved_risk=[one]
    )
    assert "0.4" not in words(page["nightly"])
    many = week | {"unserved_alerts_count": 40, "expected_loss": 7.4}
    page = publish(
        home, dim_programme=[programme()], learner_alerts=alerts("social", 30, is_served=True), unserved_risk=[many]
    )
    assert "7.4" in words(page["nightly"])


def test_no_page_names_a_learner_or_a_mentor(home):
    pages = publish(home, dim_programme=[programme()], learner_alerts=alerts("social", 30, is_served=False))
    for page in pages.values():
        assert "learner-" not in page.read_text("utf-8")
        assert "mentor-secret" not in page.read_text("utf-8")


def test_every_page_is_whole_and_fetches_nothing(home):
    pages = publish(
        home,
        dim_programme=[programme(name="<script>alert(1)</script>")],
        programme_roi=[ROI],
        mentoring_effect=[EFFECT],
        learner_alerts=alerts("social", 30, is_served=False),
    )
    for path in pages.values():
        text = path.read_text("utf-8")
        page = Page(text)
        assert page.open == []
        assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "image", "use"}
        assert "url(" not in text
        assert not re.search(r"(href|src)=\"(\w+:|//)", text)
        assert all(svg["aria-label"] and svg["role"] == "img" for svg in page.all("svg"))
        assert len({attrs["id"] for attrs in page.all("h2")}) == len(page.all("h2"))


def test_links_between_pages_lead_to_pages(home):
    pages = publish(home, dim_programme=[programme(), programme(EVIL, "Evil")], programme_roi=[ROI])
    for path in pages.values():
        for attrs in Page(path.read_text("utf-8")).all("a"):
            target, _, anchor = attrs["href"].partition("#")
            assert (path.parent / target).is_file() if target else anchor


def test_a_page_of_a_programme_lies_in_its_folder_whatever_the_programme_is_called(home):
    names = [EVIL, "Growth", "growth", "index", "course:growth", "", "x" * 300, "å"]
    files = [programme_page(home, name) for name in names]
    assert all(file.parent == home.programme_reports and len(file.name) < 100 for file in files)
    assert all(re.fullmatch(r"[a-z0-9-]+\.html", file.name) for file in files)
    assert len({file.name for file in files}) == len(names)


def test_the_page_of_a_programme_that_is_no_longer_published_goes(home):
    old = publish(home, dim_programme=[programme("spring", "Spring")])["spring"]
    assert old.exists()
    publish(home, dim_programme=[programme()])
    assert not old.exists()
    assert [file.name for file in home.programme_reports.iterdir()] == ["growth.html"]
