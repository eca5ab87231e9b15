"""The pages that people read: written from what was published, after it was."""

from __future__ import annotations

from typing import Any

import dagster as dg

from models.document import plain
from pipelines.assets import OWNERS
from pipelines.reports.pages import write_reports
from pipelines.resources import NightResource

GROUP = "7_delivery"


@dg.asset(
    key="report_pages",
    deps=["publication"],
    group_name=GROUP,
    owners=[OWNERS[GROUP]],
    kinds={"html"},
    description=(
        "Static pages for people: the last night, one a programme, and an index of all.\n\n"
        "They are made of the published marts alone, hold no row about a person, need no network and no script, and lie in "
        "reports in the home. The command ui serves them beside this one, on the next port."
    ),
)
def report_pages(night: NightResource) -> dg.MaterializeResult[Any]:
    """Where a gate held, publication failed and this is skipped: the pages of the last publication stay."""
    home, address = night.night.home, night.night.settings.reports_url
    programmes = write_reports(home)
    pages = [home.reports_index, home.nightly_report, *programmes.values()]
    index, nightly, *others = (f"{address}/{page.relative_to(home.reports).as_posix()}" for page in pages)
    links = [f"- [{plain(name)}]({link})" for name, link in zip(programmes, others, strict=True)]
    return dg.MaterializeResult(
        metadata={
            "all_reports": dg.MetadataValue.url(index),
            "nightly": dg.MetadataValue.url(nightly),
            "programmes": dg.MetadataValue.md("\n".join(links[:8]) or "none"),
            "pages_count": len(pages),
            "dagster/size_bytes": sum(page.stat().st_size for page in pages),
        }
    )


ASSETS = [report_pages]
