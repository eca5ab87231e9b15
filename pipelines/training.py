"""From a trained challenger to what the records say of it: judged, written down, champion or not.

Belongs here: bringing the gate its material and recording what it said. Does not belong here: fitting (`models.train`),
rules (`models.gate`), the meaning of states (`champions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

import numpy as np
import polars as pl

from data_contracts.features import MODELLED_NAMES
from data_contracts.schema import Table
from data_contracts.tables import risk as tables
from models import drift, store
from models.contacted import MARKS
from models.contract import schema_of
from models.fairness import fairness_rows
from models.gate import MAIN, Rival, Verdict, is_unseen_by, judge
from models.groups import gaps
from models.score import score
from models.split import HORIZONS, closed
from models.train import RiskModel, TrainedModel
from pipelines import __version__, champions
from pipelines.champions import GATE, Change, champion_as_of, change_champion, is_set_aside, settle_states
from pipelines.home import EPOCH
from pipelines.resources import Night
from pipelines.warehouse import Warehouse

KEY = ("enrolment_id", "observed_epoch_day")
SCORES = tuple(f"abandonment_probability_{horizon}" for horizon in HORIZONS)
_AGAIN = "The same rows gave the champion again."
_SLICE_ROWS = 50_000
# Beyond these a night's memory would grow with the history, while a fit draws 400,000 examples at most.
MOST_LANDMARKS = 500_000
_LOTS = 0x1000000


def past_landmarks(warehouse: Warehouse, most: int = MOST_LANDMARKS) -> pl.DataFrame:
    """Landmarks with their labels, tonight's left out: what a model is trained from and judged by.

    Args:
        warehouse: with schema features as of the night.
        most: about how many at most. Where there are more, enrolments are drawn by a lot that hangs on their id alone, so
            that an enrolment has all of its landmarks or none, and the same ones night after night.
    """
    count = int(warehouse.scalar("SELECT count(*) FROM features.enrolment_week WHERE NOT is_scoring"))
    limit = _LOTS if count <= most else _LOTS * most // count
    return warehouse.frame(
        "SELECT * FROM features.enrolment_week JOIN features.label USING (enrolment_id, observed_epoch_day) "
        f"WHERE NOT is_scoring AND CAST('0x' || left(md5(enrolment_id), 6) AS BIGINT) < {limit}"
    )


def usable_champion(night: Night) -> tuple[str | None, RiskModel | None]:
    """The champion of a night and its model; neither where there is none that today's code and libraries can use.

    Raises:
        StoredModelError: its folder is damaged or gone.
    """
    model_id = champion_as_of(night.warehouse, night.observed_naive)
    if model_id is None:
        return None, None
    try:
        return model_id, store.load(night.home.models, model_id)
    except store.OutdatedModelError:
        return None, None


def audit_attributes(night: Night) -> pl.DataFrame | None:
    """Attributes of learners by enrolment, for the audit alone; None where there are none."""
    audit = night.warehouse.frame(
        "SELECT e.enrolment_id, a.* EXCLUDE learner_id FROM core.enrolment AS e "
        "JOIN identity.main.audit AS a USING (learner_id) ORDER BY e.enrolment_id"
    )
    return audit if audit.height else None


def submit(night: Night, trained: TrainedModel, landmarks: pl.DataFrame) -> tuple[str, Verdict]:
    """Store a challenger, judge it, and make it champion where it passes; returns its model_id and the verdict.

    Args:
        night: when this is.
        trained: the challenger with its out-of-sample predictions.
        landmarks: what it was trained from.

    A challenger that is the champion already stays so, with what the gate said of it. One that a person has replaced
    stays replaced.
    """
    model_id = store.save(trained.model, night.home.models)
    try:
        kept, champion = usable_champion(night)
    except store.StoredModelError:
        kept, champion = None, None  # a damaged champion stops every night; training anew on purpose is the way out
    judged = night.warehouse.scalar("SELECT count(*) FROM risk.gate WHERE model_id = ?", [model_id])
    if kept == model_id and judged:
        return model_id, Verdict(True, _AGAIN, ())
    rows = closed(landmarks.filter(~pl.col("is_scoring")), f"abandons_{MAIN}", night.tonight_epoch_day)
    rows = rows.sort(*KEY)
    fold = rows.join(trained.predictions.filter(pl.col("horizon") == MAIN).select(KEY).unique(), on=KEY, how="semi")
    earlier = rows.filter(pl.col("observed_epoch_day") < fold["observed_epoch_day"].min())
    audit = audit_attributes(night)
    differences = gaps(trained.predictions, audit, seed=night.settings.seed)
    verdict = judge(
        trained.predictions,
        fold_features=fold.select(*KEY, *MODELLED_NAMES),
        gaps=differences,
        drift=drift.stability(_scored(trained.model, fold), _reference(trained.model, earlier)),
        rival=None if kept in {None, model_id} else _rival(night, str(kept), champion, trained.predictions, landmarks),
    )
    sentence, is_promoted = verdict.sentence, verdict.is_passed and kept != model_id
    if kept == model_id:
        sentence = _AGAIN
    elif is_set_aside(night.warehouse, model_id):
        sentence, is_promoted = "Set aside: a person has replaced this model by hand.", False
    with night.warehouse.transaction():
        _record(night, model_id, trained, landmarks, sentence)
        _replace(night, tables.GATE, model_id, pl.DataFrame([check.row for check in verdict.checks], schema=_GATE))
        _replace(night, tables.REFERENCE, model_id, _reference(trained.model, rows))
        _replace(night, tables.PREDICTION, model_id, trained.predictions)
        _replace(night, tables.FAIRNESS, model_id, fairness_rows(trained.predictions, audit, differences))
        if is_promoted:
            change_champion(night.warehouse, Change(model_id, night.observed_naive, GATE, sentence))
        else:
            settle_states(night.warehouse)
        _let_go(night, model_id)
    return model_id, Verdict(verdict.is_passed, sentence, verdict.checks)


_GATE = schema_of(tables.GATE, without=("model_id",))


def data_mark(rows: pl.DataFrame) -> str:
    """Hash of landmarks: ids, days, features, labels and, where there are some, marks of contact; 16 hexadecimal digits.

    Equal rows have equal marks on every machine and with every version of the libraries.
    """
    labels = [f"abandons_{horizon}" for horizon in HORIZONS]
    marks = [mark for mark in MARKS.values() if mark in rows and rows[mark].any()]
    digest = sha256(" ".join((*MODELLED_NAMES, *labels, *marks)).encode())
    for part in rows.sort("observed_epoch_day", "enrolment_id").iter_slices(_SLICE_ROWS):
        digest.update("\n".join(part["enrolment_id"]).encode())
        numbers = (
            part.select("observed_epoch_day", *MODELLED_NAMES, *labels, *marks).cast(pl.Float64).fill_null(float("nan"))
        )
        for column in numbers:
            digest.update(np.ascontiguousarray(column.to_numpy(), dtype="<f8").tobytes())
    return digest.hexdigest()[:16]


def _rival(
    night: Night, model_id: str, champion: RiskModel | None, predictions: pl.DataFrame, landmarks: pl.DataFrame
) -> Rival | None:
    """The champion on those rows of the fold whose outcome it cannot have seen, and what it once predicted itself."""
    if champion is None:
        return None
    own = night.warehouse.frame(
        "SELECT enrolment_id, observed_epoch_day, horizon, probability FROM risk.prediction "
        f"WHERE model_id = '{model_id}' AND estimator = 'model' ORDER BY ALL"
    )
    scored = pl.concat(_unseen_scores(champion, predictions, landmarks))
    return Rival(model_id, champion.trained_epoch_day, scored, own)


def _unseen_scores(champion: RiskModel, predictions: pl.DataFrame, landmarks: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for horizon in HORIZONS:
        wanted = predictions.filter((pl.col("horizon") == horizon) & is_unseen_by(champion.trained_epoch_day)).select(
            KEY
        )
        rows = landmarks.join(wanted.unique(), on=KEY, how="semi").sort(*KEY)
        yield score(champion, rows).select(
            *KEY, horizon=pl.lit(horizon), probability=f"abandonment_probability_{horizon}"
        )


def _scored(model: RiskModel, rows: pl.DataFrame) -> pl.DataFrame:
    """A sample of rows with the model's probabilities beside the features."""
    chosen = drift.sample(rows)
    return chosen.select(*KEY, *MODELLED_NAMES).hstack(score(model, chosen).select(SCORES))


