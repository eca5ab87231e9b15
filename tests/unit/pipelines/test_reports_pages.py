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
    assert "is estimated to have returned 0.88 for each 1.00 spent" in told
    assert "between \u221240 % and 25 %" in told
    assert "The interval holds zero" in told
    assert "Take this as weak evidence: the interval holds zero." in told


def test_a_cost_is_called_fully_loaded_only_where_all_of_it_is_counted(home):
    principle = {"programme_id": "growth", "principle_number": 10, "principle": "the cost is fully loaded"}
    for is_kept, evidence in ((True, "all is in"), (False, "costs in another currency are not counted: EUR 10")):
        row = principle | {"is_principle_kept": is_kept, "evidence": evidence}
        told = words(publish(home, dim_programme=[programme()], programme_roi=[ROI], roi_principle=[row])["growth"])
        assert ("Cost is fully loaded" in told) is is_kept
        assert ("Not all of its cost is in this: costs in another currency" in told) is not is_kept


def test_what_rounds_to_zero_has_no_sign(home):
    told = words(publish(home, dim_programme=[programme()], programme_roi=[ROI | {"roi_percent": -0.3}])["growth"])
    assert "(ROI) of 0 %" in told


def test_answers_are_told_of_all_asked_only_where_they_are_a_part_of_them(home):
    survey = {
        "programme_id": "growth",
        "subject_type": "mentor",
        "measured_by": "end",
        "outcome_level": 2,
        "is_suppressed": False,
        "verdict": "measurable",
        "asked_count": 13,
        "subjects_count": 13,
    }
    rows = [
        survey | {"construct": "leadership", "response_share": 0.46},
        survey | {"construct": "listening", "response_share": 1.0},
    ]
    page = publish(home, dim_programme=[programme()], programme_outcome=rows)["growth"].read_text("utf-8")
    assert page.count("<td>13</td>") == 1
    assert page.count("<td>13 of 13</td>") == 1


def test_lateness_is_told_of_the_logs_of_which_it_is_known_alone(home):
    count = {"check_name": "row_count", "is_passed": True, "row_count": 7, "quarantined_count": 0}
    late = count | {"check_name": "lateness", "lateness_hours_p95": 68.0}
    rows = [
        *(count | {"table_name": name} for name in ("raw.course", "raw.mentoring_session", "raw.mentoring_message")),
        late | {"table_name": "raw.mentoring_session", "lateness_hours_median": 0.5},
        late | {"table_name": "raw.mentoring_message", "lateness_hours_median": None, "lateness_hours_p95": None},
    ]
    told = words(publish(home, data_quality=rows)["nightly"])
    assert "mentoring session 30 min 68 h For the other inputs it is not known" in told
    assert "course 7 mentoring message 7 mentoring session 7 What was refused" in told
    told = words(publish(home, data_quality=rows[:1])["nightly"])
    assert "What came in" in told
    assert " It is not known how late rows come" in told


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


def test_neither_a_line_nor_a_sum_gives_away_a_programme_with_few_who_wait(home):
    week = {"week_starts_on": date(2026, 3, 2), "served_by_one_more_hour_count": 12}
    names = ("growth", "spring", "succession")
    waiting = [
        week | {"programme_id": name, "unserved_alerts_count": count, "expected_loss": loss}
        for name, count, loss in zip(names, (40, 1, 15), (7.2, 0.9, 2.4), strict=True)
    ]
    open_alerts = alerts("social", 30, is_served=False)
    pages = publish(home, dim_programme=[*map(programme, names)], learner_alerts=open_alerts, unserved_risk=waiting)
    told = words(pages["nightly"])
    assert "7 abandonments are expected within 28 days; one more hour in each programme would reach 12 more" in told
    assert "Growth for everyone 40 7.2 12" in told
    assert told.count("Growth for everyone few few few") == 2


def test_a_part_whose_rest_is_few_is_no_number(home):
    open_alerts = alerts("social", 30, is_served=True) + alerts("technical", 4, is_served=False)
    told = words(publish(home, dim_programme=[programme()], learner_alerts=open_alerts)["nightly"])
    assert "minutes reach all but a few of them" in told


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
