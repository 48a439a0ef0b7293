"""The pytest plugin: one test per case of a step, and fixtures for tests written by hand.

A step is collected from its suite (`pytest STEP/conformance.py`), or from its contract where the
suite is derived. Each case is a test under its stable id, so that `-k`, `-x`, `--lf`, `-n auto` and
JUnit work as usual. Since pytest's `-k` does not accept `=`, a choice is written `axis:choice`
there. The harness is imported only when a step is collected, so that the plugin costs nothing in
other projects.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import (
    ReprEntryNative,
    ReprExceptionInfo,
    ReprFileLocation,
    ReprTraceback,
)

if TYPE_CHECKING:
    from harness.cases.case import Case, Outcome, Result
    from harness.cases.shard import Shard
    from harness.contracts.loaders import Source
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
        "--harness-faults",
        action="store_true",
        help="also fail each file operation of the usual case of a step once, and kill the script "
        "before each",
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
    """Check the options, and register the marker; raises `UsageError`."""
    config.addinivalue_line(
        "markers",
        "harness(step, level, job, circumstance): a case of a step; with what it is tried",
    )
    _check_runner(config)
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


def _check_runner(config: pytest.Config) -> None:
    """Raise `UsageError` where the options name a runner or an isolation that there is not."""
    name, isolation = (config.getoption(f"--harness-{one}") for one in ("runner", "isolation"))
    if name is None and isolation is None:
        return
    from harness.errors import WrongUse
    from harness.runners.registry import open_runner

    try:
        open_runner(name or "fake", config.getoption("--harness-image"), isolation).close()
    except WrongUse as error:
        raise pytest.UsageError(f"{error.what}; {error.hint}") from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases of other shards, after all other selection."""
    if (shard := config.stash.get(_SHARD_KEY, None)) is not None:
        selected: list[pytest.Item] = []
        deselected: list[pytest.Item] = []
        for item in items:
            is_other = isinstance(item, CaseItem) and not shard.contains(item.case_id)
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
    """Collect the cases of a suite, or of a contract whose suite is derived."""
    if _contract_of(file_path) is None:
        return None
    return StepFile.from_parent(parent, path=file_path)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """Prevent pytest from importing a suite as a test module as well."""
    is_step = _contract_of(module_path) is not None
    return _EmptyModule.from_parent(parent, path=module_path) if is_step else None


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


_CONTRACT, _SUITE = "contract.yaml", "conformance.py"
_FORMS = (".step.yaml", ".pipeline.json")


def _contract_of(path: Path) -> Path | None:
    """The contract whose cases a file stands for: its suite, else the contract itself.

    None for any other file. This is asked for each file that pytest sees, and reads none.
    """
    if path.name == _SUITE:
        contract = path.with_name(_CONTRACT)
        return contract if contract.is_file() else None
    if path.name == _CONTRACT:
        return None if path.with_name(_SUITE).is_file() else path
    return path if path.name.endswith(_FORMS) else None


def _runner_options(config: pytest.Config) -> RunnerOptions:
    from harness.files.settings import settings
    from harness.runs.choice import RunnerOptions

    project = settings(config.rootpath)
    name, image, isolation, start = (
        config.getoption(f"--harness-{one}") for one in ("runner", "image", "isolation", "start")
    )
    return RunnerOptions(name or project.runner, image or project.image, isolation, start)


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
    """A step's suite or contract, which collects its cases."""

    def collect(self) -> Iterator[CaseItem]:
        """One item per case in the order of the matrix, then a skipped one per unproven case.

        Of a file with several steps the name of each item begins with that of its step.
        """
        from harness.contracts import loaders
        from harness.errors import HarnessError

        contract = _contract_of(self.path)
        assert contract is not None
        try:
            sources = [one for one in loaders.find_steps(contract) if not one.unfit]
            for source in sources:
                if source.error is not None:
                    raise source.error
                yield from self._items(source, f"{source.step}:" if len(sources) > 1 else "")
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        except ImportError as error:
            raise self.CollectError(
                f"{error}\na file of yours may hide a package of that name: "
                "rename it, or run `pytest` in place of `python -m pytest`"
            ) from None

    def _items(self, source: Source, prefix: str) -> Iterator[CaseItem]:
        from harness.files.settings import settings
        from harness.runs.choice import choose
        from harness.runs.faults import Faults, find_faults_with
        from harness.runs.step import StepRef, load

        ref = StepRef(
            self.path.parent if self.path.name == _SUITE else source.path,
            step=source.step,
            level=self.config.getoption("--harness-level"),
            default_level=settings(self.config.rootpath).level,
            timeout=self.config.getoption("--harness-timeout"),
        )
        step = load(ref)
        choice = choose(ref, _runner_options(self.config))
        faults = Faults()
        if self.config.getoption("--harness-faults"):
            choice, faults = find_faults_with(choice)
        self.config.stash[_CHOICES_KEY][ref] = choice
        unproven = {**step.matrix.unproven, **faults.unproven}
        job = step.matrix.start.tree.job
        lines = _lines_of_cases(self.path)
        for case_id in (*step.matrix.ids, *faults.ids, *unproven):
            item = CaseItem.from_parent(
                self, name=f"{prefix}{case_id}", ref=ref, case_id=case_id, line=lines(case_id)
            )
            choices = dict(one.partition("=")[::2] for one in case_id.split(","))
            item.add_marker(
                pytest.mark.harness(
                    step=step.contract.name,
                    level=step.level,
                    job=choices.get("job", job.name if job else None),
                    circumstance=choices.get("circumstance"),
                )
            )
            if reason := unproven.get(case_id):
                item.add_marker(pytest.mark.skip(reason=f"not proven: {reason}"))
            yield item


