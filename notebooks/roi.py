# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""ROI, what if: move what is assumed about a programme's value, isolation, cost and effect, and see its ROI again.

Reads the marts of the home in HANDRAIL_HOME (else ./var), read-only, and nothing else:

    marimo edit notebooks/roi.py
    marimo run notebooks/roi.py
    python notebooks/roi.py

Belongs here: one programme's published ROI, computed again by `models.roi_draws` from inputs that the reader moves. Does
not belong here: anything that writes or is published, any ranking of programmes by money.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Handrail: ROI, what if")


@app.cell
def _():
    import json

    import marimo as mo
    import pandas as pd
    import published

    from models import roi_draws as draws

    return draws, json, mo, pd, published


@app.cell
def _(published):
    marts = published.read(
        publication="SELECT publication_id, observed_at, settings FROM publication",
        roi=f"""
            SELECT {published.PROGRAMME} AS programme, r.*
            FROM programme_roi AS r LEFT JOIN dim_programme AS p USING (programme_id)
            WHERE r.course_id = 'all' AND r.strand = 'all' ORDER BY programme_id, component, method DESC, isolation
        """,
        drivers="SELECT * FROM roi_driver ORDER BY programme_id, component, driver_rank",
        effects="""
            SELECT programme_id, effect_points, standard_error_points, untreated_percent, treated_count, verdict, reason
            FROM mentoring_effect WHERE contrast = 'matched' AND subgroup_kind = 'all'
        """,
        matched="SELECT programme_id, count(DISTINCT learner_id) AS learners FROM mentoring_health GROUP BY ALL",
        results="""
            SELECT programme_id, cost_per_completion_amount FROM cost_per_result
            WHERE delivery = 'all' AND cost_per_completion_amount IS NOT NULL
        """,
    )
    return (marts,)


@app.cell
def _(marts, mo):
    _publication = marts.publication.iloc[0]
    mo.md(f"""
    # ROI, what if

    Publication **{_publication.publication_id}**, as of {_publication.observed_at:%Y-%m-%d %H:%M} UTC.

    ROI is (benefit - cost) / cost. Choose a programme and move what you would assume otherwise: the figures are computed
    anew by the code that computed the published ones. **What you see here is yours, not a finding**: nothing is published
    or kept. Beside every slider stands where its first value comes from.
    """)
    return


@app.cell
def _(marts, mo):
    _told = marts.roi[marts.roi.cost_amount.notna() & (marts.roi.cost_amount > 0)]
    _choices = dict(zip(_told.programme, _told.programme_id, strict=True))
    mo.stop(
        not _choices,
        mo.md(
            "*No programme has a cost that may be shown, so there is no ROI to move: give `programme_cost`, "
            "or see `withheld_reason` in the mart `programme_roi`.*"
        ),
    )
    programme = mo.ui.dropdown(_choices, value=next(iter(_choices)), label="Programme")
    programme
    return (programme,)


@app.cell
def _(marts, pd):
    # Ends of the 95 % interval of a triangular error on (-1, 1), and of the mean of n such errors times sqrt(n).
    _ONE_ERROR, _MANY_ERRORS = 1 - 0.05**0.5, 1.96 / 6**0.5

    def known(value):
        """Whether a figure is there at all."""
        return value is not None and bool(pd.notna(value))

    def row_of(rows, **wanted):
        """The first row with these values, None if there is none."""
        for name, value in wanted.items():
            rows = rows[rows[name] == value]
        return None if rows.empty else rows.iloc[0]

    def _like(full, careful):
        """How many estimates of equal size, their errors independent, have the published interval."""
        wide = (careful.benefit_high_amount - careful.benefit_low_amount) / careful.benefit_amount
        narrow = (full.benefit_high_amount - full.benefit_low_amount) / full.benefit_amount
        alike = wide / narrow if narrow else 1.0
        return max(1, round((alike * _MANY_ERRORS / _ONE_ERROR) ** 2)) if alike > 1.1 else 1

    def estimates_of(programme_id):
        """What participants reported: inputs (value, basis) by name, and what stays; empty where there is no such row."""
        rows = marts.roi[(marts.roi.programme_id == programme_id) & (marts.roi.isolation == "attribution")]
        full, careful = row_of(rows, method="full"), row_of(rows, method="conservative")
        drivers = marts.drivers[(marts.drivers.programme_id == programme_id) & (marts.drivers.component == "programme")]
        attribution, confidence = row_of(drivers, factor="attribution"), row_of(drivers, factor="confidence")
        if attribution is None or confidence is None or not full.benefit_amount > 0 or not attribution.low_input > 0:
            return {}, {}
        basis = "participants' estimates, mean by size"
        inputs = {
            # `roi_driver` moves attribution a fifth down, and confidence down to itself.
            "attribution": (round(attribution.low_input / 0.8, 3), basis),
            "confidence": (round(confidence.low_input, 3), basis),
            "value_times": (1.0, "unit values as stated for the programme"),
        }
        fixed = {"attribution": inputs["attribution"][0], "benefit": full.benefit_amount}
        return inputs, fixed | {"estimates": _like(full, careful), "whole": full}

    return estimates_of, known, row_of


