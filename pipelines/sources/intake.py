"""Statements come in here, whatever source has them: judged, identities replaced, kept, archived, in one transaction.

Belongs here: one unit of statements from lines to a commit. Does not belong here: where lines come from (`inbox`,
`lrs`), rules (`pipelines.statements`), how rows are written (`record`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from pipelines.sources.record import LRS_SOURCE, FaultRow, Recorder
from pipelines.statements.blocks import Lines
from pipelines.statements.bulk import take
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import Batch, StatementFault
from pipelines.statements.workers import take_blocks


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit of statements is called: its source, its name there (a file's, a page range's) and its hash."""

    source_name: str
    name: str
    content_hash: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, taken once by its content, and no page of a Learning Record Store."""
        return not self.source_name.startswith(LRS_SOURCE)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a unit brought: rows kept, statements refused, statements that were there already."""

    rows: int
    refused: int
    repeated: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """Statements one a line, in blocks, and how many processes may share the work of taking them in."""

    blocks: Iterable[Lines]
    workers: int


def take_unit(
    lines: Iterable[tuple[int, bytes]] | Blocks,
    unit: Unit,
    pseudonyms: Pseudonyms,
    record: Recorder,
    *,
    damage: Sequence[FaultRow] = (),
    on_commit: Callable[[], None] | None = None,
) -> Taken:
    """Take numbered lines of statements in, or blocks of lines.

    Args:
        lines: the statements, as delivered.
        unit: what they are called.
        pseudonyms: with which identities are replaced.
        record: where they go.
        damage: faults of the whole unit, read when the lines have ended.
        on_commit: writes what must stand or fall with the statements (a watermark).
    """
    rows = refused = 0
    repeated, refused_before = record.repeated, sum(record.refused.values())
    place = (unit.source_name, unit.name, unit.content_hash)
    erased = record.tombstones(pseudonyms)
    # Closing ends the processes, whatever happens.
    with closing(_taken(lines, pseudonyms)) as batches, record.warehouse.frugal(), record.unit():
        for batch in batches:
            frame, identities = batch.frame(), batch.identities
            if erased:
                delivered = frame.height
                frame, identities = erased.others(frame, identities)
                record.erased += delivered - frame.height
            rows += record.statements(frame, source_name=unit.source_name, content_hash=unit.content_hash)
            record.identities(identities)
            record.faults([_fault_row(fault, unit, pseudonyms) for fault in batch.faults], *place)
            refused += len(batch.faults)
        record.faults(damage, *place)
        refused += len(damage)
        if unit.is_file or rows or sum(record.refused.values()) > refused_before:
            record.file(unit.content_hash, unit.name, "statement", rows, refused, source_name=unit.source_name)
        if on_commit is not None:
            on_commit()
    return Taken(rows, refused, record.repeated - repeated)


def _taken(lines: Iterable[tuple[int, bytes]] | Blocks, pseudonyms: Pseudonyms) -> Generator[Batch, None, None]:
    if isinstance(lines, Blocks):
        return take_blocks(lines.blocks, pseudonyms, workers=lines.workers)
    return take(lines, pseudonyms)


def _fault_row(fault: StatementFault, unit: Unit, pseudonyms: Pseudonyms) -> FaultRow:
    rule = f"; see {fault.requirement_id} of the xAPI conformance requirements" if fault.requirement_id else ""
    words = fault.reason.replace("_", " ")
    detail = f"not a valid xAPI statement: {words}{rule}; mend it at its source and deliver it again"
    # What an LRS sends again in the next pull's overlap is the same fault.
    key = None if unit.is_file else f"{unit.source_name}|{pseudonyms.content(fault.raw_text.encode())}"
    return FaultRow(
        "statement", fault.line_number, None, fault.reason, fault.requirement_id, detail, fault.raw_text, key
    )
