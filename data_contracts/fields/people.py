"""Fields about persons: learners, mentors, their identities and pseudonyms.

Belongs here: identifiers, pseudonyms, attributes of a person. Does not belong here: what a person does.
"""

from __future__ import annotations

from data_contracts.schema import count, date, flag, instant, text

PERSONAL = True

FIELDS = (
    text("learner_key", "Identifier of the learner as the operator gives it", is_personal=PERSONAL),
    text("mentor_key", "Identifier of the mentor as the operator gives it", is_personal=PERSONAL),
    text("manager_key", "Identifier of the learner's manager", is_personal=PERSONAL),
    text("owner_key", "Identifier of the person who owns the course", is_personal=PERSONAL),
    text("coordinator_key", "Identifier of the programme's coordinator", is_personal=PERSONAL),
    text("subject_key", "Whom a survey answer is about: a learner, a mentor or a match", is_personal=PERSONAL),
    text("respondent_key", "Who answered the survey", is_personal=PERSONAL),
    text("by", "Identifier of the person who gave the feedback", is_personal=PERSONAL),
    text("display_name", "Name as people read it", is_personal=PERSONAL),
    text("contact_address", "Mail address or other place for messages", is_personal=PERSONAL),
    text("identity_value", "The identifier itself; an account is written homePage::name", is_personal=PERSONAL),
    text("gender", "Audit attribute, never a feature", is_personal=PERSONAL),
    text("age_band", "Audit attribute, never a feature", is_personal=PERSONAL),
    text("disability", "Audit attribute, never a feature", is_personal=PERSONAL),
    text("deprivation_band", "Audit attribute, never a feature", is_personal=PERSONAL),
    text("identity_type", "Which kind of identifier this is", "mbox", "mbox_sha1sum", "openid", "account"),
    text("learner_id", "Pseudonym of the learner"),
    text("mentor_id", "Pseudonym of the mentor"),
    text("manager_id", "Pseudonym of the learner's manager"),
    text("owner_id", "Pseudonym of the course's owner"),
    text("coordinator_id", "Pseudonym of the programme's coordinator"),
    text("subject_id", "Pseudonym of whom a survey answer is about, or the match"),
    text("respondent_id", "Pseudonym of who answered the survey"),
    text("by_id", "Pseudonym of who gave the feedback"),
    text("identity_id", "Keyed hash of one normalised identifier"),
    text("language", "Preferred language, as a BCP 47 tag"),
    text("org_unit", "Organisational unit of the learner"),
    date("left_on", "Last day in the organisation"),
    instant("opted_out_at", "When the learner opted out of scoring and alerts"),
    instant(
        "lottery_consented_at", "When the learner agreed that a lot may decide between equal claims to a mentor's time"
    ),
    date("from_on", "First day of the period"),
    date("to_on", "Last day of the period"),
    date("closed_on", "Day on which the organisation is closed"),
    text("mentor_kind", "What the mentor is to the learner", "peer", "alumnus", "manager", "independent", "expert"),
    flag("is_external", "Whether the mentor is outside the organisation"),
    count("capacity_minutes_per_week", "Minutes a week the mentor has for learners", "minutes per week"),
    count("max_learners", "How many learners the mentor takes at most", "learners"),
    date("trained_on", "Day on which the mentor was trained"),
    text("skills", "Skills of the mentor, separated by semicolons"),
    count("minutes_per_week", "Minutes a week available in the period", "minutes per week"),
    flag("is_linked", "Whether the identity is linked to a learner by a row of learner_identity"),
    count("claiming_learners_count", "Learners who claim the identity", "learners"),
    text("link_source", "What made the link", "learner_identity", "learner_key", "identity"),
)