@app.cell
def _(estimates_of, known, marts, row_of):
    def _effect_inputs(effect):
        points = effect.effect_points if effect is not None else None
        error = effect.standard_error_points if effect is not None else None
        return {
            "effect": (round(points, 3), f"estimated, contrast matched, verdict {effect.verdict.replace('_', ' ')}")
            if known(points)
            else (0.0, "assumption: the marts say nothing, so it begins at no effect"),
            "error": (round(error, 3), "estimated, by learner")
            if known(error)
            else (3.0, "assumption: nothing was estimated"),
        }

    def mentoring_of(programme_id):
        """What mentoring changes: inputs (value, basis) by name, and what stays; empty where no cost of it is shown."""
        roi = marts.roi[marts.roi.programme_id == programme_id]
        row = row_of(roi, component="mentoring", method="full", isolation="effect")
        counted = row_of(marts.matched, programme_id=programme_id)
        if row is None or not row.cost_amount > 0 or counted is None:
            return {}, {}
        effect = row_of(marts.effects, programme_id=programme_id)
        inputs = _effect_inputs(effect)
        is_estimated = effect is not None and known(effect.effect_points)
        mentored = int(counted.learners)
        if known(row.abandonments_avoided_count) and is_estimated and effect.effect_points:
            mentored = round(row.abandonments_avoided_count / -effect.effect_points * 100)
        unclaimed = roi[roi.completions_value_amount.notna() & (roi.completions_count > 0)]
        cost_each = row_of(marts.results, programme_id=programme_id)
        if len(unclaimed):
            value = (unclaimed.completions_value_amount / unclaimed.completions_count).iloc[0]
            inputs["value"] = (round(value, 2), "as stated for the programme")
        else:
            value = 1000.0 if cost_each is None else cost_each.cost_per_completion_amount
            inputs["value"] = (value, "assumption: no value is stated, so it begins at what a completion costs")
        share, many = None, 100
        if len(unclaimed) and known(row.break_even_effect_points):
            share = row.cost_amount / (row.break_even_effect_points / 100 * mentored * value)
        told = row_of(marts.drivers, programme_id=programme_id, component="mentoring", factor="completing_share")
        if share is not None and told is not None:
            many = round(share * (1 - share) * (2 * 1.96 / (told.high_input - told.low_input)) ** 2)
        inputs["share"] = (
            (round(share, 3), "counted, of runs that are over")
            if share is not None and share <= 1
            else (0.5, "assumption: not known from runs that are over")
        )
        return inputs, {
            "mentoring": row,
            "mentored": mentored,
            "treated": min(mentored, int(effect.treated_count)) if is_estimated else mentored,
            "untreated": effect.untreated_percent / 100 if is_estimated else None,
            "counted": many,
            "silence": None if known(row.roi_percent) else row.withheld_reason,
        }

    def start_of(programme_id):
        """What the marts say of a programme's inputs: (value, basis) by name; and what is not moved."""
        inputs, fixed = {}, {"currency": row_of(marts.roi, programme_id=programme_id).currency}
        for more, stays in (estimates_of(programme_id), mentoring_of(programme_id)):
            inputs, fixed = inputs | more, fixed | stays
        if any(fixed[part].cost_of_time_amount > 0 for part in ("whole", "mentoring") if part in fixed):
            inputs["hour_times"] = (1.0, "hourly rates and booked time as they are; 0 leaves people's time out")
        return inputs, fixed

    return (start_of,)


