"""Paths below /opt/ml: those of the script against those of the contract."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from harness.contracts.contract import Contract
from harness.lint import beside
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.worlds.job_type import job_type
from harness.worlds.jobs import TRAINING, Request, profile
from harness.worlds.tree import is_under

_PATH = re.compile(r"/opt/ml(?:/[^\s:\"'<>|]*)?")
# A wildcard, or the beginning of a field of a template.
_WILDCARD = re.compile(r"[*?\[{%]")
# Paths that every job has or may write, whatever its contract.
_JOB_PATHS = (
    "/opt/ml/input/config",
    "/opt/ml/config",
    "/opt/ml/output/failure",
    "/opt/ml/output/message",
)
# Folders of the script. The folder itself may be used, for sys.path; a file in it is an input.
_CODE_FOLDERS = ("/opt/ml/code", "/opt/ml/processing/input/code")


def undeclared_paths(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each path that is not declared, nor a parent of a declared one."""
    declared = (*_declared(contract), *_JOB_PATHS)
    for text in facts.texts.all:
        path = _path_of(text.value)
        if path is None or path in _CODE_FOLDERS:
            continue
        if any(is_under(path, one) or is_under(one, path) for one in declared):
            continue
        # The unknown rest of the text may lead to a declared path.
        if not text.is_complete and any(one.startswith(text.value) for one in declared):
            continue
        yield facts.problem(
            "H101",
            f"{path} is not a path that the contract declares",
            "declare it as an input's mount or source, or as an output; or do not use it",
            text.node,
        )


def unused_paths(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each declared path that the script does not use.

    A use in a module beside it counts, and so does that of a parent folder, since the rest may be
    added at run time, and of a variable that a training job sets to the path. Outputs that every
    job has need not be used.
    """
    texts = [
        text
        for one, text in beside.texts_of_all(facts, contract)
        if text.node not in one.texts.prefixes
    ]
    used = [path for one in texts if (path := _path_of(one.value)) is not None]
    variables = _training_variables(contract)
    values = {text.value for _, text in beside.texts_of_all(facts, contract)}
    used += [path for name, path in variables.items() if name in values]
    optional_outputs = {
        one.path for one in contract.outputs.values() if contract.job and not one.required
    }
    for path, name in _declared(contract).items():
        if path in optional_outputs or any(
            is_under(one, path) or is_under(path, one) for one in used
        ):
            continue
        if any(one.value.startswith(path) for one in texts):
            continue
        yield facts.problem(
            "H102",
            f"{path}, which the contract declares for {name}, is never used",
            "use it, or take it out of the contract",
        )


def lost_outputs(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each output that a job of the contract's type does not collect, where it is first used."""
    job = job_type(contract)
    for name, output in contract.outputs.items():
        if job.collects_from(output.path):
            continue
        uses = (
            one.node for one in facts.texts.all if is_under(_path_of(one.value) or "", output.path)
        )
        yield facts.problem(
            "H103",
            f"{output.path}, the output {name}, is lost: a {job.name} job collects "
            f"{', '.join(job.collects)} alone",
            "write it to /opt/ml/model or /opt/ml/output/data",
            next(uses, None),
        )


def _training_variables(contract: Contract) -> Mapping[str, str]:
    """The variables of a training job with the contract's channels that hold paths: name → path."""
    mounts = [mount for one in contract.inputs.values() for mount in one.mounts]
    channels = tuple(
        posixpath.basename(mount)
        for mount in mounts
        if posixpath.dirname(mount) == TRAINING.channels
    )
    request = Request(channels=channels)
    found = {**profile("model-trainer").variables(request), **TRAINING.variables(request)}
    return {name: value for name, value in found.items() if _PATH.fullmatch(value)}


def _path_of(text: str) -> str | None:
    """The path of a text, up to its first wildcard; None when it is no path below /opt/ml."""
    if not _PATH.fullmatch(text):
        return None
    if pattern := _WILDCARD.search(text):
        text = text[: pattern.start()].rpartition("/")[0]
    return posixpath.normpath(text)


def _declared(contract: Contract) -> Mapping[str, str]:
    """Every absolute path of the contract → the name of its input or output."""
    declared: dict[str, str] = {}
    for name, one in contract.inputs.items():
        for path in (*one.mounts, *one.source):
            if path.startswith("/"):
                declared.setdefault(path, name)
    for name, output in contract.outputs.items():
        declared.setdefault(output.path, name)
    return {posixpath.normpath(path): name for path, name in declared.items()}
