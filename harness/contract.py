"""Contracts: what a step script promises, as data, read strictly from `contract.yaml`.

An unknown key, a missing one or a value of the wrong type is a `WrongContract` that names the file,
the line and the key. Nothing is guessed and nothing is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.errors import WrongContract

FILE_NAME = "contract.yaml"

AbsolutePath = Annotated[str, Field(pattern=r"^/")]
FileName = Annotated[str, Field(pattern=r"^[^/]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Input(_Strict):
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


class Output(_Strict):
    """An output folder, and the files that the step may write in it (none named: any)."""

    path: AbsolutePath
    description: str = ""
    files: tuple[FileName, ...] = Field(default=(), strict=False)


class Environment(_Strict):
    """Environment variables: the names that must be set, and the optional ones' defaults."""

    required: tuple[str, ...] = Field(default=(), strict=False)
    optional: Mapping[str, str] = {}


class Contract(_Strict):
    """All that a step promises; `folder` is where the contract and its entry point lie.

    `framework_requirements` are the packages that the entry point imports: name → version.
    """

    name: str
    description: str = ""
    entry_point: FileName
    inputs: Mapping[str, Input] = {}
    outputs: Mapping[str, Output] = Field(min_length=1)
    arguments: Mapping[str, str] = {}
    environment: Environment = Environment()
    exit_codes: Mapping[int, str] = Field(min_length=1)
    error_codes: Mapping[str, str] = {}
    framework_requirements: Mapping[str, str] = {}
    folder: Path = Field(default=Path(), exclude=True)

    @property
    def script(self) -> Path:
        """The entry point's file."""
        return self.folder / self.entry_point

    @property
    def output_folders(self) -> tuple[str, ...]:
        """The folders that outputs are written to."""
        return tuple(output.path for output in self.outputs.values())


def load(folder: Path) -> Contract:
    """The contract in `folder`; raises `WrongContract` with file, line and key."""
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongContract(
            f"{folder} is not a step: it has no {FILE_NAME}",
            "name a folder that holds a contract, as in: harness check dummy_training",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongContract(f"{path}: cannot be read: {error}") from error
    document = _parse(path, text)
    if "folder" in document:
        raise _wrong(path, document, ("folder",), "is not a key of a contract")
    try:
        contract = Contract.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(path, document, first["loc"], _sentence(first)) from None
    return contract.model_copy(update={"folder": folder})


def read_script(path: Path) -> bytes:
    """The source of an entry point; raises `WrongContract` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongContract(
            f"the entry point {path} cannot be read: {error.strerror}",
            "it must lie beside the contract; or name a script with --script",
        ) from None


def _parse(path: Path, text: str) -> Any:
    try:
        document = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise WrongContract(
            f"{path}:{line}: is not YAML: {error.problem or error.context}", "mend that line"
        ) from None
    except YAMLError as error:
        raise WrongContract(f"{path}: is not YAML: {error}", "mend the file") from None
    if not isinstance(document, dict):
        raise WrongContract(
            f"{path}:1: a contract is a mapping that begins with `name:`", "see the README"
        )
    return document


def _wrong(path: Path, document: Any, where: Sequence[int | str], what: str) -> WrongContract:
    line, node = 1, document
    for key in where:
        position = getattr(node, "lc", None)
        try:
            if isinstance(node, dict):
                line = position.key(key)[0] + 1 if position else line
            elif isinstance(node, list):
                line = position.item(key)[0] + 1 if position else line
            node = node[key]
        except (KeyError, IndexError, TypeError):
            break
    dotted = ".".join(str(key) for key in where)
    return WrongContract(f"{path}:{line}: {dotted}: {what}", "mend that key; the README lists them")


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a key of a contract"
    if error["type"] == "missing":
        return "is required and missing"
    got = repr(error["input"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {got[:60]}"
