"""`harness explain`: what a promise means, or a code of the linter."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("name", required=False, metavar="[PROMISE | CODE]")
def explain(name: str | None) -> None:
    """Say what a PROMISE, or a CODE of lint, means; without one, what each does."""
    from harness.errors import WrongUse
    from harness.lint.problem import CODES, explained
    from harness.promises.all import PROMISES

    known = {promise.name: promise for promise in PROMISES}
    if name is None:
        for promise in PROMISES:
            click.echo(f"{promise.name:24} {promise.sentence}")
        for code, known_code in CODES.items():
            click.echo(f"{code:24} {known_code.meaning}")
    elif (of_code := explained(name)) is not None:
        click.echo(of_code)
    elif name in known:
        click.echo(known[name].explained())
    else:
        names = ", ".join((*known, *CODES))
        raise WrongUse(f"there is no promise or code {name!r}", f"they are: {names}")
