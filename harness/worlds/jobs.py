"""Types of SageMaker job: the mounts, config files and environment of their containers.

A type is data: `harness/worlds/profiles/NAME.yaml`, or a user's file of the same form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.contracts.contract import AbsolutePath, Distribution, InputMode, Strict, Texts
from harness.errors import WrongUse
from harness.files import yaml_file
from harness.files.placeholders import LEFT_OUT, Names, Scope, as_text, fill, find_unknown
from harness.files.validated import dataclass

T = TypeVar("T")

_FOLDER = Path(__file__).with_name("profiles")
# The training toolkit does not pass hyperparameters with this prefix to the script.
_TOOLKIT_PREFIX = "sagemaker_"
# The toolkit's own hyperparameters that profiles use: name without prefix → placeholder.
_TOOLKIT_VALUES = {
    "submit_directory": "submit_directory",
    "region": "region",
    "job_name": "sagemaker_job_name",
    "container_log_level": "log_level",
}
_CHANNEL = frozenset(
    ("channel", "CHANNEL", "channel_folder", "content_type", "distribution", "input_mode")
)
_OUTPUT = frozenset(("output", "output_folder"))
_HYPERPARAMETER = frozenset(("hyperparameter", "HYPERPARAMETER", "HYPERPARAMETER_WORD", "value"))


@dataclass(frozen=True)
class Request:
    """The parameters of one job of a type.

    `channels` are names, `mounts` the folders of those that are not in the job's own folder of
    channels. `outputs` are the absolute paths of the output folders, `output_names` what the job
    calls them, in the same order. `hyperparameters` are the texts that the service stores, which
    framework estimators encode as JSON. `arguments` are those of the script; a training job makes
    them of its hyperparameters instead. `hosts` are all hosts of the job, of which the script runs
    on `host`; `distributions` say how the files of a channel come to them, where not all files to
    each. `content_types` are those of the channels that have one, `input_modes` those of channels
    whose files do not come as a copy. `values` stand in place of those
    of the type of job that have the same name.
    """

    channels: Texts = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    outputs: Texts = ()
    output_names: Texts = ()
    script: str = ""
    arguments: Texts = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("algo-1",)
    host: str = "algo-1"
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    content_types: Mapping[str, str] = field(default_factory=dict)
    input_modes: Mapping[str, InputMode] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def decoded(self) -> Mapping[str, Any]:
        """The script's hyperparameters, decoded as by the toolkit, without the toolkit's own."""
        return {
            name: _decode(value)
            for name, value in self.hyperparameters.items()
            if not name.startswith(_TOOLKIT_PREFIX)
        }


class Job(Strict):
    """One type of job.

    Inputs are mounted below `mounts`, channels as folders in `channels`. The script is in `code`
    and starts in `working_directory`. `folders` and `files` exist before it starts, and the
    declared output folders when the job `makes_outputs`. `arguments_from` says whether the
    arguments are those of the job, or which program makes them of its hyperparameters, if any.
    `config` maps path → JSON value, `environment` variable → value. The texts of `files`, `config`
    and `environment` may hold placeholders for parts of the `Request` and for `values`.
    The script is started by its name, from the code folder, where the job `starts_by_name`. A
    `source_archive` is a file beside it that holds the whole source folder. What is written to a
    folder that is not below one of those that the job `collects` is lost; without any, that is
    only known of the outputs that the job declares. `compact_json` says how lists and mappings in
    variables are spelled: sorted and without spaces, as the training toolkit does.
    """

    name: str
    description: str = ""
    mounts: AbsolutePath
    channels: AbsolutePath
    code: AbsolutePath
    working_directory: AbsolutePath
    folders: Texts = ()
    makes_outputs: bool
    starts_by_name: bool = False
    source_archive: str = ""
    collects: Texts = ()
    compact_json: bool = False
    arguments_from: Literal["job", "training-toolkit", "model-trainer", "nothing"]
    values: Mapping[str, Any] = {}
    files: Mapping[AbsolutePath, str] = {}
    config: Mapping[AbsolutePath, Any] = {}
    environment: Mapping[str, Any] = {}

    def mount(self, channel: str) -> str:
        """The folder of a channel, where the request names no other."""
        return f"{self.channels}/{channel}"

    def collects_from(self, folder: str) -> bool:
        """Whether the job keeps what is written to this folder."""
        return not self.collects or any(
            folder == one or folder.startswith(f"{one}/") for one in self.collects
        )

    @cached_property
    def _files_cache(self) -> dict[str, Mapping[str, bytes]]:
        """Contents by request; many cases of a matrix have the same one."""
        return {}

    @cached_property
    def _variables_cache(self) -> dict[str, Mapping[str, str]]:
        return {}

    def file_contents(self, request: Request) -> Mapping[str, bytes]:
        """The files of a job with this request: absolute path → bytes."""
        return _cached(self._files_cache, request, self._render_files)

    def variables(self, request: Request) -> Mapping[str, str]:
        """The environment variables of a job with this request."""
        return _cached(self._variables_cache, request, self._render_variables)

    def _render_files(self, request: Request) -> Mapping[str, bytes]:
        scope = self._scope(request)
        return {
            **{path: as_text(fill(text, scope)).encode() for path, text in self.files.items()},
            **{
                path: json.dumps(fill(value, scope)).encode() for path, value in self.config.items()
            },
        }

    def _render_variables(self, request: Request) -> Mapping[str, str]:
        profile_variables = fill(self.environment, self._scope(request))
        return {
            **request.environment,
            **{name: self._variable(value) for name, value in profile_variables.items()},
        }

    def _variable(self, value: Any) -> str:
        if isinstance(value, str) or not self.compact_json:
            return as_text(value)
        return "" if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))

    def arguments(self, request: Request) -> tuple[str, ...]:
        """The arguments of the script."""
        if self.arguments_from == "job":
            return request.arguments
        words: list[str] = []
        if self.arguments_from == "nothing":
            return ()
        if self.arguments_from == "model-trainer":
            for name, value in request.decoded.items():
                words += [f"--{name}", as_text(value)]
        else:
            for name, value in sorted(request.decoded.items()):
                words += [f"-{name}" if len(name) == 1 else f"--{name}", _toolkit_argument(value)]
        return tuple(words)

    def _scope(self, request: Request) -> Scope:
        toolkit = {
            name.removeprefix(_TOOLKIT_PREFIX): _decode(value)
            for name, value in request.hyperparameters.items()
            if name.startswith(_TOOLKIT_PREFIX)
        }
        return Scope(
            {
                "code": self.code,
                "channels": list(request.channels),
                "sorted_channels": sorted(request.channels),
                "sorted_hosts": sorted(request.hosts),
                "outputs": list(request.outputs),
                "script": request.script,
                "module": request.script.removesuffix(".py"),
                "arguments": list(self.arguments(request)),
                "environment": dict(request.environment),
                "hyperparameters": dict(request.hyperparameters),
                "decoded_hyperparameters": dict(request.decoded),
                "host": request.host,
                "hosts": list(request.hosts),
                "host_count": len(request.hosts),
                "host_rank": request.hosts.index(request.host),
                "is_first_host": request.host == request.hosts[0],
                "first_host": request.hosts[0],
                **self.values,
                **{name: one for name, one in request.values.items() if name in self.values},
                **{
                    _TOOLKIT_VALUES[name]: toolkit[name]
                    for name in _TOOLKIT_VALUES.keys() & toolkit
                },
            },
            {
                _CHANNEL: [
                    {
                        "channel": name,
                        "CHANNEL": name.upper(),
                        "channel_folder": request.mounts.get(name) or self.mount(name),
                        "content_type": request.content_types.get(name) or LEFT_OUT,
                        "distribution": request.distributions.get(name, "FullyReplicated"),
                        "input_mode": request.input_modes.get(name, "File"),
                    }
                    for name in request.channels
                ],
                _OUTPUT: [
                    {"output": name or f"output-{number}", "output_folder": folder}
                    for number, (folder, name) in enumerate(
                        zip_longest(request.outputs, request.output_names, fillvalue=""), 1
                    )
                ],
                _HYPERPARAMETER: [
                    {
                        "hyperparameter": name,
                        "HYPERPARAMETER": name.upper(),
                        "HYPERPARAMETER_WORD": name.replace("-", "_").upper(),
                        "value": value,
                    }
                    for name, value in request.decoded.items()
                ],
            },
        )

    def placeholder_names(self) -> Names:
        """The names that placeholders in this profile may use."""
        return self._scope(Request()).names


def built_in() -> tuple[str, ...]:
    """The names of the built-in profiles."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def profile(name_or_file: str) -> Job:
    """The job type of a built-in profile or of a file.

    Raises `WrongUse` when there is neither, and `WrongContract` when a file is wrong.
    """
    if name_or_file in built_in():
        return read(_FOLDER / f"{name_or_file}.yaml")
    path = Path(name_or_file)
    if not path.is_file():
        names = ", ".join(built_in())
        raise WrongUse(
            f"there is no profile {name_or_file!r}",
            f"name one of {names}, or a file of that form",
        )
    return read(path)


def read(path: Path) -> Job:
    """Read a job type from a file; raises `WrongContract`."""
    document = yaml_file.read(path)
    job = yaml_file.validate(Job, path, document)
    for part in ("files", "config", "environment"):
        for where, what in find_unknown(getattr(job, part), job.placeholder_names()):
            raise yaml_file.error_at(path, document, (part, *where), what)
    return job


def _cached(
    cache: dict[str, Mapping[str, T]],
    request: Request,
    render: Callable[[Request], Mapping[str, T]],
) -> Mapping[str, T]:
    key = repr(request)
    if key not in cache:
        cache[key] = render(request)
    return dict(cache[key])


def _decode(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _toolkit_argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in sorted(value.items()))
    return str(value)


TRAINING = profile("training")
PROCESSING = profile("processing")
