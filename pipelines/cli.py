"""The command line: `handrail COMMAND`. It only dispatches; each command is a module of `pipelines.commands`."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from data_contracts.errors import HandrailError, LockedError, UsageError
from pipelines import __version__, logs
from pipelines.commands.console import say
from pipelines.home import Home

FAILED, USAGE, LOCKED = 1, 2, 75

COMMANDS = {
    "run": "take in what is new, score, alert, publish",
    "ui": "open the Dagster UI on loopback",
    "simulate": "write a world whose truth is known",
    "backfill": "pull a range from a Learning Record Store again",
    "rebuild": "fill the warehouse anew from the archive",
    "validate": "judge xAPI statements of a file",
    "evaluate": "judge the risk model on the Open University data",
    "alerts": "which alerts are open, or were at any past instant",
    "feedback": "what a mentor did with an alert",
    "models": "which models there are, and which one scores",
    "erase": "erase one person from every store",
    "export-learner": "give out everything that is held of one person",
    "doctor": "what is well, what is not, and the way out",
}


def main(given: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; an expected error is one line, not a traceback."""
    parser = argparse.ArgumentParser(prog="handrail", description="Learning analytics that keep people in training.")
    parser.add_argument("--version", action="version", version=f"handrail {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = {}
    for name, help_text in COMMANDS.items():
        modules[name] = importlib.import_module(f"pipelines.commands.{name.replace('-', '_')}")
        sub = subparsers.add_parser(name, help=help_text, description=modules[name].__doc__)
        sub.add_argument("--home", help="where everything lies (default: HANDRAIL_HOME, else ./var)")
        modules[name].add_arguments(sub)
    arguments = parser.parse_args(given)
    try:
        with logs.command(Home.find(arguments.home), arguments.command) as told:
            told["exit_code"] = code = int(modules[arguments.command].main(arguments))
        return code
    except UsageError as error:
        say(f"handrail {arguments.command}: {error}")
        return USAGE
    except LockedError as error:
        say(f"handrail {arguments.command}: {error}")
        return LOCKED
    except HandrailError as error:
        say(f"handrail {arguments.command}: {error}")
        return FAILED


if __name__ == "__main__":
    raise SystemExit(main())
