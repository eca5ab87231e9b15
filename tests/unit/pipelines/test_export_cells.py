import csv
import io

import polars as pl
import pytest

from pipelines.commands import console
from pipelines.commands.alerts import _csv as alerts_csv
from pipelines.privacy.export import _csv as export_csv

ATTACK = '=HYPERLINK("https://evil.test","click")'


@pytest.mark.parametrize("write", [lambda frame: export_csv(frame).decode(), alerts_csv], ids=["export", "alerts"])
def test_a_formula_from_data_is_a_text_in_every_csv_and_numbers_stay_numbers(write):
    frame = pl.DataFrame({"title": [ATTACK, "Ana, =1", None], "note": ["@x", "", None], "points": [-2.5, 1.0, None]})
    head, *rows = csv.reader(io.StringIO(write(frame)))
    assert head == ["title", "note", "points"]
    assert rows == [[f"'{ATTACK}", "'@x", "-2.5"], ["Ana, =1", "", "1.0"], ["", "", ""]]


def test_what_a_command_prints_moves_no_cursor(capsys):
    console.say("\x1b]0;title\x07 reading course \u202etxt")
    console.show("two\nlines\tand \x1b[2J")
    told = capsys.readouterr()
    assert told.err == "\ufffd]0;title\ufffd reading course \ufffdtxt\n"
    assert told.out == "two\nlines\tand \ufffd[2J\n"