@app.cell
def _(draws, json, marts):
    def returns_of(inputs, fixed):
        """Component -> method -> its return and cost, from inputs by name; a component without inputs is left out."""
        settings = draws.ROISettings(seed=json.loads(marts.publication.settings.iloc[0]).get("seed", 20))

        def cost_of(row):
            times = inputs.get("hour_times", 1.0)
            return draws.Cost(
                row.cost_amount - row.cost_of_time_amount * (1 - times),
                row.cost_allocated_amount,
                row.cost_of_time_amount * times,
                row.cost_priced_amount * times,
            )

        found = {}
        if "attribution" in inputs:
            scale = inputs["attribution"] / fixed["attribution"] * inputs["value_times"] / fixed["estimates"]
            rows = [(fixed["benefit"] * scale, inputs["confidence"])] * fixed["estimates"]
            cost = cost_of(fixed["whole"])
            found["programme"] = {
                method: (draws.attribution_return(rows, cost, method=method, settings=settings), cost)
                for method in ("full", "conservative")
            }
        if "effect" in inputs:
            effect = draws.Effect(inputs["effect"] / 100, inputs["error"] / 100, fixed["untreated"])
            completing = draws.Completing(fixed["counted"], fixed["counted"] * inputs["share"])
            cost = cost_of(fixed["mentoring"])
            found["mentoring"] = {
                method: (
                    draws.effect_return(
                        effect,
                        draws.Worth(fixed[whom], inputs["value"], completing),
                        cost,
                        method=method,
                        settings=settings,
                    ),
                    cost,
                )
                for method, whom in (("full", "mentored"), ("conservative", "treated"))
            }
        return found

    return (returns_of,)


@app.cell
def _(mo, programme, start_of):
    start, fixed = start_of(programme.value)

    def _slider(name, label, low, high, step):
        first = start[name][0]
        steps = sorted({first, *(round(low + step * place, 4) for place in range(round((high - low) / step) + 1))})
        return mo.ui.slider(steps=steps, value=first, label=label, show_value=True)

    _value = start["value"][0] if "value" in start else 0
    _lines = {
        "attribution": ("Attribution: share of the gain that participants owe to the programme", 0.05, 1, 0.05),
        "confidence": ("Confidence in these estimates", 0.05, 1, 0.05),
        "value_times": ("Value of what participants reported, times the stated", 0, 3, 0.1),
        "hour_times": ("Cost of an hour of people's time, times what was charged", 0, 3, 0.1),
        "effect": ("Effect of being matched on abandonment in 8 weeks, points (negative: fewer)", -20, 10, 0.5),
        "error": ("Standard error of that effect, points", 0.5, 10, 0.5),
        "value": ("Value of a completion", 0, max(1, 5 * _value), max(0.2, _value / 10)),
        "share": ("Of learners kept through 8 weeks, share that completes", 0.05, 1, 0.05),
    }
    inputs = mo.ui.dictionary({name: _slider(name, *line) for name, line in _lines.items() if name in start})
    return fixed, inputs, start


@app.cell
def _(fixed, inputs, mo, start):
    def _part(title, names):
        lines = [[inputs[name], mo.md(f"*{start[name][1]}*")] for name in names if name in start]
        return [mo.md(title), *(mo.vstack(line, gap=0) for line in lines)] if lines else []

    _about = (
        mo.callout(
            mo.md(
                f"The marts give no return of mentoring here: {fixed['silence']}. What follows for mentoring is "
                "arithmetic on what is assumed below each slider, no finding."
            ),
            kind="warn",
        )
        if fixed.get("silence")
        else mo.md("")
    )
    mo.vstack(
        [
            *_part("### What participants reported", ("attribution", "confidence", "value_times")),
            *_part("### What time costs", ("hour_times",)),
            *_part("### What mentoring changes", ("effect", "error", "value", "share")),
            _about,
        ]
    )
    return


