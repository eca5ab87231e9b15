"""Group 4_risk: the model and its gate, tonight's scores, why, how good the model was, how far the rows have drifted."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from data_contracts.tables import risk as tables
from models import drift
from models.contacted import with_contacts
from models.explain import reasons
from models.metrics import quality_rows
from models.score import is_too_early, score, with_bands
from models.train import RiskModel, TooLittleHistory, TrainingSettings, train
from pipelines import __version__, champions, charts, lateness, runs
from pipelines.assets import faced, materialised, report_url, table_asset
from pipelines.contacts import contacts_by_alert
from pipelines.reports.model_card import predictions_with_history, write_model_card
from pipelines.resources import Night, NightResource
from pipelines.training import SCORES, past_landmarks, submit, usable_champion

GROUP = "4_risk"
RETRAIN_AFTER_DAYS = 7
_LEAST_ACTIVE = 20
_SHORT = {"model": "model", "logistic_regression": "logistic", "inactive_7d_rule": "7d_rule"}


class TrainingConfig(dg.Config):
    """`retrain` trains even though the champion is young; the weekly job sets it."""

    retrain: bool = False


def champion(night: Night) -> str | None:
    """model_id of the champion that this night may use."""
    return champions.champion_as_of(night.warehouse, night.observed_naive)


def _train(night: Night, *, is_asked: bool) -> tuple[int, Mapping[str, Any]]:
    """Train a challenger where one is asked for or due, and let the gate judge it."""
    warehouse = night.warehouse
    if not (is_asked or _is_due(night)):
        kept = champion(night)
        card = {"model_card": report_url(night, f"model-cards/{kept}.html")} if kept else {}
        return warehouse.count(tables.MODEL), {"model_id": kept or "", **card}
    landmarks = with_contacts(past_landmarks(warehouse), contacts_by_alert(night))
    settings = TrainingSettings(seed=night.settings.seed, threads=night.settings.threads)
    trained = train(landmarks, tonight_epoch_day=night.tonight_epoch_day, settings=settings)
    if isinstance(trained, TooLittleHistory):
        runs.note(warehouse, night.run_id, trained.sentence)
        return 0, {"no_model_because": trained.sentence}
    model_id, verdict = submit(night, trained, landmarks)
    if not verdict.is_passed:
        stays = champion(night)
        rest = f"champion {stays} stays" if stays else "there is no model yet, alerts come from rules alone"
        runs.note(warehouse, night.run_id, f"Challenger {model_id}: {verdict.sentence} So {rest}.")
    longest = trained.model.horizons["28d"]
    write_model_card(night, model_id)
    return warehouse.count(tables.MODEL), {
        "model_id": model_id,
        "gate": verdict.sentence,
        "model_card": report_url(night, f"model-cards/{model_id}.html"),
        "landmarks": longest.n_count,
        "abandonments": longest.n_events_count,
    }


@faced(
    tables.MODEL,
    _train,
    group=GROUP,
    key="risk_model",
    deps=("feat_enrolment_week", "feat_label", "raw_learner", "raw_survey_response"),
    kinds=("lightgbm", "scikitlearn"),
    about="Trains a challenger when there is no champion, when a week is over, or when the weekly job asks. It becomes "
    "champion only through the gate; too little history, or no model that passes, means that rules alone alert.",
)
def risk_model(night: NightResource, config: TrainingConfig) -> dg.MaterializeResult[Any]:
    """Train a challenger where one is due, and let the gate judge it."""
    return materialised(night.night, tables.MODEL, _train(night.night, is_asked=config.retrain))


def _is_due(night: Night) -> bool:
    """Whether a challenger is due; raises `StoredModelError` where the champion's folder is damaged."""
    _, model = usable_champion(night)
    return model is None or champions.is_training_due(
        night.warehouse, night.observed_naive, after_days=RETRAIN_AFTER_DAYS
    )


@dg.asset_check(
    asset="risk_model",
    name="risk_model_gate",
    description="The latest challenger passed the gate; where it did not, the champion of before still scores.",
)
def risk_model_gate(night: NightResource) -> dg.AssetCheckResult:
    """What the gate said of the model that was trained last, as of this night; it stops nothing."""
    open_night = night.night
    latest = open_night.warehouse.rows(
        "SELECT model_id, gate_verdict FROM risk.model WHERE trained_at <= ? AND gate_verdict IS NOT NULL "
        "ORDER BY trained_at DESC, rowid DESC LIMIT 1",
        [open_night.observed_naive],
    )
    if not latest:
        return dg.AssetCheckResult(passed=True, metadata={"verdict": "no model has come to the gate yet"})
    told = open_night.warehouse.rows(
        "SELECT CASE WHEN is_passed IS NULL THEN 'not judged' WHEN is_blocking THEN 'refuses' ELSE 'to look at' END, "
        "check_name, subject, reason FROM risk.gate WHERE model_id = ? AND is_passed IS NOT TRUE "
        "ORDER BY is_passed NULLS LAST, NOT is_blocking, check_name, horizon, subject",
        [latest[0][0]],
    )
    records = [
        dg.TableRecord(dict(zip(("outcome", "check", "subject", "reason"), row, strict=True))) for row in told[:15]
    ]
    return dg.AssetCheckResult(
        passed=not any(row[0] == "refuses" for row in told),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"model_id": latest[0][0], "verdict": latest[0][1]}
        | ({"not_passed": dg.MetadataValue.table(records)} if records else {}),
    )


