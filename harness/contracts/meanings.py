"""What the keys of a model mean: the text below each field, as it is in the source.

Pydantic reads it when a class is made, which is a tenth of the time that the harness takes
to start; only who reads about the keys needs it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema


def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """The text of each key, "" where there is none."""
    texts: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            texts.update(_in_source(part))
    return {
        field.alias or name: field.description or texts.get(name, "")
        for name, field in model.model_fields.items()
    }


def _in_source(model: type[BaseModel]) -> Mapping[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


class WithMeanings(GenerateJsonSchema):
    """Makes a JSON Schema that describes each key by the text below its field."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """That of a model, with the meanings of its keys."""
        document = super().model_schema(schema)
        for key, text in meanings(schema["cls"]).items():
            if text and key in document.get("properties", {}):
                document["properties"][key]["description"] = text
        return document
