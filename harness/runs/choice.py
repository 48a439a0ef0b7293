"""Which runner judges a step: the one that was asked for, else one that can judge its script.

The fake runner is the fastest, and sees only what Python code does with files. A script that does
more is judged in a sandbox, or in a container where no sandbox can be made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from harness.cases.code_beside import source_folder
from harness.cases.imports import imports_of
from harness.contracts import loaders
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners import Runner
from harness.runners.fake import unsupported
from harness.runners.real import interpreters
from harness.runners.registry import open_runner, resolve_image
from harness.runs.step import StepRef, load

_WITH_IMAGE = ("container", "local-mode")
_INSIST = "--runner fake insists"


@dataclass(frozen=True)
class RunnerOptions:
    """What was asked for: the name of a runner, or None for any that can judge the script.

    `start` is how cases are started, one of `harness.runs.warm_start.STARTS`.
    """

    name: str | None = None
    image: str | None = None
    isolation: str | None = None
    start: str = "auto"


@dataclass(frozen=True)
class Choice:
    """The runner of a step, and a line that says why it is that one; "" for the usual one."""

    ref: StepRef
    options: RunnerOptions
    runner: Runner
    note: str = ""

    @property
    def image(self) -> str | None:
        """The image of the runner's containers; None for other runners."""
        return resolve_image(self.options.image) if self.runner.name in _WITH_IMAGE else None

    def with_runner(self, runner: Runner) -> Choice:
        """The same choice with another value of the same runner."""
        return replace(self, runner=runner)

    def after(self, refusal: RunnerCannot) -> Choice:
        """The choice after the runner has refused a case.

        Raises the refusal if the runner was asked for, and `RunnerUnavailable`.
        """
        if self.options.name is not None or self.runner.name != "fake":
            raise refusal
        return _choose_real(self.ref, self.options, f"goes on with the {{}} runner: {refusal.what}")


def choose(ref: StepRef, options: RunnerOptions) -> Choice:
    """The runner for a step.

    Raises `WrongUse`, `WrongContract`, and `RunnerUnavailable` when no runner can judge the script.
    """
    if options.name == "sandbox":
        return Choice(ref, options, _sandbox(ref))
    if options.name == "fake":
        _refuse_lacking(ref, sys.executable, "install it there, or use --runner sandbox")
    if options.name is not None:
        return Choice(ref, options, open_runner(options.name, options.image, options.isolation))
    step = _Code.of(ref)
    if reason := unsupported.reason_against(step.sources, step.entry_point, step.modules):
        note = f"{{}} runner: {reason}, which the fake runner cannot judge ({_INSIST})"
        return _choose_real(ref, options, note)
    return Choice(ref, options, open_runner("fake", options.image, options.isolation))


def _choose_real(ref: StepRef, options: RunnerOptions, note: str) -> Choice:
    """The sandbox, else the container if an image is named; `note` gets the runner's name."""
    name = load(ref).contract.name
    try:
        runner = _sandbox(ref)
    except _NoSandbox as error:
        problem: RunnerUnavailable = error
    else:
        return Choice(ref, options, runner, f"{name}: {note.format(runner.name)}")
    if options.image or os.environ.get("HARNESS_IMAGE"):
        try:
            runner = open_runner("container", options.image, options.isolation)
            runner.prepare()
        except RunnerUnavailable as error:
            problem = error
        else:
            return Choice(ref, options, runner, f"{name}: {note.format(runner.name)}")
    raise RunnerUnavailable(
        f"{name}: needs the {note.format('sandbox or the container')}; {problem.what}",
        f"{problem.hint}; or name an image: --runner container --image NAME",
    )


class _NoSandbox(RunnerUnavailable):
    """No sandbox can be made on this machine."""


def _sandbox(ref: StepRef) -> Runner:
    """A sandbox with a Python that has what the script imports; raises `RunnerUnavailable`."""
    from harness.runners.real.sandbox import SandboxRunner

    step = _Code.of(ref)
    modules = tuple(step.third_party())
    contract = load(ref).contract
    folders = (contract.folder, contract.origin.parent, Path.cwd())
    runner = SandboxRunner(interpreters.find(modules, folders))
    try:
        _prepare(runner)
    except RunnerUnavailable as error:
        raise _NoSandbox(error.what, error.hint) from None
    advice = f"install it there, or name another Python with {interpreters.VARIABLE}"
    _refuse_lacking(ref, runner.python, advice)
    return runner


def _refuse_lacking(ref: StepRef, python: str, advice: str) -> None:
    """Raises `RunnerUnavailable` when the script imports what a Python does not have."""
    needed = tuple(_Code.of(ref).third_party())
    if lacking := interpreters.missing(python, needed) if needed else ():
        raise RunnerUnavailable(
            f"{load(ref).contract.name}: the script imports {', '.join(lacking)}, "
            f"which {python} does not have: {advice}"
        )


@lru_cache(maxsize=8)
def _prepare(runner: Runner) -> None:
    runner.prepare()


@dataclass(frozen=True)
class _Code:
    """The Python code of a step: the sources of the script and the modules beside it.

    `modules` are the names of all modules that its world or its folder has.
    """

    entry_point: str
    sources: Mapping[str, bytes]
    modules: frozenset[str]

    @classmethod
    def of(cls, ref: StepRef) -> _Code:
        """The code of a step."""
        step = load(ref)
        contract, matrix = step.contract, step.matrix
        script = loaders.read_script(ref.script or contract.script)
        files = source_folder(contract, script)
        sources = {name: data for name, data in files.items() if name.endswith(".py")}
        sources[contract.entry_point] = script
        beside = (path.name for path in contract.folder.glob("*.py"))
        paths = [*files, *beside]
        paths += [path for path, _ in matrix.start.tree]
        modules = {part for path in paths for part in _module_names(PurePosixPath(path))}
        return cls(contract.entry_point, sources, frozenset(modules))

    def third_party(self) -> Iterator[str]:
        """The modules of other packages that the script cannot do without."""
        found = [one for data in self.sources.values() for one in imports_of(data)]
        needed = [one for one in found if not one.optional]
        packages = dict.fromkeys(one.package for one in needed)
        third_party = set(unsupported.third_party_of(packages, self.modules))
        yield from dict.fromkeys(one.module for one in needed if one.package in third_party)


def _module_names(path: PurePosixPath) -> Iterator[str]:
    """The names under which a file may be imported: its own, or those of the folders it is in."""
    if path.suffix in (".py", ".so"):
        yield path.name.partition(".")[0]
        yield from path.parent.parts
