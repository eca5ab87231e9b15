"""The tables an operator may give, and what is kept of each in schema `raw`.

Belongs here: the columns that files may have, and the rule that turns an input into its raw table (persons'
keys become pseudonyms; names, addresses and audit attributes go to the identity store). Does not belong
here: statements' rules (`xapi/`), reading files (`pipelines.sources.inbox`).
"""

from __future__ import annotations

from data_contracts.fields import FIELDS
from data_contracts.schema import Column, Table
from data_contracts.tables import columns, table

_SPECS: tuple[tuple[str, str, str, str], ...] = (
    (
        "programme",
        "A programme of training",
        "programme_id",
        (
            "programme_id name aim* selection* starts_on* ends_on* timezone* currency* value_per_completion_amount* "
            "learner_hour_amount* mentor_hour_amount* target_formal_share* target_social_share* "
            "target_experiential_share* coordinator_key*"
        ),
    ),
    (
        "course",
        "A course run",
        "course_id",
        "course_id activity_iri title delivery* starts_on* ends_on* expected_hours* owner_key*",
    ),
    (
        "programme_course",
        "Which courses a programme is made of",
        "programme_id course_id",
        "programme_id course_id is_required",
    ),
    (
        "activity",
        "An activity of a course",
        "activity_iri course_id",
        "activity_iri course_id activity_type_iri* strand* available_on* due_on* weight* is_assessment*",
    ),
    (
        "learner",
        "A learner",
        "learner_key",
        (
            "learner_key display_name* contact_address* timezone* language* org_unit* manager_key* left_on* "
            "opted_out_at* lottery_consented_at* gender* age_band* disability* deprivation_band*"
        ),
    ),
    (
        "learner_identity",
        "An identifier under which a learner appears in statements",
        "learner_key identity_type identity_value",
        "learner_key identity_type identity_value",
    ),
    (
        "enrolment",
        "One learner in one course run",
        "enrolment_id",
        (
            "enrolment_id learner_key programme_id* course_id* enrolled_on due_on* status:enrolment_status status_on* "
            "studied_credits* previous_attempts_count*"
        ),
    ),
    (
        "registration",
        "A learner's registration for a programme",
        "learner_key programme_id",
        "learner_key programme_id invited_at* registered_at* route is_hipo* baseline_score* decision* decided_at*",
    ),
    ("absence", "A learner's leave; a reason is refused", "learner_key from_on", "learner_key from_on to_on"),
    ("calendar", "A closed day", "org_unit closed_on", "org_unit* closed_on"),
    (
        "mentor",
        "A mentor",
        "mentor_key",
        (
            "mentor_key display_name* contact_address* kind:mentor_kind is_external* capacity_minutes_per_week* "
            "max_learners* trained_on* skills* timezone*"
        ),
    ),
    (
        "mentor_availability",
        "A mentor's minutes in a period",
        "mentor_key from_on",
        "mentor_key from_on to_on minutes_per_week",
    ),
    (
        "mentoring_match",
        "A mentor and a learner matched in a programme",
        "match_id",
        (
            "match_id mentor_key learner_key programme_id matched_on ended_on* end_reason* agreed_sessions_per_week* "
            "agreed_minutes* agreed_channel* purpose*"
        ),
    ),
    (
        "mentoring_session",
        "A mentoring session",
        "session_id",
        (
            "session_id* match_id* mentor_key* learner_key* group_id* scheduled_at* held_at* duration_minutes* "
            "channel:session_channel* outcome* level* learner_rating* mentor_rating*"
        ),
    ),
    (
        "mentoring_message",
        "A message between mentor and learner, without its content",
        "message_id",
        (
            "message_id* match_id* mentor_key* learner_key* sent_at sender channel:message_channel in_reply_to* "
            "length_chars*"
        ),
    ),
    (
        "goal",
        "A goal agreed between mentor and learner",
        "goal_id",
        "goal_id match_id agreed_on due_on* kind:goal_kind baseline_value* target_value* weight*",
    ),
    (
        "goal_update",
        "How a goal stood on a day",
        "goal_id recorded_on",
        "goal_id recorded_on value* attained_share* status:goal_status*",
    ),
    (
        "commitment",
        "A commitment made in a session",
        "commitment_id",
        "commitment_id session_id made_on due_on* reviewed_on* status:commitment_status",
    ),
    (
        "survey_response",
        "An answer to a survey",
        "response_id",
        (
            "response_id survey subject_type subject_key respondent_key* programme_id answered_on construct question_id "
            "score_share outcome_level"
        ),
    ),
    (
        "support_ticket",
        "A learner's support ticket",
        "ticket_id",
        "ticket_id learner_key opened_at kind:ticket_kind resolved_at*",
    ),
    (
        "work_activity",
        "Learning by doing, as logged at work",
        "learner_key happened_on kind",
        "learner_key programme_id* happened_on kind:work_kind minutes* confirmed_by*",
    ),
    (
        "programme_cost",
        "A cost of a programme; ALL is allocated by active participations",
        "programme_id course_id period_on cost_kind strand delivery",
        "programme_id course_id* period_on cost_kind strand delivery amount currency",
    ),
    (
        "programme_benefit",
        "A benefit of a programme",
        "programme_id course_id period_on metric",
        (
            "programme_id course_id* period_on metric quantity unit_value_amount attribution_share confidence_share "
            "currency source:benefit_source"
        ),
    ),
    (
        "alert_feedback",
        "What a mentor did with an alert",
        "alert_id at",
        "alert_id state:feedback_state by at verdict* contacted_at*",
    ),
)

