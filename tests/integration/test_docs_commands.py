"""Every command that the pages tell a reader to give is one that works.

The tutorial and the page on connecting are done from their first to their last step, as a reader would. Every other command
on any page is at least parsed with its options, and what it does is shown by the test that `SHOWN_BY` names.
"""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import duckdb
import pytest

from data_contracts.fields import FIELDS
from pipelines.cli import COMMANDS
from tests.lrs_server import PASSWORD, USERNAME, Lrs, statement

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
OURS = ("handrail", ".venv/bin/handrail")

# Which test runs a command for what it does; those of the two pages below are run here.
SHOWN_BY = {
    "run": "integration/test_docs_commands.py",
    "simulate": "integration/test_docs_commands.py",
    "alerts": "integration/test_docs_commands.py",
    "backfill": "integration/test_docs_commands.py",
    "doctor": "integration/test_docs_commands.py",
    "feedback": "integration/test_docs_commands.py",
    "ui": "browser/conftest.py",
    "rebuild": "integration/test_rebuild.py",
    "erase": "integration/test_erase.py",
    "export-learner": "integration/test_erase.py",
    "models": "integration/test_models.py",
    "validate": "unit/pipelines/test_validate_command.py",
    "evaluate": "unit/pipelines/test_evaluation.py",
}

# Programs of others in the pages' blocks, and why none is run here.
OTHERS = {
    "make": "parsed by make itself below; it would install",
    ".venv/bin/marimo": "notebooks are run by test_notebooks.py; here their file must be there",
    ".venv/bin/python": "run where it stands in the tutorial",
    "duckdb": "DuckDB's own shell is no dependency; its SQL is run below",
    "cd": "changes the folder",
    "export": "sets a variable",
}


# Words of the glossary that have a closed set of values.
CLOSED = {
    "alert_state",
    "component",
    "contrast",
    "effect_verdict",
    "isolation",
    "level",
    "roi_method",
    "roi_verdict",
    "route_kind",
    "strand",
}


def blocks(text):
    """Lines of indented and of console blocks that give a command; fenced data is none."""
    without_fences = re.sub(r"^```(?!console|sh|bash).*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^ {4,}(.+)$", without_fences, re.MULTILINE):
        command = re.sub(r"^(?:\$ |[\d*]+ [\d*]+ \* \* \* +)", "", line.strip())
        command = re.sub(r"^(?:cd CHECKOUT && )?(?:[A-Z_]+=\S+ )*", "", re.split(r" {2,}#| #", command)[0]).strip()
        if command.split(" ")[0] in {*OURS, *OTHERS}:
            yield re.sub(r" \[.*", "", command)


def mentions(text):
    """Commands of ours in running text, with their options."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`([^`\n]+)`", prose):
        words = re.sub(r"^(?:[A-Z_]+=\S+ )*", "", span).split()
        if len(words) > 1 and words[0] in OURS and words[1].strip("|").split("|")[0].isidentifier():
            yield span


def stands_for(word):
    """A value of the right form for a page's placeholder."""
    known = {"A": "2026-01-01", "B": "2026-02-01", "T": "2026-03-02", "TYPE=VALUE": "mbox=a@example.org"}
    return known.get(word, word)


@pytest.fixture
def parsed(handrail):
    """Parse a command as the command line does, and do nothing."""

    def parse(command):
        name = command.split()[1]
        module = importlib.import_module(f"pipelines.commands.{name.replace('-', '_')}")
        with mock.patch.object(module, "main", return_value=0):
            return handrail(*[stands_for(word) for word in shlex.split(command)[1:]])

    return parse


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_of_a_block_is_understood(page, parsed):
    for command in blocks(page.read_text("utf-8")):
        if command.split()[0] in OURS:
            told = parsed(command)
            assert told.code == 0, f"{page.name}: {command}: {told.err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_that_is_mentioned_exists_and_has_its_options(page, handrail):
    for command in mentions(page.read_text("utf-8")):
        name, *words = re.sub(r"^(?:[A-Z_]+=\S+ )*", "", command).split()[1:]
        # A choice such as list|show stands for its first.
        action = [words[0].split("|")[0]] if name == "models" and words else []
        told = handrail(name, *action, "--help")
        assert told.code == 0, f"{page.name}: {command}: {told.err}"
        for option in (word for word in words if word.startswith("--")):
            assert option in told.out, f"{page.name}: {command}: there is no {option}"


def test_each_command_is_shown_by_a_test_that_gives_it():
    assert set(SHOWN_BY) == set(COMMANDS)
    for name, file in SHOWN_BY.items():
        text = (ROOT / "tests" / file).read_text("utf-8")
        assert re.search(
            rf"[\"']{name}[\"']|handrail {name} |{name}_command|{name}\.main|commands import .*{name}", text
        ), file


def test_each_target_of_make_that_is_told_is_one():
    told = {
        command
        for page in PAGES
        for command in [*blocks(page.read_text("utf-8")), *re.findall(r"`(make [a-z]+)`", page.read_text("utf-8"))]
        if command.startswith("make ")
    }
    assert {"make run", "make test", "make ui", "make dev"} <= told
    for command in told:
        asked = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert asked.returncode == 0, f"{command}: {asked.stderr}"


