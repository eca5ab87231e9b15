"""Posts deliveries to one address, signed, patiently; off where no address is set.

Belongs here: HTTP, the secret, the signature, what is tried again and what is not. Does not belong here: what is
delivered and what has been (`outbox`).

The secret is never part of a message, a representation or a log line; nor is the address behind its host, since some
receivers keep a token there. Errors are raised outside of the handlers of their causes, which hold the request.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from data_contracts.errors import TransientError, UsageError
from pipelines import __version__
from pipelines.home import now
from pipelines.settings import Settings

SECRET, SECRET_FILE = "HANDRAIL_WEBHOOK_SECRET", "HANDRAIL_WEBHOOK_SECRET_FILE"

_CONNECT_SECONDS = 10.0
# Busy or away for now.
_PASSING = frozenset((408, 425, 429, *range(500, 600)))
# They speak of the address or the secret, not of what was posted: somebody mends that, and nothing is lost meanwhile.
_UNSETTLED = frozenset((*range(300, 400), 401, 403, 404, 407))


class AwayError(TransientError):
    """The receiver did not take a delivery, whatever was tried; it stays pending.

    `is_final` says that the next delivery would fare no better: the address or the secret is wrong, or time is up.
    """

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final


class Reply(Enum):
    """What became of a delivery."""

    TAKEN = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited between attempts and in all deliveries of a night together, in seconds."""

    backoff_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    night_seconds: float = 600.0


class _NoLogin(AuthBase):
    """Keeps `.netrc` from being looked at."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass
class Webhook:
    """One receiver. Use `Webhook.of`; the night's time begins with the first post."""

    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    timeout_seconds: float = 10.0
    attempts: int = 4
    patience: Patience = field(default_factory=Patience)
    _until: float | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, settings: Settings, patience: Patience | None = None) -> Webhook | None:
        """The receiver that the settings name, with the secret of the environment; None where they name none.

        Raises:
            UsageError: the address cannot be used, or there is no secret that can.
        """
        if not settings.webhook_url:
            return None
        check_address(settings.webhook_url, "webhook_url")
        return cls(
            settings.webhook_url,
            secret_for("webhook_url"),
            settings.webhook_timeout_seconds,
            settings.webhook_attempts,
            patience or Patience(),
        )

    @property
    def receiver(self) -> str:
        """Scheme, host and port: as much of the address as may be told."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    def post(self, key: str, body: bytes, on_attempt: Callable[[], None]) -> Reply:
        """Post one delivery, again while the receiver is busy or away; `on_attempt` is called before each attempt.

        The body and `Idempotency-Key` are the same at each attempt, the signature is of the attempt's own time.

        Raises:
            AwayError: nobody took it; the message says why and what to do.
        """
        if self._until is None:
            self._until = time.monotonic() + self.patience.night_seconds
        said, wait, is_final = "was not asked any more: the night's time for it is over", 0.0, False
        for attempt in range(self.attempts):
            if attempt:
                wait = max(wait, self.patience.backoff_seconds * 2 ** (attempt - 1))
            is_final = wait > self.patience.longest_wait_seconds or time.monotonic() + wait > self._until
            if is_final:
                break
            time.sleep(wait)
            on_attempt()
            status, wait, said = self._send(key, body)
            if 200 <= status < 300:
                return Reply.TAKEN
            if status in _UNSETTLED:
                raise AwayError(self._unsettled(status), is_final=True)
            if 400 <= status < 500 and status not in _PASSING:
                return Reply.REFUSED
        message = f"{self.receiver} {said}; what is pending waits for the next run"
        raise AwayError(message, is_final=is_final)

    def _send(self, key: str, body: bytes) -> tuple[int, float, str]:
        """(status, seconds it asks to wait, what it said); status 0 where there was no answer."""
        timestamp = str(int(now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"handrail/{__version__}",
            "Idempotency-Key": key,
            "X-Handrail-Timestamp": timestamp,
            "X-Handrail-Signature": signature(self.secret, timestamp, body),
        }
        cause = ""
        with session_for(self.url) as session:
            try:
                with session.post(
                    self.url,
                    data=body,
                    headers=headers,
                    timeout=(min(_CONNECT_SECONDS, self.timeout_seconds), self.timeout_seconds),
                    allow_redirects=False,
                    # What a receiver answers beside its status is not read.
                    stream=True,
                ) as response:
                    status, asked = response.status_code, response.headers.get("Retry-After", "")
                return status, _seconds(asked) if status in _PASSING else 0.0, f"answers {status}"
            except requests.exceptions.SSLError:
                cause = "shows no certificate that is trusted (for an authority of your own, set REQUESTS_CA_BUNDLE)"
            except requests.exceptions.RequestException as error:
                cause = f"cannot be reached ({type(error).__name__})"
        return 0, 0.0, cause

    def _unsettled(self, status: int) -> str:
        if status < 400:
            way_out = "it redirects, which is not followed; write in webhook_url where it really is"
        elif status == 404:
            way_out = "is webhook_url right?"
        else:
            way_out = f"does it know the secret of {SECRET}, and is webhook_url right?"
        return f"{self.receiver} answers {status}: {way_out} What is pending waits for the next run"


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA-256 of `TIMESTAMP.BODY` in hexadecimal digits."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def session_for(url: str) -> requests.Session:
    """A session without a login; a proxy and trusted certificates may stand in the environment, but what is local stays so."""
    session = requests.Session()
    session.auth = _NoLogin()
    session.trust_env = not is_loopback(url)
    return session


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(url: str, setting: str) -> None:
    """Make sure that a setting's address can be used.

    Raises:
        UsageError: it cannot; the message names the setting and not the address.
    """
    fault = ""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # A label that is empty or too long breaks a request in a way that is no RequestException, and names the host.
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_whole = False
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        fault = "is no address such as https://example.org/handrail"
    elif "@" in parts.netloc or parts.fragment:
        fault = "must hold neither a user nor '#'"
    elif parts.scheme == "http" and not is_loopback(url):
        fault = "is without TLS: write https://; http:// is for an address on this machine alone"
    if fault:
        message = f"{setting} {fault}"
        raise UsageError(message)


def secret_for(setting: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """The secret of the environment, else of the file it names, with which posts to a setting's address are signed.

    Raises:
        UsageError: there is none, or its file cannot be read or is open to others.
    """
    given, file = environment.get(SECRET, ""), environment.get(SECRET_FILE, "")
    fault = f"{setting} is set, but no secret to sign with: set {SECRET}, or {SECRET_FILE} to a file of mode 0600"
    if not given and file:
        try:
            with Path(file).expanduser().open("rb") as stream:
                is_open = stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077
                given = "" if is_open else stream.read().decode("utf-8").strip()
            fault = f"the file of {SECRET_FILE} is " + ("open to others: chmod 600" if is_open else "empty")
        except (OSError, ValueError) as error:
            fault = f"the file of {SECRET_FILE} cannot be read ({type(error).__name__})"
    if not given:
        raise UsageError(fault)
    return given.encode()


def _seconds(retry_after: str) -> float:
    """What a Retry-After header asks for: seconds, or a date; 0 where it says neither."""
    if retry_after.strip().isdigit():
        return float(retry_after.strip()[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now()).total_seconds())
