"""What a digest says, to whom, and that no reader and no spreadsheet is harmed or told too much by it."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from pipelines.marts import MART_QUERIES, MartContext
from pipelines.sinks.digest import Card, Digest, Part, Section, Task
from pipelines.sinks.digest_files import html, table, write
from pipelines.sinks.webhook import Patience
from tests.hook_server import SECRET, Receiver
from tests.unit.pipelines.marts_rows import OBSERVED, WEEK_10, add, at
from tests.unit.pipelines.sinks_rows import (
    ANA,
    BEN,
    CLEO,
    COL,
    DAN,
    EVA,
    MAX,
    MEG,
    NOA,
    REASON,
    alert,
    day_folder,
    days,
    delivered,
    named,
    people,
    tonight,
)
from tests.unit.pipelines.test_report_page import Page

PROHIBITED = "Not for appraisal, pay, selection or discipline, of learners or of mentors."


@pytest.fixture
def told(house):
    people(house.warehouse)
    return house.warehouse


@pytest.fixture
def night(house, told):
    return tonight(house.night)


class Words(HTMLParser):
    """What a reader sees of a page."""

    def __init__(self, text):
        super().__init__()
        self.shown, self._is_hidden = [], False
        self.feed(text)

    def handle_starttag(self, tag, _):
        self._is_hidden = tag in {"style", "title"}

    def handle_endtag(self, _):
        self._is_hidden = False

    def handle_data(self, data):
        if not self._is_hidden and data.strip():
            self.shown.append(" ".join(data.split()))

    @property
    def text(self):
        return " ".join(self.shown)


def page(night, recipient):
    return (day_folder(night) / f"{recipient}.html").read_text("utf-8")


def words(night, recipient):
    return Words(page(night, recipient)).text


def cells(night, recipient):
    text = (day_folder(night) / f"{recipient}.csv").read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


# what it says


def test_a_peer_mentor_reads_who_what_why_and_how_to_answer(night, told):
    alert(told, "ab12", is_too_early=False)
    add(
        told,
        "alerts.capacity",
        mentor_id=MEG,
        observed_at=OBSERVED,
        available_minutes=90.0,
        planned_minutes=30.0,
        used_minutes=35.0,
        alert_minutes=20.0,
    )
    delivered(night)
    text = words(night, MEG)
    for said in (
        "Hello Meg Moss",
        "in the week of Monday 11 March 2024",
        "This asks for about 20 minutes ; you have 45 free minutes this week",
        PROHIBITED,
        "Ana Alba ana@example.org Pilots",
        "Help with how they study: pace, planning, regularity",
        "Write: a message will do",
        "work due on 20 March",
        REASON,
        "about 3 in 10 (28 %), up 12 points in 7 days",
        "skill: due 22 March 2024, 50 % attained",
        "handrail feedback REFERENCE acted",
        "alert_feedback",
        "ab12",
    ):
        assert said in text, said
    (row, use) = cells(night, MEG)
    assert (row["name"], row["address"], row["reference"]) == ("Ana Alba", "ana@example.org", "ab12")
    assert use["why"] == PROHIBITED


def test_a_score_on_too_short_a_history_is_no_number(night, told):
    alert(told, "a", is_too_early=True)
    delivered(night)
    assert "Too early for a probability" in words(night, MEG)
    assert "in 10" not in words(night, MEG)


def test_cards_stand_in_order_of_value_for_whoever_sees_all_and_of_the_alphabet_for_others(night, told):
    for mentor_id in (MEG, MAX, EVA):
        for learner_id, value in ((CLEO, 0.9), (ANA, 0.1), (BEN, 0.5)):
            alert(
                told,
                f"{mentor_id[:2]}{learner_id[:2]}",
                mentor_id=mentor_id,
                learner_id=learner_id,
                routing_value=value,
                abandonment_probability_28d=value,
            )
    delivered(night)
    for mentor_id, names in (
        (MEG, ["Cleo Cruz", "Ben Borg", "Ana Alba"]),
        (MAX, ["Ana Alba", "Ben Borg", "Cleo Cruz"]),
        (EVA, ["Ana Alba", "Ben Borg", "Cleo Cruz"]),
    ):
        assert re.findall("Ana Alba|Ben Borg|Cleo Cruz", words(night, mentor_id)) == names
        assert [row["name"] for row in cells(night, mentor_id) if row["name"]] == names


def test_minutes_of_a_learner_count_once_and_not_at_all_soon_after_contact(night, told):
    alert(told, "a", expected_minutes=20)
    alert(told, "a2", programme_id="Q", expected_minutes=30, due_minutes=30)
    alert(told, "b", learner_id=BEN, due_minutes=0, state="acted")
    delivered(night)
    assert "about 30 minutes" in words(night, MEG)
    assert "none: you were in contact lately" in words(night, MEG)


def test_a_learner_with_alerts_in_two_programmes_has_one_card(night, told):
    alert(told, "a")
    alert(told, "b", learner_id=BEN, routing_value=0.2)
    alert(told, "a2", programme_id="Q", routing_value=0.1)
    delivered(night)
    assert words(night, MEG).count("Ana Alba") == 1
    assert re.findall("Reference (a2|a|b)", words(night, MEG)) == ["a", "a2", "b"]
    assert [row["reference"] for row in cells(night, MEG) if row["name"]] == ["a", "a2", "b"]


def test_a_learner_who_is_another_mentors_in_one_programme_is_not_named_in_it(night, told):
    alert(told, "own")
    alert(told, "other", programme_id="Q", route_kind="spill_over", routing_value=0.1)
    delivered(night)
    assert re.findall(f"Ana Alba|Learner {ANA[:8]}", words(night, MEG)) == ["Ana Alba", f"Learner {ANA[:8]}"]


def test_another_mentors_learner_is_named_only_where_the_programme_allows_it(night, told):
    alert(told, "a", mentor_id=NOA, route_kind="spill_over")
    delivered(night)
    assert "Ana" not in page(night, NOA)
    assert "ana@" not in page(night, NOA)
    assert f"Learner {ANA[:8]}" in words(night, NOA)
    again = tonight(night, run_id="again", names_in_spill_over=("P",))
    delivered(again)
    assert "Ana Alba ana@example.org Pilots" in words(again, NOA)


def test_a_coordinator_reads_whose_answer_is_missing(night, told):
    alert(told, "a", escalated_at=OBSERVED)
    alert(told, "d", learner_id=DAN, mentor_id=NOA, escalated_at=OBSERVED)
    delivered(night)
    text = words(night, COL)
    assert "No answer from Meg Moss yet." in text
    assert "No answer from the mentor yet." in text
    assert "No answer" not in words(night, MEG)


def test_a_coordinator_who_is_the_learners_manager_sees_agreements_alone(night, told):
    add(told, "raw.learner", learner_id=ANA, manager_id=COL, known_at=at(3, 12))
    alert(told, "a", mentor_id=None, route_kind="coordinator")
    delivered(night)
    assert "Learners to talk to this week" in words(night, COL)
    assert REASON not in page(night, COL)


def test_good_news_stands_apart_and_asks_for_nothing(night, told):
    alert(
        told,
        "good",
        kind="good_news",
        rule="back_on_track",
        reason_1_text="active again on 3 days",
        expected_minutes=0,
        due_minutes=0,
        abandonment_probability_28d=0.04,
        probability_change_7d=-0.2,
    )
    delivered(night)
    text = words(night, MEG)
    assert "Good news Ana Alba" in text
    assert "active again on 3 days" in text
    assert "in 100" not in text
    assert "Help with" not in text
    assert "Reference" not in text


def test_technical_tasks_of_their_learners_courses_stand_in_the_week_s_digest(night, told):
    issue = {"course_id": "C", "issues_count": 1, "learners_count": 1, "week_starts_on": WEEK_10}
    told.execute(
        "CREATE TEMP TABLE issues AS SELECT unnest(['content', 'design', 'evaluation', 'dead_resource', "
        "'documentation']) AS cause, 'https://lms.example/page' AS evidence"
    )
    alert(told, "a")
    alert(told, "a", days(1), opened=False, risk_band="high", mentor_id=NOA)

    def with_issues(moved):
        moved.warehouse.execute(f"ATTACH '{moved.home.marts_file}' AS file")
        moved.warehouse.execute(
            f"INSERT INTO file.course_issues SELECT 'C', cause, DATE '{issue['week_starts_on']}', 1, 1, evidence, 'p' "
            "FROM issues"
        )
        moved.warehouse.execute("DETACH file")
        return moved

    delivered(with_issues(night))
    text = words(night, MEG)
    assert "Knots Nobody opens it any more: does the link still work? https://lms.example/page" in text
    assert "Knots Learners asked for help with instructions" in text
    assert text.count("https://lms.example/page") == 2
    assert "href" not in page(night, MEG)
    thursday = with_issues(tonight(night, days(1)))
    delivered(thursday)
    (moved,) = day_folder(thursday, days(1).date()).glob("*.html")
    assert "lms.example" not in moved.read_text("utf-8")


def test_a_digest_in_between_says_so(night, told):
    delivered(tonight(night, days(5)))
    alert(told, "high", days(6), risk_band="high")
    tuesday = tonight(night, days(6))
    delivered(tuesday)
    text = Words((day_folder(tuesday, days(6).date()) / f"{MEG}.html").read_text("utf-8")).text
    assert "News for Tuesday 19 March 2024." in text


# nobody is told too much


@pytest.mark.parametrize("band", ["low", "middle", "high"])
def test_no_way_tells_a_manager_or_an_external_mentor_a_number_rank_band_or_reason(house, told, monkeypatch, band):
    add(told, "raw.learner", learner_id=DAN, manager_id=MEG, known_at=at(3, 12))
    marks = {
        "abandonment_probability_28d": 0.5761,
        "probability_change_7d": -0.3972,
        "routing_value": 0.6868,
        "risk_band": band,
        "reason_1_text": "reason one",
        "reason_2_text": "reason two",
        "reason_3_text": "reason three",
        "reason_1_family": "recency",
        "reason_2_family": "pace",
        "rule": "cadence_broken",
        "model_id": "the model",
        "escalated_at": OBSERVED,
        "is_too_early": False,
    }
    for number, (mentor_id, learner_id) in enumerate(((MAX, BEN), (EVA, CLEO), (MEG, DAN), (NOA, ANA))):
        alert(told, f"x{number}", mentor_id=mentor_id, learner_id=learner_id, **marks)
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", SECRET)
    with Receiver() as receiver:
        night = tonight(house.night, webhook_url=receiver.url)
        delivered(night, patience=Patience(0.01, 1, 10))
        posted = [request.body.decode() for request in receiver.requests]
    assert len(posted) == 4
    mart = [
        json.dumps(row, default=str)
        for row in told.frame(f"FROM ({MART_QUERIES['alert_cards'](MartContext.of(night))})").to_dicts()
    ]
    assert len(mart) == 4
    files = {path.name: path.read_bytes().decode() for path in day_folder(night).iterdir() if path.stem != COL}
    assert len(files) == 8
    # The name of a column is no leak; what stands in it is.
    names = re.compile(r'"[a-z_0-9]+": ')
    outputs = {
        **files,
        **{f"post {n}": text for n, text in enumerate(posted)},
        **{f"row {n}": text for n, text in enumerate(mart)},
    }
    leaks = re.compile(
        rf"0\.57|57[.6 ]|58 ?%|in 10\b|0\.39|3972|4\d points|0\.68|reason (one|two|three)|recency|"
        rf"cadence|the model|\b{band}\b|probability|escalat",
        re.IGNORECASE,
    )
    for name, text in outputs.items():
        shown = Words(text).text if name.endswith("html") else names.sub("", text)
        shown = shown.replace("Help with how they study: pace, planning, regularity", "")
        assert not leaks.search(shown.replace('"escalated"', "")), (name, leaks.search(shown))
    for name in (f"{MAX}.html", f"{MAX}.csv", f"{MEG}.html", f"{MEG}.csv"):
        assert not re.search("risk|alert|minutes|methodological|asynchronous|message", files[name], re.IGNORECASE), name
    for text in posted:
        said = json.loads(text)
        assert "kind" not in said
        assert ("level" in said) is (said["mentor_id"] in (EVA, NOA))


def test_what_a_mentor_who_sees_all_is_told_of_one_learner_says_nothing_of_another(night, told):
    add(told, "raw.learner", learner_id=BEN, manager_id=MEG, known_at=at(3, 12))
    alert(told, "a")
    alert(told, "b", learner_id=BEN, reason_1_text="a reason of Ben's", expected_minutes=30, due_minutes=30)
    delivered(night)
    text = words(night, MEG)
    assert "a reason of Ben's" not in text
    assert "This asks for about 20 minutes" in text
    of_ben = next(row for row in cells(night, MEG) if row["name"] == "Ben Borg")
    assert not any(of_ben[name] for name in ("what", "how", "minutes", "why"))


# nobody is harmed


HOSTILE = [
    '=HYPERLINK("https://evil.example","x")',
    "\t+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "＝1+1",  # noqa: RUF001 - full width
    "<script>alert(1)</script>",
    "</article><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "Ana \u202egpj.exe\u202c\u2066\u2069",
    "\"><a href='https://evil.example'>x</a>",
    "O'Brien & Söhne",
    "x" * 5000,
    "ليلى حسن",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_name_whatever_it_looks_like(night, told, name):
    named(told, ANA, name, address=name)
    told.execute("UPDATE raw.programme SET name = ?", [name])
    alert(told, "a", next_step=name, reason_1_text=name)
    delivered(tonight(night, run_id="renamed"))
    text, found = page(night, MEG), Page(page(night, MEG))
    assert found.open == []
    tags = {tag for tag, _ in found.tags}
    assert not tags & {"script", "img", "a", "link", "iframe", "object", "form", "svg"}
    assert not [
        attrs for _, attrs in found.tags if any(key.startswith("on") or key in {"href", "src"} for key in attrs)
    ]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x09\x0b-\x1f]", text)
    # Each text of theirs is kept apart from its neighbours' direction.
    assert len(found.all("bdi")) >= 6
    for row in cells(night, MEG):
        for cell in row.values():
            assert not re.match(r"\s*[=+\-@\t\r＝＋－＠]", cell)  # noqa: RUF001
    raw = (day_folder(night) / f"{MEG}.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert all(line.startswith(b'"') and line.endswith(b'"') for line in raw[3:].rstrip(b"\r\n").split(b"\r\n"))


def test_files_are_for_their_owner_alone_also_where_the_folder_was_open_before(night, told):
    folder = day_folder(night)
    folder.mkdir(parents=True, mode=0o755)
    outside = night.home.path / "outside"
    outside.write_text("untouched")
    (folder / f".{MEG}.html.building").symlink_to(outside)
    alert(told, "a")
    delivered(night)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
    assert outside.read_text() == "untouched"


# the page


PART = Part("Pilots", (("What", "Help"),), ("no activity for 9 days",), "ab12")
CARD = Card(ANA, "Ana", "ana@example.org", (PART,))
DIGEST = Digest(
    MEG,
    date(2024, 3, 11),
    "Meg",
    True,
    20,
    60,
    (Section("Learners to support", "In order.", (CARD,)),),
    (CARD,),
    ("3 wait",),
    (Task("Knots", "Look", "There"),),
)


def test_a_page_is_whole_fetches_nothing_and_has_headings_and_heads_of_tables():
    found = Page(html(DIGEST))
    assert found.open == []
    assert found.all("html") == [{"lang": "en"}]
    (policy,) = [meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.all("meta")
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    assert [head["scope"] for head in found.all("th")] == ["col", "col", "row"]
    assert not {"script", "link", "img", "a"} & {tag for tag, _ in found.tags}
    assert "url(" not in html(DIGEST)
    assert "@import" not in html(DIGEST)


def test_nothing_in_a_digest_depends_on_when_it_is_written(tmp_path):
    first = write(tmp_path / "one", DIGEST)
    second = write(tmp_path / "two", DIGEST)
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".csv").read_bytes() == second.with_suffix(".csv").read_bytes()
    assert table(DIGEST).count("\r\n") == 6
