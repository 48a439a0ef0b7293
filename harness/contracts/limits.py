"""What the service takes of a job: how long, how many, and where; other jobs it does not create.

The numbers and patterns are those of `CreateProcessingJob` and `CreateTrainingJob` in the service's
model, botocore 1.44.8, `data/sagemaker/2017-07-24/service-2.json`. Two are not in it: an empty
argument is refused (sagemaker-python-sdk issue 3758), and the paths of a processing job must begin
with `/opt/ml/processing/` (API reference, `ProcessingS3Input`, `ProcessingS3Output`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.contracts.arguments import Argument
from harness.contracts.contract import Contract
from harness.files.models import KeyPath

CHANNELS = "/opt/ml/input/data"
_PROCESSING = "/opt/ml/processing"
# What else a training job has: its code, and checkpoints, an input and an output at once.
_TRAINING_FOLDERS = ("/opt/ml/input/config", "/opt/ml/checkpoints", "/opt/ml/code")
_TRAINING_OUTPUTS = ("/opt/ml/model", "/opt/ml/output/data")
_ONE_LINE = r".*"
_VARIABLE = r"[a-zA-Z_][a-zA-Z0-9_]*"


@dataclass(frozen=True)
class Text:
    """The lengths of a text, in characters, and the pattern that all of it must match."""

    longest: int
    shortest: int = 0
    pattern: str = r"[\S\s]*"

    def refusal(self, text: str) -> str:
        """Why the service does not take a text; "" when it does."""
        if not self.shortest <= len(text) <= self.longest:
            lengths = f"{self.shortest} to {self.longest} characters"
            return f"the service takes {lengths}, and this has {len(text)}"
        if not re.fullmatch(self.pattern, text):
            return f"the service takes what matches {self.pattern}, and not {text!r:.60}"
        return ""


@dataclass(frozen=True)
class Limits:
    """The limits of one type of job; each maximum is a number of things."""

    inputs: int
    outputs: int | None
    hosts: int | None
    variables: int
    variable: Text
    value: Text
    words: int = 100
    word: Text = Text(256, 1, _ONE_LINE)
    channel: Text = Text(64, 1, r"[A-Za-z0-9.\-_]+")
    hyperparameters: int = 100
    key: Text = Text(256, 0, _ONE_LINE)
    hyperparameter: Text = Text(2500, 0, _ONE_LINE)
    path: Text = Text(256, 0, _ONE_LINE)


PROCESSING = Limits(10, 10, 100, 100, Text(256, 0, _VARIABLE), Text(256))
TRAINING = Limits(20, None, None, 100, Text(512, 0, _VARIABLE), Text(512))


def is_training(contract: Contract) -> bool:
    """Whether all inputs are channels of a training job, or something is, and nothing else."""
    mounts = [mount for one in contract.inputs.values() for mount in one.mounts]
    channels = [mount for mount in mounts if mount.startswith(f"{CHANNELS}/")]
    if channels and channels == mounts:
        return True
    paths = (*mounts, *contract.output_folders)
    own = (*channels, *(one for one in contract.output_folders if one in _TRAINING_OUTPUTS))
    return bool(own) and not any(path.startswith(f"{_PROCESSING}/") for path in paths)


def refused(contract: Contract, *, training: bool) -> Iterator[tuple[KeyPath, str]]:
    """What of a contract the service does not take: the keys of each part, and why.

    `training` says whether it is run as a training job, and not as a processing job.
    """
    limits = TRAINING if training else PROCESSING
    yield from _refused_paths(contract, limits, training=training)
    if limits.hosts is not None and contract.instance_count > limits.hosts:
        yield ("instance_count",), f"the service takes at most {limits.hosts} hosts"
    for name, one in contract.arguments.items():
        if training and (why := limits.key.refusal(name.lstrip("-"))):
            yield ("arguments", name), why
        for keys, text in _values(one):
            if why := argument_refusal(text, training=training):
                yield ("arguments", name, *keys), why
    environment = contract.environment
    named: dict[KeyPath, tuple[str, str]] = {
        **{("required", number): (name, "") for number, name in enumerate(environment.required)},
        **{("optional", name): (name, one) for name, one in environment.optional.items()},
        **{("always", name): (name, one) for name, one in environment.always.items()},
    }
    for where, (name, value) in named.items():
        if why := limits.variable.refusal(name) or limits.value.refusal(value):
            yield ("environment", *where), why
    if len(named) > limits.variables:
        yield ("environment",), f"the service takes at most {limits.variables} variables"


def argument_refusal(text: str, *, training: bool) -> str:
    """Why the service does not take the value of an argument; "" when it does."""
    return TRAINING.hyperparameter.refusal(text) if training else PROCESSING.word.refusal(text)


def variable_refusal(text: str, *, training: bool) -> str:
    """Why the service does not take the value of a variable; "" when it does."""
    return (TRAINING if training else PROCESSING).value.refusal(text)


def path_refusal(path: str) -> str:
    """Why a processing job does not take the path of an input or output; "" when it does."""
    if not path.startswith(f"{_PROCESSING}/"):
        return f"the service takes only paths of a processing job below {_PROCESSING}/"
    return PROCESSING.path.refusal(path)


def _refused_paths(
    contract: Contract, limits: Limits, *, training: bool
) -> Iterator[tuple[KeyPath, str]]:
    for name, one in contract.inputs.items():
        reasons = [_mount_refusal(mount, limits, training=training) for mount in one.mounts]
        # Other mounts are those of other types of job.
        if all(reasons):
            yield ("inputs", name, "mounts", 0), reasons[0]
    if len(contract.inputs) > limits.inputs:
        yield ("inputs",), f"the service takes at most {limits.inputs} inputs"
    if limits.outputs is not None and len(contract.outputs) > limits.outputs:
        yield ("outputs",), f"the service takes at most {limits.outputs} outputs"
    for name, output in contract.outputs.items():
        if not training and (why := path_refusal(output.path)):
            yield ("outputs", name, "path"), why


def _mount_refusal(mount: str, limits: Limits, *, training: bool) -> str:
    if not training:
        return path_refusal(mount)
    folder, _, channel = mount.rpartition("/")
    if folder == CHANNELS:
        return limits.channel.refusal(channel)
    if any(mount == one or mount.startswith(f"{one}/") for one in (*_TRAINING_FOLDERS, CHANNELS)):
        return ""
    return f"the service mounts the channels of a training job below {CHANNELS}/"


def _values(one: str | Argument) -> Iterator[tuple[KeyPath, str]]:
    """The texts that a job must be able to pass for an argument, and their keys.

    A default need not be passed.
    """
    if isinstance(one, Argument):
        for number, choice in enumerate(one.choices):
            yield ("choices", number), one.text(choice)


def empty_arguments(contract: Contract, values: Mapping[str, object]) -> Iterator[str]:
    """The arguments in words whose sample is "", which are passed as flags, without a value."""
    described = {
        name.lstrip("-") for name, one in contract.arguments.items() if isinstance(one, str)
    }
    for name, value in values.items():
        if value == "" and name.lstrip("-") in described:
            yield name
