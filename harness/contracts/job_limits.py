"""What of a job in a pipeline definition the service does not take, with the keys of each part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.contracts.expressions import resolve
from harness.contracts.limits import PROCESSING, TRAINING, Text
from harness.contracts.limits import path_refusal as refuse_path
from harness.errors import WrongContract
from harness.files.json_file import JsonFile
from harness.files.models import KeyPath

Defaults = Mapping[str, "str | None"]


def refused(
    file: JsonFile, kind: str, where: KeyPath, defaults: Defaults
) -> Iterator[WrongContract]:
    """An error for each value of the job at `where` that the service refuses.

    Values that only a run of the pipeline knows are not judged.
    """
    hint = "change it: the service creates no job with it"
    job: Any = file.content
    for key in where:
        job = job[key]
    find = _of_training if kind == "Training" else _of_processing
    for keys, limit in find(job):
        if isinstance(limit, str):
            yield file.error((*where, *keys), limit, hint)
            continue
        text = resolve(file, (*where, *keys), defaults, "")
        if isinstance(text, str) and (why := limit(text)):
            yield file.error((*where, *keys), why, hint)


# The keys of a value, and why it is refused, or what says so of its text.
_Refusal = tuple[KeyPath, Any]


def _of_processing(job: dict[str, Any]) -> Iterator[_Refusal]:
    limits = PROCESSING
    yield from _of_command("AppSpecification", job)
    yield from _of_environment(job, limits.variable, limits.value, limits.variables)
    inputs = job.get("ProcessingInputs") or []
    outputs = (job.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    yield from _count(("ProcessingInputs",), inputs, limits.inputs, "inputs")
    yield from _count(("ProcessingOutputConfig", "Outputs"), outputs, limits.outputs, "outputs")
    for number, one in enumerate(inputs):
        for key in ("S3Input", "DatasetDefinition"):
            if (one.get(key) or {}).get("LocalPath") is not None:
                yield ("ProcessingInputs", number, key, "LocalPath"), refuse_path
    for number, one in enumerate(outputs):
        if (one.get("S3Output") or {}).get("LocalPath") is not None:
            where = ("ProcessingOutputConfig", "Outputs", number, "S3Output", "LocalPath")
            yield where, refuse_path


def _of_training(job: dict[str, Any]) -> Iterator[_Refusal]:
    limits = TRAINING
    yield from _of_command("AlgorithmSpecification", job)
    yield from _of_environment(job, limits.variable, limits.value, limits.variables)
    channels = job.get("InputDataConfig") or []
    yield from _count(("InputDataConfig",), channels, limits.inputs, "channels")
    for number, _ in enumerate(channels):
        yield ("InputDataConfig", number, "ChannelName"), limits.channel.refusal
    hyperparameters = job.get("HyperParameters") or {}
    yield from _count(
        ("HyperParameters",), hyperparameters, limits.hyperparameters, "hyperparameters"
    )
    for name in hyperparameters:
        if why := limits.key.refusal(name):
            yield ("HyperParameters", name), why
        yield ("HyperParameters", name), limits.hyperparameter.refusal


def _of_command(part: str, job: dict[str, Any]) -> Iterator[_Refusal]:
    specification = job.get(part) or {}
    for key in ("ContainerEntrypoint", "ContainerArguments"):
        words = specification.get(key)
        if words is None:
            continue
        if not words:
            yield (part, key), "the service takes at least one word, or no such key"
        yield from _count((part, key), words, PROCESSING.words, "words")
        for number, _ in enumerate(words):
            yield (part, key, number), PROCESSING.word.refusal


def _of_environment(
    job: dict[str, Any], name_limit: Text, value_limit: Text, most: int
) -> Iterator[_Refusal]:
    variables = job.get("Environment") or {}
    yield from _count(("Environment",), variables, most, "variables")
    for name in variables:
        if why := name_limit.refusal(name):
            yield ("Environment", name), why
        yield ("Environment", name), value_limit.refusal


def _count(where: KeyPath, listed: Any, most: int | None, what: str) -> Iterator[_Refusal]:
    if most is not None and len(listed) > most:
        yield where, f"the service takes at most {most} {what}, and these are {len(listed)}"
