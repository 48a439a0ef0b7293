"""What a run observed of its world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `stat`: whether something is at the path, and all that is known without opening it. `lookup`: the
# same for a path that is looked up as a whole: of the folders on the way only that they lead there.
# `read`: the content. `list`: the names in a folder. `tree`: all that is at and below the path.
# `variable`: the value of one. `environment`: all of them.
Kind = Literal["stat", "lookup", "read", "list", "tree", "variable", "environment"]
Query = tuple[Kind, str]


@dataclass(frozen=True)
class Observations:
    """What a run looked at, in order; `hidden` is what else it depends on, "" for nothing."""

    queries: tuple[Query, ...] = ()
    hidden: str = ""