@app.cell
def _(draws, fixed, inputs, returns_of):
    returns = returns_of(inputs.value, fixed)
    told = [
        {
            "component": component,
            "method": method,
            "roi": draws.roi_percent(found.benefit, cost.amount) if cost.amount else None,
            "low": found.roi_low,
            "high": found.roi_high,
            "positive": found.positive_probability,
            "prior": found.prior_probability,
            "benefit": found.benefit,
            "cost": cost.amount,
        }
        for component, methods in returns.items()
        for method, (found, cost) in methods.items()
    ]
    return returns, told


@app.cell
def _(fixed, inputs, mo, told):
    def _sentence(row):
        if row["roi"] is None or row["low"] is None:
            return f"**{row['component'].capitalize()}**: no cost is left to hold the benefit against."
        verdict = (
            "above zero with its whole interval"
            if row["low"] > 0
            else "below zero with its whole interval"
            if row["high"] < 0
            else "not distinguishable from zero"
        )
        prior = "" if row["prior"] is None else f" (with the cautious prior {row['prior']:.0%})"
        return (
            f"**{row['component'].capitalize()}**: {fixed['currency']} {row['cost']:,.0f} cost, {row['benefit']:,.0f} "
            f"benefit: ROI **{row['roi']:,.0f} %** (95 % interval {row['low']:,.0f} to {row['high']:,.0f}), {verdict}; "
            f"probability of a positive ROI {row['positive']:.0%}{prior}."
        )

    _sentences = [_sentence(_row) for _row in told if _row["method"] == "full"]
    if "effect" in inputs.value:
        _kept = inputs.value["value"] * inputs.value["share"]
        _sentences.append(
            f"A learner who is kept is then worth {fixed['currency']} {_kept:,.0f} (value of a completion x share that "
            f"completes), for {fixed['mentored']:,} mentored."
        )
    mo.md("## With your assumptions\n\n" + ("\n\n".join(_sentences) or "*Nothing can be computed for this programme.*"))
    return


@app.cell
def _(marts, mo, programme, published, told):
    mo.stop(not told)
    _of = marts.roi[(marts.roi.programme_id == programme.value) & marts.roi.roi_percent.notna()]
    _lines = [
        (
            f"{_row.component}, published ({_row.verdict.replace('_', ' ')})",
            published.GREY,
            _row.roi_percent,
            _row.roi_low_percent,
            _row.roi_high_percent,
        )
        for _row in _of[_of.is_headline].itertuples()
    ]
    _lines += [
        (
            f"{_row['component']}, yours, {_row['method']}",
            published.BLUE if _row["method"] == "full" else published.ORANGE,
            _row["roi"],
            _row["low"],
            _row["high"],
        )
        for _row in told
        if _row["low"] is not None
    ]
    _lines.sort(key=lambda line: (line[0].startswith("programme"), "published" in line[0], "full" in line[0]))
    _figure = published.Figure(figsize=(8, 1.2 + 0.4 * len(_lines)))
    _ax = _figure.subplots()
    for _place, (_, _colour, _roi, _low, _high) in enumerate(_lines):
        _ax.errorbar(_roi, _place, xerr=[[_roi - _low], [_high - _roi]], fmt="o", color=_colour, capsize=4)
    _ax.axvline(0, color=published.GREY, linewidth=1)
    _ax.set_yticks(range(len(_lines)), [_line[0] for _line in _lines])
    _ax.margins(y=0.15)
    _ax.set_xlabel("ROI, percent, with its 95 % interval; the line is zero")
    published.shown(_figure, "Points with intervals: the published ROI and yours, full and conservative.")
    return


