"""`harness explain`: the meaning of a promise, or of a code of the linter."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("name", required=False, metavar="[PROMISE | CODE]")
def explain(name: str | None) -> None:
    """Say what a PROMISE, or a CODE of lint, means; without one, what each does."""
    from harness.errors import WrongUse
    from harness.lint.problem import CODES, describe_code
    from harness.promises.all import PROMISES

    promises = {promise.name: promise for promise in PROMISES}
    if name is None:
        for promise in PROMISES:
            click.echo(f"{promise.name:24} {promise.sentence}")
        for code, description in CODES.items():
            click.echo(f"{code:24} {description.meaning}")
    elif (code_text := describe_code(name)) is not None:
        click.echo(code_text)
    elif name in promises:
        click.echo(promises[name].explain())
    else:
        names = ", ".join((*promises, *CODES))
        raise WrongUse(f"there is no promise or code {name!r}", f"they are: {names}")
