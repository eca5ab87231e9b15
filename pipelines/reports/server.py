"""The reports' folder on loopback: read-only, nothing outside the folder, no listing.

Belongs here: the server that `handrail ui` starts beside Dagster, as a process of its own. Does not belong here: what
the pages say. Dagster's webserver has no public way to serve files, so they have a port of their own.

A page may hold figures that another web site should not read: an answer is given only to who asks for a name of this
machine (or the one that `reports_url` has, where a proxy stands before it), and no page may be framed, or run a script.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Collection
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote, unquote, urlsplit

LOOPBACK = "127.0.0.1"
_HOSTS = frozenset({LOOPBACK, "localhost", "::1"})
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def found(root: Path, path: str) -> Path | None:
    """The file of the folder that a request's path names; none where there is no such file to show.

    A folder stands for its `index.html`. Names that begin with a dot are never shown, nor is what a link leads to outside.
    """
    names = [name for name in unquote(path).split("/") if name]
    if any(name.startswith(".") or "\0" in name or "\\" in name for name in names):
        return None
    try:
        file = root.joinpath(*names).resolve()
        file = file / "index.html" if file.is_dir() else file
        is_shown = file.resolve().is_relative_to(root.resolve()) and file.suffix in _KINDS and file.is_file()
    except (OSError, ValueError):
        return None
    return file if is_shown else None


def server(listening: socket.socket, root: Path, hosts: Collection[str] = ()) -> ThreadingHTTPServer:
    """A server of the folder on a socket that listens already; `hosts` may be asked for beside this machine's names."""

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "handrail", ""
        timeout = 30

        def do_GET(self) -> None:
            """Answer with a file."""
            self._answer(has_body=True)

        def do_HEAD(self) -> None:
            """Answer with a file's headers."""
            self._answer(has_body=False)

        def _answer(self, *, has_body: bool) -> None:
            if _host_of(self.headers.get("Host", "")) not in {*_HOSTS, *hosts} - {""}:
                return self._refuse(HTTPStatus.FORBIDDEN)
            path = urlsplit("/" + self.path.lstrip("/")).path
            file = found(root, path)
            if file is None:
                return self._refuse(HTTPStatus.NOT_FOUND)
            if file.name == "index.html" and not path.endswith(("/", "/index.html")):
                # Links on the page are relative to its folder. Two slashes at the beginning would name another host.
                return self._refuse(HTTPStatus.MOVED_PERMANENTLY, f"/{quote(unquote(path).strip('/'))}/")
            try:
                content, changed = file.read_bytes(), file.stat().st_mtime
            except OSError:
                return self._refuse(HTTPStatus.NOT_FOUND)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", _KINDS[file.suffix])
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", formatdate(changed, usegmt=True))
            self.end_headers()
            if has_body:
                with suppress(ConnectionError):
                    self.wfile.write(content)
            return None

        def _refuse(self, status: HTTPStatus, location: str = "") -> None:
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def end_headers(self) -> None:
            """Every answer carries the same guards."""
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """The terminal is Dagster's."""

    made = ThreadingHTTPServer((LOOPBACK, 0), Handler, bind_and_activate=False)
    made.socket.close()
    made.socket, made.server_address = listening, listening.getsockname()
    return made


def listen(port: int) -> socket.socket:
    """A socket that listens on loopback alone; raises `OSError` where the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(32)
    except OSError:
        listening.close()
        raise
    return listening


def _host_of(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def main(handle: int, root: Path, hosts: Collection[str]) -> None:
    """Serve on an inherited socket until standard input ends, which it does when the process that started us is gone."""
    made = server(socket.socket(fileno=handle), root, hosts)
    Thread(target=made.serve_forever, daemon=True).start()
    while sys.stdin.buffer.read(1):
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
