# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Risk, looked at closely: who is at risk and why, what changed, how far to trust it, what more mentor hours would reach.

Reads the marts of the home in HANDRAIL_HOME (else ./var), read-only, and nothing else:

    marimo edit notebooks/risk.py
    marimo run notebooks/risk.py
    python notebooks/risk.py

Belongs here: questions about risk that an analyst asks after the tour. Does not belong here: anything that writes, any
table that is not published, any name or single row of a person.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Handrail: risk")


@app.cell
def _():
    import json

    import marimo as mo
    import polars as pl
    import published

    from models.drift import LARGE, MODERATE
    from models.ranking import EffectEstimate, ranked

    return EffectEstimate, LARGE, MODERATE, json, mo, pl, published, ranked


@app.cell
def _(published):
    marts = published.read(
        publication="SELECT publication_id, observed_at, model_id, settings FROM publication",
        risk=f"""
            SELECT {published.PROGRAMME} AS programme, coalesce(r.course_id, 'no course') AS course,
                   r.abandonment_probability_28d AS probability, r.probability_change_7d AS change,
                   coalesce(r.risk_band, 'unknown') AS band, r.is_too_early
            FROM learner_risk AS r LEFT JOIN dim_programme AS p USING (programme_id)
        """,
        alerts=f"""
            SELECT a.alert_id, {published.PROGRAMME} AS programme, a.kind, a.rule, a.state,
                   a.level, a.opened_at, a.reason_1_family, a.reason_2_family, a.reason_3_family,
                   a.abandonment_probability_28d, a.expected_minutes, a.is_served,
                   coalesce(a.unserved_reason, '') AS unserved_reason
            FROM learner_alerts AS a LEFT JOIN dim_programme AS p USING (programme_id)
            WHERE a.state <> 'resolved' AND a.kind <> 'good_news'
        """,
        quality="""
            SELECT estimator, slice_kind, slice_value, metric_name, metric_value, metric_low, metric_high,
                   n_count, n_events_count
            FROM model_quality WHERE horizon = '28d' AND slice_kind IN ('all', 'course', 'week')
        """,
        drift="""
            SELECT slice_value AS feature, metric_value AS index, is_passed, reason
            FROM model_quality WHERE slice_kind = 'drift' AND metric_name = 'psi' AND metric_value IS NOT NULL
            ORDER BY metric_value DESC, feature
        """,
        load="""
            SELECT sum(available_minutes) / 60 AS available, sum(planned_minutes) / 60 AS planned,
                   sum(used_minutes) / 60 AS used, count(*) AS mentors
            FROM mentor_load WHERE week_starts_on = (SELECT max(week_starts_on) FROM mentor_load)
        """,
    )
    return (marts,)


@app.cell
def _(marts, mo):
    publication = marts.publication.iloc[0]
    scored = marts.risk[marts.risk.probability.notna()]
    has_model = not scored.empty
    _told = (
        f"""{len(scored):,} active enrolments have a probability. Over the next 28 days the model expects
        **{scored.probability.sum():.0f}** of them to be abandoned, {scored.probability.mean():.1%} on average."""
        if has_model
        else "No enrolment has a probability: there is too little history for a model, and alerts come from rules alone."
    )
    mo.md(f"""
    # Risk, looked at closely

    Publication **{publication.publication_id}**, as of {publication.observed_at:%Y-%m-%d %H:%M} UTC. {_told}

    A probability speaks of learners like this one, never of what one person will do. Nothing here is for the appraisal,
    pay, selection or discipline of anybody.
    """)
    return has_model, publication, scored


@app.cell
def _():
    FEW = 10

    def of_many(rows, *by):
        """The rows of groups that are so large that no figure of one is a figure of a person."""
        return rows[rows.groupby([*by])["course"].transform("size") >= FEW]

    return FEW, of_many


@app.cell
def _(FEW, mo):
    mo.md(f"""
    ## Who is at risk

    By course: active enrolments by band of the 28-day probability (low under 10 %, high from 30 %). Courses with fewer than
    {FEW} of them are left out here and below.
    """)
    return


