"""The mart of data quality: refused rows, row counts, lateness and this run's checks.

Belongs here: what a reader must know of the data before trusting the other marts. Does not belong here: the
checks themselves; rows of the marts are counted in `publication`.
"""

from __future__ import annotations

from data_contracts.schema import Table
from data_contracts.tables.core import CORE_TABLES
from data_contracts.tables.inputs import RAW_FILE, RAW_INPUTS, RAW_STATEMENT, RAW_TABLES
from pipelines.marts.as_of import MartContext, rounded
from pipelines.sources.record import LRS_SOURCE

# Only instants tell hours; a date-only fact says no more than its day.
_LOGS = (
    (RAW_STATEMENT, "statement_id", "happened_at"),
    (RAW_INPUTS["mentoring_session"], "session_id", "held_at"),
    (RAW_INPUTS["mentoring_message"], "message_id", "sent_at"),
)

# By rule of attribution, unknown terms, repeated, conflicting and voided statements, and the most frequent of the
# terms that no vocabulary lists.
_SHOWN_TERMS = 25
_FINDINGS = f"""
    SELECT 'core.statement', finding, finding_value, true, found_count, out_of_count, 0, NULL, NULL
    FROM core.statement_finding
    UNION ALL
    SELECT table_name, finding, NULL, true, found_count, out_of_count, 0, NULL, NULL FROM core.mentoring_finding
    UNION ALL
    SELECT 'core.unknown_term', 'unknown_' || term_kind, term, true, statements_count, known.out_of_count, 0, NULL, NULL
    FROM core.unknown_term
    JOIN core.statement_finding AS known ON known.finding = 'unknown_term' AND known.finding_value = term_kind
    QUALIFY row_number() OVER (PARTITION BY term_kind ORDER BY statements_count DESC, term) <= {_SHOWN_TERMS}
"""


def data_quality(context: MartContext) -> str:
    """Refused rows and rows by table, findings in statements and mentoring logs, lateness by log, this run's checks.

    `check_value` is the refused rows, the rows, what was found out of `row_count`, the median lateness in hours, or
    what the check measured. Lateness is from
    happening to first being known, over the rows whose known_at is no assumption; null where there are none.
    Checks of the marts are left out: a publication exists only where all held, and some come after this one.
    """
    counts = " UNION ALL ".join(_row_count(context, table) for table in (*RAW_TABLES, *CORE_TABLES))
    logs = " UNION ALL ".join(_lateness(context, *log) for log in _LOGS)
    return f"""
    SELECT table_name, 'quarantine' AS check_name, reason, false AS is_passed, count(*) AS check_value,
        coalesce(any_value(taken.row_count), 0) AS row_count, count(*) AS quarantined_count,
        CAST(NULL AS DOUBLE) AS lateness_hours_median, CAST(NULL AS DOUBLE) AS lateness_hours_p95
    FROM raw.quarantine ANTI JOIN raw.released USING (fault_id)
    LEFT JOIN (SELECT table_name, sum(row_count) AS row_count FROM raw.file GROUP BY table_name) AS taken
        USING (table_name)
    GROUP BY table_name, reason
    UNION ALL {counts}
    UNION ALL {_FINDINGS}
    UNION ALL {logs}
    UNION ALL
    SELECT table_name, check_name, NULL, is_passed, check_value, coalesce(row_count, 0), 0, NULL, NULL
    FROM ops.check_result WHERE run_id = '{context.run_id}' AND NOT starts_with(table_name, 'main.')
    ORDER BY table_name, check_name, reason
    """


def _row_count(context: MartContext, table: Table) -> str:
    clocks = {
        "known_at": context.observed,
        "known_epoch_day": context.tonight,
        "epoch_day": context.tonight,
        "enrolled_epoch_day": context.tonight,
        "made_known_epoch_day": context.tonight,
    }
    limits = [f"{name} < {limit}" for name, limit in clocks.items() if name in table.column_names]
    if table is RAW_FILE:
        # Into how many units a pull was cut says nothing of what came, and differs where a run was killed.
        limits.append(f"source_name NOT LIKE '{LRS_SOURCE}%'")
    where = f"WHERE {' AND '.join(limits)}" if limits else ""
    return (
        f"SELECT '{table.qualified_name}', 'row_count', NULL, true, count(*), count(*), 0, NULL, NULL "
        f"FROM {table.qualified_name} {where}"
    )


def _lateness(context: MartContext, table: Table, identifier: str, happened: str) -> str:
    """One row; what came twice or was re-stated counts once, by its first version."""
    return f"""
    SELECT '{table.qualified_name}', 'lateness', NULL, true, {rounded("median(hours)")}, count(*), 0,
        {rounded("median(hours)")}, {rounded("quantile_cont(hours, 0.95)")}
    FROM (
        SELECT greatest(0, date_diff('second', arg_min({happened}, known_at), min(known_at)) / 3600.0) AS hours
        FROM {table.qualified_name}
        WHERE known_at < {context.observed} AND NOT is_known_at_assumed AND {happened} IS NOT NULL
        GROUP BY {identifier}
    )
    """
