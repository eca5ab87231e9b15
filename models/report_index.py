"""The page that lists all pages.

Belongs here: what each is for, in a line. Does not belong here: which there are (`pipelines.reports.pages`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.document import Block, Document, Link, Links, Paragraph, Section


def index(lead: str, groups: Mapping[str, Sequence[Link]]) -> Document:
    """All pages by group; a group without a page says so."""
    sections = tuple(
        Section(title, (_block(links),)) for title, links in groups.items()
    )  # fmt: skip
    return Document("Reports", lead, sections)


def _block(links: Sequence[Link]) -> Block:
    return Links(tuple(links)) if links else Paragraph("None yet.")
