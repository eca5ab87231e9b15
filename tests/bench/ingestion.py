"""The whole way of statements into the warehouse beside bare parsing, ClickHouse and the exact rules alone.

`python tests/bench/ingestion.py --help`. Each contestant runs in a process of its own on the same file, one after
another, so that its memory can be told: the peak of resident memory, summed over the process and its children.

The contestants: DuckDB counts the lines that are JSON objects (`read_ndjson_objects`); chDB, which is ClickHouse in a
process, fills a MergeTree as Open edX Aspects does (a row a statement: id, emission time, actor, verb, object, course,
organisation out of the raw line by JSON paths, and the line itself), validating nothing; the exact rules judge on one
core; and `take_unit` takes the file in as a night does, committed and archived.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each contestant's process imports its own engine and no other
import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "xapi" / "ralph_statements.json.gz"
THREADS, MEMORY_LIMIT = 2, "500MB"
KINDS = ("repetitive", "diverse", "fresh")
EXACT_LINES = 200_000
"""The exact rules alone judge at most so many lines: they take as long for each."""

sys.path.insert(0, str(ROOT))

# The columns and paths of xapi_events_all_parsed in Open edX Aspects (openedx/tutor-contrib-aspects, Apache-2.0), read
# there and written anew.
CLICKHOUSE = """
CREATE TABLE parsed (
    event_id UUID, verb_id String, actor_id String, object_id String, org String, course_id String,
    emission_time DateTime64(6), event String
) ENGINE = MergeTree ORDER BY (org, course_id, verb_id, actor_id, emission_time, event_id);
INSERT INTO parsed SELECT
    toUUIDOrZero(JSON_VALUE(line, '$.id')),
    JSON_VALUE(line, '$.verb.id'),
    JSON_VALUE(line, '$.actor.account.name'),
    JSON_VALUE(line, '$.object.id'),
    splitByChar('+', splitByChar(':', course_id)[-1])[1],
    if(
        JSON_VALUE(line, '$.context.contextActivities.parent[0].definition.type')
            = 'http://adlnet.gov/expapi/activities/course',
        JSON_VALUE(line, '$.context.contextActivities.parent[0].id'),
        JSON_VALUE(line, '$.object.id')
    ) AS course_id,
    parseDateTime64BestEffort(JSON_VALUE(line, '$.timestamp'), 6),
    line
FROM file('{file}', LineAsString);
"""


# --- contestants, each in a process of its own ------------------------------------------------------------------------


def by_duckdb(file: Path, _folder: Path) -> int:
    """Lines that are JSON objects, counted."""
    import duckdb

    con = duckdb.connect(config={"threads": THREADS})
    row = con.execute("SELECT count(*) FROM read_ndjson_objects(?)", [str(file)]).fetchall()[0]
    return int(row[0])


def by_clickhouse(file: Path, folder: Path) -> int:
    """A MergeTree in the way of Aspects."""
    from chdb import session  # type: ignore[import-not-found]

    opened = session.Session(str(folder / "chdb"))
    opened.query(f"SET max_threads = {THREADS}, max_insert_threads = {THREADS}")
    for statement in CLICKHOUSE.format(file=file).split(";"):
        if statement.strip():
            opened.query(statement)
    return int(str(opened.query("SELECT count() FROM parsed", "TabSeparated")))


def by_rules(file: Path, _folder: Path) -> int:
    """Verdicts of the exact rules, one core."""
    from pipelines.statements.parse import verdict

    judged = 0
    with file.open("rb") as lines:
        for line in lines:
            verdict(line)
            judged += 1
            if judged == EXACT_LINES:
                break
    return judged


def by_handrail(file: Path, folder: Path) -> int:
    """The whole way: judged, identities replaced, repeated ones left out, typed table, archive, committed."""
    from pipelines.home import Home
    from pipelines.sources.intake import Blocks, Unit, take_unit
    from pipelines.sources.lines import blocks_of
    from pipelines.sources.record import Recorder, file_hash
    from pipelines.statements.identity import Pseudonyms
    from pipelines.warehouse import Warehouse

    home = Home(folder / "home")
    home.create()
    with Warehouse(home.warehouse_file, home.identity_file, threads=THREADS, memory_limit=MEMORY_LIMIT) as warehouse:
        blocks = blocks_of(file)
        if blocks is None:
            raise ValueError(file)
        unit = Unit("inbox", file.name, file_hash(file))
        taken = take_unit(Blocks(blocks, THREADS), unit, Pseudonyms(b"k" * 32), Recorder(warehouse))
    return taken.rows


CONTESTANTS: dict[str, Callable[[Path, Path], int]] = {
    "duckdb": by_duckdb,
    "clickhouse": by_clickhouse,
    "rules": by_rules,
    "handrail": by_handrail,
}
WORDS = {
    "duckdb": "DuckDB, read_ndjson_objects counted",
    "clickhouse": "chDB, a MergeTree as Aspects fills it",
    "rules": "exact rules alone, one core",
    "handrail": "Handrail, the whole way",
}


# --- running them -----------------------------------------------------------------------------------------------------


def resident_kilobytes(process: int) -> int:
    """Resident memory of a process and all its children; shared pages count once a process."""
    total, waiting = 0, [process]
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{one}/status").read_text("ascii", "replace")
            total += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text("ascii").split())
    return total


def run(name: str, file: Path, *, python: str, most_seconds: float) -> dict[str, float]:
    """Run a contestant; its lines, seconds and megabytes at the peak."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        words = [python, __file__, "--contestant", name, "--file", str(file), "--folder", folder]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            peak, is_over = [0], threading.Event()

            def watch() -> None:
                while not is_over.wait(0.05):
                    peak[0] = max(peak[0], resident_kilobytes(process.pid))

            watching = threading.Thread(target=watch)
            watching.start()
            try:
                out, _ = process.communicate(timeout=most_seconds)
            finally:
                process.kill()
                is_over.set()
                watching.join()
        if process.returncode:
            message = f"{name} ended with {process.returncode}"
            raise RuntimeError(message)
        told = json.loads(out.splitlines()[-1])
    return {**told, "megabytes": peak[0] / 1024}


