"""What an asset's page shows of a table without a click: a few of its rows, or how many there are of each kind.

Belongs here: which rows, columns and groups those are. Does not belong here: drawings (`charts`), what is published.

Rows about persons are never shown: they are counted, by kind or by month, and a count of fewer than `SMALL_CELL` persons is
withheld, with as many others as keep it from being worked out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import accumulate
from typing import NamedTuple

import dagster as dg
import polars as pl

from data_contracts.schema import Kind, Table
from data_contracts.tables.inputs import PSEUDONYM_OF
from models.suppression import SMALL_CELL, suppress
from pipelines.warehouse import Warehouse

# The UI shows as much in place; what is more becomes a link to a dialog.
ROWS, COLUMNS, TEXT_LENGTH = 15, 6, 40
# Pixels that the UI has for a value beside its key and its time on a screen 1440 wide; of a letter of a head, which it does
# not break, and of a cell; and around a cell.
_WIDE, _HEAD_LETTER, _LETTER, _AROUND = 415, 7.2, 8.4, 15
HIDDEN = "withheld"
# Words joined by underscores may be parted, so that a cell can be narrow; identifiers stay as they are.
_JOINED = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")

# Whom a row is about, the first that a table has; of an enrolment its learner is looked up.
_PERSONS = ("learner_id", "participation_id", "enrolment_id", "identity_id", "match_id", "respondent_id", "mentor_id")
_WHOM = {"identity_id": "identities", "match_id": "matches", "mentor_id": "mentors"}
_PERSON_KEYS = {*PSEUDONYM_OF.values(), *_PERSONS}
# Rows that are about too few people are not among those shown.
_PEOPLE_COUNTS = (
    "learners_count",
    "participants_count",
    "subjects_count",
    "invited_count",
    "registered_count",
    "served_alerts_count",
    "unserved_alerts_count",
)


class By(NamedTuple):
    """Rows about persons are counted by one or two columns; of numbers the means are told as well.

    A column that is a time stands for its month, newest first; all others are told largest first. `column:head` gives a
    shorter head than the column's name.
    """

    columns: tuple[str, ...]
    means: tuple[str, ...] = ()


class Rows(NamedTuple):
    """These columns (`column:head` gives a shorter head) of the rows of a condition, in an order."""

    columns: tuple[str, ...]
    order: str
    where: str = "true"


_ROI = (
    "programme_id:programme",
    "component",
    "roi_percent:roi %",
    "roi_low_percent:low",
    "roi_high_percent:high",
    "isolation",
)
_EFFECT = (
    "programme_id:programme",
    "contrast",
    "verdict",
    "effect_points:effect",
    "effect_low_points:low",
    "effect_high_points:high",
)
_HEADLINE_QUALITY = "horizon = '28d' AND slice_kind = 'all'"

# What the first columns of a contract, or the first kind in it, do not tell best. Where a drawing beside it counts the same
# rows, no finer parts than its own: what is withheld here could be worked out from there.
SHOWN: Mapping[str, By | Rows] = {
    "raw.statement": By(("happened_at",)),
    "raw.learner": By(("org_unit",)),
    "raw.mentoring_match": By(("purpose", "agreed_channel")),
    "raw.programme": Rows(
        ("programme_id:programme", "name", "aim", "selection", "starts_on", "ends_on"), "programme_id"
    ),
    "raw.survey_response": By(("survey", "construct"), ("score_share:score",)),
    "core.identity_link": By(("link_source",)),
    "core.statement": By(("verb_kind", "strand")),
    "core.enrolment_day": By(("strand", "activity_kind"), ("events_count:events", "minutes")),
    "core.submission": By(("due_epoch_day",), ("score_share:score",)),
    "core.enrolment": By(("programme_id", "ended_kind")),
    "core.mentoring_match": By(("programme_id", "mentor_kind")),
    "core.participation": By(("programme_id", "status")),
    "core.registration": By(("programme_id", "decision")),
    "core.mentoring_event": By(("event_kind", "channel")),
    "core.goal": By(("programme_id", "kind")),
    "core.mentor_week": By(
        ("week_starts_on",), ("available_minutes:available", "planned_minutes:planned", "held_minutes:held")
    ),
    "features.landmark": By(("programme_id", "is_scoring")),
    "features.activity": By(
        ("observed_epoch_day",), ("active_days_7d:days 7d", "minutes_7d:min. 7d", "days_since_activity:gap")
    ),
    "features.assessment": By(
        ("observed_epoch_day",), ("due_count:due", "submitted_due_share:submitted", "score_mean_share:score")
    ),
    "features.context": By(("observed_epoch_day",), ("course_week:week", "course_elapsed_share:elapsed")),
    "features.mentoring": By(
        ("observed_epoch_day",), ("is_matched:matched", "has_met:met", "held_over_agreed_4i_share:kept")
    ),
    "features.enrolment_week": By(("observed_epoch_day",), ("active_days_7d:days 7d", "days_since_activity:gap")),
    "features.label": By(("observed_epoch_day",)),
    "risk.model": Rows(
        ("model_id", "state", "trained_at", "n_count:rows", "n_events_count:events", "gate_verdict:gate"),
        "trained_at DESC",
    ),
    "risk.score": By(
        ("programme_id", "risk_band"), ("abandonment_probability_28d:28d", "abandonment_probability_7d:7d")
    ),
    "risk.reason": By(("reason_1_family", "level")),
    "risk.quality": Rows(
        ("estimator", "metric_name:metric", "metric_value:value", "metric_low:low", "metric_high:high", "n_count:rows"),
        "metric_name, estimator",
        f"{_HEADLINE_QUALITY} AND metric_name IN ('roc_auc', 'pr_auc', 'brier_skill', 'recall_at_10_percent')",
    ),
    "risk.drift": Rows(
        (
            "drift_kind:kind",
            "subject",
            "metric_name:metric",
            "metric_value:value",
            "limit_high:limit",
            "drift_verdict:drift",
        ),
        "metric_value DESC",
    ),
    "risk.effect": Rows(_EFFECT, "programme_id, contrast", "subgroup_kind = 'all'"),
    "alerts.candidate": By(("kind", "level"), ("abandonment_probability_28d:28d",)),
    "alerts.capacity": By(
        ("week_starts_on",), ("available_minutes:available", "planned_minutes:planned", "used_minutes:used")
    ),
    "alerts.alert": By(("level",), ("abandonment_probability_28d:28d",)),
    "alerts.delivery": By(("sink", "delivery_state")),
    "main.dim_programme": Rows(
        ("programme_id:programme", "name", "aim", "selection", "starts_on", "ends_on"), "programme_id"
    ),
    "main.dim_course": Rows(("course_id", "title", "delivery", "starts_on", "ends_on", "expected_hours"), "course_id"),
    "main.dim_mentor": By(("kind",)),
    "main.dim_learner": By(("org_unit",)),
    "main.alert_quality": Rows(
        (
            "slice_kind:slice",
            "slice_value:of",
            "metric_name:metric",
            "metric_value:value",
            "metric_low:low",
            "metric_high:high",
        ),
        "metric_value IS NULL, slice_kind <> 'all', slice_kind, slice_value, metric_name",
    ),
    "main.learner_alerts": By(("programme_id",), ("abandonment_probability_28d:28d",)),
    "main.alert_cards": By(("audience", "level"), ("expected_minutes:minutes",)),
    "main.learner_risk": By(("programme_id", "risk_band"), ("abandonment_probability_28d:28d",)),
    "main.engagement_weekly": By(("week_starts_on",), ("active_days_count:days", "minutes", "submissions_count:done")),
    "main.mentoring_health": By(
        ("week_starts_on",), ("sessions_held_count:held", "cadence_kept_share:kept", "silence_days:silence")
    ),
    "main.mentor_load": By(
        ("week_starts_on",), ("load_ratio:load", "alerts_count:alerts", "response_hours_median:hours")
    ),
    "main.goal_progress": By(
        ("programme_id", "status"), ("attained_share:attained", "expected_attained_share:expected")
    ),
    **dict.fromkeys(
        ("main.unserved_risk", "alerts.unserved"),
        Rows(
            (
                "programme_id",
                "week_starts_on:week",
                "unserved_alerts_count:unserved",
                "served_alerts_count:served",
                "expected_loss",
            ),
            "week_starts_on DESC, programme_id",
        ),
    ),
    "main.learning_mix": Rows(
        ("programme_id:programme", "strand", "month_starts_on:month", "measured_share:measured", "target_share:target"),
        "month_starts_on DESC, programme_id, strand",
        "course_id = 'all'",
    ),
    "main.programme_outcome": Rows(
        ("programme_id:programme", "construct", "verdict", "reached_share:reached", "change_points:change"),
        "programme_id, primary_rank NULLS LAST, construct, subject_type",
    ),
    "main.programme_comparison": Rows(
        (
            "compared_group:group",
            "other_group:against",
            "compared_outcome:outcome",
            "verdict",
            "adjusted_difference_points:points",
        ),
        "verdict DESC, compared_group, other_group, compared_outcome",
    ),
    "main.cost_per_result": Rows(
        (
            "programme_id:programme",
            "delivery",
            "learners_count:learners",
            "cost_per_learner_amount:cost a head",
            "currency",
        ),
        "programme_id, delivery",
    ),
    "main.community_weekly": Rows(
        (
            "programme_id:programme",
            "week_starts_on:week",
            "participants_count:people",
            "interactions_count:interactions",
        ),
        "week_starts_on DESC, programme_id",
    ),
    "main.programme_roi": Rows(_ROI, "programme_id, component DESC", "is_headline"),
    "main.roi_driver": Rows(
        (
            "programme_id:programme",
            "factor",
            "swing_points:swing",
            "roi_at_low_percent:at low",
            "roi_at_high_percent:at high",
        ),
        "programme_id, component, driver_rank",
    ),
    "main.roi_principle": Rows(
        ("programme_id:programme", "is_principle_kept:kept", "principle_number:number", "principle"),
        "is_principle_kept NULLS LAST, programme_id, principle_number",
    ),
    "main.mentoring_effect": Rows(_EFFECT, "programme_id, contrast", "subgroup_kind = 'all'"),
    "main.effect_balance": Rows(
        ("contrast", "covariate", "difference_after:after", "difference_before:before"), "abs(difference_after) DESC"
    ),
    "main.effect_check": Rows(
        ("programme_id:programme", "contrast", "check_kind:kind", "check_name:check", "is_passed:passed", "reason"),
        "is_passed NULLS LAST",
    ),
    "main.model_quality": Rows(
        (
            "estimator",
            "metric_name:metric",
            "metric_value:value",
            "metric_low:low",
            "metric_high:high",
            "is_passed:passed",
        ),
        "metric_name, estimator",
        f"{_HEADLINE_QUALITY} AND metric_name IN ('roc_auc', 'pr_auc', 'brier_skill', 'recall_at_10_percent')",
    ),
    "main.model_fairness": Rows(
        (
            "attribute_name:attribute",
            "group_name:group",
            "metric_name:metric",
            "metric_value:value",
            "n_count:rows",
            "audit_verdict:audit",
        ),
        "metric_name <> 'roc_auc', attribute_name, group_name",
    ),
    "main.data_quality": Rows(
        ("table_name:table", "check_name:check", "is_passed:passed", "check_value:value", "reason"),
        "quarantined_count DESC, is_passed, lateness_hours_p95 DESC NULLS LAST, row_count DESC",
    ),
    "main.course_issues": Rows(
        ("course_id", "cause", "week_starts_on:week", "issues_count:issues", "learners_count:learners"),
        "week_starts_on DESC, issues_count DESC",
    ),
}


def preview(warehouse: Warehouse, table: Table, relation: str, *, tonight: str = "") -> dg.TableMetadataValue:
    """At most `ROWS` rows by `COLUMNS` columns of a table that stands under `relation`.

    `tonight` is the observation time as SQL, of which the rows of a history are shown.
    """
    if tonight and "observed_at" in table.key:
        relation = f"(FROM {relation} WHERE observed_at = {tonight})"
    shown = SHOWN.get(table.qualified_name) or _ordinary(table)
    if isinstance(shown, By):
        return _counted(warehouse, table, relation, shown)
    names, heads = _split(shown.columns)
    few = " AND ".join(
        f"NOT coalesce({name} BETWEEN 1 AND {SMALL_CELL - 1}, false)"
        for name in _PEOPLE_COUNTS
        if name in table.column_names
    )
    rows = warehouse.rows(
        f"SELECT {', '.join(names)} FROM {relation} WHERE ({shown.where}) AND {few or 'true'} "
        f"ORDER BY {', '.join([shown.order, *names])} LIMIT {ROWS}"
    )
    columns = [table.column(name) for name in names]
    described = zip(heads, columns, strict=True)
    return _table([(head, one.sql_type, one.field.description) for head, one in described], rows, names)


def largest(row_counts: Mapping[str, int]) -> dg.TableMetadataValue:
    """The marts with most rows."""
    rows = sorted(row_counts.items(), key=lambda item: (-item[1], item[0]))[:ROWS]
    columns = [("mart", "VARCHAR", "A table of marts.duckdb."), ("rows", "BIGINT", "Its rows.")]
    return _table(columns, rows, ("mart_id", "rows"))


def _ordinary(table: Table) -> By | Rows:
    """What is shown of a table that `SHOWN` does not name."""
    if table.level == "aggregate":
        names = [name for name in (*table.key, *table.stable_names) if name not in _PERSON_KEYS | {"publication_id"}]
        times = [name for name in table.key if table.column(name).field.kind in (Kind.DATE, Kind.INSTANT)]
        order = ", ".join([*(f"{name} DESC" for name in times), *(name for name in table.key if name not in times)])
        return Rows(tuple(dict.fromkeys(names))[:COLUMNS], order)
    kinds = [column.name for column in table.columns if column.field.values]
    flags = [column.name for column in table.columns if column.field.kind is Kind.BOOLEAN]
    times = [column.name for column in table.columns if _month(table, column.name)]
    return By(tuple((kinds or times or flags)[:1]))


def _month(table: Table, name: str) -> str:
    """A time's month as SQL text; empty for what is no time."""
    column = table.column(name)
    if column.field.kind in (Kind.DATE, Kind.INSTANT):
        return f"strftime({name}, '%Y-%m')"
    is_day = name.endswith("epoch_day") and column.field.kind is Kind.INTEGER
    return f"strftime(DATE '1970-01-01' + CAST({name} AS INTEGER), '%Y-%m')" if is_day else ""


