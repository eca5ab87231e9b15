"""`handrail ui`: Dagster's webserver and daemon, and the reports beside them, together, on loopback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from urllib.parse import urlsplit

from pipelines.commands.console import say
from pipelines.home import Home
from pipelines.launch import REPOSITORY, prepare_dagster
from pipelines.reports import server
from pipelines.settings import Settings, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--port", type=int, default=3000, help="of Dagster; the reports are on the next one")


def main(arguments: argparse.Namespace) -> int:
    """Become `dagster dev`; there is no login on it, so it binds to loopback only."""
    home = Home.find(arguments.home)
    home.create()
    settings = load_settings(home.settings_file)
    prepare_dagster(home)
    say(f"Dagster UI of {home.path}: open http://127.0.0.1:{arguments.port}  (Ctrl+C ends it)")
    serve_reports(home, settings, arguments.port + 1)
    os.chdir(REPOSITORY)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-h",
        "127.0.0.1",
        "-p",
        str(arguments.port),
        "-w",
        "workspace.yaml",
    ]
    os.execv(sys.executable, command)  # noqa: S606 - a fixed command, no shell


def serve_reports(home: Home, settings: Settings, port: int) -> None:
    """Start the server of the home's reports as a child that ends with this process, whatever this process becomes.

    A port that is taken leaves the UI without reports, and is said. Runs that the UI starts link to where the reports are
    served now, unless the settings name a place.
    """
    try:
        listening = server.listen(port)
    except OSError as error:
        say(f"Reports are not served: port {port} is not to be had ({error.strerror}); free it, or give another --port")
        return
    address = f"http://{server.LOOPBACK}:{port}"
    if settings.reports_url == Settings.model_fields["reports_url"].default:
        os.environ["HANDRAIL_REPORTS_URL"] = address
    ends_with_us, held = os.pipe()
    os.set_inheritable(held, True)
    with listening:
        command = [sys.executable, "-m", "pipelines.reports.server", str(listening.fileno()), str(home.reports)]
        subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            [*command, urlsplit(settings.reports_url).hostname or ""],
            stdin=ends_with_us,
            pass_fds=[listening.fileno()],
            cwd=REPOSITORY,
            # Ctrl+C is for Dagster; the reports end when it has.
            start_new_session=True,
        )
    os.close(ends_with_us)
    say(f"Reports: open {address}")
