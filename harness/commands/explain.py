"""`harness explain`: what a promise means."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("name", required=False, metavar="[PROMISE]")
def explain(name: str | None) -> None:
    """Say what a PROMISE means; without one, what each does."""
    from harness.errors import WrongUse
    from harness.promises.all import PROMISES

    known = {promise.name: promise for promise in PROMISES}
    if name is None:
        for promise in PROMISES:
            click.echo(f"{promise.name:20} {promise.sentence}")
    elif name in known:
        click.echo(known[name].explained())
    else:
        raise WrongUse(f"there is no promise {name!r}", f"the promises are: {', '.join(known)}")
