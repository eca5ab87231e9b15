"""What is written down, for whom and when; and that it is sent once, whatever happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import runs
from pipelines.sinks import outbox
from pipelines.sinks.webhook import Patience
from tests.hook_server import SECRET, Receiver
from tests.unit.pipelines.marts_rows import OBSERVED, add, at
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
    deliveries,
    happened,
    people,
    tonight,
)

QUICK = Patience(backoff_seconds=0.01, longest_wait_seconds=1, night_seconds=20)
MONDAY, TUESDAY = days(5), days(6)


@pytest.fixture
def told(house):
    people(house.warehouse)
    return house.warehouse


@pytest.fixture
def night(house, told):
    return tonight(house.night)


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", SECRET)
    with Receiver() as running:
        yield running


def digests(night):
    """(recipient, alert) of what is in the outbox tonight, as alerts.delivery has it."""
    on = f"{night.observed_at.date()}"
    rows = deliveries(night, "recipient_id", "alert_id", "payload", "delivery_state", "sink")
    return {
        (recipient, alert_id)
        for recipient, alert_id, payload, state, sink in rows
        if sink == "digest" and state == "sent" and json.loads(payload)["digest_on"] == on
    }


def files(night):
    return {path.relative_to(night.home.outbox): path.read_bytes() for path in night.home.outbox.rglob("*.*")}


def after_monday(night, warehouse):
    """Monday's night was delivered; a middle and a high alert since."""
    monday = tonight(night, MONDAY)
    alert(warehouse, "old", MONDAY)
    delivered(monday)
    assert digests(monday) == {(MEG, "old")}
    alert(warehouse, "old", TUESDAY, opened=False)
    return tonight(night, TUESDAY)


# digests: when and for whom


def test_the_first_night_of_a_week_tells_each_mentor_of_all_their_cards(night, told):
    for name, mentor_id, learner_id in (("a", MEG, ANA), ("b", MAX, BEN), ("c", EVA, CLEO), ("d", NOA, DAN)):
        alert(told, name, mentor_id=mentor_id, learner_id=learner_id)
    assert delivered(night) == 4
    assert digests(night) == {(MEG, "a"), (MAX, "b"), (EVA, "c"), (NOA, "d")}
    assert {path.name for path in day_folder(night).iterdir()} == {
        f"{mentor}.{kind}" for mentor in (MEG, MAX, EVA, NOA) for kind in ("html", "csv")
    }


def test_on_other_days_only_what_cannot_wait_is_told_and_once(night, told):
    tuesday = after_monday(night, told)
    alert(told, "middle", TUESDAY)
    alert(told, "high", TUESDAY, risk_band="high")
    alert(told, "started not", TUESDAY, kind="rule", rule="never_started", risk_band=None)
    assert delivered(tuesday) == 2
    assert digests(tuesday) == {(MEG, "high"), (MEG, "started not")}
    wednesday = tonight(night, days(7))
    for name in ("old", "middle", "high"):
        alert(told, name, days(7), opened=False, risk_band="high" if name == "high" else "middle")
    assert delivered(wednesday) == 0
    assert not day_folder(wednesday, days(7).date()).exists()
    next_monday = tonight(night, days(12))
    for name in ("old", "middle", "high"):
        alert(told, name, days(12), opened=False)
    assert delivered(next_monday) == 3


def test_an_alert_that_moves_to_another_mentor_is_told_to_them_the_next_morning(night, told):
    tuesday = after_monday(night, told)
    told.execute("UPDATE alerts.alert SET mentor_id = ? WHERE observed_at = ?", [NOA, TUESDAY])
    delivered(tuesday)
    assert digests(tuesday) == {(NOA, "old")}


def test_whoever_sees_agreements_alone_hears_nothing_between_two_mondays(night, told):
    tuesday = after_monday(night, told)
    alert(told, "high", TUESDAY, risk_band="high", mentor_id=MAX, learner_id=BEN)
    assert delivered(tuesday) == 0


