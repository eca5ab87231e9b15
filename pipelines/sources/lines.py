"""The statements of a file, numbered, each as the bytes that were delivered, in bounded memory whatever its size.

Belongs here: packing, shape and damage of a file of statements. Does not belong here: finding files (`inbox`), what
a statement must be (`pipelines.statements`).

Packing (gzip, zstd, Parquet) and shape are told by content, never by name. Shapes: one statement a line; one array;
one statement over several lines, or several one after another; an LRS's answer, `{"statements": [...], "more": ...}`.
Nothing is written anew on the way: a key that stands twice, an odd number or an escape is judged as it was delivered.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.errors import BadInputError
from pipelines.statements.blocks import Block, FilePart, not_ready

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# More than any LRS takes; what is longer is a file without its line ends, or a quote that never closes.
MAX_STATEMENT_BYTES = 64 << 20

STATEMENT_COLUMNS = ("statement", "raw", "event", "event_str")
"""Where a Parquet file of statements keeps their JSON; `event` is the column of Open edX Aspects and of ralph."""

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 20
_PACKED_BYTES = 1 << 18
_SEAM_BYTES = 1 << 15
_PARQUET_ROWS = 1024
_FIRST_TWO = 2

_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
# A frame that packers use for notes of their own: any of sixteen first bytes.
_ZSTD_NOTE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")

_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb'[^\s,:"\[\]{}]*+')
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_BETWEEN_ELEMENTS = re.compile(rb"[ \t\r\n]*+,[ \t\r\n]*+(?=\{)")
_BETWEEN_VALUES = re.compile(rb"[ \t\r\n]*+(?=\{)")
_ANSWER = re.compile(
    rb'\{\s*+(?:"more"\s*+:\s*+(?:"(?:[^"\\]++|\\.)*+"|null)\s*+,\s*+)?"statements"\s*+:\s*+\[', re.DOTALL
)
_BATCH = re.compile(rb"[ \t]*+\[\s*+\{")
_ANSWER_HEAD_BYTES = 8192
_CLOSING = {b"{": b"}", b"[": b"]"}


class DamagedFileError(BadInputError):
    """A file of statements breaks off or cannot be read; what came before is good. `reason` is quarantine's code."""

    def __init__(self, detail: str, *, reason: str = "file_damaged") -> None:
        super().__init__(detail)
        self.reason = reason


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered statements of a file, as delivered, without a line's end.

    Where a file has one a line the number is the line's (blank lines count, and are left out); else it is the
    statement's place in the file, in Parquet the row's, counted from 1.

    Raises:
        DamagedFileError: the file ends or breaks in the middle (after what came before has been yielded), or no
            statements can be found in it.
        FileNotReadyError: the system could not read it just now.
    """
    if _starts_with(path, 4) == _PARQUET:
        yield from _parquet_rows(path)
        return
    is_one_a_line, chunks = _told(path, _CHUNK_BYTES)
    if is_one_a_line:
        yield from _lines(chunks)
        return
    number = 0
    try:
        for number, statement in enumerate(_values(chunks), 1):
            yield number, statement
    except _BrokenError as broken:
        detail = f"the file {broken} after statement {number}; deliver it again, whole"
        raise DamagedFileError(detail) from None


def blocks_of(path: Path, size: int = 8 << 20) -> Iterator[Block | FilePart] | None:
    """Blocks of about `size` bytes of a file that has one statement a line; None where `lines_of` must read it.

    Of a file that is not packed they are places in it.

    Raises, and so does the iterator, as `lines_of`.
    """
    if _starts_with(path, 4) == _PARQUET:
        return None
    is_one_a_line, chunks = _told(path, size)
    if not is_one_a_line:
        return None
    return _blocks(chunks, size) if _is_packed(path) else _parts(path, size)


# --- packing ------------------------------------------------------------------------------------------------------


def _starts_with(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise not_ready(error) from None


def _is_packed(path: Path) -> bool:
    magic = _starts_with(path, 4)
    return magic.startswith(_GZIP) or magic == _ZSTD or _ZSTD_NOTE.match(magic) is not None


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    """The unpacked content, in pieces of at most `size` bytes."""
    magic = _starts_with(path, 4)
    if magic.startswith(_GZIP):
        pieces = _gzip_chunks(path, size)
    elif magic == _ZSTD or _ZSTD_NOTE.match(magic):
        pieces = _zstd_chunks(path)
    elif not magic and path.suffix in {".gz", ".zst", ".parquet"}:
        detail = "the file is empty, which no packed file is; deliver it again, whole"
        raise DamagedFileError(detail)
    else:
        pieces = _plain_chunks(path, size)
    try:
        yield from pieces
    except (zlib.error, EOFError):
        raise _cut_off() from None
    except OSError as error:
        # Arrow's own complaint about packed content bears no number of the system's.
        raise (_cut_off() if error.errno is None else not_ready(error)) from None


def _cut_off() -> DamagedFileError:
    return DamagedFileError("the packed file ends or breaks in the middle; deliver it again, whole")


def _plain_chunks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(size):
            yield chunk


def _gzip_chunks(path: Path, size: int) -> Iterator[bytes]:
    """Members one after another; padding with zeros is no member."""
    unpack = None
    for read in _plain_chunks(path, _PACKED_BYTES):
        packed = read
        while packed:
            if unpack is None:
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                unpack = zlib.decompressobj(wbits=31)
            piece = unpack.decompress(packed, size)
            packed = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
            if unpack.eof:
                unpack = None
            if piece:
                yield piece
    if unpack is not None:
        raise EOFError


def _zstd_chunks(path: Path) -> Iterator[bytes]:
    """Small pieces, since Arrow drops the piece in which it meets the damage."""
    with path.open("rb") as packed, pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd") as stream:
        while piece := stream.read(1 << 16):
            yield piece


def _parquet_rows(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with pq.ParquetFile(path, buffer_size=_CHUNK_BYTES, pre_buffer=False, page_checksum_verification=True) as file:
            column = _statement_column(file.schema_arrow)
            for batch in file.iter_batches(_PARQUET_ROWS, columns=[column], use_threads=False):
                for text in _texts(batch.column(0)):
                    number += 1
                    if text and not text.isspace():
                        yield number, text
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise not_ready(error) from None
        detail = f"the Parquet file ends or breaks after row {number}; deliver it again, whole"
        raise DamagedFileError(detail) from None


def _statement_column(schema: pa.Schema) -> str:
    texts = [field.name for field in schema if _is_text(field.type)]
    named = [name for name in STATEMENT_COLUMNS if name in texts]
    if named or len(texts) == 1:
        return str((named or texts)[0])
    found = ", ".join(f"{field.name} ({field.type})" for field in schema)
    detail = (
        f"no column holds the statements' JSON: wanted is a column of text named {' or '.join(STATEMENT_COLUMNS[:3])}, "
        f"or a single column of text; found are {found[:500]}; write each statement's JSON into a column `statement`"
    )
    raise DamagedFileError(detail, reason="file_unreadable")


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - Arrow has no types of its own
    kind = getattr(kind, "storage_type", kind)
    kind = getattr(kind, "value_type", kind) if pa.types.is_dictionary(kind) else kind
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _texts(column: Any) -> list[bytes | None]:  # noqa: ANN401
    column = getattr(column, "storage", column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    texts: list[bytes | None] = column.cast(pa.large_binary()).to_pylist()
    return texts


# --- shape --------------------------------------------------------------------------------------------------------


def _told(path: Path, size: int) -> tuple[bool, Iterator[bytes]]:
    """Whether the file has one statement a line, and its content without a byte order mark."""
    chunks = _chunks(path, size)
    pieces: list[bytes] = []
    fault = None
    is_whole, wanted = False, _HEAD_BYTES
    try:
        while not is_whole and (not pieces or _is_within_first_statement(pieces)):
            is_whole = not _gather(chunks, pieces, wanted)
            wanted *= 2
    except DamagedFileError as damaged:
        is_whole, fault = True, damaged
    head = b"".join(pieces)
    if head.startswith(_WIDE_MARKS) and head.count(0) * 3 > len(head):
        detail = "the file is UTF-16, and statements are read as UTF-8; save it as that"
        raise DamagedFileError(detail, reason="file_unreadable")
    head = head.removeprefix(BYTE_ORDER_MARK)
    return _is_one_a_line(head, is_whole=is_whole), chain([head], chunks if fault is None else _raising(fault))


def _raising(error: Exception) -> Iterator[bytes]:
    raise error
    yield b""


def _gather(chunks: Iterator[bytes], pieces: list[bytes], wanted: int) -> bool:
    """Read on until there are so many bytes; False where the content ends before."""
    count = sum(map(len, pieces))
    while count < wanted:
        piece = next(chunks, None)
        if piece is None:
            return False
        pieces.append(piece)
        count += len(piece)
    return True


def _is_within_first_statement(pieces: list[bytes]) -> bool:
    """Whether a first line begins a statement, has not ended yet, and may still end."""
    head = b"".join(pieces)
    start = _after(_SPACE, head, len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0)
    return head.startswith(b"{", start) and len(head) < MAX_STATEMENT_BYTES and head.find(b"\n", start) < 0


def _is_one_a_line(head: bytes, *, is_whole: bool) -> bool:
    """Whether each line is to be judged by itself: it is unless the head shows a value that goes over lines.

    A first line that is broken must not make the lines after it one value, so it goes over lines only where the head
    has that value whole and valid, or has no line that is a statement by itself.
    """
    lines = [line for line in head.split(b"\n") if line and not line.isspace()]
    first = lines[0].lstrip() if lines else b""
    if not first.startswith((b"{", b"[")):
        return True
    start, is_object, is_only = head.index(first), first.startswith(b"{"), is_whole and len(lines) == 1
    end = _end_of_value(first)
    if _ANSWER.match(head, start):
        one_a_line = False
    elif end is not None and is_only:
        # An array, or objects with nothing between them; else one statement.
        one_a_line = is_object and not first[end:].lstrip().startswith((b"{", b"["))
    elif end is not None:
        # Arrays one a line are batches, an array among other lines is no statement.
        one_a_line = is_object or not all(_BATCH.match(line) for line in lines)
    elif is_only:
        one_a_line = is_object
    elif _begins_valid(head[start:], is_object=is_object):
        one_a_line = False
    else:
        is_indented = len(lines) < _FIRST_TWO or lines[1].startswith((b" ", b"\t", b'"', b"}"))
        one_a_line = (is_object and not is_indented) or _has_statement_by_itself(lines[1:])
    return one_a_line


def _end_of_value(text: bytes) -> int | None:
    """Where the text's first value ends, None where it does not."""
    reading = _Text([text])
    with suppress(_BrokenError):
        reading.value()
        return reading.at
    return None


