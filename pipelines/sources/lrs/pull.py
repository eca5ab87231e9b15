"""Pulls statements from all Learning Record Stores side by side into the one way in.

Belongs here: following pages, what is gathered into one commit, caps, one store's failure kept from the others. Does
not belong here: HTTP (`client`), the watermark's rule (`state`), judging statements (`pipelines.statements`).

Each LRS has a thread that fetches; the caller's thread alone writes, so a page is fetched while the one before is taken
in. What was gathered and how far it goes are committed together: after a kill the next pull goes on from there.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

from data_contracts.errors import HandrailError, TransientError, UsageError
from pipelines.home import now
from pipelines.settings import LrsSettings
from pipelines.sources.intake import Unit, take_unit
from pipelines.sources.lrs.client import Answer, BadMoreError, Client, Patience, RefusedError, instant
from pipelines.sources.lrs.state import FORWARD, PullState
from pipelines.sources.record import LRS_SOURCE, Recorder
from pipelines.statements.identity import Pseudonyms

# Pages that wait to be taken in, per LRS.
_WAITING_PAGES = 2
# What is gathered is held in memory, so large statements are committed sooner.
_COMMIT_BYTES = 64_000_000
_POLL_SECONDS = 0.2
_SECONDS_A_LINE = 5.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    """A range of `stored` to pull again: after `since`, up to and with `until`."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            message = f"the range ends at {self.until:%Y-%m-%dT%H:%M:%SZ}, before it begins; swap --since and --until"
            raise UsageError(message)

    @property
    def name(self) -> str:
        """What ops.lrs_pull calls it."""
        return "/".join(at.astimezone(UTC).isoformat().replace("+00:00", "Z") for at in (self.since, self.until))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pull from one LRS is in this run; `stored_at` is the latest `stored` seen."""

    lrs_name: str
    pages: int
    statements: int
    stored_at: datetime | None
    statements_per_second: float


@dataclass(slots=True)
class Outcome:
    """What the pull from one LRS came to.

    Attributes:
        pages: pages taken and committed in this run; statements and bytes likewise.
        rows: statements kept; `refused` went to quarantine, `repeated` were there already.
        watermark_at: all that was stored until then has been taken.
        is_complete: there was nothing more to ask for.
        stopped_by: the cap that was reached, such as `max_pages`; the next run goes on from there.
        error: why the pull failed; what was taken before stays.
    """

    lrs_name: str
    pages: int = 0
    statements: int = 0
    bytes: int = 0
    rows: int = 0
    refused: int = 0
    repeated: int = 0
    watermark_at: datetime | None = None
    is_complete: bool = False
    stopped_by: str | None = None
    error: HandrailError | None = None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A page and the state when it has been taken."""

    statements: list[bytes]
    state: PullState
    byte_count: int


