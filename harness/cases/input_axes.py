"""The inputs of a derived suite: absent, empty, present, and whatever else the contract allows.

What an input `may_hold` is tried beside what it usually holds, and must do no harm. A damaged file
must not pass for a whole one: half an archive, image, array, pickle, XML or Parquet file, broken
JSON or YAML, a short row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from harness.cases.edits import Mounted
from harness.cases.expectation import Expectation
from harness.cases.hosts import shard
from harness.cases.input_keys import changed_settings
from harness.cases.matrix import Axis, Edit, Special, as_it_is
from harness.cases.parts import Files, Variant, variants
from harness.contracts.contract import Input
from harness.contracts.patterns import matches_input
from harness.files import formats
from harness.worlds.archives import PYTORCH, model_archive
from harness.worlds.jobs import Job
from harness.worlds.tree import is_under

_MODEL = "model.tar.gz"
_NAMES_A_MODEL = re.compile(r"model(_artifacts?)?(_input)?")
# Choices of an input of which several files match one pattern.
_ONE_FILE_LESS = ("without-first-file", "without-last-file", "without-file-of-same-name")
_NOT_SAMPLES = ("__pycache__", ".gitkeep", ".DS_Store")
_TABLES = (".csv", ".tsv")
# Whoever reads them finds half of one broken.
_CUT_SHORT = (
    *(".gz", ".tgz", ".zip", ".parquet", ".xml", ".npz", ".npy"),
    *(".pkl", ".pickle", ".joblib"),
)
_DELIMITERS = b",;\t"


def mount_of(job: Job, one: Input) -> str:
    """Where the job mounts an input."""
    return next((m for m in one.mounts if m.startswith(f"{job.channels}/")), one.mounts[0])


def channel_of(job: Job, name: str, one: Input) -> str:
    """What the job calls an input: its name, or in a training job that of its folder."""
    return PurePosixPath(mount_of(job, one)).name if job.mounts == job.channels else name


class InputSamples:
    """An input of a step that is run as this type of job, and its sample files."""

    def __init__(
        self, job: Job, name: str, one: Input, samples: Path, hosts: Sequence[str]
    ) -> None:
        """Read the sample files from the folder of this name in `samples`.

        The first of the `hosts` finds its part of them.
        """
        self.name = name
        self._job = job
        self._input = one
        self._folder = samples / name
        self._mount = mount_of(job, one)
        self.files = self._read()
        self._files = shard(one, self.files, hosts, hosts[0])
        self._variants = tuple(variants(self._files, one.file_patterns, required=one.required))

    def _read(self) -> Files:
        """The sample files by relative name; empty when there are none."""
        folder = self._folder
        content = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not set(path.relative_to(folder).parts) & set(_NOT_SAMPLES)
        }
        names = self._input.file_patterns
        is_model = _MODEL in names or (not names and _NAMES_A_MODEL.fullmatch(self.name))
        return {_MODEL: model_archive(PYTORCH)} if not content and is_model else content

    def unproven(self, choice: str) -> str:
        """What the samples lack for this choice; "" when nothing."""
        if choice in ("absent", "empty"):
            return ""
        if not self._files:
            return f"put files into {self._folder}/"
        for pattern in self._input.files:
            if not any(matches_input(name, pattern) for name in self._files):
                return f"put a file that {pattern} matches into {self._folder}/"
        if choice == "header-only" and not self._tables():
            return f"put a .csv or .tsv file into {self._folder}/"
        return ""

    @property
    def usual(self) -> str:
        """The usual choice: an optional input without samples is left out."""
        return "present" if self._input.required or not self.unproven("present") else "absent"

    def axis(self) -> Axis:
        """The choices; those that the contract allows are tried alone."""
        allowed = {
            choice: self._holding(files)
            for kind in self._input.may_hold
            for choice, files in self._held(kind)
        }
        allowed.update(
            {choice: self._holding(files) for choice, files in self._with_one_file_less()}
        )
        allowed.update({one.choice: self._holding(one.files) for one in self._variants})
        beside = {one.choice_beside: self._holding(one.beside) for one in self._variants}
        choices = {
            "absent": as_it_is,
            "empty": self._holding({}),
            "present": self._holding(self._files),
        }
        return Axis(self.name, choices, allowed, beside)

    def in_part(self, choice: str) -> str:
        """What the input has not in this choice; "" where it has all or none."""
        if choice in _ONE_FILE_LESS:
            return f"{self.name} (one file less)"
        found = self._variant(choice)
        if found is None:
            return ""
        return f"{self.name} ({found.what})" if found.what else self.name

    def compared(self, choice: str) -> tuple[str, bool]:
        """The choice that one with another part is compared with, and whether it must be the same.

        "" for the others.
        """
        found = self._variant(choice)
        return ("", False) if found is None else (found.choice_beside, found.same)

    def _variant(self, choice: str) -> Variant | None:
        return next((one for one in self._variants if one.choice == choice), None)

    def _with_one_file_less(self) -> Iterator[tuple[str, Files]]:
        """The files without the first, and without the last, of several of one kind.

        A script that reads one file of them alone does the same without another. One that writes
        what comes of files in several folders under one name does so without one of these.
        """
        for pattern in self._input.file_patterns:
            kind = PurePosixPath(pattern).suffix
            names = sorted(one for one in self._files if self._files[one])
            names = [one for one in names if matches_input(one, pattern)]
            if "*" in pattern and kind and len(names) > 1:
                files = [PurePosixPath(one).name for one in names]
                same = [
                    one for one, file in zip(names, files, strict=True) if files.count(file) > 1
                ]
                less = dict(zip(_ONE_FILE_LESS, (names[0], names[-1], *same[:1]), strict=False))
                for choice, left_out in less.items():
                    rest = {name: data for name, data in self._files.items() if name != left_out}
                    yield choice, rest
                return

    def _held(self, kind: str) -> Iterator[tuple[str, Files]]:
        """The choices of one kind, and what the input holds then."""
        files = self._files
        last = max(files, default="")
        if kind == "empty-file":
            yield kind, {**files, last: b""}
        elif kind == "header-only":
            tables = self._tables()
            headers = {tables[-1]: _header(files[tables[-1]])} if tables else {}
            yield kind, {**files, **headers}
        elif kind == "extra-files":
            yield kind, {**files, **_EXTRA}
        else:
            before, after = _names_beside(last, self._input.file_patterns)
            yield f"{kind}-before", {before: files.get(last, b""), **files}
            yield f"{kind}-after", {**files, after: files.get(last, b"")}

    def _tables(self) -> list[str]:
        return [name for name in sorted(self._files) if name.endswith(_TABLES)]

    def _holding(self, content: Files) -> Edit:
        is_channel = is_under(self._mount, self._job.mounts)
        channel = channel_of(self._job, self.name, self._input) if is_channel else None
        return Mounted(self._mount, content, channel)

    def damaged(self) -> Iterator[Special]:
        """A case for each kind of file, in which one of that kind is damaged."""
        if self._input.damaged == "tolerated":
            return
        tried: set[str] = set()
        for name, data in self._files.items():
            kind = PurePosixPath(name).suffix
            broken = damage(name, data)
            if broken is None or kind in tried:
                continue
            tried.add(kind)
            path = f"{self._mount}/{name}"
            yield Special(f"{self.name}-damaged{kind}", _with_file(path, broken), _refused(path))

    def changed_settings(self) -> Iterator[Special]:
        """A case for each key of the settings that is left out, or has another value."""
        if self._input.damaged == "tolerated":
            return
        for word, name, data, expected in changed_settings(self._files):
            yield Special(f"{self.name}-{word}", self.with_file(name, data), expected)

    def with_file(self, name: str, data: bytes) -> Edit:
        """The edit that gives one file of the input these bytes."""
        return _with_file(f"{self._mount}/{name}", data)


# What other programs leave beside the files that they write.
_EXTRA: Files = {
    "_SUCCESS": b"",
    ".DS_Store": b"\0\0\0\x01Bud1\0\0\x10\0",
    "rows.manifest": json.dumps([{"prefix": "s3://bucket/rows/"}, "part-0.csv"], indent=1).encode(),
}


def damage(name: str, data: bytes) -> bytes | None:
    """A file of this name with damaged content; None when its name does not say its form."""
    if name.endswith(_CUT_SHORT) or formats.is_image(name):
        return data[: len(data) // 2]
    if name.endswith(".json"):
        return data[: len(data) // 2] + b"{"
    if name.endswith(".jsonl"):
        lines = data.rstrip().split(b"\n")
        return b"\n".join([*lines[:-1], lines[-1][: len(lines[-1]) // 2] + b"{", b""])
    if name.endswith((".yaml", ".yml")):
        return data.rstrip() + b"\n]\n"
    if name.endswith(_TABLES):
        return _with_a_short_row(data)
    return None


def _with_a_short_row(data: bytes) -> bytes | None:
    """The table without the last field of its last row; None when it has no two columns."""
    lines = data.rstrip(b"\r\n").split(b"\n")
    found = [lines[0].count(bytes([one])) for one in _DELIMITERS]
    if len(lines) < 2 or not any(found):
        return None
    delimiter = _DELIMITERS[found.index(max(found))]
    lines[-1] = lines[-1].rpartition(bytes([delimiter]))[0]
    return b"\n".join(lines) + b"\n"


def _header(data: bytes) -> bytes:
    return data.partition(b"\n")[0] + b"\n"


def _names_beside(name: str, patterns: tuple[str, ...]) -> tuple[str, str]:
    """Two names of the same kind as a file's: one before it in the order of names, one after it."""
    pattern = next((one for one in patterns if "*" in one and matches_input(name, one)), "")
    if pattern:
        pattern = pattern.replace("**/", "")
        first, second = (pattern.replace("*", word, 1).replace("*", "") for word in "0~")
        return first, second
    path = PurePosixPath(name)
    stem, dot, suffix = path.name.partition(".")
    return str(path.with_name(f"0-{path.name}")), str(path.with_name(f"{stem}~2{dot}{suffix}"))


def _with_file(path: str, data: bytes) -> Edit:
    return lambda case: case.with_tree(case.tree.with_file(path, data))


def _refused(path: str) -> Expectation:
    """A failure; a success is left to the promise `damaged-input`."""
    accepted = Expectation(explained=False, damaged=path)
    return Expectation(exit_code=None, explained=False, damaged=path, otherwise=accepted)
