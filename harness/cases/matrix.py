"""The matrix: all cases of a suite, with stable ids.

It holds every combination of the axes, the special cases, and the usual case under circumstances.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from harness.cases.case import Case
from harness.cases.expectation import Expectation
from harness.errors import WrongContract, WrongUse
from harness.files.modules import place_of_function, wrong_contract_on_error
from harness.files.validated import dataclass

T = TypeVar("T")
Edit = Callable[[Case], Case]
# Changes the usual case and its expectation to those under a circumstance.
Change = Callable[[Case, Expectation], tuple[Case, Expectation]]


# Of those that are looked at for a matrix, of which few may be possible.
MAX_COMBINATIONS = 1_000_000
# In search of the usual case, which is among the first of them.
_MAX_TRIED = 100_000
# Cases that have been built.
_KEPT = 4
_NO_USUAL = "name the usual case in the suite: Suite(usual=…); none must succeed"


def as_it_is(case: Case) -> Case:
    """The edit that changes nothing."""
    return case


@dataclass(frozen=True)
class Axis:
    """One thing that varies: its name, and the edit of each choice.

    The choices `alone` are tried with the usual choices of all other axes only. Those `beside` are
    no cases of their own, but what others are compared with.
    """

    name: str
    choices: Mapping[str, Edit]
    alone: Mapping[str, Edit] = field(default_factory=dict)
    beside: Mapping[str, Edit] = field(default_factory=dict)


@dataclass(frozen=True)
class Special:
    """A case outside the product: an edit of the start case, and what it must do.

    `unproven` says what it lacks to be run, "" for nothing.
    """

    name: str
    edit: Edit
    expected: Expectation
    unproven: str = ""


@dataclass(frozen=True)
class Suite:
    """What is tried on a step.

    Every case is an edit of `start`. `expect` returns what a case of the product must do, and
    `possible` excludes combinations of choices. `unproven` returns what a combination lacks to be
    run, "" for nothing. `usual` is the id of the case that is also tried under circumstances; the
    default is the last case of the product that must succeed, else the first such special case.
    """

    start: Case
    axes: Sequence[Axis] = ()
    expect: Callable[[Case], Expectation] = lambda _case: Expectation()
    special: Sequence[Special] = ()
    possible: Callable[[Mapping[str, str]], bool] = lambda _choices: True
    unproven: Callable[[Mapping[str, str]], str] = lambda _choices: ""
    usual: str = ""


class Matrix:
    """All cases of a suite; each is built when it is requested."""

    def __init__(
        self,
        suite: Suite,
        circumstances: Mapping[str, Change] = MappingProxyType({}),
        *,
        unlisted: Callable[[str], Change | None] = lambda _name: None,
        pairwise: bool = False,
        origin: Path | None = None,
    ) -> None:
        """List the ids of all cases; raises `WrongContract` when two have the same id.

        `circumstances` maps name → change of the usual case; `unlisted(name)` is the change of one
        that is tried only where it is named. With `pairwise`, the product is
        reduced to a covering array: every pair of choices is in some case. `origin` is the file of
        a user's suite: an error in its functions names it.
        """
        self._suite = suite
        self._origin = origin
        self._circumstances: dict[str, Change] = {}
        self._unlisted = unlisted
        # Of each case of the product, the choice of every axis: there may be many.
        self._picked: dict[str, tuple[str, ...]] = {}
        self._beside: dict[str, Mapping[str, str]] = {}
        self._special: dict[str, Special] = {}
        self.unproven: dict[str, str] = {}
        # Those of one id are asked for several times in a row.
        self._built: dict[str, tuple[Case, Expectation]] = {}
        # The last case after the edit of each axis, with its choice.
        self._steps: list[tuple[str, Case]] = []
        self.usual = ""
        with self._errors_of_suite():
            for choices in _combinations(suite, pairwise):
                self._add(choices)
        for special in suite.special:
            name = f"special={special.name}"
            if name in self._special or name in self.unproven:
                raise WrongContract(f"two cases have the id {name!r}", "rename one of them")
            if special.unproven:
                self.unproven[name] = special.unproven
            else:
                self._special[name] = special
        with self._errors_of_suite():
            self.usual = self._find_usual()
            if usual := self._choices_of(self.usual):
                for axis in suite.axes:
                    for choice in axis.alone:
                        self._add({**usual, axis.name: choice})
                    for choice in axis.beside:
                        choices = {**usual, axis.name: choice}
                        self._beside[id_of(choices)] = choices
        for circumstance, change in circumstances.items():
            name = f"circumstance={circumstance}"
            if self.usual:
                self._circumstances[name] = change
            else:
                self.unproven[name] = next(iter(self.unproven.values()), _NO_USUAL)

    def _add(self, choices: Mapping[str, str]) -> None:
        """Add a case of the product, or the reason why it cannot be run."""
        if reason := self._suite.unproven(choices):
            self.unproven[id_of(choices)] = reason
        else:
            self._picked[id_of(choices)] = tuple(choices.values())

    def _choices_of(self, case_id: str) -> Mapping[str, str] | None:
        """The choice of each axis in a case of the product; None for another case."""
        picked = self._picked.get(case_id)
        if picked is None:
            return self._beside.get(case_id)
        return dict(zip((axis.name for axis in self._suite.axes), picked, strict=True))

    @property
    def start(self) -> Case:
        """The case that all others are edits of."""
        return self._suite.start

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all cases that can be run: product, special cases, circumstances."""
        return (*self._picked, *self._special, *self._circumstances)

    def lists(self, case_id: str) -> bool:
        """Whether this is the id of a case that can be run."""
        return any(case_id in one for one in (self._picked, self._special, self._circumstances))

    def case(self, case_id: str) -> tuple[Case, Expectation]:
        """The case with this id, and its expectation; raises `WrongUse` when there is none."""
        if case_id not in self._built:
            built = self._build(case_id)
            if len(self._built) >= _KEPT:
                self._built = {one: was for one, was in self._built.items() if one == self.usual}
            self._built[case_id] = built
        return self._built[case_id]

    def _build(self, case_id: str) -> tuple[Case, Expectation]:
        if change := self._circumstances.get(case_id) or self._find_unlisted(case_id):
            case, expected = change(*self.case(self.usual))
            name = case_id.partition("=")[2]
            return replace(case, id=case_id, choices={"circumstance": name}), expected
        with self._errors_of_suite():
            if special := self._special.get(case_id):
                start = replace(self._suite.start, id=case_id)
                return _with_arguments(_edited(start, special.edit)), special.expected
            choices = self._choices_of(case_id)
            if choices is None:
                raise unknown_case(case_id, self.ids)
            return self._product_case(choices)

    def has(self, case_id: str) -> bool:
        """Whether there is a case with this id, listed or not."""
        is_listed = self.lists(case_id) or case_id in self._beside
        return is_listed or self._find_unlisted(case_id) is not None

    def _find_unlisted(self, case_id: str) -> Change | None:
        kind, _, name = case_id.partition("=")
        return self._unlisted(name) if kind == "circumstance" and self.usual else None

    def _product_case(self, choices: Mapping[str, str]) -> tuple[Case, Expectation]:
        case = replace(self._edited_start(choices), id=id_of(choices), choices=choices)
        expected = _checked(
            self._suite.expect(case), Expectation, "the function", self._suite.expect
        )
        return _with_arguments(case), expected

    def _edited_start(self, choices: Mapping[str, str]) -> Case:
        """The start with the edits of all axes.

        The next case has most of them too, those of the first axes. The edits of a suite that a
        user has written may look at the choices, which are not the same.
        """
        if self._origin is not None:
            self._steps = []
        names = [axis.name for axis in self._suite.axes]
        picked = [choices[name] for name in names]
        known = self._steps
        same = 0
        while same < len(known) and known[same][0] == picked[same]:
            same += 1
        del known[same:]
        case = (
            known[-1][1]
            if known
            else replace(self._suite.start, id=id_of(choices), choices=choices)
        )
        for axis, choice in [*zip(self._suite.axes, picked, strict=True)][same:]:
            edit = axis.alone.get(choice) or axis.beside.get(choice) or axis.choices[choice]
            case = _edited(case, edit)
            known.append((choice, case))
        return case

    def _errors_of_suite(self) -> AbstractContextManager[None]:
        """Within it, an error of a user's suite names its file and line."""
        if self._origin is None:
            return nullcontext()
        hint = "mend it; `harness docs suite` says what a suite is made of"
        return wrong_contract_on_error(self._origin, "the suite fails", hint)

    def _find_usual(self) -> str:
        """The id of the usual case, whichever combinations are tried; "" when none must succeed.

        It is one of the product's cases from then on.
        """
        if self._suite.usual:
            if not self.lists(self._suite.usual):
                self._add_named(self._suite.usual)
            return self._suite.usual
        tried = _all_combinations(self._suite, last_first=True)
        for choices in itertools.islice(tried, _MAX_TRIED):
            if self._suite.unproven(choices):
                continue
            if _is_usual(*self._product_case(choices)):
                self._add(choices)
                return id_of(choices)
        for name in self._special:
            if _is_usual(*self.case(name)):
                return name
        return ""

    def _add_named(self, case_id: str) -> None:
        """Add the case of the product with this id; raises `WrongUse` when there is none."""
        for choices in _all_combinations(self._suite):
            if id_of(choices) == case_id and not self._suite.unproven(choices):
                self._add(choices)
                return
        raise unknown_case(case_id, self.ids)