# A person's key becomes a pseudonym at the door; one namespace for persons, so that a manager who mentors
# is seen to be one person.
PSEUDONYM_OF = {
    "learner_key": "learner_id",
    "mentor_key": "mentor_id",
    "manager_key": "manager_id",
    "owner_key": "owner_id",
    "coordinator_key": "coordinator_id",
    "subject_key": "subject_id",
    "respondent_key": "respondent_id",
    "by": "by_id",
}

AUDIT_ATTRIBUTES = ("gender", "age_band", "disability", "deprivation_band")

INPUTS: dict[str, Table] = {
    name: table(
        f"input.{name}",
        description,
        grain=f"one row per {', '.join(key.split())}",
        key=key,
        spec=f"{spec} recorded_at*",
        level="learner",
    )
    for name, description, key, spec in _SPECS
}

# Besides statements.
MINIMUM = ("enrolment",)

_KNOWLEDGE = columns("known_at is_known_at_assumed is_deleted* source_name file_name")
KNOWLEDGE_COLUMNS = tuple(column.name for column in _KNOWLEDGE)
"""What a raw table knows of a row beside what its file tells."""


def raw_table(source: Table) -> Table:
    """Return the contract of what schema `raw` keeps of an input table."""
    kept = [
        Column(PSEUDONYM_OF[column.name], FIELDS[PSEUDONYM_OF[column.name]], column.is_required)
        if column.name in PSEUDONYM_OF
        else column
        for column in source.columns
        if column.name in PSEUDONYM_OF or not column.field.is_personal
    ]
    names = {column.name for column in kept}
    key = tuple(PSEUDONYM_OF.get(name, name) for name in source.key)
    return Table(
        "raw",
        source.name,
        f"{source.description}, as taken in, persons' keys replaced",
        f"{source.grain} and version",
        tuple(name for name in key if name in names),
        (*kept, *_KNOWLEDGE),
        source.level,
        is_versioned=True,
    )


# Identifiers as given live in the identity store alone, so `learner_identity` has no raw table.
RAW_INPUTS: dict[str, Table] = {
    name: raw_table(source) for name, source in INPUTS.items() if name != "learner_identity"
}

RAW_STATEMENT = table(
    "raw.statement",
    "Accepted statements as taken in, identities replaced",
    grain="one row per statement, content and time of storing; core decides between them",
    key="",
    level="statement",
    spec="statement_id identity_id* actor_kind member_identity_ids* verb_iri object_kind object_iri* activity_type_iri* "
    "context_iris* registration* scaled_score* is_success* is_completion* duration_seconds* progress_share* event_count "
    "voids_statement_id* happened_at stored_at* known_at is_known_at_assumed content_hash source_name file_hash",
)

RAW_FILE = table(
    "raw.file",
    "Files taken in, once by content",
    grain="one row per content hash and table",
    key="file_hash table_name",
    spec="file_hash source_name file_name table_name row_count quarantined_count taken_at*",
)

RAW_QUARANTINE = table(
    "raw.quarantine",
    "Rows refused, with their reason; the raw text stays in the identity store",
    grain="one row per refused row",
    key="fault_id",
    spec="fault_id table_name source_name file_name file_hash line_number* column_name* reason requirement_id* detail",
)

RAW_RELEASED = table(
    "raw.released",
    "Rows that waited in quarantine for a course, match or goal, and were taken when it came",
    grain="one row per refused row that was taken later",
    key="fault_id",
    spec="fault_id table_name source_name file_name file_hash",
)

RAW_TABLES: tuple[Table, ...] = (*RAW_INPUTS.values(), RAW_STATEMENT, RAW_FILE, RAW_QUARANTINE, RAW_RELEASED)
