"""`harness schema`: the JSON Schema of contracts for editors, and the reference for people."""

from __future__ import annotations

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(["contract", "report"]), default="contract")
@click.option("--markdown", is_flag=True, help="Print every key and its meaning, for people.")
def schema(what: str, markdown: bool) -> None:
    """Print the JSON Schema of a contract.yaml, for editors, or of a JSON report of one step."""
    import json

    from harness.contracts import contract_yaml, reference
    from harness.promises.all import PROMISE_NAMES

    if what == "report":
        from harness.report.record import StepRecord

        if markdown:
            raise click.UsageError("--markdown is for the schema of contracts")
        document = StepRecord.model_json_schema(by_alias=True, mode="serialization")
        draft = "https://json-schema.org/draft/2020-12/schema"
        click.echo(json.dumps({"$schema": draft, **document}, indent=2))
        return
    if markdown:
        click.echo(reference.markdown(), nl=False)
        return
    click.echo(json.dumps(contract_yaml.schema(PROMISE_NAMES), indent=2))
