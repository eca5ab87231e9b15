"""Writes the generated parts of the pages in this folder, from the contracts and the settings.

Usage: python docs/generate.py [--check]

Belongs here: how a contract reads as Markdown. Does not belong here: prose, which stands in the pages around the
markers `<!-- begin generated: NAME -->` and `<!-- end generated: NAME -->`; only what lies between them is replaced.
Pages of families are generated whole.
`--check` writes nothing and exits 1 where a page differs from what would be written.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path

from data_contracts.errors import PermanentError
from data_contracts.features import FAMILY, FEATURES, Feature, family_names
from data_contracts.features.entry import ANY
from data_contracts.fields.learning import VERB_KINDS
from data_contracts.schema import Column, Field, Level, Table
from data_contracts.strands import OUTCOME_RULES, STRAND_RULES
from data_contracts.tables.inputs import AUDIT_ATTRIBUTES, INPUTS, MINIMUM, PSEUDONYM_OF
from data_contracts.tables.marts import MARTS, MARTS_CONTRACT_VERSION, MARTS_VERSIONS
from data_contracts.views import VIEWS, View
from data_contracts.xapi.vocabulary import NO_ACT_KINDS, STRAND_OF_KIND, STRAND_OF_VERB, VOCABULARIES
from features.cohort import cohort_features
from features.registry import REGISTRY
from pipelines.settings import Settings

FOLDER = Path(__file__).resolve().parent

# Every input has it; inputs.md says so once.
_EVERYWHERE = "recorded_at"
# Every mart has it; marts.md says so once.
_IN_EVERY_MART = "publication_id"
# A value of each column of each mart, from the demo world; written by `python docs/mart_examples.py HOME`.
EXAMPLES = FOLDER / "mart_examples.json"

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


def strand_rules() -> str:
    """What is logged: its strand, whether it is an event and tells minutes, what it is worth as an outcome."""
    worth = {(rule.source, rule.word): f"{rule.outcome_share:g}" for rule in OUTCOME_RULES}
    kinds = [
        (
            f"`{rule.source}`",
            f"`{rule.kind}`",
            rule.strand or "not counted",
            "yes" if rule.is_event else "",
            "yes" if rule.has_minutes else "",
            worth.get((rule.source, rule.kind), ""),
            rule.why,
        )
        for rule in STRAND_RULES
    ]
    listed = {(rule.source, rule.kind) for rule in STRAND_RULES}
    words = [
        (f"`{rule.source}`", f"`{rule.word}`", f"{rule.outcome_share:g}", rule.why)
        for rule in OUTCOME_RULES
        if (rule.source, rule.word) not in listed
    ]
    return "\n\n".join(
        [
            _grid(("logged as", "kind", "strand", "an event", "tells minutes", "outcome", "why"), kinds),
            _grid(("logged as", "confirmed by", "outcome", "why"), words),
        ]
    )


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
    examples = json.loads(EXAMPLES.read_text("utf-8"))
    return "\n\n".join(
        [version, overview, *(_mart(name, table, examples.get(name, {})) for name, table in MARTS.items())]
    )


def _mart(name: str, table: Table, examples: Mapping[str, str]) -> str:
    key = ", ".join(f"`{part}`" for part in table.key)
    rows = [
        (
            f"`{column.name}`",
            column.sql_type,
            _unit(column.field),
            "" if column.is_required else "yes",
            _meaning(column.field),
            f"`{examples[column.name]}`" if column.name in examples else "",
        )
        for column in table.columns
        if column.name != _IN_EVERY_MART or column.name in table.key
    ]
    return (
        f"### {name}\n\n{table.description}. {table.grain.capitalize()}. Key: {key}.\n\n"
        f"{_grid(('column', 'type', 'unit', 'may be null', 'meaning', 'for example'), rows)}"
    )


def mart_versions() -> str:
    """What changed in the marts from version to version."""
    return _grid(("version", "what changed"), MARTS_VERSIONS.items())


def views() -> str:
    """The list of all views, then each with its columns and its SQL."""
    overview = _grid(
        ("view", "asks", "a row is about"),
        [(f"[{name}](#{name})", view.question, _ABOUT[view.table.level]) for name, view in VIEWS.items()],
    )
    return "\n\n".join([overview, *(_view(name, view) for name, view in VIEWS.items())])


def _view(name: str, view: View) -> str:
    key = ", ".join(f"`{part}`" for part in view.table.key)
    rows = [
        (f"`{column.name}`", column.sql_type, _unit(column.field), _meaning(column.field))
        for column in view.table.columns
        if column.name != _IN_EVERY_MART
    ]
    return (
        f"### {name}\n\n{view.question} {view.table.grain.capitalize()}. Key: {key}.\n\n"
        f"{_grid(('column', 'type', 'unit', 'meaning'), rows)}\n\n```sql\n{view.query}\n```"
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
    """Every family, and every feature with the section that tells all of it."""
    families = [
        (f"[{name}](features/{name}.md)", family.about, len(family_names(name)), f"`feat_{family.subject}`")
        for name, family in FAMILY.items()
    ]
    rows = [
        (
            f"[{feature.name}](features/{feature.family}.md#{feature.name})",
            feature.family,
            feature.level,
            feature.phrase.replace("{value}", "N") or "never said",
        )
        for feature in FEATURES
    ]
    return "\n\n".join(
        [
            f"{len(FEATURES)} features in {len(FAMILY)} families.",
            _grid(("family", "about", "features", "made by"), families),
            _grid(("feature", "family", "level", "said as"), rows),
        ]
    )


def family_page(name: str) -> str:
    """All of a family: what its function says of it, then a section a feature."""
    family = FAMILY[name]
    function = REGISTRY[family.table_name].function if family.table_name in REGISTRY else cohort_features
    about, formulas, source = _told(function)
    where = f"`{function.__name__}` in `{function.__module__.replace('.', '/')}.py`"
    head = [
        f"# Family {name}",
        f"{family.about}. Written by `docs/generate.py`; [all families](../features.md).",
        f"Computed by {where} into `features.{family.table_name}`, by the asset `feat_{family.subject}`.",
        "D is the observation day.",
        *about,
        *([source] if source else []),
    ]
    return "\n\n".join([*head, *(_section(feature, formulas) for feature in FEATURES if feature.family == name)]) + "\n"


def _section(feature: Feature, formulas: Mapping[str, str]) -> str:
    generic = re.sub(r"_\d+d(?=_|$)", "_Nd", feature.name)
    formula = formulas.get(feature.name) or formulas.get(generic)
    if formula is None:
        message = f"the docstring of family {feature.family} has no formula `{feature.name} = ...` or `{generic} = ...`"
        raise PageError(message)
    low, high = feature.reads_within
    said = [
        f"“{feature.phrase.replace('{value}', 'N')}”" if feature.phrase else "never: no reason that a mentor could use"
    ]
    if (low, high) != ANY:
        limits = [f"at least {low:g}"] * (low > -inf) + [f"at most {high:g}"] * (high < inf)
        said.append(f"where the value is {' and '.join(limits) if low != high else f'{low:g}'}")
    if feature.worse:
        said.append({"low": "well below the course's median", "high": "well above the course's median"}[feature.worse])
    rows = [
        ("meaning", feature.field.description),
        ("formula", formula),
        ("unit", feature.field.unit or ""),
        ("range", _limits(feature.field) or "any number"),
        ("level it speaks to", feature.level),
        ("a mentor can take it up", "yes" if feature.is_actionable else "no"),
        ("models read it", "yes" if feature.is_modelled else "no: no forward test has shown yet that it helps"),
        ("said as", ", ".join(said)),
    ]
    return f"## {feature.name}\n\n{_grid(('', ''), rows)}"


def _told(function: Callable[..., object]) -> tuple[list[str], dict[str, str], str]:
    """What a docstring says of all its features, the formula of each, and its source.

    A formula begins with its feature's name, or with several and commas between, then `=` or `:`, and ends where the
    next one begins or with the paragraph; N in a name stands for any number of days.
    """
    names = {name for feature in FEATURES for name in (feature.name, re.sub(r"_\d+d(?=_|$)", "_Nd", feature.name))}
    name = "|".join(sorted(names, key=len, reverse=True))
    begins = re.compile(rf"(?:^|(?<=\s))((?:(?:{name}), )*(?:{name}))(?: =|:) ")
    about, formulas, source = [], {}, ""
    for block in inspect.getdoc(function).split("\n\n")[1:]:
        paragraph = " ".join(block.split())
        before, *found = begins.split(paragraph)
        if paragraph.startswith("Source: "):
            source = paragraph
        elif before:
            about.append(before)
        for several, formula in zip(found[::2], found[1::2], strict=True):
            formulas.update(dict.fromkeys(several.split(", "), formula.strip()))
    return about, formulas, source


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
    "marts.md": {"mart versions": mart_versions, "marts": marts, "views": views},
    "learning-mix.md": {"strand rules": strand_rules},
    "settings.md": {"settings": settings},
    "features.md": {"features": features},
}

WHOLE: Mapping[str, Callable[[], str]] = {f"features/{name}.md": partial(family_page, name) for name in FAMILY}


def page(name: str, current: str) -> str:
    """A page's text with its generated parts made anew.

    Raises:
        PageError: a part's markers are not in the page.
    """
    if name in WHOLE:
        return WHOLE[name]()
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
    for name in (*PARTS, *WHOLE):
        file = FOLDER / name
        current = file.read_text("utf-8") if file.exists() else ""
        made = page(name, current)
        if made == current:
            continue
        stale.append(name)
        if not is_check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(made, "utf-8")
    if is_check and stale:
        sys.stderr.write(f"not as generated: {', '.join(stale)}; run python docs/generate.py\n")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
