"""By what a table was made: the code's mark, so that no night goes on from what other code made."""

from __future__ import annotations

import pytest

from pipelines.core import days
from pipelines.core.basis import code_mark, forget_basis, mark_of, set_basis


@pytest.fixture
def package(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "code.py").write_text("A = 1\n")
    (tmp_path / "words.toml").write_text("[a]\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"), [("inner/code.py", "A = 2\n"), ("words.toml", "[b]\n"), ("new.py", ""), ("inner/z.py", "B = 1\n")]
)
def test_another_code_or_vocabulary_has_another_mark(package, file, text):
    before = mark_of([package])
    assert mark_of([package]) == before
    (package / file).write_text(text)
    assert mark_of([package]) != before


def test_what_is_no_code_leaves_no_mark(package):
    before = mark_of([package])
    (package / "inner" / "code.pyc").write_bytes(b"compiled")
    assert mark_of([package]) == before


def test_days_made_by_other_code_are_made_anew(house, monkeypatch):
    days.build_days(house.night)
    assert days.build_days(house.night)[1]["restated_days"] == 0
    forget_basis(house.warehouse, "days")
    set_basis(house.warehouse, "days", f"{'0' * 16} 0")
    seen = []
    monkeypatch.setattr(days, "_all_days", lambda *given: seen.append(given))
    days.build_days(house.night)
    assert seen
    assert code_mark() != "0" * 16
