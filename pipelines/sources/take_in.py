"""Takes the source in force in, a subject of tables at a time.

Belongs here: from an open night to the source's reader. Does not belong here: reading any format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.resources import Night
from pipelines.sources import inbox, oulad
from pipelines.sources.record import Recorder
from pipelines.sources.tables import take_table


def take_in(night: Night, tables: Sequence[str]) -> Mapping[str, int]:
    """Take the named tables in (`xapi` for statements); files known by content are left alone.

    Returns what was new, for the asset's metadata: files, rows refused, unknown columns.
    """
    record = Recorder(night.warehouse)
    new = []
    if night.settings.source == "oulad":
        oulad.take(night.data, night.warehouse, night.pseudonyms, record)
    else:
        # One content is taken once a table, whatever its files are called; the first name stands.
        once = {(file.table, file.content_hash): file for file in reversed(inbox.scan(night.data, tables))}
        new = [
            file
            for file in reversed(once.values())
            if not record.is_taken(file.content_hash, "statement" if file.table == "xapi" else file.table)
        ]
        for table in tables:
            files = [file for file in new if file.table == table]
            if table == "xapi":
                inbox.take_statements(files, night.warehouse, night.pseudonyms, record)
            else:
                take_table(table, files, night.warehouse, night.pseudonyms, record)
    return {
        "new_files": len(new),
        "refused_rows": sum(record.refused.values()),
        "unknown_columns": len(record.unknown_columns),
    }
