"""core.identity_link: which learner each identity belongs to.

Belongs here: linking by learner_identity, by a learner_key that equals an identifier, or not at all; conflicts.
Does not belong here: normalising identifiers (`pipelines.statements.identity`).
"""

from __future__ import annotations

from data_contracts.tables.core import IDENTITY_LINK
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


def link_identities(night: Night) -> int:
    """Fill core.identity_link; an identity that two learners claim is linked to neither and goes to quarantine."""
    warehouse = night.warehouse
    conflicts = warehouse.rows(f"{_LINKS} SELECT identity_id FROM told WHERE learners > 1 ORDER BY 1")
    record = Recorder(warehouse)
    for (identity_id,) in conflicts:
        detail = f"identity {identity_id} is claimed by several learners and linked to none; keep one row for it"
        fault = FaultRow("learner_identity", None, "identity_value", "identity_conflict", None, detail, "")
        record.faults([fault], "core", "learner_identity", identity_id)
    return warehouse.replace(
        IDENTITY_LINK,
        f"""
        {_LINKS},
        seen AS (SELECT DISTINCT identity_id FROM raw.statement WHERE identity_id IS NOT NULL)
        SELECT coalesce(seen.identity_id, told.identity_id) AS identity_id,
               CASE WHEN told.learners = 1 THEN told.learner_id ELSE coalesce(seen.identity_id, told.identity_id) END
                   AS learner_id,
               coalesce(told.learners = 1, false) AS is_linked,
               CASE WHEN told.learners = 1 THEN told.link_source ELSE 'identity' END AS link_source
        FROM seen FULL JOIN told USING (identity_id)
        ORDER BY identity_id
        """,
    )