def test_each_notebook_and_each_page_that_is_named_is_there():
    for page in PAGES:
        text = page.read_text("utf-8")
        for notebook in re.findall(r"\bnotebooks/\w+\.py", text):
            assert (ROOT / notebook).is_file(), f"{page.name}: {notebook}"
        without_code = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", without_code):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_sql_for_the_shell_of_duckdb_is_sql_of_the_marts(demo):
    told = [
        c
        for page in PAGES
        for c in blocks(page.read_text("utf-8"))
        if c.startswith("duckdb -readonly var/marts.duckdb")
    ]
    assert told
    with duckdb.connect(str(demo.marts), read_only=True) as marts:
        for command in told:
            marts.execute(shlex.split(command)[-1]).fetchall()


def test_the_tutorial_works_from_its_first_to_its_last_step(demo, tmp_path, handrail, monkeypatch):
    """On a smaller world, whose first night stands for `make run`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo.home, tmp_path / "var", symlinks=True)
    ended = []
    for command in blocks((ROOT / "docs" / "tutorial.md").read_text("utf-8")):
        if command.startswith(".venv/bin/python"):
            subprocess.run([sys.executable, *shlex.split(command)[1:]], check=True, capture_output=True, timeout=60)
        elif command.split()[0] in OURS:
            name, *words = shlex.split(command.replace("ALERT_ID", alert_of_succession(tmp_path / "var")))[1:]
            told = handrail(name, *words)
            # Of the dirty world rows are refused.
            assert told.code == (3 if "var/dirty-home" in words else 0), f"{command}: {told.out}{told.err}"
            ended.append((name, told))
    names, told = zip(*ended, strict=True)
    assert names == ("doctor", "alerts", "feedback", "alerts", "run", "simulate", "run")
    assert "acted" in told[3].out
    assert "as of 2026-03-03" in told[4].out
    assert "newly in quarantine" in told[6].err


def alert_of_succession(home):
    """The alert that a reader of the list would take first."""
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        (found,) = marts.execute(
            "SELECT min(alert_id) FROM learner_alerts WHERE programme_id = 'succession'"
        ).fetchone()
    return found[:8]


def test_connecting_works_from_its_first_to_its_last_step(home, handrail):
    """With the page's own files, and a Learning Record Store on loopback in the place of the example's."""
    page = (ROOT / "docs" / "connect.md").read_text("utf-8")
    files = dict(re.findall(r"`DIR/([\w/.]+)`(?:(?!`DIR/[\w/.]+`:).)*?```\w+\n(.*?)```", page, re.DOTALL))
    assert len(files) == len(re.findall("^```", page, re.MULTILINE)) // 2
    with Lrs() as store:
        at = datetime(2026, 1, 8, 9, tzinfo=UTC)
        store.add(*(of_the_page(number) for number in range(20)), at=at)
        files["handrail.toml"] = files["handrail.toml"].replace("https://lrs.example.org/xapi", store.endpoint)
        files["campus.toml"] = f'username = "{USERNAME}"\npassword = "{PASSWORD}"\n'
        for name, content in files.items():
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8")
        (home / "campus.toml").chmod(stat.S_IRUSR | stat.S_IWUSR)
        told = {}
        for command in blocks(page):
            if command.split()[0] in OURS:
                name, *words = shlex.split(command)[1:]
                as_of = ["--as-of", "2026-03-12"] if name == "run" else []
                told[name] = handrail(name, *words, *as_of, "--home", home)
                assert told[name].code == 0 or name == "doctor", f"{command}: {told[name].err}"
    assert set(told) == {"doctor", "run", "backfill"}
    assert re.search(r"ok +lrs:campus", told["doctor"].out)
    assert "20 there already" in told["backfill"].err
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        refused, learners = marts.execute(
            "SELECT (SELECT sum(quarantined_count) FROM data_quality), (SELECT count(*) FROM dim_learner)"
        ).fetchone()
        events = marts.execute("SELECT sum(events_count) FROM engagement_weekly").fetchone()[0]
        named = marts.execute("SELECT programme_id, name FROM dim_programme").fetchall()
    assert (refused, learners, events) == (0, 2, 20)
    assert named == [("growth", "Growth for everyone")]


def of_the_page(number):
    """A statement of one of the two learners of the page, by turns, in its course."""
    actors = (
        {"mbox": "mailto:u17@example.org"},
        {"account": {"homePage": "https://lms.example.org", "name": "u-18"}},
    )
    return statement(number, actor=actors[number % 2])


def test_the_glossary_has_every_value_of_the_words_it_explains():
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    meanings = dict(re.findall(r"^\| ([\w, ]+) \| (.+) \|$", text, re.MULTILINE))
    with_values = {word: row for words, row in meanings.items() for word in words.split(", ") if word in CLOSED}
    assert set(with_values) == CLOSED
    for name, row in with_values.items():
        assert set(FIELDS[name].values) <= set(re.findall(r"\w+", row)), name