def test_an_escalated_alert_is_told_to_the_coordinator_once_a_week_and_when_it_happens(night, told):
    tuesday = after_monday(night, told)
    told.execute("UPDATE alerts.alert SET escalated_at = observed_at WHERE observed_at = ?", [TUESDAY])
    delivered(tuesday)
    assert digests(tuesday) == {(COL, "old")}
    wednesday = tonight(night, days(7))
    alert(told, "old", days(7), opened=False, escalated_at=TUESDAY)
    assert delivered(wednesday) == 0


def test_what_a_coordinator_serves_is_told_to_the_coordinator(night, told):
    alert(told, "a", mentor_id=None, route_kind="coordinator")
    alert(told, "elsewhere", mentor_id=None, route_kind="coordinator", programme_id="Q")
    delivered(night)
    assert digests(night) == {(COL, "a")}


def test_a_coordinator_who_mentors_too_gets_one_card_of_an_escalated_alert(night, told):
    alert(told, "a", mentor_id=COL, escalated_at=OBSERVED)
    assert delivered(night) == 1


def test_a_coordinator_hears_on_the_first_night_of_a_week_how_many_wait(night, told):
    unserved = {"programme_id": "P", "unserved_alerts_count": 3, "served_by_one_more_hour_count": 2}
    for observed_at in (OBSERVED, days(1)):
        add(told, "alerts.unserved", observed_at=observed_at, **unserved)
    delivered(night)
    page = (day_folder(night) / f"{COL}.html").read_text("utf-8")
    assert (
        "Pilots: 3 learners wait for whom nobody has the minutes this week. One more mentor hour would serve 2." in page
    )
    thursday = tonight(night, days(1))
    delivered(thursday)
    assert not day_folder(night, days(1).date()).exists()


def test_a_monday_that_was_gated_is_made_up_for_by_the_next_night(night, told):
    alert(told, "a")
    delivered(night)
    tonight(night, MONDAY)
    tuesday = tonight(night, TUESDAY)
    alert(told, "a", TUESDAY, opened=False)
    assert delivered(tuesday) == 1


@pytest.mark.parametrize(
    ("zone", "day", "due_at"),
    [
        ("UTC", "2024-03-18", datetime(2024, 3, 18, 7, tzinfo=UTC)),
        ("America/New_York", "2024-03-18", datetime(2024, 3, 18, 11, tzinfo=UTC)),
        ("Asia/Tokyo", "2024-03-18", datetime(2024, 3, 17, 22, tzinfo=UTC)),
        ("Pacific/Honolulu", "2024-03-17", datetime(2024, 3, 17, 17, tzinfo=UTC)),
    ],
)
def test_a_day_and_its_morning_are_the_recipients_own(house, told, zone, day, due_at):
    add(told, "raw.mentor", mentor_id=MEG, kind="peer", is_external=False, timezone=zone, known_at=at(3, 1))
    monday = tonight(house.night, MONDAY)
    alert(told, "a", MONDAY)
    delivered(monday)
    assert deliveries(monday, "due_at") == [(due_at.replace(tzinfo=None),)]
    assert (monday.home.outbox / day / f"{MEG}.html").exists()


def test_a_morning_in_which_the_clocks_change_has_its_own_hour(house, told):
    add(told, "raw.mentor", mentor_id=MEG, kind="peer", is_external=False, timezone="Europe/Lisbon", known_at=at(3, 1))
    for observed_at, hour in ((at(3, 30, 0), 7), (at(3, 31, 0), 6)):
        alert(told, "a", observed_at, opened=False, risk_band="high")
        night = tonight(house.night, observed_at)
        outbox.write_down(night)
        told.execute("DELETE FROM ops.run")
        assert (observed_at.replace(hour=hour),) in deliveries(night, "due_at")


# once, whatever happens


def test_a_night_run_again_adds_nothing_and_writes_the_same_files(night, told):
    alert(told, "a")
    assert delivered(night) == 1
    before, rows = files(night), deliveries(night, "*")
    again = tonight(night, run_id="again")
    assert delivered(again) == 0
    assert files(night) == before
    assert deliveries(night, "*") == rows


def test_killed_after_writing_down_the_next_run_delivers_and_nothing_is_withdrawn(night, told):
    alert(told, "a")
    assert outbox.write_down(night) == 1
    assert not runs.is_settled(told, is_posting=False)
    assert delivered(tonight(night, run_id="again")) == 0
    assert digests(night) == {(MEG, "a")}
    assert runs.is_settled(told, is_posting=False)


