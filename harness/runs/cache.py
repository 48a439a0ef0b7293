"""The cache of verdicts: a case is run again only when something that it depends on has changed.

The key of an entry is a digest of all that a verdict depends on: the case and its expectation, the
files of the step, the runner, and the harness with its Python. A case runs when that digest cannot
be computed; a verdict is not stored when the machine, not the script, may have caused it. An entry
is one JSON file, a `CaseRecord`; entries that were not used for 30 days are removed.
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
from pathlib import Path

from harness.cases.case import Outcome, Result
from harness.cases.trial import Trial
from harness.errors import WrongUse
from harness.files.digest import NoDigest, digest
from harness.report.record import CaseRecord
from harness.runners import Runner
from harness.runners.inside import identity
from harness.runs.build_id import this_build
from harness.runs.step import StepRef, fingerprint, load, run_case

DEFAULT_FOLDER = Path(".cache/harness")
_ENTRY_NAME = re.compile(r"[0-9a-f]{64}\.json(\.\w+)?")
# Seconds after its last use at which an entry is removed.
_MAX_AGE = 30 * 24 * 3600.0
# The exit code after SIGKILL, which the system sends when memory runs out.
_SIGKILL_EXIT_CODE = 137


@dataclass(frozen=True)
class Cache:
    """Verdicts of earlier runs, in a folder that any number of runs may use at the same time.

    `started` is when this run started, in seconds since the epoch. If a file of the harness was
    modified later, this process may run an older version of it, and the cache is not used.
    """

    folder: Path
    started: float = field(default_factory=time.time)

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
            # Another run may have removed it already.
            with contextlib.suppress(OSError):
                is_old = path.stat().st_mtime < self.started - _MAX_AGE
                if is_old and _ENTRY_NAME.fullmatch(path.name):
                    path.unlink()

    def judge(self, ref: StepRef, runner: Runner, case_id: str) -> Result:
        """The verdict on a case: the cached one, else that of a run through `runner`."""
        key = self._key(ref, runner, case_id)
        entry = self.folder / key[:2] / f"{key}.json" if key else None
        if entry is not None and (cached := _read(entry, case_id)) is not None:
            return cached
        trial = run_case(ref, runner, case_id)
        if entry is not None and _is_reproducible(trial):
            _write(entry, trial.result)
        return trial.result

    def _key(self, ref: StepRef, runner: Runner, case_id: str) -> str:
        """The digest of all that the verdict depends on; "" if it cannot be computed."""
        if this_build().modified >= self.started:
            return ""
        matrix = load(ref).matrix
        case, expected = matrix.case(case_id)
        is_compared = "circumstance" in case.choices or expected.lacks or expected.varies
        usual = matrix.case(matrix.usual) if is_compared and matrix.usual else None
        try:
            return digest(
                _harness_digest(),
                _step_digest(ref),
                _runner_digest(runner),
                case,
                expected,
                usual,
            )
        except NoDigest:
            return ""


@lru_cache(maxsize=1)
def _harness_digest() -> str:
    build = this_build()
    return digest(build.version, build.files_digest, identity.describe_python())


@lru_cache(maxsize=8)
def _step_digest(ref: StepRef) -> str:
    contract = load(ref).contract
    # The location is not part of the contract.
    no_location = dict.fromkeys(("folder", "origin", "suite", "samples", "warnings"))
    unlocated = contract.model_copy(update=no_location)
    return digest(fingerprint(ref), unlocated, load(ref).limit.seconds)


@lru_cache(maxsize=8)
def _runner_digest(runner: Runner) -> str:
    return digest(type(runner).__name__, runner.identity())


def _is_reproducible(trial: Trial) -> bool:
    """Whether the script alone caused the verdict, not a slow machine or a lack of memory.

    What is not proven now may be another time.
    """
    if trial.outcome.unproven:
        return False
    outcomes = (trial.outcome, *(trial.usual.outcomes if trial.usual else ()))
    return (
        not trial.verdict.unproven
        and all(_is_complete(one) for one in outcomes)
        and (trial.expected.dies or all(one.exit_code != _SIGKILL_EXIT_CODE for one in outcomes))
    )


def _is_complete(outcome: Outcome) -> bool:
    return outcome.exit_code is not None and outcome.after is not None


def _read(entry: Path, case_id: str) -> Result | None:
    """The verdict in an entry; None if the entry does not exist or is corrupt."""
    try:
        record = CaseRecord.model_validate(json.loads(entry.read_bytes()))
        if record.id != case_id:
            return None
        os.utime(entry)
    except (OSError, ValueError, RecursionError):
        return None
    return record.model_copy(update={"cached": True}).result


def _write(entry: Path, result: Result) -> None:
    """Write an entry atomically; if that fails, there is no entry."""
    with contextlib.suppress(OSError):
        entry.parent.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(CaseRecord.from_result(result).model_dump(mode="json"), stream)
            temporary.replace(entry)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