@dataclass(frozen=True, slots=True)
class _End:
    """A pull's end: done, a cap reached, or an error."""

    stopped_by: str | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Fetcher:
    """Follows the pages of one LRS, in a thread of its own; says what it gets to `put`, until that says no more."""

    lrs: LrsSettings
    state: PullState
    patience: Patience
    put: Callable[[LrsSettings, _Fetched | _End], bool]
    _pages: int = 0
    _bytes: int = 0
    _deadline: float = 0.0

    def run(self) -> None:
        try:
            with closing(Client(self.lrs, self.patience)) as client:
                self._deadline = time.monotonic() + 60 * self.lrs.max_minutes
                end = self._all(client)
        except BaseException as error:  # noqa: BLE001 - told in the caller's thread
            end = _End(error=error)
        if end is not None:
            self.put(self.lrs, end)

    def _all(self, client: Client) -> _End | None:
        """The rest of a range that was left open, if there is one, and then a range of its own."""
        answer = self._went_on(client, self.state.continuation) if self.state.continuation else None
        end = self._range(client, answer)
        if end is None or end.stopped_by or answer is None or self.state.range_name != FORWARD:
            return end
        # What was stored since that range was begun may not be in it.
        cap = self._cap()
        return _End(stopped_by=cap) if cap else self._range(client, None)

    def _went_on(self, client: Client, continuation: str) -> tuple[str, Answer] | None:
        """The page that a range goes on with; None where the LRS does not know it any more."""
        try:
            address = client.follow(continuation)
            return address, client.get(address)
        except (RefusedError, BadMoreError, TransientError):
            # A `more` lives for a day or so. If it is not that, asking from the watermark on fails as well.
            return None

    def _range(self, client: Client, went_on: tuple[str, Answer] | None) -> _End | None:
        """Follow a range to its end, a cap or an error; None when nobody listens any more."""
        if went_on is None:
            self.state = self.state.begun()
            since = self.state.asks_from(timedelta(minutes=self.lrs.overlap_minutes))
            address = client.address(since, self.state.until_at)
            answer = client.get(address)
        else:
            address, answer = went_on
        asked = {address}
        while True:
            more, fault = answer.more, answer.more_fault
            if more in asked:
                message = (
                    f"LRS {self.lrs.name!r} names a page as its next one (`more`) that it gave before; what came until "
                    "then was taken, and the next run asks from there: mend the LRS"
                )
                more, fault = None, BadMoreError(message)
            self.state = self.state.after(
                [_stored_at(statement) for statement in answer.statements],
                consistent_at=answer.consistent_at,
                more=more,
                byte_count=answer.byte_count,
            )
            if more is None and fault is None:
                self.state = self.state.ended()
            self._pages, self._bytes = self._pages + 1, self._bytes + answer.byte_count
            if not self.put(self.lrs, _Fetched(answer.statements, self.state, answer.byte_count)):
                return None
            if fault is not None:
                raise fault
            if more is None:
                return _End()
            if cap := self._cap():
                return _End(stopped_by=cap)
            asked.add(more)
            answer = client.get(more)

    def _cap(self) -> str | None:
        """The cap that was reached, if any."""
        reached = {
            "max_pages": self._pages >= self.lrs.max_pages,
            "max_bytes": self._bytes >= self.lrs.max_bytes,
            "max_minutes": time.monotonic() >= self._deadline,
        }
        return next((name for name, is_reached in reached.items() if is_reached), None)


@dataclass(slots=True)
class _Gathered:
    """What came from one LRS and is not committed yet, and what the run has of it so far."""

    outcome: Outcome
    started: float
    statements: list[bytes] = field(default_factory=list)
    state: PullState | None = None
    since: float = 0.0
    pages: int = 0
    byte_count: int = 0
    seen_pages: int = 0
    seen_statements: int = 0

    def add(self, page: _Fetched) -> None:
        if self.state is None:
            self.since = time.monotonic()
        self.statements += page.statements
        self.state = page.state
        self.pages, self.byte_count = self.pages + 1, self.byte_count + page.byte_count
        self.seen_pages, self.seen_statements = self.seen_pages + 1, self.seen_statements + len(page.statements)

    def is_enough(self, lrs: LrsSettings) -> bool:
        return (
            len(self.statements) >= lrs.commit_statements
            or self.byte_count >= _COMMIT_BYTES
            or (self.state is not None and time.monotonic() - self.since >= lrs.commit_seconds)
        )

    def progress(self) -> Progress:
        seconds = time.monotonic() - self.started
        newest = self.state.newest_stored_at if self.state else None
        rate = self.seen_statements / seconds if seconds > 0 else 0.0
        return Progress(self.outcome.lrs_name, self.seen_pages, self.seen_statements, newest, rate)


def logged_now_and_then() -> Callable[[Progress], None]:
    """A line of the log every few seconds."""
    last: dict[str, float] = {}

    def tell(progress: Progress) -> None:
        moment = time.monotonic()
        if moment - last.setdefault(progress.lrs_name, moment) < _SECONDS_A_LINE:
            return
        last[progress.lrs_name] = moment
        reached = f", stored until {progress.stored_at:%Y-%m-%d %H:%M}" if progress.stored_at else ""
        _LOG.info(
            "%s: %s statements in %s pages%s, %s a second",
            progress.lrs_name,
            f"{progress.statements:,}",
            f"{progress.pages:,}",
            reached,
            f"{progress.statements_per_second:,.0f}",
        )

    return tell