def test_killed_and_never_run_again_the_next_night_tells_what_was_not_told(night, told):
    monday = after_monday(night, told)
    alert(told, "high", TUESDAY, risk_band="high")
    outbox.write_down(monday)
    wednesday = tonight(night, days(7))
    alert(told, "old", days(7), opened=False)
    # By now it would wait for Monday, had it not been due on Tuesday.
    alert(told, "high", days(7), opened=False)
    delivered(wednesday)
    assert digests(wednesday) == {(MEG, "high")}
    assert sorted(deliveries(night, "alert_id", "delivery_state")) == [
        ("high", "sent"),
        ("high", "withdrawn"),
        ("old", "sent"),
    ]


def test_a_night_run_again_with_other_data_tells_what_is_true_now(night, told):
    alert(told, "a")
    alert(told, "b", mentor_id=NOA, learner_id=DAN)
    delivered(night)
    told.execute("DELETE FROM alerts.alert")
    alert(told, "a", opened=False, reason_1_text="no activity for 10 days")
    again = tonight(night, run_id="again")
    delivered(again)
    assert "10 days" in (day_folder(night) / f"{MEG}.html").read_text("utf-8")
    assert {path.stem for path in day_folder(night).iterdir()} == {MEG}


def test_a_second_night_of_the_same_day_leaves_the_first_ones_cards_in_place(night, told):
    alert(told, "a")
    delivered(night)
    alert(told, "a", at(3, 13, 6), opened=False)
    assert delivered(tonight(night, at(3, 13, 6))) == 0
    assert (day_folder(night) / f"{MEG}.html").exists()


def test_a_night_before_one_that_was_delivered_delivers_nothing(night, told):
    alert(told, "a", days(1))
    delivered(tonight(night, days(1)))
    alert(told, "a", opened=False)
    assert delivered(night) == 0
    assert not day_folder(night).exists()


@pytest.mark.parametrize("settings", [{"source": "oulad"}, {"digests": False}])
def test_where_nobody_is_to_be_told_nothing_is_written(night, told, settings):
    alert(told, "a")
    assert delivered(tonight(night, **settings)) == 0
    assert files(night) == {}
    assert runs.is_settled(told, is_posting=False)


def test_a_home_without_mentors_delivers_nothing(house):
    alert(house.warehouse, "a")
    assert delivered(tonight(house.night)) == 0


def test_a_learner_who_opted_out_is_never_told_of_though_the_night_did_not_know(night, told):
    alert(told, "a")
    alert(told, "b", learner_id=BEN)
    outbox.write_down(night)
    add(told, "raw.learner", learner_id=ANA, opted_out_at=at(3, 12), known_at=OBSERVED)
    outbox.deliver(night)
    page = (day_folder(night) / f"{MEG}.html").read_text("utf-8")
    assert "Ben Borg" in page
    assert "Ana Alba" not in page
    assert deliveries(night, "alert_id", "delivery_state") == [("a", "withdrawn"), ("b", "sent")]
    assert delivered(tonight(night, run_id="again")) == 0


def test_digests_too_old_and_halves_of_a_killed_run_are_removed_and_nothing_else(night, told):
    outbox_folder = night.home.outbox
    for name in ("2024-03-02", "2024-03-03", "2024-03-13", "notes", "2024-99-99"):
        (outbox_folder / name).mkdir(parents=True)
        (outbox_folder / name / "x.html").write_text("x")
    (outbox_folder / "2024-03-03" / ".x.html.building").write_text("half")
    alert(told, "a")
    delivered(tonight(night, outbox_days=10))
    assert {path.parent.name for path in outbox_folder.rglob("x.html")} == {"2024-03-03", "notes", "2024-99-99"}
    assert not list(outbox_folder.rglob(".*"))


# the webhook


def posting(night, receiver, observed_at=OBSERVED, run_id=None, **more):
    return tonight(night, observed_at, run_id, webhook_url=receiver.url, digests=False, **more)