def _begins_valid(head: bytes, *, is_object: bool) -> bool:
    """Whether the head begins with a valid statement over several lines, or with an array's first valid element."""
    text = _Text([head])
    with suppress(_BrokenError):
        if is_object:
            return _is_json(text.value())
        text.at += 1
        return text.peek() == b"]" or (_is_json(text.value()) and text.peek() in {b",", b"]"})
    return False


def _has_statement_by_itself(lines: list[bytes]) -> bool:
    # Inside a value that goes over lines, a whole object is followed by one of these.
    following = chain((line.lstrip()[:1] for line in lines[1:]), [b""])
    return any(
        line.startswith(b"{") and after not in {b",", b"}", b"]"} and _is_json(line)
        for line, after in zip(lines, following, strict=False)
    )


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


# --- one a line ---------------------------------------------------------------------------------------------------


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    number, kept = 1, [b""]
    for chunk in _cut_short(chunks):
        first, *others = chunk.split(b"\n")
        kept.append(first)
        if not others:
            continue
        last = others.pop()
        for number, line in enumerate(chain([b"".join(kept)], others), number):  # noqa: B020 - counted on
            if line and not line.isspace():
                yield number, line
        number, kept = number + 1, [last]
    if (line := b"".join(kept)) and not line.isspace():
        yield number, line


