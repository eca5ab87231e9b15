"""Writes the generated parts of the pages in this folder, from the contracts and the settings.

Usage: python docs/generate.py [--check]

Belongs here: how a contract reads as Markdown. Does not belong here: prose, which stands in the pages around the
markers `<!-- begin generated: NAME -->` and `<!-- end generated: NAME -->`; only what lies between them is replaced.
`--check` writes nothing and exits 1 where a page differs from what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from data_contracts.errors import PermanentError
from data_contracts.features import FAMILIES, FEATURES
from data_contracts.fields.learning import VERB_KINDS
from data_contracts.schema import Column, Field, Level, Table
from data_contracts.tables.inputs import AUDIT_ATTRIBUTES, INPUTS, MINIMUM, PSEUDONYM_OF
from data_contracts.tables.marts import MARTS, MARTS_CONTRACT_VERSION
from data_contracts.xapi.vocabulary import NO_ACT_KINDS, STRAND_OF_KIND, STRAND_OF_VERB, VOCABULARIES
from pipelines.settings import Settings

FOLDER = Path(__file__).resolve().parent

# Every input has it; inputs.md says so once.
_EVERYWHERE = "recorded_at"
# Every mart has it; marts.md says so once.
_IN_EVERY_MART = "publication_id"

_VERB_MEANINGS: Mapping[str, str] = {
    "engaged": "was there: opened, viewed, played, started, went on",
    "submitted": "handed in or answered something, or failed at it",
    "passed": "handed something in and passed",
    "completed": "completed something",
    "interacted": "turned to others: commented, replied, shared, rated",
    "created": "made or changed something",
    "graded": "a score, grade or award became known",
    "satisfied": "the LMS concluded by itself that all that was asked for is there",
    "administrative": "the organisation or the LMS acted: enrolled, assigned, waived, logged out, closed a lost session",
    "voided": "takes a statement back; never in core.statement",
    "other": "no vocabulary lists the verb",
}

_ABOUT: Mapping[Level, str] = {
    "aggregate": "no single person",
    "learner": "a learner",
    "mentor": "a mentor",
    "statement": "a statement",
}


class PageError(PermanentError):
    """A page lacks the markers that its generated part stands between."""


def inputs() -> str:
    """Every input table with its columns, and what each column becomes."""
    return "\n\n".join(_input(name, table) for name, table in INPUTS.items())


def _input(name: str, table: Table) -> str:
    needed = " Needed." if name in MINIMUM else ""
    columns = [column for column in table.columns if column.name != _EVERYWHERE]
    key = ", ".join(f"`{part}`" for part in table.key)
    rows = [
        (
            f"`{column.name}`",
            column.field.kind,
            _unit(column.field),
            "yes" if column.is_required else "",
            _kept_as(column),
            _meaning(column.field, limits=_limits(column.field)),
        )
        for column in columns
    ]
    return (
        f"### {name}\n\n{table.description}.{needed} Key: {key}.\n\n"
        f"{_grid(('column', 'type', 'unit', 'required', 'kept as', 'meaning'), rows)}"
    )


def _kept_as(column: Column) -> str:
    if column.name in PSEUDONYM_OF:
        return f"`{PSEUDONYM_OF[column.name]}`"
    if column.name in AUDIT_ATTRIBUTES:
        return "identity store, for the audit alone"
    return "identity store" if column.field.is_personal else ""


def verb_kinds() -> str:
    """Verb kinds: whether they are acts of the learner, and their strand."""
    rows = [
        (f"`{kind}`", "" if kind in NO_ACT_KINDS else "yes", STRAND_OF_VERB.get(kind, "formal"), _VERB_MEANINGS[kind])
        for kind in VERB_KINDS
    ]
    return _grid(("verb kind", "an act of the learner", "strand, unless the type has one", "meaning"), rows)


def vocabularies() -> str:
    """Every vocabulary with its source and its terms by kind."""
    parts = []
    for one in VOCABULARIES:
        rows = [*_terms("verb", one.verbs), *_terms("type", one.types)]
        source = " ".join(one.source.split())
        parts.append(f"### {one.name}\n\nSource: {source}.\n\n{_grid(('term', 'kind', 'strand', 'IRIs'), rows)}")
    return "\n\n".join(parts)


def _terms(term: str, kind_of: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Terms by kind and prefix, the prefix said once."""
    words: dict[tuple[str, str], list[str]] = {}
    for iri, kind in kind_of.items():
        start = max(iri.rstrip("/").rfind(sign) for sign in "/#:") + 1
        words.setdefault((kind, iri[:start]), []).append(iri[start:])
    strand = STRAND_OF_VERB if term == "verb" else STRAND_OF_KIND
    default = "" if term == "verb" else "formal"
    return [
        (term, kind, strand.get(kind, default), f"`{prefix}`: {', '.join(f'`{word}`' for word in found)}")
        for (kind, prefix), found in words.items()
    ]


