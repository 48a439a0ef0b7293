"""Views of a case and its outcome that note which axes of the suite are looked at in them.

What has been judged through them holds for every other case that has the same choices of these
axes. The id of a case is not in its view. What is not known to depend on some axes alone counts as
depending on all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.cases.case import Case, Outcome
from harness.cases.expectation import Expectation
from harness.cases.following import Run
from harness.cases.matrix import Matrix
from harness.cases.observed import Query
from harness.cases.reach import Reach
from harness.worlds.tree import Entry, Tree, absolute

# How a value is copied without being asked for its parts.
_COPIED = ("__reduce_ex__", "__copy__", "__deepcopy__")


class Watch:
    """Notes which axes are looked at, in order, while a case of the product is judged."""

    def __init__(self, reach: Reach, choices: Mapping[str, str]) -> None:
        """Of the case with these choices nothing has been looked at."""
        self.reach = reach
        self.choices = choices
        self._asked = dict.fromkeys(reach.beginning())
        # Whether all that a verdict depends on was noted.
        self.is_complete = False

    @property
    def asked(self) -> Sequence[str]:
        """The axes that were looked at."""
        return tuple(self._asked)

    def see(self, axes: Iterable[str]) -> None:
        """What depends on these axes was looked at."""
        self._asked.update(dict.fromkeys(axes))

    def views(
        self, case: Case, outcome: Outcome, run: Run, queries: Iterable[Query]
    ) -> tuple[Case, Outcome]:
        """The views of the case and its outcome, that of a run which has asked these questions."""
        for one in queries:
            self.see(self.reach.asked_by(one))
        self.is_complete = True
        before = self._tree(case.tree, frozenset())
        view: Case = object.__new__(_Case)
        parts = {**vars(case), "id": "", "tree": before, "choices": _Choices(self)}
        vars(view).update(parts, _plain=case, _watch=self)
        if outcome.after is None:
            return view, replace(outcome, before=before)
        after = self._tree(outcome.after, frozenset((*run.written, *run.removed)))
        return view, replace(outcome, before=before, after=after)

    def expectation(self, matrix: Matrix, case: Case, exit_code: int | None) -> Expectation:
        """What is expected of the case, given as a view, that has ended so."""
        expected = matrix.expectation(case)
        if expected.exit_code != 0 or exit_code == 0 or expected.otherwise is not None:
            return expected
        return replace(expected, otherwise=matrix.refusal(case))

    def _tree(self, tree: Tree, known: frozenset[str]) -> Tree:
        view: Tree = object.__new__(_Tree)
        vars(view).update(vars(tree), _plain=tree, _known=known, _watch=self)
        return view


class _Choices(Mapping[str, str]):
    """The choices of a case; all cases have one of each axis."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __getitem__(self, axis: str) -> str:
        choice = self._watch.choices[axis]
        self._watch.see((axis,))
        return choice

    def __iter__(self) -> Iterator[str]:
        return iter(self._watch.choices)

    def __len__(self) -> int:
        return len(self._watch.choices)

    def __reduce__(self) -> tuple[object, ...]:
        # A copy is one of all choices.
        return dict, (dict(self),)


class _Case(Case):
    """A case of which only the tree, the choices and the variables depend on known axes."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("variables", "__dict__", *_COPIED) and (watch := _own(self, "_watch")):
            reach = watch.reach
            watch.see(reach.variables if name == "variables" else reach.everything)
        return super().__getattribute__(name)

    def variables_like(self, name: re.Pattern[str]) -> Mapping[str, str]:
        if watch := _own(self, "_watch"):
            watch.see(watch.reach.variables_like(name))
            plain: Case = _own(self, "_plain")
            return plain.variables_like(name)
        return super().variables_like(name)


class _Tree(Tree):
    """A tree in which what is at the paths that are `_known` is the same in every case."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("entries", "request", "__dict__", *_COPIED) and (watch := _own(self, "_watch")):
            reach = watch.reach
            some = {"entries": reach.files, "request": reach.request}
            watch.see(some.get(name, reach.everything))
        return super().__getattribute__(name)

    def get(self, path: str) -> Entry | None:
        plain = self._look(lambda watch: watch.reach.at(absolute(path)), absolute(path))
        return super().get(path) if plain is None else plain.get(path)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path) is not None

    def under(self, *folders: str) -> Tree:
        plain = self._look(lambda watch: watch.reach.below(*map(absolute, folders)))
        return super().under(*folders) if plain is None else plain.under(*folders)

    def added_or_changed(self, before: Tree) -> Iterator[tuple[str, Entry]]:
        if not self._is_after(before):
            yield from super().added_or_changed(before)
            return
        for path in sorted(_own(self, "_known")):
            entry, was = self.get(path), before.get(path)
            if entry is not None and was is not entry and was != entry:
                yield path, entry

    def removed(self, before: Tree) -> Iterator[tuple[str, Entry]]:
        if not self._is_after(before):
            yield from super().removed(before)
            return
        for path in sorted(_own(self, "_known")):
            was = before.get(path)
            if was is not None and self.get(path) is None:
                yield path, was

    def _is_after(self, before: Tree) -> bool:
        """Whether this is what has become of the other, so that only what is known differs."""
        watch = _own(self, "_watch")
        is_view = watch is not None and isinstance(before, _Tree)
        return is_view and _own(before, "_watch") is watch and not _own(before, "_known")

    def _look(self, axes: Callable[[Watch], Iterable[str]], path: str = "") -> Tree | None:
        """The plain tree, when it has been noted what was looked at; None for one made of it."""
        watch: Watch | None = _own(self, "_watch")
        if watch is None:
            return None
        if path not in _own(self, "_known"):
            watch.see(axes(watch))
        plain: Tree = _own(self, "_plain")
        return plain


def _own(view: object, name: str) -> Any:
    return object.__getattribute__(view, "__dict__").get(name)
