"""Write the last section of docs/alerts.md from a home after a night: `python docs/alert_examples.py HOME`.

Belongs here: which ten alerts are shown, and what is laid beside them. Does not belong here: how they came to be.
The page is written for the demo's first night (`make run`); it needs the home's warehouse, marts and model.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from textwrap import fill
from typing import Any

import duckdb
import polars as pl

from data_contracts.features import BY_NAME, MODELLED_NAMES
from models.explain import by_fact, contributions
from models.store import load
from models.train import LONGEST, RiskModel

PAGE = Path(__file__).with_name("alerts.md")
BEGINS = "## Ten alerts, with the weeks behind them"
SHOWN, SHOWN_RISK, WEEKS = 10, 5, 10
PSEUDONYM, WIDTH = 8, 120
EPOCH = date(1970, 1, 1)
_GROUPS = {"risk": ("risk_band", "level"), "rule": ("rule", "level"), "good_news": ("rule", "level")}
_NO_CONTRIBUTION = 0.0005

HEADS = {
    "active_days": "active days",
    "events": "events",
    "minutes": "minutes",
    "elsewhere": "events in other courses",
    "handed_in": "handed in",
    "due": "due",
    "sessions": "sessions",
    "by_mentor": "messages by mentor",
    "by_learner": "by learner",
    "away": "days away",
}
ALWAYS = ("active days", "events", "minutes", "handed in", "due")

INTRO = f"""\
{BEGINS}

Alerts of the demo's first night, {{night}}: {{counts}}. The ten were not picked by
hand. {SHOWN_RISK} are risk alerts, the rest are rules' and good news; within each half alerts are grouped (risk by band and
level, the others by rule and level), groups take turns in the order of their names, and a group gives the alert whose
alert_id comes first. Pseudonyms are cut to {PSEUDONYM} characters.

Beside each alert stand the learner's last weeks: days with activity, events, minutes, pieces of work handed in (known by
the act or by its grade) and due, sessions held with the mentor, messages by mentor and learner, and days of leave or closure.
A risk alert is about one course, whose weeks these are; what was done in the programme's other courses stands beside them.
Where a column would be empty it is left out. A reason says
what raised this model's score for this learner; it does not say what would lower the risk if it changed. The sum below a
risk alert is exact: what each family of features adds to the log odds (where nothing was done because the learner is
silent, that counts for the silence, which is one fact), the raw score, and the calibrated probability that the alert shows.