def _edited(case: Case, edit: Edit) -> Case:
    return _checked(edit(case), Case, "the edit", edit)


def _checked(value: object, kind: type[T], what: str, function: object) -> T:
    """The value that a function of a suite returned; raises `WrongContract` for another kind."""
    if isinstance(value, kind):
        return value
    name = getattr(function, "__name__", "")
    raise WrongContract(
        f"{place_of_function(function)}: {what} {name} returned {value!r:.60}, "
        f"and not a value of type {kind.__name__}",
        f"return a {kind.__name__} on every way through it",
    )


def _is_usual(case: Case, expected: Expectation) -> bool:
    return expected.exit_code == 0 and case.call is None and case.interrupt is None


def _with_arguments(case: Case) -> Case:
    """The case with the arguments of its job, such as hyperparameters, unless it has its own."""
    if case.arguments or case.tree.job is None:
        return case
    arguments = case.tree.job.arguments(case.tree.request)
    return replace(case, arguments=arguments) if arguments else case


def id_of(choices: Mapping[str, str]) -> str:
    """The id of the case of the product that has these choices."""
    return ",".join(f"{axis}={choice}" for axis, choice in choices.items())


def _combinations(suite: Suite, pairwise: bool) -> Iterator[Mapping[str, str]]:
    names = [axis.name for axis in suite.axes]
    if not pairwise or len(names) < 2:
        if _number(suite) > MAX_COMBINATIONS:
            raise _too_many(suite)
        yield from _all_combinations(suite)
        return
    from allpairspy import AllPairs

    def possible(row: Sequence[str]) -> bool:
        # AllPairs calls this for incomplete rows too.
        return len(row) < len(names) or suite.possible(dict(zip(names, row, strict=True)))

    for row in AllPairs([list(axis.choices) for axis in suite.axes], filter_func=possible):
        yield dict(zip(names, row, strict=True))


