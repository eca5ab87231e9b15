"""How far a pull is: what has been taken, up to when nothing can be missing, and where it goes on.

Belongs here: the watermark's rule and the table ops.lrs_pull. Does not belong here: asking (`client`), taking (`pull`).

The watermark is the instant up to which all that the LRS stored has been taken. When a range has been read to its end
it is the smaller of two: the newest `stored` seen, and the lowest Consistent-Through told by any of its pages, because
what an LRS promised for its first page is all that holds for the whole range, in whatever order it was sent. In the
middle of a range it advances only while the pages show that the LRS keeps to ascending order. It is never the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.warehouse import Warehouse

# The range that each night goes on with; a backfill's is named by its instants.
FORWARD = "forward"

# One page in order says little; the next one going on from there does.
_SHOWN_BY_PAGES = 2
# Statements of one instant may lie on two pages, and `since` leaves out its own instant.
_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class PullState:
    """One row of ops.lrs_pull.

    Attributes:
        range_name: `forward`, or a backfill's instants.
        since_at: where the range begins; later ranges of `forward` begin at the watermark.
        until_at: where it ends, None for all there is.
        watermark_at: all that was stored until then has been taken.
        is_open: the range was begun and not read to its end.
        continuation: the address of the page that comes next, None to ask from the watermark on.
        consistent_at: the lowest Consistent-Through of the range's pages so far.
        newest_stored_at: the latest `stored` of the range so far.
        ordered_page_count: pages with statements so far, None once the order was broken.
        page_count: pages of all ranges; statements and bytes likewise.
    """

    lrs_name: str
    range_name: str = FORWARD
    since_at: datetime | None = None
    until_at: datetime | None = None
    watermark_at: datetime | None = None
    is_open: bool = False
    continuation: str | None = None
    consistent_at: datetime | None = None
    newest_stored_at: datetime | None = None
    ordered_page_count: int | None = 0
    page_count: int = 0
    statement_count: int = 0
    byte_count: int = 0
    updated_at: datetime | None = None

    def asks_from(self, overlap: timedelta) -> datetime | None:
        """`since` of a range that is begun now: the watermark less the overlap, never before the range itself."""
        if self.watermark_at is None:
            return self.since_at
        start = _less(self.watermark_at, overlap)
        return start if self.since_at is None else max(start, self.since_at)

    def begun(self) -> PullState:
        """The range from the watermark on, none of whose pages were read."""
        return replace(
            self, is_open=True, continuation=None, consistent_at=None, newest_stored_at=None, ordered_page_count=0
        )

    def after(
        self, stored: Iterable[datetime | None], *, consistent_at: datetime | None, more: str | None, byte_count: int
    ) -> PullState:
        """The state when a page with these times of storing (in its order, None where unknown) has been taken."""
        times = list(stored)
        known = [at for at in times if at is not None]
        lowest = min((at for at in (self.consistent_at, consistent_at) if at is not None), default=None)
        newest = max((at for at in (self.newest_stored_at, *known) if at is not None), default=None)
        run = known if self.newest_stored_at is None else [self.newest_stored_at, *known]
        ordered = self.ordered_page_count
        if len(known) < len(times) or run != sorted(run):
            ordered = None
        elif known and ordered is not None:
            ordered += 1
        return replace(
            self,
            continuation=more,
            consistent_at=lowest,
            newest_stored_at=newest,
            ordered_page_count=ordered,
            page_count=self.page_count + 1,
            statement_count=self.statement_count + len(times),
            byte_count=self.byte_count + byte_count,
        ).advanced(_INSTANT if ordered and ordered >= _SHOWN_BY_PAGES else None)

    def ended(self) -> PullState:
        """The state when the range has been read to its end."""
        return replace(self, is_open=False, continuation=None).advanced(timedelta(0))

    def advanced(self, less: timedelta | None) -> PullState:
        """With the watermark as far as the pages read allow, less a span; None leaves it where it is."""
        if less is None or self.newest_stored_at is None:
            return self
        bounds = [at for at in (self.consistent_at, self.newest_stored_at) if at is not None]
        reached = _less(min(bounds), less)
        return replace(self, watermark_at=reached if self.watermark_at is None else max(self.watermark_at, reached))

    def save(self, warehouse: Warehouse, updated_at: datetime) -> None:
        """Write the row, in whatever transaction is open."""
        saved = replace(self, updated_at=updated_at)
        values = [_naive(getattr(saved, name)) for name in _NAMES]
        warehouse.execute(
            "DELETE FROM ops.lrs_pull WHERE lrs_name = ? AND range_name = ?", [self.lrs_name, self.range_name]
        )
        marks = ", ".join("?" for _ in _NAMES)
        warehouse.execute(f"INSERT INTO ops.lrs_pull ({', '.join(_NAMES)}) VALUES ({marks})", values)

    @classmethod
    def load(cls, warehouse: Warehouse, lrs_name: str, range_name: str) -> PullState | None:
        """Read the row, None where nothing was pulled yet."""
        rows = warehouse.rows(
            f"SELECT {', '.join(_NAMES)} FROM ops.lrs_pull WHERE lrs_name = ? AND range_name = ?",
            [lrs_name, range_name],
        )
        return cls(*map(_aware, rows[0])) if rows else None


_NAMES = tuple(field.name for field in fields(PullState))


def _less(at: datetime, span: timedelta) -> datetime:
    try:
        return at - span
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _naive(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _aware(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
