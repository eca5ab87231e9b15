"""Asks one address for an answer after a good night, so that a monitor elsewhere misses a night that never came.

Belongs here: that one request. Does not belong here: the file `log/heartbeat.json` (`pipelines.ending`).

The address is a credential with most monitors: it stands in no message and no log line.
"""

from __future__ import annotations

import requests

from pipelines import __version__
from pipelines.settings import Settings
from pipelines.sinks.webhook import AwayError, check_address, session_for

_SECONDS = 5.0


def ensure_usable(settings: Settings) -> None:
    """Make sure that the address, if there is one, can be used.

    Raises:
        UsageError: it cannot.
    """
    if settings.heartbeat_url:
        check_address(settings.heartbeat_url, "heartbeat_url")


def ping(settings: Settings) -> None:
    """GET the address; nothing is sent along, no redirect is followed, and what it answers is not read.

    Raises:
        AwayError: no answer within seconds, or one that is no success.
        UsageError: as `ensure_usable`.
    """
    if not settings.heartbeat_url:
        return
    ensure_usable(settings)
    said = ""
    with session_for(settings.heartbeat_url) as session:
        try:
            with session.get(
                settings.heartbeat_url,
                headers={"User-Agent": f"handrail/{__version__}"},
                timeout=_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                said = "" if response.ok and response.status_code < 300 else f"answers {response.status_code}"
        except requests.exceptions.RequestException as error:
            said = f"cannot be reached ({type(error).__name__})"
    if said:
        message = f"the monitor of heartbeat_url was not told: it {said}"
        raise AwayError(message, is_final=True)