def _counted(warehouse: Warehouse, table: Table, relation: str, by: By) -> dg.TableMetadataValue:
    """Rows and persons of each kind, the largest or the newest; those of kinds that find no place are one more."""
    person = next(name for name in _PERSONS if name in table.column_names)
    if person == "enrolment_id":
        relation = (
            f"(FROM {relation} LEFT JOIN (SELECT enrolment_id, learner_id FROM core.enrolment) USING (enrolment_id))"
        )
        person = "coalesce(learner_id, enrolment_id)"
    is_time = bool(_month(table, by.columns[0]))
    names = ["month" if _month(table, name) else name for name in by.columns]
    kinds = [
        f"coalesce({_month(table, column) or f'CAST({column} AS VARCHAR)'}, 'none') AS {name}"
        for name, column in zip(names, by.columns, strict=True)
    ]
    listed, order = ", ".join(names), f"{names[0]} = 'none', {names[0]} DESC" if is_time else "count(*) DESC"
    numbers, number_heads = _split(by.means)
    means = [
        f"if(count(DISTINCT person) FILTER ({name} IS NOT NULL) >= {SMALL_CELL}, round(avg({name}), 3), NULL) AS mean_{place}"
        for place, name in enumerate(numbers)
    ]
    rows = warehouse.frame(
        f"WITH told AS (SELECT {', '.join(kinds)}, {', '.join([f'{person} AS person', *numbers])} FROM {relation}), "
        f"place AS (SELECT {listed}, row_number() OVER (ORDER BY {order}, {listed}) AS place FROM told GROUP BY {listed}) "
        f"SELECT {', '.join(f'if(place < {ROWS}, {name}, {other!r}) AS {name}' for name, other in _others(names))}, "
        f"count(*) AS rows_count, count(DISTINCT person) AS persons_count"
        f"{''.join(f', {mean}' for mean in means)} FROM told JOIN place USING ({listed}) "
        f"GROUP BY ALL ORDER BY min(place)"
    )
    told = ["rows_count", "persons_count", *(f"mean_{place}" for place in range(len(means)))]
    # Sums by either column alone are told of other tables.
    groups = [["all"], *([name] for name in names)]
    safe = suppress(rows.with_columns(all=pl.lit(0)), count="persons_count", measures=told, groups=groups)
    whom = _WHOM.get(person, "people")
    columns = [
        *((name.removesuffix("_id"), "VARCHAR", "") for name in names),
        ("rows", "VARCHAR", "Rows of the table."),
        (whom, "VARCHAR", f"Different {whom} behind them; fewer than {SMALL_CELL} are withheld."),
        *(
            (f"mean {head}", "DOUBLE", f"{name}: {table.column(name).field.description}")
            for name, head in zip(numbers, number_heads, strict=True)
        ),
    ]
    named = len(names)
    return _table(
        columns,
        (
            (*row[:named], *([HIDDEN] * 2 if row[-1] else map(str, row[named : named + 2])), *row[named + 2 : -1])
            for row in safe.select(*names, *told, "is_suppressed").iter_rows()
        ),
        [*names, "rows", whom, *numbers],
    )