def _parts(path: Path, size: int) -> Iterator[Block | FilePart]:
    """Places in a file, cut at line ends; from a line that does not end for too long it is read on here."""
    try:
        with path.open("rb") as stream:
            total = stream.seek(0, os.SEEK_END)
            start = len(BYTE_ORDER_MARK) if _starts_with(path, len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0
            while start < total:
                stream.seek(min(start + size, total))
                rest = stream.readline(MAX_STATEMENT_BYTES)
                end = stream.tell()
                if end < total and not rest.endswith(b"\n"):
                    stream.seek(start)
                    yield from _blocks(iter(lambda: stream.read(size), b""), size)
                    return
                yield FilePart(path, start, end)
                start = end
    except OSError as error:
        raise not_ready(error) from None


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[Block | FilePart]:
    kept, count = [b""], 0
    damaged = None
    try:
        for chunk in _cut_short(chunks):
            count += len(chunk)
            cut = chunk.rfind(b"\n") + 1 if count >= size else 0
            if not cut:
                kept.append(chunk)
                continue
            yield Block(b"".join([*kept, chunk[:cut]]))
            kept, count = [chunk[cut:]], len(chunk) - cut
    except DamagedFileError as error:
        damaged = error
    content = b"".join(kept)
    # The line in which a file breaks is none.
    if content := content[: content.rfind(b"\n") + 1] if damaged else content:
        yield Block(content)
    if damaged:
        raise damaged


def _cut_short(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same but for lines that do not end for too long: they are cut, with a mark that makes them no JSON."""
    count = 0
    for chunk in chunks:
        is_cut, end = count > MAX_STATEMENT_BYTES, chunk.rfind(b"\n")
        count = count + len(chunk) if end < 0 else len(chunk) - end
        if is_cut and end < 0:
            continue
        yield chunk[chunk.index(b"\n") :] if is_cut else chunk
        if count > MAX_STATEMENT_BYTES:
            yield b" (cut: the line is longer than 64 MB)"


# --- values one after another -------------------------------------------------------------------------------------


class _BrokenError(Exception):
    """The content ends or breaks; its message is what it does."""


def _values(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Statements that stand one after another, in arrays, or in an LRS's answers."""
    text = _Text(chunks)
    while opening := text.peek():
        if opening == b"[":
            yield from _elements(text)
        elif opening == b"{" and text.is_answer():
            yield from _answer(text)
        else:
            yield text.value()
            text.learn_seam(_BETWEEN_VALUES)


def _elements(text: _Text) -> Iterator[bytes]:
    text.at += 1
    if text.peek() == b"]":
        text.at += 1
        return
    while True:
        yield text.value()
        if text.learn_seam(_BETWEEN_ELEMENTS):
            continue
        if not text.goes_on(b"]"):
            return


def _answer(text: _Text) -> Iterator[bytes]:
    text.at += 1
    while True:
        name = text.value()
        if text.peek() != b":":
            raise text.broken()
        text.at += 1
        if name == b'"statements"' and text.peek() == b"[":
            yield from _elements(text)
        else:
            text.value()
        if not text.goes_on(b"}"):
            return


class _Text:
    """Text to come, read once and let go behind: of the file no more is kept than one value and a few chunks.

    Values are told apart by their brackets and strings alone; whether one is JSON is for others to say.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.buffer = b""
        self.at = 0
        self._chunks = iter(chunks)
        self._seam = b""
        self._seams_inside = 0

    def grow(self) -> bool:
        """Read on, by at least what is kept, so that a long value is not copied over and over; False at the end."""
        kept = self.buffer[self.at :]
        pieces, missing = [kept], max(len(kept), 1)
        for piece in self._chunks:
            pieces.append(piece)
            missing -= len(piece)
            if missing <= 0:
                break
        self.buffer, self.at = b"".join(pieces), 0
        return len(self.buffer) > len(kept)

    def peek(self) -> bytes:
        """The next character that is no space, empty at the end."""
        while True:
            self.at = _after(_SPACE, self.buffer, self.at)
            if self.at < len(self.buffer) or not self.grow():
                return self.buffer[self.at : self.at + 1]

    def is_answer(self) -> bool:
        """Whether an LRS's answer stands here."""
        while len(self.buffer) - self.at < _ANSWER_HEAD_BYTES and self.grow():
            pass
        return _ANSWER.match(self.buffer, self.at) is not None

    def goes_on(self, closing: bytes) -> bool:
        """Step over a comma (True) or the closing bracket (False); the next value is at hand then."""
        found = self.peek()
        if found not in {b",", closing}:
            raise self.broken()
        self.at += 1
        if found == b",":
            self.peek()
        return found == b","

    def learn_seam(self, between: re.Pattern[bytes]) -> bool:
        """Step over what stands between two objects, and look for the same after the next; False where it differs."""
        found = between.match(self.buffer, self.at)
        if found is None:
            return False
        self._seam = b"}" + found.group() + b"{"
        self.at = found.end()
        return True

    def value(self) -> bytes:
        """Read the value that begins here; raises `_BrokenError` where none does or it does not end."""
        opening = self.peek()
        end = self._end_by_seam() if opening == b"{" and self._seam else 0
        is_guessed = end > 0
        if not is_guessed:
            if opening in _CLOSING:
                end = self._end_by_brackets()
            else:
                end = self._end_of_string() if opening == b'"' else self._end_of_scalar()
        value, self.at = self.buffer[self.at : end], end
        if self._seam and not is_guessed:
            self._seams_inside = value.count(self._seam)
        return value

    def _end_by_seam(self) -> int:
        """Where the object ends if all is as with the one before, else 0.

        What is JSON up to there is the object and no part of it, since no object begins another.
        """
        end = self.at
        for _ in range(self._seams_inside + 1):
            end = self.buffer.find(self._seam, end, self.at + _SEAM_BYTES) + 1
            if not end:
                return 0
        return end if _is_json(self.buffer[self.at : end]) else 0

    def _end_by_brackets(self) -> int:
        awaited: list[bytes] = []
        place = self.at
        while True:
            place = _after(_TO_BRACKET, self.buffer, place)
            found = self.buffer[place : place + 1]
            if found in _CLOSING:
                awaited.append(_CLOSING[found])
            elif found in {b"}", b"]"}:
                if awaited.pop() != found:
                    raise self.broken()
                if not awaited:
                    return place + 1
            else:
                place = self._read_on(place)
                continue
            place += 1

    def _end_of_string(self) -> int:
        while (found := _STRING.match(self.buffer, self.at)) is None:
            self._read_on(self.at)
        return found.end()

    def _end_of_scalar(self) -> int:
        while (end := _after(_SCALAR, self.buffer, self.at)) == len(self.buffer):
            if end - self.at > MAX_STATEMENT_BYTES or not self.grow():
                break
        if end == self.at:
            raise self.broken()
        return end

    def _read_on(self, place: int) -> int:
        """Read on inside a value; returns where the place is then."""
        if len(self.buffer) - self.at > MAX_STATEMENT_BYTES:
            message = "has something longer than 64 MB"
            raise _BrokenError(message)
        passed = place - self.at
        if not self.grow():
            raise self.broken(is_at_end=True)
        return self.at + passed

    def broken(self, *, is_at_end: bool = False) -> _BrokenError:
        """What is wrong with the text here."""
        return _BrokenError("ends" if is_at_end or self.at >= len(self.buffer) else "is no JSON")


def _after(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Where a pattern's match ends that begins here."""
    found = pattern.match(text, at)
    return found.end() if found else at