def marts() -> str:
    """The list of all marts, then each with its columns."""
    overview = _grid(
        ("mart", "one row per", "a row is about"),
        [
            (f"[{name}](#{name})", table.grain.removeprefix("one row per "), _ABOUT[table.level])
            for name, table in MARTS.items()
        ],
    )
    version = f"Contract version {MARTS_CONTRACT_VERSION}."
    return "\n\n".join([version, overview, *(_mart(name, table) for name, table in MARTS.items())])


def _mart(name: str, table: Table) -> str:
    key = ", ".join(f"`{part}`" for part in table.key)
    rows = [
        (
            f"`{column.name}`",
            column.sql_type,
            _unit(column.field),
            "" if column.is_required else "yes",
            _meaning(column.field),
        )
        for column in table.columns
        if column.name != _IN_EVERY_MART or column.name in table.key
    ]
    return (
        f"### {name}\n\n{table.description}. {table.grain.capitalize()}. Key: {key}.\n\n"
        f"{_grid(('column', 'type', 'unit', 'may be null', 'meaning'), rows)}"
    )


def settings() -> str:
    """Every setting with its default and limits."""
    rows = []
    for name, field in Settings.model_fields.items():
        limits = [
            f"{word} {getattr(limit, attribute):g}"
            for limit in field.metadata
            for attribute, word in (("ge", "from"), ("le", "to"))
            if getattr(limit, attribute, None) is not None
        ]
        allowed = " ".join(limits)
        rows.append((f"`{name}`", f"`{_toml(field.default)}`", allowed, field.description or ""))
    return _grid(("key", "default", "allowed", "meaning"), rows)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def features() -> str:
    """Every feature by family."""
    parts = []
    for family in FAMILIES:
        rows = [
            (
                f"`{feature.name}`",
                _unit(feature.field),
                feature.level,
                feature.phrase.replace("{value}", "N"),
                _meaning(feature.field),
            )
            for feature in FEATURES
            if feature.family == family
        ]
        parts.append(f"### {family}\n\n{_grid(('feature', 'unit', 'level', 'said as', 'meaning'), rows)}")
    return f"{len(FEATURES)} features in {len(FAMILIES)} families.\n\n" + "\n\n".join(parts)


def _unit(field: Field) -> str:
    """The unit where it says more than the type does."""
    return field.unit if field.unit and field.unit != "local date" else ""


def _limits(field: Field) -> str:
    """Inclusive limits of a number, as `out_of_range` holds it against them."""
    limits = [("at least", field.minimum), ("at most", field.maximum)]
    return ", ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)


def _meaning(field: Field, *, limits: str = "") -> str:
    """The field's description, its values, limits where given, and whether equal runs may differ in it."""
    said = [field.description]
    if field.values:
        said.append("one of " + ", ".join(f"`{value}`" for value in field.values))
    if limits:
        said.append(limits)
    if field.is_volatile:
        said.append("may differ between equal runs")
    return "; ".join(said)


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "inputs.md": {"inputs": inputs},
    "meaning.md": {"verb kinds": verb_kinds, "vocabularies": vocabularies},
    "marts.md": {"marts": marts},
    "settings.md": {"settings": settings},
    "features.md": {"features": features},
}


def page(name: str, current: str) -> str:
    """A page's text with its generated parts made anew.

    Raises:
        PageError: a part's markers are not in the page.
    """
    text = current
    for part, make in PARTS[name].items():
        begin, end = f"<!-- begin generated: {part} -->", f"<!-- end generated: {part} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            message = f"docs/{name}: the markers of the generated part {part!r} must stand there once each"
            raise PageError(message)
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def main(given: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` only compare; exit code 1 where a committed page differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page differs")
    is_check = parser.parse_args(given).check
    stale = []
    for name in PARTS:
        file = FOLDER / name
        current = file.read_text("utf-8")
        made = page(name, current)
        if made == current:
            continue
        stale.append(name)
        if not is_check:
            file.write_text(made, "utf-8")
    if is_check and stale:
        sys.stderr.write(f"not as generated: {', '.join(stale)}; run python docs/generate.py\n")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