def test_a_post_says_what_happened_and_no_more_than_the_mentor_may_see(night, told, receiver):
    for name, mentor_id, learner_id in (("a", MEG, ANA), ("b", MAX, BEN), ("c", EVA, CLEO)):
        alert(told, name, mentor_id=mentor_id, learner_id=learner_id, risk_band="high")
    alert(told, "good", kind="good_news", mentor_id=MAX, learner_id=BEN)
    alert(told, "unserved", is_served=False, mentor_id=None, learner_id=DAN)
    delivered(posting(night, receiver), patience=QUICK)
    common = {
        "happened": "opened",
        "programme_id": "P",
        "prohibited_uses": "Not for appraisal, pay, selection or discipline, of learners or of mentors.",
        "next_step": "work due on 20 March",
    }
    level = {"level": "methodological"}
    full = {**level, "kind": "risk", "channel": "asynchronous", "expected_minutes": 20}
    assert {request.told["alert_id"]: request.told for request in receiver.requests} == {
        "a": {**common, **full, "alert_id": "a", "learner_id": ANA, "mentor_id": MEG},
        "b": {**common, "alert_id": "b", "learner_id": BEN, "mentor_id": MAX},
        "c": {**common, **level, "alert_id": "c", "learner_id": CLEO, "mentor_id": EVA},
    }
    assert not [request for request in receiver.requests if REASON.encode() in request.body or b"high" in request.body]


def test_an_alert_is_posted_when_it_opens_escalates_and_ends_and_each_once(night, told, receiver):
    for number in range(4):
        state = "resolved" if number >= 2 else "new"
        alert(told, "a", days(number), opened=number == 0, state=state, escalated_at=days(1) if number else None)
        if number == 1:
            happened(told, "a", 2, "escalated", days(1))
        if number == 2:
            happened(told, "a", 3, "resolved", days(2))
        for run_id in (f"r{number}", f"again{number}"):
            delivered(posting(night, receiver, days(number), run_id), patience=QUICK)
    assert [request.told["happened"] for request in receiver.requests] == ["opened", "escalated", "resolved"]
    assert len({request.key for request in receiver.requests}) == 3
    assert "next_step" not in receiver.requests[-1].told


def test_an_alert_that_opens_again_is_news_again(night, told, receiver):
    alert(told, "a")
    happened(told, "a", 2, "dismissed")
    happened(told, "a", 3, "reopened")
    delivered(posting(night, receiver), patience=QUICK)
    assert [request.told["happened"] for request in receiver.requests] == ["reopened"]


def test_an_alert_that_ended_before_anybody_heard_of_it_is_not_told_at_all(night, told, receiver):
    alert(told, "a")
    outbox.write_down(posting(night, receiver))
    alert(told, "a", days(1), opened=False, state="resolved")
    happened(told, "a", 2, "resolved", days(1))
    delivered(posting(night, receiver, days(1)), patience=QUICK)
    assert receiver.requests == []
    assert deliveries(night, "delivery_state") == [("withdrawn",)]


def test_the_end_is_told_where_the_beginning_may_have_arrived(night, told, receiver):
    alert(told, "a")
    receiver.then(*[500] * 4)
    first = posting(night, receiver)
    delivered(first, patience=QUICK)
    assert runs.row_of(told, first.run_id).failed_sources == "webhook"
    alert(told, "a", days(1), opened=False, state="dismissed")
    happened(told, "a", 2, "dismissed", days(1))
    delivered(posting(night, receiver, days(1)), patience=QUICK)
    assert [request.told["happened"] for request in receiver.requests] == ["opened"] * 4 + ["dismissed"]
    assert sorted(deliveries(night, "delivery_state")) == [("sent",), ("withdrawn",)]


def test_what_a_receiver_did_not_take_waits_and_its_repeat_is_the_same_to_the_byte(night, told, receiver):
    alert(told, "a")
    receiver.then(*[503] * 4)
    delivered(posting(night, receiver), patience=QUICK)
    assert deliveries(night, "delivery_state", "attempts_count") == [("pending", 4)]
    assert not runs.is_settled(told, is_posting=True)
    assert runs.is_settled(told, is_posting=False)
    alert(told, "a", days(1), opened=False, next_step="another step by now")
    delivered(posting(night, receiver, days(1)), patience=QUICK)
    assert len({(request.key, request.body) for request in receiver.requests}) == 1
    assert deliveries(night, "delivery_state", "attempts_count") == [("sent", 5)]


