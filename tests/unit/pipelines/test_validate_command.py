"""`handrail validate`: one verdict a line, whole or not at all."""

from __future__ import annotations

import gzip
import json

import pytest

from pipelines.cli import main
from pipelines.statements import parse

GOOD = json.dumps(
    {
        "actor": {"mbox": "mailto:ana@example.org"},
        "verb": {"id": "https://lms.test/verb"},
        "object": {"id": "https://lms.test/page"},
    }
)
NEW = json.dumps(json.loads(GOOD) | {"context": {"contextAgents": []}})
LOCAL = json.dumps(json.loads(GOOD) | {"timestamp": "2024-03-01T12:00:00"})


def run(file, out, *words):
    code = main(["validate", str(file), "--out", str(out), *words])
    return code, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else None


@pytest.fixture
def delivered(tmp_path):
    def write(*lines):
        file = tmp_path / "statements.ndjson"
        file.write_text("\n".join(lines) + "\n")
        return file

    return write


def test_verdicts_come_one_a_line_in_order_and_a_blank_line_counts(delivered, tmp_path, capsys):
    code, rows = run(delivered(GOOD, "", "   ", '{"actor": 1}', "nonsense", GOOD), tmp_path / "verdicts.ndjson")
    assert code == 3
    assert rows == [
        {"line": 1, "valid": True, "reason": None, "requirement": None},
        {"line": 4, "valid": False, "reason": "verb_missing", "requirement": "XAPI-00004"},
        {"line": 5, "valid": False, "reason": "not_json", "requirement": "XAPI-00014"},
        {"line": 6, "valid": True, "reason": None, "requirement": None},
    ]
    assert all(list(row) == ["line", "valid", "reason", "requirement"] for row in rows)
    seen = capsys.readouterr()
    assert "4 statements judged, 2 not valid" in seen.err
    assert seen.out == ""


def test_a_file_of_valid_statements_ends_with_0(delivered, tmp_path):
    assert run(delivered(GOOD, GOOD), tmp_path / "verdicts.ndjson")[0] == 0


@pytest.mark.parametrize(
    ("spec", "reasons"),
    [
        ((), [None, None, None]),
        (("--spec", "1.0.3"), [None, "contextAgents_only_in_2_0", None]),
        (("--spec", "2.0"), [None, None, "timestamp_not_rfc_3339"]),
    ],
)
def test_an_edition_refuses_what_only_the_other_one_allows(spec, reasons, delivered, tmp_path):
    code, rows = run(delivered(GOOD, NEW, LOCAL), tmp_path / "verdicts.ndjson", *spec)
    assert [row["reason"] for row in rows] == reasons
    assert code == (3 if any(reasons) else 0)


def test_an_unknown_edition_is_a_usage_error(delivered, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(delivered(GOOD), tmp_path / "verdicts.ndjson", "--spec", "1.1")
    assert ended.value.code == 2
    assert "1.0.3" in capsys.readouterr().err


def test_a_missing_file_is_a_usage_error_that_names_it(tmp_path, capsys):
    assert run(tmp_path / "nowhere.ndjson", tmp_path / "verdicts.ndjson") == (2, None)
    assert "nowhere.ndjson" in capsys.readouterr().err


def test_an_out_that_cannot_be_written_is_a_usage_error_that_names_it(delivered, tmp_path, capsys):
    file = delivered(GOOD)
    assert run(file, tmp_path / "no" / "folder" / "verdicts.ndjson") == (2, None)
    assert "verdicts.ndjson" in capsys.readouterr().err
    assert main(["validate", str(file), "--out", str(tmp_path)]) == 2


def test_the_statements_are_never_overwritten_by_their_verdicts(delivered):
    file = delivered(GOOD)
    assert main(["validate", str(file), "--out", str(file)]) == 2
    assert file.read_text() == GOOD + "\n"


def test_a_damaged_file_ends_with_1_and_leaves_no_half_verdicts(tmp_path, capsys):
    file, out = tmp_path / "statements.ndjson.gz", tmp_path / "verdicts.ndjson"
    whole = gzip.compress((GOOD + "\n").encode() * 5000)
    file.write_bytes(whole[: len(whole) // 2])
    out.write_text("of yesterday\n")
    assert main(["validate", str(file), "--out", str(out)]) == 1
    assert "statements.ndjson.gz" in capsys.readouterr().err
    assert out.read_text() == "of yesterday\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["statements.ndjson.gz", "verdicts.ndjson"]


def test_a_run_that_breaks_off_leaves_the_verdicts_of_before(delivered, tmp_path, monkeypatch):
    file, out = delivered(GOOD, GOOD), tmp_path / "verdicts.ndjson"
    out.write_text("of yesterday\n")
    judged = []

    def stop_at_the_second(line, spec=None):
        judged.append(line)
        if len(judged) > 1:
            raise KeyboardInterrupt
        return parse.verdict(line, spec)

    monkeypatch.setattr("pipelines.commands.validate.verdict", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        main(["validate", str(file), "--out", str(out)])
    assert out.read_text() == "of yesterday\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["statements.ndjson", "verdicts.ndjson"]


def test_a_long_file_says_how_far_it_is(delivered, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pipelines.commands.validate._LINES_BETWEEN_PROGRESS", 2)
    run(delivered(GOOD, "x", GOOD, GOOD, GOOD), tmp_path / "verdicts.ndjson")
    assert capsys.readouterr().err.splitlines()[:2] == [
        "2 statements judged, 1 not valid so far",
        "4 statements judged, 1 not valid so far",
    ]
