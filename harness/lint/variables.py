"""Environment variables: those of the script against those of the contract."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.contracts.contract import Contract
from harness.lint import beside
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.texts import Text

_ENVIRONMENT = "os.environ"
# The parameter of main with the variables; the script may add keys of its own.
_MAIN_PARAMETER = "environ_vars"
_FILLING_FUNCTIONS = ("dict", "update")
_READING_METHODS = ("get", "pop", "setdefault")
# Set by the platform, the service or the system, not by the definition of the step.
_SET_BY_PLATFORM = re.compile(
    r"(SM|SAGEMAKER|AWS|PYTHON|LC|TRAINING_JOB|CUDA|NCCL|OMP|LD)_\w+|PYTHON\w+"
    r"|PATH|HOME|LANG|USER|TZ|TMPDIR|TEMP|TMP|HOSTNAME|PWD|SHELL|TERM|LOGNAME"
    r"|RANK|LOCAL_RANK|WORLD_SIZE|MASTER_ADDR|MASTER_PORT|(?i:(HTTPS?|NO)_PROXY)"
)
_SETTINGS_CLASS = "BaseSettings"


def undeclared_variables(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each environment variable that is read and not declared."""
    variables = contract.environment
    declared = {*variables.required, *variables.optional, *variables.always}
    for one in _environment_reads(facts).known:
        if one.value not in declared and not _SET_BY_PLATFORM.fullmatch(one.value):
            yield facts.problem(
                "H201",
                f"the environment variable {one.value} is read, and the contract does not "
                "declare it",
                "declare it under environment, as required or as optional with its default",
                one.node,
            )


def unread_variables(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each required environment variable that is never read.

    Its name anywhere in the script counts as a read, since there are many ways to read variables.
    The key of a dictionary does not count when every read of the environment is known.
    """
    modules = beside.with_modules(facts, contract)[1:]
    beside_names = {text.value for one in modules for text in one.texts.all}
    reads = _environment_reads(facts)
    keys = set() if reads.has_other_reads else _dictionary_keys(facts)
    names = {one.value for one in facts.texts.all if one.node not in keys}
    names |= {one.value for one in reads.known} | beside_names
    fields = _settings_fields(facts, reads.has_other_reads)
    for name in contract.environment.required:
        if name not in names and name.lower() not in fields:
            yield facts.problem(
                "H202",
                f"the required environment variable {name} is never read",
                "read it, or take it out of the contract",
            )


@dataclass(frozen=True)
class _Reads:
    """The names that are read, and whether the environment is also read in unknown ways."""

    known: tuple[Text, ...]
    has_other_reads: bool


def _environment_reads(facts: Facts) -> _Reads:
    known: dict[tuple[str, ast.expr], Text] = {}
    known_mappings: set[ast.AST] = set()
    has_other_reads = False
    set_by_script = _keys_set_by_script(facts)
    for node in facts.nodes:
        mapping, key = _environment_read(facts, node)
        if mapping is not None:
            known_mappings.add(mapping)
        if key is None:
            continue
        names = list(facts.texts.possible_texts(key))
        has_other_reads = has_other_reads or not names
        is_main_parameter = mapping is not None and facts.dotted_name(mapping) == _MAIN_PARAMETER
        for name in names:
            if not (is_main_parameter and name.value in set_by_script):
                known[name.value, name.node] = name
    for node in facts.nodes:
        if isinstance(node, ast.Name | ast.Attribute) and node not in known_mappings:
            is_environment = facts.dotted_name(node) == _ENVIRONMENT
            has_other_reads = has_other_reads or (
                is_environment and not _is_alias_or_part(facts, node)
            )
    return _Reads(tuple(known.values()), has_other_reads)


def _environment_read(facts: Facts, node: ast.AST) -> tuple[ast.expr | None, ast.expr | None]:
    """The mapping that a node uses, and the key that it reads; None for each that it lacks."""
    if isinstance(node, ast.Subscript) and _is_mapping(facts, node.value):
        return node.value, node.slice if isinstance(node.ctx, ast.Load) else None
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        mapping = node.comparators[0]
        return (mapping, node.left) if _is_mapping(facts, mapping) else (None, None)
    if isinstance(node, ast.Call):
        keys = [*node.args[:1], *(one.value for one in node.keywords if one.arg == "key")]
        if facts.called_name(node) == "os.getenv":
            return None, keys[0] if keys else None
        method = node.func
        if isinstance(method, ast.Attribute) and _is_mapping(facts, method.value):
            # With unused values, setdefault() and pop() only set and remove the key.
            is_read = method.attr == "get" or not facts.is_value_unused(node)
            if method.attr in _READING_METHODS and keys and is_read:
                return method.value, keys[0]
            return (method.value if method.attr in (*_READING_METHODS, "update") else None), None
    return None, None


def _is_mapping(facts: Facts, node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and facts.dotted_name(node) in (
        _ENVIRONMENT,
        _MAIN_PARAMETER,
    )


def _is_alias_or_part(facts: Facts, node: ast.AST) -> bool:
    """Whether `os.environ` is assigned to an alias here, or part of a longer expression."""
    parent = facts.parents.get(node)
    targets = parent.targets if isinstance(parent, ast.Assign) else []
    if any(isinstance(one, ast.Name) and one.id in facts.constants for one in targets):
        return True
    return isinstance(parent, ast.Attribute) or isinstance(
        getattr(node, "ctx", None), ast.Store | ast.Del
    )


def _dictionary_keys(facts: Facts) -> set[ast.AST]:
    """The nodes that are keys of mappings that the script creates."""
    keys: set[ast.AST] = {
        key for node in facts.nodes if isinstance(node, ast.Dict) for key in node.keys if key
    }
    set_by_script = _keys_set_by_script(facts)
    for node in facts.nodes:
        mapping, key = _environment_read(facts, node)
        if (
            mapping is not None
            and key is not None
            and facts.dotted_name(mapping) == _MAIN_PARAMETER
        ):
            text = facts.texts.text_of(key)
            keys |= {key} if text is not None and text.value in set_by_script else set()
    return keys


def _keys_set_by_script(facts: Facts) -> set[str]:
    """The keys of the mappings that the script creates."""
    keys: list[ast.expr] = []
    names: set[str] = set()
    for node in facts.nodes:
        if isinstance(node, ast.Dict):
            keys += [key for key in node.keys if key is not None]
        elif isinstance(node, ast.DictComp):
            keys.append(node.key)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys.append(node.slice)
        elif (
            isinstance(node, ast.Call)
            and facts.called_name(node).rpartition(".")[2] in _FILLING_FUNCTIONS
        ):
            names |= {one.arg for one in node.keywords if one.arg}
    return names | {one.value for key in keys for one in facts.texts.possible_texts(key)}


def _settings_fields(facts: Facts, of_every_class: bool) -> set[str]:
    """The fields of pydantic settings, which are read from variables of the same name.

    With `of_every_class` the fields of all classes, since the script may read one by one.
    """
    return {
        field.target.id.lower()
        for node in facts.nodes
        if isinstance(node, ast.ClassDef)
        and (
            of_every_class
            or any(facts.dotted_name(base).endswith(_SETTINGS_CLASS) for base in node.bases)
        )
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