@app.cell
def _(has_model, mo, of_many, published, scored):
    mo.stop(not has_model, mo.md("*No probabilities, so no bands.*"))
    _rows = of_many(scored, "course")
    mo.stop(_rows.empty, mo.md("*No course has enough enrolments.*"))
    _bands = {"low": published.GREEN, "middle": "#E69F00", "high": published.ORANGE}
    _counts = _rows.pivot_table(index="course", columns="band", values="probability", aggfunc="count", fill_value=0)
    _counts = _counts.reindex(columns=[*_bands], fill_value=0)
    _counts = _counts.loc[_counts.sum(axis=1).sort_values().index]
    _figure = published.Figure(figsize=(8, 1.3 + 0.3 * len(_counts)))
    _ax = _figure.subplots()
    _left = 0
    for _band, _colour in _bands.items():
        _ax.barh(_counts.index, _counts[_band], left=_left, color=_colour, label=_band)
        _left = _counts[_band] + _left
    _ax.set_xlabel("active enrolments")
    _ax.xaxis.get_major_locator().set_params(integer=True)
    _figure.legend(loc="outside lower center", ncols=3)
    published.shown(_figure, "Bars: active enrolments of each course by band of risk; the table below has the figures.")
    return


@app.cell
def _(has_model, mo, of_many, published, scored):
    mo.stop(not has_model)
    by_course = (
        of_many(scored, "programme", "course")
        .assign(
            high=lambda rows: rows.band == "high",
            up=lambda rows: rows.change > 0.05,
            down=lambda rows: rows.change < -0.05,
        )
        .groupby(["programme", "course"], as_index=False)
        .agg(
            enrolments=("probability", "size"),
            expected=("probability", "sum"),
            mean_percent=("probability", "mean"),
            high=("high", "sum"),
            up_5_points=("up", "sum"),
            down_5_points=("down", "sum"),
        )
        .assign(mean_percent=lambda rows: (rows.mean_percent * 100).round(1))
        .round({"expected": 1})
        .sort_values(["expected", "course"], ascending=[False, True])
    )
    published.table(by_course)
    return (by_course,)


@app.cell
def _(mo):
    mo.md("""
    ## What changed in a week

    Change of the 28-day probability of those who were active a week ago as well. A course in which everybody moves has
    changed itself (a deadline, a release), or the data has; single learners move about zero.
    """)
    return


@app.cell
def _(mo, of_many, published, scored):
    _changes = of_many(scored[scored.change.notna()], "course")
    mo.stop(_changes.empty, mo.md("*Too few have a probability of a week ago.*"))
    _courses = sorted(_changes.course.unique())[::-1]
    _figure = published.Figure(figsize=(8, 1.3 + 0.35 * len(_courses)))
    _ax = _figure.subplots()
    for _place, _course in enumerate(_courses):
        _points = _changes.change[_changes.course == _course] * 100
        _ends = _points.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).to_list()
        _ax.plot([_ends[0], _ends[4]], [_place, _place], color=published.BLUE, linewidth=1)
        _ax.plot([_ends[1], _ends[3]], [_place, _place], color=published.BLUE, linewidth=7, solid_capstyle="butt")
        _ax.plot(_ends[2], _place, "o", color=published.ORANGE)
    _ax.axvline(0, color=published.GREY, linewidth=1)
    _ax.set_yticks(range(len(_courses)), _courses)
    _ax.margins(y=0.1)
    _ax.set_xlabel("percentage points (dot: median, bar: middle half, line: 90 %)")
    published.shown(_figure, "Lines: change of the probability in a week, by course, about a line at zero.")
    return


@app.cell
def _(mo):
    mo.md("""
    ## Why

    Families of reasons of the open alerts. A risk alert's reasons are what moved its score most; a rule's is the rule.
    They say where to look first. They are no causes: what would help is for the mentor and the learner to find out.
    """)
    return


