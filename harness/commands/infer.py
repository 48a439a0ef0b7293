"""`harness infer`: draft the contract of a script from the script."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("script", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the contract and the samples go; beside the script or package by default.",
)
@click.option(
    "--run",
    "runs",
    is_flag=True,
    help="Run the script once on the samples that are there, and say how it ends.",
)
def infer(script: Path, folder: Path | None, runs: bool) -> None:
    """Draft the contract of SCRIPT, and the folders of its samples, without running it.

    SCRIPT may be the folder of a package that `python -m` runs. What the script does not tell is
    marked with `# check:`. What is there already stays.
    """
    from harness.drafts import write
    from harness.drafts.draft import draft
    from harness.drafts.program import program_at

    program = program_at(script)
    facts = program.facts()
    drafted = draft(facts, program.module)
    place = program.folder if folder is None else folder
    made, kept = write.write(drafted, place)
    for path in made:
        click.echo(path)
    for path in kept:
        click.echo(f"{path} is there already, and stays as it is")
    if not facts.complete:
        click.echo("warning: the script is too long to be read as a whole", err=True)
    for line in write.to_fill_in(drafted, place):
        click.echo(f"fill in: {line}")
    is_beside = place.resolve() == program.folder.resolve()
    beside = "" if is_beside else f" --code {program.folder}"
    if runs:
        from harness.commands.trial_run import trial_run

        trial_run(place, program.folder, adds=place / write.CONTRACT in made)
    click.echo(f"next: harness check {place}{beside}")
