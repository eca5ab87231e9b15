"""Views beside the marts: one for each question that dashboards ask most, so that nobody has to write it again.

Belongs here: the question, what a row is, the columns, the SQL. Does not belong here: facts of their own, which a mart
must hold first; how they get into the file (`pipelines.publish`).
The SQL names marts without schema or database, so that it reads the file it lies in; it uses nothing that DuckDB 1.0
lacks. Each column is cast to its contract, and `publication_id` is added to each view.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from data_contracts.schema import Level, Table
from data_contracts.tables import table


@dataclass(frozen=True, slots=True)
class View:
    """A question, the contract of its answer, and the query; the key may hold null where the contract says so."""

    question: str
    table: Table
    query: str

    @property
    def sql(self) -> str:
        """The query as the view holds it: columns in the contract's order and types, with publication_id."""
        columns = ", ".join(
            f"CAST(answer.{column.name} AS {column.sql_type}) AS {column.name}"
            for column in self.table.columns
            if column.name != "publication_id"
        )
        return f"SELECT {columns}, publication.publication_id FROM ({self.query}) AS answer CROSS JOIN publication"


def _view(  # noqa: PLR0913, PLR0917 - a view has this many parts
    name: str, level: Level, question: str, grain: str, key: str, spec: str, query: str
) -> View:
    answer = table(
        f"main.{name}", question, grain=f"one row per {grain}", key=key, spec=f"{spec} publication_id", level=level
    )
    return View(question, answer, dedent(query).strip())


_OPEN = "state IN ('new', 'reviewed', 'acted')"

