"""Modules that Python does not take apart when it ends: that costs more than most scripts.

Python takes all modules apart at its end. What it then ends does nothing that can be seen, unless
it has a finalizer, like an open file. So the modules that were loaded ahead are spared if all that
a script has made, and that has one, is held by the script alone.
Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import gc
import sys
from typing import Any, Dict, Iterable, List, Set

# What Python drops first when it takes modules apart, which is after all functions that are
# registered for its end.
_FIRST = "__interactivehook__"
# How many objects are looked at, each of which takes a walk over all.
_MOST = 30


class Spared:
    """The modules to spare, which it does when nothing refers to it any more."""

    def __init__(self) -> None:
        """Spare none."""
        self._names: List[str] = []
        self._hidden: List[Dict[str, Any]] = []
        # A list that holds itself, and which the garbage collector skips, is there to the end.
        self._kept: List[Any] = []
        self._kept.append(self._kept)

    def remember(self) -> None:
        """Spare the modules that are loaded now, once the garbage collector skips all there is."""
        self._names = [one for one in sys.modules if one not in ("__main__", "builtins", "sys")]

    def hide(self, names: Iterable[str]) -> None:
        """Of these modules the script knows nothing, and what they refer to ends without them."""
        modules = [sys.modules[one] for one in names if one in sys.modules]
        self._hidden = [vars(one) for one in modules if isinstance(one, type(sys))]

    def prepare(self) -> None:
        """Act when this Python takes its modules apart, if nothing else refers to this by then."""
        if hasattr(sys, _FIRST):
            setattr(sys, _FIRST, self)

    def __del__(self) -> None:
        """Spare the modules, unless one of them holds something that acts at its end."""
        own = [module for name, module in sys.modules.items() if name not in set(self._names)]
        objects = [one for one in gc.get_objects() if hasattr(type(one), "__del__")]
        objects = [one for one in objects if one is not self]
        if _are_held_by(own, objects):
            self._kept += [sys.modules.pop(name) for name in self._names if name in sys.modules]
        else:
            # What a module holds ends with it, where the garbage collector sees both.
            unfreeze = gc.unfreeze
            for names in self._hidden:
                names.clear()
            unfreeze()


class _Held:
    """An object that one list holds."""


def _are_held_by(modules: List[Any], objects: List[Any]) -> bool:
    """Whether nothing but the names of modules holds the objects; in doubt not.

    What holds them is looked at in the same way. All but what was loaded ahead is known to the
    garbage collector, so what has more references than it finds is held by that.
    """
    looked_at = [_Held()]
    of_one = _hidden_references(looked_at, 0)
    looked_at += objects
    known: Set[int] = {id(vars(one)) for one in modules if hasattr(one, "__dict__")}
    known.update(map(id, (looked_at, objects, sys._getframe())))
    position = 0
    while position + 1 < len(looked_at) <= _MOST:
        position += 1
        if _hidden_references(looked_at, position) != of_one:
            return False
        known.add(id(looked_at[position]))
        looked_at += [one for one in gc.get_referrers(looked_at[position]) if id(one) not in known]
    return len(looked_at) <= _MOST


def _hidden_references(objects: List[Any], position: int) -> int:
    """How many references an object has that the garbage collector does not find."""
    return sys.getrefcount(objects[position]) - len(gc.get_referrers(objects[position]))
