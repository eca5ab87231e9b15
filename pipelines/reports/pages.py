"""The reports of a publication: read from its marts alone, written as static pages.

Belongs here: which rows a page is made of, where pages lie, which old ones go. Does not belong here: what they say
(`models.report_*`), how a page looks (`page`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from models.document import Document, Link
from models.report_index import index
from models.report_night import NightFrames, night_report
from models.report_programme import ProgrammeFrames, programme_report
from pipelines.home import Home
from pipelines.reports.page import html, put

# Alerts that ask something of somebody.
_CALLS = "state IN ('new', 'reviewed', 'acted') AND kind <> 'good_news'"
_OF_PROGRAMME = {
    "roi": "programme_roi",
    "drivers": "roi_driver",
    "principles": "roi_principle",
    "results": "cost_per_result",
    "mix": "learning_mix",
    "effects": "mentoring_effect",
    "checks": "effect_check",
    "outcomes": "programme_outcome",
    "demand": "programme_demand",
}


def write_reports(home: Home) -> Mapping[str, Path]:
    """Write the night's page, one a programme and the index, and return those of the programmes by their ids.

    Pages of programmes that are no longer published are removed. Each page takes its old one's place whole.
    """
    with duckdb.connect(str(home.marts_file), read_only=True) as marts:
        publication = _frame(marts, "FROM publication").row(0, named=True)
        programmes = _frame(marts, "FROM dim_programme ORDER BY programme_id").rows(named=True)
        names = {row["programme_id"]: row["name"] or row["programme_id"] for row in programmes}
        night = _night_frames(marts, publication, names)
        of_programme = {row["programme_id"]: _programme_frames(marts, publication, names, row) for row in programmes}
    pages = {name: programme_page(home, name) for name in of_programme}
    up = Link("All reports", "index.html")
    more = _links(home, names, pages, publication["model_id"])
    documents: dict[Path, Document] = {
        home.nightly_report: night_report(night, tuple(link for group in more.values() for link in group[:12]), up)
    }
    for name, frames in of_programme.items():
        documents[pages[name]] = programme_report(frames, Link("All reports", "../index.html"))
    lead = (
        f"What was published last: as of {publication['observed_at']:%-d %B %Y}. Every page is one file that needs no network; "
        "it can be printed and passed on, where what it says may be."
    )
    nightly = [
        Link("The last night", home.nightly_report.name, "what came in, who is at risk, who is served, what holds")
    ]
    documents[home.reports_index] = index(lead, {"Tonight": nightly, **more})
    home.programme_reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, document in documents.items():
        put(path, html(document))
    for old in home.programme_reports.glob("*.html"):
        if old not in documents:
            old.unlink()
    return pages


def programme_page(home: Home, programme_id: str) -> Path:
    """Where a programme's page lies; the name is safe on every file system and no two programmes share one."""
    plain = re.sub(r"[^a-z0-9-]+", "-", programme_id.lower()).strip("-")[:60]
    digest = hashlib.sha256(programme_id.encode()).hexdigest()[:8]
    return (
        home.programme_reports / f"{plain if plain and plain == programme_id else f'{plain}-{digest}'.strip('-')}.html"
    )


def _links(
    home: Home, names: Mapping[str, str], pages: Mapping[str, Path], model_id: str | None
) -> dict[str, list[Link]]:
    programmes = [
        Link(names[name], f"{home.programme_reports.name}/{page.name}", "cost, return, learning mix, effect, outcomes")
        for name, page in pages.items()
    ]
    cards = sorted(home.model_card("x").parent.glob("*.html"), key=lambda card: (card.stem != model_id, card.stem))
    models = [
        Link(
            f"Model {card.stem}",
            f"{card.parent.name}/{card.name}",
            "in use" if card.stem == model_id else "not in use tonight",
        )
        for card in cards
        if not card.name.startswith(".")
    ]
    checks = home.data_docs / "index.html"
    docs = [Link("Checks of the tables", f"{home.data_docs.name}/{checks.name}", "each expectation and what was found")]
    return {"Programmes": programmes, "Model cards": models, "Data": docs if checks.exists() else []}


def _night_frames(
    marts: duckdb.DuckDBPyConnection, publication: Mapping[str, Any], names: Mapping[str, str]
) -> NightFrames:
    events = _frame(
        marts,
        "SELECT count(*) FILTER (state = 'resolved') AS resolved, "
        f"count(*) FILTER ({_CALLS} AND escalated_at IS NOT NULL) AS escalated, "
        "count(*) FILTER (kind = 'good_news' AND state <> 'resolved') AS good_news FROM learner_alerts",
    )
    return NightFrames(
        publication=publication,
        names=names,
        data_quality=_frame(marts, "FROM data_quality"),
        model_quality=_frame(marts, "FROM model_quality"),
        bands=_frame(marts, "SELECT programme_id, risk_band, learner_id FROM learner_risk"),
        alerts=_frame(
            marts,
            "SELECT programme_id, level, coalesce(rule, kind) AS rule, learner_id, opened_at = observed_at AS is_new, is_served "
            f"FROM learner_alerts WHERE {_CALLS}",
        ),
        events=events.row(0, named=True),
        unserved=_frame(
            marts,
            "FROM unserved_risk QUALIFY week_starts_on = max(week_starts_on) OVER (PARTITION BY programme_id) ORDER BY ALL",
        ),
        mix=_frame(marts, "FROM learning_mix"),
        roi=_frame(marts, "FROM programme_roi"),
    )


def _programme_frames(
    marts: duckdb.DuckDBPyConnection, publication: Mapping[str, Any], names: Mapping[str, str], row: Mapping[str, Any]
) -> ProgrammeFrames:
    own = {
        field: marts.sql(f"FROM {mart} WHERE programme_id = ? ORDER BY ALL", params=[row["programme_id"]]).pl()
        for field, mart in _OF_PROGRAMME.items()
    }
    return ProgrammeFrames(
        programme=row,
        names=names,
        observed_at=publication["observed_at"],
        publication_id=publication["publication_id"],
        comparison=_frame(marts, "FROM programme_comparison"),
        **own,
    )


def _frame(marts: duckdb.DuckDBPyConnection, sql: str) -> pl.DataFrame:
    frame: pl.DataFrame = marts.sql(sql).pl()
    return frame
