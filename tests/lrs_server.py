"""A Learning Record Store on loopback that keeps to the standard, and misbehaves when told to.

Belongs here: `GET /statements` as xAPI has it, and every way in which real and hostile stores depart from it. Does not
belong here: what a pull makes of that (the tests).
Kept to: `since` after and `until` up to `stored`, ascending and descending order, `limit`, `more` as a relative reference
that serves one moment's answer to its end, voided statements left out, the version header, Consistent-Through.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import random
import re
import threading
import time
import zlib
from collections import deque
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
USERNAME, PASSWORD = "reader", "s3cret-Pässword"
START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def iso(at):
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def statement(number, **parts):
    """A valid statement with an id and a person of its own number; the store adds `stored`."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "actor": {"mbox": f"mailto:learner-{number % 17}@example.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": f"https://lms.test/page/{number % 23}"},
        "timestamp": iso(START + timedelta(seconds=number) - timedelta(minutes=1)),
    } | parts


def void(number, target):
    """A statement that voids another."""
    return statement(number, verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": target["id"]})


class Loopback:
    """A threaded HTTP server on a free port of 127.0.0.1; use as a context manager."""

    def __init__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A hung-up client must not hold its thread for long.
            timeout = 20

            def do_GET(self):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    outer.answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.closing = threading.Event()
        self.requests = []
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)


class Canary(Loopback):
    """A host that nobody has any business with: it notes whoever comes, and says a page."""

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        send(handler, 200, b'{"statements": []}')


