"""core.identity_link and core.identity_conflict: which learner each identity belongs to.

Belongs here: linking by learner_identity, by a learner_key that equals an identifier, or not at all; conflicts.
Does not belong here: normalising identifiers (`pipelines.statements.identity`).
"""

from __future__ import annotations

from data_contracts.tables.core import IDENTITY_CONFLICT, IDENTITY_LINK
from pipelines.resources import Night
from pipelines.sources.record import FaultRow, Recorder

_LINKS = """
WITH
given AS (SELECT identity_id, learner_id, 'learner_identity' AS link_source FROM identity.main.identifier_link),
written AS (
    SELECT identity_id, identity_value AS person_key FROM identity.main.identifier
    UNION SELECT identity_id, regexp_replace(identity_value, '^mailto:', '') FROM identity.main.identifier
    UNION SELECT identity_id, lower(identity_value) FROM identity.main.identifier WHERE identity_type = 'mbox_sha1sum'
    UNION SELECT identity_id, sha1('mailto:' || regexp_replace(identity_value, '^mailto:', ''))
    FROM identity.main.identifier WHERE identity_type = 'mbox'
    UNION SELECT identity_id, regexp_extract(identity_value, '::(.*)$', 1)
    FROM identity.main.identifier WHERE identity_type = 'account'
),
-- A mbox and its sha1sum are one identity, whichever of them was seen first.
named AS (
    SELECT person_id, person_key FROM identity.main.person
    UNION SELECT person_id, sha1('mailto:' || regexp_replace(person_key, '^mailto:', ''))
    FROM identity.main.person WHERE contains(person_key, '@')
),
keyed AS (
    SELECT DISTINCT identity_id, p.person_id AS learner_id, 'learner_key' AS link_source
    FROM written JOIN named AS p USING (person_key)
    WHERE p.person_id IN (SELECT learner_id FROM raw.enrolment)
      AND identity_id NOT IN (SELECT identity_id FROM given)
),
links AS (SELECT * FROM given UNION ALL SELECT * FROM keyed),
told AS (
    SELECT identity_id, min(learner_id) AS learner_id, min(link_source) AS link_source,
           count(DISTINCT learner_id) AS learners
    FROM links GROUP BY identity_id
)
"""


# Whoever acted: agents, and the members of groups; a group's own identifier is nobody's.
_SEEN = """
    SELECT identity_id FROM raw.statement WHERE actor_kind = 'agent' AND identity_id IS NOT NULL
    UNION
    SELECT unnest(string_split(member_identity_ids, ' ')) FROM raw.statement WHERE member_identity_ids IS NOT NULL
"""


def link_identities(night: Night) -> int:
    """Fill core.identity_link and core.identity_conflict; returns the rows of the first.

    An identity that two learners claim is linked to neither: it stands in core.identity_conflict and in quarantine. A
    learner_id comes from the learner's own key, so identities linked later join the learner who was there before.
    """
    warehouse = night.warehouse
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE claim AS {_LINKS} FROM told")
    conflicts = warehouse.rows("SELECT identity_id FROM claim WHERE learners > 1 ORDER BY 1")
    record = Recorder(warehouse)
    for (identity_id,) in conflicts:
        detail = f"identity {identity_id} is claimed by several learners and linked to none; keep one row for it"
        fault = FaultRow("learner_identity", None, "identity_value", "identity_conflict", None, detail, "")
        record.faults([fault], "core", "learner_identity", identity_id)
    links = warehouse.replace(
        IDENTITY_LINK,
        f"""
        WITH seen AS ({_SEEN})
        SELECT coalesce(seen.identity_id, claim.identity_id) AS identity_id,
               CASE WHEN claim.learners = 1 THEN claim.learner_id ELSE coalesce(seen.identity_id, claim.identity_id) END
                   AS learner_id,
               coalesce(claim.learners = 1, false) AS is_linked,
               CASE WHEN claim.learners = 1 THEN claim.link_source ELSE 'identity' END AS link_source
        FROM seen FULL JOIN claim USING (identity_id)
        ORDER BY identity_id
        """,
    )
    before = night.observed_sql
    warehouse.replace(
        IDENTITY_CONFLICT,
        f"""
        WITH disputed AS (SELECT identity_id, learners FROM claim WHERE learners > 1),
        acted AS (
            SELECT identity_id, statement_id, happened_at FROM raw.statement
            WHERE actor_kind = 'agent' AND known_at < {before} AND identity_id IN (SELECT identity_id FROM disputed)
            UNION ALL
            SELECT unnest(string_split(member_identity_ids, ' ')), statement_id, happened_at FROM raw.statement
            WHERE member_identity_ids IS NOT NULL AND known_at < {before}
        )
        SELECT d.identity_id, any_value(d.learners) AS claiming_learners_count,
               count(DISTINCT a.statement_id) AS statements_count, CAST(min(a.happened_at) AS DATE) AS first_seen_on,
               CAST(max(a.happened_at) AS DATE) AS last_seen_on
        FROM disputed AS d LEFT JOIN acted AS a USING (identity_id)
        GROUP BY d.identity_id ORDER BY d.identity_id
        """,
    )
    return links
