"""The runners of a session: what the options ask for, prepared once in each process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.runners import Runner
    from harness.runs.choice import Choice, RunnerOptions
    from harness.runs.step import StepRef

# The runner of each step, and the steps that have been started.
CHOICES: pytest.StashKey[dict[StepRef, Choice]] = pytest.StashKey()
STARTED: pytest.StashKey[set[StepRef]] = pytest.StashKey()
# The lines that say why a step has gone on with another runner.
CHANGES: pytest.StashKey[list[str]] = pytest.StashKey()
_OF_FIXTURES = pytest.StashKey["Runner"]()
_PREPARED: pytest.StashKey[set[Runner]] = pytest.StashKey()


def begin(config: pytest.Config) -> None:
    """Begin a session, without any runner yet."""
    config.stash[_PREPARED] = set()
    config.stash[CHOICES] = {}
    config.stash[CHANGES] = []
    config.stash[STARTED] = set()


def runner_options(config: pytest.Config) -> RunnerOptions:
    """What the options and the settings ask for."""
    from harness.files.settings import settings
    from harness.runs.choice import RunnerOptions

    project = settings(config.rootpath)
    name, image, isolation, start = (
        config.getoption(f"--harness-{one}") for one in ("runner", "image", "isolation", "start")
    )
    return RunnerOptions(name or project.runner, image or project.image, isolation, start)


def prepared(config: pytest.Config, runner: Runner) -> Runner:
    """The runner, prepared once in each process."""
    runners = config.stash[_PREPARED]
    if runner not in runners:
        runner.prepare()
        runners.add(runner)
    return runner


def runner_of_fixtures(config: pytest.Config) -> Runner:
    """The runner that the options name, the same for all tests."""
    from harness.runners.registry import open_runner

    if _OF_FIXTURES not in config.stash:
        asked = runner_options(config)
        config.stash[_OF_FIXTURES] = open_runner(asked.name or "fake", asked.image, asked.isolation)
    return config.stash[_OF_FIXTURES]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the runners, and forget what files have held: pytest may run here once more."""
    for runner in config.stash.get(_PREPARED, ()):
        runner.close()
    if (steps := sys.modules.get("harness.runs.step")) is not None:
        steps.forget()


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """The lines that say why a step has another runner than the usual one."""
    return [one.note for one in config.stash[CHOICES].values() if one.note]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say once which steps have gone on with another runner."""
    for line in config.stash[CHANGES]:
        terminalreporter.write_line(line)
