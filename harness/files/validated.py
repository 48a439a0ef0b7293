"""Dataclasses whose fields are checked when a value is made, for the values that suites make.

Texts are no bytes and numbers no texts: nothing is converted, but for lists in place of tuples.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from pydantic.dataclasses import dataclass as _pydantic_dataclass

    _CONFIG = ConfigDict(
        defer_build=True, strict=True, extra="forbid", arbitrary_types_allowed=True
    )

    def dataclass(**options: Any) -> Any:
        """A dataclass that is checked by pydantic."""
        return _pydantic_dataclass(config=_CONFIG, **options)


__all__ = ["AbsolutePath", "Pattern", "Texts", "Tuple", "dataclass"]

T = TypeVar("T")


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(f"no regular expression: {error}") from None
    return pattern


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("no absolute path")
    return path


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Pattern = Annotated[str, AfterValidator(_compiled)]
Tuple = Annotated[tuple[T, ...], Field(strict=False)]
Texts = Tuple[str]
