"""What the marts on learning tell of themselves in the UI, and that they hold their contracts with next to no data."""

from __future__ import annotations

import pytest

from data_contracts.tables.marts import MARTS
from pipelines.assets.learning import learning_mix_mart, learning_transfer_mart
from pipelines.plots import LIMIT
from pipelines.resources import NightResource
from tests.unit.pipelines.marts_rows import acted, enrol, epoch


@pytest.fixture
def built(house):
    """Build a mart in the house; returns its metadata and rows."""

    class OpenNight(NightResource):
        """The night of the house, which is open already."""

        night = property(lambda _: house.night)

        def setup_for_execution(self, context):
            """Open nothing."""

        def teardown_after_execution(self, context):
            """Close nothing."""

    def build(asset, name):
        told = asset(night=OpenNight()).metadata
        return told, house.warehouse.frame(f"FROM building.main.{name}")

    return build


@pytest.mark.parametrize(
    ("asset", "name"), [(learning_mix_mart, "learning_mix"), (learning_transfer_mart, "learning_transfer")]
)
def test_nothing_learned_is_an_empty_mart_with_the_contract_s_columns(built, asset, name):
    told, rows = built(asset, name)
    assert told["dagster/row_count"] == rows.height == 0
    assert rows.columns == list(MARTS[name].column_names)


def test_the_mix_is_drawn_in_the_metadata_small_enough_to_show_at_once(built, house):
    for number in range(12):
        enrol(house.warehouse, f"e{number}", f"l{number}")
        acted(house.warehouse, f"e{number}", epoch(3, 1), minutes=30.0)
        acted(house.warehouse, f"e{number}", epoch(3, 2), strand="social", activity_kind="forum", minutes=10.0)
    told, rows = built(learning_mix_mart, "learning_mix")
    drawing = told["mix"].value
    assert drawing.startswith("![Learning mix by programme](data:image/svg+xml,")
    assert "75:25:%3F" in drawing
    assert len(drawing) <= LIMIT
    assert told["rows_suppressed"] == 0
    found = rows.filter(course_id="C", strand="social").select("minutes", "participants_count", "measured_share").row(0)
    assert found == (120.0, 12, 0.25)


def test_rows_withheld_are_counted_in_the_metadata(built, house):
    enrol(house.warehouse, "e1", "ana")
    acted(house.warehouse, "e1", epoch(3, 1), minutes=30.0)
    assert built(learning_mix_mart, "learning_mix")[0]["rows_suppressed"] == 2
    assert built(learning_transfer_mart, "learning_transfer")[0]["rows_suppressed"] == 3
