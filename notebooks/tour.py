# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""A tour of the published marts: alerts, the model behind them, the learning mix, and what programmes returned.

Reads the marts of the home in HANDRAIL_HOME (else ./var), read-only, and nothing else:

    marimo edit notebooks/tour.py
    marimo run notebooks/tour.py
    python notebooks/tour.py

Belongs here: a first look that an analyst can copy from. Does not belong here: anything that writes, any table
that is not published, any name of a person.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Handrail: a tour of the marts")


@app.cell
def _():
    import marimo as mo
    import published

    def frame(sql):
        """Rows of a query on the marts as a data frame."""
        return published.read(rows=sql).rows

    return frame, mo, published


@app.cell
def _(frame, mo):
    publication = frame("""
        SELECT publication_id, observed_at, model_id,
               (SELECT count(DISTINCT learner_id) FROM learner_risk) AS active_learners,
               (SELECT count(*) FROM learner_risk) AS active_enrolments
        FROM publication
    """).iloc[0]
    has_model = isinstance(publication.model_id, str)
    mo.md(f"""
    # A tour of the marts

    Publication **{publication.publication_id}**, as of {publication.observed_at:%Y-%m-%d %H:%M} UTC:
    {publication.active_learners:,} learners are active in {publication.active_enrolments:,} enrolments.
    {
        f"Risk comes from model {publication.model_id}."
        if has_model
        else "There is too little history for a model, so alerts come from rules alone and probabilities are missing."
    }

    Persons are pseudonyms. Nothing here is for the appraisal, pay, selection or discipline of anybody.
    """)
    return


@app.cell
def _(frame, mo):
    alerts = frame("""
        SELECT coalesce(left(mentor_id, 8), CASE WHEN is_served THEN 'coordinator' ELSE 'nobody' END) AS who,
               level, is_served, coalesce(unserved_reason, '') AS unserved_reason, count(*) AS alerts,
               sum(expected_minutes) AS minutes
        FROM learner_alerts WHERE state <> 'resolved'
        GROUP BY ALL ORDER BY alerts DESC, who, level
    """)
    _served = int(alerts.alerts[alerts.is_served].sum())
    mo.md(f"""
    ## Alerts by level and mentor

    {int(alerts.alerts.sum()):,} alerts are open, and {_served:,} of them have somebody with the minutes. The level says what
    kind of help is likely to be needed. "Nobody" is not idle mentors: it is what does not fit into the week.
    """)
    return (alerts,)


@app.cell
def _(alerts, mo, published):
    mo.stop(alerts.empty, mo.md("*There are no open alerts.*"))

    def _bars(ax, counts, title):
        counts = counts.loc[counts.sum(axis=1).sort_values().index]
        left = 0
        for _level in published.LEVELS:
            if _level in counts:
                ax.barh(counts.index, counts[_level], left=left, color=published.LEVELS[_level], label=_level)
                left = counts[_level] + left
        ax.set_title(title)
        ax.set_xlabel("alerts")
        ax.xaxis.get_major_locator().set_params(integer=True)

    _whom = alerts.assign(reason=alerts.unserved_reason.str.replace("_", " "))
    _served = _whom[_whom.is_served].pivot_table(
        index="who", columns="level", values="alerts", aggfunc="sum", fill_value=0
    )
    _waiting = _whom[~_whom.is_served].pivot_table(
        index="reason", columns="level", values="alerts", aggfunc="sum", fill_value=0
    )
    _panels = [
        (_counts, _title)
        for _counts, _title in ((_served, "served by"), (_waiting, "not served, because"))
        if len(_counts)
    ]
    alerts_figure = published.Figure(figsize=(8, 1.5 + 0.22 * sum(len(_counts) for _counts, _ in _panels)))
    _axes = alerts_figure.subplots(
        len(_panels), 1, squeeze=False, gridspec_kw={"height_ratios": [len(_counts) + 1 for _counts, _ in _panels]}
    )[:, 0]
    for _ax, (_counts, _title) in zip(_axes, _panels, strict=True):
        _bars(_ax, _counts, _title)
    _axes[0].legend(title="level", loc="lower right")
    published.shown(alerts_figure, "Bars: open alerts by mentor or by why nobody serves them, in colours of the level.")
    return


