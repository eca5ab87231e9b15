"""A report as blocks, and as Markdown.

Belongs here: the few blocks that reports are made of, none of which carries markup of its own. Does not belong here:
any report's content (`card.py`), HTML (`pipelines.reports.page`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

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


@dataclass(frozen=True, slots=True)
class Link:
    """A page of ours by its address relative to the page that names it, and what stands there."""

    text: str
    address: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """A list of pages."""

    items: tuple[Link, ...]


Block = Paragraph | Bullets | Grid | Figure | Links


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A title, a line under it, and sections; `up` leads to the page that lists this one."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    up: Link | None = None


def markdown(document: Document) -> str:
    """The document as Markdown; whatever looks like markup in a text is shown as it is."""
    parts = [f"# {plain(document.title)}", plain(document.lead)]
    for section in document.sections:
        parts.append(f"## {plain(section.title)}")
        parts += [text for text in map(_block, section.blocks) if text]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return plain(text)
        case Bullets(items):
            return "\n".join(f"- {plain(item)}" for item in items)
        case Grid(caption, head, rows):
            lines = [_row(head), _row(["---"] * len(head), is_plain=False), *map(_row, rows)]
            return f"{plain(caption)}\n\n" + "\n".join(lines)
        case Links(items):
            return "\n".join(
                f"- [{plain(link.text)}]({quote(link.address)}){f': {plain(link.about)}' if link.about else ''}"
                for link in items
            )
        case Figure():
            return ""


def _row(cells: Sequence[str], *, is_plain: bool = True) -> str:
    return f"| {' | '.join(plain(cell) if is_plain else cell for cell in cells)} |"


def plain(text: str) -> str:
    """A text as Markdown that shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
