"""What the step and the harness cost, beside what they replace and beside the floor.

python -m tests.bench [step|harness] [--quick|--limits] [--runs N] [--only NAME] [--json FILE]
python -m tests.bench --markdown FILE
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import click
from pydantic import ValidationError
from rich.console import Console

from tests.bench import harness, step
from tests.bench.archives import ALL, LIMITS, QUICK, Archive
from tests.bench.markdown import markdown, read
from tests.bench.measure import CommandFailed

ARCHIVE_FOLDER = Path(__file__).parents[2] / ".cache" / "bench"
_errors = Console(stderr=True)


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.argument("part", type=click.Choice(["step", "harness"]), required=False)
@click.option("--quick", is_flag=True, help="Only small archives and few cases, once.")
@click.option("--limits", is_flag=True, help="The largest archives, beside the floor alone.")
@click.option("--only", default="", help="Only archives whose name holds this.")
@click.option("--runs", type=click.IntRange(min=1), help="How often everything is run.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="Write the numbers here.")
@click.option(
    "--markdown",
    "figures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing, and print as Markdown what --json has written to this file.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    default=ARCHIVE_FOLDER,
    help="The folder for the archives, which are made once.",
)
def main(
    part: str | None,
    quick: bool,
    limits: bool,
    only: str,
    runs: int | None,
    report: Path | None,
    figures: Path | None,
    keep: Path,
) -> None:
    """Measure, and print the tables."""
    if figures is not None:
        try:
            click.echo(markdown(read(figures)), nl=False)
        except ValidationError as error:
            raise click.UsageError(f"{figures} was not written by --json: {error}") from error
        return
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    report_data: dict[str, object] = {"machine": machine()}
    console.print(machine())
    try:
        if part != "harness":
            archives = LIMITS if limits else QUICK if quick else ALL
            selected = [one for one in archives if only in one.name]
            if not selected:
                raise click.UsageError(f"--only {only!r} selects none of the archives")
            report_data["step"] = _step(console, selected, runs, keep)
        if part != "step" and not limits:
            report_data["harness"] = _harness(console, quick, runs)
    except CommandFailed as error:
        raise click.ClickException(str(error)) from error
    if report is not None:
        report.write_text(json.dumps(report_data, indent=2) + "\n")


def _step(
    console: Console, archives: Sequence[Archive], runs: int | None, keep: Path
) -> dict[str, object]:
    rows = []
    for archive in archives:
        _log(archive.name)
        rows += step.measure_archive(archive, archive.make(keep), runs or archive.runs)
    console.print(step.table(rows))
    grown = step.growth(rows)
    _print_growth(console, grown)
    if not shutil.which("pigz"):
        console.print("tar | pigz: not measured, there is no pigz")
    return {"rows": [asdict(row) for row in rows], "growth": grown}


def _harness(console: Console, quick: bool, runs: int | None) -> dict[str, object]:
    rows = harness.measure_contenders(1 if quick else runs or 3, quick, _log)
    rows += [] if quick else harness.measure_imports(runs or 3, _log)
    rows += [] if quick else harness.measure_faults(_log)
    rows += harness.measure_axes(quick, _log)
    console.print(harness.table(rows))
    grown = {} if quick else harness.growth(rows, _log)
    _print_growth(console, grown)
    if reason := harness.no_sandbox():
        console.print(f"sandboxes: not measured, {reason}")
    if not harness.has_engine():
        console.print(f"containers: not measured, there is no engine that has {harness.IMAGE}")
    elif reason := harness.no_sdk():
        console.print(f"local mode: not measured, {reason}")
    return {"rows": [asdict(row) for row in rows], "growth": grown}


def _log(text: str) -> None:
    _errors.print(f"measuring {text} …", style="dim", highlight=False)


def _print_growth(console: Console, grown: Mapping[str, float]) -> None:
    if grown:
        console.print("time for 8 times the work:")
        for name, factor in grown.items():
            console.print(f"  {name}: {factor:.1f} times")


def machine() -> str:
    """The processors, the system and the versions that the numbers were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    return (
        f"{os.cpu_count()} processors {model}, "
        f"Python {platform.python_version()}, isal {version('isal')}"
    )


if __name__ == "__main__":
    main()
