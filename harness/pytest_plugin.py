"""The pytest plugin: one test per case of a step, and fixtures for tests written by hand.

`pytest STEP/conformance.py` collects every case of the step under its stable id, so that `-k`,
`-x`, `--lf`, `-n auto` and JUnit work as everywhere. Since pytest's `-k` knows no `=`, a choice is
`axis:choice` there. What the harness needs is imported when a suite is collected: the plugin costs
nothing where there is none.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.cases.case import Case, Outcome, Result
    from harness.cases.shard import Shard
    from harness.runners import Runner
    from harness.runs.step import StepRef
    from harness.worlds.tree import Tree

_RUNNER = pytest.StashKey["Runner"]()
_SHARD: pytest.StashKey[Shard] = pytest.StashKey()
# Whether there were cases, all of other shards.
_EMPTY = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose the runner."""
    group = parser.getgroup("harness", "step scripts")
    group.addoption(
        "--harness-runner",
        default="fake",
        metavar="NAME",
        help="runner for the cases of steps: fake (the default), sandbox or container",
    )
    group.addoption("--harness-image", metavar="NAME", help="image for the container runner")
    group.addoption(
        "--harness-isolation",
        metavar="worker|case",
        help="whether a container serves a worker for all of its cases (the default), or one case",
    )
    group.addoption(
        "--harness-shard",
        metavar="I/N",
        help="of the cases of steps only part I of the N that they fall into",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read which shard is meant; raises `UsageError`."""
    if (text := config.getoption("--harness-shard")) is not None:
        from harness.cases.shard import Shard
        from harness.errors import WrongUse

        try:
            config.stash[_SHARD] = Shard.parse(text)
        except WrongUse as error:
            raise pytest.UsageError(f"--harness-shard: {error.what}; {error.hint}") from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases of other shards, once everything else has been left out."""
    if (shard := config.stash.get(_SHARD, None)) is not None:
        mine: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in items:
            elsewhere = isinstance(item, CaseItem) and not shard.holds(item.name)
            (others if elsewhere else mine).append(item)
        items[:] = mine
        config.hook.pytest_deselected(items=others)
        config.stash[_EMPTY] = bool(others) and not items


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let a shard pass that no case has fallen into."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(_EMPTY, False):
        session.exitstatus = pytest.ExitCode.OK


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the cases of a suite that lies beside a contract."""
    if not _is_suite(file_path):
        return None
    return StepFile.from_parent(parent, path=file_path)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """Keep pytest from importing a suite as a module of tests, too."""
    return _NoTests.from_parent(parent, path=module_path) if _is_suite(module_path) else None


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show how two trees differ, path by path."""
    if op != "==" or type(left).__name__ != "Tree" or type(left) is not type(right):
        return None
    from harness.worlds.tree import Tree, changes

    assert isinstance(left, Tree)
    assert isinstance(right, Tree)
    return ["the trees differ:", *changes(right, left)]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the runner clean up."""
    if (runner := config.stash.get(_RUNNER, None)) is not None:
        runner.close()


def _is_suite(path: Path) -> bool:
    return path.name == "conformance.py" and path.with_name("contract.yaml").is_file()


def _runner(config: pytest.Config) -> Runner:
    """The runner that the options name, made ready once in each process."""
    from harness.runners.registry import open_runner

    if _RUNNER not in config.stash:
        options = ("runner", "image", "isolation")
        runner = open_runner(*(config.getoption(f"--harness-{one}") for one in options))
        runner.prepare()
        config.stash[_RUNNER] = runner
    return config.stash[_RUNNER]


class _NoTests(pytest.Module):
    def collect(self) -> Iterable[pytest.Item]:
        return ()


class StepFile(pytest.File):
    """A step's suite: a collector of its cases."""

    def collect(self) -> Iterator[CaseItem]:
        """One item per case, in the order of the matrix."""
        from harness.errors import HarnessError
        from harness.runs.step import StepRef, load

        ref = StepRef(self.path.parent)
        try:
            matrix = load(ref).matrix
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for case_id in matrix.ids:
            yield CaseItem.from_parent(self, name=case_id, ref=ref)
        for case_id, reason in matrix.unproven.items():
            item = CaseItem.from_parent(self, name=case_id, ref=ref)
            item.add_marker(pytest.mark.skip(reason=f"not proven: {reason}"))
            yield item


class _Broken(AssertionError):
    """A case with findings."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{len(result.findings)} findings")
        self.result = result


class CaseItem(pytest.Item):
    """One case of a step."""

    def __init__(self, *, ref: StepRef, **names: Any) -> None:
        """Keep where the step is."""
        super().__init__(**names)
        self._ref = ref
        self.extra_keyword_matches.update(self.name.replace("=", ":").split(","))

    def runtest(self) -> None:
        """Run the case and judge it."""
        from harness.runs.step import prove

        result = prove(self._ref, _runner(self.config), self.name)
        if not result.passed:
            raise _Broken(result)
        for finding in result.findings:
            self.warn(pytest.PytestWarning(f"{finding.promise}: {finding.key}: {finding.where}"))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        """The findings, the end of standard error, and a command that replays the case."""
        from harness.errors import HarnessError

        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        if not isinstance(excinfo.value, _Broken):
            return super().repr_failure(excinfo, style)
        return self._describe_error(excinfo.value.result)

    def _describe_error(self, result: Result) -> str:
        lines = [f"case {self.name}"]
        for finding in result.findings:
            lines += [
                f"{finding.severity}: {finding.promise}: {finding.key}"
                + (f": {finding.where}" * bool(finding.where)),
                f"  expected {finding.expected}",
                f"  got      {finding.got}",
            ]
        lines += ["standard error:", *(f"  {line}" for line in result.stderr_tail.splitlines())]
        words = ["harness", "replay", os.path.relpath(self.path.parent), self.name]
        for option in ("runner", "image", "isolation"):
            value = self.config.getoption(f"--harness-{option}")
            if value not in (None, "fake"):
                words += [f"--{option}", value]
        return "\n".join([*lines, shlex.join(words)])

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says that the test is."""
        return self.path, None, self.name


@pytest.fixture
def opt_ml() -> Tree:
    """The world that a processing job finds: a tree to build on with `.with_channel(...)`.

    For another job there is `Tree.for_job`.
    """
    from harness.worlds.jobs import PROCESSING
    from harness.worlds.tree import Tree

    return Tree.for_job(PROCESSING)


@pytest.fixture
def run_step(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """A function that runs a script in a tree: `run_step(script, tree, **fields)` → `Outcome`.

    `script` is a path on this machine, which is put at /opt/ml/code under its own name; `fields`
    are those of `harness.cases.case.Case`, such as `arguments`, `variables`, `cwd`, `timeout`.
    """

    def run(script: str | Path, tree: Tree, **fields: Any) -> Outcome:
        source = Path(script)
        world = tree.with_code({source.name: source.read_bytes()})
        case: Case = replace(
            _case(request.node.name, world, f"/opt/ml/code/{source.name}"), **fields
        )
        return _runner(request.config).run(case)

    return run


def _case(name: str, tree: Tree, script: str) -> Case:
    from harness.cases.case import Case

    return Case(id=name, tree=tree, script=script)