VIEWS: dict[str, View] = {
    item.table.name: item
    for item in (
        _view(
            "view_open_alerts",
            "learner",
            "Which alerts are open, since when, and who has the minutes?",
            "open alert",
            "alert_id",
            "alert_id programme_id programme_name:name course_title:title* learner_id mentor_id* kind:alert_kind rule* "
            "level state:alert_state open_days abandonment_probability_28d* probability_change_7d* reason_1_text* "
            "next_step* is_served unserved_reason* expected_minutes",
            f"""
            SELECT a.*, p.name AS programme_name, c.title AS course_title,
                date_diff('day', a.opened_at, a.observed_at) AS open_days
            FROM learner_alerts AS a
            JOIN dim_programme AS p ON p.programme_id = a.programme_id
            LEFT JOIN dim_course AS c ON c.course_id = a.course_id
            WHERE a.{_OPEN}
            """,
        ),
        _view(
            "view_alerts_by_programme",
            "aggregate",
            "How many alerts of each kind and level are open in each programme, and how many does nobody serve?",
            "programme, kind and level",
            "programme_id kind level",
            "programme_id programme_name:name kind:alert_kind level alerts_count served_alerts_count "
            "unserved_alerts_count expected_minutes",
            f"""
            SELECT a.programme_id, p.name AS programme_name, a.kind, a.level, count(*) AS alerts_count,
                count(*) FILTER (WHERE a.is_served) AS served_alerts_count,
                count(*) FILTER (WHERE NOT a.is_served) AS unserved_alerts_count,
                sum(a.expected_minutes) AS expected_minutes
            FROM learner_alerts AS a
            JOIN dim_programme AS p ON p.programme_id = a.programme_id
            WHERE a.{_OPEN}
            GROUP BY a.programme_id, p.name, a.kind, a.level
            """,
        ),
        _view(
            "view_risk_of_learners",
            "learner",
            "Who is at risk tonight, and does anybody know?",
            "active enrolment",
            "enrolment_id",
            "enrolment_id programme_id programme_name:name course_title:title* learner_id org_unit* "
            "abandonment_probability_28d* risk_band* risk_rank* probability_change_7d* is_too_early alert_id* is_served* "
            "mentor_id*",
            f"""
            SELECT r.*, p.name AS programme_name, c.title AS course_title, l.org_unit, a.alert_id, a.is_served, a.mentor_id
            FROM learner_risk AS r
            JOIN dim_programme AS p ON p.programme_id = r.programme_id
            LEFT JOIN dim_course AS c ON c.course_id = r.course_id
            LEFT JOIN dim_learner AS l ON l.learner_id = r.learner_id
            LEFT JOIN (SELECT * FROM learner_alerts WHERE {_OPEN} AND kind <> 'good_news') AS a
                ON a.learner_id = r.learner_id AND a.programme_id = r.programme_id
            """,
        ),
        _view(
            "view_risk_by_course",
            "aggregate",
            "How many learners is each course about to lose?",
            "programme and course run",
            "programme_id course_id",
            "programme_id programme_name:name course_id* course_title:title* enrolments_count scored_enrolments_count "
            "high_risk_count middle_risk_count rising_count expected_loss* mean_probability_28d*",
            """
            SELECT r.programme_id, p.name AS programme_name, r.course_id, c.title AS course_title,
                count(*) AS enrolments_count, count(r.abandonment_probability_28d) AS scored_enrolments_count,
                count(*) FILTER (WHERE r.risk_band = 'high') AS high_risk_count,
                count(*) FILTER (WHERE r.risk_band = 'middle') AS middle_risk_count,
                count(*) FILTER (WHERE r.probability_change_7d >= .05) AS rising_count,
                sum(r.abandonment_probability_28d) AS expected_loss,
                avg(r.abandonment_probability_28d) AS mean_probability_28d
            FROM learner_risk AS r
            JOIN dim_programme AS p ON p.programme_id = r.programme_id
            LEFT JOIN dim_course AS c ON c.course_id = r.course_id
            GROUP BY r.programme_id, p.name, r.course_id, c.title
            """,
        ),
        _view(
            "view_mentor_week",
            "mentor",
            "Which mentors have minutes left this week?",
            "mentor",
            "mentor_id",
            "mentor_id kind:mentor_kind* is_external* week_starts_on available_minutes planned_minutes used_minutes "
            "free_minutes load_ratio* is_capacity_assumed learners_count max_learners* alerts_count "
            "unanswered_messages_count",
            """
            SELECT w.*, m.kind, m.is_external,
                greatest(w.available_minutes - w.planned_minutes - w.used_minutes, 0) AS free_minutes
            FROM mentor_load AS w
            LEFT JOIN dim_mentor AS m ON m.mentor_id = w.mentor_id
            WHERE w.week_starts_on = (SELECT max(week_starts_on) FROM mentor_load)
            """,
        ),
        _view(
            "view_matches_to_mend",
            "learner",
            "Which matches need somebody's hand?",
            "match with a broken promise, in the last full week",
            "match_id",
            "match_id programme_id programme_name:name mentor_id learner_id week_starts_on is_first_meeting_overdue "
            "is_cadence_broken is_mentor_silent is_stuck is_unset cadence_kept_share* silence_days "
            "unanswered_messages_count",
            """
            SELECT h.*, p.name AS programme_name
            FROM mentoring_health AS h
            JOIN dim_programme AS p ON p.programme_id = h.programme_id
            WHERE h.week_starts_on = (SELECT max(week_starts_on) FROM mentoring_health)
                AND (h.is_first_meeting_overdue OR h.is_cadence_broken OR h.is_mentor_silent OR h.is_stuck OR h.is_unset)
            """,
        ),
        _view(
            "view_mentoring_by_week",
            "aggregate",
            "Is mentoring kept up, week by week?",
            "programme and week",
            "programme_id week_starts_on",
            "programme_id programme_name:name week_starts_on matches_count sessions_held_count sessions_missed_count "
            "cadence_broken_share mentor_silent_share stuck_share",
            """
            SELECT h.programme_id, p.name AS programme_name, h.week_starts_on, count(*) AS matches_count,
                sum(h.sessions_held_count) AS sessions_held_count, sum(h.sessions_missed_count) AS sessions_missed_count,
                avg(CAST(h.is_cadence_broken AS INTEGER)) AS cadence_broken_share,
                avg(CAST(h.is_mentor_silent AS INTEGER)) AS mentor_silent_share,
                avg(CAST(h.is_stuck AS INTEGER)) AS stuck_share
            FROM mentoring_health AS h
            JOIN dim_programme AS p ON p.programme_id = h.programme_id
            GROUP BY h.programme_id, p.name, h.week_starts_on
            """,
        ),
        _view(
            "view_goals_by_programme",
            "aggregate",
            "Do agreed goals get anywhere?",
            "programme and kind of goal",
            "programme_id kind",
            "programme_id programme_name:name kind:goal_kind agreed_goals_count measured_goals_count behind_goals_count "
            "attained_mean_share*",
            """
            SELECT g.programme_id, p.name AS programme_name, g.kind, count(*) AS agreed_goals_count,
                count(g.attained_share) AS measured_goals_count, count(*) FILTER (WHERE g.is_behind) AS behind_goals_count,
                avg(g.attained_share) AS attained_mean_share
            FROM goal_progress AS g
            JOIN dim_programme AS p ON p.programme_id = g.programme_id
            GROUP BY g.programme_id, p.name, g.kind
            """,
        ),
        _view(
            "view_engagement_by_week",
            "aggregate",
            "How many enrolments were active each week, and for how long?",
            "programme, course run and week",
            "programme_id course_id week_starts_on",
            "programme_id programme_name:name course_id* course_title:title* week_starts_on enrolments_count "
            "active_enrolments_count active_share active_minutes_mean* submissions_count",
            """
            SELECT e.programme_id, p.name AS programme_name, e.course_id, c.title AS course_title, e.week_starts_on,
                count(*) AS enrolments_count, count(*) FILTER (WHERE e.events_count > 0) AS active_enrolments_count,
                avg(CASE WHEN e.events_count > 0 THEN 1 ELSE 0 END) AS active_share,
                avg(e.minutes) FILTER (WHERE e.events_count > 0) AS active_minutes_mean,
                sum(e.submissions_count) AS submissions_count
            FROM engagement_weekly AS e
            JOIN dim_programme AS p ON p.programme_id = e.programme_id
            LEFT JOIN dim_course AS c ON c.course_id = e.course_id
            GROUP BY e.programme_id, p.name, e.course_id, c.title, e.week_starts_on
            """,
        ),
        _view(
            "view_course_problems",
            "aggregate",
            "What should a course's owner look at: issues of the last eight weeks?",
            "course run and cause",
            "course_id cause",
            "course_id course_title:title* cause issues_count weeks_count week_starts_on evidence",
            """
            SELECT i.course_id, c.title AS course_title, i.cause, sum(i.issues_count) AS issues_count,
                count(*) AS weeks_count, max(i.week_starts_on) AS week_starts_on,
                arg_max(i.evidence, i.week_starts_on) AS evidence
            FROM course_issues AS i
            LEFT JOIN dim_course AS c ON c.course_id = i.course_id
            WHERE i.week_starts_on > (SELECT CAST(observed_at AS DATE) FROM publication) - 56
            GROUP BY i.course_id, c.title, i.cause
            """,
        ),
        _view(
            "view_mix_against_target",
            "aggregate",
            "How far is each programme's learning from its 70:20:10, month by month?",
            "programme, strand and month",
            "programme_id strand month_starts_on",
            "programme_id programme_name:name strand month_starts_on measured_share* target_share* target_gap_points* "
            "minutes* coverage_share* is_suppressed",
            """
            SELECT m.*, p.name AS programme_name, 100 * (m.measured_share - m.target_share) AS target_gap_points
            FROM learning_mix AS m
            JOIN dim_programme AS p ON p.programme_id = m.programme_id
            WHERE m.course_id = 'all'
            """,
        ),
        _view(
            "view_programme_return",
            "aggregate",
            "What did each programme and its mentoring cost and return, and how sure is that?",
            "programme and component",
            "programme_id component",
            "programme_id programme_name:name component isolation cost_amount* benefit_amount* benefit_low_amount* "
            "benefit_high_amount* roi_percent* roi_low_percent* roi_high_percent* roi_positive_probability* "
            "break_even_effect_points* currency* verdict:roi_verdict withheld_reason*",
            """
            SELECT r.*, p.name AS programme_name
            FROM programme_roi AS r
            JOIN dim_programme AS p ON p.programme_id = r.programme_id
            WHERE r.is_headline
            """,
        ),
        _view(
            "view_effect_of_mentoring",
            "aggregate",
            "What did mentoring change in abandonment: the questions named in advance?",
            "programme (or all) and contrast",
            "programme_id contrast",
            "programme_id:effect_programme programme_name:name* contrast role:effect_role estimand effect_points* "
            "effect_low_points* effect_high_points* untreated_percent* treated_count* verdict:effect_verdict reason*",
            """
            SELECT e.*, p.name AS programme_name
            FROM mentoring_effect AS e
            LEFT JOIN dim_programme AS p ON p.programme_id = e.programme_id
            WHERE e.role <> 'exploratory'
            """,
        ),
        _view(
            "view_model_quality",
            "aggregate",
            "Does the model beat simpler rules on the same rows?",
            "horizon and metric",
            "horizon metric_name",
            "horizon metric_name metric_value* metric_low* metric_high* logistic_regression_value* "
            "inactive_7d_rule_value* n_count n_events_count",
            """
            SELECT m.*, l.metric_value AS logistic_regression_value, i.metric_value AS inactive_7d_rule_value
            FROM model_quality AS m
            JOIN publication AS p ON p.model_id = m.model_id
            LEFT JOIN model_quality AS l ON l.estimator = 'logistic_regression' AND l.model_id = m.model_id
                AND l.horizon = m.horizon AND l.slice_kind = m.slice_kind AND l.slice_value = m.slice_value
                AND l.metric_name = m.metric_name
            LEFT JOIN model_quality AS i ON i.estimator = 'inactive_7d_rule' AND i.model_id = m.model_id
                AND i.horizon = m.horizon AND i.slice_kind = m.slice_kind AND i.slice_value = m.slice_value
                AND i.metric_name = m.metric_name
            WHERE m.estimator = 'model' AND m.slice_kind = 'all'
            """,
        ),
        _view(
            "view_data_problems",
            "aggregate",
            "What was refused or broke its contract tonight?",
            "table, check and reason",
            "table_name check_name reason",
            "table_name check_name reason* is_passed check_value* row_count quarantined_count",
            "SELECT * FROM data_quality WHERE NOT is_passed OR quarantined_count > 0",
        ),
    )
}
