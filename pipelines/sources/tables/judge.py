"""Rows judged by their contract: what is wrong is told by column, reason, class of the value and way out.

Belongs here: conditions and words; rows that name something no table has. Does not belong here: reading (`read`),
keeping (`keep`). The value itself is never told: it goes to sealed storage alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from data_contracts.schema import Column, Kind, Table
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.sources.record import FaultRow
from pipelines.sources.tables.excel import ERROR_VALUE, NO_VALUE
from pipelines.sources.tables.given import BROKEN, TYPED
from pipelines.sources.tables.values import COULD_BE_THOUSANDS, ISO_CLOCK, ISO_DAY, ISO_OFFSET
from pipelines.warehouse import Warehouse

# A year of two digits, or the day that a program writes for none, lies before these; the database knows more, too.
FIRST_DAY, LAST_DAY = "1900-01-01", "9999-12-31"

# A row that names something no table has waits for it, where that table was given at all.
REFERENCES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "enrolment": (("course_id", "course", "unknown_course"), ("programme_id", "programme", "unknown_programme")),
    "programme_course": (("course_id", "course", "unknown_course"), ("programme_id", "programme", "unknown_programme")),
    "activity": (("course_id", "course", "unknown_course"),),
    "mentoring_match": (("programme_id", "programme", "unknown_programme"),),
    "mentoring_session": (("match_id", "mentoring_match", "unknown_match"),),
    "mentoring_message": (("match_id", "mentoring_match", "unknown_match"),),
    "goal": (("match_id", "mentoring_match", "unknown_match"),),
    "goal_update": (("goal_id", "goal", "unknown_goal"),),
    "commitment": (("session_id", "mentoring_session", "unknown_session"),),
}
WAITING_REASONS = tuple(sorted({reason for cases in REFERENCES.values() for _, _, reason in cases}))

_WAY_OUT = {
    "naive_time": "name the timezone of the file in mapping.yaml, or write an offset such as +01:00 or Z",
    "not_date": "write 2026-03-01, or name date_format in mapping.yaml: what is meant is never guessed",
    "not_instant": "write 2026-03-01T09:00:00+01:00, or name date_format and timezone in mapping.yaml",
    "not_number": "write 1234.5, or name decimal, thousands or unit in mapping.yaml",
    "not_integer": "write a whole number, or name thousands or unit in mapping.yaml",
    "unknown_value": "use one of them, or name yours under values in mapping.yaml",
    "no_formula_value": "open the workbook, let it compute, and save it",
    "error_value": "mend the formula in the workbook",
    "repeated_key": "keep one of the rows, or give recorded_at where the later one corrects the earlier",
    **dict.fromkeys(WAITING_REASONS, "deliver that table; the row waits and is taken when it comes"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that can be wrong: where, why, and the SQL condition under which it is."""

    column: str
    reason: str
    condition: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A refused row: its line, what is wrong with it, and the text of the column at fault."""

    line: int
    case: Case
    value: str | None


def judge(table: Table, warehouse: Warehouse, *, is_excel: bool = False) -> list[BadRow]:
    """Judge the rows of the temporary table `incoming` into `judged`, whose `fault` is null where a row is good."""
    cases = _cases(table, warehouse, is_excel=is_excel)
    tests = " ".join(f"WHEN {case.condition} THEN {number}" for number, case in enumerate(cases))
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE judged AS SELECT *, CASE {tests} END AS fault FROM incoming")
    values = " ".join(f'WHEN {number} THEN "{case.column}"' for number, case in enumerate(cases))
    bad = warehouse.rows(
        f"SELECT line_number, fault, CASE fault {values} END FROM judged WHERE fault IS NOT NULL ORDER BY line_number"
    )
    return [BadRow(int(line), cases[number], value) for line, number, value in bad]


def fault_row(table: Table, bad: BadRow, raw_text: str) -> FaultRow:
    """A refused row as it goes to quarantine."""
    case = bad.case
    told = f"; given is {class_of(bad.value)}" if bad.value is not None else ""
    way_out = f"; {_WAY_OUT[case.reason]}" if case.reason in _WAY_OUT else ""
    detail = f"{table.name}.{case.column}: {case.reason.replace('_', ' ')}; wanted is {_wanted(table, case)}"
    return FaultRow(table.name, bad.line, case.column, case.reason, None, f"{detail}{told}{way_out}", raw_text)


def _cases(table: Table, warehouse: Warehouse, *, is_excel: bool) -> list[Case]:
    cases = []
    if is_excel:
        for mark, reason in ((NO_VALUE, "no_formula_value"), (ERROR_VALUE, "error_value")):
            cases += [Case(name, reason, f"starts_with(\"{name}\", '{mark}')") for name in table.column_names]
    cases += [Case(column.name, *fault) for column in table.columns for fault in _faults_of(column)]
    if "timezone" in table.column_names:
        known = "(SELECT name FROM pg_timezone_names())"
        cases.append(Case("timezone", "unknown_timezone", f"timezone IS NOT NULL AND timezone NOT IN {known}"))
    if table.name == "enrolment":
        cases.append(Case("course_id", "no_course", "course_id IS NULL AND programme_id IS NULL"))
    if table.name == "mentoring_session":
        cases.append(Case("held_at", "no_time", "held_at IS NULL AND scheduled_at IS NULL"))
    if table.name in {"mentoring_session", "mentoring_message"}:
        cases.append(Case("match_id", "no_pair", "match_id IS NULL AND (mentor_key IS NULL OR learner_key IS NULL)"))
    # Last, so that a row waits only where nothing else is wrong with it.
    for name, other, reason in REFERENCES.get(table.name, ()):
        if warehouse.count(RAW_INPUTS[other]):
            missing = f'"{name}" IS NOT NULL AND "{name}" NOT IN (SELECT "{name}" FROM raw.{other})'
            cases.append(Case(name, reason, missing))
    return cases


def _faults_of(column: Column) -> list[tuple[str, str]]:
    """(reason, SQL condition) of everything that can be wrong with one value, given as text."""
    name, kind = f'"{column.name}"', column.field.kind
    faults = [("missing_value", f"{name} IS NULL")] if column.is_required else []
    typed = f"TRY_CAST({name} AS {_input_type(column)})"
    if kind is Kind.INTEGER:
        # A cast alone would round 3.7 to 4.
        typed = f"CASE WHEN TRY_CAST({name} AS DOUBLE) = {typed} THEN {typed} END"
    is_shaped = "true"
    if kind is Kind.DATE:
        # The database would take 03-04-26 for a day of the year 3.
        is_shaped = f"regexp_full_match({name}, '{ISO_DAY}|-?infinity')"
    if kind is Kind.INSTANT:
        is_shaped = f"regexp_full_match({name}, '{ISO_DAY}{ISO_CLOCK}{ISO_OFFSET}')"
        naive = f"regexp_full_match({name}, '{ISO_DAY}({ISO_CLOCK})?') AND TRY_CAST({name} AS TIMESTAMP) IS NOT NULL"
        faults.append(("naive_time", naive))
    if kind is not Kind.TEXT:
        faults.append((f"not_{kind}", f"{name} IS NOT NULL AND ({typed} IS NULL OR NOT {is_shaped})"))
    if column.field.values:
        values = ", ".join(f"'{value}'" for value in column.field.values)
        faults.append(("unknown_value", f"{name} NOT IN ({values})"))
    if kind in {Kind.DATE, Kind.INSTANT}:
        faults.append(("out_of_range", f"{typed} NOT BETWEEN '{FIRST_DAY}' AND '{LAST_DAY}'"))
    limits = []
    if kind in {Kind.INTEGER, Kind.NUMBER}:
        cast = f"TRY_CAST({name} AS DOUBLE)"
        limits.append(f"isnan({cast}) OR isinf({cast})")
        if column.field.minimum is not None:
            limits.append(f"{cast} < {column.field.minimum}")
        if column.field.maximum is not None:
            limits.append(f"{cast} > {column.field.maximum}")
        faults.append(("out_of_range", " OR ".join(limits)))
    return faults


def _input_type(column: Column) -> str:
    # An instant is read with its offset, so that 09:00+02:00 is not taken for 09:00 UTC.
    return "TIMESTAMPTZ" if column.field.kind is Kind.INSTANT else column.sql_type


def _wanted(table: Table, case: Case) -> str:
    column = table.column(case.column)
    is_day = column.field.kind in {Kind.DATE, Kind.INSTANT}
    limits = (FIRST_DAY, LAST_DAY) if is_day else (column.field.minimum, column.field.maximum)
    references = {reason: (name, other) for name, other, reason in REFERENCES.get(table.name, ())}
    if case.reason in references:
        name, other = references[case.reason]
        return f"a {name} that the table {other} has"
    return {
        "unknown_value": f"one of {', '.join(column.field.values)}",
        "missing_value": "a value",
        "out_of_range": f"a {column.field.kind} from {limits[0]} to {limits[1]}",
        "unknown_timezone": "an IANA time zone such as Europe/Lisbon",
        "no_course": "course_id, or programme_id where there is mentoring only",
        "no_time": "held_at or scheduled_at",
        "no_pair": "match_id, or mentor_key and learner_key",
        "naive_time": "an instant with its offset",
        "no_formula_value": "a formula's stored value",
        "error_value": "a value, not an error of the workbook",
    }.get(case.reason, f"a value of type {column.field.kind}")


_SLASHED = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(.*)")
_SEPARATED = re.compile(r"[+-]?\d[\d.,'\u2019\u00a0\u202f ]*")


def class_of(value: str) -> str:  # noqa: PLR0911 - a class, a line
    """What kind of text a value is, in words that do not give it away."""
    text = value.lstrip(TYPED + BROKEN)
    if value.startswith((NO_VALUE, ERROR_VALUE)):
        return "an error of the workbook, or a formula without its value"
    if re.fullmatch(ISO_DAY, text):
        return f"a date before {FIRST_DAY[:4]}" if text < FIRST_DAY else "a date that is out of range or of no calendar"
    if re.fullmatch(f"{ISO_DAY}{ISO_CLOCK}", text):
        return "a time without its zone"
    if re.fullmatch(f"{ISO_DAY}{ISO_CLOCK}{ISO_OFFSET}", text):
        return "a time with its zone"
    if _SLASHED.fullmatch(text):
        return "a date whose order of day and month is not said"
    if re.fullmatch(r"[+-]?\d+(\.\d+)?\s*%", text):
        return "a number with a percent sign"
    if re.fullmatch(r"-\d+(\.\d+)?", text):
        return "a negative number"
    if re.fullmatch(r"\+?\d+", text):
        return f"a whole number of {len(text.lstrip('+'))} digits"
    if value.startswith(BROKEN) and re.fullmatch(COULD_BE_THOUSANDS, text):
        return "a number whose point could part thousands or decimals"
    if re.fullmatch(r"\+?\d+\.\d+", text):
        return "a number with a fraction"
    if _SEPARATED.fullmatch(text):
        return "a number with separators that were not declared"
    return f"text of {len(text)} characters"
