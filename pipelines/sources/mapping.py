"""`inbox/mapping.yaml`: how an operator's own exports become the input tables, without code.

Belongs here: what the file may say, and that it says it rightly; which files it is about. Does not belong here: doing
what it says (`pipelines.sources.tables`).

Every scalar of the file is a text, so that `yes`, `1.20` and `2026-03-01` mean what stands there.
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from data_contracts.errors import UsageError
from data_contracts.schema import Column, Kind, Table
from data_contracts.tables.inputs import INPUTS

FILE_NAME = "mapping.yaml"

EXCEL_DATES = "excel"
"""A date format: days since the end of 1899, as Excel counts."""

# What a cell of prose would be called. Contracted columns are never taken for one.
_PROSE = re.compile(
    r"(?:.*_)?(?:agenda|answer|body|chat|comments?|contents?|description|details?|excerpt|feedback|message|messages|"
    r"notes?|preview|reason|remarks?|reply|snippet|subject|summary|text|title|topic|transcript|type_of_absence)"
)
_PROSE_TABLES = ("mentoring_message", "mentoring_session", "absence")
_LAST_IN_ABSENCE = re.compile(r"(?:.*_)?(?:type|kind|category|code|cause|diagnosis)")

_DATE_PARTS = re.compile(r"%[-]?[dmYyHIMSpfbBjzZeaATRDFn%]")
_SEPARATORS = ".", ",", " ", "'", "\u2019", "\u00a0", "\u202f"


def plain(name: str) -> str:
    """A column's name as names are compared: `Mentor Name ` is `mentor_name`."""
    text = name.strip().casefold()
    return re.sub(r"[^\w]+", "_", text).strip("_") or text


def is_prose(table: Table, name: str) -> bool:
    """Whether a column looks like the content of a message or the reason of an absence: it is never read."""
    if table.name not in _PROSE_TABLES or plain(name) in table.column_names:
        return False
    if table.name == "absence" and _LAST_IN_ABSENCE.fullmatch(plain(name)):
        return True
    return bool(_PROSE.fullmatch(plain(name)))


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _zone(value: str | None) -> str | None:
    try:
        if value is not None:
            ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{value!r} is no IANA time zone; write one such as Europe/Lisbon"
        raise ValueError(message) from None
    return value