def send(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in {"Content_Type": "application/json", "Content_Length": len(body), **headers}.items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


class Lrs(Loopback):
    """The store. `then(fault, ...)` queues one fault a request, None for none; the other switches hold for all.

    A fault is a function of (store, handler, body, headers) that answers in its own way.
    """

    def __init__(self, *, page=10, auth="basic", consistent=True, gzipped=False):
        super().__init__()
        self.page, self.auth, self.gzipped = page, auth, gzipped
        self.consistent = datetime.now if consistent else None
        self.stored = []
        self.lock = threading.Lock()
        self.faults = deque()
        self.bend_more = lambda more, _number: more
        self.bend_page = lambda statements, _number: statements
        self.order = sorted
        self.empty_before = ()
        self.cursors = {}
        self.pages = 0

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}/xapi"

    def add(self, *statements, at=None, step=timedelta(seconds=1)):
        """Store statements, each a step later than the one before; bytes are stored as they are."""
        with self.lock:
            for one in statements:
                last = self.stored[-1][0] + step if self.stored else START
                stored = at or last
                raw = one if isinstance(one, bytes) else json.dumps({**one, "stored": iso(stored)}).encode()
                self.stored.append((stored, raw))
        return self

    def then(self, *faults):
        self.faults.extend(faults)
        return self

    def asked(self):
        """The parameters of each first page that was asked for."""
        return [
            {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
            for path, _ in self.requests
            if urlsplit(path).path == "/xapi/statements"
        ]

    # What an LRS does.

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        if not self._is_allowed(handler):
            send(handler, 401, b"{}", WWW_Authenticate='Basic realm="lrs"')
            return
        if handler.headers.get("X-Experience-API-Version", "") not in {"1.0.3", "2.0.0"}:
            send(handler, 400, b'"X-Experience-API-Version is missing"')
            return
        with self.lock:
            fault = self.faults.popleft() if self.faults else None
            found = self._page(urlsplit(handler.path))
        if found is None:
            send(handler, 400 if handler.path.startswith("/xapi/statements?") else 404, b"{}")
            return
        headers = {"X_Experience_API_Version": handler.headers["X-Experience-API-Version"]}
        if self.consistent is not None:
            headers["X_Experience_API_Consistent_Through"] = iso(self.consistent(UTC))
        if fault is not None:
            fault(self, handler, found, headers)
        elif self.gzipped and "gzip" in handler.headers.get("Accept-Encoding", ""):
            send(handler, 200, gzip.compress(found), Content_Encoding="gzip", **headers)
        else:
            send(handler, 200, found, **headers)

    def _is_allowed(self, handler):
        given = handler.headers.get("Authorization")
        wanted = {
            "basic": "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode(),
            "bearer": f"Bearer {PASSWORD.encode().hex()}",
            "none": None,
        }
        return given == wanted[self.auth]

    def _page(self, address):
        if address.path == "/xapi/statements":
            try:
                rows, limit = self._query({name: values[0] for name, values in parse_qs(address.query).items()})
            except (KeyError, ValueError):
                return None
            number, is_told = 0, False
        elif address.path == "/xapi/more":
            found = self.cursors.get(address.query)
            if found is None:
                return None
            rows, limit, number, is_told = found
        else:
            return None
        # An empty page leads to the one that it stands before.
        is_empty = number in self.empty_before and not is_told
        now, later = ([], rows) if is_empty else (rows[:limit], rows[limit:])
        more = ""
        if later:
            cursor = f"after={len(self.cursors)}"
            self.cursors[cursor] = (later, limit, number + (not is_empty), is_empty)
            more = f"/xapi/more?{cursor}"
        self.pages += 1
        statements = self.bend_page([raw for _, raw in now], number)
        told = {"more": self.bend_more(more, number)}
        return b'{"statements": [' + b",\n ".join(statements) + b"], " + json.dumps(told).encode()[1:]

    def _query(self, asked):
        known = {"since", "until", "limit", "ascending", "format", "attachments"}
        if set(asked) - known or asked["format"] != "exact" or asked["attachments"] != "false":
            raise KeyError
        since, until = (datetime.fromisoformat(asked[name]) if name in asked else None for name in ("since", "until"))
        rows = [
            (stored, raw)
            for stored, raw in self.stored
            if (since is None or stored > since) and (until is None or stored <= until)
        ]
        gone = self._voided()
        rows = [(stored, raw) for stored, raw in rows if self._id(raw) not in gone]
        ordered = self.order(rows, key=lambda row: row[0])
        limit = min(int(asked.get("limit", 0)) or self.page, self.page)
        return (ordered if asked.get("ascending") == "true" else ordered[::-1]), limit

    def _voided(self):
        """What was voided, but no voider, since that cannot be."""
        voids = [json.loads(raw) for _, raw in self.stored if VOIDED.encode() in raw]
        voiders = {one["id"] for one in voids}
        return {one["object"]["id"] for one in voids if one["object"]["id"] not in voiders}

    @staticmethod
    def _id(raw):
        found = re.search(rb'"id": ?"([^"]+)"', raw)
        return found[1].decode("ascii", "replace") if found else None


def shuffled(seed):
    """An order that is none."""

    def order(rows, key):
        rows = list(rows)
        random.Random(seed).shuffle(rows)  # noqa: S311 - an order, no secret
        return rows

    return order


# Faults of one answer.


def status(code, **headers):
    def fault(store, handler, body, ours):
        send(handler, code, b'{"error": "as told"}', **headers)

    return fault


def hang(seconds=3):
    """Say nothing for so long."""

    def fault(store, handler, body, ours):
        store.closing.wait(seconds)
        handler.close_connection = True

    return fault


def hang_up(store, handler, body, ours):
    """Close without a word."""
    handler.close_connection = True


def cut(share=0.5):
    """A whole answer, in HTTP's eyes, whose JSON is cut off."""

    def fault(store, handler, body, ours):
        send(handler, 200, body[: int(len(body) * share)], **ours)

    return fault


def break_off(store, handler, body, ours):
    """Promise more bytes than come."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def say(content, kind="application/json", **headers):
    """Something else in place of the page."""

    def fault(store, handler, body, ours):
        send(handler, 200, content, Content_Type=kind, **ours, **headers)

    return fault


def multipart(store, handler, body, ours):
    """The page as the first of several parts, as if attachments had been asked for."""
    parts = (
        b"--xyz\r\nContent-Type: application/json\r\n\r\n" + body + b"\r\n--xyz\r\nContent-Type: text/plain\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\nan attachment\r\n--xyz--\r\n"
    )
    send(handler, 200, parts, **{**ours, "Content_Type": 'multipart/mixed; boundary="xyz"'})


def bomb(megabytes):
    """A small answer that unpacks to a large one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes)) + packer.flush()

    def fault(store, handler, body, ours):
        send(handler, 200, packed, Content_Encoding="gzip", **ours)

    return fault


def trickle(seconds):
    """A byte now and then, for so long."""

    def fault(store, handler, body, ours):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        deadline = time.monotonic() + seconds
        for byte in body:
            if time.monotonic() > deadline or store.closing.wait(0.05):
                break
            handler.wfile.write(bytes([byte]))
        handler.close_connection = True

    return fault


def creep(seconds):
    """Headers that come byte by byte, for so long: each byte in time, the answer never."""

    def fault(store, handler, body, ours):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not store.closing.wait(0.05):
            handler.wfile.write(b"x")
        handler.close_connection = True

    return fault