def test_what_was_never_tried_takes_the_newest_content(night, told, receiver):
    alert(told, "a")
    outbox.write_down(posting(night, receiver))
    alert(told, "a", days(1), opened=False, next_step="another step by now", mentor_id=EVA)
    delivered(posting(night, receiver, days(1)), patience=QUICK)
    (request,) = receiver.requests
    assert (request.told["next_step"], request.told["mentor_id"]) == ("another step by now", EVA)
    assert "kind" not in request.told


def test_what_is_refused_is_noted_and_neither_it_nor_its_end_is_sent_again(night, told, receiver):
    alert(told, "a")
    receiver.then(422)
    first = posting(night, receiver)
    delivered(first, patience=QUICK)
    row = runs.row_of(told, first.run_id)
    assert "refused the delivery" in row.message
    assert row.failed_sources == ""
    happened(told, "a", 2, "resolved", days(1))
    delivered(posting(night, receiver, days(1)), patience=QUICK)
    assert len(receiver.requests) == 1
    assert deliveries(night, "delivery_state") == [("refused",)]


def test_one_delivery_that_nobody_takes_does_not_hold_up_the_others(night, told, receiver):
    for name in "abc":
        alert(told, name)
    receiver.then(*[500] * 4)
    delivered(posting(night, receiver), patience=QUICK)
    assert sorted(deliveries(night, "delivery_state")) == [("pending",), ("sent",), ("sent",)]
    receiver.requests.clear()
    alert(told, "d", days(1))
    for name in "abc":
        alert(told, name, days(1), opened=False)
    delivered(posting(night, receiver, days(1)), patience=QUICK)
    # What was tried least comes first.
    assert receiver.requests[0].told["alert_id"] == "d"


def test_after_three_that_nobody_takes_the_rest_is_not_tried(night, told, receiver):
    for name in "abcdef":
        alert(told, name)
    receiver.then(*[500] * 99)
    delivered(posting(night, receiver, webhook_attempts=2), patience=QUICK)
    assert len(receiver.requests) == 6


def test_keys_are_put_back_while_sending_and_never_written_down(night, told, receiver):
    alert(told, "a")
    alert(told, "c", mentor_id=None, route_kind="coordinator")
    delivered(posting(night, receiver, webhook_identifiers=True), patience=QUICK)
    by_alert = {request.told["alert_id"]: request.told for request in receiver.requests}
    assert (by_alert["a"]["learner_key"], by_alert["a"]["mentor_key"]) == ("key-ana", "key-meg")
    assert "mentor_key" not in by_alert["c"]
    assert "key-" not in str(deliveries(night, "*"))


def test_a_receiver_that_is_new_hears_of_all_that_is_open(night, told, receiver):
    alert(told, "a", days(-1))
    alert(told, "a", opened=False)
    delivered(posting(night, receiver), patience=QUICK)
    assert [request.told["happened"] for request in receiver.requests] == ["opened"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([204, 204, 500, 503, 422]), max_size=12), st.integers(1, 4))
def test_whatever_a_receiver_answers_each_delivery_is_taken_at_most_once(house, receiver, answers, attempts):
    house.warehouse.execute("TRUNCATE alerts.alert; TRUNCATE alerts.event; TRUNCATE alerts.delivery; TRUNCATE ops.run")
    if not house.rows("FROM raw.mentor"):
        people(house.warehouse)
    receiver.requests.clear()
    receiver.answers.clear()
    receiver.then(*answers)
    taken = []
    receiver.on_request = lambda number: taken.append(
        (receiver.requests[number - 1].key, receiver.answers[0] if receiver.answers else 204)
    )
    for name in "abc":
        alert(house.warehouse, name)
    for number in range(14):
        delivered(posting(house.night, receiver, run_id=f"r{number}", webhook_attempts=attempts), patience=QUICK)
        if runs.is_settled(house.warehouse, is_posting=True):
            break
    states = dict(deliveries(house.night, "delivery_id", "delivery_state"))
    assert set(states.values()) <= {"sent", "refused"}
    for key, state in states.items():
        assert [status for found, status in taken if found == key and status in (204, 422)] == [
            204 if state == "sent" else 422
        ]