def _formats(value: object) -> object:
    for one in cast("tuple[object, ...]", _several(value)):
        if one != EXCEL_DATES and (not isinstance(one, str) or "%" in _DATE_PARTS.sub("", one) or "%" not in one):
            message = f"{one!r} is no date format; write one such as '%d/%m/%Y %H:%M', or {EXCEL_DATES}"
            raise ValueError(message)
    return _several(value)


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
Formats = Annotated[tuple[str, ...], BeforeValidator(_formats)]
Zone = Annotated[str | None, BeforeValidator(_zone)]
Unit = Literal["seconds", "minutes", "hours", "duration", "percent"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnRule(_Strict):
    """Where one of our columns comes from, and how its values are read.

    From one source column, the first of several that has a value, several joined by a separator, or a constant.
    """

    column: str | None = None
    coalesce: Texts = ()
    concat: Texts = ()
    separator: str = "|"
    constant: str | None = None
    values: dict[str, str] = Field(default_factory=dict)
    default: str | None = None
    empty: str | None = None
    date_format: Formats = ()
    timezone: Zone = None
    unit: Unit | None = None
    normalise: Literal["name", "email"] | None = None
    pseudonym: bool = False

    @model_validator(mode="after")
    def _has_one_origin(self) -> ColumnRule:
        given = [self.column is not None, bool(self.coalesce), bool(self.concat), self.constant is not None]
        if sum(given) != 1:
            message = "give exactly one of column, coalesce, concat and constant"
            raise ValueError(message)
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the source columns, as names are compared."""
        named = (self.column,) if self.column is not None else (*self.coalesce, *self.concat)
        return tuple(plain(name) for name in named)


def _column_rule(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class FileRule(_Strict):
    """How files of one pattern are read into one table."""

    files: Texts
    sheet: str | None = None
    delimiter: Annotated[str | None, Field(min_length=1, max_length=1)] = None
    encoding: str | None = None
    timezone: Zone = None
    date_format: Formats = ()
    decimal: Literal[".", ","] = "."
    thousands: str | None = None
    full_snapshot: bool = False
    ignore: Texts = ()
    columns: dict[str, Annotated[ColumnRule, BeforeValidator(_column_rule)]] = Field(default_factory=dict)

    @field_validator("files")
    @classmethod
    def _stays_inside(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            parts = PurePosixPath(pattern).parts
            if len(parts) < 2 or pattern.startswith("/") or ".." in parts or "\\" in pattern:
                message = f"{pattern!r}: write folder and file as they lie in the inbox, such as 'exports/*.csv'"
                raise ValueError(message)
            if parts[0] == "xapi":
                message = f"{pattern!r}: the folder xapi holds statements; put tables into a folder of their own"
                raise ValueError(message)
        return value

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                codecs.lookup(value)
        except LookupError:
            message = f"{value!r} is no encoding; write one such as utf-8, utf-16, windows-1252"
            raise ValueError(message) from None
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _named_tab(cls, value: object) -> object:
        return "\t" if value in {"tab", "\\t"} else value

    @model_validator(mode="after")
    def _separators_differ(self) -> FileRule:
        if self.thousands is not None and (self.thousands not in _SEPARATORS or self.thousands == self.decimal):
            message = f"thousands {self.thousands!r} is none of {_SEPARATORS[:4]}, or is the decimal sign too"
            raise ValueError(message)
        return self

    @cached_property
    def fingerprint(self) -> str:
        """What of the rule decides which rows come of a file."""
        return self.model_dump_json(exclude={"files", "ignore"})

    @cached_property
    def named(self) -> frozenset[str]:
        """Source columns that the rule reads or leaves alone on purpose, as names are compared."""
        used = (name for rule in self.columns.values() for name in rule.sources)
        return frozenset((*used, *(plain(name) for name in self.ignore)))


@dataclass(frozen=True, slots=True)
class Rule:
    """A file rule as it stands for one file: with the columns that rules of other tables read in the same file."""

    file: FileRule
    others: frozenset[str] = frozenset()

    def marked(self, content_hash: str) -> str:
        """What a content is remembered as: the same content under another rule is taken again."""
        return hashlib.sha256(f"{content_hash}|{self.file.fingerprint}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class InboxMapping:
    """What `mapping.yaml` says; empty where there is none."""

    tables: Mapping[str, tuple[FileRule, ...]]

    def paths(self, folder: Path, table: str) -> list[Path]:
        """Files of the inbox that rules of a table name."""
        found = {path for rule in self.tables.get(table, ()) for pattern in rule.files for path in folder.glob(pattern)}
        return sorted(found)

    def rules(self, table: str, place: str) -> list[Rule]:
        """The rules by which a file (`folder/name`) is read into a table."""
        others = frozenset(name for rule in self._of_all(place) for name in rule.named)
        return [Rule(rule, others) for rule in self.tables.get(table, ()) if _matches(rule, place)]

    @property
    def folders(self) -> frozenset[str]:
        """Folders of the inbox that the rules name."""
        rules = (rule for rules in self.tables.values() for rule in rules)
        return frozenset(PurePosixPath(pattern).parts[0] for rule in rules for pattern in rule.files)

    def _of_all(self, place: str) -> Iterator[FileRule]:
        for rules in self.tables.values():
            yield from (rule for rule in rules if _matches(rule, place))


def _matches(rule: FileRule, place: str) -> bool:
    return any(fnmatchcase(place, pattern) for pattern in rule.files)


def load_mapping(folder: Path) -> InboxMapping:
    """Read an inbox's `mapping.yaml`; none is fine.

    Raises:
        UsageError: it is no YAML, or says something that cannot be done; the message names the place, and the
            nearest known name where one is unknown.
    """
    misnamed = folder / "mapping.yml"
    if misnamed.exists():
        message = f"{misnamed.name}: call it {FILE_NAME}"
        raise UsageError(message)
    file = folder / FILE_NAME
    if not file.exists():
        return InboxMapping({})
    try:
        given = yaml.load(file.read_text("utf-8-sig"), _Loader)  # noqa: S506 - a loader of texts, lists and maps alone
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        message = f"{FILE_NAME}{line}: no valid YAML ({getattr(error, 'problem', None) or 'not UTF-8'})"
        raise UsageError(message) from None
    if given in (None, ""):
        return InboxMapping({})
    if not isinstance(given, dict):
        message = f"{FILE_NAME}: write the name of a table, a colon, and under it its files"
        raise UsageError(message)
    return InboxMapping({table: _rules(table, entries) for table, entries in given.items()})


def _rules(table: str, entries: object) -> tuple[FileRule, ...]:
    if table not in INPUTS:
        message = f"{FILE_NAME}: unknown table {table!r}; {_nearest(table, INPUTS)}"
        raise UsageError(message)
    rules = []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        where = f"{FILE_NAME}: {table}" + (f", entry {number}" if isinstance(entries, list) else "")
        try:
            rule = FileRule.model_validate(entry)
        except ValidationError as error:
            raise UsageError(_told(where, error)) from None
        problem = _problem(INPUTS[table], rule)
        if problem:
            message = f"{where}: {problem}"
            raise UsageError(message)
        rules.append(rule)
    return tuple(rules)


def _told(where: str, error: ValidationError) -> str:
    # A key that is misspelt is missing under its right name, too.
    first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = ColumnRule.model_fields if "columns" in place[:-1] else FileRule.model_fields
        inside = f" in {'.'.join(place[:-1])}" if place[:-1] else ""
        return f"{where}: unknown key {place[-1]!r}{inside}; {_nearest(place[-1], known)}"
    if first["type"] == "missing":
        return f"{where}: {'.'.join(place)} is missing"
    return f"{where}: {'.'.join(place)}{': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"


def _problem(table: Table, rule: FileRule) -> str:
    """What a rule asks that its table cannot give; empty where nothing is wrong."""
    if rule.full_snapshot and table.name == "learner_identity":
        return "full_snapshot: a link of an identity is never deleted by absence"
    for name, column_rule in rule.columns.items():
        if name not in table.column_names:
            return f"unknown column {name!r}; {_nearest(name, dict.fromkeys(table.column_names))}"
        problem = _column_problem(table, table.column(name), column_rule)
        if problem:
            return f"columns.{name}: {problem}"
    return ""


def _column_problem(table: Table, column: Column, rule: ColumnRule) -> str:
    kind, is_time = column.field.kind, column.name.endswith(("minutes", "hours", "minutes_per_week"))
    problems = {f"{name!r} looks like content, which is never read": is_prose(table, name) for name in rule.sources}
    problems |= {
        "unit percent is for numbers": rule.unit == "percent" and kind is not Kind.NUMBER,
        f"unit {rule.unit} is for columns of minutes or hours": rule.unit not in {None, "percent"} and not is_time,
        "date_format and timezone are for days and instants": bool(rule.date_format or rule.timezone)
        and kind not in {Kind.DATE, Kind.INSTANT},
        "default is for values that `values` does not name; use empty where there is none": rule.default is not None
        and not rule.values,
        "normalise and pseudonym are for texts": bool(rule.normalise or rule.pseudonym) and kind is not Kind.TEXT,
    }
    for value in (*rule.values.values(), rule.default, rule.empty, rule.constant):
        if value and column.field.values:
            problems[f"{value!r} is none of {', '.join(column.field.values)}"] = value not in column.field.values
    return next((words for words, is_so in problems.items() if is_so), "")


class _Loader(yaml.BaseLoader):  # type: ignore[misc]  # yaml has no types
    """Reads scalars as texts, and refuses a key that stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, ARG002
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return cast("dict[Any, Any]", super().construct_mapping(node, deep=True))
