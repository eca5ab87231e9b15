"""The pages in docs/ say what the code is: generated parts, commands, options, targets, links, settings, reasons."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from data_contracts.features import BY_NAME, FEATURE_NAMES
from data_contracts.tables.inputs import INPUTS
from data_contracts.tables.marts import MARTS
from pipelines.cli import COMMANDS
from pipelines.settings import LRS_CREDENTIALS, NO_SETTINGS, Settings
from pipelines.sources.tables.judge import REFERENCES, _faults_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def load_generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_of(page: Path) -> list[str]:
    """Lines of code blocks, and inline code."""
    lines = page.read_text("utf-8").splitlines()
    found, is_fenced = [], False
    for line in lines:
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            found.append(line.strip())
        else:
            found += re.findall(r"`([^`]+)`", line)
    return found


def calls(page: Path, word: str) -> list[str]:
    """What follows the word in code, comments left out."""
    return [
        match[1]
        for code in code_of(page)
        for match in re.finditer(rf"(?<![\w./-]){word} ([a-z].*)", code.split("  #")[0])
    ]


@pytest.mark.parametrize("name", [*generate.PARTS, *generate.WHOLE])
def test_each_generated_page_is_as_the_generator_writes_it(name):
    committed = (DOCS / name).read_text("utf-8")
    assert generate.page(name, committed) == committed, "run: python docs/generate.py"


def test_check_fails_on_a_page_that_differs_and_writes_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "features").mkdir()
    for name in (*generate.PARTS, *generate.WHOLE):
        (tmp_path / name).write_bytes((DOCS / name).read_bytes())
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main(["--check"]) == 0
    stale = (tmp_path / "settings.md").read_text("utf-8").replace("| `seed` |", "| `seeds` |")
    (tmp_path / "settings.md").write_text(stale, "utf-8")
    assert generate.main(["--check"]) == 1
    assert "settings.md" in capsys.readouterr().err
    assert (tmp_path / "settings.md").read_text("utf-8") == stale
    assert generate.main([]) == 0
    assert (tmp_path / "settings.md").read_bytes() == (DOCS / "settings.md").read_bytes()


def test_a_page_without_its_markers_is_refused():
    with pytest.raises(generate.PageError, match=r"settings\.md.*'settings'"):
        generate.page("settings.md", "# Settings\n")


def test_generated_pages_name_every_column_setting_and_feature():
    text = {name: (DOCS / name).read_text("utf-8") for name in generate.PARTS}
    for table, page in [
        *((table, "inputs.md") for table in INPUTS.values()),
        *((table, "marts.md") for table in MARTS.values()),
    ]:
        section = re.split(rf"^### {table.name}$", text[page], flags=re.MULTILINE)[1].split("\n### ")[0]
        everywhere = {"recorded_at"} if page == "inputs.md" else {"publication_id"}
        assert [name for name in table.column_names if f"`{name}`" not in section and name not in everywhere] == []
    assert [name for name in Settings.model_fields if f"| `{name}` |" not in text["settings.md"]] == []
    assert [name for name in FEATURE_NAMES if f"/{BY_NAME[name].family}.md#{name})" not in text["features.md"]] == []


def test_there_is_a_page_for_each_family_and_for_no_other():
    assert {f"features/{page.name}" for page in (DOCS / "features").iterdir()} == set(generate.WHOLE)


def test_a_feature_whose_formula_no_docstring_tells_is_refused(monkeypatch):
    def peers_features():
        """Family peers.

        social_days_Nd_share = days with a social event / days with any; null without.
        """

    assert generate._told(peers_features)[1] == {
        "social_days_Nd_share": "days with a social event / days with any; null without."
    }
    feature = BY_NAME["events_7d"]
    assert "| formula | sum of events |" in generate._section(feature, {"events_Nd": "sum of events"})
    with pytest.raises(generate.PageError, match=r"activity has no formula `events_7d = .*` or `events_Nd = "):
        generate._section(feature, {"events_28d": "sum of events"})


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_make_target_and_command_named_exists_with_its_options(page):
    for call in calls(page, "make"):
        assert call.split()[0] in TARGETS, call
    for call in [*calls(page, "handrail"), *calls(page, r"\.venv/bin/handrail")]:
        command = call.split()[0]
        assert command in COMMANDS, call
        parser = argparse.ArgumentParser()
        parser.add_argument("--home")
        importlib.import_module(f"pipelines.commands.{command.replace('-', '_')}").add_arguments(parser)
        actions = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        parsers = [parser, *(sub for one in actions for sub in one.choices.values())]
        assert set(re.findall(r"--[a-z-]+", call)) <= {
            name for one in parsers for name in one._option_string_actions
        }, call


def test_the_pages_name_commands_at_all():
    named = {call.split()[0] for page in PAGES for call in [*calls(page, "make"), *calls(page, r"\.venv/bin/handrail")]}
    assert {"run", "test", "ui", "simulate", "validate"} <= named


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_environment_variable_named_is_a_setting_the_home_or_one_of_the_soak_tests(page):
    known = {f"HANDRAIL_{name.upper()}" for name in {*Settings.model_fields, *NO_SETTINGS}}
    for test in (ROOT / "tests" / "soak").glob("test_*.py"):
        known |= set(re.findall(r'os\.environ\.get\("(HANDRAIL_[A-Z_]+)"', test.read_text("utf-8")))
    named = set(re.findall(r"HANDRAIL_[A-Z_]+[A-Z]", page.read_text("utf-8")))
    ends = tuple(f"_{what.upper()}" for what in LRS_CREDENTIALS)
    credentials = {name for name in named if name.startswith("HANDRAIL_LRS_") and name.endswith(ends)}
    assert named - credentials <= known


@pytest.mark.parametrize("page", [DOCS / "architecture.md", *sorted((DOCS / "decisions").glob("*.md"))], ids=page_name)
def test_every_file_and_folder_of_the_code_named_exists(page):
    places = [code for code in code_of(page) if re.fullmatch(r"[\w./]+(\.py|/)", code)]
    missing = [place for place in places if not any((base / place).exists() for base in (ROOT, ROOT / "pipelines"))]
    # sources/ has modules of its own, which the row about it names bare
    assert [place for place in missing if not (ROOT / "pipelines" / "sources" / place).exists()] == []


def test_the_quarantine_table_has_every_reason_a_row_can_be_refused_for_and_no_other():
    section = (DOCS / "inputs.md").read_text("utf-8").split("## Quarantine")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {reason for cell in cells for reason in re.findall(r"`(\w+)`", cell)}
    of_values = {reason for table in INPUTS.values() for column in table.columns for reason, _ in _faults_of(column)}
    of_references = {reason for references in REFERENCES.values() for _, _, reason in references}
    room = ROOT / "pipelines" / "sources" / "tables"
    of_rows = set(
        re.findall(r'Case\([^()]+, "(\w+)"', "\n".join(file.read_text("utf-8") for file in room.glob("*.py")))
    )
    assert of_rows
    assert (of_values | of_references | of_rows) - told == set()
    folders = [ROOT / "pipelines" / name for name in ("sources", "core", "statements")]
    code = "\n".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))
    assert {reason for reason in told - of_values if f'"{reason}"' not in code} == set()
