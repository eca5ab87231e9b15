"""What Dagster loads. Nothing else belongs here; no database is opened at import."""

from __future__ import annotations

from pipelines.build import build_defs
from pipelines.home import Home
from pipelines.settings import load_settings

defs = build_defs(timezone=load_settings(Home.find().settings_file).timezone)
