"""Group 4_risk: the model, tonight's scores, why, and how good the model was on the latest closed fold."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from data_contracts.features import contract_hash
from data_contracts.tables import risk as tables
from models import store
from models.explain import reasons
from models.fairness import fairness_rows
from models.metrics import quality_rows
from models.score import is_too_early, score, with_bands
from models.train import RiskModel, TooLittleHistory, TrainingSettings, train
from pipelines import __version__, runs
from pipelines.assets import OWNERS, table_asset
from pipelines.checks import table_metadata
from pipelines.resources import Night, NightResource

GROUP = "4_risk"
RETRAIN_AFTER = timedelta(days=7)
_LEAST_ACTIVE = 20


class TrainingConfig(dg.Config):
    """`retrain` trains even though the champion is young; the weekly job sets it."""

    retrain: bool = False


def champion(night: Night) -> str | None:
    """model_id of the champion that this night may use: trained no later than observed_at, on today's features."""
    found = night.warehouse.scalar(
        "SELECT model_id FROM risk.model WHERE state = 'champion' AND trained_at <= ? AND feature_contract_hash = ?",
        [night.observed_naive, contract_hash()],
    )
    return None if found is None else str(found)


def _load(night: Night) -> tuple[str | None, RiskModel | None]:
    model_id = champion(night)
    return model_id, store.load(night.home.models, model_id) if model_id else None


@dg.asset(
    key="risk_model",
    deps=["feat_enrolment_week", "feat_label"],
    group_name=GROUP,
    owners=[OWNERS[GROUP]],
    kinds={"lightgbm", "scikitlearn"},
    description=f"{tables.MODEL.description}.\n\nTrains when there is no champion, when it is a week old, or when the "
    "weekly job asks; too little history means no model, and rules alone alert.",
    metadata=table_metadata(tables.MODEL),
)
def risk_model(night: NightResource, config: TrainingConfig) -> dg.MaterializeResult[Any]:
    """Train a challenger where one is due; the newest is champion."""
    open_night = night.night
    warehouse = open_night.warehouse
    kept = champion(open_night)
    age_ok = kept is not None and bool(
        warehouse.scalar(
            "SELECT trained_at > ? FROM risk.model WHERE model_id = ?",
            [open_night.observed_naive - RETRAIN_AFTER, kept],
        )
    )
    if age_ok and not config.retrain:
        return dg.MaterializeResult(
            metadata={"dagster/row_count": warehouse.count(tables.MODEL), "model_id": kept or ""}
        )
    landmarks = warehouse.frame(
        "SELECT * FROM features.enrolment_week JOIN features.label USING (enrolment_id, observed_epoch_day) "
        "WHERE NOT is_scoring"
    )
    settings = TrainingSettings(seed=open_night.settings.seed, threads=open_night.settings.threads)
    trained = train(landmarks, tonight_epoch_day=open_night.tonight_epoch_day, settings=settings)
    if isinstance(trained, TooLittleHistory):
        runs.note(warehouse, open_night.run_id, trained.sentence)
        return dg.MaterializeResult(metadata={"dagster/row_count": 0, "no_model_because": trained.sentence})
    model_id = store.save(trained.model, open_night.home.models)
    longest = trained.model.horizons["28d"]
    warehouse.execute("BEGIN")
    warehouse.execute("UPDATE risk.model SET state = 'former'")
    warehouse.execute("DELETE FROM risk.model WHERE model_id = ?", [model_id])
    warehouse.execute(
        "INSERT INTO risk.model VALUES (?, ?, 'champion', ?, ?, ?)",
        [model_id, open_night.observed_naive, contract_hash(), longest.n_count, longest.n_events_count],
    )
    warehouse.execute("DELETE FROM risk.prediction WHERE model_id = ?", [model_id])
    warehouse.append(tables.PREDICTION, trained.predictions.with_columns(model_id=pl.lit(model_id)))
    warehouse.execute("COMMIT")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": warehouse.count(tables.MODEL),
            "model_id": model_id,
            "landmarks": longest.n_count,
            "abandonments": longest.n_events_count,
        }
    )