@app.cell
def _(marts, mo, published):
    mo.stop(marts.alerts.empty, mo.md("*There are no open alerts.*"))
    _first = marts.alerts.assign(family=marts.alerts.reason_1_family.fillna("not told"))
    _counts = _first.pivot_table(index="family", columns="level", values="alert_id", aggfunc="count", fill_value=0)
    _counts = _counts.loc[_counts.sum(axis=1).sort_values().index]
    _figure = published.Figure(figsize=(8, 1.3 + 0.3 * len(_counts)))
    _ax = _figure.subplots()
    _left = 0
    for _level, _colour in published.LEVELS.items():
        if _level in _counts:
            _ax.barh(_counts.index, _counts[_level], left=_left, color=_colour, label=_level)
            _left = _counts[_level] + _left
    _ax.set_xlabel("open alerts, by the family of the first reason")
    _ax.xaxis.get_major_locator().set_params(integer=True)
    _figure.legend(loc="outside lower center", ncols=4)
    published.shown(_figure, "Bars: open alerts by family of the first reason, in colours of the level of support.")
    return


@app.cell
def _(FEW, marts, mo, published):
    mo.stop(marts.alerts.empty)
    _named = marts.alerts.melt(
        id_vars=["alert_id", "kind", "abandonment_probability_28d"],
        value_vars=["reason_1_family", "reason_2_family", "reason_3_family"],
        value_name="family",
    ).dropna(subset="family")
    reasons = (
        _named.drop_duplicates(["alert_id", "family"])
        .groupby(["family", "kind"], as_index=False)
        .agg(alerts=("alert_id", "size"), mean_percent=("abandonment_probability_28d", "mean"))
        .assign(mean_percent=lambda rows: (rows.mean_percent.astype(float) * 100).round(1).where(rows.alerts >= FEW))
        .sort_values(["alerts", "family"], ascending=[False, True])
    )
    mo.vstack(
        [
            mo.md(
                "Any of the three reasons, and the mean 28-day probability of these alerts, percent, where they are many:"
            ),
            published.table(reasons),
        ]
    )
    return


@app.cell
def _(mo):
    mo.md("""
    ## Do the probabilities mean what they say?

    Out of sample, on the latest fold whose outcome is known, by course. Bars are 95 % intervals that count learners'
    enrolments, not rows. A slope of 1 is right; above 1 the model is too cautious (high risks are higher than said), below
    1 it overstates. Expected over observed in the top tenth: 1 is right, above 1 it warned too much. Courses with few
    abandonments have wide bars, which is not bad calibration.
    """)
    return


@app.cell
def _(marts, mo, published):
    calibration = marts.quality[(marts.quality.estimator == "model") & marts.quality.metric_value.notna()]
    mo.stop(calibration.empty, mo.md("*No model yet, so there is nothing to judge.*"))
    _of = calibration[calibration.slice_kind.isin(["all", "course"])]
    _places = [*sorted(set(_of.slice_value) - {"all"}, reverse=True), "all"]
    _figure = published.Figure(figsize=(8, 1.5 + 0.3 * len(_places)))
    for _ax, (_metric, _title, _mark) in zip(
        _figure.subplots(1, 3, sharey=True),
        (
            ("calibration_slope", "Calibration slope", 1.0),
            ("expected_over_observed_top_10_percent", "Expected over observed", 1.0),
            ("roc_auc", "AUC", 0.5),
        ),
        strict=True,
    ):
        _rows = _of[_of.metric_name == _metric].set_index("slice_value").reindex(_places)
        _ax.errorbar(
            _rows.metric_value,
            range(len(_places)),
            xerr=[_rows.metric_value - _rows.metric_low, _rows.metric_high - _rows.metric_value],
            fmt="o",
            color=published.BLUE,
            capsize=3,
        )
        _ax.axvline(_mark, color=published.GREY, linewidth=1, linestyle=":")
        _ax.set_title(_title, fontsize=10)
        _ax.set_yticks(range(len(_places)), _places)
        _ax.margins(y=0.1)
    published.shown(_figure, "Points with intervals by course: calibration slope, expected over observed, AUC.")
    return


@app.cell
def _(mo):
    mo.md("""
    ## How early it sees

    Recall when a fifth of the learners of a course week can be reached: the share of coming abandonments that is among
    them, beside the rule "no activity for 7 days". Reaching a fifth at random would find a fifth (dotted).
    """)
    return