@app.cell
def _(frame, mo, published):
    first_alerts = frame("""
        SELECT left(a.learner_id, 8) AS learner, p.name AS programme, left(a.mentor_id, 8) AS mentor,
               round(100 * a.abandonment_probability_28d) AS percent_in_28_days, a.level, a.channel,
               a.expected_minutes AS minutes, a.reason_1_text AS first_reason, a.next_step
        FROM learner_alerts AS a JOIN dim_programme AS p USING (programme_id)
        WHERE a.is_served AND a.state <> 'resolved'
        ORDER BY a.abandonment_probability_28d DESC NULLS LAST, a.alert_id LIMIT 10
    """)
    unserved = frame("""
        SELECT p.name AS programme, u.week_starts_on, u.unserved_alerts_count, u.expected_loss,
               u.served_by_one_more_hour_count, u.loss_served_by_one_more_hour
        FROM unserved_risk AS u JOIN dim_programme AS p USING (programme_id)
        QUALIFY u.week_starts_on = max(u.week_starts_on) OVER (PARTITION BY u.programme_id) ORDER BY programme
    """)
    mo.vstack(
        [
            published.table(first_alerts),
            mo.md("What nobody has minutes for, and what one more hour would reach:"),
            published.table(unserved),
        ]
    )
    return


@app.cell
def _(mo):
    mo.md("""
    ## How good the predictions were

    Out of sample, on the latest fold whose outcome is known, beside the two things one would use without a model.
    Bars are 95 % intervals that count learners' enrolments, not rows. An AUC of 0.5 is chance.
    """)
    return


@app.cell
def _(frame, mo, published):
    quality = frame("""
        SELECT estimator, metric_name, metric_value, metric_low, metric_high, n_count, n_events_count
        FROM model_quality WHERE horizon = '28d' AND slice_kind = 'all' AND metric_value IS NOT NULL
    """)
    mo.stop(quality.empty, mo.md("*No model yet, so there is nothing to judge.*"))

    def _intervals(ax, metric, title, mark):
        rows = quality[quality.metric_name == metric].set_index("estimator").reindex(published.ESTIMATORS).dropna()
        rows = rows.iloc[::-1]
        ax.errorbar(
            rows.metric_value,
            [published.ESTIMATORS[name] for name in rows.index],
            xerr=[rows.metric_value - rows.metric_low, rows.metric_high - rows.metric_value],
            fmt="o",
            color=published.BLUE,
            capsize=3,
        )
        ax.axvline(mark, color=published.GREY, linewidth=1, linestyle=":")
        ax.set_title(title)
        ax.margins(y=0.4)

    quality_figure = published.Figure(figsize=(8, 5))
    _axes = quality_figure.subplots(3, 1)
    _base = float(quality[quality.metric_name == "base_rate"].metric_value.iloc[0])
    _intervals(_axes[0], "roc_auc", "AUC (dotted: chance)", 0.5)
    _intervals(
        _axes[1], "precision_at_10_percent", "Share that abandons among the top tenth (dotted: among all)", _base
    )
    _intervals(_axes[2], "calibration_slope", "Calibration slope (dotted: probabilities mean what they say)", 1.0)
    published.shown(
        quality_figure,
        "Points with intervals: AUC, precision in the top tenth and calibration slope of each estimator.",
    )
    return (quality,)


@app.cell
def _(mo, quality):
    _top = quality[
        (quality.estimator == "model") & (quality.metric_name == "expected_over_observed_top_10_percent")
    ].iloc[0]
    mo.md(f"""
    Calibration stands in the marts as slope, intercept and the top tenth, not decile by decile. In the top tenth the
    model expected **{_top.metric_value:.2f}** times the abandonments that came (95 % interval {_top.metric_low:.2f} to
    {_top.metric_high:.2f}; 1 is right). It was judged on {int(_top.n_count):,} landmarks, of which
    {int(_top.n_events_count):,} ended in abandonment.
    """)
    return


