"""From a file's texts to our own: names of values, days, instants, numbers and durations, as SQL.

Belongs here: one expression a column, over the temporary table `given`. Does not belong here: judging what comes of
it (`judge`).

What comes of it is text again: ISO days, instants with their offset (without one where no zone is known), numbers
with a decimal point. A text that its rule cannot read begins with `BROKEN`, so that nothing else takes it for a value.
"""

from __future__ import annotations

from collections.abc import Mapping

from data_contracts.schema import Column, Kind
from pipelines.sources.mapping import EXCEL_DATES, ColumnRule, FileRule
from pipelines.sources.tables.given import BROKEN, TYPED
from pipelines.sources.tables.plan import Plan, Reading

ISO_DAY = r"\d{4,}-\d{1,2}-\d{1,2}"
ISO_CLOCK = r"[T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
ISO_OFFSET = r"\s?(Z|z|UTC|GMT|[+-](0\d|1[0-5])(:?[0-5]\d)?)"

# 1.234 is one and a bit to some and more than a thousand to others; of money nobody may guess.
COULD_BE_THOUSANDS = r"[+-]?[1-9]\d{0,2}(\.\d{3})+"

# Serial days of 1990 to 2100: a year, or a day written as one number, is not taken for one.
_FIRST_SERIAL, _LAST_SERIAL = 32874, 73415
_CLOCK_PARTS = ("%H", "%I", "%T", "%-H", "%-I", "%X", "%R", "%c")
_DAY_SECONDS = 86_399

_HOURS, _MINUTES, _SECONDS = "h|hrs?|hours?", "m|mins?|minutes?", "s|secs?|seconds?"
_AMOUNT = r"\d+(?:[.,]\d+)?"
_WORDS = "".join(rf"(?:({_AMOUNT})\s*(?:{unit})\b\.?)?[\s,]*" for unit in (_HOURS, _MINUTES, _SECONDS))
_ISO_PERIOD = rf"pt(?:({_AMOUNT})h)?(?:({_AMOUNT})m)?(?:({_AMOUNT})s)?"


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def incoming(plan: Plan, reading: Reading, places: Mapping[str, int]) -> str:
    """SELECT line_number and every column of the contract from `given`."""
    given = ", ".join(
        f'{_origin(plan.columns[column.name], column, places, is_typed=reading.is_typed)} AS "{column.name}"'
        for column in plan.table.columns
    )
    read = ", ".join(
        f'{_value(column, plan.columns[column.name], plan.rule.file, reading)} AS "{column.name}"'
        for column in plan.table.columns
    )
    return f"SELECT line_number, {read} FROM (SELECT line_number, {given} FROM given)"


def _origin(rule: ColumnRule, column: Column, places: Mapping[str, int], *, is_typed: bool) -> str:
    """The text that a column comes from; names of persons and values are brought into one form."""
    texts = [f"nullif(trim(s{places[name]}), '')" for name in rule.sources if name in places]
    bare = [f"ltrim({text}, '{TYPED}')" if is_typed else text for text in texts]
    if rule.constant is not None:
        text = quoted(rule.constant) if rule.constant else "CAST(NULL AS VARCHAR)"
    elif not texts:
        text = "CAST(NULL AS VARCHAR)"
    elif rule.concat:
        # A part that is missing leaves nothing to join.
        text = f" || {quoted(rule.separator)} || ".join(_one_form(part, rule) for part in bare)
    else:
        is_timed = column.field.kind is not Kind.TEXT and not rule.values
        chosen = texts if is_timed else bare
        text = f"coalesce({', '.join(chosen)})" if len(chosen) > 1 else chosen[0]
        text = _one_form(text, rule)
    if rule.values:
        names = " ".join(
            f"WHEN {quoted(given.strip().lower())} THEN {quoted(ours)}" for given, ours in rule.values.items()
        )
        other = text if rule.default is None else f"CASE WHEN {text} IS NOT NULL THEN {quoted(rule.default)} END"
        broken = f"WHEN starts_with({text}, '{BROKEN}') THEN {text} " if is_typed else ""
        whole = f"CASE lower({text}) {names} ELSE {other} END"
        text = f"nullif(CASE {broken}ELSE {whole} END, '')" if broken else f"nullif({whole}, '')"
    return f"coalesce({text}, {quoted(rule.empty)})" if rule.empty else text


def _one_form(text: str, rule: ColumnRule) -> str:
    if rule.normalise is None:
        return text
    form = f"lower(nfc_normalize(regexp_replace({text}, '\\s+', ' ', 'g')))"
    return f"regexp_replace({form}, '^mailto: ?', '')" if rule.normalise == "email" else form


