"""The cache of verdicts: a case of which nothing has changed is not run again.

The name of an entry is a digest of all that a verdict depends on: the case itself and what it must
do, the files of the step, the runner, and the harness with the Python that it runs in. When it is
not certain that all of that is the same, or that the verdict was the script's doing, the case runs.
An entry is one file, as a report has the case; those that nobody has asked for in a month are
removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from harness.cases.case import Outcome, Result
from harness.cases.code_beside import files_in
from harness.cases.trial import Trial
from harness.errors import WrongUse
from harness.files.digest import NoDigest, digest
from harness.report.record import CaseRecord
from harness.runners import Runner
from harness.runners.inside import identity
from harness.runs.step import StepRef, fingerprint, load, trial

DEFAULT_FOLDER = Path(".cache/harness")
_ENTRY = re.compile(r"[0-9a-f]{64}\.json(\.\w+)?")
_KEPT_FOR = 30 * 24 * 3600.0
_PACKAGE = Path(__file__).parents[1]
# Death by SIGKILL: the system's doing, when it has no memory left.
_KILLED = 137


@dataclass(frozen=True)
class Cache:
    """Verdicts of earlier runs, in a folder that any number of runs may use at once.

    `began` is when this run did: what of the harness changes later is not what is running.
    """

    folder: Path
    began: float = field(default_factory=time.time)

    def prepare(self) -> None:
        """Make the folder and remove old entries; raises `WrongUse` when it cannot be written."""
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True)
                (self.folder / ".gitignore").write_text("*\n")
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise WrongUse(
                f"the cache {self.folder} cannot be written: {error.strerror}",
                "name another folder with --cache-dir, or leave --cache out",
            ) from None
        for path in self.folder.glob("??/*"):
            # Somebody else may be faster.
            with contextlib.suppress(OSError):
                old = path.stat().st_mtime < self.began - _KEPT_FOR
                if old and _ENTRY.fullmatch(path.name):
                    path.unlink()

    def judged(self, ref: StepRef, runner: Runner, case_id: str) -> Result:
        """The verdict on a case: the one that is known, or that of a run through `runner`."""
        key = self._key(ref, runner, case_id)
        entry = self.folder / key[:2] / f"{key}.json" if key else None
        if entry is not None and (known := _read(entry, case_id)) is not None:
            return known
        tried = trial(ref, runner, case_id)
        if entry is not None and _is_certain(tried):
            _write(entry, tried.result)
        return tried.result

    def _key(self, ref: StepRef, runner: Runner, case_id: str) -> str:
        """The digest of all that the verdict depends on; "" where that cannot be told."""
        source, changed = _harness()
        if changed >= self.began:
            return ""
        matrix = load(ref).matrix
        case, expected = matrix.case(case_id)
        usual = matrix.case(matrix.usual) if "circumstance" in case.choices else None
        try:
            return digest(source, _of_step(ref), _of_runner(runner), case, expected, usual)
        except NoDigest:
            return ""


@lru_cache(maxsize=1)
def _harness() -> tuple[str, float]:
    """A digest of the harness and its Python, and when a file of the harness last changed."""
    files = files_in(_PACKAGE)
    changed = max((_PACKAGE / name).stat().st_mtime for name in files)
    return digest(version("step-harness"), files, identity.described()), changed


@lru_cache(maxsize=8)
def _of_step(ref: StepRef) -> str:
    contract = load(ref).contract
    # Where it lies is not a part of what it promises.
    nowhere = dict.fromkeys(("folder", "origin", "suite", "samples", "warnings"))
    return digest(fingerprint(ref), contract.model_copy(update=nowhere))


@lru_cache(maxsize=8)
def _of_runner(runner: Runner) -> str:
    return digest(type(runner).__name__, runner.identity())


def _is_certain(tried: Trial) -> bool:
    """Whether it was the script that made the verdict what it is, and not the machine."""
    outcomes = (tried.outcome, *(tried.usual.outcomes if tried.usual else ()))
    return all(_ended(one) for one in outcomes) and (
        tried.expected.dies or all(one.exit_code != _KILLED for one in outcomes)
    )


def _ended(outcome: Outcome) -> bool:
    return outcome.exit_code is not None and outcome.after is not None


def _read(entry: Path, case_id: str) -> Result | None:
    """The verdict that an entry holds; None where there is none, or a broken one."""
    try:
        known = CaseRecord.model_validate(json.loads(entry.read_bytes()))
        if known.id != case_id:
            return None
        os.utime(entry)
    except (OSError, ValueError, RecursionError):
        return None
    return known.model_copy(update={"cached": True}).result


def _write(entry: Path, result: Result) -> None:
    """Write an entry beside its place and rename it; a full disk only means that there is none."""
    with contextlib.suppress(OSError):
        entry.parent.mkdir(exist_ok=True)
        number, name = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.name}.")
        beside = Path(name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as stream:
                json.dump(CaseRecord.of(result).model_dump(mode="json"), stream)
            beside.replace(entry)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
