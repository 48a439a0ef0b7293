"""Loaders: one `Contract` from each form that people have theirs in. One module, one line each.

All are strict: what is missing, or of the wrong type, is a `WrongContract` that names the file, the
line and the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.contracts import contract_yaml, pipeline, script_contract, step_interface
from harness.contracts.contract import Contract
from harness.contracts.reading import Loader, Options
from harness.errors import WrongContract, WrongUse
from harness.files import yaml_file

LOADERS: Sequence[Loader] = (
    Loader(contract_yaml.matches, contract_yaml.read),
    Loader(step_interface.matches, step_interface.read),
    Loader(script_contract.matches, script_contract.read),
    Loader(pipeline.matches, pipeline.read, pipeline.steps),
)
SUITE_FILE = "conformance.py"
_SAMPLES = "samples"
_KINDS = (
    f"a {contract_yaml.FILE_NAME}, a NAME{step_interface.SUFFIX}, a Python file with a script "
    "contract, or the JSON of a pipeline definition"
)


@dataclass(frozen=True)
class Source:
    """Where a contract is read from: its file or folder, and which step of a file of several.

    `unfit` says why it is no step that can be proved; "" if it is one.
    """

    path: Path
    step: str | None = None
    unfit: str = ""


def find(path: Path, step: str | None = None) -> list[Source]:
    """The steps that a path names: itself, those of a pipeline, or those that lie in a folder.

    A folder that is no step holds `NAME.step.yaml` files, `NAME.pipeline.json` files and folders
    with a `contract.yaml`. With `step`, only the one of that name. Raises `WrongContract` when
    there is none, and `WrongUse` when none has the name.
    """
    if path.is_dir() and not (path / contract_yaml.FILE_NAME).is_file():
        return _in_folder(path, step)
    loader = _loader(path) if path.is_file() else None
    if loader is None or loader.steps is None:
        if step is not None:
            raise WrongUse(f"{path} holds one step, so that --step {step} has none to pick from")
        return [Source(path)]
    if step is not None:
        return [Source(path, step)]
    held = loader.steps(path)
    if not any(not one.unfit for one in held):
        # Reading it says what is wrong.
        return [Source(path)]
    return [Source(path, one.name, one.unfit) for one in held]


def _in_folder(folder: Path, step: str | None) -> list[Source]:
    inside = [file.parent for file in folder.glob(f"*/{contract_yaml.FILE_NAME}")]
    single = [*folder.glob(f"*{step_interface.SUFFIX}"), *inside]
    named = {path: path.name.removesuffix(step_interface.SUFFIX) for path in sorted(single)}
    sources = [(name, Source(path)) for path, name in named.items()]
    for path in sorted(folder.glob(f"*.pipeline{pipeline.SUFFIX}")):
        sources += [(one.step or path.name, one) for one in find(path)]
    if not sources:
        raise WrongContract(
            f"{folder} is not a step: it has no {contract_yaml.FILE_NAME}",
            f"name {_KINDS}, or a folder of steps",
        )
    picked = [source for name, source in sources if step in (None, name)]
    if not picked:
        names = ", ".join(name for name, _ in sources)
        raise WrongUse(f"{folder} has no step {step!r}", f"it has: {names}")
    return picked


def load(
    path: Path,
    code: Path | None = None,
    step: str | None = None,
    script: Path | None = None,
    promises: Sequence[str] | None = None,
) -> Contract:
    """The contract at `path`: a file, or the folder of a step.

    `code` is the folder of the entry point where that does not lie beside the contract, `step` the
    name of one in a file of several, and `script` what will take the entry point's place. Waivers
    may name these `promises`. Raises `WrongContract`, and `WrongUse` when there is no such step.
    """
    file = path / contract_yaml.FILE_NAME if path.is_dir() else path
    if not file.is_file():
        what = f"{path} is not a step: it has no {contract_yaml.FILE_NAME}" if path.is_dir() else ""
        raise WrongContract(
            what or f"there is no contract {path}",
            f"name {_KINDS}, or the folder of a step",
        )
    loader = _loader(file)
    if loader is None:
        raise WrongContract(f"{file} is no contract that can be read", f"name {_KINDS}")
    try:
        contract = loader.read(file, Options(step, code, script, promises))
    except ValidationError as error:
        # A part that its own form takes, and that is none that a contract can have.
        first = error.errors()[0]
        key = ".".join(str(one) for one in first["loc"])
        raise WrongContract(
            f"{file}:1: {key}: {yaml_file.sentence(first)}", "mend what this is made of"
        ) from None
    added = {
        "folder": file.parent / contract.folder if code is None else code,
        "origin": file,
        "suite": file.with_name(_suite_name(file, contract.name, loader.steps is not None)),
        "samples": file.parent / _SAMPLES / (contract.name if loader.steps else ""),
    }
    return contract.model_copy(update=added)


def _suite_name(file: Path, step: str, is_one_of_several: bool) -> str:
    """`conformance.py`, `NAME.conformance.py`, or for a file of several `NAME.STEP.conformance.py`.

    NAME is that of the file, less all that comes after its first dot.
    """
    if file.name == contract_yaml.FILE_NAME:
        return SUITE_FILE
    name = file.name.partition(".")[0]
    return f"{name}.{step}.{SUITE_FILE}" if is_one_of_several else f"{name}.{SUITE_FILE}"


def _loader(file: Path) -> Loader | None:
    return next((one for one in LOADERS if one.matches(file)), None)


def read_script(path: Path) -> bytes:
    """The source of an entry point; raises `WrongContract` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongContract(
            f"the entry point {path} cannot be read: {error.strerror}",
            "it must lie beside the contract or in the folder of --code; or name a --script",
        ) from None
