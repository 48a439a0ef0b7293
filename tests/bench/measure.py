"""Runs a command in a new process, and measures its time, its memory and what it writes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# A small Python process starts the command, since the kernel counts the memory of the process that
# forks as the child's. The bytes written are those written to disk; where the file system does not
# count them (tmpfs), those passed to `write`. They are read off this process, to which the kernel
# adds its child's as the child is waited for: how much a process that has ended wrote, some kernels
# tell root alone.
_LAUNCHER = """
import json, os, sys, time
def counted():
    with open("/proc/self/io") as lines:
        return {key: int(value) for key, value in (line.split(":") for line in lines)}
before = counted()
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - start
written = {key: value - before[key] for key, value in counted().items()}
cost = {
    "wall": wall,
    "cpu": used.ru_utime + used.ru_stime,
    "memory": used.ru_maxrss * 1024,
    "written": written["write_bytes"] or written["wchar"],
}
with open(sys.argv[1], "w") as report:
    json.dump(cost, report)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
"""


class CommandFailed(Exception):
    """A measured command failed; the message has the end of its output."""


@dataclass(frozen=True)
class Cost:
    """The cost of a run: elapsed seconds, processor seconds, peak memory and written bytes."""

    wall: float
    cpu: float
    memory: int
    written: int


def run(command: Sequence[str], scratch: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command and measure it and its children; raises `CommandFailed`.

    `scratch` is a folder for its output. The peak memory is that of its largest process.
    """
    report, output = scratch / "cost.json", scratch / "output.txt"
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report), *command]
    with output.open("wb") as stream:
        done = subprocess.run(launcher, stdout=stream, stderr=stream, env=env, check=False)
    if done.returncode:
        tail = output.read_text("utf-8", "replace")[-2000:]
        raise CommandFailed(f"exit code {done.returncode} of {' '.join(command)[:300]}\n{tail}")
    return Cost(**json.loads(report.read_text()))


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each number over several runs of the same command."""
    numbers = [asdict(cost) for cost in costs]
    medians = {key: statistics.median(one[key] for one in numbers) for key in numbers[0]}
    return Cost(
        wall=medians["wall"],
        cpu=medians["cpu"],
        memory=int(medians["memory"]),
        written=int(medians["written"]),
    )
