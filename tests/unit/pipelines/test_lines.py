"""Statements out of files: whatever packs, separates or cuts them, each comes out as the bytes that went in."""

from __future__ import annotations

import errno
import gzip
import json
import random
import tempfile
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources import lines
from pipelines.sources.lines import DamagedFileError, blocks_of, lines_of
from pipelines.statements.blocks import FileNotReadyError

# --- any values, any shape, any packing, any chunk ----------------------------------------------------------------

SPACE = st.text(" \t\r\n", max_size=3)
TEXT = st.text(st.one_of(st.sampled_from('"\\{}[],: '), st.characters(codec="utf-8")), max_size=8)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
OBJECT = st.dictionaries(TEXT, VALUE, max_size=4)

# As no writer would give it back: keys twice, odd numbers, needless escapes, spaces, what is no JSON inside.
ODD = st.sampled_from(
    [
        '{"a":1,"a":2}',
        '{"a": 1.50e+01}',
        '{"\\u0061":"\\/\\ud800"}',
        '{ "a" :1E5 , "b":[ ] }',
        '{"m":[{"a":1},{"b":"},{"}]}',
        '{"n":NaN}',
        '{"s":"\\\\"}',
        '{"s":"]\\""}',
    ]
)
RAW_OBJECT = st.one_of(
    ODD, OBJECT.map(json.dumps), OBJECT.map(lambda one: json.dumps(one, ensure_ascii=False, separators=(",", ":")))
)
RAW_VALUE = st.one_of(RAW_OBJECT, VALUE.map(json.dumps))


def gzipped(content, members=2):
    cuts = [0, *sorted(len(content) * number // members for number in range(1, members)), len(content)]
    return b"".join(gzip.compress(content[start:end]) for start, end in pairwise(cuts))


def zstd(content):
    half = len(content) // 2
    note = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    frames = [pa.compress(part, codec="zstd", asbytes=True) for part in (content[:half], content[half:]) if part]
    return note.join(frames or [pa.compress(b"", codec="zstd", asbytes=True)])


PACKINGS = {"plain": bytes, "gzip": gzipped, "zstd": zstd}


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def written(folder):
    """Write a file whose name says nothing of what is in it."""

    def write(content):
        file = folder / "file.json"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def found(file):
    return [content for _, content in lines_of(file)]


def values_of(content, size):
    """The values of content that comes in pieces of a few bytes, as a large file's does in larger ones."""
    return list(lines._values(content[start : start + size] for start in range(0, len(content), size)))


@pytest.mark.parametrize("packing", PACKINGS)
@settings(max_examples=150, deadline=None)
@given(values=st.lists(RAW_VALUE, min_size=2, max_size=8), blank=st.booleans(), mark=st.booleans(), end=st.booleans())
def test_values_one_a_line_come_out_as_they_are_with_their_lines_number(folder, packing, values, blank, mark, end):
    # Arrays one a line that hold objects are batches; every other first array is a value like the others.
    values = ["0", *values]
    between = "\r\n \n" if blank else "\n"
    content = ("\ufeff" if mark else "") + between.join(values) + ("\n" if end else "")
    file = folder / packing
    file.write_bytes(PACKINGS[packing](content.encode()))
    told = list(lines_of(file))
    assert [line.rstrip(b"\r") for _, line in told] == [value.encode() for value in values]
    assert [number for number, _ in told] == [1 + (2 if blank else 1) * place for place in range(len(values))]


@pytest.mark.parametrize("packing", PACKINGS)
@settings(max_examples=300, deadline=None)
@given(
    values=st.lists(RAW_VALUE, max_size=8),
    spaces=st.tuples(SPACE, SPACE, SPACE),
    mark=st.booleans(),
    size=st.integers(1, 40),
)
def test_an_array_gives_its_elements_as_they_are_wherever_it_is_cut_into_chunks(
    folder, packing, values, spaces, mark, size
):
    before, comma_before, comma_after = spaces
    joined = f"{comma_before},{comma_after}".join(values)
    content = ("\ufeff" if mark else "") + f"{before}[{comma_after}{joined}{comma_before}]{before}"
    file = folder / packing
    file.write_bytes(PACKINGS[packing](content.encode()))
    assert (
        found(file) == values_of(content.removeprefix("\ufeff").encode(), size) == [value.encode() for value in values]
    )


@pytest.mark.parametrize("packing", PACKINGS)
@settings(max_examples=200, deadline=None)
@given(values=st.lists(OBJECT.filter(bool), min_size=1, max_size=6), between=SPACE, size=st.integers(1, 40))
def test_statements_over_several_lines_come_out_one_after_another(folder, packing, values, between, size):
    texts = [json.dumps(value, indent=2).encode() for value in values]
    file = folder / packing
    content = (b"\n" + between.encode()).join(texts)
    file.write_bytes(PACKINGS[packing](content))
    assert found(file) == values_of(content, size) == texts


@settings(max_examples=150, deadline=None)
@given(values=st.lists(RAW_OBJECT, max_size=6), cut=st.integers(0, 6), size=st.integers(1, 40), space=SPACE)
def test_an_answer_of_an_lrs_gives_its_statements_and_so_do_several(folder, values, cut, size, space):
    pages = [values[:cut], values[cut:]]
    texts = [
        f'{{{space}"more":"/more?x=\\"1","statements":{space}[{",".join(pages[0])}]}}',
        f'{{"statements":[{",".join(pages[1])}]{space},{space}"more":{space}"","odd":[1]}}',
    ]
    file = folder / "answers"
    file.write_text("\n".join(texts), "utf-8")
    wanted = [value.encode() for value in values]
    assert found(file) == values_of("\n".join(texts).encode(), size) == wanted


@settings(max_examples=50, deadline=None)
@given(values=st.lists(RAW_VALUE | st.none(), max_size=8), group=st.integers(1, 4))
def test_parquet_gives_the_texts_of_its_rows(folder, values, group):
    file = folder / "a.parquet"
    pq.write_table(pa.table({"statement": pa.array(values, pa.string())}), file, row_group_size=group)
    wanted = [(number, value.encode()) for number, value in enumerate(values, 1) if value is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_PARQUET_ROWS", 3)
        assert list(lines_of(file)) == wanted


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.sampled_from(["", " ", "{}", '{"a":1}', "nope", "5"]), max_size=30), size=st.integers(1, 60))
def test_blocks_are_the_file_and_are_cut_at_line_ends(folder, rows, size):
    content = "\n".join(["{}", *rows]).encode()
    file = folder / "rows"
    file.write_bytes(content)
    blocks = list(blocks_of(file, size))
    assert b"".join(block.content for block in blocks) == content
    assert all(block.content.endswith(b"\n") for block in blocks[:-1])


@settings(max_examples=300, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text('{}[]",:1\\\n ', max_size=30).map(str.encode)))
def test_whatever_the_content_its_reading_ends_and_says_what_is_wrong(folder, content):
    file = folder / "any"
    file.write_bytes(content)
    damage: list[str] = []
    try:
        found(file)
    except DamagedFileError as damaged:
        damage.append(damaged.reason)
    assert set(damage) <= {"file_damaged", "file_unreadable"}


