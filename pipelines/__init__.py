"""Dagster and every door to the outside world: files, DuckDB, clock, environment."""

__version__ = "0.2.0"
