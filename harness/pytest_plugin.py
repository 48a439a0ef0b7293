"""The pytest plugin: one test per case of a step, and fixtures for tests written by hand.

`pytest STEP/conformance.py` collects every case of the step under its stable id, so that `-k`,
`-x`, `--lf`, `-n auto` and JUnit work as usual. Since pytest's `-k` does not accept `=`, a choice
is written `axis:choice` there. The harness is imported only when a suite is collected, so that the
plugin costs nothing in other projects.
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
    from harness.runs.choice import Choice, RunnerOptions
    from harness.runs.step import StepRef
    from harness.worlds.tree import Tree

_RUNNER_KEY = pytest.StashKey["Runner"]()
# The runners that have been prepared, and that of each step.
_RUNNERS_KEY: pytest.StashKey[set[Runner]] = pytest.StashKey()
_CHOICES_KEY: pytest.StashKey[dict[StepRef, Choice]] = pytest.StashKey()
_STARTED_KEY: pytest.StashKey[set[StepRef]] = pytest.StashKey()
# The lines that say why a step has gone on with another runner.
_CHANGES_KEY: pytest.StashKey[list[str]] = pytest.StashKey()
_SHARD_KEY: pytest.StashKey[Shard] = pytest.StashKey()
# Whether all collected tests were cases of other shards.
_EMPTY_SHARD_KEY = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for the runner, the level and the shard."""
    group = parser.getgroup("harness", "step scripts")
    group.addoption(
        "--harness-runner",
        metavar="NAME",
        help="runner for the cases of steps: fake, sandbox or container; "
        "by default one that can judge the script",
    )
    group.addoption("--harness-image", metavar="NAME", help="image for the container runner")
    group.addoption(
        "--harness-isolation",
        metavar="worker|case",
        help="whether a container serves a worker for all of its cases (the default), or one case",
    )
    group.addoption(
        "--harness-start",
        choices=("auto", "warm", "cold"),
        default="auto",
        help="whether cases in sandboxes and containers are forked from a process that has the "
        "script's imports loaded (warm), or start an interpreter each (cold); auto does the first "
        "where there are many",
    )
    group.addoption(
        "--harness-level",
        choices=("strict", "practical"),
        help="how strictly to judge, whatever the contracts say",
    )
    group.addoption(
        "--harness-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long a case of a step may take, whatever its contract says",
    )
    group.addoption(
        "--harness-shard",
        metavar="I/N",
        help="of the cases of steps only part I of the N that they fall into",
    )


def _seconds(text: str) -> float:
    """A number of seconds above 0; raises `ValueError`, which pytest shows."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds


def pytest_configure(config: pytest.Config) -> None:
    """Parse `--harness-shard`; raises `UsageError`."""
    config.stash[_RUNNERS_KEY] = set()
    config.stash[_CHOICES_KEY] = {}
    config.stash[_CHANGES_KEY] = []
    config.stash[_STARTED_KEY] = set()
    if (text := config.getoption("--harness-shard")) is not None:
        from harness.cases.shard import Shard
        from harness.errors import WrongUse

        try:
            config.stash[_SHARD_KEY] = Shard.parse(text)
        except WrongUse as error:
            raise pytest.UsageError(f"--harness-shard: {error.what}; {error.hint}") from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases of other shards, after all other selection."""
    if (shard := config.stash.get(_SHARD_KEY, None)) is not None:
        selected: list[pytest.Item] = []
        deselected: list[pytest.Item] = []
        for item in items:
            is_other = isinstance(item, CaseItem) and not shard.contains(item.name)
            (deselected if is_other else selected).append(item)
        items[:] = selected
        config.hook.pytest_deselected(items=deselected)
        config.stash[_EMPTY_SHARD_KEY] = bool(deselected) and not items


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let a shard without cases pass."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(
        _EMPTY_SHARD_KEY, False
    ):
        session.exitstatus = pytest.ExitCode.OK


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the cases of a suite, a `conformance.py` beside a `contract.yaml`."""
    if not _is_suite(file_path):
        return None
    return StepFile.from_parent(parent, path=file_path)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """Prevent pytest from importing a suite as a test module as well."""
    return _EmptyModule.from_parent(parent, path=module_path) if _is_suite(module_path) else None


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show the differences of two trees, path by path."""
    if op != "==" or type(left).__name__ != "Tree" or type(left) is not type(right):
        return None
    from harness.worlds.tree import Tree, changes

    assert isinstance(left, Tree)
    assert isinstance(right, Tree)
    return ["the trees differ:", *changes(right, left)]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the runners."""
    for runner in config.stash.get(_RUNNERS_KEY, ()):
        runner.close()


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """The lines that say why a step has another runner than the usual one."""
    return [one.note for one in config.stash[_CHOICES_KEY].values() if one.note]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say once which steps have gone on with another runner."""
    for line in config.stash[_CHANGES_KEY]:
        terminalreporter.write_line(line)


def _is_suite(path: Path) -> bool:
    return path.name == "conformance.py" and path.with_name("contract.yaml").is_file()


def _runner_options(config: pytest.Config) -> RunnerOptions:
    from harness.runs.choice import RunnerOptions

    options = ("runner", "image", "isolation", "start")
    return RunnerOptions(*(config.getoption(f"--harness-{one}") for one in options))


def _prepared(config: pytest.Config, runner: Runner) -> Runner:
    """The runner, prepared once in each process."""
    runners = config.stash[_RUNNERS_KEY]
    if runner not in runners:
        runner.prepare()
        runners.add(runner)
    return runner


