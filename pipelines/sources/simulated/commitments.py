"""What learners promise at the end of a session, and whether the next one asks after it.

Belongs here: the table commitment. Does not belong here: sessions (`mentoring`).
"""

from __future__ import annotations

from collections import defaultdict

from pipelines.sources.simulated.clock import iso_date
from pipelines.sources.simulated.settings import Row, SimulationSettings, stream

_MADE_SHARE = 0.6
# After how many sessions a commitment is reviewed; 0 for never.
_REVIEWED_AFTER = (1, 2, 0)
_REVIEWED_SHARES = (0.75, 0.1, 0.15)
_STATUSES, _STATUS_SHARES = ("kept", "partly", "dropped"), (0.6, 0.25, 0.15)


def draw_commitments(settings: SimulationSettings, sessions: list[Row]) -> list[Row]:
    """Commitments end held sessions; mostly the next session of the pair reviews them, or the one after, or none."""
    rng = stream(settings, "commitments")
    by_entry: dict[int, list[Row]] = defaultdict(list)
    for row in sessions:
        if row["outcome"] == "held" and not row["_is_sparse"]:
            by_entry[int(str(row["_entry"]))].append(row)
    last_day = settings.snapshot_day - 2
    rows: list[Row] = []
    for held in by_entry.values():
        days = [int(str(row["_local_day"])) for row in held]
        for place, (row, made) in enumerate(zip(held, days, strict=True)):
            if rng.random() >= _MADE_SHARE or made > last_day:
                continue
            step = int(rng.choice(_REVIEWED_AFTER, p=_REVIEWED_SHARES))
            reviewed = days[place + step] if step and place + step < len(days) else None
            is_reviewed = reviewed is not None and reviewed <= last_day
            status = str(rng.choice(_STATUSES, p=_STATUS_SHARES))
            rows.append(
                {
                    "commitment_id": settings.tag("commitment", len(rows)),
                    "session_id": row["session_id"],
                    "made_on": iso_date(made),
                    "due_on": iso_date(made + int(rng.integers(7, 15))),
                    "reviewed_on": iso_date(reviewed) if reviewed is not None and is_reviewed else None,
                    "status": status if is_reviewed else "open",
                }
            )
    return rows
