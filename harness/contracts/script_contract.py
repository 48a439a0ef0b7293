"""Script contracts in Python: a module with an object that has the attributes of a contract.

The file is executed, since the object may have any class. It has `entry_point`,
`expected_input_paths`, `expected_output_paths` and, optionally, `expected_arguments`,
`required_env_vars`, `optional_env_vars`, `framework_requirements`, `description`, `waivers`
(promise → reason), `sink`, true of a step without outputs, `scratch`, `timeout` (in seconds),
`sigterm` (a dict with `exit_codes`, `may_write`), and `output_content` (output → what it holds,
with the keys of `contract.yaml`).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.contracts.arguments import DeclaredValue, from_value
from harness.contracts.checks import find_errors
from harness.contracts.contract import (
    AbsolutePath,
    Contract,
    EntryPoint,
    Environment,
    Input,
    Sigterm,
    Texts,
    Timeout,
)
from harness.contracts.limits import is_training, refused
from harness.contracts.outputs import OutputContent
from harness.contracts.reading import Options
from harness.contracts.waivers import DeclaredWaiver
from harness.errors import WrongContract
from harness.files import models, regular
from harness.files.models import KEY, KeyPath, Located, dotted, wrong_contract
from harness.files.modules import execute, wrong_contract_on_error

_REQUIRED = ("entry_point", "expected_input_paths", "expected_output_paths")
# This form says nothing about failures: any code will do.
_EXIT_CODES = {0: "the step did its work"}


class _Attributes(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, strict=True)

    entry_point: EntryPoint
    expected_input_paths: dict[str, AbsolutePath]
    expected_output_paths: dict[str, AbsolutePath]
    sink: bool = False
    expected_arguments: dict[str, DeclaredValue] = {}
    required_env_vars: Texts = ()
    optional_env_vars: dict[str, Any] = {}
    framework_requirements: dict[str, Any] = {}
    description: str = ""
    waivers: dict[str, DeclaredWaiver] = {}
    timeout: Timeout | None = None
    sigterm: Sigterm = Sigterm()
    scratch: Annotated[tuple[AbsolutePath, ...], Field(strict=False)] = ()
    output_content: dict[str, OutputContent] = {}


# The attributes of the parts that `find_errors` names.
_ATTRIBUTES: Mapping[tuple[int | str, ...], str] = {
    ("environment", "required"): "required_env_vars",
    ("environment", "optional"): "optional_env_vars",
    ("arguments",): "expected_arguments",
    ("sink",): "sink",
    ("waivers",): "waivers",
    ("outputs",): "output_content",
    ("sigterm",): "sigterm",
}


def matches(path: Path) -> bool:
    """Whether the file may be a script contract."""
    return path.suffix == ".py"


def may_hold(path: Path) -> bool:
    """Whether a Python file names what a script contract has, itself or in a module beside it.

    Any other script is not executed to see whether it holds one.
    """
    pending, seen = [path], {path}
    while pending:
        try:
            tree = ast.parse(pending.pop().read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if _names_of(node) & set(_REQUIRED[1:]):
                return True
            for name in _modules_of(node):
                beside = path.parent / f"{name.partition('.')[0]}.py"
                if name and beside not in seen and beside.is_file():
                    seen.add(beside)
                    pending.append(beside)
    return False


def _names_of(node: ast.AST) -> set[str]:
    names = (getattr(node, part, None) for part in ("id", "attr", "arg", "value"))
    return {one for one in names if isinstance(one, str)}


def _modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(one.name for one in node.names if node.level)]
    return []


def read(path: Path, options: Options) -> Contract:
    """Execute the file and read its one contract; raises `WrongContract`."""
    if options.apart is not None:
        return options.apart(path, partial(_read, path, options))
    return _read(path, options)


def _read(path: Path, options: Options) -> Contract:
    hint = "mend it, or run the harness where what it imports is installed"
    with wrong_contract_on_error(path, "the script contract cannot be executed", hint):
        name, found = _find_contract(path, vars(execute(path)))
        values = {
            one: value
            for one in _Attributes.model_fields
            if (value := getattr(found, one, None)) is not None
        }
    try:
        attributes = _Attributes.model_validate(values)
    except ValidationError as error:
        wrong = list(models.find_errors(_Attributes, error, values))
        raise _errors(path, name, wrong) from None
    unknown = [
        (("output_content", one), "there is no such output")
        for one in attributes.output_content
        if one not in attributes.expected_output_paths
    ]
    contract = _contract(path, attributes)
    found = find_errors(contract, options.promises, path.parent)
    if errors := [*unknown, *((_in_object(where), what) for where, what in found)]:
        raise _errors(path, name, errors)
    warnings = [
        _errors(path, name, [(_in_object(where), what)]).what
        for where, what in refused(contract, training=is_training(contract))
    ]
    return contract.model_copy(update={"warnings": tuple(warnings)})


def _in_object(where: KeyPath) -> KeyPath:
    """The attribute that holds the part of a contract at `where`, and the keys within it."""
    if where == ("outputs",) or where[2:] == ("path",):
        return ("expected_output_paths", *where[1:2])
    if where[0] == "inputs":
        return ("expected_input_paths", *where[1:2])
    attribute, rest = next(
        (one, where[len(keys) :]) for keys, one in _ATTRIBUTES.items() if where[: len(keys)] == keys
    )
    return (attribute, *rest)


def _contract(path: Path, attributes: _Attributes) -> Contract:
    return Contract(
        name=path.stem,
        description=attributes.description,
        entry_point=Path(attributes.entry_point).name,
        inputs={
            one: Input(required=True, mounts=(mount,))
            for one, mount in attributes.expected_input_paths.items()
        },
        sink=attributes.sink,
        outputs={
            one: attributes.output_content.get(one, OutputContent()).at(path)
            for one, path in attributes.expected_output_paths.items()
        },
        arguments={one: from_value(value) for one, value in attributes.expected_arguments.items()},
        environment=Environment(
            required=attributes.required_env_vars, optional=_to_texts(attributes.optional_env_vars)
        ),
        exit_codes=_EXIT_CODES,
        framework_requirements=_to_texts(attributes.framework_requirements),
        waivers=attributes.waivers,
        timeout=attributes.timeout,
        sigterm=attributes.sigterm,
        scratch=attributes.scratch,
        folder=Path(attributes.entry_point).parent,
    )


def _errors(path: Path, name: str, errors: Sequence[tuple[KeyPath, str]]) -> WrongContract:
    """One error for several attributes of the object `name`."""
    located = [
        Located(line, f"{path}:{line}: {dotted((name, *where))}: {what}")
        for where, what in errors
        for line in (_line(path, name, [str(key) for key in where if key != KEY]),)
    ]
    return wrong_contract(located, "mend that attribute")


def _find_contract(path: Path, names: dict[str, Any]) -> tuple[str, Any]:
    found = {
        name: value
        for name, value in names.items()
        if not isinstance(value, type | ModuleType) and _is_contract(value)
    }
    # The same object under two names is one contract, reported under the first.
    distinct = {id(value): (name, value) for name, value in reversed(found.items())}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    if not found:
        raise WrongContract(
            f"{path}: holds no script contract", f"it needs an object with {', '.join(_REQUIRED)}"
        )
    raise WrongContract(
        f"{path}: holds several script contracts: {', '.join(found)}", "keep each in a file"
    )


def _is_contract(value: Any) -> bool:
    return all(hasattr(value, one) for one in _REQUIRED)


def _line(path: Path, name: str, keys: Sequence[str]) -> int:
    """The line of the value at `keys` of the object `name`, or of the innermost part found.

    Searches the assignments to `name` first, then the whole file.
    """
    tree = ast.parse(regular.read_bytes(path))
    assigned = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and any(isinstance(one, ast.Name) and one.id == name for one in _targets(node))
    ]
    line = assigned[-1].lineno if assigned else 1
    scope: ast.AST = assigned[-1] if assigned else tree
    for key in keys:
        found = _find_value(scope, key) or _find_value(tree, key)
        if found is None:
            break
        line, scope = found.lineno, found
    return line


def _find_value(scope: ast.AST, key: str) -> ast.expr | None:
    """The value of this name in an argument, an assignment or a dictionary within `scope`."""
    for node in ast.walk(scope):
        if isinstance(node, ast.keyword) and node.arg == key:
            return node.value
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in _targets(node):
                if key in (getattr(target, "id", None), getattr(target, "attr", None)):
                    return node.value
        if isinstance(node, ast.Dict):
            for one, value in zip(node.keys, node.values, strict=True):
                if isinstance(one, ast.Constant) and one.value == key:
                    return value
    return None


def _targets(node: ast.Assign | ast.AnnAssign) -> Sequence[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _to_texts(values: dict[str, Any]) -> dict[str, str]:
    return {str(name): "" if value is None else str(value) for name, value in values.items()}
