"""Loads a `Contract` from each supported form; a form is a module and a line in `LOADERS`.

Missing values and values of the wrong type are a `WrongContract` that names file, line and key.
"""

from __future__ import annotations

import datetime
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.contracts import contract_yaml, pipeline, script_contract, step_interface
from harness.contracts.contract import MAIN_FILE, Contract
from harness.contracts.limits import empty_arguments
from harness.contracts.reading import Apart, Loader, Options
from harness.contracts.waivers import Waiver, expired
from harness.errors import WrongContract, WrongUse
from harness.files import json_file, regular
from harness.files.models import Located, describe_error, dotted, wrong_contract
from harness.files.plugins import added

LOADERS: Sequence[Loader] = (
    Loader(contract_yaml.matches, contract_yaml.read),
    Loader(step_interface.matches, step_interface.read),
    Loader(script_contract.matches, script_contract.read),
    Loader(pipeline.matches, pipeline.read, pipeline.steps),
)
# In bytes; a script that a person wrote is shorter.
LARGEST_SCRIPT = 4_000_000
SUITE_FILE = "conformance.py"
_SAMPLES = "samples"
_FORMS = (
    f"a {contract_yaml.FILE_NAME}, a NAME{step_interface.SUFFIX}, a Python file with a script "
    "contract, or the JSON of a pipeline definition"
)


@dataclass(frozen=True)
class Source:
    """Where a contract is read from: its file or folder, and the step where a file has several.

    `unfit` is the reason why the step cannot be proved, "" when it can; `error` is what is wrong
    with it, as far as is known before it is read.
    """

    path: Path
    step: str | None = None
    unfit: str = ""
    error: WrongContract | None = None


def find_steps(path: Path, step: str | None = None) -> list[Source]:
    """The steps at a path: a single one, those of a pipeline, or those in a folder.

    A folder of steps holds `NAME.step.yaml` files, `NAME.pipeline.json` files and folders with a
    `contract.yaml`. With `step`, only the step of that name. Raises `WrongContract` when there is
    no step, and `WrongUse` when none has the name.
    """
    if path.is_dir() and not (path / contract_yaml.FILE_NAME).is_file():
        return _find_in_folder(path, step)
    path = contract_beside(path)
    loader = _loader_for(path) if path.is_file() else None
    if loader is None or loader.steps is None:
        if step is not None:
            raise WrongUse(f"{path} holds one step, so that --step {step} has none to pick from")
        return [Source(path)]
    if step is not None:
        return [Source(path, step)]
    steps = loader.steps(path)
    if not any(not one.unfit for one in steps):
        # `load` raises the reason.
        return [Source(path)]
    return [Source(path, one.name, one.unfit, one.error) for one in steps]


def contract_beside(path: Path) -> Path:
    """The contract of a script that is named in its place; any other path as it is.

    The script is not executed to see whether it holds a contract: it must name what one has.
    Raises `WrongContract` when no contract beside it is of this script.
    """
    if path.suffix != ".py" or not path.is_file() or script_contract.may_hold(path):
        return path
    candidates = []
    for folder in _code_folders(path):
        candidates.append(folder / contract_yaml.FILE_NAME)
        candidates += sorted(folder.glob(f"*{step_interface.SUFFIX}"))
    for one in candidates:
        try:
            if one.is_file() and load(one).script.resolve() == path.resolve():
                return one
        except WrongContract:
            continue
    raise WrongContract(
        f"{path}: there is no contract beside it", f"`harness infer {path}` drafts one"
    )


def _code_folders(script: Path) -> Iterator[Path]:
    """The folder of a script, and the one that the package lies in which it is a part of."""
    yield script.parent
    folder = script.absolute().parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    if script.name == MAIN_FILE and folder == script.absolute().parent:
        folder = folder.parent
    if folder != script.absolute().parent:
        yield folder


def _find_in_folder(folder: Path, step: str | None) -> list[Source]:
    folders = [file.parent for file in folder.glob(f"*/{contract_yaml.FILE_NAME}")]
    files = [*folder.glob(f"*{step_interface.SUFFIX}"), *folders]
    sources = [
        (path.name.removesuffix(step_interface.SUFFIX), Source(path)) for path in sorted(files)
    ]
    for path in sorted(folder.glob(f"*.pipeline{pipeline.SUFFIX}")):
        try:
            found = find_steps(path)
        except WrongContract as error:
            found = [Source(path, error=error)]
        sources += [(one.step or path.name, one) for one in found]
    if not sources:
        raise WrongContract(
            f"{folder} is not a step: it has no {contract_yaml.FILE_NAME}",
            f"name {_FORMS}, or a folder of steps",
        )
    picked = [source for name, source in sources if step in (None, name)]
    if not picked:
        names = ", ".join(name for name, _ in sources)
        raise WrongUse(f"{folder} has no step {step!r}", f"it has: {names}")
    return picked


