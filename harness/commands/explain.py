"""`harness explain`: the meaning of a promise, a level, or a code of the linter."""

from __future__ import annotations

import difflib

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("name", required=False, metavar="[PROMISE | LEVEL | CODE]")
def explain(name: str | None) -> None:
    """Say what a PROMISE, a LEVEL or a CODE of lint means; without one, what each does."""
    from harness.errors import WrongUse
    from harness.lint.codes import CODES, describe_code
    from harness.promises import levels
    from harness.promises.all import PROMISES

    promises = {promise.name: promise for promise in PROMISES}
    if name is None:
        for promise in PROMISES:
            click.echo(f"{promise.name:24} {promise.sentence}")
        for code, description in CODES.items():
            click.echo(f"{code:24} {description.meaning}")
    elif (code_text := describe_code(name)) is not None:
        click.echo(code_text)
    elif name in levels.LEVELS:
        click.echo(levels.explain(name))
    elif name in promises:
        click.echo(promises[name].explain())
    else:
        names = (*promises, *levels.LEVELS, *CODES)
        nearest = difflib.get_close_matches(name, names, n=1)
        raise WrongUse(
            f"there is no promise, level or code {name!r}",
            f"the nearest is {nearest[0]}" if nearest else f"they are: {', '.join(names)}",
        )