# --- shapes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        pytest.param('{"a":1}', [1], id="one statement"),
        pytest.param('\n\n{"a":1}\n\n{"b":2}\n', [3, 5], id="lines after blank ones"),
        pytest.param('[{"a":1}]\n[{"b":2},{"c":3}]\n', [1, 2, 3], id="batches one a line"),
        pytest.param('[]\n{"a":1}\n', [1, 2], id="an array among lines is a line"),
        pytest.param('{"a":1}{"b":2}', [1, 2], id="nothing in between"),
        pytest.param('{"a":1}{"b":2}\n{"c":3}\n', [1, 2], id="two on one of several lines are one bad line"),
        pytest.param('{"a":\n{"b":1}\n}\n{"c":1}', [1, 2], id="an object on a line of its own inside another"),
        pytest.param('[\n{"a":1}\n,{"b":2}\n]', [1, 2], id="commas first"),
        pytest.param('{"id": "cut\n{"b":1}\n', [1, 2], id="a first line cut off"),
        pytest.param('[{"id": \n{"b":1}\n{"c":1}\n', [1, 2, 3], id="a first line that is the rest of an array"),
        pytest.param('{"a":\n{"b":\nnope\n', [1, 2, 3], id="nothing but broken lines"),
        pytest.param('{"id": "cut', [1], id="a single line cut off"),
        pytest.param('{"a":1}x', [1], id="a single line with something behind it"),
        pytest.param("[" * 5000 + "]" * 5000, [1], id="nested deep"),
        pytest.param('\0\0\n{"a":1}', [1, 2], id="zeros"),
    ],
)
def test_the_shape_is_told_by_content(written, content, numbers):
    assert [number for number, _ in lines_of(written(content))] == numbers


