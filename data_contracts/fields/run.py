"""Fields about runs, provenance and quality of data.

Belongs here: when something was known, which run wrote it, what a check said. Does not belong here: domain facts.
"""

from __future__ import annotations

from data_contracts.schema import count, date, flag, instant, integer, number, text

FIELDS = (
    instant("recorded_at", "When the operator's system recorded the row"),
    instant("known_at", "When the row could be known"),
    flag("is_known_at_assumed", "Whether known_at is the event's own time for want of a better one"),
    flag("is_deleted", "Whether the version says that the row is gone: a full snapshot no longer had it"),
    text("source_name", "Which source the row came from"),
    text("file_name", "Name of the file the row came from"),
    text("file_hash", "SHA-256 of the file's content"),
    text("table_name", "Name of the table"),
    count("line_number", "Line or row of the file, counted from 1"),
    text("column_name", "Column at fault, where there is one"),
    text("reason", "Why, as a code"),
    text("detail", "What was wrong and the way out, without personal data"),
    text("requirement_id", "Identifier of the xAPI requirement, where the rule has one"),
    text("fault_id", "Hash of file, line and reason"),
    count("row_count", "Rows", "rows"),
    instant("taken_at", "When the file was taken in", is_volatile=True),
    text("run_id", "Identifier of the run", is_volatile=True),
    instant("published_at", "When it was published", is_volatile=True),
    text("publication_id", "Identifier of the publication: a hash of inputs, settings, code and observed_at"),
    instant("observed_at", "Observation time (landmark): everything used happened and was known before it"),
    text("contract_version", "Version of the marts contract"),
    text("code_version", "Version of the code"),
    text("settings", "Settings in force, as JSON"),
    text("row_counts", "Rows of each mart, as JSON"),
    text("failed_sources", "Sources that failed, separated by commas; empty when none did"),
    text("check_name", "Name of the check"),
    flag("is_passed", "Whether the check passed"),
    number("check_value", "What the check measured"),
    count("quarantined_count", "Rows in quarantine", "rows"),
    number("lateness_hours_median", "Median time from happening to being known", "hours"),
    number("lateness_hours_p95", "95th percentile of the time from happening to being known", "hours"),
    date("calendar_on", "Calendar date"),
    date("week_starts_on", "Monday of the ISO week"),
    date("month_starts_on", "First day of the month"),
    integer("iso_week", "ISO week number"),
    integer("iso_year", "ISO year"),
    integer("iso_weekday", "1 for Monday to 7 for Sunday"),
    flag("is_closed_day", "Whether the organisation is closed"),
)
