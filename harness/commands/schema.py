"""`harness schema`: the JSON Schema of contracts for editors, and the reference for people."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.option("--markdown", is_flag=True, help="Print every key and its meaning, for people.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of a contract.yaml, for editors."""
    import json

    from harness.contracts import contract_yaml, reference
    from harness.promises.all import PROMISE_NAMES

    if markdown:
        click.echo(reference.markdown(), nl=False)
        return
    click.echo(json.dumps(contract_yaml.schema(PROMISE_NAMES), indent=2))
