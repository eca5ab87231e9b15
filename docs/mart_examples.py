"""Write the examples of docs/marts.md from a home after a night: `python docs/mart_examples.py HOME`.

Belongs here: which row of a mart is shown. Does not belong here: how the page is laid out (`generate.py`).
The home is one of the demo world (`make run`): nothing of real learners may stand in the docs. A mart's example is one of
its fullest rows, the first by key; what is longer than a table's cell can bear is cut.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import duckdb

from data_contracts.tables.marts import MARTS

FILE = Path(__file__).with_name("mart_examples.json")
LONGEST = 48


def examples(file: Path) -> dict[str, dict[str, str]]:
    """One row of each mart as text, without what is null; a mart without rows has none."""
    found = {}
    with duckdb.connect(str(file), read_only=True) as marts:
        for name, table in MARTS.items():
            filled = " + ".join(f"({column} IS NOT NULL)::INTEGER" for column in table.column_names)
            rows = marts.execute(
                f"SELECT * FROM {name} ORDER BY {filled} DESC, {', '.join(table.key)} LIMIT 1"
            ).fetchall()
            if rows:
                told = zip(table.columns, rows[0], strict=True)
                found[name] = {column.name: _cell(value) for column, value in told if value not in (None, "")}
    return found


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.replace("`", "'").split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("home", type=Path, help="home of the demo world after a night")
    given = parser.parse_args()
    told = json.dumps(examples(given.home / "marts.duckdb"), indent=1, ensure_ascii=False)
    FILE.write_text(f"{told}\n", "utf-8")


if __name__ == "__main__":
    main()
