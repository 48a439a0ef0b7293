"""The paths below /opt/ml: those of the script against those of the contract."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.worlds.jobs import TRAINING, Request
from harness.worlds.tree import is_under

_PATH = re.compile(r"/opt/ml(?:/[^\s:\"'<>|]*)?")
# The first character that is a wildcard, or a field of a template.
_PATTERN = re.compile(r"[*?\[{%]")
# What every job finds or may write without a word in the contract.
_OF_THE_JOB = (
    "/opt/ml/input/config",
    "/opt/ml/config",
    "/opt/ml/output/failure",
    "/opt/ml/output/message",
)
# Where the service puts the script: for sys.path, while a file in it is an input.
_CODE = ("/opt/ml/code", "/opt/ml/processing/input/code")


def undeclared_paths(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each path that is not declared, nor the way to one that is."""
    declared = (*_declared(contract), *_OF_THE_JOB)
    for text in facts.texts.every:
        path = _path(text.value)
        if path is None or path in _CODE:
            continue
        if any(is_under(path, one) or is_under(one, path) for one in declared):
            continue
        # What is put together at run time may go on to one that is declared.
        if not text.whole and any(one.startswith(text.value) for one in declared):
            continue
        yield facts.problem(
            "H101",
            f"{path} is not a path that the contract declares",
            "declare it as an input's mount or source, or as an output; or do not use it",
            text.node,
        )


def unused_paths(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each declared path that no text of the script leads to.

    A folder above it counts, since the rest may be put together at run time, and so does a
    variable that a training job sets to it. Where every job has an output, it need not be used.
    """
    texts = [one for one in facts.texts.every if one.node not in facts.texts.parts]
    used = [path for one in texts if (path := _path(one.value)) is not None]
    variables = _training_variables(contract)
    used += [variables[one.value] for one in facts.texts.every if one.value in variables]
    free = {one.path for one in contract.outputs.values() if contract.job and not one.required}
    for path, name in _declared(contract).items():
        if path in free or any(is_under(one, path) or is_under(path, one) for one in used):
            continue
        if any(one.value.startswith(path) for one in texts):
            continue
        yield facts.problem(
            "H102",
            f"{path}, which the contract declares for {name}, is never used",
            "use it, or take it out of the contract",
        )


def _training_variables(contract: Contract) -> Mapping[str, str]:
    """The paths that a training job with the contract's channels tells through variables."""
    mounts = [mount for one in contract.inputs.values() for mount in one.mounts]
    channels = tuple(
        posixpath.basename(mount)
        for mount in mounts
        if posixpath.dirname(mount) == TRAINING.channels
    )
    variables = TRAINING.variables(Request(channels=channels))
    return {name: value for name, value in variables.items() if _PATH.fullmatch(value)}


def _path(text: str) -> str | None:
    """The path that a text is, up to where it becomes a pattern; None where it is none."""
    if not _PATH.fullmatch(text):
        return None
    if pattern := _PATTERN.search(text):
        text = text[: pattern.start()].rpartition("/")[0]
    return posixpath.normpath(text)


def _declared(contract: Contract) -> Mapping[str, str]:
    """Every absolute path of the contract, and the input or output that it belongs to."""
    declared: dict[str, str] = {}
    for name, one in contract.inputs.items():
        for path in (*one.mounts, *one.source):
            if path.startswith("/"):
                declared.setdefault(path, name)
    for name, output in contract.outputs.items():
        declared.setdefault(output.path, name)
    return {posixpath.normpath(path): name for path, name in declared.items()}
