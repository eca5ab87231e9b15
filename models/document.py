"""A report as blocks, and as Markdown.

Belongs here: the few blocks that reports are made of, none of which carries markup of its own. Does not belong here:
any report's content (`card.py`), HTML (`pipelines.reports.page`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MARKUP = re.compile(r"([\\`*_\[\]<>|#])")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of plain texts."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its first column names the row, the others hold what is said of it."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing as SVG for pages that can show it; its table stands beside it, so text leaves it out."""

    caption: str
    svg: str


Block = Paragraph | Bullets | Grid | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A title, a line under it, and sections."""

    title: str
    lead: str
    sections: tuple[Section, ...]


def markdown(document: Document) -> str:
    """The document as Markdown; whatever looks like markup in a text is shown as it is."""
    parts = [f"# {_plain(document.title)}", _plain(document.lead)]
    for section in document.sections:
        parts.append(f"## {_plain(section.title)}")
        parts += [text for text in map(_block, section.blocks) if text]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return _plain(text)
        case Bullets(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Grid(caption, head, rows):
            lines = [_row(head), _row(["---"] * len(head), is_plain=False), *map(_row, rows)]
            return f"{_plain(caption)}\n\n" + "\n".join(lines)
        case Figure():
            return ""


def _row(cells: Sequence[str], *, is_plain: bool = True) -> str:
    return f"| {' | '.join(_plain(cell) if is_plain else cell for cell in cells)} |"


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
