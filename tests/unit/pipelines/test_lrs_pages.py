"""A page is cut into the statements it was delivered with, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.lrs.pages import NoPageError, split_page

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(ANYTHING, max_size=6), st.text(), st.sampled_from([None, 1]), st.booleans(), ANYTHING)
def test_whatever_stands_in_a_page_comes_out_as_it_stands(elements, more, indent, is_ascii, other):
    page = {"x": other, "more": more, "statements": elements, "y": other}
    found = split_page(json.dumps(page, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass"))
    written = [json.dumps(one, indent=indent, ensure_ascii=is_ascii) for one in elements]
    assert [b"".join(one.split()) for one in found.statements] == [
        b"".join(one.encode("utf-8", "surrogatepass").split()) for one in written
    ]
    assert found.more == (more or None)


@given(st.lists(st.dictionaries(st.text(max_size=5), ANYTHING, max_size=4), min_size=1, max_size=4), st.data())
def test_a_page_cut_off_anywhere_is_no_page(elements, data):
    body = json.dumps({"more": "/x", "statements": elements}).encode()
    end = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(NoPageError):
        split_page(body[:end])


def test_odd_statements_stay_as_they_are_delivered():
    odd = [
        b'{"a": 1, "a": 2}',
        b"{ }",
        b'{"n": NaN, "m": 1e999, "k": ' + b"9" * 5000 + b"}",
        b'{"s": "\\ud800 ] } \\" \\\\"}',
        b'{"bytes": "\xff\xfe"}',
        b'{"broken" 1,}',
        b"null",
        b'"a, [string"',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[[]]",
    ]
    body = b'\xef\xbb\xbf {"statements" :[' + b" ,\r\n".join(odd) + b'], "more": null }\n'
    assert split_page(body).statements == odd


@pytest.mark.parametrize("more", [b'"more": "", ', b'"more": null, ', b""])
def test_a_last_page_names_no_more(more):
    assert split_page(b"{" + more + b'"statements": []}').more is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it is cut off"),
        (b"<html></html>", "'{' is missing at byte 0"),
        (b"[]", "'{' is missing at byte 0"),
        (b"{}", "no list of statements"),
        (b'{"more": ""}', "no list of statements"),
        (b'{"statements": {}}', r"'\[' is missing"),
        (b'{"statements": null}', r"'\[' is missing"),
        (b'{"statements": [], "statements": []}', "is there twice"),
        (b'{"statements": [], "more": "a", "more": "b"}', "is there twice"),
        (b'{"statements": [], "more": 3}', "a text is missing"),
        (b'{"statements": [], "more": ["/x"]}', "a text is missing"),
        (b'{"statements": [{]}]}', "a bracket closes another"),
        (b'{"statements": [{}] "more": ""}', "',' is missing"),
        (b'{"statements": [{} {}]}', "',' is missing"),
        (b'{"statements": [{},]}', "a value is missing"),
        (b'{"statements": [,{}]}', "a value is missing"),
        (b'{"statements": []} x', "something follows its end"),
        (b'{"statements": []}{"statements": []}', "something follows its end"),
        (b'{3: [], "statements": []}', "a text is missing"),
        ('{"statements": []}'.encode("utf-16"), "is missing at byte 0"),
    ],
)
def test_what_is_no_statement_result_is_refused_and_told_where(body, said):
    with pytest.raises(NoPageError, match=said):
        split_page(body)