def _value(column: Column, rule: ColumnRule, file: FileRule, reading: Reading) -> str:
    name, kind = f'"{column.name}"', column.field.kind
    if kind in {Kind.INTEGER, Kind.NUMBER}:
        value = _number(name, column, rule, file, reading)
    elif kind in {Kind.DATE, Kind.INSTANT}:
        read = _day if kind is Kind.DATE else _instant
        value = read(f"ltrim({name}, '{TYPED}')" if reading.is_typed else name, name, rule, file, reading)
    else:
        return f"ltrim({name}, '{TYPED}')" if reading.is_typed else name
    return f"CASE WHEN starts_with({name}, '{BROKEN}') THEN {name} ELSE {value} END" if reading.is_excel else value


# --- numbers ------------------------------------------------------------------------------------------------------


def _number(name: str, column: Column, rule: ColumnRule, file: FileRule, reading: Reading) -> str:
    text = _plain_number(name, file)
    if (column.field.unit or "").startswith("currency") and not file.model_fields_set & {"decimal", "thousands"}:
        text = f"CASE WHEN regexp_full_match({name}, '{COULD_BE_THOUSANDS}') THEN '{BROKEN}' || {name} ELSE {name} END"
    if rule.unit == "percent":
        text = _plain_number(f"trim(replace(rtrim({name}, '%'), chr(160), ' '))", file)
    if rule.unit == "duration":
        text = _duration(f"ltrim({name}, '{TYPED}')" if reading.is_typed else name, name, column)
    elif reading.is_typed:
        text = f"CASE WHEN starts_with({name}, '{TYPED}') THEN ltrim({name}, '{TYPED}') ELSE {text} END"
    scale = _scale(rule.unit, column)
    if scale is None:
        return text
    return f"coalesce(CAST(TRY_CAST({text} AS DOUBLE) {scale} AS VARCHAR), '{BROKEN}' || {name})"


def _plain_number(text: str, file: FileRule) -> str:
    if file.decimal == "." and file.thousands is None:
        return text
    point, comma = _escaped(file.decimal), file.thousands
    shape = rf"[+-]?\d+({point}\d+)?"
    bare = text
    if comma is not None:
        shape = rf"[+-]?(\d+|\d{{1,3}}({_escaped(comma)}\d{{3}})+)({point}\d+)?"
        bare = f"replace({text}, {quoted(comma)}, '')"
    number = f"replace({bare}, {quoted(file.decimal)}, '.')"
    return f"CASE WHEN regexp_full_match({text}, {quoted(shape)}) THEN {number} ELSE '{BROKEN}' || {text} END"


def _escaped(sign: str) -> str:
    return rf"\{sign}" if sign == "." else sign


def _scale(unit: str | None, column: Column) -> str | None:
    """What a number is multiplied by to stand in the column's own unit, as the tail of an expression."""
    if unit in {None, "duration"}:
        return None
    if unit == "percent":
        return "/ 100.0"
    seconds = {"seconds": 1, "minutes": 60, "hours": 3600}
    return f"* {seconds[str(unit)]} / {_unit_seconds(column)}.0"


def _unit_seconds(column: Column) -> int:
    return 3600 if column.name.endswith("hours") else 60


def _duration(text: str, name: str, column: Column) -> str:
    """`1h 30m`, `90 min`, `1:30`, `1:30:00` or `PT1H30M` in the column's unit."""
    lower = f"lower({text})"
    clock = r"(\d+):([0-5]\d)(?::([0-5]\d))?"

    def total(shape: str) -> str:
        parts = [
            f"coalesce(TRY_CAST(replace(regexp_extract({lower}, {quoted(shape)}, {number}), ',', '.') AS DOUBLE), 0) * {each}"
            for number, each in ((1, 3600), (2, 60), (3, 1))
        ]
        return f"CAST(({' + '.join(parts)}) / {_unit_seconds(column)}.0 AS VARCHAR)"

    cases = " ".join(
        f"WHEN regexp_full_match({lower}, {quoted(shape)}) AND regexp_matches({lower}, '\\d') THEN {total(f'^{shape}$')}"
        for shape in (clock, _ISO_PERIOD, _WORDS)
    )
    return f"CASE {cases} WHEN {name} IS NOT NULL THEN '{BROKEN}' || {name} END"


# --- days and instants --------------------------------------------------------------------------------------------


def _formats(rule: ColumnRule, file: FileRule) -> tuple[str, ...]:
    return rule.date_format or file.date_format


def _iso_guard(name: str, formats: tuple[str, ...], *, is_typed: bool) -> str:
    """Condition under which a text may be read as ISO although formats are declared."""
    if not any(one.startswith(("%Y", "%y")) for one in formats):
        return "true"
    # A format of one's own that begins with the year stands alone: 2026-04-03 could mean either.
    return f"starts_with({name}, '{TYPED}')" if is_typed else "false"


