"""What a SageMaker job puts into its container: mounts, config files, environment.

A job type is data, `harness/worlds/profiles/NAME.yaml`, or a file of the same form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.contracts.contract import AbsolutePath, Strict, Texts
from harness.errors import WrongUse
from harness.files import yaml_file
from harness.files.placeholders import Names, Scope, as_text, filled, unknown

T = TypeVar("T")

_FOLDER = Path(__file__).with_name("profiles")
# The training toolkit keeps hyperparameters that begin so to itself.
_TOOLKIT = "sagemaker_"
_CHANNEL = frozenset(("channel", "CHANNEL", "channel_folder"))
_OUTPUT = frozenset(("output", "output_folder"))
_HYPERPARAMETER = frozenset(("hyperparameter", "HYPERPARAMETER", "HYPERPARAMETER_WORD", "value"))


@dataclass(frozen=True)
class Request:
    """What a job is asked for: its channels, output folders, script, and what that is given.

    `hyperparameters` are as the service stores them: texts, which framework estimators encode as
    JSON. `arguments` are those of the script; a training job makes them of its hyperparameters.
    """

    channels: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    script: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def decoded(self) -> Mapping[str, Any]:
        """The script's hyperparameters as the toolkit reads them, its own left out."""
        return {
            name: _decoded(value)
            for name, value in self.hyperparameters.items()
            if not name.startswith(_TOOLKIT)
        }


class Job(Strict):
    """One type of job.

    Its inputs are mounted below `mounts`, a channel at a folder of `channels`. The script lies in
    `code` and is started in `working_directory`. `folders` and `files` are there before it starts,
    and if the job `makes_outputs` the declared output folders too. `arguments_from` says whether
    the script's arguments are the job's own, or which program makes them of its hyperparameters.
    `config` gives path → JSON value and `environment` the variables; their texts, and those of
    `files`, may hold placeholders, for what `Request` tells and for the profile's own `values`.
    """

    name: str
    description: str = ""
    mounts: AbsolutePath
    channels: AbsolutePath
    code: AbsolutePath
    working_directory: AbsolutePath
    folders: Texts = ()
    makes_outputs: bool
    arguments_from: Literal["job", "training-toolkit", "model-trainer"]
    values: Mapping[str, Any] = {}
    files: Mapping[AbsolutePath, str] = {}
    config: Mapping[AbsolutePath, Any] = {}
    environment: Mapping[str, Any] = {}

    def mount(self, channel: str) -> str:
        """Where the job mounts a channel."""
        return f"{self.channels}/{channel}"

    @cached_property
    def _files_of(self) -> dict[str, Mapping[str, bytes]]:
        """What was worked out for a request: many cases of a matrix ask for the same."""
        return {}

    @cached_property
    def _variables_of(self) -> dict[str, Mapping[str, str]]:
        return {}

    def written(self, request: Request) -> Mapping[str, bytes]:
        """The files of a job that was asked for this: absolute path → bytes."""
        return _remembered(self._files_of, request, self._written)

    def variables(self, request: Request) -> Mapping[str, str]:
        """The environment variables of a job that was asked for this."""
        return _remembered(self._variables_of, request, self._variables)

    def _written(self, request: Request) -> Mapping[str, bytes]:
        scope = self._scope(request)
        return {
            **{path: as_text(filled(text, scope)).encode() for path, text in self.files.items()},
            **{
                path: json.dumps(filled(value, scope)).encode()
                for path, value in self.config.items()
            },
        }

    def _variables(self, request: Request) -> Mapping[str, str]:
        own = filled(self.environment, self._scope(request))
        return {**request.environment, **{name: as_text(value) for name, value in own.items()}}

    def arguments(self, request: Request) -> tuple[str, ...]:
        """The arguments that the script gets."""
        if self.arguments_from == "job":
            return request.arguments
        words: list[str] = []
        if self.arguments_from == "model-trainer":
            for name, value in request.decoded.items():
                words += [f"--{name}", as_text(value)]
        else:
            for name, value in sorted(request.decoded.items()):
                words += [f"-{name}" if len(name) == 1 else f"--{name}", _toolkit_word(value)]
        return tuple(words)

    def _scope(self, request: Request) -> Scope:
        submitted = request.hyperparameters.get(f"{_TOOLKIT}submit_directory")
        return Scope(
            {
                "code": self.code,
                "channels": list(request.channels),
                "outputs": list(request.outputs),
                "script": request.script,
                "module": request.script.removesuffix(".py"),
                "arguments": list(self.arguments(request)),
                "environment": dict(request.environment),
                "hyperparameters": dict(request.hyperparameters),
                "decoded_hyperparameters": dict(request.decoded),
                **self.values,
                **({"submit_directory": _decoded(submitted)} if submitted else {}),
            },
            {
                _CHANNEL: [
                    {"channel": name, "CHANNEL": name.upper(), "channel_folder": self.mount(name)}
                    for name in request.channels
                ],
                _OUTPUT: [
                    {"output": f"output-{number}", "output_folder": folder}
                    for number, folder in enumerate(request.outputs, 1)
                ],
                _HYPERPARAMETER: [
                    {
                        "hyperparameter": name,
                        "HYPERPARAMETER": name.upper(),
                        "HYPERPARAMETER_WORD": name.replace("-", "_").upper(),
                        "value": "" if value is None else as_text(value),
                    }
                    for name, value in request.decoded.items()
                ],
            },
        )

    def names(self) -> Names:
        """The names that placeholders of this profile may have."""
        return self._scope(Request()).names


def built_in() -> tuple[str, ...]:
    """The names of the profiles that the harness brings."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def profile(name_or_file: str) -> Job:
    """The job type of this name, or that a file holds.

    Raises `WrongUse` when there is none, and `WrongContract` when a file is wrong.
    """
    if name_or_file in built_in():
        return read(_FOLDER / f"{name_or_file}.yaml")
    path = Path(name_or_file)
    if not path.is_file():
        names = ", ".join(built_in())
        raise WrongUse(
            f"there is no profile {name_or_file!r}", f"name one of {names}, or a file of that form"
        )
    return read(path)


def read(path: Path) -> Job:
    """The job type that a file holds; raises `WrongContract` with file, line and key."""
    document = yaml_file.read(path)
    job = yaml_file.validated(Job, path, document)
    for part in ("files", "config", "environment"):
        for where, what in unknown(getattr(job, part), job.names()):
            raise yaml_file.wrong(path, document, (part, *where), what)
    return job


def _remembered(
    known: dict[str, Mapping[str, T]],
    request: Request,
    work_out: Callable[[Request], Mapping[str, T]],
) -> Mapping[str, T]:
    key = repr(request)
    if key not in known:
        known[key] = work_out(request)
    return dict(known[key])


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _toolkit_word(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in sorted(value.items()))
    return str(value)


TRAINING = profile("training")
PROCESSING = profile("processing")
