"""The contract of a step script, as data; `loaders` reads contracts from files."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.contracts.arguments import Declared
from harness.contracts.outputs import Output as Output
from harness.contracts.paths import AbsolutePath as AbsolutePath
from harness.contracts.paths import FileName, FilePattern
from harness.contracts.patterns import matches_input
from harness.contracts.waivers import DeclaredWaiver

Texts = Annotated[tuple[str, ...], Field(strict=False)]
MayHold = Literal["empty-file", "header-only", "extra-files", "several-files"]
# A Python file, with folders before it or without.
EntryPoint = Annotated[str, Field(pattern=r"(^|/)[^/]*[^/.][^/]*$")]
ModuleName = Annotated[str, Field(pattern=r"^([^\W\d]\w*(\.[^\W\d]\w*)*)?$")]
RelativePath = Annotated[str, Field(pattern=r"^[^/]")]
# Part of the ids of cases, `NAME=CHOICE,NAME=CHOICE`.
Name = Annotated[str, Field(pattern=r"^[^=,]+$")]
# How the files of an input come to the hosts of a job: all to each, or to each a part of them.
Distribution = Literal["FullyReplicated", "ShardedByS3Key"]
InputMode = Literal["File", "FastFile"]
ExitCode = Annotated[int, Field(ge=0, le=255)]
# `3.8`, or with >= or == before it.
PythonVersion = Annotated[str, Field(pattern=r"^((>=|==|~=)?\s*3(\.\d+){1,2})?$")]
# In seconds.
Timeout = Annotated[float, Field(gt=0, allow_inf_nan=False)]


# The file of a package that `python -m PACKAGE` runs.
MAIN_FILE = "__main__.py"


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and values of other types."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)


class Input(Strict):
    """An input: the channel mounts where it may appear, then its SOURCE fallbacks.

    A fallback may begin with `{script_dir}`, the folder that the entry point lies in. `file` is the
    file the step reads there, `files` are several: names or patterns, with folders or without.
    `may_hold` is what else the step takes there; a `damaged` file makes it fail or is tolerated.
    """

    required: bool
    """Whether the step must fail without it, and name it."""
    description: str = ""
    """What the input is, for people."""
    file: FileName | None = None
    """The file that the step reads there."""
    files: tuple[FilePattern, ...] = Field(default=(), strict=False)
    """More files that the step reads there: names, or patterns such as `part-*.csv`."""
    may_hold: tuple[MayHold, ...] = Field(default=(), strict=False)
    """What else may be there, and do no harm; each is tried."""
    damaged: Literal["fails", "tolerated"] = "fails"
    """Whether the step must fail when a file is damaged, half an archive or broken JSON."""
    mounts: tuple[AbsolutePath, ...] = Field(min_length=1, strict=False)
    """The folders where the channel may be mounted, the first that exists counts."""
    distribution: Distribution = "FullyReplicated"
    """Whether each host of the job has all files, or a part of them."""
    content_type: str = ""
    """The content type that a training job gives for the channel, "" for none."""
    input_mode: InputMode = "File"
    """How a training job gets the files of the channel; the script sees it in its configuration."""
    source: tuple[Annotated[str, Field(pattern=r"^(/|\{script_dir\})")], ...] = Field(
        default=(), strict=False
    )
    """Folders that are read when no channel is mounted; `{script_dir}` is that of the script."""

    def reads(self, relative: str) -> bool:
        """Whether the step reads a file of this name there; without names it reads any."""
        patterns = self.file_patterns
        return not patterns or any(matches_input(relative, one) for one in patterns)

    @property
    def file_patterns(self) -> tuple[str, ...]:
        """The names, or patterns of names, of the files that the step reads there."""
        return (*((self.file,) if self.file else ()), *self.files)


class Sigterm(Strict):
    """What SIGTERM means to the step: the exit codes it may end with, and what it may still write.

    The outputs `may_write` may hold anything afterwards; others are whole, or as they were before.
    """

    exit_codes: tuple[ExitCode, ...] = Field(default=(143,), min_length=1, strict=False)
    """The exit codes that the script may end with."""
    may_write: Texts = ()
    """The outputs that may hold anything afterwards."""


class Environment(Strict):
    """Environment variables: the names that must be set, and the optional ones' defaults.

    `always` are those that the job sets in every run: name → value, "" where only the samples know
    it.
    """

    required: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Variables without which the step must fail, and name them."""
    optional: Mapping[Name, str] = {}
    """Variables that may be unset, each with its default."""
    always: Mapping[Name, str] = {}
    """Variables that the job sets in every run, with their values; "" where the samples have it."""


class Unresolved(Strict):
    """A value that only a pipeline run knows; `name` is its key in the samples."""

    name: str
    expression: str


class JobSettings(Strict):
    """What a job definition itself sets, in every run.

    `profile` is the type of job, `hyperparameters` are the texts that the job stores. `code` is
    the folder of the source, None for that of the profile, `script_in` that of the script in it.
    `values` are those of the profile that the request names: the image, the type of instances.
    """

    profile: str
    arguments: tuple[str | Unresolved, ...] = ()
    environment: Mapping[str, str | Unresolved] = {}
    hyperparameters: Mapping[str, str | Unresolved] = {}
    code: AbsolutePath | None = None
    script_in: str = ""
    values: Mapping[str, str] = {}