@app.cell
def _(marts, mo, published):
    _recall = marts.quality[
        (marts.quality.slice_kind == "week")
        & (marts.quality.metric_name == "recall_at_20_percent")
        & marts.quality.metric_value.notna()
    ]
    mo.stop(_recall.empty, mo.md("*No model yet, or no week with enough abandonments.*"))
    _figure = published.Figure(figsize=(8, 3.4))
    _ax = _figure.subplots()
    for _estimator, _colour, _shift in (("model", published.BLUE, -0.1), ("inactive_7d_rule", published.ORANGE, 0.1)):
        _rows = _recall[_recall.estimator == _estimator].assign(week=lambda rows: rows.slice_value.astype(int))
        _rows = _rows.sort_values("week")
        _ax.errorbar(
            _rows.week + _shift,
            _rows.metric_value,
            yerr=[_rows.metric_value - _rows.metric_low, _rows.metric_high - _rows.metric_value],
            fmt="o",
            color=_colour,
            capsize=3,
            label=published.ESTIMATORS[_estimator],
        )
    _ax.axhline(0.2, color=published.GREY, linewidth=1, linestyle=":")
    _ax.set_ylim(0, 1)
    _ax.set_xlabel("week of the course")
    _ax.set_ylabel("recall at a fifth")
    _ax.xaxis.get_major_locator().set_params(integer=True)
    _figure.legend(loc="outside lower center", ncols=2)
    published.shown(_figure, "Points with intervals by course week: recall of the model and of the rule.")
    return


@app.cell
def _(LARGE, MODERATE, mo):
    mo.md(f"""
    ## Has the population moved away from the training?

    Stability index of each feature tonight against the training: under {MODERATE} nothing changed, from {LARGE} on much
    did (Siddiqi 2006). It says that rows differ, never why: where all courses began together, whatever counts weeks or
    due work moves by itself. Trouble is a feature of activity that moves in no step with the course.
    """)
    return


@app.cell
def _(LARGE, marts, mo, published):
    mo.stop(marts.drift.empty, mo.md("*Drift is not judged: no model, or too few rows.*"))
    _first = marts.drift.head(12).iloc[::-1]
    _figure = published.Figure(figsize=(8, 1.2 + 0.26 * len(_first)))
    _ax = _figure.subplots()
    _colours = [published.ORANGE if _index >= LARGE else published.BLUE for _index in _first["index"]]
    _ax.barh(_first.feature, _first["index"], color=_colours)
    _ax.set_xscale("log")
    _ax.axvline(LARGE, color=published.GREY, linewidth=1, linestyle=":")
    _ax.set_xlabel("stability index, logarithmic (dotted: large)")
    _large = int((marts.drift["index"] >= LARGE).sum())
    mo.vstack(
        [
            mo.md(f"{_large} of {len(marts.drift)} indices are large; the twelve largest:"),
            published.shown(_figure, "Bars: the twelve largest stability indices, with the threshold of a large one."),
        ]
    )
    return


@app.cell
def _(marts, mo):
    _hours = marts.load.iloc[0]
    _known = (
        f"""In the week of the publication {int(_hours.mentors):,} mentors have {_hours.available:.0f} hours, of which
        {_hours.planned:.0f} are planned meetings and {_hours.used:.0f} were given to alerts and meetings."""
        if _hours.mentors
        else "No mentor's minutes are known."
    )
    mo.md(f"""
    ## What more mentor hours would reach

    {_known} What is served stays served; more hours are filled from the alerts that wait, in the order in which Handrail
    itself gives minutes: highest value first, what no longer fits passed over.

    **Reaching is not preventing.** How much a contact changes stands in the tour ("What mentoring changed"), and is often
    not distinguishable from zero.
    """)
    return


