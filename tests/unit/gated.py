"""A step of many cases that wait, in worker processes, until a test lets them go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.runs.step import StepRef, load

_COPIER = Path(__file__).parent / "steps" / "copier"
# Seconds that no machine needs, however busy it is: only what hangs takes longer.
PATIENCE = 300
_SUITE = """
import os, time
from dataclasses import replace
from pathlib import Path
from harness.suite import PROCESSING, Axis, Content, Expectation, channel, suite_of

COPY = "/opt/ml/processing/output/copy/text.txt"
TEXTS = {f"{number:02}": str(number).encode() for number in range(48)}
HERE = Path(__file__).parent

def edit(name, text):
    def edited(case):
        (HERE / "begun" / f"{os.getppid()}-{os.getpid()}-{name}").touch()
        while not ((HERE / "gate").exists() or (HERE / f"gate-{name}").exists()):
            time.sleep(0.02)
        return channel("text", {"text.txt": text})(case)
    return edited

def suite(contract, script):
    choices = {name: edit(name, text) for name, text in TEXTS.items()}
    def expect(case):
        return Expectation(writes={COPY: Content(data=TEXTS[case.choices["text"]])})
    made = suite_of(PROCESSING, contract, script, [Axis("text", choices)], expect)
    # Else a worker would make a case to find out which it is.
    return replace(made, usual="text=00")
"""


@dataclass(frozen=True)
class Gated:
    """Such a step, in a folder of its own."""

    folder: Path

    @staticmethod
    def made(folder: Path) -> Gated:
        """The step, its gate closed."""
        (folder / "begun").mkdir(parents=True)
        for name in ("contract.yaml", "copier.py"):
            shutil.copy(_COPIER / name, folder)
        (folder / "conformance.py").write_text(_SUITE)
        return Gated(folder)

    @property
    def ids(self) -> list[str]:
        """All cases, in order."""
        return list(load(StepRef(self.folder)).matrix.ids)

    @property
    def begun(self) -> dict[int, int]:
        """The processes that have begun a case, each with the parent that it had then."""
        parts = [path.name.split("-") for path in (self.folder / "begun").iterdir()]
        return {int(worker): int(parent) for parent, worker, _ in parts}

    @property
    def cases_begun(self) -> set[str]:
        """The cases that some process has begun."""
        return {path.name.rpartition("-")[2] for path in (self.folder / "begun").iterdir()}

    def open(self) -> None:
        """Let all cases go on."""
        (self.folder / "gate").touch()

    def open_first(self) -> None:
        """Let the first case go on."""
        (self.folder / "gate-00").touch()


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something, with more patience than any machine needs."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether a process is there, and not only waiting for somebody to ask how it ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