@app.cell
def _(mo):
    mo.md("""
    ## Learning mix

    Minutes as logged, by strand, against the programme's own target. Read the coverage first: it is the share of active
    participations with any evidence of the strand, averaged over months. Most learning by doing is never logged, and missing
    data is not missing learning. The split describes; it weighs no effect.
    """)
    return


@app.cell
def _(frame, mo, published):
    mix = frame("""
        SELECT coalesce(p.name, m.programme_id) AS programme, m.strand, sum(m.minutes) AS minutes,
               any_value(m.target_share) AS target_share, avg(m.coverage_share) AS coverage_share
        FROM learning_mix AS m LEFT JOIN dim_programme AS p USING (programme_id)
        WHERE m.course_id = 'all' GROUP BY ALL ORDER BY programme, m.strand
    """)
    _minutes = mix.pivot_table(index="programme", columns="strand", values="minutes", aggfunc="sum")
    _minutes = _minutes[_minutes.sum(axis=1) > 0]
    mo.stop(_minutes.empty, mo.md("*No minutes are known: the source gives days or single events only.*"))
    _shares = _minutes.div(_minutes.sum(axis=1), axis=0).iloc[::-1]
    _targets = mix.pivot_table(index="programme", columns="strand", values="target_share").reindex(_shares.index)
    mix_figure = published.Figure(figsize=(8, 1.5 + 0.8 * len(_shares)))
    _ax = mix_figure.subplots()
    _places = range(len(_shares))
    _left, _target_left = [0.0] * len(_shares), [0.0] * len(_shares)
    for _strand, _colour in published.STRANDS.items():
        _bar = _ax.barh(_places, _shares[_strand], left=_left, height=0.5, color=_colour, label=_strand)
        _ax.bar_label(
            _bar,
            [f"{_part:.0%}" if _part > 0.04 else "" for _part in _shares[_strand]],
            label_type="center",
            color="black",
        )
        _left = [_start + _part for _start, _part in zip(_left, _shares[_strand], strict=True)]
        if _strand in _targets:
            _target = _targets[_strand].fillna(0)
            _ax.barh([_place - 0.33 for _place in _places], _target, left=_target_left, height=0.1, color=_colour)
            _target_left = [_start + _part for _start, _part in zip(_target_left, _target, strict=True)]
    _ax.set_yticks(_places, _shares.index)
    _ax.set_xticks([])
    _ax.spines["bottom"].set_visible(False)
    _ax.set_title("Measured minutes; the thin bar is the target")
    mix_figure.legend(loc="outside lower center", ncols=3)
    published.shown(
        mix_figure, "Bars: share of the measured minutes by strand and programme, each over its thin target bar."
    )
    return (mix,)


@app.cell
def _(mix, published):
    coverage = mix.pivot_table(index="programme", columns="strand", values="coverage_share").round(2).reset_index()
    published.table(coverage)
    return


@app.cell
def _(mo):
    mo.md("""
    ## What mentoring changed

    The difference in abandonment within eight weeks, in percentage points, on those who were contacted (or matched):
    negative is fewer. Read the verdict before the number; across zero is "not distinguishable from zero", never "no effect".
    """)
    return


@app.cell
def _(frame):
    effects = frame("""
        SELECT coalesce(p.name, 'all programmes') AS programme, e.contrast, e.role, e.effect_points, e.effect_low_points,
               e.effect_high_points, e.treated_count, e.untreated_percent, e.verdict, e.reason
        FROM mentoring_effect AS e LEFT JOIN dim_programme AS p USING (programme_id)
        WHERE e.subgroup_kind = 'all' ORDER BY e.contrast, e.programme_id <> 'all', programme
    """)
    return (effects,)


