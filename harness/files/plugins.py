"""What other packages add to the harness, as their entry points name it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from harness.errors import WrongUse


def added(group: str, kind: Any, known: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """What installed packages have in the group `harness.GROUP`, by name, in the order of names.

    Raises `WrongUse` where one cannot be imported, is of another kind, or has the name of one that
    is `known`.
    """
    found: dict[str, Any] = {}
    for name, value in _load(f"harness.{group}").items():
        if not isinstance(value, kind):
            raise WrongUse(
                f"the entry point {name} in harness.{group} is no {kind.__name__}",
                "mend the package that has it, or remove it; see `harness docs plugins`",
            )
        if name in known:
            raise WrongUse(
                f"the entry point {name} in harness.{group} has the name of one of the harness's",
                "give it another name",
            )
        found[name] = value
    return found


@cache
def _load(group: str) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for point in sorted(entry_points(group=group), key=lambda one: one.name):
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise WrongUse(
                f"the entry point {point.name} = {point.value} in {group} cannot be imported: "
                f"{type(error).__name__}: {error}",
                "mend the package that has it, or remove it",
            ) from error
    return found
