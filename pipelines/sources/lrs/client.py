"""Asks one LRS for pages of statements, patiently, and nobody else.

Belongs here: HTTP, credentials, what is tried again and what is not, where a `more` may lead. Does not belong here:
which pages to ask for and what has been taken (`pull`, `state`), the shape of a page (`pages`).
A credential is never part of a message, a representation or a log line; errors are raised outside of the handlers of
their causes, since the causes hold the request with its headers.
"""

from __future__ import annotations

import base64
import os
import re
import stat
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, InvalidHeader, LocationParseError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, parse_url

from data_contracts.errors import PermanentError, TransientError
from pipelines import __version__
from pipelines.settings import LRS_CREDENTIALS, LrsSettings
from pipelines.sources.lrs.pages import NoPageError, split_page

# Busy, broken or away for now; every other answer than 200 is the same tomorrow.
PASSING = frozenset((408, 425, 429, *range(500, 600)))

_CHUNK_BYTES = 1 << 16
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an answer is asked for again, and how long is waited in between, in seconds."""

    retries: int = 5
    backoff_seconds: float = 1.0
    longest_wait_seconds: int = 120
    page_seconds: float = 900.0


class RefusedError(PermanentError):
    """The LRS does not serve this address; a `more` that has expired is refused like this too."""


class BadMoreError(PermanentError):
    """The reference to the next page leads elsewhere, in a circle or nowhere; it was not followed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One page as delivered.

    Attributes:
        statements: each as the LRS wrote it.
        more: the whole address of the next page, None on the last one.
        more_fault: why the reference to the next page must not be followed.
        consistent_at: all that was stored until then is there to be asked for, if the LRS says so.
        byte_count: bytes of the page, unpacked.
    """

    statements: list[bytes]
    more: str | None
    more_fault: BadMoreError | None
    consistent_at: datetime | None
    byte_count: int


class _Authorization(AuthBase):
    """Puts one header on each request; also keeps `.netrc` from being looked at."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header is not None:
            request.headers["Authorization"] = self._header
        return request


class _Waiting(Retry):
    """urllib3's retry; a Retry-After that says nothing is no reason to give up."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds to wait, None where the header does not say."""
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError, TypeError):
            return None


class _BrokenAnswerError(Exception):
    """An answer that did not arrive whole, or is no page: it is asked for again."""


