"""The kinds of paths in a contract: none leads elsewhere than it seems to."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_WRONG = partial(PydanticCustomError, "path")


def _plain(path: str) -> str:
    if "\0" in path:
        raise _WRONG("should be a path, which has no character NUL")
    if ".." in path.split("/"):
        raise _WRONG("should be a path without a part ..")
    return path


def closed(name: str) -> str:
    """The name of a file, or a pattern whose every `[` has its `]`; raises for another."""
    for part in name.split("/"):
        rest = part
        while (start := rest.find("[")) >= 0:
            # The first character of a set may be a ].
            end = rest.find("]", start + (3 if rest[start + 1 : start + 2] == "!" else 2))
            if end < 0:
                raise _WRONG(f"is no pattern: {part} has a [ without ]; [[] stands for the letter")
            rest = rest[end + 1 :]
    return name


AbsolutePath = Annotated[str, Field(pattern=r"^/"), AfterValidator(_plain)]
FileName = Annotated[str, Field(pattern=r"^[^/]+$"), AfterValidator(_plain)]
# Relative, without a part that leads elsewhere: `rows.csv`, `*/part-*.csv`.
FilePattern = Annotated[
    str, Field(pattern=r"^[^/]+(/[^/]+)*$"), AfterValidator(_plain), AfterValidator(closed)
]
