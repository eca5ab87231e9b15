"""The model card's standing words: purpose, protocol, limits, uses that are not allowed, what the figures mean.

Belongs here: what is true of every model that is trained here. Does not belong here: anything that depends on one
(`card.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PURPOSE = (
    (
        "The model estimates, for each active enrolment, how probable it is that the learner abandons the course within 7 and "
        "within 28 days. Mentors get a list of those with the highest probability, as long as their minutes reach, with "
        "reasons in words, so that help is offered in time."
    ),
    (
        "A score never acts by itself: a person reads it, knows more than it does, and decides. A reason says what moved this "
        "model's score; it is no promise that a change would lower the risk."
    ),
)
PROHIBITED = (
    "Not for appraisal, pay, selection or discipline, of learners or of mentors. In particular not:",
    "to judge, rank or reward a mentor by the risk of their learners, or a manager by that of their people;",
    "to admit, refuse, exclude or unenrol anybody, or to decide about money, a place or a contract;",
    "to tell a learner's manager a probability, a rank or a band;",
    "to claim that mentoring lowered the risk: that is estimated apart, with its own interval and verdict.",
)
KIND = (
    "the mean of the log odds of gradient boosted trees (LightGBM) and of a logistic regression, one model for all horizons, "
    "calibrated for each"
)
PROTOCOL = (
    (
        "The score is the mean of two log odds, of gradient boosted trees and of a logistic regression on the same inputs. Trees "
        "find what depends on what; the line keeps its head where a course differs from all before."
    ),
    (
        "For how many days ahead it is asked is an input, so one model answers for 7 and for 28 days and learns from each window "
        "as it closes. A landmark whose 28 days are over teaches one of the two, by lot; a newer one its 7 days."
    ),
    (
        "Forward in time: nothing that is later than a prediction has any part in it. Parts of the data are cut by day and a gap "
        "as long as the horizon lies between them, so that every label is complete before the next part begins."
    ),
    (
        "Three fits. The first, of the earlier landmarks, gives scores of later ones and from them the first calibration; the "
        "size of the trees is chosen there. The second, of all landmarks before the test, is what the figures below judge. "
        "The third, of all landmarks whose window is over, scores tonight and is calibrated on the test's scores."
    ),
    "So what is judged is what is used, one step earlier: the scoring model has seen more recent data than the judged one.",
    (
        "Calibration goes half of the way from the scores as they are to the line that fits them best (Platt's), because "
        "slopes differ from one part of the data to the next by as much as they differ from 1. Each course run has an offset, "
        "drawn towards 0, from its 7-day windows, which close first. The probability for 7 days is at most that for 28."
    ),
    (
        "Abandonments of an administrative batch are left out of training and calibration and stay in the test: they are part of "
        "what the figures below say."
    ),
    (
        "Landmarks of a learner whom a mentor contacted because of an alert are left out of training and calibration where "
        "their window holds the contact or begins within the horizon after it: what became of a learner who was helped does "
        "not say what would have. The test keeps them, and stands once more without them. Held-out learners stay in."
    ),
    (
        "Beside it stand the logistic regression by itself, not calibrated, and the field's rule: no activity for 7 days."
    ),
    "Landmarks of one enrolment are alike, so every interval counts enrolments and not landmarks.",
    "A label counts once its window is over, also where the abandonment is known before.",
)
LABELS = (
    "the recorded status of the enrolment, on the day of the status;",
    "else a statement that the course as such was completed, passed or satisfied: then it is not abandoned;",
    (
        "else, where no enrolment at all has a final status, silence: abandoned on the last day of learning in the course, "
        "which is known {days} days later."
    ),
    (
        "Completed, failed, left the organisation, transferred, waived, cancelled and withdrawn by the administration end an "
        "enrolment without being an abandonment. What mentors write never decides it."
    ),
)
LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "too_early": "Too early: with under a week of history the model knows hardly more than the course. Such scores are "
        "marked, and nobody is alerted because of them.",
        "day_only": "Days without hours: this data says on which day something was done and not when. Nothing is known "
        "of hours and sessions, and what happened on a day counts from the next day on.",
        "silence": "Silence as a label: an abandonment that is inferred from silence is partly what the features say already, so "
        "figures that rest on such labels flatter the model.",
        "batches": "Administrative batches: where an office enters many withdrawals on one day, that day says nothing about "
        "the learners. A day counts as one where a course run loses at least 10, and at least 8 times the daily mean of the "
        "28 days before, or of as many as it has run, at least 7. "
        "Nothing is learned from such abandonments; in the figures the model is blamed or praised for them.",
        "drift": "Drift between course runs: a new run differs from the last one (other assignments, other people), so "
        "the ranking is a little worse and probabilities may be off until the first labels of the run are known.",
        "looked_normal": "Many who leave looked like everybody else a week before. No one is safe because the model is calm.",
        "missed": "A list as long as one landmark in ten holds {recall} of the abandonments; {precision} of those on it are "
        "abandoned within 28 days. The others on it stay at least that long.",
        "cause": "The model finds what goes together with abandonment, not what causes it.",
    }
)
DIRECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "right": "about as spread out as they should be",
        "timid": "too timid: high ones are too low, low ones too high",
        "extreme": "too extreme: high ones are too high, low ones too low",
    }
)
NOT_SCORED = (
    "Learners who opted out are neither scored nor learned from: {opted_out}.",
    "Learners on leave are scored, but nobody is alerted about them.",
    "Enrolments that have ended, or not begun, are no prediction and have no score.",
    (
        "In the first days a score is marked as too early and raises no alert: until {days} days after the first work was "
        "due, at the latest {at_most} days after activity was possible; {days} days after that where no work is due."
    ),
)
ESTIMATORS: Mapping[str, str] = MappingProxyType(
    {
        "model": "the model",
        "logistic_regression": "logistic regression",
        "inactive_7d_rule": "rule: no activity for 7 days",
    }
)
ABOUT_FIGURES = "Figures on this page"
METRICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "roc_auc": (
            "AUC",
            "of one that is abandoned and one that is not, how often the first has the higher risk; 0.5 is a coin's toss",
        ),
        "pr_auc": ("PR AUC", "precision averaged over all lengths of the list; compare it with the share abandoned"),
        "recall_at_10_percent": (
            "recall at 10\u00a0%",
            "of all abandonments, the share among the 10 % with the highest risk",
        ),
        "precision_at_10_percent": (
            "precision at 10\u00a0%",
            "among the 10 % with the highest risk, the share abandoned",
        ),
        "recall_at_20_percent": ("recall at 20\u00a0%", "the same for the 20 % with the highest risk"),
        "precision_at_20_percent": ("precision at 20\u00a0%", "the same for the 20 % with the highest risk"),
        "brier_skill": (
            "Brier skill",
            "how much smaller the squared error is than if everybody were told the same; 0 is no gain, 1 is perfect",
        ),
        "calibration_slope": (
            "calibration slope",
            "1 is right; below 1 the probabilities are too extreme, above 1 too timid",
        ),
        "calibration_intercept": (
            "calibration intercept",
            "0 is right; above 0 more are abandoned than said, below 0 fewer (log odds)",
        ),
        "lead_days_median": (
            "lead days",
            "median days from the first time among the 10 % with the highest risk to the abandonment, where there was one",
        ),
        "expected_over_observed": (
            "said over seen",
            "the group's probabilities added up, over its abandonments; 1 is right",
        ),
        "base_rate": ("share abandoned", "landmarks that an abandonment followed, of all"),
        "alert_rate": ("alerted", "share of the group's landmarks among the 10 % with the highest risk of all"),
        "recall": ("recall", "share of the group's abandonments among them"),
        "false_positive_rate": (
            "false alarms",
            "share among them of the group's landmarks that no abandonment followed",
        ),
        "psi": ("population stability", "how far a distribution has moved; under 0.1 stable, from 0.25 large"),
        "abroca": (
            "ABROCA",
            "area between the group's curve and everybody's; 0 is the same ranking, beside what chance alone would give",
        ),
    }
)


def label(name: str) -> str:
    """A name of the contracts as words."""
    return name.replace("_", " ")
