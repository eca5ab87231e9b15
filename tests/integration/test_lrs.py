"""Pulls from a Learning Record Store that keeps to the standard, and from one that does not."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import re
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import PermanentError, TransientError, UsageError
from pipelines.commands import backfill
from pipelines.home import Home
from pipelines.settings import LrsSettings
from pipelines.sources.lrs.client import BadMoreError, Patience, RefusedError
from pipelines.sources.lrs.pull import Span, pull
from pipelines.sources.record import Recorder
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse
from tests.lrs_server import (
    PASSWORD,
    START,
    USERNAME,
    Canary,
    Lrs,
    bomb,
    break_off,
    creep,
    cut,
    hang,
    hang_up,
    iso,
    multipart,
    say,
    shuffled,
    statement,
    status,
    trickle,
    void,
)

QUICK = Patience(retries=3, backoff_seconds=0.01, longest_wait_seconds=1, page_seconds=0.8)
TOKEN = PASSWORD.encode().hex()


class Store:
    """An open warehouse that statements are pulled into."""

    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.told = []
        self.on_progress = self.told.append
        self.patience = QUICK

    def pull(self, *stores, span=None):
        return pull(
            stores,
            Recorder(self.warehouse),
            Pseudonyms(b"k" * 32),
            span=span,
            on_progress=self.on_progress,
            patience=self.patience,
        )

    def one(self, lrs, span=None):
        """Pull from one LRS and say how it went."""
        (outcome,) = self.pull(lrs, span=span)
        return outcome

    def rows(self):
        """Every statement, without what says in which commit it came."""
        return self.warehouse.rows("SELECT * EXCLUDE (file_hash) FROM raw.statement ORDER BY ALL")

    def ids(self):
        return [
            int(found[-12:])
            for (found,) in self.warehouse.rows("SELECT DISTINCT statement_id FROM raw.statement ORDER BY 1")
        ]

    def state(self, *columns, range_name="forward"):
        found = self.warehouse.rows(f"SELECT {', '.join(columns)} FROM ops.lrs_pull WHERE range_name = ?", [range_name])
        return found[0] if len(columns) > 1 or not found else found[0][0]

    def reasons(self):
        return [row[0] for row in self.warehouse.rows("SELECT reason FROM raw.quarantine ORDER BY reason")]

    def clear(self):
        for table in ("raw.statement", "raw.quarantine", "raw.file", "ops.lrs_pull"):
            self.warehouse.execute(f"DELETE FROM {table}")


@contextlib.contextmanager
def opened(folder):
    home = Home(folder)
    home.create()
    with Warehouse(home.warehouse_file, home.identity_file, threads=1, memory_limit="1GB") as warehouse:
        yield Store(warehouse)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("store") / "home") as store:
        yield store


@pytest.fixture
def store(shared_store):
    shared_store.clear()
    shared_store.told.clear()
    shared_store.on_progress = shared_store.told.append
    shared_store.patience = QUICK
    return shared_store


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("HANDRAIL_LRS_MAIN_USERNAME", USERNAME)
    monkeypatch.setenv("HANDRAIL_LRS_MAIN_PASSWORD", PASSWORD)


@pytest.fixture
def lrs():
    with Lrs() as server:
        yield server.add(*(statement(number) for number in range(45)))


@pytest.fixture
def canary():
    with Canary() as server:
        yield server


def ask(lrs, **settings):
    """Settings that pull from a test store."""
    given = {"name": "main", "endpoint": lrs.endpoint, "auth": lrs.auth, "timeout_seconds": 0.5, "overlap_minutes": 0}
    return LrsSettings(**{**given, **settings})


@pytest.fixture
def quiet(lrs, store):
    """The rows of a pull that nothing disturbs; the store is empty again afterwards."""
    outcome = store.one(ask(lrs))
    assert (outcome.error, outcome.is_complete, outcome.rows) == (None, True, 45)
    rows = store.rows()
    store.clear()
    lrs.requests.clear()
    return rows


def test_all_is_pulled_once_page_by_page(lrs, store):
    outcome = store.one(ask(lrs))
    assert store.ids() == list(range(45))
    assert (outcome.pages, outcome.statements, outcome.rows, outcome.repeated) == (5, 45, 45, 0)
    assert [(told.pages, told.statements) for told in store.told] == [(1, 10), (2, 20), (3, 30), (4, 40), (5, 45)]
    assert store.told[-1].stored_at == START + timedelta(seconds=44)
    assert store.told[-1].statements_per_second > 0


def test_each_request_has_the_version_and_the_first_asks_as_the_standard_says(lrs, store):
    store.one(ask(lrs, version="2.0.0", page_limit=7, since=START + timedelta(seconds=9)))
    assert {headers["X-Experience-API-Version"] for _, headers in lrs.requests} == {"2.0.0"}
    assert len(lrs.requests) == 5
    assert lrs.asked() == [
        {
            "since": "2026-01-05T08:00:09.000Z",
            "ascending": "true",
            "format": "exact",
            "attachments": "false",
            "limit": "7",
        }
    ]
    assert store.ids() == list(range(10, 45))


def test_the_next_pull_asks_for_what_was_stored_since(lrs, store):
    first = store.one(ask(lrs))
    assert first.watermark_at == START + timedelta(seconds=44)
    lrs.add(statement(45), statement(46))
    second = store.one(ask(lrs))
    assert (second.statements, second.rows) == (2, 2)
    assert lrs.asked()[-1]["since"] == "2026-01-05T08:00:44.000Z"
    assert store.ids() == list(range(47))
    third = store.one(ask(lrs))
    assert (third.pages, third.statements, third.is_complete) == (1, 0, True)
    assert third.watermark_at == START + timedelta(seconds=46)


def test_the_overlap_is_asked_for_again_and_changes_nothing(lrs, store):
    store.one(ask(lrs, overlap_minutes=1))
    rows = store.rows()
    again = store.one(ask(lrs, overlap_minutes=1))
    assert (again.rows, again.repeated) == (0, 45)
    assert lrs.asked()[-1]["since"] == "2026-01-05T07:59:44.000Z"
    assert store.rows() == rows


def test_a_bad_statement_in_the_overlap_is_one_fault_however_often_it_is_pulled(lrs, store):
    lrs.add(json.dumps({"id": "no uuid", "stored": iso(START + timedelta(seconds=45))}).encode())
    for number in range(60, 63):
        store.one(ask(lrs, overlap_minutes=10))
        lrs.add(statement(number))
    assert len(store.reasons()) == 1


def test_the_watermark_is_at_most_what_the_store_says_is_consistent(lrs, store):
    lrs.consistent = lambda _: START + timedelta(seconds=20)
    assert store.one(ask(lrs)).watermark_at == START + timedelta(seconds=20)
    late = statement(100)
    lrs.add(late, at=START + timedelta(seconds=20, milliseconds=500))
    store.one(ask(lrs))
    assert 100 in store.ids()


def test_without_consistent_through_the_watermark_is_the_newest_stored(lrs, store):
    lrs.consistent = None
    assert store.one(ask(lrs)).watermark_at == START + timedelta(seconds=44)


def test_a_statement_stored_in_the_year_9999_does_not_end_all_pulls(lrs, store):
    lrs.consistent = None
    before = datetime.now(UTC)
    lrs.add(statement(70), at=datetime(9999, 12, 31, tzinfo=UTC))
    assert before - timedelta(seconds=2) < store.one(ask(lrs)).watermark_at < datetime.now(UTC)


def test_voids_come_whether_their_target_was_pulled_before_or_never_comes(lrs, store):
    store.one(ask(lrs))
    lrs.add(void(200, statement(3)), void(201, statement(300)), statement(300))
    outcome = store.one(ask(lrs))
    assert outcome.rows == 2
    assert store.warehouse.rows(
        "SELECT voids_statement_id FROM raw.statement WHERE voids_statement_id IS NOT NULL ORDER BY 1"
    ) == [(statement(3)["id"],), (statement(300)["id"],)]


def test_a_bad_statement_is_quarantined_and_its_page_stays(lrs, store):
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    twice = json.dumps(statement(90)).encode()[:-1] + b', "id": "' + statement(91)["id"].encode() + b'"}'
    lrs.add(deep, b"null", b'{"b": 1e999}', b'"a,[b"', twice, statement(92))
    outcome = store.one(ask(lrs))
    assert outcome.error is None
    assert outcome.statements == 51
    assert outcome.refused == len(store.reasons()) >= 4
    assert {*range(45), 92} <= set(store.ids())


# What heals.

HEALING = {
    "429 with Retry-After": [None, status(429, Retry_After="1")],
    "429 with a date": [status(429, Retry_After="Mon, 05 Jan 2026 08:00:00 GMT")],
    "429 with a Retry-After of a year": [status(429, Retry_After=str(365 * 86_400))],
    "429 with a Retry-After that says nothing": [None, status(429, Retry_After="soon"), status(429)],
    "429 without": [status(429), None, status(429), status(429)],
    "500s": [status(500), status(503), None, status(502), status(500), status(504)],
    "silence": [None, hang(), None, hang()],
    "hung up": [hang_up, None, None, hang_up, hang_up],
    "broken off": [None, break_off, break_off, break_off],
    "JSON cut off": [cut(), cut(0.99), None, cut(0.01), cut(0)],
    "a login page": [None, say(b"<html>Please log in</html>", "text/html")],
    "no StatementResult": [
        say(b"[]"),
        say(b"{}"),
        say(b'{"statements": {}}'),
        None,
        say(b'{"statements": [], "more": 3}'),
    ],
    "no gzip": [say(b"not packed", Content_Encoding="gzip")],
    "trickling": [trickle(30)],
    "several parts": [None, multipart, multipart],
}


@pytest.mark.parametrize("faults", HEALING.values(), ids=HEALING)
def test_what_heals_leaves_the_rows_of_the_quiet_pull(faults, lrs, store, quiet):
    outcome = store.one(ask(lrs.then(*faults)))
    assert (outcome.error, outcome.is_complete) == (None, True)
    assert not lrs.faults
    assert store.rows() == quiet


def test_packed_answers_are_the_same(lrs, store, quiet):
    lrs.gzipped = True
    store.one(ask(lrs))
    assert store.rows() == quiet


@pytest.mark.parametrize("seed", range(3))
def test_pages_in_no_order_are_the_same_and_nothing_is_skipped_afterwards(seed, lrs, store, quiet):
    lrs.order = shuffled(seed)
    store.one(ask(lrs))
    assert store.rows() == quiet
    lrs.add(statement(45))
    store.one(ask(lrs))
    assert store.ids() == list(range(46))


def test_empty_pages_are_followed(lrs, store, quiet):
    lrs.empty_before = (0, 1, 2, 4)
    outcome = store.one(ask(lrs))
    assert (outcome.pages, outcome.is_complete) == (9, True)
    assert store.rows() == quiet


def test_statements_that_come_on_two_pages_are_one(lrs, store, quiet):
    last = []

    def with_the_last_ones(statements, number):
        both, last[:] = last + statements, statements[-4:]
        return both

    lrs.bend_page = with_the_last_ones
    outcome = store.one(ask(lrs))
    assert outcome.repeated == 16
    assert store.rows() == quiet


def test_a_larger_page_than_asked_for_is_taken_whole(lrs, store, quiet):
    lrs.page = 1000
    assert store.one(ask(lrs, page_limit=0)).pages == 1
    assert store.rows() == quiet


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_statements_written_over_several_lines_are_the_same(indent, lrs, store, quiet):
    lrs.bend_page = lambda statements, _: [json.dumps(json.loads(one), indent=indent).encode() for one in statements]
    assert store.one(ask(lrs)).refused == 0
    assert store.rows() == quiet


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_order_and_repetition_gives_the_same_rows(data, lrs, store):
    del lrs.stored[20:]
    lrs.faults.clear()
    lrs.order, lrs.bend_page = sorted, lambda statements, _: statements
    store.clear()
    store.one(ask(lrs))
    wanted = store.rows()
    store.clear()
    lrs.page = data.draw(st.integers(1, 25), "page")
    if data.draw(st.booleans(), "in no order"):
        lrs.order = shuffled(data.draw(st.integers(0, 9), "seed"))
    repeated = data.draw(st.integers(0, 3), "repeated")
    lrs.bend_page = lambda statements, number: statements + statements[: repeated if number % 2 else 0]
    lrs.then(*data.draw(st.lists(st.sampled_from([None, None, cut(), status(500), hang_up]), max_size=6), "faults"))
    cap, commit = data.draw(st.integers(2, 9), "cap"), data.draw(st.integers(1, 25), "commit")
    overlap = data.draw(st.integers(0, 1), "overlap")
    for _ in range(30):
        outcome = store.one(ask(lrs, max_pages=cap, commit_statements=commit, overlap_minutes=overlap))
        # Four faults in a row are an error; the next run goes on.
        if outcome.error is None and not store.state("is_open"):
            break
    else:
        # Under a cap of fewer pages than the overlap has, each run may end one range and leave the next one open.
        assert store.rows() == wanted
        outcome = store.one(ask(lrs, overlap_minutes=overlap))
    assert (outcome.error, store.state("is_open")) == (None, False)
    assert store.rows() == wanted


# What does not heal.


def test_an_lrs_that_stays_away_is_a_transient_error_and_what_came_before_stays(lrs, store):
    lrs.then(None, None, *[status(500)] * 40)
    outcome = store.one(ask(lrs))
    assert isinstance(outcome.error, TransientError)
    assert "LRS 'main' answers 500, asked 4 times; the next run asks again" in str(outcome.error)
    assert store.ids() == list(range(20))
    assert outcome.watermark_at < START + timedelta(seconds=20)
    lrs.faults.clear()
    lrs.requests.clear()
    assert store.one(ask(lrs)).is_complete
    assert store.ids() == list(range(45))
    assert lrs.requests[0][0].startswith("/xapi/more?")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (cut(), "is no page of statements (it is cut off; it is application/json"),
        (say(b"<html>", "text/html"), "is no page of statements ('{' is missing at byte 0; it is text/html"),
        (break_off, "breaks off in the middle of a page (ProtocolError)"),
        (hang(1), "cannot be reached at http://127.0.0.1:"),
        (hang_up, "cannot be reached at http://127.0.0.1:"),
        (trickle(30), "is still not done with one page after 0.8 seconds"),
    ],
)
def test_what_stays_broken_is_a_transient_error_that_says_how(fault, said, lrs, store):
    lrs.then(None, *[fault] * 5)
    outcome = store.one(ask(lrs))
    assert isinstance(outcome.error, TransientError)
    assert said in str(outcome.error)
    assert store.ids() == list(range(10))
    assert outcome.watermark_at is None


def test_a_store_that_never_comes_to_an_end_keeps_nobody_waiting(lrs, store, monkeypatch):
    monkeypatch.setenv("HANDRAIL_LRS_OTHER_USERNAME", USERNAME)
    monkeypatch.setenv("HANDRAIL_LRS_OTHER_PASSWORD", PASSWORD)
    store.patience = Patience(retries=0, page_seconds=1)
    lrs.then(None, creep(10))
    with Lrs() as other:
        other.add(statement(500))
        slow, quick = store.pull(ask(lrs, max_minutes=0.01), ask(other, name="other"))
    assert isinstance(slow.error, TransientError)
    assert "did not come to an end of its answer" in str(slow.error)
    assert quick.is_complete
    assert store.ids() == [*range(10), 500]


def test_nobody_there_is_a_transient_error(store):
    with Lrs() as gone:
        pass
    outcome = store.one(ask(gone))
    assert isinstance(outcome.error, TransientError)
    assert "cannot be reached" in str(outcome.error)


@pytest.mark.parametrize(
    ("name", "value"), [("PASSWORD", "wrong-one"), ("USERNAME", "somebody"), ("PASSWORD", "pässwörd")]
)
def test_wrong_credentials_are_named_by_their_variables_and_never_shown(name, value, lrs, store, monkeypatch):
    monkeypatch.setenv(f"HANDRAIL_LRS_MAIN_{name}", value)
    outcome = store.one(ask(lrs))
    assert isinstance(outcome.error, PermanentError)
    assert "LRS 'main' answers 401: it refuses our credentials" in str(outcome.error)
    assert "HANDRAIL_LRS_MAIN_USERNAME and HANDRAIL_LRS_MAIN_PASSWORD" in str(outcome.error)
    assert value not in str(outcome.error)
    assert len(lrs.requests) == 1


def test_missing_credentials_are_an_error_before_any_request(lrs, store, monkeypatch):
    monkeypatch.delenv("HANDRAIL_LRS_MAIN_PASSWORD")
    outcome = store.one(ask(lrs))
    assert "credentials are missing; set HANDRAIL_LRS_MAIN_USERNAME and HANDRAIL_LRS_MAIN_PASSWORD" in str(
        outcome.error
    )
    assert not lrs.requests


def test_a_bearer_token_is_sent(lrs, store, monkeypatch):
    lrs.auth = "bearer"
    monkeypatch.setenv("HANDRAIL_LRS_MAIN_TOKEN", TOKEN)
    assert store.one(ask(lrs)).rows == 45
    monkeypatch.setenv("HANDRAIL_LRS_MAIN_TOKEN", "bad\r\nX-Evil: 1")
    error = str(store.one(ask(lrs)).error)
    assert "cannot be sent as they are" in error
    assert "Evil" not in error


def test_an_open_lrs_gets_no_credentials_even_where_netrc_has_some(lrs, store, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USERNAME} password other\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    lrs.auth = "none"
    assert store.one(ask(lrs)).rows == 45
    assert not [headers for _, headers in lrs.requests if "Authorization" in headers]


def test_credentials_come_from_a_file_that_is_closed_to_others(lrs, store, monkeypatch, tmp_path):
    monkeypatch.delenv("HANDRAIL_LRS_MAIN_USERNAME")
    monkeypatch.delenv("HANDRAIL_LRS_MAIN_PASSWORD")
    file = tmp_path / "lrs.toml"
    file.write_text(f'username = "{USERNAME}"\npassword = "{PASSWORD}"\n', "utf-8")
    file.chmod(0o644)
    here = ask(lrs, credentials_file=str(file))
    assert "credentials_file lrs.toml is open to others; chmod 600 lrs.toml" in str(store.one(here).error)
    assert not lrs.requests
    file.chmod(0o600)
    assert store.one(here).rows == 45
    for content, said in [
        (f'username = "{PASSWORD}', "is no TOML"),
        (f"username = 3\npassword = '{PASSWORD}'", "must hold texts"),
        (f"password = '{PASSWORD}'", "are missing"),
    ]:
        file.write_text(content, "utf-8")
        error = str(store.one(here).error)
        assert said in error
        assert PASSWORD not in error
    assert "cannot be read (FileNotFoundError)" in str(store.one(ask(lrs, credentials_file=str(tmp_path / "no"))).error)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (301, PermanentError, "answers 301: it redirects, which is not followed"),
        (302, PermanentError, "answers 302: it redirects, which is not followed"),
        (307, PermanentError, "answers 307: it redirects, which is not followed"),
        (400, RefusedError, "answers 400 to GET /xapi/statements: is `endpoint` the address before /statements"),
        (403, PermanentError, "answers 403: it refuses our credentials"),
        (404, RefusedError, "answers 404 to GET /xapi/statements"),
        (204, RefusedError, "answers 204 to GET /xapi/statements"),
    ],
)
def test_a_refusal_is_a_permanent_error_with_the_way_out(code, kind, said, lrs, store, canary):
    lrs.then(status(code, Location=f"http://127.0.0.1:{canary.port}/xapi/statements", Retry_After="1"))
    outcome = store.one(ask(lrs))
    assert isinstance(outcome.error, kind)
    assert said in str(outcome.error)
    assert len(lrs.requests) == 1
    assert not canary.requests


ELSEWHERE = [
    "http://127.0.0.1:{canary}/xapi/more",
    "//127.0.0.1:{canary}/xapi/more",
    "http://127.0.0.1:{lrs}@127.0.0.1:{canary}/xapi/more",
    "//127.0.0.1:{lrs}@127.0.0.1:{canary}/",
    "//user@127.0.0.1:{lrs}/xapi/more",
    "http://user:secret@127.0.0.1:{lrs}/xapi/more",
    "http://127.0.0.1:{canary}\\@127.0.0.1:{lrs}/xapi/more",
    "http://127.0.0.1:{canary}#@127.0.0.1:{lrs}/xapi/more",
    "/\\127.0.0.1:{canary}/xapi/more",
    "\\\\127.0.0.1:{canary}\\xapi",
    "/\t/127.0.0.1:{canary}/xapi/more",
    "\n//127.0.0.1:{canary}/xapi/more",
    " //127.0.0.1:{canary}/xapi/more",
    "http:\t//127.0.0.1:{canary}/more",
    "https://127.0.0.1:{lrs}/xapi/more",
    "HTTP://127.0.0.1:{canary}/",
    "http://localhost:{lrs}/xapi/more",
    "http://127.1:{canary}/",
    "http://2130706433:{canary}/",
    "http://[::1]:{lrs}/",
    "http://[::ffff:127.0.0.1]:{canary}/",
    "http://127.0.0.1/",
    "ftp://127.0.0.1:{canary}/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:{lrs}.example.org/",
    "http://[/",
]


@pytest.mark.parametrize("more", ELSEWHERE)
def test_a_more_that_leads_elsewhere_fails_before_any_request_leaves(more, lrs, store, canary):
    bent = more.format(lrs=lrs.port, canary=canary.port)
    lrs.bend_more = lambda given, number: bent if number == 1 else given
    outcome = store.one(ask(lrs))
    assert isinstance(outcome.error, BadMoreError)
    assert f"that is not on {lrs.endpoint}; it was not asked for" in str(outcome.error)
    assert not canary.requests
    assert len(lrs.requests) == 2
    # What came until then stays, and the mended store gives the rest.
    assert store.ids() == list(range(20))
    lrs.bend_more = lambda given, _: given
    assert store.one(ask(lrs)).is_complete
    assert store.ids() == list(range(45))


def test_an_endpoint_that_parsers_read_in_two_ways_is_never_asked(lrs, store, canary):
    odd = ask(lrs).model_copy(update={"endpoint": f"http://127.0.0.1:{lrs.port}\\@127.0.0.1:{canary.port}/xapi"})
    assert "can be read in two ways" in str(store.one(odd).error)
    assert not lrs.requests
    assert not canary.requests


# They look dangerous and lead to the configured store, or nowhere on it.
HERE = [
    "http:///127.0.0.1:{canary}/more",
    "///127.0.0.1:{canary}/xapi/more",
    "/%2F/127.0.0.1:{canary}/more",
    "/%5c127.0.0.1:{canary}/",
    "http:more",
    "%2F%2F127.0.0.1:{canary}",
]


@pytest.mark.parametrize("more", HERE)
def test_a_more_that_only_looks_like_another_host_never_reaches_it(more, lrs, store, canary):
    bent = more.format(canary=canary.port)
    lrs.bend_more = lambda given, number: bent if number == 1 else given
    outcome = store.one(ask(lrs))
    assert isinstance(outcome.error, RefusedError | BadMoreError)
    assert not canary.requests


@pytest.mark.parametrize(
    "form",
    [
        "{more}",
        "http://127.0.0.1:{port}{more}",
        "HTTP://127.0.0.1:{port}{more}",
        "//127.0.0.1:{port}{more}",
        "../xapi{more}",
        "{more}#x",
    ],
)
def test_a_more_of_the_same_place_is_followed_in_whatever_form(form, lrs, store, quiet):
    def bend(more, number):
        said = more.removeprefix("/xapi") if form.startswith("..") else more
        return form.format(port=lrs.port, more=said) if more else ""

    lrs.bend_more = bend
    assert store.one(ask(lrs)).error is None
    assert store.rows() == quiet


@pytest.mark.parametrize("to", [0, 1, 2])
def test_a_more_that_goes_in_a_circle_is_an_error(to, lrs, store):
    seen = []

    def circle(more, number):
        seen.append(more)
        return seen[to] if number == 2 else more

    lrs.bend_more = circle
    outcome = store.one(ask(lrs))
    if to < 2:
        assert isinstance(outcome.error, BadMoreError)
        assert "names a page as its next one (`more`) that it gave before" in str(outcome.error)
        assert len(lrs.requests) == 3
        assert store.ids() == list(range(30))
        lrs.bend_more = lambda more, _: more
        assert store.one(ask(lrs)).is_complete
    assert store.ids() == list(range(45))


def test_a_bomb_is_stopped_when_it_is_as_large_as_a_page_may_be(lrs, store):
    lrs.then(None, bomb(300))
    started = time.monotonic()
    outcome = store.one(ask(lrs, max_page_bytes=10_000_000, timeout_seconds=5))
    assert isinstance(outcome.error, PermanentError)
    assert "sends a page of more than 10000000 bytes" in str(outcome.error)
    assert time.monotonic() - started < 5
    assert store.ids() == list(range(10))


# Ranges, caps, several stores.


@pytest.mark.parametrize(
    ("cap", "value", "pages"), [("max_pages", 2, 2), ("max_bytes", 5000, 2), ("max_minutes", 1e-9, 1)]
)
def test_a_cap_is_no_error_and_the_next_run_goes_on(cap, value, pages, lrs, store):
    outcome = store.one(ask(lrs, **{cap: value}))
    assert (outcome.error, outcome.is_complete, outcome.stopped_by) == (None, False, cap)
    assert outcome.pages == pages
    assert store.ids() == list(range(10 * pages))
    repeated = 0
    while store.state("is_open"):
        outcome = store.one(ask(lrs, **{cap: value}))
        repeated += outcome.repeated
    assert store.one(ask(lrs, **{cap: value})).is_complete
    assert repeated == 0
    assert store.ids() == list(range(45))


def test_a_range_that_went_on_is_followed_by_what_was_stored_since(lrs, store):
    store.one(ask(lrs, max_pages=2))
    lrs.add(statement(45))
    assert store.one(ask(lrs)).is_complete
    assert store.ids() == list(range(46))


@pytest.mark.parametrize("code", [404, 400, 410, 500])
def test_a_continuation_that_has_expired_is_asked_for_anew_from_the_watermark(code, lrs, store):
    store.one(ask(lrs, max_pages=3))
    lrs.requests.clear()
    lrs.then(*[status(code)] * (4 if code == 500 else 1))
    outcome = store.one(ask(lrs))
    assert (outcome.error, outcome.is_complete) == (None, True)
    assert lrs.asked() == [
        {
            "since": "2026-01-05T08:00:28.999Z",
            "ascending": "true",
            "format": "exact",
            "attachments": "false",
            "limit": "1000",
        }
    ]
    assert store.ids() == list(range(45))


def test_in_the_middle_of_a_range_without_order_the_watermark_stays(lrs, store):
    lrs.order = shuffled(1)
    outcome = store.one(ask(lrs, max_pages=3))
    assert outcome.watermark_at is None
    lrs.cursors.clear()
    assert store.one(ask(lrs)).is_complete
    assert store.ids() == list(range(45))


def test_an_endpoint_that_moved_goes_on_from_the_watermark(lrs, store):
    store.one(ask(lrs, max_pages=3))
    with Lrs() as moved:
        moved.stored = lrs.stored
        lrs.requests.clear()
        assert store.one(ask(moved)).is_complete
    assert store.ids() == list(range(45))
    assert not lrs.requests


def test_a_range_is_pulled_again_whatever_the_watermark_says(lrs, store):
    store.one(ask(lrs))
    late = START + timedelta(seconds=10, milliseconds=1)
    lrs.add(statement(400), at=late)
    assert store.one(ask(lrs)).statements == 0
    watermark = store.state("watermark_at")
    span = Span(START + timedelta(seconds=5), START + timedelta(seconds=20))
    outcome = store.one(ask(lrs), span)
    assert (outcome.statements, outcome.rows, outcome.repeated) == (16, 1, 15)
    assert lrs.asked()[-1]["until"] == "2026-01-05T08:00:20.000Z"
    assert 400 in store.ids()
    assert store.state("watermark_at") == watermark
    assert store.one(ask(lrs), span).statements == 16


def test_a_backfill_goes_on_in_the_middle_of_its_range(lrs, store):
    span = Span(START - timedelta(seconds=1), START + timedelta(seconds=39))
    assert store.one(ask(lrs, max_pages=2), span).stopped_by == "max_pages"
    assert store.state("is_open", range_name=span.name)
    outcome = store.one(ask(lrs), span)
    assert (outcome.is_complete, outcome.statements) == (True, 20)
    assert store.ids() == list(range(40))
    assert not store.state("is_open", range_name=span.name)


def test_small_pages_are_committed_together(lrs, store):
    lrs.page = 1
    store.one(ask(lrs, commit_statements=20))
    assert store.warehouse.scalar("SELECT count(*) FROM raw.file") == 3
    store.clear()
    store.one(ask(lrs, commit_seconds=0))
    assert store.warehouse.scalar("SELECT count(*) FROM raw.file") == 45


def test_one_store_that_fails_stops_no_other_and_they_are_asked_side_by_side(lrs, store, monkeypatch):
    monkeypatch.setenv("HANDRAIL_LRS_OTHER_USERNAME", USERNAME)
    monkeypatch.setenv("HANDRAIL_LRS_OTHER_PASSWORD", PASSWORD)
    monkeypatch.setenv("HANDRAIL_LRS_BROKEN_USERNAME", USERNAME)
    monkeypatch.setenv("HANDRAIL_LRS_BROKEN_PASSWORD", "wrong")
    together = threading.Barrier(2, timeout=10)

    def meet(store, handler, body, ours):
        together.wait()
        say(body)(store, handler, body, ours)

    with Lrs() as other:
        other.add(*(statement(number) for number in range(500, 520)))
        lrs.then(meet)
        other.then(meet)
        outcomes = store.pull(
            ask(lrs, name="broken"), ask(lrs, timeout_seconds=20), ask(other, name="other", timeout_seconds=20)
        )
    assert [(outcome.lrs_name, outcome.is_complete, outcome.rows) for outcome in outcomes] == [
        ("broken", False, 0),
        ("main", True, 45),
        ("other", True, 20),
    ]
    assert "401" in str(outcomes[0].error)
    assert store.warehouse.rows("SELECT source_name, count(*) FROM raw.statement GROUP BY 1 ORDER BY 1") == [
        ("lrs:main", 45),
        ("lrs:other", 20),
    ]


def test_the_next_page_is_fetched_while_this_one_is_taken_in(lrs, store):
    asked_when_taking = []

    def slow(_):
        time.sleep(0.3)
        asked_when_taking.append(len(lrs.requests))

    store.on_progress = slow
    store.one(ask(lrs))
    assert asked_when_taking[0] >= 2


def test_where_taking_in_fails_nothing_of_the_page_and_no_watermark_stays(lrs, store):
    def fail(told):
        if told.pages == 3:
            raise RuntimeError

    store.on_progress = fail
    with pytest.raises(RuntimeError):
        store.one(ask(lrs, commit_statements=20))
    assert store.ids() == list(range(20))
    assert store.state("page_count") == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lrs-")]


# Secrets.


def test_no_secret_is_told_anywhere(tmp_path, lrs, monkeypatch, caplog, capfd):
    secrets = [PASSWORD, "s3cret", TOKEN, "dG9r"]
    monkeypatch.setenv("HANDRAIL_LRS_TOKEN_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    told = []
    with opened(tmp_path / "home") as store, Lrs(auth="bearer") as other:
        other.add(statement(1))
        for fault in (None, status(401), status(500), hang_up, cut(), status(302, Location="/x"), say(b"<html>")):
            lrs.then(*[fault] * 4)
            other.then(*[fault] * 4)
            for outcome in store.pull(ask(lrs), ask(other, name="token")):
                told.append(repr(outcome))
                error = outcome.error
                if error is not None:
                    chain = traceback.TracebackException.from_exception(error, capture_locals=True)
                    told += ["".join(chain.format()), repr(error.__context__), repr(error.__cause__)]
                    assert error.__context__ is None
            lrs.faults.clear()
            other.faults.clear()
        store.warehouse.execute("CHECKPOINT")
        tables = store.warehouse.rows(
            "SELECT table_catalog, table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('raw', 'ops', 'main', 'sealed')"
        )
        for catalog, schema, name in tables:
            told.append(str(store.warehouse.rows(f'SELECT * FROM "{catalog}"."{schema}"."{name}"')))
        told.append(ask(lrs).model_dump_json())
    told += [caplog.text, *capfd.readouterr()]
    told += [file.read_bytes().decode("latin-1") for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert any("Authorization" in headers for _, headers in lrs.requests)
    for secret in (*secrets, *(headers["Authorization"].split()[1] for _, headers in lrs.requests[:1])):
        assert not [text[:200] for text in told if secret in text]


# The command.


def backfilled(home, *words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--home")
    backfill.add_arguments(parser)
    return backfill.main(parser.parse_args(["--home", str(home), *words]))


def test_the_command_pulls_a_range_and_tells_what_came(tmp_path, lrs, capsys):
    home = tmp_path / "home"
    home.mkdir()
    (home / "handrail.toml").write_text(f'[[lrs]]\nname = "main"\nendpoint = "{lrs.endpoint}"\n', "utf-8")
    words = ("--lrs", "main", "--since", "2026-01-05", "--until", "2026-01-05T08:00:19Z")
    assert backfilled(home, *words) == 0
    assert "20 statements in 2 pages: 20 new, 0 there already, 0 in quarantine" in capsys.readouterr().err
    assert backfilled(home, *words) == 0
    assert "20 statements in 2 pages: 0 new, 20 there already" in capsys.readouterr().err
    lrs.add(b'{"id": 3}', at=START)
    assert backfilled(home, *words) == 3
    lrs.then(status(403))
    assert backfilled(home, *words) == 1
    assert "the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--lrs", "man", "--since", "2026-01-01", "--until", "2026-02-01"),
            "no [[lrs]] of the name 'man'; known are: main",
        ),
        (("--lrs", "main", "--since", "2026", "--until", "2026-02-01"), "--since '2026' is neither a date"),
        (("--lrs", "main", "--since", "2026-02-01", "--until", "2026-01-01"), "swap --since and --until"),
    ],
)
def test_the_command_called_wrongly_says_what_is_wrong(words, said, tmp_path, lrs):
    (tmp_path / "handrail.toml").write_text(f'[[lrs]]\nname = "main"\nendpoint = "{lrs.endpoint}"\n', "utf-8")
    with pytest.raises(UsageError, match=re.escape(said)):
        backfilled(tmp_path, *words)
    assert not lrs.requests