@app.cell
def _(effects, mo, published):
    _told = effects[effects.effect_points.notna()].iloc[::-1]
    mo.stop(_told.empty, mo.md("*No effect can be said; the reasons stand below.*"))
    effect_figure = published.Figure(figsize=(8, 1.2 + 0.35 * len(_told)))
    _ax = effect_figure.subplots()
    _places = range(len(_told))
    _below, _above = _told.effect_points - _told.effect_low_points, _told.effect_high_points - _told.effect_points
    _ax.errorbar(_told.effect_points, _places, xerr=[_below, _above], fmt="o", color=published.BLUE, capsize=3)
    _ax.axvline(0, color=published.GREY, linewidth=1)
    _names = [f"{_row.contrast.replace('_', ' ')}, {_row.programme} ({_row.verdict})" for _row in _told.itertuples()]
    _ax.set_yticks(_places, _names)
    _ax.margins(y=0.1)
    _ax.set_xlabel("percentage points of abandonment")
    published.shown(
        effect_figure, "Points with intervals: the effect of mentoring on abandonment by programme and contrast."
    )
    return


@app.cell
def _(effects, published):
    published.table(effects)
    return


@app.cell
def _(mo):
    mo.md("""
    ## What programmes returned

    ROI is (benefit - cost) / cost. The benefit is what participants estimated, times the share that they attribute to the
    programme; the conservative column also multiplies by their confidence. What mentoring alone returned stands in the rows
    of component `mentoring`, where its effect can be said. Bars are 95 % intervals.
    """)
    return


@app.cell
def _(frame):
    roi = frame("""
        SELECT coalesce(p.name, r.programme_id) AS programme, r.method, r.isolation, r.cost_amount, r.benefit_amount,
               r.currency, r.roi_percent, r.roi_low_percent, r.roi_high_percent, r.roi_positive_probability, r.verdict,
               r.withheld_reason
        FROM programme_roi AS r LEFT JOIN dim_programme AS p USING (programme_id)
        WHERE r.course_id = 'all' AND r.strand = 'all' AND r.component = 'programme'
        ORDER BY programme, r.method DESC, r.isolation
    """)
    return (roi,)


@app.cell
def _(mo, published, roi):
    _told = roi[roi.roi_percent.notna()].iloc[::-1]
    mo.stop(_told.empty, mo.md("*No ROI can be said; the reasons stand below.*"))
    roi_figure = published.Figure(figsize=(8, 1.2 + 0.45 * len(_told)))
    _ax = roi_figure.subplots()
    _places = range(len(_told))
    for _method, _colour in (("full", published.BLUE), ("conservative", published.ORANGE)):
        _chosen = [_place for _place, _name in zip(_places, _told.method, strict=True) if _name == _method]
        _rows = _told.iloc[_chosen]
        _ax.errorbar(
            _rows.roi_percent,
            _chosen,
            xerr=[_rows.roi_percent - _rows.roi_low_percent, _rows.roi_high_percent - _rows.roi_percent],
            fmt="o",
            color=_colour,
            capsize=3,
            label=_method,
        )
    _ax.axvline(0, color=published.GREY, linewidth=1)
    _ax.set_yticks(_places, [f"{_row.programme} ({_row.verdict.replace('_', ' ')})" for _row in _told.itertuples()])
    _ax.margins(y=0.1)
    _ax.set_xlabel("ROI, percent")
    roi_figure.legend(loc="outside lower center", ncols=2)
    published.shown(
        roi_figure, "Points with intervals: ROI of each programme, full and conservative; the line is zero."
    )
    return


@app.cell
def _(mo, published, roi):
    withheld = (
        roi.loc[roi.roi_percent.isna(), ["programme", "isolation", "verdict", "withheld_reason"]]
        .drop_duplicates()
        .reset_index(drop=True)
    )
    mo.vstack([mo.md("What is withheld, and why:"), published.table(withheld)])
    return


if __name__ == "__main__":
    app.run()
