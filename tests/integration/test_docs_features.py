"""The family that docs/features.md adds as an example is all that a family needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("data_contracts", "features", "models", "pipelines", "tests/oracle", "tests/unit/features", "docs")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the code with the example's entry, function and oracle added where the page says."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    section = (ROOT / "docs" / "features.md").read_text("utf-8").split("## A new family")[1].split("\n## ")[0]
    entry, function, oracle = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    contract = folder / "data_contracts" / "features" / "activity.py"
    before = contract.read_text("utf-8").rstrip()
    assert before.endswith(",\n)")
    contract.write_text(before[:-1] + entry.removeprefix("FAMILIES = (\n    ...,\n"), "utf-8")
    for file, text in (("features/weekend.py", function), ("tests/oracle/weekend.py", oracle)):
        assert f"`{file}`" in section
        (folder / file).write_text(text, "utf-8")
    return folder


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_example_holds_to_its_oracle_and_its_contract(copy):
    told = run(
        copy, "-m", "pytest", "-q", "-k", "weekend and not spark", "-p", "no:cacheprovider", "tests/unit/features"
    )
    assert told.returncode == 0, told.stdout
    assert int(re.search(r"(\d+) passed", told.stdout)[1]) >= 4


def test_the_example_gets_its_asset_and_its_page(copy):
    asset = (
        "from pipelines.assets.features import ASSETS\n"
        "from features.table import ENROLMENT_WEEK\n"
        "made = {asset.key.to_user_string(): asset for asset in ASSETS}\n"
        "print(made['feat_activity'].descriptions_by_key)\n"
        "print(ENROLMENT_WEEK.column_names)\n"
    )
    told = run(copy, "-c", asset)
    assert told.returncode == 0, told.stderr
    assert "weekend: Whether the learner works at weekends" in told.stdout
    assert "weekend_days_28d_share" in told.stdout
    assert run(copy, "docs/generate.py").returncode == 0
    page = (copy / "docs" / "features" / "weekend.md").read_text("utf-8")
    assert "| formula | active Saturdays and Sundays / active days; 0 to 1, null without any. |" in page
    assert "features/weekend.md#weekend_days_28d_share" in (copy / "docs" / "features.md").read_text("utf-8")
