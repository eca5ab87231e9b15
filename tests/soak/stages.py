"""A command watched from outside: time, processor time and memory of each step it tells.

Belongs here: running and sampling. Does not belong here: what is run and what is expected of it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COMMAND = Path(sys.executable).with_name("handrail")
_STEP = re.compile(r"\[ *\d+/\d+\] (\S+)")
_STAGES = (
    ("taking in", ("raw_",)),
    ("core", ("core_",)),
    ("features", ("feat_",)),
    ("risk: training and scoring", ("risk_",)),
    ("alerts and routing", ("alert_",)),
    ("effect of mentoring", ("effect", "mentoring_effect")),
    ("publication", ("publication",)),
    ("reports", ("report_pages",)),
)
_OTHER = "marts"
_TICK_SECONDS = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


@dataclass(slots=True)
class Step:
    """One step as it was seen: seconds by the clock and of the processors, most memory at any sample (MB)."""

    name: str
    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_mb: float = 0.0

    def add(self, other: Step) -> None:
        """Take another step of the same stage in."""
        self.seconds += other.seconds
        self.processor_seconds += other.processor_seconds
        self.peak_mb = max(self.peak_mb, other.peak_mb)


@dataclass(slots=True)
class Watched:
    """A command that has ended: its exit code, what it printed, its steps."""

    code: int = 0
    out: str = ""
    err: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def whole(self) -> Step:
        """All steps as one."""
        whole = Step("whole")
        for step in self.steps:
            whole.add(step)
        return whole

    def stages(self) -> list[Step]:
        """The steps by stage of a night, in the order in which the stages came."""
        found: dict[str, Step] = {}
        for step in self.steps:
            name = _stage(step.name)
            found.setdefault(name, Step(name)).add(step)
        return list(found.values())


def _stage(name: str) -> str:
    if name in {"start", "end"}:
        return name
    return next((stage for stage, beginnings in _STAGES if name.startswith(beginnings)), _OTHER)


def watch(words: Sequence[object], environment: dict[str, str], *, timeout: float) -> Watched:
    """Run `handrail WORDS` in a process of its own; it and its children are sampled ten times a second.

    What comes before the first step is told as `start`, what comes after the last as `end`.
    """
    told, step, began = Watched(), Step("start"), time.monotonic()
    with subprocess.Popen(
        [COMMAND, *(str(word) for word in words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        peak, is_over = [0.0], threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peak, is_over), daemon=True)
        sampler.start()
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        last, last_spent, spent = began, 0.0, 0.0
        for line in process.stderr:
            told.err += line
            found = _STEP.search(line)
            if found:
                moment, spent = time.monotonic(), _processor_seconds(process.pid)
                step = Step(found[1], moment - last, spent - last_spent, peak[0])
                told.steps.append(step)
                last, last_spent, peak[0] = moment, spent, 0.0
        told.out = process.stdout.read()
        told.code = process.wait()
        is_over.set()
        killer.cancel()
        sampler.join()
        told.steps.append(Step("end", time.monotonic() - last, 0.0, peak[0]))
    return told


def table(steps: Iterable[Step]) -> str:
    """Steps as a Markdown table."""
    lines = ["| stage | seconds | processor seconds | most memory, MB |", "|---|---:|---:|---:|"]
    lines += [
        f"| {step.name} | {step.seconds:,.1f} | {step.processor_seconds:,.1f} | {step.peak_mb:,.0f} |" for step in steps
    ]
    return "\n".join(lines)


def size_mb(path: Path) -> float:
    """What a file, or all files under a folder, take (MB)."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return sum(file.stat().st_size for file in files) / 1e6


def _sample(pid: int, peak: list[float], is_over: threading.Event) -> None:
    while not is_over.wait(_TICK_SECONDS):
        peak[0] = max(peak[0], sum(_resident_mb(each) for each in _family(pid)))


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text("ascii").split()]
        except OSError:
            continue
    return found


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES / 1e6
    except (OSError, IndexError):
        return 0.0


def _processor_seconds(pid: int) -> float:
    """Of the process and of its children, those included that have ended."""
    spent = 0
    for each in _family(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            continue
        spent += sum(int(ticks) for ticks in (fields[11:15] if each == pid else fields[11:13]))
    return spent / _TICKS
