"""Outputs: they hold what they must, and stay unchanged where nothing must be written."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from harness.cases.expectation import Archive, Content
from harness.files.difference import describe
from harness.promises import Breach, Evidence, Promise
from harness.promises.form import defect
from harness.promises.inputs import shared_outputs
from harness.worlds import archives
from harness.worlds.tree import Entry

# In seconds.
_TIME_TOLERANCE = 1e-3
# In bytes.
_SHORT = 60


def check_written(evidence: Evidence) -> Iterator[Breach]:
    """What is wrong with each thing that must be there afterwards."""
    after = evidence.outcome.after
    if after is None or not evidence.as_expected:
        return
    # A success without its output is a failure that nobody sees, whatever brought it about.
    hurts = evidence.case.interrupt is None and evidence.outcome.exit_code == 0
    for folder in evidence.expected.holds:
        if not any(entry.kind == "file" for _, entry in after.under(folder)):
            yield Breach("empty", folder, "a folder that holds some file", "none", hurts=hurts)
    for path, wanted in evidence.expected.writes.items():
        entry = after.get(path)
        kind = wanted.kind if isinstance(wanted, Content) else "file"
        if entry is None:
            yield Breach("missing", path, f"a {kind}", "nothing")
        elif entry.kind != kind:
            yield Breach("wrong-type", path, f"a {kind}", f"a {entry.kind}")
        elif isinstance(wanted, Archive):
            for found in archives.differences(entry.data, wanted.members, wanted.injected):
                where = f"{path} → {found.where}" if found.where else path
                yield Breach(found.key, where, found.expected, found.got)
        else:
            yield from _check_content(path, wanted, entry)


def _check_content(path: str, wanted: Content, entry: Entry) -> Iterator[Breach]:
    if entry.kind == "file" and entry.data != wanted.data:
        yield Breach("wrong-bytes", path, *_texts(path, wanted.data, entry.data))
    if entry.kind == "symlink" and entry.target != wanted.target:
        yield Breach("wrong-target", path, wanted.target, entry.target)
    if wanted.mode is not None and stat.S_IMODE(entry.mode) != wanted.mode:
        yield Breach("wrong-mode", path, f"{wanted.mode:04o}", f"{entry.mode:04o}")
    if wanted.mtime is not None and abs(entry.mtime - wanted.mtime) > _TIME_TOLERANCE:
        yield Breach("wrong-mtime", path, f"{wanted.mtime:f}", f"{entry.mtime:f}")


def _texts(path: str, wanted: bytes, got: bytes) -> tuple[str, str]:
    """Both contents, and what differs where they are too long to be shown."""
    if max(len(wanted), len(got)) <= _SHORT:
        return _short(wanted), _short(got)
    return _short(wanted), f"{_short(got)}:\n{describe(path, wanted, got)}"


def _short(data: bytes) -> str:
    return repr(data if len(data) <= _SHORT else data[:57] + b"...") + f" ({len(data)} bytes)"


def check_unchanged(evidence: Evidence) -> Iterator[Breach]:
    """Each file in an output folder that was there, must stay, and did not."""
    before, after = evidence.outcome.before, evidence.outcome.after
    if after is None or evidence.expected.whole:
        return
    shared = shared_outputs(evidence.contract, evidence.case)
    # A run with an unexpected exit code may still have written its outputs.
    writes = evidence.expected.writes
    for path, entry in before.under(*evidence.contract.output_folders):
        if path in writes:
            continue
        now = after.get(path)
        if any(output.may_write(path) for output in shared):
            # The input may be brought up to date, but not be damaged.
            if now is not None and now.data != entry.data and (damage := defect(path, now)):
                yield Breach("older-output-damaged", path, "as it was before, or whole", damage)
        elif now is None:
            yield Breach("older-output-gone", path, "as it was before", "nothing")
        elif entry.kind != "directory" and not entry.same_content(now):
            yield Breach("older-output-changed", path, *_texts(path, entry.data, now.data))


WRITTEN = Promise(
    "output", "On success each output is there and holds what the contract says.", check_written
)
UNCHANGED = Promise(
    "older-output", "An older output that must not be replaced stays as it was.", check_unchanged
)
