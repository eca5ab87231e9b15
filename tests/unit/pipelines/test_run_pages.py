import os

import pytest

from pipelines.commands.run import _is_told_in_pages
from pipelines.home import Home


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    for age, file in ((100, made.marts_file), (50, made.reports_index)):
        file.write_bytes(b"x")
        os.utime(file, (1_000_000 - age, 1_000_000 - age))
    return made


def test_pages_written_after_the_publication_tell_of_it(home):
    assert _is_told_in_pages(home)


def test_pages_that_are_older_than_the_publication_or_gone_are_written_by_the_next_run(home):
    os.utime(home.reports_index, (1_000_000 - 101, 1_000_000 - 101))
    assert not _is_told_in_pages(home)
    home.reports_index.unlink()
    assert not _is_told_in_pages(home)
