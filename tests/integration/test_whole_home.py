"""After an ordinary night no identifier or name of the input stands anywhere but where docs/privacy.md says.

The identifiers are read from the files as delivered, not from what Handrail made of them.
"""

from __future__ import annotations

import csv
import gzip
import io
import re

import polars as pl
import pytest

from tests.scan import all_contents

# Where they may stand: the one store, what was delivered, and the digests that go to a mentor.
ON_PURPOSE = ("identity.duckdb", "simulated/", "inbox/", "outbox/")
COLUMNS = {
    *("learner_key", "mentor_key", "manager_key", "owner_key", "coordinator_key", "respondent_key", "by"),
    *("identity_value", "display_name", "contact_address"),
}
LEAST_LENGTH = 6
_IN_STATEMENTS = re.compile(rb'"(?:mbox|mbox_sha1sum|openid|name)": ?"([^"\\]+)"')


@pytest.fixture(scope="module")
def identifiers(demo):
    """Every identifier, key, name and address of a person in the demo's files."""
    inbox, found = demo.home / "simulated" / "inbox", set()
    for file in (inbox / "xapi").glob("*.gz"):
        found |= {text.decode() for text in _IN_STATEMENTS.findall(gzip.decompress(file.read_bytes()))}
    for file in inbox.glob("*/*.csv"):
        for row in csv.DictReader(io.StringIO(file.read_text("utf-8"))):
            found |= {value for name, value in row.items() if value and name in COLUMNS}
    return sorted(text for text in found if len(text) >= LEAST_LENGTH)


def found_in(folder, texts):
    """Places where any of many texts stands, with one of them: all contents are looked through at once."""
    read = [(place, content.decode("latin-1")) for place, content in all_contents(folder, without=ON_PURPOSE)]
    places, contents = zip(*read, strict=True)
    patterns = [text.encode().decode("latin-1") for text in texts]
    hits = pl.Series(contents, dtype=pl.String).str.extract_many(patterns, ascii_case_insensitive=True)
    return len(places), {place: hit[0] for place, hit in zip(places, hits.to_list(), strict=True) if hit}


def test_after_a_night_no_identifier_stands_outside_the_identity_store_and_the_digests(demo, identifiers):
    assert len(identifiers) > 1_000
    looked_through, found = found_in(demo.home, identifiers)
    assert looked_through > 300
    assert found == {}


def test_the_search_finds_an_identifier_in_a_table_and_in_a_packed_file(demo, identifiers, tmp_path):
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"so {identifiers[0].upper()} was here".encode()))
    pl.DataFrame({"a": [identifiers[-1]]}).write_parquet(tmp_path / "rows.parquet")
    _, found = found_in(tmp_path, identifiers)
    assert {place.split()[0] for place in found} == {"log.gz", "rows.parquet"}
