"""The edges of a pipeline definition: one step writes what the contract of the next one asks for.

An input whose location is an output of another step is an edge. The contracts are those that lie
beside the scripts: `contract.yaml`, or `SCRIPT.step.yaml`. What a step is proved with must be what
another one writes: the samples of an input have the schemas of the output.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts import loaders
from harness.contracts.beside import contract_beside, input_at, output_at
from harness.contracts.contract import Contract, Output
from harness.contracts.pipeline import SUFFIX
from harness.errors import BrokenEdge, HarnessError
from harness.files import json_file
from harness.files.json_file import JsonFile
from harness.files.models import KeyPath

_OUTPUT = re.compile(
    r"Steps\.(?P<step>[^.\[]+)\.ProcessingOutputConfig\.Outputs\['(?P<output>[^']+)'\]"
    r"\.S3Output\.S3Uri"
)
_MODEL = re.compile(r"Steps\.(?P<step>[^.\[]+)\.ModelArtifacts\.S3ModelArtifacts")
# What the service makes of the model folder of a training job.
_ARCHIVE = "model.tar.gz"


@dataclass(frozen=True)
class Edge:
    """An input of a step that is an output of another; "" is the model of a training job.

    `whole` is false where only a part of the output is read. `where` are the keys of the input.
    """

    writer: str
    output: str
    reader: str
    input: str
    mount: str
    where: KeyPath
    whole: bool = True

    def __str__(self) -> str:
        """The edge with its two ends."""
        return f"{self.writer}.{self.output or 'model'} → {self.reader}.{self.input}"


# What is wrong with a file that stands for one of an output: the output, the folder of its
# contract, the name of the file within the output, and its bytes.
FileCheck = Callable[[Output, Path, str, bytes], Iterable[str]]


def broken_edges(
    path: Path, code: Path | None, check_file: FileCheck = lambda *_: ()
) -> list[BrokenEdge]:
    """What is wrong with each edge of a definition; none for a file of another form.

    `code` is the folder of the scripts, `check_file` is asked about each sample of an input.
    Raises `WrongContract` when the file cannot be read.
    """
    if path.suffix != SUFFIX or not path.is_file():
        return []
    file = json_file.read(path)
    jobs = {
        str(step.get("Name")): (step, where)
        for step, where in _steps(file.content.get("Steps"), ("Steps",))
    }
    read = {name: _read(path, code, name) for name in jobs}
    contracts = {name: one.contract for name, one in read.items()}
    found: list[BrokenEdge] = []
    for name, (step, where) in jobs.items():
        for edge in _edges(name, step, where):
            problems = _problems(edge, jobs, contracts)
            unlike = _unlike_samples(edge, jobs, contracts, read[name].samples, check_file)
            for what in (*problems, *unlike):
                location = file.location(edge.where)
                found.append(BrokenEdge(f"{location}: {edge}: {what}", _HINT))
        for other in _named_before(step):
            if other not in jobs:
                what = f"{name} depends on {other}, and there is no such step"
                found.append(BrokenEdge(f"{file.location(where)}: {what}", _HINT))
        found += _missing_inputs(file, name, step, where, contracts[name])
    return found


_HINT = "mend the pipeline, or the contract beside the script"


def _steps(listed: Any, where: KeyPath) -> Iterator[tuple[Mapping[str, Any], KeyPath]]:
    """The steps of a definition, nested ones too."""
    for number, step in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(step, dict):
            continue
        yield step, (*where, number)
        arguments = step.get("Arguments")
        for key, value in arguments.items() if isinstance(arguments, dict) else ():
            if key.endswith(("Steps", "Body")):
                yield from _steps(value, (*where, number, "Arguments", key))


def _named_before(step: Mapping[str, Any]) -> list[str]:
    """The steps that a step waits for by their names."""
    names = step.get("DependsOn")
    return [one for one in names if isinstance(one, str)] if isinstance(names, list) else []


def _edges(name: str, step: Mapping[str, Any], where: KeyPath) -> Iterator[Edge]:
    for one, at in _located_inputs(step, where):
        for get, whole in _references(one.location):
            if found := _OUTPUT.fullmatch(get):
                yield Edge(found["step"], found["output"], name, one.name, one.mount, at, whole)
            elif found := _MODEL.fullmatch(get):
                yield Edge(found["step"], "", name, one.name, one.mount, at, whole)


@dataclass(frozen=True)
class _Located:
    name: str
    mount: str
    location: Any


def _located_inputs(step: Mapping[str, Any], where: KeyPath) -> Iterator[tuple[_Located, KeyPath]]:
    """The inputs of a job, those for code included."""
    arguments = step.get("Arguments")
    if not isinstance(arguments, dict):
        return
    for number, one in enumerate(arguments.get("ProcessingInputs") or ()):
        s3 = one.get("S3Input") or {}
        mount = str(s3.get("LocalPath", "")).rstrip("/")
        at = (*where, "Arguments", "ProcessingInputs", number)
        yield _Located(str(one.get("InputName")), mount, s3.get("S3Uri")), at
    for number, one in enumerate(arguments.get("InputDataConfig") or ()):
        name = str(one.get("ChannelName"))
        s3 = (one.get("DataSource") or {}).get("S3DataSource") or {}
        at = (*where, "Arguments", "InputDataConfig", number)
        yield _Located(name, f"/opt/ml/input/data/{name}", s3.get("S3Uri")), at


def _references(location: Any) -> Iterator[tuple[str, bool]]:
    """The properties that a location is made of, and whether it is the property itself."""
    if not isinstance(location, dict):
        return
    if isinstance(location.get("Get"), str):
        yield location["Get"], True
    join = location.get("Std:Join")
    for one in join.get("Values") or () if isinstance(join, dict) else ():
        if isinstance(one, dict) and isinstance(one.get("Get"), str):
            yield one["Get"], False


def _problems(
    edge: Edge,
    jobs: Mapping[str, tuple[Mapping[str, Any], KeyPath]],
    contracts: Mapping[str, Contract | None],
) -> Iterator[str]:
    if edge.writer not in jobs:
        yield f"there is no step {edge.writer}"
        return
    files: tuple[str, ...] | None = (_ARCHIVE,)
    if edge.output:
        places = _outputs(jobs[edge.writer][0])
        if edge.output not in places:
            known = ", ".join(places) or "none"
            yield f"the step {edge.writer} has no output {edge.output!r}; its outputs: {known}"
            return
        writes = contracts[edge.writer]
        output = None if writes is None else output_at(writes, places[edge.output])
        if writes is not None and output is None:
            yield f"the contract of {edge.writer} writes nothing to {places[edge.output]}"
        files = tuple(output.files) if output is not None and output.files else None
    reads = contracts[edge.reader]
    if reads is None:
        return
    one = input_at(reads, edge.mount)
    if one is None:
        yield f"the contract of {edge.reader} has no input that is mounted at {edge.mount}"
    elif files is not None and edge.whole:
        for wanted in one.file_patterns:
            if not any(_may_be(wanted, written) for written in files):
                yield f"{edge.reader} reads {wanted}, and {edge.writer} writes {', '.join(files)}"


def _unlike_samples(
    edge: Edge,
    jobs: Mapping[str, tuple[Mapping[str, Any], KeyPath]],
    contracts: Mapping[str, Contract | None],
    samples: Path | None,
    check_file: FileCheck,
) -> Iterator[str]:
    """What the samples that the reader is proved with have not of what the writer writes."""
    writes = contracts.get(edge.writer)
    place = _outputs(jobs[edge.writer][0]).get(edge.output) if edge.writer in jobs else None
    output = output_at(writes, place) if writes is not None and place else None
    if writes is None or output is None or samples is None or not edge.whole:
        return
    folder = samples / edge.input
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            relative = path.relative_to(folder).as_posix()
            for what in check_file(output, writes.origin.parent, relative, path.read_bytes()):
                yield f"the sample {path} is not what {edge.writer} writes: {what}"


def _may_be(wanted: str, written: str) -> bool:
    """Whether a file of the one name or pattern may be one of the other."""
    return fnmatch.fnmatchcase(wanted, written) or fnmatch.fnmatchcase(written, wanted)


def _outputs(step: Mapping[str, Any]) -> Mapping[str, str]:
    """The outputs of a processing job: name → folder."""
    arguments = step.get("Arguments")
    config = arguments.get("ProcessingOutputConfig") if isinstance(arguments, dict) else None
    listed = config.get("Outputs") if isinstance(config, dict) else None
    return {
        str(one.get("OutputName")): str((one.get("S3Output") or {}).get("LocalPath", ""))
        for one in listed or ()
    }


def _missing_inputs(
    file: JsonFile,
    name: str,
    step: Mapping[str, Any],
    where: KeyPath,
    contract: Contract | None,
) -> list[BrokenEdge]:
    """Each required input of a contract that the job does not mount, and that has no fallback."""
    mounted = {one.mount for one, _ in _located_inputs(step, where)}
    return [
        BrokenEdge(
            f"{file.location(where)}: {name}: its contract requires the input {missing}, and "
            f"nothing is mounted at {' or '.join(one.mounts)}",
            _HINT,
        )
        for missing, one in (contract.inputs.items() if contract is not None else ())
        if one.required
        and not one.source
        and not mounted & {path.rstrip("/") for path in one.mounts}
    ]


@dataclass(frozen=True)
class _Read:
    """The contract beside the script of a step, None without one, and the folder of its samples."""

    contract: Contract | None = None
    samples: Path | None = None


def _read(definition: Path, code: Path | None, step: str) -> _Read:
    try:
        found = loaders.load(definition, code, step)
    except HarnessError:
        # `check` tells what is wrong with the step itself.
        return _Read()
    return _Read(contract_beside(found.script), found.samples)