def find_below(folder: Path) -> list[Path]:
    """The steps in a folder and below it, sorted, as `find_steps` takes them.

    Hidden folders and virtual environments are passed over, and so is what lies in a step's folder.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        if contract_yaml.FILE_NAME in files:
            found.append(Path(place))
            folders.clear()
            continue
        suffixes = (step_interface.SUFFIX, f".pipeline{pipeline.SUFFIX}")
        found += [Path(place, one) for one in files if one.endswith(suffixes)]
        folders[:] = [
            one
            for one in folders
            if not one.startswith(".") and not Path(place, one, "pyvenv.cfg").exists()
        ]
    return sorted(found)


def load(
    path: Path,
    code: Path | None = None,
    step: str | None = None,
    script: Path | None = None,
    promises: Sequence[str] | None = None,
    apart: Apart | None = None,
) -> Contract:
    """The contract at `path`: a file, or the folder of a step.

    `code` is the folder of the entry point, None for that of the contract. `step` is the name of
    the step where the file has several, `script` the file that replaces the entry point. Waivers
    may name these `promises`; those whose day is over are left out, with a warning. A contract that
    must be executed is read by `apart`, and without it in this process. Raises `WrongContract`, and
    `WrongUse` for an unknown step.
    """
    file = path / contract_yaml.FILE_NAME if path.is_dir() else path
    if not file.is_file():
        what = f"{path} is not a step: it has no {contract_yaml.FILE_NAME}" if path.is_dir() else ""
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = "" if what else "".join(difflib.get_close_matches(path.name, beside, n=1))
        raise WrongContract(
            what or f"there is no contract {path}",
            f"the nearest is {path.with_name(nearest)}"
            if nearest
            else f"name {_FORMS}, or the folder of a step",
        )
    loader = _loader_for(file)
    if loader is None:
        raise WrongContract(f"{file} is no contract that can be read", f"name {_FORMS}")
    try:
        contract = loader.read(file, Options(step, code, script, promises, apart))
    except ValidationError as error:
        # The form accepts the value, `Contract` does not.
        found = [
            Located(1, f"{file}:1: {dotted(one['loc'])}: {describe_error(one)}")
            for one in error.errors()
        ]
        raise wrong_contract(found, "mend what this is made of") from None
    if "/" in contract.name or "\0" in contract.name:
        raise WrongContract(
            f"{file}: the step {contract.name!r} has a name that no file can have",
            "rename it, without a slash",
        )
    added = {
        "folder": file.parent / contract.folder if code is None else code,
        "origin": file,
        "suite": file.with_name(_suite_name(file, contract.name, loader.steps is not None)),
        "samples": file.parent / _SAMPLES / (contract.name if loader.steps else ""),
    }
    contract = contract.model_copy(update=added)
    over = expired(contract.waivers, datetime.date.today())
    kept = {name: one for name, one in contract.waivers.items() if name not in over}
    contract = contract.model_copy(update={"waivers": kept})
    warnings = (*_sample_warnings(contract), *_waiver_warnings(file, over))
    return contract.model_copy(update={"warnings": (*contract.warnings, *warnings)})


def _sample_warnings(contract: Contract) -> Iterator[str]:
    """The samples of arguments that are empty texts, which no job can pass."""
    path = contract.samples / "arguments.json"
    try:
        file = json_file.read(path) if path.is_file() else None
    except WrongContract:
        # Told where its values are needed.
        return
    for name in empty_arguments(contract, file.content if file else {}):
        yield (
            f"{file.location((name,)) if file else name}: is passed as a flag, without a value: "
            "the service takes arguments of 1 to 256 characters; write true for a flag"
        )


def _waiver_warnings(file: Path, over: Mapping[str, Waiver]) -> Iterator[str]:
    """The waivers that count no more."""
    for name, one in over.items():
        yield (
            f"{file}: waivers.{name}: is over since {one.until}, so that it counts no more "
            f"({one.reason}): mend the step and remove it, or give it a later date"
        )


def _suite_name(file: Path, step: str, is_one_of_several: bool) -> str:
    """`conformance.py`, `NAME.conformance.py`, or for one of several `NAME.STEP.conformance.py`.

    NAME is the name of the file up to its first dot.
    """
    if file.name == contract_yaml.FILE_NAME:
        return SUITE_FILE
    name = file.name.partition(".")[0]
    return f"{name}.{step}.{SUITE_FILE}" if is_one_of_several else f"{name}.{SUITE_FILE}"


def _loader_for(file: Path) -> Loader | None:
    loaders = (*added("contracts", Loader).values(), *LOADERS)
    return next((one for one in loaders if one.matches(file)), None)


def read_script(path: Path) -> bytes:
    """The source of an entry point; raises `WrongContract` when it cannot be read."""
    try:
        return regular.read_bytes(path, LARGEST_SCRIPT)
    except OSError as error:
        raise WrongContract(
            f"the entry point {path} cannot be read: {error.strerror}",
            "it must lie beside the contract or in the folder of --code; or name a --script",
        ) from None
