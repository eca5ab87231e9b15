"""What the commands about one person share: naming the person, and the home in which to look.

Belongs here: their common argument and check. Does not belong here: what is done with the person (`pipelines.privacy`).
"""

from __future__ import annotations

import argparse

from data_contracts.errors import UsageError
from pipelines.home import Home


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that names the person."""
    parser.add_argument(
        "--identity",
        required=True,
        metavar="TYPE=VALUE",
        help="mbox=, mbox_sha1sum=, openid=, account=HOMEPAGE::NAME or learner_key=",
    )


def home_with_warehouse(arguments: argparse.Namespace) -> Home:
    """The home that is meant.

    Raises:
        UsageError: it has no warehouse, so it holds nobody.
    """
    home = Home.find(arguments.home)
    if not home.warehouse_file.exists():
        message = f"there is no warehouse in {home.path}; name the home with --home"
        raise UsageError(message)
    return home