def _split(columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of columns, and their heads."""
    parted = [column.partition(":") for column in columns]
    return [name for name, _, _ in parted], [head or name.removesuffix("_id") for name, _, head in parted]


def _others(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, "others" if place == 0 else "") for place, name in enumerate(names)]


def _table(
    columns: Sequence[tuple[str, str, str]], rows: Iterable[Sequence[object]], names: Sequence[str] = ()
) -> dg.TableMetadataValue:
    """The first of the columns (head, type, description) that have room; `names` are theirs where heads are others."""
    names = names or [head for head, _, _ in columns]
    cells = [[_cell(name, value) for name, value in zip(names, row, strict=True)] for row in rows]
    heads = [name.replace("_", " ") for name, _, _ in columns]
    wide = accumulate(
        _AROUND
        + max(
            _HEAD_LETTER * len(head),
            _LETTER * max((len(word) for row in cells for word in str(row[place]).split()), default=0),
        )
        for place, head in enumerate(heads)
    )
    shown = max(2, sum(pixels <= _WIDE for pixels in wide))
    schema = [
        dg.TableColumn(head, type_, description=about) for head, (_, type_, about) in zip(heads, columns, strict=True)
    ]
    records = [dg.TableRecord(dict(zip(heads[:shown], row[:shown], strict=True))) for row in cells]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(schema[:shown]))


def _cell(name: str, value: object) -> str | int | float | bool | None:
    """A cell as the UI can show it: instants to the minute, numbers to three digits."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return (float(f"{value:.3g}") if abs(value) < 1000 else round(value)) if math.isfinite(value) else None
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case _:
            text = str(value)
            if not name.endswith("_id") and _JOINED.fullmatch(text):
                text = text.replace("_", " ")
            return text if len(text) <= TEXT_LENGTH else f"{text[: TEXT_LENGTH - 2]}.."
