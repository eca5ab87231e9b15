"""The night in a page of text, read from the published marts alone.

Belongs here: what a person reads at the end of `handrail run`. Does not belong here: reports in HTML.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import duckdb

from pipelines.home import Home
from pipelines.settings import Settings

_WIDTH = 118
_ESTIMATORS = {
    "model": "the model, calibrated",
    "logistic_regression": "logistic regression",
    "inactive_7d_rule": "no activity for 7 days",
}

_ISOLATIONS = {"attribution": "attribution", "effect": "effect", "holdout": "hold-out"}

# Alerts that ask something of somebody.
_CALLS = "state IN ('new', 'reviewed', 'acted') AND kind <> 'good_news'"


def summary(home: Home, settings: Settings) -> str:
    """Learners, statements, model quality beside both baselines, alerts, learning mix and ROI, and where it all lies."""
    with duckdb.connect(str(home.marts_file), read_only=True) as marts:
        parts = [_head(marts), _intake(marts), _model(marts), _alerts(marts), _mix(marts), _roi(marts)]
        card = home.model_card(_rows(marts, "SELECT model_id FROM publication")[0][0])
    where = [
        "Where it lies",
        f"  marts      {home.marts_file}  (Parquet: {home.marts / 'current'})",
        *([f"  model      {card}"] if card.exists() else []),
        *([f"  reports    {home.reports_index}"] if home.reports_index.exists() else []),
        *([f"  digests    {home.outbox}  (for mentors and coordinators, by name)"] if home.outbox.exists() else []),
        f"  settings   {home.settings_file}  (source: {settings.source})",
        f"  look       make ui   or   handrail ui --home {home.path}   then open http://127.0.0.1:3000",
    ]
    return "\n\n".join(["", *parts, "\n".join(where), ""])


def _rows(marts: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return marts.execute(sql).fetchall()


def _head(marts: duckdb.DuckDBPyConnection) -> str:
    publication_id, observed_at, model_id = _rows(
        marts, "SELECT publication_id, observed_at, model_id FROM publication"
    )[0]
    learners, programmes, courses = _rows(
        marts,
        "SELECT (SELECT count(*) FROM dim_learner), (SELECT count(*) FROM dim_programme), (SELECT count(*) FROM dim_course)",
    )[0]
    active = _rows(marts, "SELECT count(*), count(DISTINCT learner_id) FROM learner_risk")[0]
    return (
        f"Publication {publication_id}, as of {observed_at:%Y-%m-%d %H:%M} UTC, model {model_id or 'none: rules only'}\n"
        f"  {learners:,} learners, {active[1]:,} of them active now in {active[0]:,} enrolments; "
        f"{courses:,} course runs, {programmes:,} programmes"
    )


def _intake(marts: duckdb.DuckDBPyConnection) -> str:
    taken = _rows(
        marts,
        "SELECT table_name, row_count FROM data_quality WHERE check_name = 'row_count' "
        "AND table_name IN ('raw.statement', 'core.statement')",
    )
    counts = dict(taken)
    refused = _rows(
        marts,
        "SELECT table_name, reason, quarantined_count FROM data_quality WHERE check_name = 'quarantine' "
        "ORDER BY quarantined_count DESC, table_name, reason",
    )
    total = sum(row[2] for row in refused)
    lines = [
        "Taken in",
        (
            f"  {counts.get('raw.statement', 0):,} statements taken, {counts.get('core.statement', 0):,} kept "
            f"(duplicates and voided ones left out); {total:,} rows in quarantine"
        ),
    ]
    lines += [f"    {count:>6,}  {table}: {reason.replace('_', ' ')}" for table, reason, count in refused[:8]]
    return "\n".join([*lines, *_found(marts)])


def _found(marts: duckdb.DuckDBPyConnection) -> list[str]:
    """Whose the statements are, and what no vocabulary knows."""
    told = dict(
        _rows(
            marts,
            "SELECT reason, check_value / row_count FROM data_quality "
            "WHERE check_name IN ('attribution', 'unknown_term') AND row_count > 0",
        )
    )
    if not told:
        return []
    certain = told.get("registration", 0) + told.get("parent_course", 0) + told.get("most_recent", 0)
    line = (
        f"  {certain:.1%} of them attributed to one enrolment, {told.get('ambiguous', 0):.1%} to the likeliest of several, "
        f"{told.get('outside', 0):.1%} to none"
    )
    unknown = [f"{told[kind]:.1%} a {kind.replace('_', ' ')}" for kind in ("verb", "activity_type") if told.get(kind)]
    return [line, *([f"  {' and '.join(unknown)} that no vocabulary lists"] if unknown else [])]


def _model(marts: duckdb.DuckDBPyConnection) -> str:
    found = _rows(
        marts,
        "SELECT estimator, max(metric_value) FILTER (metric_name = 'roc_auc'), "
        "max(metric_low) FILTER (metric_name = 'roc_auc'), max(metric_high) FILTER (metric_name = 'roc_auc'), "
        "max(metric_value) FILTER (metric_name = 'recall_at_10_percent'), "
        "max(metric_value) FILTER (metric_name = 'precision_at_10_percent'), "
        "max(metric_value) FILTER (metric_name = 'calibration_slope'), any_value(n_count), any_value(n_events_count), "
        "any_value(fold_starts_on), any_value(fold_ends_on) "
        "FROM model_quality WHERE horizon = '28d' AND slice_kind = 'all' GROUP BY estimator "
        "ORDER BY array_position(['model', 'logistic_regression', 'inactive_7d_rule'], estimator)",
    )
    if not found:
        judged = _rows(marts, "SELECT count(*) FROM model_quality WHERE slice_kind = 'gate'")[0][0]
        why = "the gate let none pass, see `handrail models list`" if judged else "too little history"
        return f"Risk of abandonment\n  no model yet: {why}; alerts come from rules alone"
    n, events, first, last = found[0][7:11]
    lines = [
        (
            "Risk of abandonment within 28 days, out of sample on the latest closed fold "
            f"({n:,} landmarks from {first} to {last}, {events:,} abandoned)"
        ),
        f"  {'':<24} {'AUC':>6} {'95 % interval':>15} {'recall@10%':>11} {'precision@10%':>14} {'calibration':>12}",
    ]
    for name, auc, low, high, recall, precision, slope, *_ in found:
        lines.append(
            f"  {_ESTIMATORS[name]:<24} {auc:>6.3f} {f'{low:.3f} to {high:.3f}':>15} {recall:>11.2f} {precision:>14.2f} "
            f"{'-' if slope is None else f'{slope:.2f}':>12}"
        )
    return "\n".join(lines)


def _alerts(marts: duckdb.DuckDBPyConnection) -> str:
    total, by_mentor, mentors, by_coordinator, opened, resolved, escalated, good = _rows(
        marts,
        f"SELECT count(*) FILTER ({_CALLS}), count(*) FILTER ({_CALLS} AND is_served AND mentor_id IS NOT NULL), "
        f"count(DISTINCT mentor_id) FILTER ({_CALLS} AND is_served), "
        f"count(*) FILTER ({_CALLS} AND is_served AND mentor_id IS NULL), "
        f"count(*) FILTER ({_CALLS} AND opened_at = observed_at), count(*) FILTER (state = 'resolved'), "
        f"count(*) FILTER ({_CALLS} AND escalated_at IS NOT NULL), "
        "count(*) FILTER (kind = 'good_news' AND state <> 'resolved') FROM learner_alerts",
    )[0]
    head = (
        f"Alerts tonight: {total:,} open, {opened:,} of them new; {by_mentor:,} fit into the minutes of {mentors:,} mentors, "
        f"{by_coordinator:,} go to the programmes' coordinators"
    )
    more = [
        f"{count:,} {what}"
        for count, what in (
            (resolved, "were resolved"),
            (escalated, "escalated, since nobody reviewed them"),
            (good, "pieces of good news"),
        )
        if count
    ]
    head += f"\n  {', '.join(more)}" if more else ""
    lines = [head]
    first = _rows(
        marts,
        "SELECT a.learner_id, p.name, a.kind, a.rule, a.abandonment_probability_28d, a.probability_change_7d, "
        "a.reason_1_text, a.reason_2_text, a.reason_3_text, a.level, a.channel, a.expected_minutes, a.next_step "
        "FROM learner_alerts AS a JOIN dim_programme AS p USING (programme_id) "
        f"WHERE a.is_served AND {_CALLS} ORDER BY a.abandonment_probability_28d DESC NULLS LAST, a.alert_id LIMIT 5",
    )
    for learner, programme, kind, rule, probability, change, *rest in first:
        *texts, level, channel, minutes, step = rest
        risk = "" if probability is None else f" {probability:.0%} in 28 days"
        trend = "" if change is None else f" ({change:+.0%} in a week)"
        why = "; ".join(text for text in texts if text) or str(rule or kind).replace("_", " ")
        head = f"  learner {learner[:8]}  {programme}:{risk}{trend}"
        body = f"{why}. {level.capitalize()}, {channel}, {minutes} minutes{f'; next: {step}' if step else ''}."
        lines += [head, *textwrap.wrap(body, _WIDTH, initial_indent="      ", subsequent_indent="      ")]
    unserved = _rows(
        marts,
        "SELECT sum(unserved_alerts_count), sum(expected_loss), sum(served_by_one_more_hour_count) FROM "
        "(FROM unserved_risk QUALIFY week_starts_on = max(week_starts_on) OVER (PARTITION BY programme_id))",
    )[0]
    if unserved[0]:
        lines.append(
            f"  Nobody has the minutes for {unserved[0]:,.0f} more ({unserved[1]:.1f} abandonments expected); one more "
            f"hour in each programme would serve {unserved[2]:,.0f}."
        )
    return "\n".join(lines)


def _mix(marts: duckdb.DuckDBPyConnection) -> str:
    found = _rows(
        marts,
        "SELECT coalesce(any_value(p.name), m.programme_id), list(minutes ORDER BY place), list(events ORDER BY place), "
        "list(target ORDER BY place), list(covered ORDER BY place) FROM (SELECT programme_id, "
        "list_position(['formal', 'social', 'experiential'], strand) AS place, sum(minutes) AS minutes, "
        "coalesce(sum(events_count), 0) AS events, any_value(target_share) AS target, avg(coverage_share) AS covered "
        "FROM learning_mix WHERE course_id = 'all' GROUP BY ALL) AS m LEFT JOIN dim_programme AS p USING (programme_id) "
        "GROUP BY m.programme_id ORDER BY 1",
    )
    lines = ["Learning mix, formal : social : experiential (measured minutes; most of the 70 is never seen by any log)"]
    for name, minutes, events, targets, covered in found:
        line = f"  {name:<44} {_split(minutes, events)}"
        if targets[0] is not None:
            line += f"   target {_percents(targets)}"
        if covered[0] is not None:
            line += f"   coverage {_percents(covered)}"
        lines.append(line)
    return "\n".join(lines)


def _split(minutes: Sequence[float | None], events: Sequence[int]) -> str:
    """Shares of the minutes, or of the events where no minutes are known; '?' for a strand that no log tells of."""
    total = sum(part or 0 for part in minutes)
    seen = list(zip(minutes, events, strict=True))
    if total:
        return " : ".join(
            "?" if part is None or (not part and count) else f"{part / total:.0%}" for part, count in seen
        )
    if sum(events):
        shares = ("?" if part is None and not count else f"{count / sum(events):.0%}" for part, count in seen)
        return f"{' : '.join(shares)} of {sum(events):,.0f} events, minutes unknown"
    return "withheld: few people"


def _percents(shares: Sequence[float]) -> str:
    return " : ".join(f"{share:.0%}" for share in shares)


def _roi(marts: duckdb.DuckDBPyConnection) -> str:
    """Cost and ROI of each programme and of its mentoring, by the isolation that its headline row has."""
    found = _rows(
        marts,
        "SELECT coalesce(p.name, r.programme_id), r.component, r.isolation, r.cost_amount, r.currency, r.roi_percent, "
        "r.roi_low_percent, r.roi_high_percent, c.roi_percent, r.roi_positive_probability, "
        "r.roi_positive_prior_probability, r.break_even_effect_points, "
        "CASE WHEN r.abandonments_avoided_count > 0 THEN r.cost_amount / r.abandonments_avoided_count END, r.verdict, "
        "r.withheld_reason FROM programme_roi AS r LEFT JOIN dim_programme AS p USING (programme_id) "
        "LEFT JOIN programme_roi AS c ON c.method = 'conservative' AND (c.programme_id, c.course_id, c.strand, c.component, "
        "c.isolation) = (r.programme_id, r.course_id, r.strand, r.component, r.isolation) "
        "WHERE r.is_headline ORDER BY 1, 2 DESC",
    )
    lines = [
        "Programme ROI (benefit isolated by participants' attribution x confidence, by an effect, or by the hold-out)"
    ]
    for name, component, isolation, cost, currency, *figures, verdict, reason in found:
        head = f"  {name if component == 'programme' else '  of it mentoring':<44} "
        if cost is not None:
            head += f"cost {cost:>11,.0f} {currency}   "
        lines.append(head + _return(isolation, currency, figures, verdict, reason))
    return "\n".join(lines)


def _return(isolation: str, currency: str, figures: Sequence[float | None], verdict: str, reason: str | None) -> str:
    """ROI with its interval and probabilities, or why there is none, and what would pay the cost back."""
    roi, low, high, conservative, positive, prior, break_even, each = figures
    if roi is None:
        pays = "" if break_even is None else f"; pays back from {break_even:.1f} points fewer abandoning"
        return f"{verdict.replace('_', ' ')}: {reason}{pays}"
    said = (
        f"ROI {roi:.0f} % ({low:.0f} to {high:.0f}), conservative {conservative:.0f} %, by {_ISOLATIONS[isolation]}, "
        f"P(ROI > 0) {positive:.2f}"
    )
    said += "" if prior is None else f" ({prior:.2f} with the prior)"
    said += "" if each is None else f", {each:,.0f} {currency} an abandonment avoided"
    return f"{said}; {verdict}" + (f" ({reason})" if reason else "")