# How strictly a step is judged; `harness explain LEVEL` says what each level holds.
Level = Literal["strict", "practical"]


class Contract(Strict):
    """All that a step promises.

    `framework_requirements` are the packages that the entry point imports: name → version.
    `timeout` is how long a case may take, in seconds: by default 20, or ten times as long as the
    usual case. `sigterm` is what that signal means.
    `waivers` are promises that this step need not keep, each with the reason: a report shows them.
    A `sink` has no outputs; every other step has.
    `scratch` are folders that the step may use, and leave things in.
    A loader adds the `origin`, the file it was read from, the `folder` of the entry point, where a
    `suite` may lie and where the `samples` do, `warnings`, and what the `job` sets, if the origin
    is one.
    """

    name: Annotated[str, Field(min_length=1)]
    """The name of the step in reports."""
    description: str = ""
    """What the step does, for people."""
    entry_point: FileName
    """The script: a file beside the contract, in a folder there, or in the folder of `--code`."""
    module: ModuleName = ""
    """The module that is run as `python -m MODULE`, in place of a script."""
    image: Mapping[AbsolutePath, RelativePath] = {}
    """Files and folders of the image outside `/opt/ml`, each with its copy beside the contract."""
    inputs: Mapping[Name, Input] = {}
    """What the step reads."""
    at_least_one: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Optional inputs of which one at least must be there; without any the step must fail."""
    outputs: Mapping[str, Output]
    """What the step writes; empty for a `sink` alone."""
    sink: bool = False
    """Whether the step has no outputs by intention: it must end with 0 and write nothing."""
    instance_count: Annotated[int, Field(ge=1)] = 1
    """The number of hosts of the job, `algo-1`, `algo-2` and so on; the script runs on each."""
    hosts: Texts = ()
    """The hosts of the job, where they have other names."""
    arguments: Mapping[str, Declared] = {}
    """The arguments of the script, each with what it means, or with its type and values."""
    environment: Environment = Environment()
    """The environment variables that the script reads."""
    exit_codes: Mapping[ExitCode, str] = Field(min_length=1)
    """Every exit code of the script, each with what it means."""
    error_codes: Mapping[str, str] = {}
    """Words that begin an error message, each with what it means."""
    framework_requirements: Mapping[str, str] = {}
    """The packages that the script imports, each with its version."""
    waivers: Mapping[str, DeclaredWaiver] = {}
    """Promises that the step need not keep, each with the reason, or with `reason` and `until`."""
    level: Level | None = None
    """How strictly the step is judged; `harness explain LEVEL` says what each level holds."""
    scratch: Annotated[tuple[AbsolutePath, ...], Field(strict=False)] = ()
    """Folders that the step may use, and leave things in."""
    python: PythonVersion = ""
    """The version of Python that the job runs the script on, such as `>=3.8`."""
    timeout: Timeout | None = None
    """How long a case may take, in seconds; by default it grows with the usual case."""
    sigterm: Sigterm = Sigterm()
    """What SIGTERM means to the step."""
    folder: Path = Field(default=Path(), exclude=True)
    origin: Path = Field(default=Path(), exclude=True)
    suite: Path = Field(default=Path(), exclude=True)
    samples: Path = Field(default=Path(), exclude=True)
    warnings: tuple[str, ...] = Field(default=(), exclude=True)
    job: JobSettings | None = Field(default=None, exclude=True)

    @property
    def script(self) -> Path:
        """The entry point's file."""
        return self.folder / self.code_path

    @property
    def code_path(self) -> str:
        """The path of the entry point in the code folder, from which packages are imported too."""
        packages = self.module.split(".") if self.module else []
        if self.entry_point != MAIN_FILE:
            packages = packages[:-1]
        if self.job is not None and self.job.script_in:
            packages = [self.job.script_in]
        return "/".join((*packages, self.entry_point))

    @property
    def failure_codes(self) -> tuple[int, ...]:
        """The exit codes of failures; none when the contract says nothing about failures."""
        return tuple(code for code in self.exit_codes if code not in (0, 128 + signal.SIGTERM))

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts of the job, the first of which leads."""
        return self.hosts or tuple(f"algo-{n}" for n in range(1, self.instance_count + 1))

    @property
    def folders_by_output(self) -> Mapping[str, str]:
        """The outputs, each with the folder that it is written to."""
        return {name: output.path for name, output in self.outputs.items()}

    @property
    def output_folders(self) -> tuple[str, ...]:
        """The folders that outputs are written to."""
        return tuple(output.path for output in self.outputs.values())

    def may_write(self, path: str) -> bool:
        """Whether some output may hold a file at this path."""
        return any(output.may_write(path) for output in self.outputs.values())


# Set by loaders, not allowed in a file.
LOADER_FIELDS = ("folder", "origin", "suite", "samples", "warnings", "job")