def test_packing_is_told_by_content_too(folder):
    content = b'{"a":1}\n{"b":2}\n'
    for name, packed in (("a.json.gz", content), ("a.zst", gzip.compress(content)), ("a.json", zstd(content))):
        (folder / name).write_bytes(packed)
        assert found(folder / name) == [b'{"a":1}', b'{"b":2}']


def test_zeros_after_a_gzip_member_are_padding(written):
    assert found(written(gzip.compress(b"{}\n") + bytes(600) + gzip.compress(b'{"b":2}\n') + b"\0")) == [
        b"{}",
        b'{"b":2}',
    ]


def test_what_is_read_by_lines_is_not_given_in_blocks_where_it_is_not_one_a_line(written, folder):
    assert blocks_of(written("[{},{}]")) is None
    assert blocks_of(written('{\n"a":1}')) is None
    pq.write_table(pa.table({"event": ["{}"]}), folder / "b.parquet")
    assert blocks_of(folder / "b.parquet") is None
    assert [block.content for block in blocks_of(written(gzip.compress(b"\xef\xbb\xbf{}\n{}")))] == [b"{}\n{}"]


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        pytest.param({"event_id": ["x"], "event": ["{}"]}, [b"{}"], id="as Aspects and ralph name it"),
        pytest.param({"event": ["no"], "statement": ["{}"]}, [b"{}"], id="statement goes before event"),
        pytest.param({"n": [1], "json": ["{}"]}, [b"{}"], id="the only column of text"),
        pytest.param({"statement": [1], "raw": [b"{}"]}, [b"{}"], id="a column of the name that is no text is not it"),
        pytest.param({"event": pa.array(["{}"]).dictionary_encode()}, [b"{}"], id="a dictionary"),
        pytest.param({"event": pa.array(["{}"], pa.json_())}, [b"{}"], id="JSON by its type"),
    ],
)
def test_the_column_of_statements_is_found(folder, columns, wanted):
    pq.write_table(pa.table(columns), folder / "c.parquet")
    assert found(folder / "c.parquet") == wanted


# --- damage -------------------------------------------------------------------------------------------------------


def until_damage(file):
    told = []
    with pytest.raises(DamagedFileError) as caught:
        told.extend(content for _, content in lines_of(file))
    return told, caught.value


