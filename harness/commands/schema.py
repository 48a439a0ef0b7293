"""`harness schema`: the JSON Schema of contracts, for editors."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
def schema() -> None:
    """Print the JSON Schema of a contract.yaml, for editors."""
    import json

    from harness.loaders.own import schema as of_contract

    click.echo(json.dumps(of_contract(), indent=2))
