"""A receiver of webhooks on loopback that writes down what comes, and answers as it is told.

Belongs here: the server's side of a webhook, checked as docs/delivery.md tells receivers to. Does not belong here: what a
night makes of its answers (the tests).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET = "s3cret-with-enough-of-it"  # noqa: S105 - of these tests
PAGE = Path(__file__).resolve().parents[1] / "docs" / "delivery.md"


def documented():
    """The receiver's functions as the page shows them."""
    found = {}
    for block in PAGE.read_text("utf-8").split("```python\n")[1:]:
        exec(block.partition("```")[0], found)  # noqa: S102 - the page's own words are what is tried
    return found


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self):
        return self.headers["Idempotency-Key"]

    @property
    def told(self):
        return json.loads(self.body)


class Receiver:
    """Use as a context manager. `then(answer, ...)` queues one answer a request; with none left it is 204.

    An answer is a status, or (status, headers), or a function of the handler that answers in its own way.
    """

    def __init__(self):
        outer = self
        self.requests, self.answers, self.closing = [], deque(), threading.Event()
        self.on_request = None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append(Request(self.path, dict(self.headers), body))
                if outer.on_request is not None:
                    outer.on_request(len(outer.requests))
                answer = outer.answers.popleft() if outer.answers else 204
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if callable(answer):
                        answer(self)
                    else:
                        status, headers = answer if isinstance(answer, tuple) else (answer, {})
                        self.send_response(status)
                        for name, value in {"Content-Length": "0", **headers}.items():
                            self.send_header(name, value)
                        self.end_headers()

            def do_GET(self):
                # What follows a redirect may ask so.
                outer.requests.append(Request(self.path, dict(self.headers), b""))
                self.send_error(405)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts?token=in-the-address"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)

    def then(self, *answers):
        self.answers.extend(answers)

    def hang(self, handler):
        """Say nothing until the test is over."""
        self.closing.wait(10)
        handler.close_connection = True
