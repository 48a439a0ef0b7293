"""Shows one case completely, and writes its trees to a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath

from rich.console import Console

from harness.cases.trial import Trial
from harness.errors import WrongUse
from harness.files.shown import shown
from harness.worlds.tree import Entry, Tree, changes


def show_trial(trial: Trial, kept: Path | None) -> None:
    """Print what was run, its output, the changes in the tree, and the findings.

    `kept` is the folder of `keep_trial`, if there is one.
    """
    case, outcome = trial.case, trial.outcome
    console = Console(highlight=False, soft_wrap=True)

    def line(text: str = "") -> None:
        console.print(shown(text), markup=False)

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
    if trial.verdict.unproven:
        line(f"--- not proven: {trial.verdict.unproven}")
    line(f"--- findings: {len(trial.findings)}")
    for finding in trial.findings:
        mark = "warning: " if finding.severity == "warning" else ""
        line(f"{mark}{finding.promise}: {finding.key}: {finding.where}")
        line(f"  expected {finding.expected}")
        line(f"  got      {finding.got}")
    if kept is not None:
        line(f"--- kept in {kept}: before/, after/, stdout, stderr")


def keep_trial(folder: Path, trial: Trial) -> None:
    """Write the trees and the output to `folder`; raises `WrongUse` unless it is new or empty."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise WrongUse(f"--keep {folder}: is not empty", "name a new folder")
        for name in ("stdout", "stderr"):
            text = getattr(trial.outcome, name)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        _write_tree(folder / "before", trial.outcome.before)
        if trial.outcome.after is not None:
            _write_tree(folder / "after", trial.outcome.after)
    except OSError as error:
        raise WrongUse(
            f"--keep {folder}: {error.strerror}: {error.filename}", "name another folder"
        ) from None


def _write_tree(root: Path, tree: Tree) -> None:
    """Write a tree without following its links: what is below one is not written."""
    root.mkdir()
    links: set[str] = set()
    written: list[tuple[Path, Entry]] = []
    for path, entry in tree:
        if any(str(parent) in links for parent in PurePosixPath(path).parents):
            continue
        target = root / path.lstrip("/")
        # A tree need not hold the parents of what it holds.
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "directory":
            target.mkdir(exist_ok=True)
        elif entry.kind == "symlink":
            links.add(path)
            target.symlink_to(entry.target)
        elif entry.kind == "fifo":
            os.mkfifo(target)
        elif entry.kind == "file":
            target.write_bytes(entry.data)
        else:
            target.with_name(target.name + ".device").write_bytes(b"")
        written.append((target, entry))
    for target, entry in reversed(written):
        if entry.kind in ("file", "directory"):
            # Whatever the modes in the tree, the owner can read and remove the files.
            target.chmod(entry.mode & 0o777 | (0o700 if entry.kind == "directory" else 0o600))
            os.utime(target, (entry.mtime, entry.mtime))
