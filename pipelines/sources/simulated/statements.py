"""Statements as they are delivered: in gzipped lines, late, twice, voided, and some of them broken.

Belongs here: late storing, voids, repeated lines, their order in files. Does not belong here: what happened
(`activity`), what a line looks like (`lines`), what is wrong with broken ones (`faults`), what a reader must find
(`statement_truth`).
But for planted faults every statement is valid; nothing happened or was stored at or after the snapshot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.sources.simulated.activity import NOTHING, VERB_NAMES, Events
from pipelines.sources.simulated.catalogue import Catalogue
from pipelines.sources.simulated.faults import plant_in_statements
from pipelines.sources.simulated.lines import Renderer, as_bytes, instant_texts, uuid_texts, voiding_line
from pipelines.sources.simulated.settings import Bytes, Ints, stream, uuid_bytes, uuids
from pipelines.sources.simulated.statement_truth import StatementTruth
from pipelines.sources.simulated.world import World
from pipelines.sources.simulated.write import GzipWriter

_VOIDED_SHARE = 0.002
_EARLY_VOIDED_SHARE = 0.01
_DUPLICATED_SHARE = 0.003
_MILLISECONDS = 1000
_HOUR = 3600 * _MILLISECONDS
_DAY = 24 * _HOUR
_LINES_AT_ONCE = 100_000

# A statement to be delivered that is no event: when, in milliseconds, and its line.
Special = tuple[int, str]


@dataclass(frozen=True)
class Written:
    """What a block's statements came to.

    `counts`: `distinct` valid statements (voiding ones among them), `voiding`, `voided` and of these `voided_early`
    (before they came), `repeated` lines, `late` ones (stored a day or more after they happened), `counted` (neither
    voiding nor voided). `faults` by where they are to be found, table, reason.
    """

    counts: Counter[str]
    faults: Counter[tuple[str, str, str]]


def write_statements(
    world: World, events: Events, catalogue: Catalogue, folder: Path, truth: StatementTruth
) -> Written:
    """Write a block's events into `folder`, a file a month, in the order of delivery; `truth` counts them in."""
    rng = stream(world.settings, "statements")
    snapshot = world.settings.snapshot_second * _MILLISECONDS
    # The first half of a second: whoever rounds to seconds and whoever cuts get the same.
    happened = events.utc * _MILLISECONDS + rng.integers(0, _MILLISECONDS // 2, len(events))
    stored = happened + _lag(rng, len(events))
    is_kept = stored < snapshot
    events, happened, stored = events.keep(is_kept), happened[is_kept], stored[is_kept]
    size = len(events)
    ids = uuid_bytes(stream(world.settings, "statement ids"), size)
    renderer = Renderer(world, events, catalogue, ids)

    voided, voided_at, early = _voids(rng, happened, stored, snapshot)
    specials = _voiding(world, rng, ids[voided], voided_at)
    voiding = len(specials)
    repeated = np.flatnonzero(rng.random(size) < _DUPLICATED_SHARE)
    if not len(repeated):
        repeated = np.arange(1)
    repeated_at = np.minimum(stored[repeated] + rng.integers(_HOUR, 20 * _DAY, len(repeated)), snapshot - 1)
    # Strangers say nothing on threads, where they would stand between learners.
    is_model = catalogue.thread[events.thing] == NOTHING
    planted = plant_in_statements(world, renderer, happened, stored, is_model)
    specials += planted.lines

    # A number below `size` is an event, from there on a special line.
    numbers = np.concatenate([np.arange(size), repeated, size + np.arange(len(specials))])
    delivered = np.concatenate([stored, repeated_at, np.array([at for at, _ in specials], dtype=np.int64)])
    order = np.lexsort((numbers, delivered))
    numbers, months = numbers[order], delivered[order].astype("datetime64[ms]").astype("datetime64[M]")
    texts = pl.Series([text for _, text in specials], dtype=pl.String)
    folder.mkdir(parents=True, exist_ok=True)
    for month in np.unique(months):
        chosen = numbers[months == month]
        with GzipWriter(folder / f"statements-{month}-{world.settings.block:03d}.ndjson.gz") as file:
            for start in range(0, len(chosen), _LINES_AT_ONCE):
                file.write(_lines(renderer, texts, chosen[start : start + _LINES_AT_ONCE], happened, stored))

    is_standing = np.ones(size, dtype=bool)
    is_standing[voided] = False
    standing, is_mark = events.keep(is_standing), events.verb[is_standing] == VERB_NAMES.index("scored")
    truth.add(world, catalogue, standing, happened[is_standing], ids[is_standing], is_mark)
    counts = Counter(
        distinct=size + voiding + planted.valid_count,
        voiding=voiding + planted.voiding_count,
        voided=len(voided),
        voided_early=early,
        repeated=len(repeated),
        late=int((stored - happened >= _DAY).sum()),
        counted=size - len(voided) + planted.valid_count - planted.voiding_count,
    )
    return Written(counts, planted.faults)


def _lag(rng: np.random.Generator, size: int) -> Ints:
    """Milliseconds from happening to being stored: mostly seconds, sometimes hours, rarely days."""
    drawn = rng.random(size)
    seconds = rng.integers(200, 30_000, size)
    hours = (rng.exponential(1.5 * _HOUR, size) + 60_000).astype(np.int64)
    days = rng.integers(_DAY, 6 * _DAY, size)
    return np.where(drawn < 0.92, seconds, np.where(drawn < 0.99, hours, days))


def _voids(rng: np.random.Generator, happened: Ints, stored: Ints, snapshot: int) -> tuple[Ints, Ints, int]:
    """Choose which events are voided and when; the last number is of those voided before they were stored."""
    size = len(happened)
    lag = stored - happened
    early = np.flatnonzero((lag > _HOUR) & (rng.random(size) < _EARLY_VOIDED_SHARE))
    early_at = happened[early] + (lag[early] * rng.uniform(0.2, 0.9, len(early))).astype(np.int64)
    later = np.setdiff1d(np.flatnonzero(rng.random(size) < _VOIDED_SHARE), early)
    if not len(later):
        later = np.setdiff1d(np.arange(2), early)[:1]
    later_at = stored[later] + rng.integers(_HOUR, 3 * _DAY, len(later))
    is_known = later_at < snapshot - _HOUR
    voided = np.concatenate([early, later[is_known]])
    return voided, np.concatenate([early_at, later_at[is_known]]), len(early)


def _voiding(world: World, rng: np.random.Generator, targets: Bytes, stored: Ints) -> list[Special]:
    """Statements by which a member of staff voids others; the first of them is voided too, to no effect."""
    people = world.people
    instants = zip(instant_texts(stored - 2 * _MILLISECONDS), instant_texts(stored), strict=True)
    staff = people.actors[people.first_staff_actor]
    void_ids = uuids(rng, len(targets) + 1)
    parts = list(zip(stored.tolist(), void_ids, uuid_texts(targets), instants, strict=False))
    parts += [(at, void_ids[-1], void_id, told) for at, void_id, _, told in parts[:1]]
    return [(at, voiding_line(void_id, target, staff, told).decode()) for at, void_id, target, told in parts]


def _lines(renderer: Renderer, specials: pl.Series, chosen: Ints, happened: Ints, stored: Ints) -> memoryview:
    """Lines of a run of numbers, in their order."""
    is_event = chosen < len(happened)
    events = chosen[is_event]
    lines = renderer.lines(events, happened[events], stored[events])
    if is_event.all():
        return as_bytes(lines)
    places = np.empty(len(chosen), dtype=np.int64)
    places[is_event] = np.arange(len(events))
    places[~is_event] = len(events) + chosen[~is_event] - len(happened)
    return as_bytes(pl.concat([lines, specials]).gather(places))
