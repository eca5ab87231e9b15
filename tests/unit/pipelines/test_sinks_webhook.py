"""Over real HTTP: what a receiver gets, and what is made of its answers."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from data_contracts.errors import UsageError
from pipelines.home import now
from pipelines.settings import Settings, load_settings
from pipelines.sinks import webhook as module
from pipelines.sinks.webhook import SECRET as SECRET_NAME
from pipelines.sinks.webhook import SECRET_FILE, AwayError, Patience, Reply, Webhook
from tests.hook_server import SECRET, Receiver, documented

QUICK = Patience(backoff_seconds=0.01, longest_wait_seconds=2, night_seconds=20)
BODY = '{"alert_id": "al", "happened": "opened", "name": "Zoë"}'.encode()


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture
def hook(receiver):
    return Webhook(receiver.url, SECRET.encode(), timeout_seconds=0.3, attempts=4, patience=QUICK)


def post(hook, tries=None):
    return hook.post("key-1", BODY, lambda: tries.append(1) if tries is not None else None)


def test_a_receiver_that_follows_the_page_takes_it_once_and_no_forgery(hook, receiver, tmp_path):
    page = documented()
    assert post(hook) is Reply.TAKEN
    assert post(hook) is Reply.TAKEN
    first, again = receiver.requests
    assert first.path == "/alerts?token=in-the-address"
    assert first.headers["Content-Type"] == "application/json"
    assert first.body == again.body == BODY
    for request in receiver.requests:
        assert page["is_genuine"](SECRET.encode(), request.headers, request.body)
        assert not page["is_genuine"](b"another secret", request.headers, request.body)
        assert not page["is_genuine"](SECRET.encode(), request.headers, request.body + b" ")
        moved = request.headers | {"X-Handrail-Timestamp": "1"}
        assert not page["is_genuine"](SECRET.encode(), moved, request.body)
    old = first.headers | {"X-Handrail-Timestamp": str(int(time.time()) - 3600)}
    old["X-Handrail-Signature"] = module.signature(SECRET.encode(), old["X-Handrail-Timestamp"], BODY)
    assert not page["is_genuine"](SECRET.encode(), old, BODY)
    seen = [page["is_new"](tmp_path / "seen.sqlite", request.key) for request in receiver.requests]
    assert seen == [True, False]


def test_a_busy_receiver_is_asked_again_with_the_same_key_and_body(hook, receiver):
    tries = []
    receiver.then(500, 503, 429)
    assert post(hook, tries) is Reply.TAKEN
    assert len(tries) == len(receiver.requests) == 4
    assert {(request.key, request.body) for request in receiver.requests} == {("key-1", BODY)}


@pytest.mark.parametrize("is_date", [False, True])
def test_a_receiver_that_says_when_is_asked_again_then(hook, receiver, is_date):
    after = format_datetime(now() + timedelta(seconds=2), usegmt=True) if is_date else "1"
    receiver.then((429, {"Retry-After": after}))
    begun = time.monotonic()
    assert post(hook) is Reply.TAKEN
    assert time.monotonic() - begun > 0.5


def test_a_receiver_that_asks_for_a_longer_wait_than_a_night_has_is_left_alone_until_the_next(hook, receiver):
    receiver.then((503, {"Retry-After": "3600"}))
    with pytest.raises(AwayError, match="answers 503") as told:
        post(hook)
    assert told.value.is_final
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 409, 410, 413, 422])
def test_what_a_receiver_refuses_is_not_asked_again(hook, receiver, status):
    receiver.then(status)
    assert post(hook) is Reply.REFUSED
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 407])
def test_an_answer_that_speaks_of_address_or_secret_loses_nothing(hook, receiver, status):
    receiver.then(status)
    with pytest.raises(AwayError, match=f"answers {status}.*webhook_url right") as told:
        post(hook)
    assert told.value.is_final
    assert len(receiver.requests) == 1


def test_a_redirect_is_not_followed(hook, receiver):
    with Receiver() as elsewhere:
        receiver.then((307, {"Location": elsewhere.url}))
        with pytest.raises(AwayError, match="redirects") as told:
            post(hook)
        assert told.value.is_final
        assert elsewhere.requests == []


def test_a_receiver_that_hangs_is_given_up_as_often_as_the_settings_say(hook, receiver):
    receiver.then(*[receiver.hang] * 4)
    tries, begun = [], time.monotonic()
    with pytest.raises(AwayError, match="cannot be reached"):
        post(hook, tries)
    assert len(tries) == 4
    assert time.monotonic() - begun < 5


def test_nobody_there_is_told_without_the_rest_of_the_address(receiver, caplog):
    hook = Webhook(receiver.url.replace("127.0.0.1", "localhost"), SECRET.encode(), 0.3, 2, QUICK)
    receiver.server.server_close()
    with caplog.at_level(logging.DEBUG), pytest.raises(AwayError, match="http://localhost:") as told:
        post(hook)
    assert "token" not in f"{told.value!r}"
    assert SECRET not in f"{hook!r} {told.value!r} {caplog.text}"
    assert told.value.__cause__ is told.value.__context__ is None


def test_the_night_ends_although_a_receiver_does_not(hook, receiver):
    hook.patience = Patience(backoff_seconds=0.2, longest_wait_seconds=60, night_seconds=0.3)
    receiver.then(*[503] * 9)
    with pytest.raises(AwayError) as told:
        post(hook)
    assert told.value.is_final
    assert len(receiver.requests) < 4
    time.sleep(0.3)
    receiver.requests.clear()
    with pytest.raises(AwayError, match="time for it is over"):
        post(hook)
    assert receiver.requests == []


def test_it_stays_on_this_machine_and_asks_nobody_for_a_password(hook, receiver, monkeypatch, tmp_path):
    with Receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
        assert post(hook) is Reply.TAKEN
        assert proxy.requests == []
    assert "Authorization" not in receiver.requests[0].headers


def test_no_address_is_no_webhook():
    assert Webhook.of(Settings()) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/hook", "without TLS"),
        ("ftp://example.org/hook", "no address"),
        ("example.org/hook", "no address"),
        ("https:///hook", "no address"),
        ("https://a..example.org/hook", "no address"),
        (f"https://{'a' * 64}.example.org/hook", "no address"),
        ("https://example.org/a b", "no address"),
        ("https://example.org/é", "no address"),
        ("https://example.org:99999/", "no address"),
        ("https://me:secret@example.org/", "neither a user"),
        ("https://example.org/#x", "neither a user"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_before_anything_is_sent(url, said, monkeypatch):
    monkeypatch.setenv(SECRET_NAME, SECRET)
    with pytest.raises(UsageError, match=f"webhook_url .*{said}") as told:
        Webhook.of(Settings(webhook_url=url))
    assert url not in str(told.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]/x"]
)
def test_an_address_with_tls_or_on_this_machine_can_be_used(url, monkeypatch):
    monkeypatch.setenv(SECRET_NAME, SECRET)
    hook = Webhook.of(Settings(webhook_url=url, webhook_attempts=2, webhook_timeout_seconds=3))
    assert (hook.url, hook.attempts, hook.timeout_seconds, hook.secret) == (url, 2, 3, SECRET.encode())


def test_a_secret_may_stand_in_a_file_for_the_owner_alone(monkeypatch, tmp_path):
    file = Path(tmp_path / "secret")
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    monkeypatch.setenv(SECRET_FILE, str(file))
    settings = Settings(webhook_url="https://example.org/")
    assert Webhook.of(settings).secret == SECRET.encode()
    file.chmod(0o640)
    with pytest.raises(UsageError, match="open to others: chmod 600"):
        Webhook.of(settings)
    file.chmod(0o600)
    file.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        Webhook.of(settings)
    file.unlink()
    with pytest.raises(UsageError, match=r"cannot be read \(FileNotFoundError\)"):
        Webhook.of(settings)
    monkeypatch.delenv(SECRET_FILE)
    with pytest.raises(UsageError, match=f"set {SECRET_NAME}, or {SECRET_FILE}"):
        Webhook.of(settings)


def test_the_secret_is_no_setting_and_the_address_is_not_published(monkeypatch, tmp_path):
    monkeypatch.setenv(SECRET_NAME, SECRET)
    monkeypatch.setenv(SECRET_FILE, "somewhere")
    monkeypatch.setenv("HANDRAIL_WEBHOOK_URL", "https://example.org/token")
    told = load_settings(tmp_path / "handrail.toml").public_json()
    assert SECRET not in told
    assert "example.org" not in told
