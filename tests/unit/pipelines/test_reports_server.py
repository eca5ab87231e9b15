"""The reports' server shows the folder's pages and nothing else, to this machine alone, and ends with the UI."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from pipelines.commands.ui import serve_reports
from pipelines.home import Home
from pipelines.reports import server
from pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "key").write_text("secret", "utf-8")
    reports = home / "reports"
    (reports / "programmes").mkdir(parents=True)
    (reports / "index.html").write_text("all", "utf-8")
    (reports / "programmes" / "index.html").write_text("programmes", "utf-8")
    (reports / "programmes" / "growth.html").write_text("growth", "utf-8")
    (reports / ".nightly.html.partial").write_text("half", "utf-8")
    (reports / ".hidden.html").write_text("hidden", "utf-8")
    (reports / "model.bin").write_text("binary", "utf-8")
    (reports / "empty").mkdir()
    (reports / "key.html").symlink_to(home / "key")
    (reports / "out").symlink_to(home)
    return reports


@pytest.fixture(scope="module")
def port(root):
    made = server.server(server.listen(0), root, ["reports.example.org"])
    Thread(target=made.serve_forever, daemon=True).start()
    yield made.server_address[1]
    made.shutdown()
    made.server_close()


def ask(port, path, method="GET", **headers):
    con = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    con.request(method, path, headers=headers)
    answer = con.getresponse()
    body = answer.read().decode()
    con.close()
    return answer, body


@pytest.mark.parametrize(
    ("path", "body"),
    [("/", "all"), ("/index.html?x=1", "all"), ("/programmes/growth.html", "growth"), ("/programmes/", "programmes")],
)
def test_pages_are_shown_and_a_folder_stands_for_its_index(port, path, body):
    answer, text = ask(port, path)
    assert (answer.status, text) == (200, body)
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "/../key",
        "/%2e%2e/key",
        "/..%2fkey",
        "/programmes/../../key",
        "//etc/passwd",
        "/key.html",
        "/out/key",
        "/.hidden.html",
        "/.nightly.html.partial",
        "/model.bin",
        "/empty/",
        "/%00",
        "/a\\b",
        "/absent.html",
    ],
)
def test_nothing_outside_the_folder_no_hidden_file_and_no_listing(port, path):
    answer, text = ask(port, path)
    assert (answer.status, text) == (404, "")


def test_a_folder_without_its_slash_leads_to_it_and_never_to_another_host(port):
    assert ask(port, "/programmes")[0].headers["Location"] == "/programmes/"
    assert ask(port, "//programmes")[0].headers["Location"] == "/programmes/"
    assert ask(port, "/%2Fprogrammes")[0].headers["Location"] == "/programmes/"


def test_only_names_of_this_machine_and_the_one_of_the_settings_are_answered(port):
    assert ask(port, "/", Host="localhost:3001")[0].status == 200
    assert ask(port, "/", Host="reports.example.org")[0].status == 200
    assert ask(port, "/", Host="attacker.example")[0].status == 403


def test_it_is_read_only_and_every_answer_forbids_scripts_and_frames(port):
    assert ask(port, "/", "POST")[0].status == 501
    assert ask(port, "/", "DELETE")[0].status == 501
    answer, text = ask(port, "/", "HEAD")
    assert (answer.status, text, answer.headers["Content-Length"]) == (200, "", "3")
    policy = ask(port, "/absent")[0].headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy


UI = """
import sys, time
from pathlib import Path
from pipelines.commands.ui import serve_reports
from pipelines.home import Home
from pipelines.settings import Settings
serve_reports(Home(Path(sys.argv[1])), Settings(), int(sys.argv[2]))
time.sleep(60)
"""


def test_the_reports_end_when_the_ui_is_gone_even_if_it_was_killed(root):
    with server.listen(0) as probe:
        port = probe.getsockname()[1]
    ui = subprocess.Popen([sys.executable, "-c", UI, str(root.parent), str(port)], cwd=ROOT)
    try:
        until(lambda: is_open(port))
        assert ask(port, "/")[1] == "all"
    finally:
        os.kill(ui.pid, signal.SIGKILL)
        ui.wait()
    until(lambda: not is_open(port))


def test_a_port_that_is_taken_leaves_the_ui_without_reports_and_says_so(root, capsys):

    with server.listen(0) as taken:
        serve_reports(Home(root.parent), Settings(), taken.getsockname()[1])
    assert "Reports are not served: port" in capsys.readouterr().err


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
