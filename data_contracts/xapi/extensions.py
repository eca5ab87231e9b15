"""Extensions of results that are kept, and what they tell; every other extension is dropped at the door.

Belongs here: IRIs of extensions whose value is a number we use. Does not belong here: verbs and types (`vocabulary`).
"""

from __future__ import annotations

# IRI of a result extension -> what its number must be multiplied by to become a share of the activity.
# xAPI video profile 1.0 (section 3.3: progress, 0 to 1); cmi5 (section 9.5.5.1: progress, 0 to 100).
PROGRESS_SCALES: dict[str, float] = {
    "https://w3id.org/xapi/video/extensions/progress": 1.0,
    "https://w3id.org/xapi/cmi5/result/extensions/progress": 0.01,
}