@app.cell
def _(EffectEstimate, json, marts, pl, publication, ranked):
    def waiting_in_order(alerts):
        """Alerts that nobody serves, as the router orders them; with a value of its settings, else by probability."""
        ratios = json.loads(publication.settings).get("contact_risk_ratios") or None
        effect = EffectEstimate("settings", tuple(ratios)) if ratios else None
        order = ["routing_value", "abandonment_probability_28d", "opened_at", "alert_id"]
        return (
            ranked(pl.from_pandas(alerts), effect)
            .filter(~pl.col("is_served"))
            .sort(order, descending=[True, True, False, False], nulls_last=True)
        )

    def reached(rows, hours):
        """Alerts and the expected abandonments behind them that so many hours reach, filled in this order."""
        left, count, loss = hours * 60, 0, 0.0
        for minutes, probability in rows.select("expected_minutes", "abandonment_probability_28d").iter_rows():
            if minutes <= left:
                left, count, loss = left - minutes, count + 1, loss + (probability or 0.0)
        return count, loss

    _open = pl.DataFrame() if marts.alerts.empty else waiting_in_order(marts.alerts)
    waiting = {
        rows["programme"][0]: rows
        for rows in (_open.sort("programme", maintain_order=True).partition_by("programme") if len(_open) else ())
    }
    return reached, waiting


@app.cell
def _(mo, waiting):
    mo.stop(not waiting, mo.md("*No alert waits for minutes.*"))
    _whole = max(-(-int(_rows["expected_minutes"].sum()) // 60) for _rows in waiting.values())
    more_hours = mo.ui.slider(
        0,
        max(1, _whole),
        value=min(5, _whole),
        label="More hours a week, in each programme",
        show_value=True,
        full_width=True,
    )
    more_hours
    return (more_hours,)


@app.cell
def _(more_hours, published, reached, waiting):
    _most = more_hours.stop
    _steps = sorted({round(_most * _step / 40) for _step in range(41)})
    _figure = published.Figure(figsize=(8, 3.6))
    _axes = _figure.subplots(1, 2)
    for _ax, _part, _title in ((_axes[0], 0, "Alerts reached"), (_axes[1], 1, "Expected abandonments among them")):
        for (_name, _rows), _colour in zip(
            waiting.items(), [*published.LEVELS.values(), published.GREY] * len(waiting), strict=False
        ):
            _ax.plot(_steps, [reached(_rows, _hours)[_part] for _hours in _steps], color=_colour, label=_name)
        _ax.axvline(more_hours.value, color=published.GREY, linewidth=1, linestyle=":")
        _ax.set_title(_title, fontsize=10)
        _ax.set_xlabel("more hours a week")
        _ax.set_ylim(bottom=0)
    _handles, _labels = _axes[0].get_legend_handles_labels()
    _figure.legend(_handles[:6], _labels[:6], loc="outside lower center", ncols=1 if max(map(len, _labels)) > 24 else 3)
    published.shown(_figure, "Lines by programme: alerts and expected abandonments reached by more hours a week.")
    return


@app.cell
def _(marts, more_hours, pl, reached, waiting):
    _rows = []
    for _name, _waiting in waiting.items():
        _count, _loss = reached(_waiting, more_hours.value)
        _next = max(0.0, reached(_waiting, more_hours.value + 1)[1] - _loss)
        _rows.append(
            {
                "programme": _name,
                "served_now": int((marts.alerts.is_served & (marts.alerts.programme == _name)).sum()),
                "waiting": len(_waiting),
                "reached": _count,
                "expected_abandonments_reached": round(_loss, 1),
                "of_those_waiting": round(_waiting["abandonment_probability_28d"].fill_null(0).sum(), 1),
                "next_hour_reaches": round(_next, 2),
                "hours_for_all": -(-int(_waiting["expected_minutes"].sum()) // 60),
            }
        )
    capacity = pl.DataFrame(_rows)
    return (capacity,)


@app.cell
def _(capacity, mo, more_hours, published):
    mo.vstack(
        [
            mo.md(f"With **{more_hours.value}** more hours a week in each programme:"),
            published.table(capacity),
            mo.md("""
            Hours are taken as one pot; split over mentors a little less fits. Minutes of an alert are what its level is
            expected to need (settings `minutes_*`), an assumption until your own mentors' minutes are known.
            """),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
