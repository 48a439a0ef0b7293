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
    help="Where the contract and the samples go; beside the script by default.",
)
@click.option(
    "--run",
    "runs",
    is_flag=True,
    help="Run the script once on the samples that are there, and say how it ends.",
)
def infer(script: Path, folder: Path | None, runs: bool) -> None:
    """Draft the contract of SCRIPT, and the folders of its samples, without running it.

    What the script does not tell is marked with `# check:`. What is there already stays.
    """
    from harness.cases.code_beside import imported_modules
    from harness.contracts.loaders import read_script
    from harness.drafts import write
    from harness.drafts.draft import draft
    from harness.errors import WrongUse
    from harness.reading.reader import read
    from harness.reading.source import NotPython, TooNew

    source = read_script(script)
    try:
        facts = read(script, source, imported_modules(script.parent, source))
    except (NotPython, TooNew) as error:
        raise WrongUse(f"{script}: {error}", "name a Python script") from None
    drafted = draft(facts)
    place = script.parent if folder is None else folder
    made, kept = write.write(drafted, place)
    for path in made:
        click.echo(path)
    for path in kept:
        click.echo(f"{path} is there already, and stays as it is")
    if not facts.complete:
        click.echo("warning: the script is too long to be read as a whole", err=True)
    for line in write.to_fill_in(drafted, place):
        click.echo(f"fill in: {line}")
    beside = "" if place.resolve() == script.parent.resolve() else f" --code {script.parent}"
    if runs:
        from harness.commands.trial_run import trial_run

        trial_run(place, script.parent, adds=place / write.CONTRACT in made)
    click.echo(f"next: harness check {place}{beside}")