@pytest.fixture(scope="module")
def many():
    """Lines that pack badly, a few chunks of them."""
    dice = random.Random(4)  # noqa: S311 - no secret
    return [json.dumps({"a": dice.randbytes(200).hex()}).encode() for _ in range(10_000)]


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("shape", ["lines", "array"])
def test_of_a_packed_file_cut_off_all_but_the_last_piece_comes_out(written, many, pack, shape):
    packed = pack(b"\n".join(many) if shape == "lines" else b"[" + b",".join(many) + b"]")
    told, damaged = until_damage(written(packed[: len(packed) * 3 // 4]))
    assert told == many[: len(told)]
    assert 5_000 < len(told) < 9_000
    assert (damaged.reason, "ends or breaks" in str(damaged)) == ("file_damaged", True)


@pytest.mark.parametrize(
    ("content", "whole", "detail"),
    [
        ('[{"a":1},{"b":2}', 2, "ends after statement 2"),
        ('[{"a":1},{"b":', 1, "ends after statement 1"),
        ('[{"a":1},{"b":[}]},{"c":1}]', 1, "is no JSON after statement 1"),
        ('[{"a":1} {"b":1}]', 1, "is no JSON after statement 1"),
        ('[{"a":1},]', 1, "is no JSON after statement 1"),
        ('[{"a":1}]]', 1, "is no JSON after statement 1"),
        ('{\n "a":1\n}\n{\n "b":', 1, "ends after statement 1"),
        ('{"statements":[{"a":1}],"more"', 1, "ends after statement 1"),
        ('{"statements":[{"a":1}] "more":""}', 1, "is no JSON after statement 1"),
    ],
)
def test_of_values_that_break_what_came_before_stays(written, content, whole, detail):
    told, damaged = until_damage(written(content))
    assert len(told) == whole
    assert detail in str(damaged)


def test_what_is_wrong_inside_one_element_is_left_to_the_judge(written):
    assert found(written('[{"a":tru},{"b":01},{"c":"\t"},{}]')) == [b'{"a":tru}', b'{"b":01}', b'{"c":"\t"}', b"{}"]


def test_damage_inside_parquet_leaves_the_row_groups_before_it(folder, many):
    file = folder / "d.parquet"
    table = pa.table({"statement": [line.decode() for line in many]})
    pq.write_table(table, file, row_group_size=1000, compression="none", write_page_checksum=True, use_dictionary=False)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    told, damaged = until_damage(file)
    assert told == many[: len(told)]
    assert len(told) >= 4000
    assert damaged.reason == "file_damaged"
    file.write_bytes(bytes(content)[:1000])
    assert until_damage(file)[0] == []


@pytest.mark.parametrize("name", ["a.json.gz", "a.zst", "a.parquet"])
def test_an_empty_file_is_damaged_where_its_name_says_that_it_is_packed(folder, name):
    (folder / name).write_bytes(b"")
    assert until_damage(folder / name)[0] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_file_of_wide_characters_is_one_fault_with_the_way_out(written, encoding):
    told, damaged = until_damage(written('{"a":1}\n{"b":2}\n'.encode(encoding)))
    assert (told, damaged.reason) == ([], "file_unreadable")
    assert "save it as that" in str(damaged)


def test_trouble_of_the_system_is_no_damage_of_the_file(written, folder, monkeypatch):
    with pytest.raises(FileNotReadyError, match="No such file"):
        found(folder / "nowhere")

    def failing(path, size):
        yield b"{}\n"
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(lines, "_plain_chunks", failing)
    with pytest.raises(FileNotReadyError, match="Input/output error"):
        found(written("{}"))


# --- bounds -------------------------------------------------------------------------------------------------------


def test_a_line_that_does_not_end_is_cut_and_the_next_one_comes_out(written, monkeypatch):
    for name, size in (("MAX_STATEMENT_BYTES", 100), ("_CHUNK_BYTES", 30), ("_HEAD_BYTES", 30)):
        monkeypatch.setattr(lines, name, size)
    content = '{"a":1}\n{"b":"' + "x" * 1000 + '"}\n{"c":2}\n'
    told = list(lines_of(written(content)))
    assert [number for number, _ in told] == [1, 2, 3]
    assert told[0][1] + told[2][1] == b'{"a":1}{"c":2}'
    assert told[1][1].endswith(b"(cut: the line is longer than 64 MB)")
    assert len(told[1][1]) < 200
    blocks = b"".join(block.content for block in blocks_of(written(content), 30))
    assert blocks == b"\n".join(line for _, line in told) + b"\n"


@pytest.mark.parametrize("value", ['{"b":"' + "x" * 1000 + '"}', '"' + "x" * 1000 + '"', '{"b":[' + "[" * 1000])
def test_a_value_that_does_not_end_is_given_up(written, monkeypatch, value):
    for name, size in (("MAX_STATEMENT_BYTES", 100), ("_CHUNK_BYTES", 30), ("_HEAD_BYTES", 30)):
        monkeypatch.setattr(lines, name, size)
    told, damaged = until_damage(written(f'[{{"a":1}},{value}, {{"c":2}}]'))
    assert told == [b'{"a":1}']
    assert "longer than 64 MB after statement 1" in str(damaged)


@pytest.mark.parametrize("shape", ["lines", "array", "gzip", "parquet"])
def test_memory_does_not_follow_the_files_size(folder, shape):
    line = json.dumps({"id": "x" * 36, "pad": [{"a": "y" * 400}, {"b": "z" * 400}]}).encode()
    count = 60_000
    file = folder / f"large.{shape}"
    if shape == "parquet":
        schema = pa.schema({"event": pa.string()})
        with pq.ParquetWriter(file, schema, use_dictionary=False) as writer:
            for _ in range(20):
                writer.write_table(pa.table({"event": [line.decode()] * (count // 20)}, schema))
    else:
        content = b"[" + b", ".join([line] * count) + b"]" if shape == "array" else b"\n".join([line] * count)
        file.write_bytes(gzip.compress(content, 1) if shape == "gzip" else content)
        del content
    tracemalloc.start()
    try:
        assert sum(1 for _ in lines_of(file)) == count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        file.unlink()
    assert peak < 12e6, f"{peak / 1e6:.0f} MB for a file of {count * len(line) / 1e6:.0f} MB"


def test_a_long_value_is_not_read_over_and_over(written):
    content = b'[{"a":"' + b"x" * 20_000_000 + b'"},{"b":' + b"[" * 200_000 + b"]" * 200_000 + b"}]"
    assert [len(one) for one in found(written(content))] == [20_000_008, 400_006]
