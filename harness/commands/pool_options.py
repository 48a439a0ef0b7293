"""The options that say where the cases are run, and which part of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness.commands.options import Command, decorate

if TYPE_CHECKING:
    from harness.cases.shard import Shard
    from harness.runs.workers import Workers


def _jobs(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """The number of workers; None for `auto`."""
    if value in (None, "auto"):
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(
            f"{value!r} is no number of workers: give 1 or more, "
            "or auto for one per processor that this process may use"
        )
    return int(value)


@dataclass(frozen=True)
class PoolOptions:
    """The options of every command with workers: where cases are run."""

    jobs: int | None = None
    executor: str | None = None

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """The workers, connected within the context; raises `WrongUse` and `WorkersFailed`."""
        if self.executor is None:
            from harness.runs.workers import default_jobs

            yield self.jobs or default_jobs()
            return
        if self.jobs is not None:
            raise click.UsageError(
                "--jobs is for workers on this machine; those of --executor run as many cases at "
                "a time as they have threads (dask worker --nthreads N): leave one of the two out"
            )
        from harness.runs.workers.dask import connected

        with connected(self.executor) as executor:
            yield executor


_POOL_OPTIONS = (
    click.option(
        "--executor",
        metavar="ADDRESS",
        help="Run the cases on the workers of dask://HOST:PORT, instead of on this machine.",
    ),
    click.option(
        "--jobs",
        metavar="N|auto",
        callback=_jobs,
        help="Workers on this machine; auto, the default, is one per processor.",
    ),
)


def pool_options(command: Command) -> Command:
    """Add the options of `PoolOptions`, which the command gets as `pool`."""

    @functools.wraps(command)
    def with_pool_options(*, jobs: int | None, executor: str | None, **others: Any) -> Any:
        source = click.get_current_context().get_parameter_source("jobs")
        if executor is not None and source is ParameterSource.DEFAULT_MAP:
            # The project's jobs are for this machine.
            jobs = None
        return command(pool=PoolOptions(jobs, executor), **others)

    return decorate(with_pool_options, *_POOL_OPTIONS)


def _shard(_context: click.Context, _option: click.Parameter, value: str | None) -> Shard | None:
    from harness.cases.shard import Shard
    from harness.errors import WrongUse

    try:
        return None if value is None else Shard.parse(value)
    except WrongUse as error:
        raise click.BadParameter(f"{error.what}; {error.hint}") from None


shard_option = click.option(
    "--shard", callback=_shard, metavar="I/N", help="Only part I of the N that cases fall into."
)