@table_asset(tables.SCORE, group=GROUP, key="risk_score", deps=("risk_model",), kinds=("lightgbm", "duckdb"))
def risk_score(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Calibrated probabilities for 7 and 28 days; null for all where there is no model yet."""
    warehouse = night.warehouse
    model_id, model = usable_champion(night)
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
            first_due=pl.col("first_due_epoch_day"),
            days=night.settings.too_early_days,
        ),
        course_base_share=_course_base(),
        observed_at=pl.lit(night.observed_naive),
        model_id=pl.lit(model_id, pl.String),
        code_version=pl.lit(__version__),
        publication_id=pl.lit(night.publication_id),
    )
    warehouse.execute("DELETE FROM risk.score WHERE observed_at = ?", [night.observed_naive])
    warehouse.append(tables.SCORE, rows.sort("enrolment_id"))
    bands = {f"band_{name}": rows.filter(pl.col("risk_band") == name).height for name in ("low", "middle", "high")}
    return rows.height, bands


def _active(night: Night) -> pl.DataFrame:
    """Tonight's landmarks with their enrolment."""
    return night.warehouse.frame(
        "SELECT e.*, l.observed_epoch_day, (SELECT min(s.due_epoch_day) FROM core.submission AS s "
        "WHERE s.enrolment_id = e.enrolment_id) AS first_due_epoch_day "
        "FROM features.landmark AS l JOIN core.enrolment AS e USING (enrolment_id) WHERE l.is_scoring ORDER BY e.enrolment_id"
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
    """Exact contributions, grouped by family, said in words, actionable ones first."""
    warehouse, settings = night.warehouse, night.settings
    _, model = usable_champion(night)
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


@table_asset(tables.QUALITY, group=GROUP, key="risk_quality", deps=("risk_model",), kinds=("scikitlearn", "duckdb"))
def risk_quality(night: Night) -> tuple[int, Mapping[str, Any]]:
    """The champion beside logistic regression and the 7-day rule, out of sample; figures of earlier ones stay."""
    warehouse = night.warehouse
    model_id = champion(night)
    if model_id is None:
        return 0, {}
    predictions = predictions_with_history(night, model_id)
    if predictions.is_empty():  # one of long ago, chosen by hand: its figures stand, its predictions have been let go
        return int(warehouse.scalar("SELECT count(*) FROM risk.quality WHERE model_id = ?", [model_id])), {}
    quality = quality_rows(predictions).with_columns(model_id=pl.lit(model_id))
    with warehouse.transaction():
        warehouse.execute("DELETE FROM risk.quality WHERE model_id = ?", [model_id])
        warehouse.append(tables.QUALITY, quality)
    drawn = {"calibration": charts.calibration(predictions), "recall_by_week": charts.recall_by_week(quality)}
    overall = quality.filter(
        (pl.col("horizon") == "28d") & (pl.col("slice_kind") == "all") & (pl.col("metric_name") == "roc_auc")
    )
    areas = {f"auc_28d_{_SHORT[row['estimator']]}": row["metric_value"] for row in overall.iter_rows(named=True)}
    return quality.height, {**drawn, **areas, "model_card": report_url(night, f"model-cards/{model_id}.html")}


@table_asset(tables.DRIFT, group=GROUP, key="risk_drift", deps=("risk_score",), kinds=("polars", "duckdb"))
def risk_drift(night: Night) -> tuple[int, Mapping[str, Any]]:
    """Tonight's features and scores against the champion's training rows; and how late data comes, against then."""
    warehouse, observed = night.warehouse, night.observed_naive
    model_id = champion(night)
    warehouse.execute("DELETE FROM risk.drift WHERE observed_at = ?", [observed])
    if model_id is None:
        return 0, {}
    tonight = warehouse.frame(
        f"SELECT e.*, s.* FROM features.enrolment_week AS e JOIN (SELECT enrolment_id, {', '.join(SCORES)} FROM risk.score "
        f"WHERE observed_at = {night.observed_sql}) AS s USING (enrolment_id) WHERE e.is_scoring ORDER BY e.enrolment_id"
    )
    expected = warehouse.frame(f"SELECT * EXCLUDE model_id FROM risk.reference WHERE model_id = '{model_id}'")
    is_score = pl.col("subject").is_in(SCORES)
    rows = pl.concat(
        [
            drift.stability(tonight, expected).with_columns(
                drift_kind=pl.when(is_score).then(pl.lit("score")).otherwise(pl.lit("feature")),
                metric_name=pl.lit("psi"),
                limit_high=pl.lit(drift.LARGE),
            ),
            lateness.lateness(warehouse, observed, model_id),
        ],
        how="diagonal",
    )
    rows = rows.with_columns(observed_at=pl.lit(observed), model_id=pl.lit(model_id))
    warehouse.append(tables.DRIFT, rows)
    return rows.height, {
        word: rows.filter(pl.col("drift_verdict") == word).height for word in ("stable", "moderate", "large")
    }


ASSETS = [risk_model, risk_score, risk_reason, risk_quality, risk_drift]
CHECKS = [risk_model_gate]