@table_asset(tables.SCORE, group=GROUP, key="risk_score", deps=("risk_model",), kinds=("lightgbm", "duckdb"))
def risk_score(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Calibrated probabilities for 7 and 28 days; null for all where there is no model yet."""
    warehouse = night.warehouse
    model_id, model = _load(night)
    active = _active(night)
    if model is None:
        unknown = {
            name: pl.lit(None, pl.Float64)
            for name in (
                "risk_score_7d",
                "risk_score_28d",
                "abandonment_probability_7d",
                "abandonment_probability_28d",
                "probability_change_7d",
            )
        }
        scored = active.with_columns(**unknown)
    else:
        tonight = warehouse.frame("FROM features.enrolment_week WHERE is_scoring ORDER BY enrolment_id")
        scored = active.join(score(model, tonight).drop("observed_epoch_day"), on="enrolment_id").join(
            _a_week_ago(night, model), on="enrolment_id", how="left"
        )
        change = pl.col("abandonment_probability_28d") - pl.col("before")
        scored = scored.with_columns(probability_change_7d=change)
    rows = with_bands(
        scored, low=night.settings.band_middle_probability, high=night.settings.band_high_probability
    ).with_columns(
        is_too_early(
            observed=pl.col("observed_epoch_day"),
            course_start=pl.col("course_start_epoch_day"),
            enrolled=pl.col("enrolled_epoch_day"),
            days=night.settings.too_early_days,
        ),
        course_base_share=_course_base(),
        observed_at=pl.lit(night.observed_naive),
        model_id=pl.lit(model_id, pl.String),
        code_version=pl.lit(__version__),
    )
    warehouse.execute("DELETE FROM risk.score WHERE observed_at = ?", [night.observed_naive])
    warehouse.append(tables.SCORE, rows.sort("enrolment_id"))
    bands = {f"band_{name}": rows.filter(pl.col("risk_band") == name).height for name in ("low", "middle", "high")}
    return rows.height, bands


def _active(night: Night) -> pl.DataFrame:
    """Tonight's landmarks with their enrolment."""
    return night.warehouse.frame(
        "SELECT e.*, l.observed_epoch_day FROM features.landmark AS l JOIN core.enrolment AS e USING (enrolment_id) "
        "WHERE l.is_scoring ORDER BY e.enrolment_id"
    )


def _course_base() -> pl.Expr:
    """The course's running rate: the mean of tonight's probabilities, since a course's rate changes by its week.

    Below `_LEAST_ACTIVE` active enrolments, and outside courses, the mean over all is the steadier one.
    """
    probability = pl.col("abandonment_probability_28d")
    in_course = pl.col("course_id").is_not_null() & (pl.len().over("course_id") >= _LEAST_ACTIVE)
    return pl.when(in_course).then(probability.mean().over("course_id")).otherwise(probability.mean())


def _a_week_ago(night: Night, model: RiskModel) -> pl.DataFrame:
    """28-day probability at the landmark four to ten days ago, by tonight's model: a change of the learner's alone."""
    tonight = night.tonight_epoch_day
    past = night.warehouse.frame(
        f"FROM features.enrolment_week WHERE NOT is_scoring AND observed_epoch_day BETWEEN {tonight - 10} AND "
        f"{tonight - 4} QUALIFY row_number() OVER (PARTITION BY enrolment_id ORDER BY "
        f"abs(observed_epoch_day - {tonight - 7})) = 1 ORDER BY enrolment_id"
    )
    return score(model, past).select("enrolment_id", before="abandonment_probability_28d")


@table_asset(tables.REASON, group=GROUP, key="risk_reason", deps=("risk_score",), kinds=("lightgbm", "duckdb"))
def risk_reason(night: Night) -> int:
    """Exact TreeSHAP contributions, grouped by family, said in words, actionable ones first."""
    warehouse, settings = night.warehouse, night.settings
    _, model = _load(night)
    warehouse.execute("DELETE FROM risk.reason WHERE observed_at = ?", [night.observed_naive])
    if model is None:
        return 0
    cohort = warehouse.frame("FROM features.enrolment_week WHERE is_scoring ORDER BY enrolment_id")
    wanted = warehouse.frame(
        "SELECT enrolment_id FROM risk.score WHERE observed_at = "
        f"{night.observed_sql} AND abandonment_probability_28d >= {settings.alert_floor_probability}"
    )
    said = reasons(model, cohort.join(wanted, on="enrolment_id", how="semi"), cohort=cohort)
    warehouse.append(tables.REASON, said.with_columns(observed_at=pl.lit(night.observed_naive)))
    return said.height


@table_asset(
    tables.QUALITY, group=GROUP, key="risk_quality", deps=("risk_model", "raw_learner"), kinds=("scikitlearn", "duckdb")
)
def risk_quality(night: Night) -> tuple[int, Mapping[str, Any]]:
    """The model beside logistic regression and the 7-day rule, out of sample; and by audit group."""
    warehouse = night.warehouse
    model_id = champion(night)
    if model_id is None:
        return warehouse.replace_with(tables.QUALITY, warehouse.frame("FROM risk.quality LIMIT 0")), {}
    predictions = warehouse.frame(f"SELECT * EXCLUDE model_id FROM risk.prediction WHERE model_id = '{model_id}'")
    quality = quality_rows(predictions).with_columns(model_id=pl.lit(model_id))
    rows = warehouse.replace_with(tables.QUALITY, quality)
    audit = warehouse.frame(
        "SELECT e.enrolment_id, a.* EXCLUDE learner_id FROM core.enrolment AS e "
        "JOIN identity.main.audit AS a USING (learner_id) ORDER BY e.enrolment_id"
    )
    fairness = fairness_rows(predictions, audit if audit.height else None)
    warehouse.replace_with(tables.FAIRNESS, fairness.with_columns(model_id=pl.lit(model_id)))
    overall = quality.filter(
        (pl.col("horizon") == "28d") & (pl.col("slice_kind") == "all") & (pl.col("metric_name") == "roc_auc")
    )
    return rows, {f"auc_28d_{row['estimator']}": row["metric_value"] for row in overall.iter_rows(named=True)}


ASSETS = [risk_model, risk_score, risk_reason, risk_quality]
