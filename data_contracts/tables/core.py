"""Tables of schema `core`: cleaned, joined, attributed, compact.

Belongs here: what statements and mentoring logs become before features. Does not belong here: features, labels.
"""

from __future__ import annotations

from data_contracts.schema import Table
from data_contracts.tables import table
from data_contracts.tables.inputs import RAW_STATEMENT

IDENTITY_LINK = table(
    "core.identity_link",
    "Which learner each identity belongs to",
    grain="one row per identity",
    key="identity_id",
    level="learner",
    spec="identity_id learner_id is_linked link_source",
)
IDENTITY_CONFLICT = table(
    "core.identity_conflict",
    "Identities that several learners claim; they are linked to none until one claim is left",
    grain="one row per identity",
    key="identity_id",
    level="learner",
    spec="identity_id claiming_learners_count statements_count first_seen_on* last_seen_on*",
)
ENROLMENT = table(
    "core.enrolment",
    "One learner in one course run, with its end as known at observed_at",
    grain="one row per enrolment",
    key="enrolment_id",
    level="learner",
    spec="enrolment_id learner_id programme_id course_id* participation_id enrolled_epoch_day "
    "course_start_epoch_day course_end_epoch_day ended_epoch_day* ended_known_epoch_day* ended_kind* ended_rule* "
    "has_recorded_outcome studied_credits* previous_attempts_count* org_unit* timezone opted_out_at*",
)
PARTICIPATION = table(
    "core.participation",
    "One learner in one programme, with how it stands at observed_at",
    grain="one row per participation",
    key="participation_id",
    level="learner",
    spec="participation_id learner_id programme_id status:participation_status starts_on:from_on "
    "ended_on:participation_ended_on* mentor_id* match_id*",
)
STATEMENT = table(
    "core.statement",
    "Statements with their meaning, voided ones gone, attributed to enrolments",
    grain="one row per statement and learner; of a group's statement one for each member",
    key="statement_id learner_id",
    level="statement",
    spec="statement_id identity_id* learner_id* enrolment_id* course_id* attribution verb_kind is_act activity_kind "
    "strand object_iri* is_about_course scaled_score* event_count duration_seconds* happened_at known_at epoch_day "
    "known_epoch_day first_second registration* is_certain is_unknown_verb is_unknown_type",
)
STATEMENT_KEY = table(
    "core.statement_key",
    "Where each id stands in raw.statement, so that a night finds few statements without reading all",
    grain="one row per row of raw.statement",
    key="row_number",
    spec="row_number statement_hash",
)
NOTED_STATEMENT = Table(
    "core",
    "noted_statement",
    "Copies of the statements that decide about others: those that void, and all contents of ids that stand repeatedly",
    "one row per such row of raw.statement",
    (),
    RAW_STATEMENT.columns,
    "statement",
)
STATEMENT_BASIS = table(
    "core.statement_basis",
    "What statements were attributed by, so that only those are attributed anew of whom it changed",
    grain="one row per identity (its learner) and per learner (zone and enrolments)",
    key="basis_kind basis_key",
    level="learner",
    spec="basis_kind basis_key basis_digest",
)
REGISTRATION_USE = table(
    "core.registration_use",
    "What registrations of statements were seen with, where learner and enrolment are certain",
    grain="one row per registration, learner and enrolment",
    key="registration learner_id enrolment_id",
    level="learner",
    spec="registration learner_id enrolment_id* statements_count",
)
RESTATED = table(
    "core.restated",
    "What changed in statements and days, until what is made of it has been made anew",
    grain="one row per table to be made anew and learner, enrolment and local day",
    key="",
    level="learner",
    spec="restated_kind learner_id* enrolment_id* epoch_day*",
)
HEARD_TERM = table(
    "core.heard_term",
    "Verbs and activity types as statements have them, counted so that a night adds its own to those before",
    grain="one row per IRI and source",
    key="term_kind term_iri source_name",
    spec="term_kind term_iri source_name statements_count first_seen_on last_seen_on",
)
STATEMENT_TALLY = table(
    "core.statement_tally",
    "How many rows of core.statement are alike in what findings count; a night corrects it by rows that go and come",
    grain="one row per combination",
    key="attribution verb_kind is_act is_unknown_verb is_unknown_type",
    spec="attribution verb_kind is_act is_unknown_verb is_unknown_type statements_count",
)
UNKNOWN_TERM = table(
    "core.unknown_term",
    "Verbs and activity types that no vocabulary lists",
    grain="one row per term",
    key="term_kind term",
    spec="term_kind term statements_count first_seen_on last_seen_on source_names",
)
STATEMENT_FINDING = table(
    "core.statement_finding",
    "What was found while statements were deduplicated, read and attributed",
    grain="one row per finding and value",
    key="finding finding_value",
    spec="finding finding_value* found_count out_of_count",
)
ENROLMENT_DAY = table(
    "core.enrolment_day",
    "The compact state: what an enrolment did on a local day",
    grain="one row per enrolment, local day, day known, strand and activity kind",
    key="enrolment_id epoch_day known_epoch_day strand activity_kind",
    level="learner",
    spec="enrolment_id epoch_day known_epoch_day strand activity_kind events_count minutes "
    "distinct_activities_count scored_count first_second last_second",
)
DAY_STATE = table(
    "core.day_state",
    "What the days were made of, so that only days whose statements changed are made anew",
    grain="one row per learner, enrolment and local day",
    key="learner_id enrolment_id epoch_day",
    level="learner",
    spec="learner_id enrolment_id* epoch_day statements_count statements_digest",
)
LEARNER_ACTIVITY = table(
    "core.learner_activity",
    "Activity of learners that belongs to no enrolment",
    grain="one row per learner, local day, strand and activity kind",
    key="learner_id epoch_day strand activity_kind",
    level="learner",
    spec="learner_id epoch_day strand activity_kind events_count minutes",
)
OPENED_ACTIVITY = table(
    "core.opened_activity",
    "Which activities an enrolment has opened, and since when that is known",
    grain="one row per enrolment and activity",
    key="enrolment_id activity_iri",
    level="learner",
    spec="enrolment_id activity_iri known_epoch_day statements_digest",
)
SUBMISSION = table(
    "core.submission",
    "Assessed work and when it was handed in",
    grain="one row per enrolment and assessed activity",
    key="enrolment_id activity_iri",
    level="learner",
    spec="enrolment_id activity_iri due_epoch_day* weight* submitted_epoch_day* known_epoch_day* score_share* "
    "score_known_epoch_day*",
)
MENTORING_MATCH = table(
    "core.mentoring_match",
    "Matches of mentor and learner with what they agreed, as known at observed_at",
    grain="one row per match",
    key="match_id",
    level="learner",
    spec="match_id mentor_id learner_id programme_id participation_id timezone mentor_timezone matched_epoch_day "
    "known_epoch_day match_ended_epoch_day* match_ended_known_epoch_day* agreed_sessions_per_week* agreed_minutes* "
    "agreed_channel* purpose* mentor_kind* is_purpose_fit* trained_epoch_day* org_unit* mentor_org_unit* "
    "is_across_org_units*",
)
MENTORING_EVENT = table(
    "core.mentoring_event",
    "What happened between a mentor and a learner: sessions and messages on one time line",
    grain="one row per session or message",
    key="event_id",
    level="learner",
    spec="event_id match_id* mentor_id learner_id programme_id* event_kind happened_at epoch_day known_epoch_day "
    "mentor_epoch_day minutes meeting_id* channel:event_channel* level* learner_rating* mentor_rating* is_start "
    "answered_at* answered_known_epoch_day*",
)
MENTORING_FINDING = table(
    "core.mentoring_finding",
    "What was found while mentoring logs were joined",
    grain="one row per finding and table",
    key="finding table_name",
    spec="finding:mentoring_finding table_name found_count out_of_count",
)
MENTOR_WEEK = table(
    "core.mentor_week",
    "Each mentor's local weeks over all programmes: minutes available, meetings, learners",
    grain="one row per mentor and local ISO week, from the first match or meeting to the week after observed_at",
    key="mentor_id week_starts_on",
    level="mentor",
    spec="mentor_id week_starts_on available_minutes is_capacity_assumed planned_minutes held_minutes "
    "meetings_held_count learners_count programmes_count",
)
AWAY_DAY = table(
    "core.away_day",
    "Days on which a learner is not expected: own leave, closed days of the organisation",
    grain="one row per learner and local day",
    key="learner_id epoch_day",
    level="learner",
    spec="learner_id epoch_day known_epoch_day away_kind",
)
GOAL = table(
    "core.goal",
    "Goals as agreed, each new agreement beside those before it",
    grain="one row per goal and version",
    key="goal_id version_number",
    level="learner",
    spec="goal_id version_number match_id mentor_id learner_id programme_id kind:goal_kind agreed_epoch_day "
    "due_epoch_day* baseline_value* target_value* weight* known_epoch_day superseded_epoch_day*",
)
GOAL_UPDATE = table(
    "core.goal_update",
    "How goals stood when they were measured, by the agreement then in force",
    grain="one row per goal and local day",
    key="goal_id epoch_day",
    level="learner",
    spec="goal_id match_id learner_id programme_id epoch_day known_epoch_day attained_share* status:goal_status*",
)
COMMITMENT = table(
    "core.commitment",
    "What was promised in a session, and what became of it",
    grain="one row per commitment",
    key="commitment_id",
    level="learner",
    spec="commitment_id event_id match_id* mentor_id learner_id programme_id* made_epoch_day made_known_epoch_day "
    "due_epoch_day* reviewed_epoch_day* reviewed_known_epoch_day* status:commitment_status next_met_epoch_day* "
    "is_reviewed_at_next*",
)
REGISTRATION = table(
    "core.registration",
    "Who was invited to a programme, registered, and was matched",
    grain="one row per learner and programme",
    key="learner_id programme_id",
    level="learner",
    spec="learner_id programme_id participation_id route is_hipo* baseline_score* invited_epoch_day* "
    "registered_epoch_day* decision* decided_epoch_day* first_matched_epoch_day*",
)

CORE_TABLES: tuple[Table, ...] = (
    IDENTITY_LINK,
    IDENTITY_CONFLICT,
    ENROLMENT,
    PARTICIPATION,
    STATEMENT,
    UNKNOWN_TERM,
    STATEMENT_FINDING,
    ENROLMENT_DAY,
    DAY_STATE,
    LEARNER_ACTIVITY,
    OPENED_ACTIVITY,
    SUBMISSION,
    MENTORING_MATCH,
    MENTORING_EVENT,
    MENTORING_FINDING,
    MENTOR_WEEK,
    AWAY_DAY,
    GOAL,
    GOAL_UPDATE,
    COMMITMENT,
    REGISTRATION,
)

# What one night remembers for the next; it says how tables were made, not what is in them, and a rebuild makes its own.
CORE_STATE: tuple[Table, ...] = (
    STATEMENT_KEY,
    NOTED_STATEMENT,
    STATEMENT_BASIS,
    REGISTRATION_USE,
    HEARD_TERM,
    STATEMENT_TALLY,
    RESTATED,
)
