"""The model card of one model, read from the warehouse and written as Markdown and HTML.

Belongs here: which rows the card is made of, and where its files lie. Does not belong here: what it says of them
(`models.card`).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import polars as pl

from data_contracts.features import BY_NAME
from data_contracts.tables import risk as tables
from models import store
from models.card import CardFacts, CardFrames, model_card
from models.contacted import MARKS, with_contacts
from models.document import Link, markdown
from models.metrics import quality_rows, reliability
from pipelines import __version__
from pipelines.contacts import contacts_by_alert
from pipelines.home import EPOCH
from pipelines.reports.page import html, put
from pipelines.resources import Night

_LIBRARIES = ("lightgbm", "numpy", "scikit-learn")
_UP = Link("All reports", "../index.html")


def predictions_with_history(night: Night, model_id: str) -> pl.DataFrame:
    """The model's rows of risk.prediction with what `quality_rows` cuts them by.

    A learner is new who had no landmark before the fold: no part of the model has met them.
    """
    predictions = night.warehouse.frame(
        "SELECT p.* EXCLUDE model_id, e.ended_epoch_day, "
        "p.observed_epoch_day - greatest(e.enrolled_epoch_day, e.course_start_epoch_day) AS days_of_history, "
        "coalesce(l.is_batch_end, false) AS is_batch_end, "
        "seen.first_epoch_day >= min(p.observed_epoch_day) OVER () AS is_new_learner "
        f"FROM {tables.PREDICTION.qualified_name} AS p LEFT JOIN core.enrolment AS e USING (enrolment_id) "
        "LEFT JOIN features.label AS l USING (enrolment_id, observed_epoch_day) "
        "LEFT JOIN (SELECT learner_id, min(observed_epoch_day) AS first_epoch_day FROM features.landmark GROUP BY ALL) "
        "AS seen USING (learner_id) "
        f"WHERE p.model_id = '{model_id}' ORDER BY ALL"
    )
    marked = with_contacts(predictions, contacts_by_alert(night))
    of_its_horizon = [pl.col(mark) & (pl.col("horizon") == horizon) for horizon, mark in MARKS.items()]
    return marked.with_columns(is_contacted=pl.any_horizontal(of_its_horizon)).drop(MARKS.values())


def write_model_card(night: Night, model_id: str) -> Path:
    """Write `<home>/reports/model-cards/<model_id>.html` and `.md`, and return the page's path.

    Raises `StoredModelError` where the model is not whole.
    """
    predictions = predictions_with_history(night, model_id)
    of_model = predictions.filter((pl.col("estimator") == "model") & (pl.col("horizon") == "28d"))
    card = model_card(
        _facts(night, model_id),
        CardFrames(
            courses=_courses(night),
            quality=quality_rows(predictions),
            reliability=reliability(of_model),
            fairness=_rows_of(night, tables.FAIRNESS.qualified_name, model_id),
            gate=_rows_of(night, tables.GATE.qualified_name, model_id),
            drift=_rows_of(night, tables.DRIFT.qualified_name, model_id, f"AND observed_at = {night.observed_sql}"),
        ),
    )
    page = night.home.model_card(model_id)
    page.parent.mkdir(parents=True, exist_ok=True)
    put(page.with_suffix(".md"), markdown(card))
    put(page, html(replace(card, up=_UP)))
    return page


def _rows_of(night: Night, table: str, model_id: str, condition: str = "") -> pl.DataFrame:
    return night.warehouse.frame(f"FROM {table} WHERE model_id = '{model_id}' {condition} ORDER BY ALL")


def _courses(night: Night) -> pl.DataFrame:
    """Course runs with a landmark whose label of 28 days is known."""
    rows = night.warehouse.frame(
        "SELECT e.course_id, count(DISTINCT l.enrolment_id) AS enrolments_count, count(*) AS landmarks_count, "
        "count(DISTINCT l.enrolment_id) FILTER (e.ended_kind = 'abandoned') AS abandonments_count, "
        "min(l.observed_epoch_day) AS first_day, max(l.observed_epoch_day) AS last_day "
        "FROM features.landmark AS l JOIN features.label AS o USING (enrolment_id, observed_epoch_day) "
        "JOIN core.enrolment AS e USING (enrolment_id) "
        "WHERE NOT l.is_scoring AND o.abandons_28d IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    days = {"first_on": "first_day", "last_on": "last_day"}
    return rows.with_columns(**{on: pl.lit(EPOCH.date()) + pl.duration(days=pl.col(day)) for on, day in days.items()})


def _facts(night: Night, model_id: str) -> CardFacts:
    model = store.load(night.home.models, model_id)
    record = _rows_of(night, tables.MODEL.qualified_name, model_id).row(0, named=True)
    ended = night.warehouse.frame(
        "SELECT ended_rule, count(*) AS n FROM core.enrolment WHERE ended_kind = 'abandoned' GROUP BY ended_rule "
        "ORDER BY n DESC, ended_rule"
    )
    is_timed = night.warehouse.scalar("SELECT min(first_second) < max(last_second) FROM core.enrolment_day")
    opted_out = f"SELECT count(DISTINCT learner_id) FROM core.enrolment WHERE opted_out_at < {night.observed_sql}"
    return CardFacts(
        model_id=model_id,
        trained_on=record["trained_at"].date(),
        state=record["state"],
        source=night.settings.source,
        code_version=__version__,
        feature_contract_hash=model.feature_contract_hash,
        features_count=len(model.feature_names),
        families=tuple(dict.fromkeys(BY_NAME[name].family for name in model.feature_names)),
        settings=asdict(model.settings),
        libraries={name: version(name) for name in _LIBRARIES},
        horizons={name: (one.n_count, one.n_events_count, one.base_rate) for name, one in model.horizons.items()},
        too_early_days=night.settings.too_early_days,
        abandon_after_days=night.settings.abandon_after_days,
        opted_out_count=int(night.warehouse.scalar(opted_out)),
        ended_by_rule=dict(ended.iter_rows()),
        is_timed=bool(is_timed),
        batches=_batches(night),
        gate_verdict=(record.get("gate_verdict") or "").rstrip("."),
    )


def _batches(night: Night) -> list[tuple[str, date, float]]:
    """Days of administrative batches, by `features.label`, each with its share of the course run's abandonments."""
    rows = night.warehouse.frame(
        "WITH batched AS (SELECT DISTINCT enrolment_id FROM features.label WHERE is_batch_end) "
        "SELECT course_id, ended_epoch_day, n, n / sum(n) OVER (PARTITION BY course_id) AS share "
        "FROM (SELECT course_id, ended_epoch_day, count(*) AS n, count(batched.enrolment_id) > 0 AS is_batch "
        "FROM core.enrolment LEFT JOIN batched USING (enrolment_id) WHERE ended_kind = 'abandoned' GROUP BY ALL) "
        "QUALIFY is_batch ORDER BY n DESC, course_id, ended_epoch_day LIMIT 10"
    )
    return [(course, EPOCH.date() + timedelta(days=day), share) for course, day, _, share in rows.iter_rows()]