def chdb_python(folder: Path) -> str:
    """An interpreter that has chDB, in an environment of its own; made when it is not there."""
    python = folder / "chdb-environment" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "chdb"], check=True)
    return str(python)


def written(folder: Path, kind: str, count: int) -> Path:
    """The benchmark's file, written when it is not there."""
    from statement_maker import diverse, repetitive

    file = folder / f"{kind}-{count}.ndjson"
    if not file.exists():
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            made = repetitive(count) if kind == "repetitive" else diverse(REAL, count, is_fresh=kind == "fresh")
            stream.writelines(made)
        part.rename(file)
    return file


def rounds(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, int, str, dict[str, float]]]:
    """Every contestant on every file, as often as is asked."""
    pythons = {"clickhouse": chdb_python(folder)} if "clickhouse" in arguments.contestants else {}
    for kind in arguments.kinds:
        for count in arguments.statements:
            file = written(folder, kind, count)
            for _ in range(arguments.rounds):
                for name in arguments.contestants:
                    python = pythons.get(name, sys.executable)
                    yield kind, count, name, run(name, file, python=python, most_seconds=arguments.most_seconds)
            if arguments.is_tidy:
                file.unlink()


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--statements", type=int, nargs="+", default=[1_000_000])
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options.add_argument("--contestants", nargs="+", choices=tuple(CONTESTANTS), default=list(CONTESTANTS))
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--most-seconds", type=float, default=1800)
    options.add_argument("--folder", type=Path, help="where files are written and kept; a temporary one by default")
    options.add_argument("--is-tidy", action="store_true", help="remove each file after its rounds")
    options.add_argument("--contestant", choices=tuple(CONTESTANTS), help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.contestant:
        # The two cores that all share, also on a larger machine.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
        started = time.perf_counter()
        lines = CONTESTANTS[arguments.contestant](arguments.file, arguments.folder)
        seconds, used = time.perf_counter() - started, os.times()
        cores = used.user + used.system + used.children_user + used.children_system
        sys.stdout.write(json.dumps({"lines": lines, "seconds": seconds, "core_seconds": cores}) + "\n")
        return
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for kind, count, name, told in rounds(arguments, folder):
            rate = told["lines"] / told["seconds"] / 1000
            sys.stdout.write(
                f"{kind:<10} {count:>10,}  {WORDS[name]:<40} {told['seconds']:8.1f} s {rate:8.0f} k/s "
                f"{told['core_seconds'] / told['lines'] * 1e6:7.1f} core us {told['megabytes']:6.0f} MB\n"
            )
            sys.stdout.flush()
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
