"""The command line arguments that a contract declares, and the texts of their values."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "json": (object,),
}


class Argument(BaseModel):
    """An argument: its type, whether a job must pass it, and what it may be.

    `default` is the value that the script takes without it. A `flag` is passed without a value, a
    `positional` one without its name.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)

    description: str = ""
    """What the argument means, for people."""
    type: Literal["str", "int", "float", "bool", "json"] = "str"
    """The type of its values."""
    required: bool = False
    """Whether the script fails without it."""
    default: JsonValue = None
    """The value that the script takes without it."""
    choices: Annotated[tuple[JsonValue, ...], Field(strict=False)] = ()
    """The only values that are allowed; each is tried, and one that is not."""
    flag: bool = False
    """Whether it is passed without a value."""
    positional: bool = False
    """Whether its value is passed without its name."""

    @model_validator(mode="after")
    def _fit(self) -> Argument:
        """Refuse keys that contradict each other."""
        others = [
            name
            for name in ("type", "required", "default", "choices", "positional")
            if getattr(self, name) != type(self).model_fields[name].default
        ]
        if self.flag and others:
            raise _wrong(f"is a flag, which is there or not, so that it has no {others[0]}")
        if self.required and self.default is not None:
            raise _wrong("is required, so that it has no default")
        for value in (*self.choices, *(() if self.default is None else (self.default,))):
            is_bool = isinstance(value, bool) and self.type not in ("bool", "json")
            if is_bool or not isinstance(value, _TYPES[self.type]):
                raise _wrong(f"is of type {self.type}, and {value!r} is not")
        if self.choices and self.default is not None and self.default not in self.choices:
            raise _wrong("has a default that is not among its choices")
        texts = [self.text(one) for one in self.choices]
        if len(set(texts)) < len(texts):
            raise _wrong("has the same choice twice")
        return self

    def text(self, value: JsonValue) -> str:
        """A value as it is passed; a text that is JSON already stays as it is."""
        if self.type != "json" or (isinstance(value, str) and _is_json(value)):
            return str(value)
        return json.dumps(value)

    @property
    def wrong_value(self) -> str | None:
        """A text that is not allowed; None when any text may be."""
        if self.type in ("int", "float"):
            numbers = [one for one in self.choices if isinstance(one, int | float)]
            return self.text(max(numbers) + 1) if numbers else "not-a-number"
        if self.choices and self.type == "str":
            longest = max((self.text(one) for one in self.choices), key=len)
            return f"not-{longest}"
        return "{" if self.type == "json" else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("argument", "{what}", {"what": what})


def _read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Read a mapping as an `Argument` alone, so that errors are those of its keys."""
    if isinstance(value, dict):
        return Argument.model_validate(value)
    try:
        return handler(value)
    except ValueError:
        raise _wrong("should be a text or a mapping") from None


# A plain text describes the argument.
Declared = Annotated[str | Argument, WrapValidator(_read)]


def _read_any(value: Any, _handler: ValidatorFunctionWrapHandler) -> Any:
    """Read a mapping that has the keys of an `Argument` alone as one; keep any other value."""
    is_argument = isinstance(value, dict) and value and set(value) <= set(Argument.model_fields)
    return Argument.model_validate(value) if is_argument else value


# In other forms any value describes the argument.
DeclaredValue = Annotated[Any, WrapValidator(_read_any)]


def from_value(value: Any) -> str | Argument:
    """The argument that a `DeclaredValue` is."""
    if isinstance(value, Argument):
        return value
    return "" if value is None else str(value)
