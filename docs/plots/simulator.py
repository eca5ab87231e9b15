"""Draw the pictures of docs/simulator.md from a simulated world: `python docs/plots/simulator.py FOLDER`.

Belongs here: pictures of what lies in a folder that `handrail simulate` wrote. Does not belong here: the world.
Needs the extra `notebooks` (matplotlib).
"""

from __future__ import annotations

import argparse
import gzip
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

HERE = Path(__file__).parent
INK, GRID = "#555555", "#dddddd"
COLOURS = ("#3b6ea5", "#c4652d", "#4f8f5b", "#8a5a9e")
TIME = re.compile(rb'"timestamp":"([^"]+)"')
ACTOR = re.compile(rb'"actor":(\{.*?\}),"verb"')
NAME = re.compile(rb',"name":"[^"]*"\}$')


def read_times(world: Path) -> pl.DataFrame:
    """Who did something and when, in UTC; lines that are no statement are passed over."""
    actors, times = [], []
    for path in sorted((world / "inbox" / "xapi").glob("*.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                actor, time = ACTOR.search(line), TIME.search(line)
                if actor and time and not line.startswith(b"["):
                    actors.append(NAME.sub(b"}", actor[1]).decode())
                    times.append(time[1].decode())
    frame = pl.DataFrame({"actor": actors, "at": times}).filter(pl.col("at").str.ends_with("Z"))
    return frame.with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", strict=False)).drop_nulls()


def table(world: Path, name: str) -> pl.DataFrame:
    """An input table, all columns as text."""
    return pl.read_csv(world / "inbox" / name / f"{name}.csv", infer_schema=False)


def axes(title: str, across: str, up: str, *, size: tuple[float, float] = (7.2, 3.0)) -> Axes:
    """A plain picture."""
    _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    ax.set_xlabel(across, color=INK, fontsize=9)
    ax.set_ylabel(up, color=INK, fontsize=9)
    ax.grid(visible=True, color=GRID, linewidth=0.6)
    ax.tick_params(colors=INK, labelsize=8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def keep(ax: Axes, name: str) -> None:
    """Write a picture beside this script."""
    ax.figure.savefig(HERE / f"simulator_{name}.png", dpi=90, metadata={"Software": None})
    plt.close("all")


def by_day(world: Path, times: pl.DataFrame) -> None:
    """Statements a day, with closed days and course runs."""
    days = times.group_by(pl.col("at").dt.date().alias("day")).len().sort("day").upsample("day", every="1d")
    ax = axes("Statements a day", "", "statements", size=(7.2, 2.6))
    ax.plot(days["day"], days["len"].fill_null(0), color=COLOURS[0], linewidth=0.8)
    weeks = days.with_columns(pl.col("len").fill_null(0).rolling_mean(7, center=True).alias("mean"))
    ax.plot(weeks["day"], weeks["mean"], color=COLOURS[1], linewidth=1.6, label="mean of seven days")
    closed = table(world, "calendar").filter(pl.col("org_unit").is_null())["closed_on"].str.to_date()
    in_time = closed.filter(closed <= days["day"].max())
    ax.plot(in_time, np.zeros(len(in_time)), "v", color=COLOURS[2], markersize=5, label="closed days", clip_on=False)
    for start in sorted(set(table(world, "course")["starts_on"].str.to_date())):
        ax.axvline(start, color=INK, linewidth=0.8, linestyle=":")
    ax.set_ylim(0, 1.25 * days["len"].max())
    ax.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    keep(ax, "days")


def by_hour(times: pl.DataFrame) -> None:
    """Statements by hour of the week, in UTC."""
    counts = times.group_by(pl.col("at").dt.weekday().alias("day"), pl.col("at").dt.hour().alias("hour")).len()
    heat = np.zeros((7, 24))
    for day, hour, count in counts.iter_rows():
        heat[day - 1, hour] = count
    ax = axes("Statements by hour of the week (UTC; learners live in four zones)", "hour", "", size=(7.2, 2.6))
    shown = ax.imshow(heat / heat.sum() * 100, aspect="auto", cmap="viridis")
    ax.set_yticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    ax.set_xticks(range(0, 24, 3))
    ax.grid(visible=False)
    ax.figure.colorbar(shown, ax=ax, label="% of all").ax.tick_params(labelsize=8)
    keep(ax, "hours")


def survival(world: Path) -> None:
    """Still there by course week and programme: as it went, and as the hazard has it."""
    weeks = pl.read_parquet(world / "truth.parquet").filter(pl.col("run") < 3)
    status = table(world, "enrolment").select("enrolment_id", "status")
    ax = axes("Share that has not abandoned, by week of the course (past runs)", "course week", "share")
    for colour, (programme, part) in zip(COLOURS, weeks.group_by("programme_id", maintain_order=True), strict=False):
        lives = (
            part.group_by("enrolment_id").agg(pl.col("is_present").sum().alias("weeks")).join(status, on="enrolment_id")
        )
        there = np.array([(lives["weeks"] > week).sum() for week in range(part["week"].max() + 1)])
        gone = [
            lives.filter(pl.col("status") == "abandoned", pl.col("weeks") == week + 1).height
            for week in range(len(there))
        ]
        expected = part.filter("is_present").group_by("week").agg(pl.col("hazard_probability").mean()).sort("week")
        across = np.arange(len(there) + 1)
        ax.step(across, np.cumprod([1, *(1 - np.array(gone) / there)]), where="post", color=colour, label=programme[0])
        ax.plot(across, np.cumprod([1, *(1 - expected["hazard_probability"])]), ":", color=colour, linewidth=1.2)
    ax.plot([], [], ":", color=INK, label="by the true hazard")
    ax.set_ylim(0.4, 1.01)
    ax.legend(fontsize=8, frameon=False)
    keep(ax, "survival")


def gaps(times: pl.DataFrame) -> None:
    """Time to the next statement of the same identity."""
    seconds = (
        times.sort("actor", "at")
        .select(((pl.col("at").shift(-1).over("actor") - pl.col("at")).dt.total_seconds()).alias("gap"))
        .drop_nulls()
        .filter(pl.col("gap") > 0)["gap"]
        .to_numpy()
    )
    ax = axes("Time to the next statement of the same identity", "gap", "statements")
    ax.hist(seconds, bins=np.geomspace(5, 60 * 86_400, 120), color=COLOURS[0])
    ax.set_xscale("log")
    ax.axvline(1800, color=COLOURS[1], linewidth=1.4)
    ax.annotate("30 minutes", (1800, ax.get_ylim()[1] * 0.92), xytext=(6, 0), textcoords="offset points", fontsize=8)
    ax.set_xticks(
        [10, 60, 600, 3600, 86_400, 7 * 86_400, 30 * 86_400], ["10 s", "1 min", "10 min", "1 h", "1 d", "7 d", "30 d"]
    )
    ax.minorticks_off()
    keep(ax, "gaps")


def careers(world: Path, times: pl.DataFrame) -> None:
    """Active days of some learners over a course run, those who abandoned above."""
    enrolments = table(world, "enrolment").filter(pl.col("course_id").str.starts_with("lead"))
    run = enrolments.filter(pl.col("course_id") == sorted(set(enrolments["course_id"]))[1])
    links = table(world, "learner_identity").filter(pl.col("identity_type") == "account")
    accounts = links.select("learner_key", pl.col("identity_value").str.split("::").list.last().alias("name"))
    people = run.join(accounts, on="learner_key").unique("learner_key", maintain_order=True)
    chosen = pl.concat(
        [people.filter(pl.col("status") == status).head(25).sort("status_on") for status in ("completed", "abandoned")]
    )
    begin = table(world, "course").filter(pl.col("course_id") == chosen["course_id"][0])["starts_on"].str.to_date()[0]
    active = (
        times.with_columns(
            pl.col("actor").str.extract(r'"name":"(\w+)"').alias("name"), pl.col("at").dt.date().alias("day")
        )
        .join(chosen.with_row_index("row").select("row", "name"), on="name")
        .unique(["row", "day"])
    )
    ax = axes("Active days of 25 who completed (below) and 25 who abandoned (above)", "day of the course", "learner")
    ax.scatter((active["day"] - begin).dt.total_days(), active["row"], s=6, color=COLOURS[0], linewidths=0)
    ends = (chosen["status_on"].str.to_date() - begin).dt.total_days()
    ax.scatter(ends, np.arange(len(ends)), s=22, marker="|", color=COLOURS[1])
    ax.set_yticks([])
    ax.set_xlim(-5, 130)
    keep(ax, "careers")


def contact(world: Path) -> None:
    """Chance of contact and of abandonment by engagement: what confounds."""
    weeks = pl.read_parquet(world / "truth.parquet").filter(pl.col("is_present"), pl.col("is_matched"))
    bands = weeks.with_columns((pl.col("engagement").rank() * 20 / (weeks.height + 1)).floor().alias("band"))
    means = bands.group_by("band").agg(
        pl.col("engagement", "contact_probability", "hazard_probability", "hazard_blocked_probability").mean()
    )
    means = means.sort("band")
    ax = axes("By latent engagement, matched learners, a week", "engagement", "chance in the week")
    for column, words, colour, style in (
        ("contact_probability", "contact", COLOURS[0], "-"),
        ("hazard_blocked_probability", "abandonment without any contact", COLOURS[1], ":"),
        ("hazard_probability", "abandonment", COLOURS[1], "-"),
    ):
        ax.plot(means["engagement"], means[column], style, color=colour, label=words)
    ax.set_ylim(0)
    ax.legend(fontsize=8, frameon=False)
    keep(ax, "contact")


def main() -> None:
    """Draw every picture of a world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", type=Path, help="folder that `handrail simulate --out` wrote")
    world = parser.parse_args().world
    times = read_times(world)
    by_day(world, times)
    by_hour(times)
    survival(world)
    gaps(times)
    careers(world, times)
    contact(world)


if __name__ == "__main__":
    main()
