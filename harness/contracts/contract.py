"""Contracts: what a step script promises, as data; `loaders` reads them from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

AbsolutePath = Annotated[str, Field(pattern=r"^/")]
Texts = Annotated[tuple[str, ...], Field(strict=False)]
FileName = Annotated[str, Field(pattern=r"^[^/]+$")]
# A Python file, with folders before it or without.
EntryPoint = Annotated[str, Field(pattern=r"(^|/)[^/]*[^/.][^/]*$")]
Reason = Annotated[str, Field(min_length=1)]
# It is part of the ids of cases, `NAME=CHOICE,NAME=CHOICE`.
Name = Annotated[str, Field(pattern=r"^[^=,]+$")]
ExitCode = Annotated[int, Field(ge=0, le=255)]


class Strict(BaseModel):
    """A value that takes no key it does not know, and no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Input(Strict):
    """An input: the channel mounts where it may appear, then its SOURCE fallbacks.

    A fallback may begin with `{script_dir}`, the folder that the entry point lies in. `file` is the
    file the step reads there.
    """

    required: bool
    description: str = ""
    file: FileName | None = None
    mounts: tuple[AbsolutePath, ...] = Field(min_length=1, strict=False)
    source: tuple[Annotated[str, Field(pattern=r"^(/|\{script_dir\})")], ...] = Field(
        default=(), strict=False
    )


class Output(Strict):
    """An output folder, and the files that the step may write in it (none named: any).

    On success a `required` one holds something; others may stay empty.
    """

    path: AbsolutePath
    required: bool = True
    description: str = ""
    files: tuple[FileName, ...] = Field(default=(), strict=False)


class Environment(Strict):
    """Environment variables: the names that must be set, and the optional ones' defaults."""

    required: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    optional: Mapping[Name, str] = {}


class Open(Strict):
    """A value that only a run of the pipeline knows; `name` is what the samples call it."""

    name: str
    expression: str


class Given(Strict):
    """How a job starts the script, where the contract was read from the job itself.

    `profile` is the type of job. What it says here is set in every run; `hyperparameters` are as
    the job stores them. `code` is the folder of the script where the profile has another.
    """

    profile: str
    arguments: tuple[str | Open, ...] = ()
    environment: Mapping[str, str | Open] = {}
    hyperparameters: Mapping[str, str | Open] = {}
    code: AbsolutePath | None = None


class Contract(Strict):
    """All that a step promises.

    `framework_requirements` are the packages that the entry point imports: name → version.
    `waivers` are promises that this step need not keep, each with the reason: a report shows them.
    A loader adds the `origin`, the file it was read from, the `folder` of the entry point, where a
    `suite` may lie and where the `samples` do, `warnings`, and what the job has `given`, if the
    origin is one.
    """

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    entry_point: FileName
    inputs: Mapping[Name, Input] = {}
    outputs: Mapping[str, Output] = Field(min_length=1)
    arguments: Mapping[str, str] = {}
    environment: Environment = Environment()
    exit_codes: Mapping[ExitCode, str] = Field(min_length=1)
    error_codes: Mapping[str, str] = {}
    framework_requirements: Mapping[str, str] = {}
    waivers: Mapping[str, Reason] = {}
    folder: Path = Field(default=Path(), exclude=True)
    origin: Path = Field(default=Path(), exclude=True)
    suite: Path = Field(default=Path(), exclude=True)
    samples: Path = Field(default=Path(), exclude=True)
    warnings: tuple[str, ...] = Field(default=(), exclude=True)
    given: Given | None = Field(default=None, exclude=True)

    @property
    def script(self) -> Path:
        """The entry point's file."""
        return self.folder / self.entry_point

    @property
    def output_folders(self) -> tuple[str, ...]:
        """The folders that outputs are written to."""
        return tuple(output.path for output in self.outputs.values())


# What a loader adds, and no file holds.
ADDED = ("folder", "origin", "suite", "samples", "warnings", "given")
