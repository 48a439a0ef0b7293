"""What the script asks of its surroundings: variables, arguments, packages."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping

from harness.contract import Contract
from harness.lint.facts import Facts, called
from harness.lint.problem import Problem

_MAPPINGS = ("os.environ", "environ", "environ_vars")
_GETTERS = (
    *("os.getenv", "getenv"),
    *(f"{name}.{method}" for name in _MAPPINGS for method in ("get", "pop", "setdefault")),
)
# Set by the platform, the service or the system, not by whoever makes the step.
_OF_THE_JOB = re.compile(
    r"(SM|AWS|PYTHON|LC|TRAINING_JOB|CUDA|NCCL|OMP|LD)_\w+|PYTHON\w+"
    r"|PATH|HOME|LANG|USER|TZ|TMPDIR|TEMP|TMP|HOSTNAME|PWD"
)
# Where the name of a package is not that of what it installs.
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "PIL": ("pillow",),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cv2": ("opencv-python", "opencv-python-headless"),
    "dateutil": ("python-dateutil",),
    "google": ("protobuf",),
    "jwt": ("pyjwt",),
    "sklearn": ("scikit-learn",),
    "skimage": ("scikit-image",),
    "yaml": ("pyyaml", "ruamel.yaml"),
}


def undeclared_variables(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each environment variable that is read and not declared."""
    declared = {*contract.environment.required, *contract.environment.optional}
    for name, node in _read(facts):
        if name not in declared and not _OF_THE_JOB.fullmatch(name):
            yield Problem(
                "H201",
                f"the environment variable {name} is read, and the contract does not declare it",
                "declare it under environment, as required or as optional with its default",
                facts.script,
                node.lineno,
                node.col_offset + 1,
            )


def unread_variables(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each required environment variable whose name is nowhere in the script."""
    named = {text.value for text in facts.texts} | {name for name, _ in _read(facts)}
    for name in contract.environment.required:
        if name not in named:
            yield Problem(
                "H202",
                f"the required environment variable {name} is never read",
                "read it, or take it out of the contract",
                facts.script,
                1,
                1,
            )


def _read(facts: Facts) -> Iterator[tuple[str, ast.expr]]:
    for node in facts.nodes:
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and _is_mapping(node.value):
            key = node.slice if isinstance(node.ctx, ast.Load) else None
        elif isinstance(node, ast.Call) and called(node) in _GETTERS and node.args:
            key = node.args[0]
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            key = node.left if _is_mapping(node.comparators[0]) else None
        if key is None:
            continue
        text = facts.text(key)
        if text is not None and text.whole:
            yield text.value, key


def _is_mapping(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in _MAPPINGS


def undeclared_arguments(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each argument of an argparse parser that the contract does not declare."""
    declared = {_plain(name) for name in contract.arguments}
    for names, node in _arguments(facts):
        if not declared & {_plain(name) for name in names}:
            yield Problem(
                "H301",
                f"the argument {names[0]} is not declared by the contract",
                "declare it under arguments",
                facts.script,
                node.lineno,
                node.col_offset + 1,
            )


def missing_arguments(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each declared argument that no parser of the script takes."""
    known = {_plain(name) for names, _ in _arguments(facts) for name in names}
    # A script that reads sys.argv by itself names its arguments somewhere.
    known |= {_plain(text.value) for text in facts.texts if text.value.startswith("-")}
    for name in contract.arguments:
        if _plain(name) not in known:
            yield Problem(
                "H302",
                f"the declared argument {name} is not one that the script knows",
                "add it to the parser, or take it out of the contract",
                facts.script,
                1,
                1,
            )


def _arguments(facts: Facts) -> Iterator[tuple[tuple[str, ...], ast.Call]]:
    for node in facts.calls():
        if called(node).rpartition(".")[2] == "add_argument":
            texts = [facts.text(one) for one in node.args]
            names = tuple(one.value for one in texts if one is not None and one.whole)
            if names:
                yield names, node


def _plain(name: str) -> str:
    return name.lstrip("-").replace("_", "-")


def missing_requirements(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each import of a package that is neither Python's, nor beside the script, nor required."""
    required = {_canonical(name) for name in contract.framework_requirements}
    optional = {id(node) for node in _tried(facts)}
    seen: set[str] = set()
    for node in facts.nodes:
        if id(node) in optional:
            continue
        for name in _imported(node):
            if name in seen or name in sys.stdlib_module_names or _is_beside(facts, name):
                continue
            seen.add(name)
            if not required & {_canonical(one) for one in (name, *_PACKAGES.get(name, ()))}:
                assert isinstance(node, ast.stmt)
                yield Problem(
                    "H601",
                    f"{name} is imported, and framework_requirements lack it",
                    f"add {_PACKAGES.get(name, (name,))[0]} to framework_requirements",
                    facts.script,
                    node.lineno,
                    node.col_offset + 1,
                )


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


def _tried(facts: Facts) -> Iterator[ast.AST]:
    """What is imported only if it is there."""
    for node in facts.nodes:
        if isinstance(node, ast.Try):
            caught = [ast.unparse(one.type) if one.type else "ImportError" for one in node.handlers]
            if any(re.search(r"ImportError|ModuleNotFoundError|Exception", one) for one in caught):
                for statement in node.body:
                    yield from ast.walk(statement)


def _is_beside(facts: Facts, name: str) -> bool:
    folder = facts.script.parent
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~\[;]", name, maxsplit=1)[0]).lower()
