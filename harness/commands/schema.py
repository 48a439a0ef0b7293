"""`harness schema`: the JSON Schema of contracts, for editors."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
def schema() -> None:
    """Print the JSON Schema of a contract.yaml, for editors."""
    import json

    from harness.contracts import contract_yaml
    from harness.promises.all import PROMISE_NAMES

    click.echo(json.dumps(contract_yaml.schema(PROMISE_NAMES), indent=2))
