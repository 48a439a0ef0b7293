"""The reference of contract.yaml says what the model says."""

from __future__ import annotations

from click.testing import CliRunner
from pydantic import BaseModel

from harness.cli import cli
from harness.contracts.contract import LOADER_FIELDS, Contract
from harness.contracts.meanings import meanings
from harness.files.models import fields_of, models_in


def test_every_key_is_explained() -> None:
    pending: list[type[BaseModel]] = [Contract]
    while pending:
        model = pending.pop()
        for key, field in fields_of(model).items():
            if key not in LOADER_FIELDS:
                assert meanings(model)[key], f"{model.__name__}.{key} has no sentence under it"
                pending += models_in(field.annotation)


def test_the_reference_has_every_key_and_its_meaning() -> None:
    printed = CliRunner().invoke(cli, ["schema", "--markdown"]).output
    for title in ("`contract.yaml`", "`inputs.NAME`", "`outputs.NAME`", "`environment`"):
        assert f"Keys of {title}:" in printed
    assert "| `entry_point` | text, required | The script: " in printed
    assert "| `required` | `true` or `false`, default `true` | Whether the folder " in printed
    assert "| `exit_codes` | mapping of whole number to text, required |" in printed
    assert "| `files` | list of text |" in printed
    assert not any(f"| `{name}` |" in printed for name in LOADER_FIELDS)
