"""The options of the plugin, and the shard that they may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.pytest_parts import runners
from harness.pytest_parts.items import CaseItem

if TYPE_CHECKING:
    from harness.cases.shard import Shard

_SHARD: pytest.StashKey[Shard] = pytest.StashKey()
# Whether all collected tests were cases of other shards.
_EMPTY_SHARD = pytest.StashKey[bool]()


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
    runners.begin(config)
    if (text := config.getoption("--harness-shard")) is not None:
        from harness.cases.shard import Shard
        from harness.errors import WrongUse

        try:
            config.stash[_SHARD] = Shard.parse(text)
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
    if (shard := config.stash.get(_SHARD, None)) is not None:
        selected: list[pytest.Item] = []
        deselected: list[pytest.Item] = []
        for item in items:
            is_other = isinstance(item, CaseItem) and not shard.contains(item.case_id)
            (deselected if is_other else selected).append(item)
        items[:] = selected
        config.hook.pytest_deselected(items=deselected)
        config.stash[_EMPTY_SHARD] = bool(deselected) and not items


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let a shard without cases pass."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(
        _EMPTY_SHARD, False
    ):
        session.exitstatus = pytest.ExitCode.OK
