"""Runs a command in a process of its own and tells what it cost."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# Between the benchmark and the command stands a bare Python: the kernel counts the memory of the
# process that forks as the child's, and this one has little. Bytes are those that went to files;
# where the file system does not count them (tmpfs), those that any `write` was given.
_LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
wall = time.perf_counter() - start
with open(f"/proc/{child}/io") as lines:
    counted = {key: int(value) for key, value in (line.split(":") for line in lines)}
_, status, used = os.wait4(child, 0)
cost = {
    "wall": wall,
    "cpu": used.ru_utime + used.ru_stime,
    "memory": used.ru_maxrss * 1024,
    "written": counted["write_bytes"] or counted["wchar"],
}
with open(sys.argv[1], "w") as report:
    json.dump(cost, report)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
"""


class CommandFailed(Exception):
    """A command that is measured must succeed; the message holds what it said."""


@dataclass(frozen=True)
class Cost:
    """What a run cost: seconds on the clock and of processors, bytes of memory, bytes written."""

    wall: float
    cpu: float
    memory: int
    written: int


def run(command: Sequence[str], scratch: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command and measure it and its children; raises `CommandFailed`.

    `scratch` is a folder for what it says; its peak memory is that of its largest process.
    """
    report, said = scratch / "cost.json", scratch / "said.txt"
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report), *command]
    with said.open("wb") as stream:
        ran = subprocess.run(launcher, stdout=stream, stderr=stream, env=env, check=False)
    if ran.returncode:
        tail = said.read_text("utf-8", "replace")[-2000:]
        raise CommandFailed(f"exit code {ran.returncode} of {' '.join(command)[:300]}\n{tail}")
    return Cost(**json.loads(report.read_text()))


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each number, over several runs of the same command."""
    numbers = [asdict(cost) for cost in costs]
    middle = {key: statistics.median(one[key] for one in numbers) for key in numbers[0]}
    return Cost(
        wall=middle["wall"],
        cpu=middle["cpu"],
        memory=int(middle["memory"]),
        written=int(middle["written"]),
    )
