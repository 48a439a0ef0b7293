"""Environment variables: those that the script reads against those of the contract."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.texts import Text

_ENVIRONMENT = "os.environ"
# What main is given; its keys are the script's own where the script makes it.
_GIVEN = "environ_vars"
_FILLS = ("dict", "update")
_METHODS = ("get", "pop", "setdefault")
# Set by the platform, the service or the system, not by whoever makes the step.
_OF_THE_JOB = re.compile(
    r"(SM|SAGEMAKER|AWS|PYTHON|LC|TRAINING_JOB|CUDA|NCCL|OMP|LD)_\w+|PYTHON\w+"
    r"|PATH|HOME|LANG|USER|TZ|TMPDIR|TEMP|TMP|HOSTNAME|PWD|SHELL|TERM|LOGNAME"
    r"|RANK|LOCAL_RANK|WORLD_SIZE|MASTER_ADDR|MASTER_PORT|(?i:(HTTPS?|NO)_PROXY)"
)
_SETTINGS = "BaseSettings"


def undeclared_variables(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each environment variable that is read and not declared."""
    declared = {*contract.environment.required, *contract.environment.optional}
    for one in _reads(facts).known:
        if one.value not in declared and not _OF_THE_JOB.fullmatch(one.value):
            yield facts.problem(
                "H201",
                f"the environment variable {one.value} is read, and the contract does not "
                "declare it",
                "declare it under environment, as required or as optional with its default",
                one.node,
            )


def unread_variables(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each required environment variable that is never read.

    A name anywhere in the script counts, since there are many ways to read a variable; but the key
    of a dictionary does not where every read of the environment is known.
    """
    reads = _reads(facts)
    keys = set() if reads.are_others else _own_keys(facts)
    named = {one.value for one in facts.texts.every if one.node not in keys}
    named |= {one.value for one in reads.known}
    fields = _fields(facts, reads.are_others)
    for name in contract.environment.required:
        if name not in named and name.lower() not in fields:
            yield facts.problem(
                "H202",
                f"the required environment variable {name} is never read",
                "read it, or take it out of the contract",
            )


@dataclass(frozen=True)
class _Reads:
    """The names that are read, and whether the environment is read in other ways too."""

    known: tuple[Text, ...]
    are_others: bool


def _reads(facts: Facts) -> _Reads:
    known: dict[tuple[str, ast.expr], Text] = {}
    understood: set[ast.AST] = set()
    are_others = False
    made = _made(facts)
    for node in facts.nodes:
        mapping, key = _read(facts, node)
        if mapping is not None:
            understood.add(mapping)
        if key is None:
            continue
        names = list(facts.texts.choices(key))
        are_others = are_others or not names
        given = mapping is not None and facts.dotted(mapping) == _GIVEN
        for name in names:
            if not (given and name.value in made):
                known[name.value, name.node] = name
    for node in facts.nodes:
        if isinstance(node, ast.Name | ast.Attribute) and node not in understood:
            stands_alone = facts.dotted(node) == _ENVIRONMENT
            are_others = are_others or (stands_alone and not _is_naming(facts, node))
    return _Reads(tuple(known.values()), are_others)


def _read(facts: Facts, node: ast.AST) -> tuple[ast.expr | None, ast.expr | None]:
    """The mapping that a node uses, and the key that it reads there."""
    if isinstance(node, ast.Subscript) and _is_mapping(facts, node.value):
        return node.value, node.slice if isinstance(node.ctx, ast.Load) else None
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        mapping = node.comparators[0]
        return (mapping, node.left) if _is_mapping(facts, mapping) else (None, None)
    if isinstance(node, ast.Call):
        keys = [*node.args[:1], *(one.value for one in node.keywords if one.arg == "key")]
        if facts.called(node) == "os.getenv":
            return None, keys[0] if keys else None
        method = node.func
        if isinstance(method, ast.Attribute) and _is_mapping(facts, method.value):
            # Alone, setdefault() and pop() only set it and take it away.
            is_read = method.attr == "get" or not facts.is_dropped(node)
            if method.attr in _METHODS and keys and is_read:
                return method.value, keys[0]
            return (method.value if method.attr in (*_METHODS, "update") else None), None
    return None, None


def _is_mapping(facts: Facts, node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and facts.dotted(node) in (
        _ENVIRONMENT,
        _GIVEN,
    )


def _is_naming(facts: Facts, node: ast.AST) -> bool:
    """Whether `os.environ` stands here to get another name, or as a part of something longer."""
    parent = facts.parents.get(node)
    targets = parent.targets if isinstance(parent, ast.Assign) else []
    if any(isinstance(one, ast.Name) and one.id in facts.constants for one in targets):
        return True
    return isinstance(parent, ast.Attribute) or isinstance(
        getattr(node, "ctx", None), ast.Store | ast.Del
    )


def _own_keys(facts: Facts) -> set[ast.AST]:
    """The places where a text is a key of a mapping that the script makes."""
    keys: set[ast.AST] = {
        key for node in facts.nodes if isinstance(node, ast.Dict) for key in node.keys if key
    }
    made = _made(facts)
    for node in facts.nodes:
        mapping, key = _read(facts, node)
        if mapping is not None and key is not None and facts.dotted(mapping) == _GIVEN:
            text = facts.texts.of(key)
            keys |= {key} if text is not None and text.value in made else set()
    return keys


def _made(facts: Facts) -> set[str]:
    """The keys of the mappings that the script makes itself."""
    keys: list[ast.expr] = []
    names: set[str] = set()
    for node in facts.nodes:
        if isinstance(node, ast.Dict):
            keys += [key for key in node.keys if key is not None]
        elif isinstance(node, ast.DictComp):
            keys.append(node.key)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys.append(node.slice)
        elif isinstance(node, ast.Call) and facts.called(node).rpartition(".")[2] in _FILLS:
            names |= {one.arg for one in node.keywords if one.arg}
    return names | {one.value for key in keys for one in facts.texts.choices(key)}


def _fields(facts: Facts, of_any: bool) -> set[str]:
    """The fields of pydantic's settings, which are read from variables of the same name.

    With `of_any` those of every class, since the environment may be read field by field.
    """
    return {
        field.target.id.lower()
        for node in facts.nodes
        if isinstance(node, ast.ClassDef)
        and (of_any or any(facts.dotted(base).endswith(_SETTINGS) for base in node.bases))
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
