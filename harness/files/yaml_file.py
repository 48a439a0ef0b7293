"""YAML files; every error names the file, the line and the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.errors import WrongContract
from harness.files import regular
from harness.files.models import (
    KeyPath,
    Located,
    describe_error,
    dotted,
    find_errors,
    sound_part,
    wrong_contract,
)

M = TypeVar("M", bound=BaseModel)

HINT = "mend that key"
# Of a contract or a pipeline definition, in bytes.
_MAX_SIZE = 8 << 20
# Of a file in YAML, which takes long to read.
_MAX_YAML_SIZE = 1 << 20
# Of a contract, whatever its aliases stand for.
_MAX_VALUES = 200_000


def read_text(path: Path, max_size: int = _MAX_SIZE) -> str:
    """Read a file in UTF-8, with or without a byte order mark; raises `WrongContract`."""
    try:
        data = regular.read_bytes(path, max_size)
    except OSError as error:
        raise WrongContract(f"{path}: cannot be read: {error.strerror}", "name a file") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WrongContract(f"{path}:{line}: is not UTF-8: {error.reason}", "save it so") from None


def read(path: Path) -> Any:
    """Read a file that holds a mapping; its nodes know their lines. Raises `WrongContract`."""
    text = read_text(path, _MAX_YAML_SIZE)
    try:
        document = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = str(error.problem or error.context).splitlines()[0]
        raise WrongContract(f"{path}:{line}: is not YAML: {problem}", "mend that line") from None
    except (YAMLError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        # The error about a character that YAML does not allow has a position and no mark.
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise WrongContract(f"{path}:{line}: is not YAML: {first}", "mend the file") from None
    if expanded_size(document) > _MAX_VALUES:
        line = text[: text.find("&") + 1].count("\n") + 1
        raise WrongContract(
            f"{path}:{line}: its anchors and aliases stand for more than {_MAX_VALUES} values",
            "write less of it by aliases",
        )
    if not isinstance(document, dict):
        kinds = {type(None): "nothing", str: "a text"}
        content = "a list" if isinstance(document, list) else kinds.get(type(document), "one value")
        raise WrongContract(
            f"{path}:1: holds {content}, and not a mapping, `key: value`",
            "`harness docs` shows what such files hold",
        )
    return document


def expanded_size(document: Any) -> int:
    """How many values a document stands for, each alias counted; `_MAX_VALUES` + 1 at most."""
    sizes: dict[int, int] = {}
    pending: list[tuple[Any, bool]] = [(document, False)]
    while pending:
        node, is_counted = pending.pop()
        children = [*node, *node.values()] if isinstance(node, dict) else node
        if not isinstance(node, (dict, list)):
            continue
        if is_counted:
            total = 1 + sum(sizes.get(id(one), 1) for one in children)
            sizes[id(node)] = min(total, _MAX_VALUES + 1)
        elif id(node) not in sizes:
            # An alias of what it is within stands for values without an end.
            sizes[id(node)] = _MAX_VALUES + 1
            pending.append((node, True))
            pending += [(one, False) for one in children]
    return sizes.get(id(document), 1)


def validate(
    model: type[M],
    path: Path,
    document: Any,
    keys: Sequence[str] = (),
    *,
    checks: Callable[[M], Iterable[tuple[KeyPath, str]]] = lambda _: (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
    unknown: Sequence[str] = (),
    hint: str = HINT,
) -> M:
    """Parse the part of the document at `keys` as a model; raises `WrongContract`.

    The error lists all that is wrong: what the model refuses, and what the `checks` find, whose
    keys are those from the part on. `defaults` stand for the required keys that are missing, so
    that the rest can be checked too; `unknown` are fields that are no keys of a file.
    """
    part = document
    for key in keys:
        part = part[key]
    found: list[tuple[KeyPath, str]] = []
    if isinstance(part, dict):
        found += [
            ((name,), describe_error({"type": "extra_forbidden"}))
            for name in unknown
            if name in part
        ]
        part = {name: value for name, value in part.items() if name not in unknown}
    try:
        checked = model.model_validate(part)
    except ValidationError as error:
        found += find_errors(model, error, part)
        sound = sound_part(model, part, defaults)
        assert sound is None or isinstance(sound, model)
        # Nothing is said of what is refused already, or of what that is a part of.
        refused = [where for where, _ in found]
        if sound is not None:
            found += [
                (where, what)
                for where, what in _checked(checks, sound)
                if not any(_is_within(one, where) or _is_within(where, one) for one in refused)
            ]
    else:
        found += checks(checked)
        if not found:
            return checked
    raise errors_at(path, document, [((*keys, *where), what) for where, what in found], hint)


def _checked(
    checks: Callable[[M], Iterable[tuple[KeyPath, str]]], sound: M
) -> list[tuple[KeyPath, str]]:
    """What the checks find in a model that lacks what was refused."""
    try:
        return list(checks(sound))
    except ValidationError:
        return []


def _is_within(where: KeyPath, part: KeyPath) -> bool:
    return where[: len(part)] == part


def errors_at(
    path: Path, document: Any, errors: Iterable[tuple[KeyPath, str]], hint: str = HINT
) -> WrongContract:
    """One error for several values: the keys of each, and what is wrong."""
    located = [
        Located(line, f"{path}:{line}: {dotted(where)}: {what}")
        for where, what in errors
        for line in (line_of(document, where),)
    ]
    return wrong_contract(located, hint)


def error_at(
    path: Path, document: Any, keys: KeyPath, what: str, hint: str = HINT
) -> WrongContract:
    """An error about the value at `keys`."""
    return errors_at(path, document, [(keys, what)], hint)


def line_of(document: Any, keys: Sequence[int | str]) -> int:
    """The line of the value at `keys`, or of the innermost part that exists."""
    line, node = 1, document
    for key in keys:
        position = getattr(node, "lc", None)
        try:
            if isinstance(node, dict):
                line = position.key(key)[0] + 1 if position else line
            elif isinstance(node, list):
                line = position.item(key)[0] + 1 if position else line
            node = node[key]
        except (KeyError, IndexError, TypeError):
            break
    return line
