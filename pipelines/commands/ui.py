"""`handrail ui`: Dagster's webserver and daemon, together, on loopback."""

from __future__ import annotations

import argparse
import os
import sys

from pipelines.commands.console import say
from pipelines.home import Home
from pipelines.launch import REPOSITORY, prepare_dagster


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--port", type=int, default=3000)


def main(arguments: argparse.Namespace) -> int:
    """Become `dagster dev`; there is no login on it, so it binds to loopback only."""
    home = Home.find(arguments.home)
    home.create()
    prepare_dagster(home)
    say(f"Dagster UI of {home.path}: open http://127.0.0.1:{arguments.port}  (Ctrl+C ends it)")
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
