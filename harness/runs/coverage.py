"""Coverage: which lines of a step's code its cases run, as coverage.py reports it.

Each case is run once more for it, with a script that tells its lines, so that nothing watches the
run that is judged.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cases.case import Result
from harness.cases.code_beside import CODE_SAMPLES
from harness.contracts.contract import Contract
from harness.errors import HarnessError, RunnerCannot, WrongUse
from harness.runners import Runner
from harness.runners.traced import Arcs, arcs
from harness.runs.step import JudgeCase, StepRef, load

if TYPE_CHECKING:
    from coverage import Coverage

# What each process has told already, by the folder that it is told in.
_told: dict[Path, dict[str, set[tuple[int, int]]]] = {}


@dataclass(frozen=True)
class JudgeWithCoverage:
    """Gives the verdict of `judge_case`, and leaves the lines that the case runs in `folder`.

    The folder is of this session; each process has one file there.
    """

    judge_case: JudgeCase
    folder: Path

    def __call__(self, ref: StepRef, runner: Runner, case_id: str) -> Result:
        """The verdict on one case, through a prepared runner."""
        result = self.judge_case(ref, runner, case_id)
        step = load(ref)
        case, _ = step.matrix.case(case_id)
        # A case that cannot be judged is told by its verdict.
        with contextlib.suppress(RunnerCannot):
            root = case.script.removesuffix(step.contract.code_path)
            found = arcs(step.limit.apply(case), runner)
            self._add(_of_files(found, root, step.contract, ref.script))
        return result

    def _add(self, found: Arcs) -> None:
        known = _told.setdefault(self.folder, {})
        before = sum(map(len, known.values()))
        for file, pairs in found.items():
            known.setdefault(file, set()).update(pairs)
        if sum(map(len, known.values())) > before:
            text = json.dumps({file: sorted(pairs) for file, pairs in known.items()})
            part = self.folder / f".{os.getpid()}"
            part.write_text(text, encoding="utf-8")
            part.replace(self.folder / f"{os.getpid()}.json")


def _of_files(found: Arcs, root: str, contract: Contract, script: Path | None) -> Arcs:
    """The same by the files of this machine; without those that have none."""
    files = {path: _file(path, root, contract, script) for path in found}
    return {str(file): found[path] for path, file in files.items() if file is not None}


def _file(path: str, root: str, contract: Contract, script: Path | None) -> Path | None:
    """The file of this machine that is at a path of a job; None if there is none."""
    if not path.startswith(root):
        return None
    name = path[len(root) :]
    if name == contract.code_path:
        return (script or contract.script).resolve()
    for folder in (contract.folder, contract.samples / CODE_SAMPLES):
        if (folder / name).is_file():
            return (folder / name).resolve()
    return None


@dataclass(frozen=True)
class Measured:
    """Verdicts that leave the lines that each case runs in a folder."""

    judge: JudgeCase
    coverage: Coverage
    folder: Path

    def save(self) -> tuple[str, bool]:
        """Save them as coverage.py's data; as `save` does."""
        return save(self.coverage, self.folder)


@contextmanager
def measuring(judge_case: JudgeCase) -> Iterator[Measured]:
    """The verdicts of `judge_case`, measured for one session; raises as `open_coverage` does."""
    coverage = open_coverage()
    with tempfile.TemporaryDirectory(prefix="harness-lines-") as folder:
        yield Measured(JudgeWithCoverage(judge_case, Path(folder)), coverage, Path(folder))


def open_coverage() -> Coverage:
    """Coverage.py, with its own configuration of the working directory; raises `WrongUse`."""
    try:
        import coverage
    except ImportError:
        raise WrongUse(
            "--cov needs coverage.py, which is not installed",
            "pip install 'coverage>=7.4'",
        ) from None
    try:
        return coverage.Coverage()
    except coverage.CoverageException as error:
        raise WrongUse(f"coverage.py: {error}", "mend its configuration") from None


def save(coverage: Coverage, folder: Path) -> tuple[str, bool]:
    """Save what is in the folder as coverage.py's data: its report, and whether it is enough.

    Raises `HarnessError` where there is nothing, or coverage.py refuses it.
    """
    found: dict[str, set[tuple[int, int]]] = {}
    for file in folder.glob("[!.]*.json"):
        for name, pairs in json.loads(file.read_text(encoding="utf-8")).items():
            found.setdefault(name, set()).update((first, second) for first, second in pairs)
    if not found:
        raise HarnessError(
            "no case has told which lines it runs",
            "only scripts in Python that end by themselves are measured",
        )
    from coverage import CoverageException

    data = coverage.get_data()
    data.erase()
    if coverage.get_option("run:branch"):
        data.add_arcs(found)
    else:
        data.add_lines(
            {name: {one for _, one in pairs if one > 0} for name, pairs in found.items()}
        )
    text = io.StringIO()
    try:
        data.write()
        total = coverage.report(file=text, show_missing=True)
    except CoverageException as error:
        raise HarnessError(f"coverage.py: {error}", "coverage report shows what is there") from None
    return text.getvalue(), total >= float(str(coverage.get_option("report:fail_under")))
