"""The mart of alert cards: each served alert as the person who serves it may see it.

Belongs here: the one rule of who may see what of an alert, for dashboards, digests and the webhook alike. Does not
belong here: names, sending (`pipelines.sinks`), whom an alert is routed to (`models.routing`).

An audience is decided a reader and alert: `agreements` where the reader is a mentor of kind manager or the learner's own
manager; else `level_and_step` where the mentor is external or nothing is known of them, which is the strict choice; else
`full`. What an audience may not see is null in every row that leaves this module.
"""

from __future__ import annotations

from data_contracts.tables.marts import MARTS
from models.alerts import OPEN_STATES
from pipelines.marts.as_of import MartContext
from pipelines.marts.goals import goal_progress

# Whose alert it is, and the next step, which was agreed with the learner or stands in the course's calendar.
_FOR_ALL = ("alert_id", "reader_id", "learner_id", "programme_id", "audience", "state", "next_step")
_FOR_FULL = (
    "kind",
    "rule",
    "abandonment_probability_28d",
    "risk_band",
    "probability_change_7d",
    "is_too_early",
    "reason_1_text",
    "reason_2_text",
    "reason_3_text",
    "routing_value",
    # From a high probability on the channel is another, and with it the minutes.
    "channel",
    "expected_minutes",
    "due_minutes",
)
_FOR_LEVEL = ("level",)
_FOR_AGREEMENTS = ("agreed_goals", "open_commitments")


def alert_cards(context: MartContext) -> str:
    """Tonight's served open alerts with a mentor, each with what that mentor may see; good news for `full` alone.

    `full` sees everything; `level_and_step` the level and the next step; `agreements` the next
    step, agreed goals and open commitments: no kind, level, minutes, reason or number, so that nothing tells of a risk.
    """
    columns = ", ".join(
        "reader_id AS mentor_id" if name == "mentor_id" else name
        for name in MARTS["alert_cards"].column_names
        if name != "publication_id"
    )
    return f"""
    SELECT {columns}
    FROM ({as_seen(context, f"SELECT *, mentor_id AS reader_id, false AS is_coordinator FROM {served(context)}")})
    WHERE reader_id IS NOT NULL
    ORDER BY alert_id
    """


def served(context: MartContext) -> str:
    """Subquery: tonight's alerts that are open and that somebody has the minutes for."""
    states = ", ".join(f"'{state}'" for state in OPEN_STATES)
    return f"(SELECT * FROM alerts.alert WHERE observed_at = {context.observed} AND is_served AND state IN ({states}))"


def as_seen(context: MartContext, rows: str, *besides: str) -> str:
    """Query: rows of `alerts.alert` as their readers may see them, what is not for them null.

    `rows` is a query of all columns of `alerts.alert`, reader_id (null: nobody), is_coordinator, and columns of its own
    that pass as they are where `besides` names them. A coordinator need not be a mentor: without a row of raw.mentor they
    see all, but not of those whose manager they are.
    """
    seen = [
        *_FOR_ALL,
        *besides,
        *(f"CASE WHEN audience = 'full' THEN {name} END AS {name}" for name in _FOR_FULL),
        *(f"CASE WHEN audience <> 'agreements' THEN {name} END AS {name}" for name in _FOR_LEVEL),
        *(f"CASE WHEN audience <> 'level_and_step' THEN {name} END AS {name}" for name in _FOR_AGREEMENTS),
    ]
    return f"""
    SELECT {", ".join(seen)}
    FROM (
        SELECT alert.*, CASE
                WHEN mentor.kind = 'manager' OR learner.manager_id = alert.reader_id THEN 'agreements'
                WHEN mentor.is_external OR (mentor.kind IS NULL AND NOT alert.is_coordinator) THEN 'level_and_step'
                ELSE 'full'
            END AS audience
        FROM ({rows}) AS alert
        LEFT JOIN {context.current("mentor")} AS mentor ON mentor.mentor_id = alert.reader_id
        LEFT JOIN {context.current("learner")} AS learner ON learner.learner_id = alert.learner_id
    )
    LEFT JOIN ({_goals(context)}) USING (learner_id, programme_id)
    LEFT JOIN ({_commitments(context)}) USING (learner_id, programme_id)
    WHERE audience = 'full' OR kind IS DISTINCT FROM 'good_news'
    """


def _goals(context: MartContext) -> str:
    """Open goals of matches that go on: kind, due date and share attained, in words."""
    words = (
        "concat_ws(', ', CASE WHEN due_on IS NOT NULL THEN 'due ' || strftime(due_on, '%-d %B %Y') END, "
        "CASE WHEN attained_share IS NOT NULL THEN round(100 * attained_share)::BIGINT || ' % attained' END)"
    )
    return f"""
    SELECT learner_id, programme_id,
        string_agg(kind || coalesce(': ' || nullif({words}, ''), ''), '; ' ORDER BY due_on NULLS LAST, goal_id) AS agreed_goals
    FROM ({goal_progress(context)})
    WHERE coalesce(status, 'open') IN ('open', 'rebaselined') AND match_id IN ({_going_on(context)})
    GROUP BY ALL
    """


def _commitments(context: MartContext) -> str:
    """Commitments made and known before tonight that no review known before tonight closed, in words."""
    is_closed = f"status <> 'open' AND coalesce(reviewed_known_epoch_day, reviewed_epoch_day, 0) < {context.tonight}"
    due = "'due ' || strftime(DATE '1970-01-01' + CAST(due_epoch_day AS INTEGER), '%-d %B %Y')"
    return f"""
    SELECT learner_id, programme_id,
        string_agg(coalesce({due}, 'without a due date'), '; ' ORDER BY due_epoch_day NULLS LAST, commitment_id)
            AS open_commitments
    FROM core.commitment
    WHERE made_epoch_day < {context.tonight} AND made_known_epoch_day < {context.tonight} AND NOT ({is_closed})
        AND match_id IN ({_going_on(context)})
    GROUP BY ALL
    """


def _going_on(context: MartContext) -> str:
    return f"SELECT match_id FROM {context.matches()} WHERE ended_epoch_day IS NULL"