Written by `python docs/alert_examples.py HOME` from a home after `make run`.
"""


def chosen(alerts: pl.DataFrame) -> pl.DataFrame:
    """Ten open alerts by the rule that the page states."""
    of_kind = {"risk": alerts.filter(kind="risk"), "other": alerts.filter(pl.col("kind") != "risk")}
    turns = {name: list(_in_turn(frame)) for name, frame in of_kind.items()}
    risk = turns["risk"][: max(SHOWN_RISK, SHOWN - len(turns["other"]))]
    names = [*risk, *turns["other"][: SHOWN - len(risk)]]
    order = {name: place for place, name in enumerate(names)}
    return alerts.filter(pl.col("alert_id").is_in(names)).sort(pl.col("alert_id").replace_strict(order))


def _in_turn(alerts: pl.DataFrame) -> Iterator[str]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in alerts.sort("alert_id").iter_rows(named=True):
        groups.setdefault(tuple(str(row[name]) for name in ("kind", *_GROUPS[row["kind"]])), []).append(row["alert_id"])
    for turn in zip_longest(*(groups[name] for name in sorted(groups))):
        yield from (name for name in turn if name)


class Page:
    """A home, and what of it stands beside an alert."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._con = duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)
        marts = str(home / "marts.duckdb").replace("'", "''")
        self._con.execute(f"ATTACH '{marts}' AS published (READ_ONLY)")
        self._at: datetime = self._one("SELECT observed_at FROM published.publication")
        self._tonight = (self._at.date() - EPOCH).days

    def text(self) -> str:
        """The whole section."""
        alerts = self._frame(
            "FROM alerts.alert WHERE observed_at = ? AND state IN ('new', 'reviewed', 'acted')", self._at
        )
        kinds = {"risk": "risk alerts", "rule": "rules' alerts", "good_news": "pieces of good news"}
        counts = ", ".join(f"{alerts.filter(kind=kind).height:,} {words}" for kind, words in kinds.items())
        ten = chosen(alerts)
        model_id: str | None = self._one("SELECT model_id FROM published.publication")
        model = load(self._home / "models", model_id) if model_id else None
        parts = [_wrapped(INTRO.format(night=f"{self._at:%-d %B %Y}", counts=counts))]
        for number, alert in enumerate(ten.iter_rows(named=True), start=1):
            parts.append("\n".join(self._told(number, alert, model)))
        return "\n".join(parts)

    def _told(self, number: int, alert: dict[str, Any], model: RiskModel | None) -> Iterator[str]:
        name = {"risk": f"risk, {alert['risk_band']} band", "good_news": "good news"}.get(alert["kind"], "rule")
        rule = f", `{alert['rule']}`" if alert["rule"] else ""
        yield f"### {number}. {name}{rule}: {alert['level']}\n"
        where = " / ".join(alert[name] for name in ("programme_id", "course_id") if alert[name])
        who = f"Alert `{_cut(alert['alert_id'])}` about learner `{_cut(alert['learner_id'])}` in {where}"
        yield _wrapped(f"{who}, {self._route(alert)}.\n")
        yield _wrapped(f"> {_sentence(alert)}\n", then="> ")
        step = alert["next_step"] or "none agreed"
        yield f"{alert['channel'].capitalize()}, {alert['expected_minutes']} minutes. Next step: {step}.\n"
        yield _table(self._weeks(alert))
        if alert["kind"] == "risk" and model:
            yield ""
            yield from self._sum(alert, model)
        yield ""

    def _route(self, alert: dict[str, Any]) -> str:
        if not alert["is_served"]:
            return f"not served: {alert['unserved_reason'].replace('_', ' ')}"
        kinds = {"own_mentor": "the own mentor", "spill_over": "another mentor of the programme"}
        if alert["mentor_id"] is None:
            return "served by the coordinator"
        return f"served by {kinds[alert['route_kind']]} `{_cut(alert['mentor_id'])}`"

    def _weeks(self, alert: dict[str, Any]) -> pl.DataFrame:
        """Ten weeks up to tonight, the latest last; nothing that was told after tonight."""
        monday = self._at.date() - timedelta(days=self._at.weekday())
        first = monday - timedelta(days=7 * (WEEKS if monday == self._at.date() else WEEKS - 1))
        return self._frame(
            f"""
            WITH week AS (
                SELECT CAST(unnest(range(DATE '{first}', DATE '{self._at:%Y-%m-%d}', INTERVAL 7 DAY)) AS DATE) AS week
            ),
            enrolment AS (
                SELECT enrolment_id, coalesce(enrolment_id = $enrolment, true) AS is_its FROM core.enrolment
                WHERE participation_id = $participation
            ),
            activity AS (
                SELECT week_starts_on AS week, sum(active_days_count) FILTER (is_its) AS active_days,
                       sum(events_count) FILTER (is_its) AS events, sum(minutes) FILTER (is_its) AS minutes,
                       sum(events_count) FILTER (NOT is_its) AS elsewhere
                FROM published.engagement_weekly JOIN enrolment USING (enrolment_id) GROUP BY ALL
            ),
            work AS (SELECT * FROM core.submission JOIN enrolment USING (enrolment_id) WHERE is_its),
            handed AS (
                SELECT {_week("submitted_epoch_day")} AS week, count(*) AS handed_in FROM work
                WHERE submitted_epoch_day < {self._tonight} GROUP BY ALL
            ),
            due AS (SELECT {_week("due_epoch_day")} AS week, count(*) AS due FROM work GROUP BY ALL),
            pair AS (
                SELECT week_starts_on AS week, sum(sessions_held_count) AS sessions, sum(messages_by_mentor_count) AS by_mentor,
                       sum(messages_by_learner_count) AS by_learner
                FROM published.mentoring_health WHERE learner_id = $learner AND programme_id = $programme GROUP BY ALL
            ),
            away AS (
                SELECT {_week("epoch_day")} AS week, count(*) AS away FROM core.away_day WHERE learner_id = $learner GROUP BY ALL
            )
            SELECT week, active_days, events, minutes, elsewhere, handed_in, due, sessions, by_mentor, by_learner, away
            FROM week LEFT JOIN activity USING (week) LEFT JOIN handed USING (week) LEFT JOIN due USING (week)
            LEFT JOIN pair USING (week) LEFT JOIN away USING (week) ORDER BY week
            """,
            {
                "participation": alert["participation_id"],
                "enrolment": alert["enrolment_id"] if alert["kind"] == "risk" else None,
                "learner": alert["learner_id"],
                "programme": alert["programme_id"],
            },
        )

    def _sum(self, alert: dict[str, Any], model: RiskModel) -> Iterator[str]:
        """What each family adds to the log odds, in thousandths that add up, and what becomes of the sum."""
        row = self._frame("FROM features.enrolment_week WHERE enrolment_id = ? AND is_scoring", alert["enrolment_id"])
        ((raw, probability),) = self._con.execute(
            "SELECT risk_score_28d, abandonment_probability_28d FROM risk.score WHERE enrolment_id = ? AND observed_at = ?",
            [alert["enrolment_id"], self._at],
        ).fetchall()
        (share,) = contributions(model, row).iter_rows(named=True)
        (value,) = row.select(MODELLED_NAMES).iter_rows(named=True)
        families: dict[str, float] = {}
        for feature, added in by_fact(share, value).items():
            family = "baseline" if feature == "baseline" else BY_NAME[feature].reason_family
            families[family] = families.get(family, 0.0) + added
        if abs(sum(families.values()) - raw) > _NO_CONTRIBUTION:
            message = (
                f"alert {_cut(alert['alert_id'])}: contributions add up to {sum(families.values())}, the score is {raw}"
            )
            raise SystemExit(message)
        baseline = families.pop("baseline")
        ordered = sorted(families.items(), key=lambda one: -abs(one[1]))
        printed = _adding_up([baseline, *(added for _, added in ordered)], raw)
        yield "| in log odds | |"
        yield "|---|---:|"
        yield f"| baseline | {printed[0]:.3f} |"
        for (family, _), added in zip(ordered, printed[1:], strict=True):
            if added:
                yield f"| {family} | {added:+.3f} |"
        yield f"| **raw score** | **{sum(printed):.3f}** |"
        calibrator = model.horizons[LONGEST].calibrator
        offset = calibrator.offsets.get(str(alert["course_id"]), 0.0)
        odds = calibrator.slope * raw + calibrator.intercept + offset
        yield ""
        yield _wrapped(
            f"Calibrated: {calibrator.slope:.3f} x {raw:.3f} {calibrator.intercept:+.3f} {offset:+.3f} (the course's own) is "
            f"{odds:.2f} in log odds, a probability of {probability:.0%}."
        )

    def _frame(self, sql: str, values: object = None) -> pl.DataFrame:
        given = values if isinstance(values, dict) or values is None else [values]
        return pl.DataFrame(self._con.sql(sql, params=given).to_arrow_table())

    def _one(self, sql: str) -> Any:  # noqa: ANN401 - whatever the query returns
        return self._con.execute(sql).fetchall()[0][0]