def _all_combinations(suite: Suite, *, last_first: bool = False) -> Iterator[Mapping[str, str]]:
    if not suite.axes:
        return
    values = [list(axis.choices) for axis in suite.axes]
    names = [axis.name for axis in suite.axes]
    for number, picked in enumerate(
        itertools.product(*(one[::-1] if last_first else one for one in values))
    ):
        if number > MAX_COMBINATIONS:
            raise _too_many(suite)
        if suite.possible(choices := dict(zip(names, picked, strict=True))):
            yield choices


def _number(suite: Suite) -> int:
    return math.prod(len(axis.choices) for axis in suite.axes)


def _too_many(suite: Suite) -> WrongContract:
    return WrongContract(
        f"its {len(suite.axes)} axes have {_number(suite):,} combinations, too many to list all",
        "use --pairwise: then every pair of choices is in some case",
    )


def unknown_case(case_id: str, ids: Sequence[str]) -> WrongUse:
    """The error for an unknown id, with the most similar ones."""
    near = difflib.get_close_matches(case_id, ids, n=3, cutoff=0.0)
    return WrongUse(f"there is no case {case_id!r}", "the nearest are:\n  " + "\n  ".join(near))


def select(ids: Sequence[str], expression: str) -> tuple[str, ...]:
    """The ids that an expression such as `job=training and not (embedded=root)` selects.

    A word is true for an id that contains it. Raises `WrongUse` when the expression is malformed
    or selects nothing.
    """
    import boolean

    algebra = boolean.BooleanAlgebra(allowed_in_token=(*"._-=/:,",))
    try:
        parsed: Any = algebra.parse(expression)
        words = sorted({str(symbol.obj) for symbol in parsed.symbols})
    except (boolean.ParseError, TypeError, IndexError, RecursionError) as error:
        raise WrongUse(
            f"-k {expression!r:.200} is not an expression: {error}",
            "write words with and, or, not and brackets, as in: -k 'job=training and not root'",
        ) from None
    try:
        picked = tuple(one for one in ids if _is_selected(parsed, algebra, words, one))
    except RecursionError:
        raise WrongUse(f"-k {expression!r:.60}… is nested too deeply", "use fewer words") from None
    if not picked:
        near = {n for word in words for n in difflib.get_close_matches(word, ids, n=2, cutoff=0.0)}
        raise WrongUse(
            f"-k {expression!r:.200} selects none of {len(ids)} cases",
            "the nearest are:\n  " + "\n  ".join(sorted(near)),
        )
    return picked


def _is_selected(parsed: Any, algebra: Any, words: Sequence[str], case_id: str) -> bool:
    values = {
        algebra.Symbol(word): algebra.TRUE if word in case_id else algebra.FALSE for word in words
    }
    return bool(parsed.subs(values, simplify=True) == algebra.TRUE)
