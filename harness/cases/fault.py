"""Faults: an operation of the script on its files that fails, or before which it is killed.

A fault says by itself which operation it is about, and its name says all of that: a case of a fault
can be run again without the run in which the operations were counted.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from harness.files import validated
from harness.files.validated import Texts

KILLS = ("SIGKILL", "SIGTERM")
SHORT = "short"
NO_SUCH_OPERATION = "this time the script did not come to the operation that was to fail"
# The circumstances of faults, without and with an older output; a name of one follows.
FRESH, OLDER = "fault", "older-fault"
_NAME = re.compile(r"(?P<operation>[a-z]+)/(?P<place>.+)/(?P<time>[1-9]\d*)/(?P<effect>\w+)")


@dataclass(frozen=True)
class Operation:
    """An operation of a script on a file, such as `write`, for the `time`-th time at one place.

    The place is what the runner knows of it: the line of the script as `FILE:LINE`, or the path
    of the file, where chance is left out of its name. `handles` is whether the script had come to
    handle SIGTERM.
    """

    name: str
    place: str
    time: int = 1
    handles: bool = False


@validated.dataclass(frozen=True)
class Fault:
    """What happens at one operation on what is in `folders`: an error by name, or a signal before.

    The effect `short` is a write of fewer bytes than were given. Without an effect nothing happens,
    and the operations are told.
    """

    folders: Texts
    operation: str = ""
    place: str = ""
    time: int = 1
    effect: str = ""

    @classmethod
    def parse(cls, name: str) -> Fault | None:
        """The fault with this name, without folders; None if it is no name of one."""
        found = _NAME.fullmatch(name)
        if found is None or not _is_effect(found["effect"]):
            return None
        return cls((), found["operation"], found["place"], int(found["time"]), found["effect"])

    @property
    def name(self) -> str:
        """The name, which `parse` understands."""
        return f"{self.operation}/{self.place}/{self.time}/{self.effect}"

    @property
    def error(self) -> int:
        """The number of the error; 0 for other effects."""
        return int(getattr(errno, self.effect, 0))

    @property
    def error_text(self) -> str:
        """What the system says of the error; "" for other effects."""
        return os.strerror(self.error) if self.error else ""


def _is_effect(text: str) -> bool:
    return text in (*KILLS, SHORT) or text in errno.errorcode.values()


def is_fault(case_id: str) -> bool:
    """Whether the case with this id is that of a fault."""
    return case_id.startswith((f"circumstance={FRESH}/", f"circumstance={OLDER}/"))


def point_of(case_id: str) -> str:
    """The operation that a fault is at, with or without an older output."""
    return case_id.partition("/")[2].rpartition("/")[0]