def _reference(model: RiskModel, rows: pl.DataFrame) -> pl.DataFrame:
    return drift.reference(_scored(model, rows), (*MODELLED_NAMES, *SCORES))


def _record(night: Night, model_id: str, trained: TrainedModel, landmarks: pl.DataFrame, sentence: str) -> None:
    """The model's row; who promoted it before stays, where the same model comes again."""
    longest = trained.model.horizons[MAIN]
    history = landmarks.filter(~pl.col("is_scoring"))
    used = pl.concat(
        closed(history, f"abandons_{horizon}", night.tonight_epoch_day).select(KEY) for horizon in HORIZONS
    )
    rows = history.join(used.unique(), on=KEY, how="semi")
    before = night.warehouse.rows("SELECT promoted_by, promoted_at FROM risk.model WHERE model_id = ?", [model_id])
    night.warehouse.execute("DELETE FROM risk.model WHERE model_id = ?", [model_id])
    night.warehouse.execute(
        "INSERT INTO risk.model BY NAME SELECT ? AS model_id, ? AS trained_at, 'refused' AS state, "
        "? AS feature_contract_hash, ? AS n_count, ? AS n_events_count, ? AS trained_through_on, ? AS data_mark, "
        "? AS code_version, ? AS gate_verdict, ? AS promoted_by, ? AS promoted_at",
        [
            model_id,
            night.observed_naive,
            trained.model.feature_contract_hash,
            longest.n_count,
            longest.n_events_count,
            (EPOCH + timedelta(days=int(rows["observed_epoch_day"].max()))).date(),  # type: ignore[arg-type]
            data_mark(rows),
            __version__,
            sentence,
            *(before[0] if before else (None, None)),
        ],
    )


def _replace(night: Night, table: Table, model_id: str, rows: pl.DataFrame) -> None:
    night.warehouse.execute(f"DELETE FROM {table.qualified_name} WHERE model_id = ?", [model_id])
    night.warehouse.append(table, rows.with_columns(model_id=pl.lit(model_id)))


def _let_go(night: Night, model_id: str) -> None:
    """Keep predictions of the champion, the one before it and the latest challenger; figures of the others stay."""
    champion = champions.current_champion(night.warehouse)
    kept = [model_id, champion, champions.previous_champion(night.warehouse, champion) if champion else None]
    night.warehouse.execute("DELETE FROM risk.prediction WHERE NOT list_contains(?, model_id)", [kept])
