"""Real containers: tests that need them are skipped where there is no engine, or fail if they must.

With `HARNESS_REQUIRE_DOCKER=1` nothing may be skipped: a test that would be fails instead.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from harness.errors import RunnerUnavailable
from harness.pytest_plugin import CaseItem
from harness.runners.fake.fork_server import start_template
from harness.runners.real.container import ContainerRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.registry import open_runner
from harness.runs import workers

SUITE = Path(__file__).parents[1] / "dummy_training" / "conformance.py"
NEEDS_ENGINE = ("integration", "smoke")
_MAY_MOUNT = 21
REQUIRED = os.environ.get("HARNESS_REQUIRE_DOCKER") == "1"
# A browser is large, and no other test needs one.
collect_ignore = [] if REQUIRED or shutil.which("chromium") else ["unit/test_browser.py"]
# What changes how programs speak, and so what tests read of them; some systems set it everywhere.
_MANNERS = (
    *("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "PYTEST_ADDOPTS"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR", "CLICOLOR_FORCE"),
    *("PYTHONWARNINGS", "PYTHONUTF8", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
    *("VIRTUAL_ENV", "CONDA_PREFIX"),
)
for _name in _MANNERS:
    os.environ.pop(_name, None)
# A shell lets its jobs in the background ignore Ctrl-C, and these the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine makes no example a wrong one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Before this process holds all tests.
start_template()


def pytest_collection_finish() -> None:
    """Leave all that was collected out of the search for garbage.

    Else each process that is forked from this one would search it, and so copy all of its memory.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent.name in NEEDS_ENGINE and isinstance(item, pytest.Function):
            item.fixturenames.insert(0, "engine")
    if REQUIRED:
        _deselect_proved(config, items)
    _begin_with_long(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _begin_with_long(items: list[pytest.Item], workers: int) -> None:
    """Begin the share of each worker with its part of the tests that take longest.

    Else some would be left when all others have ended. Shares are as `--dist worksteal` has them.
    """
    long = [one for one in items if one.get_closest_marker("long")]
    others = iter([one for one in items if one not in long])
    ordered: list[pytest.Item] = []
    for number in range(workers):
        share = (len(items) - len(ordered)) // (workers - number)
        own = long[number::workers]
        ordered += [*own, *islice(others, max(0, share - len(own)))]
    items[:] = [*ordered, *others]


def _deselect_proved(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases of dummy_training that another selected test proves, and cannot skip."""
    shards = [mark.args[0] for item in items for mark in item.iter_markers("proves")]

    def is_proved(item: pytest.Item) -> bool:
        is_case = isinstance(item, CaseItem) and item.path == SUITE
        return is_case and any(shard.contains(item.name) for shard in shards)

    proved = [item for item in items if is_proved(item)]
    items[:] = [item for item in items if not is_proved(item)]
    config.hook.pytest_deselected(items=proved)


@pytest.fixture(scope="session", autouse=True)
def _one_worker_each() -> Iterator[None]:
    """Let commands in this process start one worker unless they are told: tests run side by side.

    Each worker runs the usual case anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "default_jobs", lambda: 1)
        yield


@pytest.fixture(scope="session")
def engine() -> str:
    """The image to run containers of, once an engine answers that has it."""
    runner = open_runner("container")
    assert isinstance(runner, ContainerRunner)
    try:
        runner.prepare()
    except RunnerUnavailable as error:
        pytest.skip(str(error))
    return runner.image


@pytest.fixture(scope="session")
def sandbox() -> SandboxRunner:
    """A sandbox runner, where the system lets us make sandboxes."""
    runner = SandboxRunner()
    try:
        runner.prepare()
    except RunnerUnavailable as error:
        pytest.skip(str(error))
    return runner


@pytest.fixture(scope="session")
def roots_sandbox(sandbox: SandboxRunner) -> SandboxRunner:
    """A sandbox runner whose sandboxes have several users, and devices of their own."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    if os.geteuid() != 0 or not effective >> _MAY_MOUNT & 1:
        pytest.skip(
            "it needs root with the right to mount (CAP_SYS_ADMIN): in the sandboxes of anybody "
            "else there is one user, and the devices are this machine's"
        )
    return sandbox


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    report: pytest.TestReport = yield
    if REQUIRED and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which HARNESS_REQUIRE_DOCKER=1 forbids: {report.longrepr}"
    return report