def _serial(text: str, name: str, formats: tuple[str, ...], reading: Reading) -> str:
    """Condition under which a text is a number of days as Excel counts."""
    is_number = f"TRY_CAST({text} AS DOUBLE) BETWEEN {_FIRST_SERIAL} AND {_LAST_SERIAL}"
    if EXCEL_DATES in formats:
        return is_number
    return f"starts_with({name}, '{TYPED}') AND {is_number}" if reading.is_excel else "false"


def _day(text: str, name: str, rule: ColumnRule, file: FileRule, reading: Reading) -> str:
    formats, zone = _formats(rule, file), rule.timezone or file.timezone
    cases = [f"WHEN {name} IS NULL THEN NULL"]
    iso = _iso_guard(name, formats, is_typed=reading.is_typed)
    if iso != "false":
        day = f"regexp_extract({text}, '^{ISO_DAY}')"
        cases.append(f"WHEN {iso} AND regexp_full_match({text}, '{ISO_DAY}({ISO_CLOCK})?') THEN {day}")
        zoned = f"regexp_full_match({text}, '{ISO_DAY}{ISO_CLOCK}{ISO_OFFSET}')"
        if zone:
            local = f"timezone({quoted(zone)}, TRY_CAST(replace({text}, ',', '.') AS TIMESTAMPTZ))"
            cases.append(f"WHEN {iso} AND {zoned} THEN CAST(CAST({local} AS DATE) AS VARCHAR)")
    cases += [
        f"WHEN try_strptime({text}, {quoted(one)}) IS NOT NULL THEN {_local_day(text, one, zone)}"
        for one in formats
        if one != EXCEL_DATES
    ]
    serial = f"CAST(DATE '1899-12-30' + CAST(floor(TRY_CAST({text} AS DOUBLE)) AS INTEGER) AS VARCHAR)"
    cases.append(f"WHEN {_serial(text, name, formats, reading)} THEN {serial}")
    return f"CASE {' '.join(cases)} ELSE {text} END"


def _local_day(text: str, one: str, zone: str | None) -> str:
    moment = f"try_strptime({text}, {quoted(one)})"
    if "%z" in one:
        moment = f"timezone({quoted(zone or 'UTC')}, {moment})"
    return f"CAST(CAST({moment} AS DATE) AS VARCHAR)"


def _instant(text: str, name: str, rule: ColumnRule, file: FileRule, reading: Reading) -> str:
    formats, zone = _formats(rule, file), rule.timezone or file.timezone
    # A day alone happens at its end.
    end = f" + to_seconds({_DAY_SECONDS})"
    cases = [f"WHEN {name} IS NULL THEN NULL"]
    iso = _iso_guard(name, formats, is_typed=reading.is_typed)
    if iso != "false":
        dotted = f"replace({text}, ',', '.')"
        cases.append(f"WHEN {iso} AND regexp_full_match({text}, '{ISO_DAY}{ISO_CLOCK}{ISO_OFFSET}') THEN {dotted}")
        local = f"TRY_CAST({dotted} AS TIMESTAMP)"
        cases.append(
            f"WHEN {iso} AND regexp_full_match({text}, '{ISO_DAY}{ISO_CLOCK}') AND {local} IS NOT NULL "
            f"THEN {_placed(local, zone)}"
        )
        cases.append(
            f"WHEN {iso} AND regexp_full_match({text}, '{ISO_DAY}') AND {local} IS NOT NULL "
            f"THEN {_placed(local + end, zone)}"
        )
    for one in formats:
        if one == EXCEL_DATES:
            continue
        moment = f"try_strptime({text}, {quoted(one)})"
        if "%z" in one:
            told = f"CAST({moment} AS VARCHAR)"
        else:
            told = _placed(moment if any(part in one for part in _CLOCK_PARTS) else moment + end, zone)
        cases.append(f"WHEN {moment} IS NOT NULL THEN {told}")
    days = f"TRY_CAST({text} AS DOUBLE)"
    moment = f"(TIMESTAMP '1899-12-30' + to_seconds(round({days} * 86400)))"
    moment = f"CASE WHEN {days} = floor({days}) THEN {moment}{end} ELSE {moment} END"
    cases.append(f"WHEN {_serial(text, name, formats, reading)} THEN {_placed(moment, zone)}")
    return f"CASE {' '.join(cases)} ELSE {text} END"


def _placed(local: str, zone: str | None) -> str:
    """A local moment as text: in UTC with its offset where the zone is known, else as it is."""
    return f"CAST(timezone({quoted(zone)}, {local}) AS VARCHAR)" if zone else f"CAST({local} AS VARCHAR)"
