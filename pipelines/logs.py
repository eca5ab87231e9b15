"""The journal: what runs and commands did, as JSON lines in `log/handrail.jsonl`, for machines and for looking back.

Belongs here: the format, where a line goes, when an old file is put aside and when it is removed. Does not belong here:
what people read while a command works (`commands.console`), how a run ended (`ending`), Dagster's own events.

A line is appended by a file that is opened for it alone, so that a command beside a night never writes into a file that
was put aside; files are put aside and removed only by a run, which holds the home's lock. No line has anything of a row:
of errors only the class is told, and the message where Handrail wrote it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data_contracts.errors import HandrailError
from pipelines.home import Home, now

# Steps that end and runs that begin are told by this logger; the progress of long steps by those of the modules.
JOURNAL = logging.getLogger("pipelines.journal")
# Where no home is, an error's line would else go to standard error, by logging's last resort.
JOURNAL.addHandler(logging.NullHandler())
_FACTS = "facts"


class _JsonLines(logging.Handler):
    """Appends each record as one line; a disk that is full or read-only loses the line and never the run."""

    def __init__(self, file: Path, common: Mapping[str, object]) -> None:
        super().__init__()
        self.file = file
        self.common = dict(common)

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line, whole or not at all."""
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **self.common,
            **(
                getattr(record, _FACTS, None)
                or {"event": "progress", "module": record.name, "text": record.getMessage()}
            ),
        }
        line = (json.dumps(told, ensure_ascii=True, default=str) + "\n").encode()
        with suppress(OSError):
            handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)


@contextmanager
def journal(home: Home, **common: object) -> Iterator[None]:
    """Write the journal of a home meanwhile; inside another journal of the same home only `common` is added.

    Args:
        home: where nothing was made yet, nothing is written.
        common: what every line tells, such as `command` or `run_id`.
    """
    logger = logging.getLogger("pipelines")
    before = next(
        (one for one in logger.handlers if isinstance(one, _JsonLines) and one.file == home.journal_file), None
    )
    if before is not None:
        outer = before.common
        before.common = outer | common
        try:
            yield
        finally:
            before.common = outer
        return
    if not home.log.is_dir():
        yield
        return
    handler, level = _JsonLines(home.journal_file, common), logger.level
    logger.addHandler(handler)
    if level == logging.NOTSET or level > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def command(home: Home, name: str) -> Iterator[dict[str, object]]:
    """Journal of one command: that it began, and how and after how many seconds it ended.

    What is put into the mapping that is yielded is told at the end; `exit_code` belongs there.
    """
    began, told = time.monotonic(), dict[str, object]()
    with journal(home, command=name, pid=os.getpid()):
        event("command_began")
        try:
            yield told
        except BaseException as error:
            event("command_failed", seconds=_since(began), **of_error(error))
            raise
        event("command_ended", seconds=_since(began), **told)


def event(name: str, **facts: object) -> None:
    """Tell the journal that something happened; `facts` are numbers, names of tables and the like, never of persons."""
    JOURNAL.log(
        logging.ERROR if name.endswith("_failed") else logging.INFO, name, extra={_FACTS: {"event": name, **facts}}
    )


def of_error(error: BaseException) -> dict[str, str]:
    """What may be told of an error: its class; its message where it was written for people and names nobody."""
    told = {"error_class": type(error).__name__}
    return told | {"reason": str(error)} if isinstance(error, HandrailError) else told


def rotate(home: Home, *, most_megabytes: float, days: int) -> None:
    """Put a journal aside that has grown too large or is of another month, and remove those older than so many days.

    Call it under the home's lock.
    """
    file = home.journal_file
    with suppress(OSError):
        at = datetime.fromtimestamp(_first_at(file), UTC)
        if file.stat().st_size > most_megabytes * 1e6 or f"{at:%Y%m}" != f"{now():%Y%m}":
            file.rename(file.with_name(f"{file.stem}-{now():%Y%m%dT%H%M%S}{file.suffix}"))
    oldest = now() - timedelta(days=days)
    for old in home.log.glob(f"{file.stem}-*{file.suffix}"):
        with suppress(OSError):
            if datetime.fromtimestamp(old.stat().st_mtime, UTC) < oldest:
                old.unlink()


def _first_at(file: Path) -> float:
    """When its first line was written; now, where that cannot be read."""
    with suppress(ValueError, KeyError, TypeError), file.open(encoding="utf-8") as lines:
        return datetime.fromisoformat(json.loads(lines.readline())["at"]).timestamp()
    return now().timestamp()


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
