"""What Dagster sees, held against a committed snapshot and against the rules that every asset follows.

After a change that is meant: `pytest tests/integration/test_definitions.py --write-golden`, and read the diff.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from data_contracts.tables.marts import MARTS
from pipelines.build import build_defs

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "definitions.json"
MART_GROUPS = ("6_marts", "6_mentoring", "6_programmes", "6_evidence")
GROUPS = ("1_raw", "2_core", "2_programme", "3_features", "4_risk", "5_alerts", *MART_GROUPS, "7_delivery")
PREFIXES = {
    "1_raw": "raw_",
    "2_core": "core_",
    "2_programme": "core_",
    "3_features": "feat_",
    "4_risk": "risk_",
    "5_alerts": "alert_",
    "7_delivery": ("alert_", "report_"),
}
# An underscore inside a name is no emphasis.
MARKDOWN = re.compile(r"[`*#\[\]<>|]|\b_|_\b|https?://")


@pytest.fixture(scope="module")
def defs():
    return build_defs()


@pytest.fixture(scope="module")
def specs(defs):
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


@pytest.fixture(scope="module")
def checks(defs):
    keys = defs.resolve_asset_graph().asset_check_keys
    return sorted((key.asset_key.to_user_string(), key.name) for key in keys)


def as_told(specs, checks):
    """The snapshot: what a reader of the asset graph would notice if it changed."""
    return {
        "assets": {
            key: {
                "group": spec.group_name,
                "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "owners": list(spec.owners),
                "kinds": sorted(spec.kinds),
            }
            for key, spec in sorted(specs.items())
        },
        "checks": [f"{asset}:{name}" for asset, name in checks],
    }


def test_the_asset_graph_is_the_committed_one(specs, checks, request):
    told = json.dumps(as_told(specs, checks), indent=2) + "\n"
    if request.config.getoption("--write-golden"):
        GOLDEN.write_text(told, "utf-8")
    assert json.loads(told) == json.loads(GOLDEN.read_text("utf-8"))


def test_keys_are_flat_short_and_named_after_their_layer(specs):
    for key, spec in specs.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", key), key
        assert len(key) <= 20, key
        if spec.group_name in MART_GROUPS:
            assert key in MARTS
        else:
            assert key.startswith(PREFIXES[spec.group_name]), key
    assert set(MARTS) <= set(specs)


def test_every_group_has_four_to_seven_assets_and_one_of_marts_up_to_nine(specs):
    sizes = {group: sum(spec.group_name == group for spec in specs.values()) for group in GROUPS}
    assert sum(sizes.values()) == len(specs)
    marts = [sizes.pop(group) for group in MART_GROUPS]
    assert sum(marts) == len(MARTS)
    assert all(4 <= size <= 9 for size in marts), marts
    assert sizes.pop("7_delivery") == 2
    assert all(4 <= size <= 7 for size in sizes.values()), sizes


def test_every_asset_has_an_owner_kinds_and_a_column_schema(specs):
    for key, spec in specs.items():
        assert spec.owners, key
        assert all(re.fullmatch(r"team:[a-z-]+", owner) for owner in spec.owners), key
        assert spec.kinds, key
        if key == "report_pages":
            continue  # pages, no table
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema), key
        assert schema.columns, key
        assert all(column.description and column.type for column in schema.columns), key


def test_every_table_s_asset_leads_to_the_code_that_fills_it_and_to_a_page_that_explains_it(specs):
    tables = {key: spec for key, spec in specs.items() if "dagster/table_name" in spec.metadata}
    assert set(MARTS) <= set(tables)
    for key, spec in tables.items():
        code, page = spec.metadata["dagster/code_references"].code_references
        lines = Path(code.file_path).read_text("utf-8").splitlines()
        assert re.search(r"^ *(@|def )", lines[code.line_number - 1]), key
        assert "pipelines/assets/__init__.py" not in code.file_path, key
        assert Path(page.file_path).is_file(), key
        heading = Path(page.file_path).read_text("utf-8").splitlines()[page.line_number - 1]
        assert heading.startswith("#"), key
        if key in MARTS:
            assert heading == f"### {key}"
        assert {name for name in spec.tags if not name.startswith("dagster/")} == {"rows", "schema"}, key


def test_every_description_begins_with_a_plain_short_sentence(specs):
    for key, spec in specs.items():
        first, _, about = (spec.description or "").partition("\n\n")
        assert first.endswith("."), key
        assert len(first) <= 120, key
        assert not MARKDOWN.search(first), f"{key}: {first}"
        assert first[0].isupper(), key
        assert about.strip(), key


def test_no_edge_points_backwards_or_at_nothing(specs):
    for key, spec in specs.items():
        for dep in spec.deps:
            upstream = dep.asset_key.to_user_string()
            assert upstream in specs, f"{key} depends on {upstream}"
            before, after = specs[upstream].group_name, spec.group_name
            are_marts = before in MART_GROUPS and after in MART_GROUPS
            assert are_marts or GROUPS.index(before) <= GROUPS.index(after), f"{upstream} -> {key}"


def test_every_mart_but_the_publication_has_its_blocking_check(defs, checks):
    checked = {asset for asset, _ in checks}
    assert set(MARTS) - checked == {"publication"}
    assert {"raw_statement", "raw_enrolment"} <= checked
    graph = defs.resolve_asset_graph()
    # The gate of a model decides by itself who is champion; what cannot be measured is told: neither stops a night.
    for_people = {key.name for key in graph.asset_check_keys if not graph.get_check_spec(key).blocking}
    assert for_people == {"risk_model_gate", "programme_outcome_measurable"}


def test_the_publication_waits_for_every_other_mart(specs):
    awaited = {dep.asset_key.to_user_string() for dep in specs["publication"].deps}
    assert awaited == set(MARTS) - {"publication"}


def test_both_schedules_tick_in_the_organisation_s_time():
    defs = build_defs(timezone="Europe/Lisbon")
    schedules = {schedule.name: schedule for schedule in defs.schedules or ()}
    told = {name: (one.job_name, one.cron_schedule, one.execution_timezone) for name, one in schedules.items()}
    assert told == {
        "nightly_schedule": ("nightly", "30 3 * * *", "Europe/Lisbon"),
        "training_schedule": ("weekly_training", "0 2 * * 0", "Europe/Lisbon"),
    }


def test_the_nightly_job_does_everything_and_training_stops_at_the_model(defs, specs):
    nightly = defs.resolve_job_def("nightly").asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in nightly} == set(specs)
    training = {
        key.to_user_string() for key in defs.resolve_job_def("weekly_training").asset_layer.executable_asset_keys
    }
    assert {"risk_model", "risk_quality", "feat_enrolment_week", "raw_statement"} <= training
    assert not training & (set(MARTS) | {"alert_current", "risk_score"})


def test_definitions_load_without_touching_the_home_or_a_database(tmp_path, environment):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    code = (
        "import duckdb\n"
        "def refuse(*_, **__): raise SystemExit('a database was opened at import')\n"
        "duckdb.connect = refuse\n"
        "from pipelines.definitions import defs\n"
        "print(len(list(defs.resolve_all_asset_specs())))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HANDRAIL_HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > len(MARTS)
    assert list(home.rglob("*")) == []
    assert list(elsewhere.rglob("*")) == []