@dataclass(slots=True)
class Client:
    """Asks one LRS; not to be shared between threads.

    Raises on construction:
        PermanentError: a credential is missing, cannot be read, or its file is open to others.
    """

    lrs: LrsSettings
    patience: Patience = field(default_factory=Patience)
    _session: requests.Session = field(init=False, repr=False)
    _ours: tuple[str, str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ours = _origin(self.lrs.endpoint)
        if ours is None:
            message = f"{self._name}: `endpoint` {self.lrs.endpoint} can be read in two ways; write it plainly"
            raise PermanentError(message)
        self._ours = ours
        session = requests.Session()
        session.auth = _Authorization(_authorization(self.lrs, os.environ))
        session.headers.update(
            {
                "X-Experience-API-Version": self.lrs.version,
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"handrail/{__version__}",
            }
        )
        adapter = HTTPAdapter(
            max_retries=_Waiting(
                total=self.patience.retries,
                redirect=0,
                status_forcelist=PASSING,
                backoff_factor=self.patience.backoff_seconds,
                backoff_max=self.patience.longest_wait_seconds,
                retry_after_max=self.patience.longest_wait_seconds,
                raise_on_status=False,
                raise_on_redirect=False,
            )
        )
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def address(self, since: datetime | None, until: datetime | None) -> str:
        """The address of the first page of a range on `stored`: after `since`, up to and with `until`."""
        asked: dict[str, str] = {}
        if since is not None:
            asked["since"] = _told(since)
        if until is not None:
            asked["until"] = _told(until)
        asked |= {"ascending": "true", "format": "exact", "attachments": "false"}
        if self.lrs.page_limit:
            asked["limit"] = str(self.lrs.page_limit)
        return f"{self.lrs.endpoint}/statements?{urlencode(asked)}"

    def follow(self, more: str) -> str:
        """The whole address that a `more` means, seen from the configured endpoint.

        Raises:
            BadMoreError: it leads to another scheme, host or port, names a user, or is not plain to read.
        """
        try:
            address = urljoin(f"{self.lrs.endpoint}/statements", more)
            is_ours = _is_plain(more) and _origin(address) == self._ours
        except ValueError:
            is_ours = False
        if not is_ours:
            message = (
                f"{self._name} names a next page (`more`) that is not on {self.lrs.endpoint}; it was not asked for. "
                "Its address as the LRS knows it and `endpoint` must be of one scheme, host and port: mend the LRS"
            )
            raise BadMoreError(message)
        return address.partition("#")[0]

    def get(self, address: str) -> Answer:
        """Ask for one page, again where the answer is broken.

        Raises:
            TransientError: the LRS was busy, slow, away or spoke nonsense, however often it was asked.
            PermanentError: it refuses the credentials, redirects, or sends more than a page may have.
            RefusedError: it does not serve this address.
        """
        said = ""
        for attempt in range(self.patience.retries + 1):
            if attempt:
                longest = self.patience.longest_wait_seconds
                time.sleep(min(self.patience.backoff_seconds * 2 ** (attempt - 1), longest))
            try:
                return self._ask(address)
            except _BrokenAnswerError as error:
                said = str(error)
        message = (
            f"{self._name} {said}, {self.patience.retries + 1} times; nothing of that page was taken, "
            "and the next run asks for it again"
        )
        raise TransientError(message)

    @property
    def _name(self) -> str:
        return f"LRS {self.lrs.name!r}"

    def _ask(self, address: str) -> Answer:
        with self._send(address) as response:
            self._judge(response)
            body = self._read(response)
            headers = response.headers
        kind = headers.get("Content-Type", "")
        try:
            page = split_page(_first_part(body, kind) if kind.lower().startswith("multipart/") else body)
        except NoPageError as error:
            wrong = f"{error}; it is {kind.partition(';')[0] or 'of no type'}, {len(body)} bytes"
        else:
            more, fault = self._next(page.more)
            return Answer(page.statements, more, fault, _consistent_at(headers), len(body))
        # Whoever guards the LRS (a proxy, a login page) answers in its place.
        message = f"answers with something that is no page of statements ({wrong})"
        raise _BrokenAnswerError(message)

    def _next(self, more: str | None) -> tuple[str | None, BadMoreError | None]:
        if more is None:
            return None, None
        try:
            return self.follow(more), None
        except BadMoreError as fault:
            return None, fault

    def _send(self, address: str) -> requests.Response:
        request = self._session.prepare_request(requests.Request("GET", address))
        # The last door: what is sent, as the library that sends it reads it.
        if _origin(request.url or "") != self._ours:
            message = f"{self._name}: an address that is not on {self.lrs.endpoint} was not asked for"
            raise BadMoreError(message)
        # A proxy and trusted certificates may stand in the environment, but what is local stays on this machine.
        around = self._session.merge_environment_settings(request.url or "", {}, True, True, None)
        if self.lrs.is_loopback:
            around["proxies"] = {}
        cause = ""
        try:
            return self._session.send(
                request, timeout=(10.0, self.lrs.timeout_seconds), allow_redirects=False, **around
            )
        except requests.exceptions.SSLError:
            is_certificate = True
        except requests.exceptions.RequestException as error:
            is_certificate, cause = False, type(error).__name__
        if is_certificate:
            message = (
                f"{self._name}: no trusted TLS connection to {self.lrs.endpoint}; if its certificate is of an authority "
                "of your own, name that authority's file in REQUESTS_CA_BUNDLE"
            )
            raise PermanentError(message)
        message = (
            f"{self._name} cannot be reached at {self.lrs.endpoint} ({cause}), asked {self.patience.retries + 1} times; "
            "the next run asks again"
        )
        raise TransientError(message)

    def _judge(self, response: requests.Response) -> None:
        """Let a page pass; say of anything else what it means."""
        status = response.status_code
        if status == requests.codes.ok:
            return
        said = f"{self._name} answers {status}"
        if status in PASSING:
            message = f"{said}, asked {self.patience.retries + 1} times; the next run asks again"
            raise TransientError(message)
        if status in {401, 403}:
            message = f"{said}: it refuses our credentials; look at {_where(self.lrs)}, and at what they may read there"
            raise PermanentError(message)
        if 300 <= status < 400:
            message = f"{said}: it redirects, which is not followed; write in `endpoint` where it really is"
            raise PermanentError(message)
        message = (
            f"{said} to GET {urlsplit(response.url).path}: is `endpoint` the address before /statements, "
            f"does it speak xAPI {self.lrs.version} (`version`), and does it give {self.lrs.page_limit} statements a page "
            "(`page_limit`)?"
        )
        raise RefusedError(message)

    def _read(self, response: requests.Response) -> bytes:
        """The body, unpacked as far as a page may be large."""
        body, deadline, said = bytearray(), time.monotonic() + self.patience.page_seconds, ""
        try:
            # What has come so far, whenever something comes: a full chunk may never do.
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > self.lrs.max_page_bytes:
                    self._too_large()
                if time.monotonic() > deadline:
                    said = f"is still not done with one page after {self.patience.page_seconds:g} seconds"
                    break
        except HTTPError as error:
            said = f"breaks off in the middle of a page ({type(error).__name__})"
        if said:
            raise _BrokenAnswerError(said)
        return bytes(body)

    def _too_large(self) -> NoReturn:
        message = (
            f"{self._name} sends a page of more than {self.lrs.max_page_bytes} bytes; ask for fewer statements a page "
            "(page_limit), or raise max_page_bytes"
        )
        raise PermanentError(message)


def _told(instant: datetime) -> str:
    """An instant as xAPI writes it, to the millisecond; the fraction is cut, so `since` never skips."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def _is_plain(reference: str) -> bool:
    """Whether every parser reads a reference alike: no spaces, controls or backslashes, which some skip or turn."""
    return reference.isprintable() and " " not in reference and "\\" not in reference


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port as two parsers agree on them; None where they differ, or a user is named."""
    try:
        found, other = parse_url(address), urlsplit(address)
        port = found.port or _DEFAULT_PORTS[found.scheme or ""]
        other_port = other.port or _DEFAULT_PORTS[other.scheme]
    except (LocationParseError, ValueError, KeyError):
        return None
    host = (found.host or "").strip("[]").lower()
    is_one = (found.scheme, host, port) == (other.scheme, (other.hostname or "").lower(), other_port)
    has_user = found.auth is not None or "@" in other.netloc
    return (other.scheme, host, port) if is_one and host and not has_user else None


def _consistent_at(headers: Mapping[str, str]) -> datetime | None:
    """Until when the LRS says that it has all that was stored; where it does not say, its own clock when it answered.

    The clock is no promise; it keeps one statement stored in the year 9999 from ending all pulls.
    """
    told = instant(headers.get("X-Experience-API-Consistent-Through"))
    return told or _http_date(headers.get("Date", ""))


def instant(text: object) -> datetime | None:
    """Read an instant in UTC as an LRS writes it, cut to the microsecond; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        read = datetime.fromisoformat(text.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _http_date(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _first_part(body: bytes, kind: str) -> bytes:
    """The first part of a multipart body, which holds the statements; some send attachments although not asked to."""
    boundary = _BOUNDARY.search(kind)
    message = "its parts cannot be told apart"
    if boundary is None:
        raise NoPageError(message)
    parts = body.split(b"--" + boundary[1].encode())
    head, blank, content = parts[1].partition(b"\r\n\r\n") if len(parts) > 2 else (b"", b"", b"")
    if not blank or b"content-transfer-encoding: base64" in head.lower():
        raise NoPageError(message)
    return content


def _where(lrs: LrsSettings) -> str:
    """Where an operator finds the credentials in use."""
    names = ("TOKEN",) if lrs.auth == "bearer" else ("USERNAME", "PASSWORD")
    places = " and ".join(lrs.variable_prefix + name for name in names)
    if lrs.auth == "none":
        return 'auth = "none" in its settings'
    return f"{places}, or {Path(lrs.credentials_file).name}" if lrs.credentials_file else places


def _authorization(lrs: LrsSettings, environment: Mapping[str, str]) -> str | None:
    """The Authorization header from the environment, else from the file of credentials; None where none is wanted.

    Raises:
        PermanentError: what is needed is missing, is no header, or its file is damaged or open to others.
    """
    if lrs.auth == "none":
        return None
    given = {name: environment.get(lrs.variable_prefix + name.upper(), "") for name in LRS_CREDENTIALS}
    if lrs.credentials_file and not any(given.values()):
        given = _credentials_of(Path(lrs.credentials_file), lrs)
    username, password, token = (given[name] for name in LRS_CREDENTIALS)
    if lrs.auth == "bearer":
        is_usable, header = token.isascii() and token.isprintable() and " " not in token, f"Bearer {token}"
        is_given = bool(token)
    else:
        is_usable, is_given = ":" not in username, bool(username and password)
        header = "Basic " + base64.b64encode(f"{username}:{password}".encode("utf-8", "surrogateescape")).decode(
            "ascii"
        )
    if not is_given or not is_usable:
        state = "are missing" if not is_given else "cannot be sent as they are (a colon, a space or a control in them)"
        file = "" if lrs.credentials_file else ", or name a credentials_file"
        message = f"LRS {lrs.name!r}: credentials {state}; set {_where(lrs)}{file}"
        raise PermanentError(message)
    return header


def _credentials_of(file: Path, lrs: LrsSettings) -> dict[str, str]:
    given: object = None
    fault = ""
    try:
        with file.open("rb") as stream:
            if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
                fault = f"is open to others; chmod 600 {file.name}"
            else:
                given = tomllib.loads(stream.read().decode())
    except OSError as error:
        fault = f"cannot be read ({type(error).__name__})"
    except ValueError:
        # Not even where: the message of a parser shows what it stumbled over.
        fault = "is no TOML"
    if isinstance(given, dict) and not all(isinstance(given.get(name, ""), str) for name in LRS_CREDENTIALS):
        fault = 'must hold texts: username = "..." and password = "...", or token = "..."'
    if fault or not isinstance(given, dict):
        message = f"LRS {lrs.name!r}: its credentials_file {file.name} {fault}"
        raise PermanentError(message)
    return {name: given.get(name, "") for name in LRS_CREDENTIALS}
