"""Texts with delimiters, whatever they hold: what a spreadsheet would have written is what is read."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from data_contracts.tables.inputs import INPUTS
from pipelines.sources.tables import delimited
from pipelines.sources.tables.plan import Plan

LEARNER = INPUTS["learner"]
HEADER = ("learner_key", "display_name", "org_unit")

# Everything but what no text file of a spreadsheet can hold; a line end inside a cell is one newline when read.
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=12)
ROWS = st.lists(st.tuples(*[CELLS] * len(HEADER)), max_size=12)


def written(rows, delimiter, end, quoting):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([HEADER, *rows])
    return stream.getvalue()


def read(house, content):
    file = house.inbox / "a.csv"
    house.inbox.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    reading = delimited.read_delimited(Plan.of(LEARNER, None), file, house.warehouse)
    return reading.faults, house.rows("SELECT s0, s1, s2 FROM given ORDER BY line_number")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    delimiter=st.sampled_from(delimited.DELIMITERS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@example(rows=[("a", "", "")], delimiter=",", end="\n", encoding="utf-8", quoting=csv.QUOTE_MINIMAL)
@example(rows=[("a", "x;y", "\u3000z ")], delimiter="\t", end="\n", encoding="utf-8", quoting=csv.QUOTE_MINIMAL)
@example(rows=[("\ufeff", "\u2028", "\x85")], delimiter="|", end="\n", encoding="utf-8", quoting=csv.QUOTE_MINIMAL)
def test_what_is_written_is_read_under_every_delimiter_line_end_and_encoding(
    house, rows, delimiter, end, encoding, quoting
):
    # A cell of many lines in a file of old line ends has the file's own ends in it.
    assume(end != "\r" or not any("\n" in cell for row in rows for cell in row))
    faults, found = read(house, written(rows, delimiter, end, quoting).encode(encoding))
    assert faults == []
    wanted = [tuple(cell.strip() for cell in row) for row in rows]
    assert [tuple((cell or "").strip() for cell in row) for row in found] == [row for row in wanted if any(row)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_no_bytes_make_it_fall_or_give_a_row_of_another_width(house, content):
    try:
        faults, found = read(house, ",".join(HEADER).encode() + b"\n" + content)
    except UnicodeDecodeError:
        return
    assert all(len(row) == len(HEADER) for row in found)
    lines = {fault.line_number for fault in faults}
    assert None not in lines


@pytest.mark.parametrize("quote", ["", '"'])
def test_both_ways_of_reading_count_lines_alike(house, quote):
    lines = [",".join(HEADER), "a,A,x", "", "b,B,y", ",,", f"{quote}c{quote},C,z"]
    read(house, "\n".join(lines).encode())
    assert house.rows("SELECT line_number, s0 FROM given ORDER BY 1") == [(2, "a"), (4, "b"), (6, "c")]
