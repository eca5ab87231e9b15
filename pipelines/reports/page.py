"""A document as one HTML page that needs nothing else.

Belongs here: the frame of every report's page and its style, putting a page in its place. Does not belong here: any
report's content.
The page is one file: no script, no font, no image and no address outside it. Text is escaped by the template; the only
markup taken as it is are figures' drawings, which are made here from numbers.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.document import Block, Document

_FOLDER = Path(__file__).parent
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def html(document: Document) -> str:
    """The document as a page for screen, phone and paper, light and dark."""
    return _ENVIRONMENT.get_template("page.html.jinja").render(document=document, kind=_kind, anchor=_anchor)


def put(path: Path, text: str) -> None:
    """Write a page whole: whoever reads it sees the old one or the new one."""
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(text, "utf-8")
    os.replace(aside, path)


def _kind(block: Block) -> str:
    return type(block).__name__


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
