"""Digests as files: a page and a table a recipient and day, `outbox/DAY/RECIPIENT.html` and `.csv`.

Belongs here: markup, cells, writing in one step, removing what is too old. Does not belong here: a digest's content
(`digest`).

The page needs nothing outside it: no script, no font, no address; every text from data is escaped and kept apart from
its neighbours' direction. Nothing in either file depends on the clock, so that a night run again writes the same bytes.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.archive import sync
from pipelines.sinks.digest import Card, Digest
from pipelines.sinks.words import cell

_ENVIRONMENT = Environment(
    loader=PackageLoader("pipelines.reports", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TERMS = ("What", "How", "Minutes", "Next step", "Goals", "Commitments")
_ASIDE = ".building"


def html(digest: Digest) -> str:
    """The digest as a page for phone, screen and paper, light and dark."""
    return _ENVIRONMENT.get_template("digest.html.jinja").render(
        digest=digest, day=_day(digest.day), week=_day(digest.week_starts_on)
    )


def table(digest: Digest) -> str:
    """The digest as comma-separated values: a row a card, a line for coordinators or a task; all cells quoted.

    Columns that no row has anything for are left out. A cell that a spreadsheet would take for a formula begins with an
    apostrophe.
    """
    rows = list(_rows(digest))
    used = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(used)
    writer.writerows([cell(row.get(name, "")) for name in used] for row in rows)
    return text.getvalue()


def write(outbox: Path, digest: Digest) -> Path:
    """Write both files, each aside first and put in its place in one step; returns the page's path."""
    folder = outbox / f"{digest.day}"
    for made in (outbox, folder):
        made.mkdir(mode=0o700, exist_ok=True)
        # Also where it was there before, open to others.
        made.chmod(0o700)
    page = folder / f"{digest.recipient_id}.html"
    # The mark at the beginning tells spreadsheets that it is UTF-8.
    for path, content in ((page.with_suffix(".csv"), "\ufeff" + table(digest)), (page, html(digest))):
        aside = folder / f".{path.name}{_ASIDE}"
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    sync(folder)
    return page


def tidy(outbox: Path, written: Collection[Path], days: Collection[date], oldest: date) -> None:
    """Remove what a killed run left half-written, digests of these days that are none any more, and folders too old."""
    for folder in _folders(outbox):
        if date.fromisoformat(folder.name) < oldest:
            shutil.rmtree(folder)
            continue
        for path in folder.iterdir():
            is_left = date.fromisoformat(folder.name) in days and path.with_suffix(".html") not in written
            if path.name.endswith(_ASIDE) or is_left:
                path.unlink()
    if outbox.exists():
        sync(outbox)


def _folders(outbox: Path) -> Iterator[Path]:
    for folder in sorted(outbox.glob("????-??-??")):
        try:
            date.fromisoformat(folder.name)
        except ValueError:
            continue
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _rows(digest: Digest) -> Iterator[dict[str, str]]:
    for section in digest.sections:
        yield from _card_rows(section.title, section.cards)
    yield from _card_rows("Good news", digest.good_news)
    yield from ({"part": "Waiting", "why": line} for line in digest.unserved)
    yield from (
        {"part": "Look at this in a course", "programme": task.course, "what": task.what, "why": task.evidence}
        for task in digest.tasks
    )
    yield {"part": "Use", "why": digest.prohibited_uses}


def _card_rows(part_of: str, cards: Iterable[Card]) -> Iterator[dict[str, str]]:
    for card in cards:
        for part in card.parts:
            to_do = dict(part.to_do)
            yield {
                "part": part_of,
                "name": card.name,
                "address": card.address,
                "programme": part.programme,
                **{term.lower().replace(" ", "_"): to_do.get(term, "") for term in _TERMS},
                "why": "; ".join(part.why),
                "reference": part.reference,
            }


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"
