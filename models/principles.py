"""The twelve guiding principles of Phillips's ROI methodology, held against what each programme's figures rest on.

Belongs here: which of them data can check, and what shows it. Does not belong here: the figures (`models.roi`).
Source: J. J. Phillips and P. P. Phillips, the ROI Methodology; worded anew, numbers theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from data_contracts.tables.marts import MARTS
from models.contract import schema_of
from models.learning_mix import ALL_COURSES
from models.roi_book import Book, Ledger

PRINCIPLES = (
    "who measures results also measures what comes before them: reaction, learning, application",
    "where a higher level is measured in depth, lower ones need not be",
    "only the most credible sources are used",
    "of several choices the most conservative one is taken",
    "the effect is isolated by at least one method",
    "where there are no data, no improvement is assumed",
    "estimates are adjusted for their possible error",
    "extreme values and unsupported claims are left out",
    "a short programme counts the benefits of the first year alone",
    "the cost is fully loaded",
    "what is not converted to money is kept apart as intangible",
    "results are told to everybody concerned",
)
_IMPACT = 4
NOTHING_CLAIMED = "no benefit is claimed"


class _Judged(NamedTuple):
    is_kept: bool | None
    evidence: str


def roi_principle(ledger: Ledger, roi: pl.DataFrame, surveys: pl.DataFrame) -> pl.DataFrame:
    """The mart `roi_principle` without publication_id, sorted by its key.

    Args:
        ledger: the night's.
        roi: `programme_roi` of it.
        surveys: programme_id, outcome_level (1 reaction, 2 learning, 3 application, 4 impact), answers_count.

    is_principle_kept is null where the programme claims nothing that the principle could be broken by, and for what no
    data can tell: how much effort went into a level (2), which source is the most credible (3), who was told (12).
    """
    rows = [
        {
            "programme_id": book.programme["programme_id"],
            "principle_number": number,
            "principle": words,
            "is_principle_kept": judged.is_kept,
            "evidence": judged.evidence,
        }
        for book in ledger.books()
        for number, (words, judged) in enumerate(
            zip(PRINCIPLES, _Checks.of(book, roi, surveys).judged(), strict=True), start=1
        )
    ]
    table = MARTS["roi_principle"]
    schema = schema_of(table, without=("publication_id",))
    return pl.DataFrame(rows, schema=schema).sort([name for name in table.key if name in schema])


class _Checks(NamedTuple):
    """One programme: its book, its rows with an ROI of all courses, answers by outcome level."""

    book: Book
    claims: pl.DataFrame
    answers: dict[int, int]

    @classmethod
    def of(cls, book: Book, roi: pl.DataFrame, surveys: pl.DataFrame) -> _Checks:
        programme_id = book.programme["programme_id"]
        claims = roi.filter(
            pl.col("roi_percent").is_not_null(), programme_id=programme_id, course_id=ALL_COURSES, strand="all"
        )
        answered = surveys.filter(programme_id=programme_id).select("outcome_level", "answers_count").sort(pl.all())
        return cls(book, claims, dict(answered.iter_rows()))

    def judged(self) -> Iterator[_Judged]:
        """By number."""
        yield self._levels()
        yield _Judged(None, "not to be told from data: what a study of each level was worth is a judgement")
        yield self._sources()
        yield self._conservative()
        yield self._isolated()
        yield self._nothing_without_data()
        yield self._errors()
        yield self._extremes()
        yield self._first_year()
        yield self._loaded()
        yield self._intangible()
        yield _Judged(None, "not to be told from data: who read the results")

    def _counted(self, left_out: str | None = None) -> pl.DataFrame:
        """Benefit rows that count, or that are left out for a reason."""
        rows = self.book.benefits
        return rows.filter(pl.col("left_out").is_null() if left_out is None else pl.col("left_out") == left_out)

    def _levels(self) -> _Judged:
        levels = set(self.answers) | ({_IMPACT} if self._counted().height or self.claims.height else set())
        if not levels:
            return _Judged(None, "nothing is measured: no answer to a survey, no benefit")
        missing = sorted(set(range(1, max(levels))) - levels)
        measured = ", ".join(map(str, sorted(levels)))
        without = f"; none at {', '.join(map(str, missing))}" if missing else ""
        return _Judged(not missing, f"outcome levels measured: {measured}{without}")

    def _sources(self) -> _Judged:
        sources = sorted({str(name) for name in self._counted()["source"].drop_nulls()})
        if not sources:
            return _Judged(None, NOTHING_CLAIMED if self.claims.is_empty() else "the effect is estimated from logs")
        return _Judged(None, f"benefit rows name {len(sources)} sources; which is most credible is a judgement")

    def _conservative(self) -> _Judged:
        by_method = self.claims.pivot("method", index=["component", "isolation"], values="roi_percent")
        if by_method.is_empty() or not {"full", "conservative"} <= set(by_method.columns):
            return _Judged(None, NOTHING_CLAIMED)
        is_lower = bool((by_method["conservative"] <= by_method["full"]).all())
        return _Judged(is_lower, "beside each ROI stands a conservative one, all measured time is charged")

    def _isolated(self) -> _Judged:
        if self.claims.is_empty():
            return _Judged(None, NOTHING_CLAIMED)
        whole = self._counted().filter(pl.col("attribution_share") >= 1).height
        if whole:
            return _Judged(False, f"{whole} benefit rows are attributed to the programme in full")
        return _Judged(True, f"by {', '.join(sorted(set(self.claims['isolation'])))}")

    def _nothing_without_data(self) -> _Judged:
        return _Judged(
            True, "who and what no row or estimate covers counts as no benefit; completions alone claim none"
        )

    def _errors(self) -> _Judged:
        if self.claims.is_empty():
            return _Judged(None, NOTHING_CLAIMED)
        certain = self._counted().filter(pl.col("confidence_share") >= 1).height
        if certain:
            return _Judged(False, f"{certain} benefit rows claim full confidence")
        return _Judged(True, "estimates carry their confidence, effects their interval")

    def _extremes(self) -> _Judged:
        if self.book.benefits.is_empty():
            return _Judged(None, "no benefit row")
        return _Judged(True, f"{self._counted('extreme').height} extreme benefit rows left out")

    def _first_year(self) -> _Judged:
        if self.book.benefits.is_empty():
            return _Judged(None, "no benefit row")
        late = self._counted("after the first year").height
        return _Judged(True, f"{late} benefit rows later than a year after the programme's end left out")

    def _loaded(self) -> _Judged:
        if self.book.costs.is_empty():
            return _Judged(None, "no cost row")
        doubts = self.book.cost_doubts(self.book.scope(ALL_COURSES, "programme"))
        return _Judged(not doubts, "; ".join(doubts) or "learners' and mentors' time and shares of common costs are in")

    def _intangible(self) -> _Judged:
        answers = sum(self.answers.values())
        if not answers:
            return _Judged(None, "no answer to a survey")
        least = self.book.settings.least_people
        told = f"{answers} answers" if answers >= least else f"fewer than {least} answers"
        return _Judged(True, f"{told} to surveys stay answers, none is converted to money")