@app.cell
def _(draws, fixed, inputs, pd, returns):
    _rows = []

    def _needed(what, now, needed, impossible=float("inf")):
        is_possible = needed is not None and needed <= impossible
        _rows.append(
            {"input": what, "yours": round(now, 2), "needed": round(needed, 2) if is_possible else "out of reach"}
        )

    if "programme" in returns:
        _found, _cost = returns["programme"]["full"]
        _times = _cost.amount / _found.benefit if _found.benefit > 0 else None
        for _name, _what, _most in (
            ("attribution", "attribution", 1.0),
            ("value_times", "value of what was reported, times the stated", float("inf")),
        ):
            _now = inputs.value[_name]
            _needed(_what, _now, None if _times is None else _now * _times, _most)
    if "mentoring" in returns:
        _found, _cost = returns["mentoring"]["full"]
        _kept = inputs.value["value"] * inputs.value["share"]
        _points = draws.break_even_effect_points(_cost.amount, fixed["mentored"], _kept) if _kept else None
        _needed("effect: points fewer abandonments", -inputs.value["effect"], _points, 100.0)
        _avoided = -inputs.value["effect"] / 100 * fixed["mentored"] * inputs.value["share"]
        _needed("value of a completion", inputs.value["value"], _cost.amount / _avoided if _avoided > 0 else None)
    break_even = pd.DataFrame(_rows)
    return (break_even,)


@app.cell
def _(break_even, mo, published):
    mo.stop(break_even.empty)
    mo.vstack(
        [
            mo.md(
                "## What would have to be true for the cost to come back\n\nEach input alone, the others as you set them:"
            ),
            published.table(break_even.astype({"needed": str})),
        ]
    )
    return


@app.cell
def _(marts, mo, programme, published):
    _moved = marts.drivers[marts.drivers.programme_id == programme.value].iloc[::-1]
    mo.stop(_moved.empty, mo.md("*No published ROI of this programme, so nothing that moves it.*"))
    _figure = published.Figure(figsize=(8, 1.2 + 0.32 * len(_moved)))
    _ax = _figure.subplots()
    for _place, _row in enumerate(_moved.itertuples()):
        _ax.plot(
            [_row.roi_at_low_percent, _row.roi_at_high_percent],
            [_place, _place],
            color=published.BLUE if _row.component == "programme" else published.GREEN,
            linewidth=7,
            solid_capstyle="butt",
        )
        _ax.plot(_row.roi_percent, _place, "o", color=published.ORANGE)
    _ax.axvline(0, color=published.GREY, linewidth=1)
    _ax.set_yticks(
        range(len(_moved)), [f"{_row.component}: {_row.factor.replace('_', ' ')}" for _row in _moved.itertuples()]
    )
    _ax.margins(y=0.1)
    _ax.set_xlabel("ROI, percent (dot: as published)")
    mo.vstack(
        [
            mo.md(
                "## What moves the published ROI most\n\nOne input at a time to its lower and upper end (mart `roi_driver`)."
            ),
            published.shown(_figure, "Bars: the published ROI with one input at a time at its lower and upper end."),
        ]
    )
    return


@app.cell
def _(fixed, inputs, mo, pd, published, start):
    assumptions = pd.DataFrame(
        [
            {
                "input": name.replace("_", " "),
                "published": first,
                "yours": inputs.value[name],
                "where it comes from": basis,
            }
            for name, (first, basis) in start.items()
        ]
    )
    _same = f"as {fixed['estimates']} of equal size" if "estimates" in fixed else "none"
    mo.vstack(
        [
            mo.md("## What is an assumption here"),
            published.table(assumptions),
            mo.md(f"""
            - Participants' estimates are guesses of those who took part, by Phillips' method: the gain, the share that they owe
              to the programme, and how sure they are. The marts hold their sums, so here they count {_same}, whose errors
              are independent; with the first values benefit and ROI are the published ones, the interval nearly.
            - Conservative: estimates x confidence with one error for all; for mentoring the unfavourable end of the effect's
              interval, for those alone whom it was estimated on.
            - Allocated costs may be wrong by a standard error of 10 %, time priced by the hour by 20 %: both assumed. Booked
              costs and stated values count as they are. Nothing is converted between currencies.
            - Completions are not a benefit: most learners would have completed anyway. A mentoring benefit counts only what the
              effect says was avoided.
            - An interval speaks of the errors above. Whether the assumptions are right it cannot say.
            """),
        ]
    )
    return (assumptions,)


if __name__ == "__main__":
    app.run()
