"""Shows one case from beginning to end, and leaves its world to look at."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console

from harness.cases.trial import Trial
from harness.errors import WrongUse
from harness.worlds.tree import Tree, changes


def show(trial: Trial, kept: Path | None) -> None:
    """Print what was run, what it said, what it changed, and the findings."""
    case, outcome = trial.case, trial.outcome
    console = Console(highlight=False, soft_wrap=True)

    def line(text: str = "") -> None:
        console.print(text, markup=False)

    line(f"case      {case.id}")
    line(f"script    {case.script}, working directory {case.cwd}")
    if case.call:
        line(f"call      {case.call.function}")
    if case.interrupt:
        line(f"interrupt {case.interrupt.signal.name} at {case.interrupt.at:.0%} of its work")
    code = "none: it did not end" if outcome.exit_code is None else outcome.exit_code
    wanted = "a failure" if trial.expected.exit_code is None else trial.expected.exit_code
    line(f"exit code {code} (expected {wanted}), {outcome.seconds:.2f} s")
    if outcome.returned is not None:
        line(f"answer    {json.dumps(outcome.returned)}")
    for name, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
        line(f"--- {name}")
        line(text.rstrip("\n"))
    line("--- changes")
    if outcome.after is None:
        line("unknown: the process was gone before its files could be read")
    else:
        for change in changes(outcome.before, outcome.after) or ["none"]:
            line(change)
    line(f"--- findings: {len(trial.findings)}")
    for finding in trial.findings:
        mark = "warning: " if finding.severity == "warning" else ""
        line(f"{mark}{finding.promise}: {finding.key}: {finding.where}")
        line(f"  expected {finding.expected}")
        line(f"  got      {finding.got}")
    if kept is not None:
        line(f"--- kept in {kept}: before/, after/, stdout, stderr")


def keep_world(folder: Path, trial: Trial) -> None:
    """Lay out the trees and what the script said in `folder`, which must be new or empty."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise WrongUse(f"--keep {folder}: is not empty", "name a new folder")
        (folder / "stdout").write_text(trial.outcome.stdout, encoding="utf-8")
        (folder / "stderr").write_text(trial.outcome.stderr, encoding="utf-8")
        _lay_out(folder / "before", trial.outcome.before)
        if trial.outcome.after is not None:
            _lay_out(folder / "after", trial.outcome.after)
    except OSError as error:
        raise WrongUse(
            f"--keep {folder}: {error.strerror}: {error.filename}", "name another folder"
        ) from None


def _lay_out(root: Path, tree: Tree) -> None:
    root.mkdir()
    entries = list(tree)
    for path, entry in entries:
        place = root / path.lstrip("/")
        if entry.kind == "directory":
            place.mkdir(exist_ok=True)
        elif entry.kind == "symlink":
            place.symlink_to(entry.target)
        elif entry.kind == "fifo":
            os.mkfifo(place)
        elif entry.kind == "file":
            place.write_bytes(entry.data)
        else:
            place.with_name(place.name + ".device").write_bytes(b"")
    for path, entry in reversed(entries):
        place = root / path.lstrip("/")
        if entry.kind in ("file", "directory"):
            # The owner can always look in and clean up, whatever the tree's modes.
            place.chmod(entry.mode & 0o777 | (0o700 if entry.kind == "directory" else 0o600))
            os.utime(place, (entry.mtime, entry.mtime))