def _runner_of_fixtures(config: pytest.Config) -> Runner:
    """The runner that the options name, the same for all tests."""
    from harness.runners.registry import open_runner

    if _RUNNER_KEY not in config.stash:
        asked = _runner_options(config)
        config.stash[_RUNNER_KEY] = open_runner(asked.name or "fake", asked.image, asked.isolation)
    return config.stash[_RUNNER_KEY]


class _EmptyModule(pytest.Module):
    def collect(self) -> Iterable[pytest.Item]:
        return ()


class StepFile(pytest.File):
    """A step's suite, which collects its cases."""

    def collect(self) -> Iterator[CaseItem]:
        """One item per case in the order of the matrix, then a skipped one per unproven case."""
        from harness.errors import HarnessError
        from harness.files.settings import settings
        from harness.runs.choice import choose
        from harness.runs.step import StepRef, load

        try:
            ref = StepRef(
                self.path.parent,
                level=self.config.getoption("--harness-level"),
                default_level=settings(self.config.rootpath).level,
                timeout=self.config.getoption("--harness-timeout"),
            )
            matrix = load(ref).matrix
            self.config.stash[_CHOICES_KEY][ref] = choose(ref, _runner_options(self.config))
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for case_id in matrix.ids:
            yield CaseItem.from_parent(self, name=case_id, ref=ref)
        for case_id, reason in matrix.unproven.items():
            item = CaseItem.from_parent(self, name=case_id, ref=ref)
            item.add_marker(pytest.mark.skip(reason=f"not proven: {reason}"))
            yield item


class _CaseFailed(AssertionError):
    """A case has findings that are errors."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{len(result.findings)} findings")
        self.result = result


class CaseItem(pytest.Item):
    """One case of a step."""

    def __init__(self, *, ref: StepRef, **names: Any) -> None:
        """Store the step, and add `axis:choice` keywords for `-k`."""
        super().__init__(**names)
        self._ref = ref
        self.extra_keyword_matches.update(self.name.replace("=", ":").split(","))

    def runtest(self) -> None:
        """Run the case and judge it."""
        from harness.errors import RunnerCannot

        choices = self.config.stash[_CHOICES_KEY]
        choice = self._started_choice()
        try:
            result = self._prove(choice)
        except RunnerCannot as refusal:
            choices[self._ref] = choice = choice.after(refusal)
            self.config.stash[_CHANGES_KEY].append(choice.note)
            result = self._prove(choice)
        if result.unproven and not result.failed:
            pytest.skip(f"not proven: {result.unproven}")
        if result.failed:
            raise _CaseFailed(result)
        for finding in result.findings:
            self.warn(pytest.PytestWarning(f"{finding.promise}: {finding.key}: {finding.where}"))

    def _started_choice(self) -> Choice:
        """The choice for this step, which starts warm if that is possible."""
        from harness.runs.warm_start import warm_start

        choices = self.config.stash[_CHOICES_KEY]
        started = self.config.stash[_STARTED_KEY]
        if self._ref not in started:
            started.add(self._ref)
            cases = sum(getattr(item, "_ref", None) == self._ref for item in self.session.items)
            choices[self._ref], note = warm_start(choices[self._ref], cases)
            self.config.stash[_CHANGES_KEY] += [note] if note else []
        return choices[self._ref]

    def _prove(self, choice: Choice) -> Result:
        from harness.runs.step import prove

        return prove(self._ref, _prepared(self.config, choice.runner), self.name)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        """The findings, the end of standard error, and a command that replays the case."""
        from harness.errors import HarnessError

        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        if not isinstance(excinfo.value, _CaseFailed):
            return super().repr_failure(excinfo, style)
        return self._describe_failure(excinfo.value.result)

    def _describe_failure(self, result: Result) -> str:
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
        runner = self.config.stash[_CHOICES_KEY][self._ref].runner.name
        words += ["--runner", runner] if runner != "fake" else []
        start = self.config.getoption("--harness-start")
        words += ["--start", start] if start != "auto" else []
        for option in ("image", "isolation", "level", "timeout"):
            if value := self.config.getoption(f"--harness-{option}"):
                words += [f"--{option}", str(value)]
        return "\n".join([*lines, shlex.join(words)])

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location and the name that pytest shows."""
        return self.path, None, self.name


@pytest.fixture
def opt_ml() -> Tree:
    """The tree of a processing job without channels; extend it with `.with_channel(...)`.

    For another type of job there is `Tree.for_job`.
    """
    from harness.worlds.jobs import PROCESSING
    from harness.worlds.tree import Tree

    return Tree.for_job(PROCESSING)


@pytest.fixture
def run_step(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """A function that runs a script in a tree: `run_step(script, tree, **fields)` → `Outcome`.

    `script` is a path on this machine, which is copied to /opt/ml/code under its own name; `fields`
    are fields of `harness.cases.case.Case`, such as `arguments`, `variables`, `cwd`, `timeout`. The
    hyperparameters of a training job's tree are arguments, unless there are others.
    """

    def run(script: str | Path, tree: Tree, **fields: Any) -> Outcome:
        source = Path(script)
        world = tree.with_code({source.name: source.read_bytes()})
        # Those that the job makes of its hyperparameters.
        arguments = world.job.arguments(world.request) if world.job else ()
        case: Case = replace(
            _case(request.node.name, world, f"/opt/ml/code/{source.name}"),
            **{"arguments": arguments, **fields},
        )
        return _prepared(request.config, _runner_of_fixtures(request.config)).run(case)

    return run


def _case(name: str, tree: Tree, script: str) -> Case:
    from harness.cases.case import Case

    return Case(id=name, tree=tree, script=script)