def pull(
    stores: Sequence[LrsSettings],
    record: Recorder,
    pseudonyms: Pseudonyms,
    *,
    span: Span | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    patience: Patience | None = None,
) -> list[Outcome]:
    """Pull from all stores side by side: what is new, or a range again (`span`), whatever the watermark says.

    Returns:
        How it went for each store, in their order; an error of one is in its outcome and stops no other.
    """
    started = time.monotonic()
    gathered = {lrs.name: _Gathered(Outcome(lrs.name), started) for lrs in stores}
    with closing(_fetched(stores, record, span, patience or Patience())) as items:
        for lrs, item in items:
            mine = gathered[lrs.name]
            if isinstance(item, _Fetched):
                mine.add(item)
                if on_progress is not None:
                    on_progress(mine.progress())
            if isinstance(item, _End) or mine.is_enough(lrs):
                _commit(mine, record, pseudonyms)
            if isinstance(item, _End):
                if item.error is not None and not isinstance(item.error, HandrailError):
                    raise item.error
                mine.outcome.error, mine.outcome.stopped_by = item.error, item.stopped_by
                mine.outcome.is_complete = item.error is None and item.stopped_by is None
    for lrs in stores:
        state = PullState.load(record.warehouse, lrs.name, span.name if span else FORWARD)
        gathered[lrs.name].outcome.watermark_at = state.watermark_at if state else None
    return [gathered[lrs.name].outcome for lrs in stores]


def _fetched(
    stores: Sequence[LrsSettings], record: Recorder, span: Span | None, patience: Patience
) -> Generator[tuple[LrsSettings, _Fetched | _End]]:
    """Pages and ends of all stores as they come; one end a store, also where its thread never comes back."""
    waiting: queue.Queue[tuple[LrsSettings, _Fetched | _End]] = queue.Queue(_WAITING_PAGES * max(1, len(stores)))
    stop = threading.Event()

    def put(lrs: LrsSettings, item: _Fetched | _End) -> bool:
        while not stop.is_set():
            try:
                waiting.put((lrs, item), timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    running = {lrs.name: lrs for lrs in stores}
    threads = [
        threading.Thread(
            target=_Fetcher(lrs, _start(lrs, record, span), patience, put).run, name=f"lrs-{lrs.name}", daemon=True
        )
        for lrs in stores
    ]
    started = time.monotonic()
    try:
        for thread in threads:
            thread.start()
        while running:
            try:
                lrs, item = waiting.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                # Whoever sends its headers byte by byte keeps a thread for ever: no timeout of a socket ends that.
                longest = patience.page_seconds * (patience.retries + 1)
                late = [lrs for lrs in running.values() if time.monotonic() - started > 60 * lrs.max_minutes + longest]
                for lrs in late:
                    del running[lrs.name]
                    message = f"LRS {lrs.name!r} did not come to an end of its answer; the next run asks again"
                    yield lrs, _End(error=TransientError(message))
                continue
            if lrs.name not in running:
                continue
            if isinstance(item, _End):
                del running[lrs.name]
            yield lrs, item
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=1)


def _start(lrs: LrsSettings, record: Recorder, span: Span | None) -> PullState:
    """Where a pull begins: where the last one ended, else at its range's first instant."""
    if span is None:
        return PullState.load(record.warehouse, lrs.name, FORWARD) or PullState(lrs.name, since_at=lrs.since)
    state = PullState.load(record.warehouse, lrs.name, span.name)
    if state is not None and state.is_open:
        return state
    return PullState(lrs.name, span.name, since_at=span.since, until_at=span.until)


def _commit(mine: _Gathered, record: Recorder, pseudonyms: Pseudonyms) -> None:
    """Take what was gathered in; the rows and how far they go stand or fall together."""
    if mine.state is None:
        return
    state, outcome, warehouse = mine.state, mine.outcome, record.warehouse
    if mine.statements:
        last = state.page_count
        unit = Unit(
            f"{LRS_SOURCE}{outcome.lrs_name}",
            f"{state.range_name}, pages {last - mine.pages + 1} to {last}",
            pseudonyms.content(b"\n".join(mine.statements)),
        )
        taken = take_unit(
            enumerate(mine.statements, start=1),
            unit,
            pseudonyms,
            record,
            on_commit=lambda: state.save(warehouse, now()),
        )
        outcome.rows, outcome.refused = outcome.rows + taken.rows, outcome.refused + taken.refused
        outcome.repeated += taken.repeated
    else:
        warehouse.execute("BEGIN")
        state.save(warehouse, now())
        warehouse.execute("COMMIT")
    outcome.pages, outcome.statements = outcome.pages + mine.pages, outcome.statements + len(mine.statements)
    outcome.bytes += mine.byte_count
    mine.statements, mine.state, mine.pages, mine.byte_count = [], None, 0, 0


def _stored_at(statement: bytes) -> datetime | None:
    """When the LRS stored a statement, None where it does not say or cannot be read."""
    try:
        return instant(orjson.loads(statement).get("stored"))
    except (orjson.JSONDecodeError, AttributeError, RecursionError):
        return None