def _lines_of_cases(path: Path) -> Callable[[str], int]:
    """The line of a file, from 0, that says most of a case, by the case's id.

    In a suite it is that of a special case's name, else that of what cases must do.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()

    def first(*texts: str) -> int:
        return next((at for at, line in enumerate(lines) if any(one in line for one in texts)), 0)

    usual = first("def expect(", "def suite(") if path.suffix == ".py" else 0

    def line_of(case_id: str) -> int:
        axis, _, name = case_id.partition("=")
        return first(f'"{name}"', f"'{name}'") or usual if axis == "special" else usual

    return line_of


class _CaseFailed(AssertionError):
    """A case has findings that are errors."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{len(result.findings)} findings")
        self.result = result


class CaseItem(pytest.Item):
    """One case of a step."""

    def __init__(self, *, ref: StepRef, case_id: str, line: int = 0, **names: Any) -> None:
        """Store the step, the case and its line, and add `axis:choice` keywords for `-k`."""
        super().__init__(**names)
        self.case_id = case_id
        self._ref = ref
        self._line = line
        self.extra_keyword_matches.update(case_id.replace("=", ":").split(","))

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

        return prove(self._ref, _prepared(self.config, choice.runner), self.case_id)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        """The findings, the end of standard error, and a command that replays the case."""
        from harness.errors import HarnessError

        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        if not isinstance(excinfo.value, _CaseFailed):
            return super().repr_failure(excinfo, style)
        result = excinfo.value.result
        text = self._describe_failure(result)
        # The summary line of pytest shows the message, and editors jump to the place.
        first = next(one for one in result.findings if one.severity == "error")
        message = f"{first.promise}: {first.key}" + f": {first.where}" * bool(first.where)
        return ReprExceptionInfo(
            ReprTraceback([ReprEntryNative([f"{text}\n"])], None, "native"),
            ReprFileLocation(str(self.path), self._line + 1, message),
        )

    def _describe_failure(self, result: Result) -> str:
        lines = [f"case {self.case_id}"]
        for finding in result.findings:
            lines += [
                f"{finding.severity}: {finding.promise}: {finding.key}"
                + (f": {finding.where}" * bool(finding.where)),
                f"  expected {finding.expected}",
                f"  got      {finding.got}",
            ]
        lines += ["standard error:", *(f"  {line}" for line in result.stderr_tail.splitlines())]
        words = ["harness", "replay", os.path.relpath(self._ref.path)]
        words += ["--step", self._ref.step] if self._ref.step else []
        words += [self.case_id]
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
        return self.path, self._line, self.name


def _refuse_fs(request: pytest.FixtureRequest) -> None:
    """Fail where another fake file system hides the files that a fixture of ours reads."""
    if "fs" in request.fixturenames:
        pytest.fail(
            f"{request.fixturename} and the fixture fs of pyfakefs cannot serve one test: with fs "
            "there are no real files. run_step has a fake file system of its own; leave fs out",
            pytrace=False,
        )


@pytest.fixture
def opt_ml(request: pytest.FixtureRequest) -> Tree:
    """The tree of a processing job without channels; extend it with `.with_channel(...)`.

    For another type of job there is `Tree.for_job`.
    """
    _refuse_fs(request)
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
    _refuse_fs(request)

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