def _week(day: str) -> str:
    return f"CAST(date_trunc('week', DATE '{EPOCH}' + CAST({day} AS INTEGER)) AS DATE)"


def _sentence(alert: dict[str, Any]) -> str:
    """The reasons as one reads them, after what they are reasons for."""
    reasons = [alert[f"reason_{place}_text"] for place in (1, 2, 3) if alert[f"reason_{place}_text"]]
    words = "; ".join(reasons) or "no reason"
    if alert["kind"] == "risk":
        change = alert["probability_change_7d"]
        moved = f", {100 * change:+.0f} points in a week" if change is not None else ""
        return f"{alert['abandonment_probability_28d']:.0%} within 28 days{moved}: {words}."
    return f"{words[0].upper()}{words[1:]}."


def _adding_up(parts: list[float], whole: float) -> list[float]:
    """Parts in thousandths whose sum is the whole in thousandths: the largest remainders are rounded up."""
    down = [int(1000 * part // 1) for part in parts]
    short = round(1000 * whole) - sum(down)
    order = sorted(range(len(parts)), key=lambda place: down[place] - 1000 * parts[place])
    for place in order[:short]:
        down[place] += 1
    return [part / 1000 for part in down]


def _table(weeks: pl.DataFrame) -> str:
    """The weeks as a table; a column that says nothing in any week is left out, but for those of activity and work."""
    kept = [name for name, head in HEADS.items() if head in ALWAYS or weeks[name].fill_null(0).sum()]
    lines = [f"| week of | {' | '.join(HEADS[name] for name in kept)} |", f"|---|{'---:|' * len(kept)}"]
    for week, *values in weeks.select("week", *kept).iter_rows():
        lines.append(f"| {week:%-d %b} | {' | '.join(_shown(values))} |")
    return "\n".join(lines)


def _shown(values: Iterable[float | None]) -> Iterator[str]:
    return (f"{value:,.0f}" if value else "" for value in values)


def _wrapped(text: str, then: str = "") -> str:
    """Paragraphs in lines of the other pages' length."""
    parts = text.split("\n\n")
    return "\n\n".join(fill(part, WIDTH, subsequent_indent=then, break_long_words=False) for part in parts) + (
        "\n" if text.endswith("\n") else ""
    )


def _cut(pseudonym: str) -> str:
    return pseudonym[:PSEUDONYM]


def main() -> None:
    """Replace the section."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("home", type=Path)
    arguments = options.parse_args()
    before = PAGE.read_text("utf-8").split(f"{BEGINS}\n")[0]
    PAGE.write_text(before + Page(arguments.home).text(), "utf-8")


if __name__ == "__main__":
    main()
