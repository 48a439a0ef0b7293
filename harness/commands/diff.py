"""`harness diff`: say how the defects of two runs differ."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import Exit

if TYPE_CHECKING:
    from harness.report.compare import StepDefect


@click.command(
    epilog="Exit codes: 0 no new defect, 1 a new defect, 2 wrong use.",
)
@click.argument("old", type=click.Path(path_type=Path), metavar="OLD.json")
@click.argument("new", type=click.Path(path_type=Path), metavar="NEW.json")
def diff(old: Path, new: Path) -> None:
    """Compare the reports of two runs by the causes of their defects.

    The reports are those of `harness check --json`. A defect is the same when its cause is, on
    whatever line it stands. New warnings are shown, and do not change the exit code.
    """
    from harness.report.compare import compare
    from harness.runs.merge import merge_reports

    found = compare(merge_reports((old,)), merge_reports((new,)))
    for title, some in (
        ("new", found.new),
        ("fixed", found.fixed),
        ("still there", found.remaining),
    ):
        _print_defects(title, some)
    click.echo(
        f"{len(found.new)} new, {len(found.fixed)} fixed, {len(found.remaining)} still there"
    )
    sys.exit(Exit.FINDINGS if found.has_new_errors else Exit.CONFORMS)


def _print_defects(title: str, some: Sequence[StepDefect]) -> None:
    for one in some:
        head, count = one.defect.head, len(one.defect.cases)
        mark = "" if one.defect.is_error else "warning: "
        cases = f"in {count} case{'s' * (count != 1)}"
        click.echo(f"{title}: {one.step}: {mark}{head.promise}: {head.key} {cases}")
        click.echo(f"  {head.cause or head.where}")
