"""`handrail models`: which models there are, what the gate said of them, and which one scores."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from data_contracts.errors import UsageError
from pipelines import champions, runs
from pipelines.commands.console import say, show
from pipelines.home import EPOCH, Home, now, parse_instant
from pipelines.lock import run_lock
from pipelines.settings import Settings, load_settings
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.comparison import Compared

DONE = 0
_LEAST_PREFIX = 4
_NEXT = "The next run scores with it and publishes anew, although nothing else is new."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    ids = {"metavar": "ID", "help": "model_id, or its beginning"}
    for name, (_, help_text) in _ACTIONS.items():
        action = actions.add_parser(name, help=help_text, description=help_text)
        action.add_argument("--home", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if name in {"show", "promote"}:
            action.add_argument("id", **ids)  # type: ignore[arg-type]
        if name == "compare":
            action.add_argument("a", **ids)  # type: ignore[arg-type]
            action.add_argument("b", **ids)  # type: ignore[arg-type]
        if name in {"promote", "rollback"}:
            action.add_argument("--reason", default="", help="why; stands in risk.promotion")


def main(arguments: argparse.Namespace) -> int:
    """Do one action; returns 0, 1 (a folder is damaged, or another version's), 2 or 75 (locked)."""
    home = Home.find(arguments.home)
    if not home.warehouse_file.exists():
        message = f"there is no warehouse in {home.path}; name the home with --home"
        raise UsageError(message)
    settings = load_settings(home.settings_file)
    since = f"{now():%Y-%m-%dT%H:%M:%SZ}"
    with (
        run_lock(home.lock_file, run=f"handrail models {arguments.action}", since=since),
        Warehouse.of(home, settings) as warehouse,
    ):
        if not warehouse.scalar("SELECT count(*) FROM risk.model"):
            message = "no model has been trained yet; `handrail run` trains one as soon as there is enough history"
            raise UsageError(message)
        _ACTIONS[arguments.action][0](home, settings, warehouse, arguments)
    return DONE


def _found(warehouse: Warehouse, given: str) -> str:
    """The model_id meant by an id or its beginning.

    Raises:
        UsageError: there is none, or several; the nearest are named.
    """
    known = [str(row[0]) for row in warehouse.rows("SELECT model_id FROM risk.model ORDER BY trained_at, model_id")]
    meant = [one for one in known if one == given or (len(given) >= _LEAST_PREFIX and one.startswith(given))]
    if len(meant) == 1:
        return meant[0]
    if meant:
        message = f"several models begin with {given!r}: {', '.join(meant)}"
    else:
        nearest = difflib.get_close_matches(given, known, n=1, cutoff=0)[0]
        message = f"there is no model {given!r}; the nearest is {nearest}, and `handrail models list` shows all"
    raise UsageError(message)


def _list(_: Home, __: Settings, warehouse: Warehouse, ___: argparse.Namespace) -> None:
    rows = warehouse.rows(
        "SELECT m.model_id, m.state, m.trained_at, m.trained_through_on, m.n_count, m.n_events_count, "
        "q.metric_value, q.metric_low, q.metric_high, m.promoted_by, m.promoted_at, m.gate_verdict "
        "FROM risk.model AS m LEFT JOIN risk.quality AS q ON q.model_id = m.model_id AND q.estimator = 'model' "
        "AND q.horizon = '28d' AND q.slice_kind = 'all' AND q.metric_name = 'roc_auc' "
        "ORDER BY m.trained_at DESC, m.model_id"
    )
    show(
        f"{'model':<16}  {'state':<8}  {'trained':<10}  {'through':<10}  {'landmarks':>9}  {'abandoned':>9}  AUC, 28 days"
    )
    for model_id, state, trained_at, through, n, events, auc, low, high, by, at, verdict in rows:
        area = "-" if auc is None else f"{auc:.3f} ({low:.3f} to {high:.3f})"
        show(
            f"{model_id:<16}  {state:<8}  {trained_at:%Y-%m-%d}  {through or '-'!s:<10}  {n:>9,}  {events:>9,}  {area}"
        )
        if by:
            show(f"{'':<18}champion from {at:%Y-%m-%d}, {_who(by)}")
        elif verdict:
            show(f"{'':<18}{verdict}")


def _show(home: Home, _: Settings, warehouse: Warehouse, arguments: argparse.Namespace) -> None:
    model_id = _found(warehouse, arguments.id)
    (row,) = _dicts(warehouse, "SELECT * FROM risk.model WHERE model_id = ?", [model_id])
    show(f"Model {model_id}: {row['state']}")
    facts = {
        "trained as of": f"{row['trained_at']:%Y-%m-%d %H:%M} UTC",
        "through": row["trained_through_on"],
        "landmarks": f"{row['n_count']:,}, {row['n_events_count']:,} of them abandoned within 28 days",
        "data mark": row["data_mark"],
        "code version": row["code_version"],
        "features": row["feature_contract_hash"][:16],
        "folder": _folder(home, model_id),
        "gate": row["gate_verdict"],
    }
    for name, value in facts.items():
        show(f"  {name:<14} {'not known: trained before this was written down' if value is None else value}")
    for change in _dicts(
        warehouse,
        "SELECT * FROM risk.promotion WHERE ? IN (model_id, previous_model_id) ORDER BY promotion_number",
        [model_id],
    ):
        is_in = change["model_id"] == model_id
        what = "champion from" if is_in else f"replaced by {change['model_id']} from"
        word = " (rollback)" if change["promotion_kind"] == champions.ROLLBACK else ""
        why = f": {change['promotion_reason']}" if change["promoted_by"] == champions.OPERATOR else ""
        show(f"  {what} {change['promoted_at']:%Y-%m-%d} {_who(change['promoted_by'])}{word}{why}")
    checks = _dicts(
        warehouse,
        "SELECT * FROM risk.gate WHERE model_id = ? ORDER BY is_passed NULLS LAST, NOT is_blocking, check_kind, "
        "check_name, horizon, subject",
        [model_id],
    )
    if checks:
        show("Checks of the gate")
    for check in checks:
        if check["is_passed"] is False or check["check_kind"] not in {"group", "drift"}:
            show(f"  {_mark(check):<10} {check['reason']}")
    for kind in ("group", "drift"):
        counts = [
            sum(c["is_passed"] is value for c in checks if c["check_kind"] == kind) for value in (True, False, None)
        ]
        if any(counts):
            show(f"  {kind}: {counts[0]} passed, {counts[1]} failed, {counts[2]} not audited")


def _mark(check: Mapping[str, Any]) -> str:
    if check["is_passed"] is None:
        return "not judged"
    return "passed" if check["is_passed"] else "refuses" if check["is_blocking"] else "look at"


def _folder(home: Home, model_id: str) -> str:
    from models import store  # noqa: PLC0415 - LightGBM takes seconds to load

    try:
        versions = store.libraries(home.models, model_id)
        store.load(home.models, model_id)
    except store.StoredModelError as error:
        return str(error)
    return f"sound; trained with {', '.join(f'{name} {number}' for name, number in sorted(versions.items()))}"


def _compare(home: Home, settings: Settings, warehouse: Warehouse, arguments: argparse.Namespace) -> None:
    from pipelines.comparison import compare  # noqa: PLC0415 - LightGBM takes seconds to load

    first, second = _found(warehouse, arguments.a), _found(warehouse, arguments.b)
    if first == second:
        message = f"{arguments.a} and {arguments.b} are the same model; name two"
        raise UsageError(message)
    observed_at = parse_instant(runs.last_observed_at(warehouse))
    tonight = (observed_at.astimezone(ZoneInfo(settings.timezone)).date() - EPOCH.date()).days
    for compared in compare(home, warehouse, (first, second), tonight_epoch_day=tonight):
        show("\n".join(_told(compared, first, second)))
    show("Each on its own latest fold, so not to be compared:")
    for model_id in (first, second):
        show(f"  {model_id}  {_own(warehouse, model_id)}")


def _told(compared: Compared, first: str, second: str) -> Sequence[str]:
    rows, events = compared.n_count, compared.n_events_count
    head = f"{compared.horizon}: {rows:,} landmarks that neither was trained on, {events:,} abandoned"
    if compared.figures is None or compared.differences is None:
        return [f"{head}: too few to compare; the first window of such a landmark is over on {compared.first_on}"]
    lines = [head, f"  {'':<26} {first:>24} {second:>24}"]
    for name in compared.figures[0]:
        values = [f"{figures[name].told():>24}" for figures in compared.figures]
        lines.append(f"  {name.replace('_', ' '):<26} {' '.join(values)}")
    told = compared.differences
    lines.append(f"  first less second: AUC {told.auc.told()}, log loss {told.log_loss.told()}")
    return lines


def _own(warehouse: Warehouse, model_id: str) -> str:
    found = warehouse.rows(
        "SELECT metric_value, metric_low, metric_high, n_count, n_events_count, fold_starts_on, fold_ends_on "
        "FROM risk.quality WHERE model_id = ? AND estimator = 'model' AND horizon = '28d' AND slice_kind = 'all' "
        "AND metric_name = 'roc_auc'",
        [model_id],
    )
    if not found:
        return "no figures: it never was champion of a night"
    auc, low, high, n, events, starts, ends = found[0]
    return f"AUC {auc:.3f} ({low:.3f} to {high:.3f}) on {n:,} landmarks from {starts} to {ends}, {events:,} abandoned"


def _promote(home: Home, _: Settings, warehouse: Warehouse, arguments: argparse.Namespace) -> None:
    model_id = _found(warehouse, arguments.id)
    state, verdict = warehouse.rows("SELECT state, gate_verdict FROM risk.model WHERE model_id = ?", [model_id])[0]
    if state == "refused" and not arguments.reason:
        message = f"the gate did not let {model_id} pass ({verdict}); to promote it all the same, say why with --reason"
        raise UsageError(message)
    _make_champion(home, warehouse, model_id, arguments.reason or "promoted by hand", champions.PROMOTION)


def _rollback(home: Home, _: Settings, warehouse: Warehouse, arguments: argparse.Namespace) -> None:
    now_champion = champions.current_champion(warehouse)
    before = champions.previous_champion(warehouse, now_champion) if now_champion else None
    if before is None:
        message = (
            f"there was no champion before {now_champion or 'today'}; `handrail models list` shows what to promote"
        )
        raise UsageError(message)
    _make_champion(home, warehouse, before, arguments.reason or f"rolled back from {now_champion}", champions.ROLLBACK)


def _make_champion(home: Home, warehouse: Warehouse, model_id: str, reason: str, kind: str) -> None:
    from models import store  # noqa: PLC0415 - LightGBM takes seconds to load

    champions.ensure_can_score(warehouse, model_id)
    store.load(home.models, model_id)  # a damaged one must not become champion
    before = champions.current_champion(warehouse)
    champions.promote_by_hand(warehouse, model_id, reason=reason, kind=kind)
    show(f"{model_id} is champion; before it was {before or 'none'}.")
    say(_NEXT)


def _who(by: str) -> str:
    told = {"gate": "by the gate", "operator": "by hand", "newest": "being the newest before there was a gate"}
    return told[by]


def _dicts(warehouse: Warehouse, sql: str, values: Sequence[object]) -> list[dict[str, Any]]:
    cursor = warehouse.con.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


_Action = Callable[[Home, Settings, Warehouse, argparse.Namespace], None]

_ACTIONS: Mapping[str, tuple[_Action, str]] = {
    "list": (_list, "all models, the newest first"),
    "show": (_show, "what a model was trained on, and what the gate said of it"),
    "compare": (_compare, "two models on landmarks that neither was trained on"),
    "promote": (_promote, "make a model champion by hand"),
    "rollback": (_rollback, "make the champion before this one champion again"),
}
