"""The matrix: all cases of a suite, with stable ids.

It holds every combination of the axes, the special cases, and the usual case under circumstances.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from harness.cases.case import Case
from harness.cases.expectation import Expectation
from harness.cases.product import Ids, Product, id_of
from harness.cases.selection import unknown_case
from harness.errors import WrongContract
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
    `refusal` returns what a case of the product may do instead that must succeed, where `expect`
    says nothing of that; it is asked for only where that matters.
    """

    start: Case
    axes: Sequence[Axis] = ()
    expect: Callable[[Case], Expectation] = lambda _case: Expectation()
    special: Sequence[Special] = ()
    possible: Callable[[Mapping[str, str]], bool] = lambda _choices: True
    unproven: Callable[[Mapping[str, str]], str] = lambda _choices: ""
    usual: str = ""
    refusal: Callable[[Case], Expectation | None] = lambda _case: None


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
        self._product = Product({one.name: tuple(one.choices) for one in suite.axes})
        # With `pairwise`, the numbers of those that are tried.
        self._rows: Sequence[int] | None = None
        # What is tried beside the product: the choice of every axis, by id.
        self._extra: dict[str, Mapping[str, str]] = {}
        self._beside: dict[str, Mapping[str, str]] = {}
        self._special: dict[str, Special] = {}
        self._unproven: dict[str, str] = {}
        # Those of one id are asked for several times in a row.
        self._built: dict[str, tuple[Case, Expectation]] = {}
        # The last case after the edit of each axis, with its choice.
        self._steps: list[tuple[str, Case]] = []
        self.usual = ""
        with self._errors_of_suite():
            self._check_combinations(pairwise=pairwise)
        for special in suite.special:
            name = f"special={special.name}"
            if name in self._special or name in self._unproven:
                raise WrongContract(f"two cases have the id {name!r}", "rename one of them")
            if special.unproven:
                self._unproven[name] = special.unproven
            else:
                self._special[name] = special
        with self._errors_of_suite():
            self.usual = self._find_usual()
            if self.lists(self.usual) and (usual := self.choices_of(self.usual)):
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
                self._unproven[name] = next(iter(self.unproven.values()), _NO_USUAL)

    def _check_combinations(self, *, pairwise: bool) -> None:
        """Find those that are tried, as far as that must be known at once.

        What a user's suite raises must be told of, also where it is asked late.
        """
        names = [axis.name for axis in self._suite.axes]
        if pairwise and len(names) > 1:
            number = self._product.number
            found = (number(id_of(one)) for one in _pairs(self._suite))
            self._rows = [one for one in found if one is not None]
        elif len(self._product) > MAX_COMBINATIONS:
            raise _too_many(self._suite)
        if self._origin is not None:
            _ = self._listed

    @cached_property
    def _listed(self) -> tuple[Sequence[int], Mapping[str, str]]:
        """The numbers of the combinations that can be run; the ids of the others, and why not."""
        found = array("q")
        unproven: dict[str, str] = {}
        for number in range(len(self._product)) if self._rows is None else self._rows:
            choices = self._product.choices(number)
            if self._suite.possible(choices):
                if reason := self._suite.unproven(choices):
                    unproven[id_of(choices)] = reason
                else:
                    found.append(number)
        return found, unproven

    def _add(self, choices: Mapping[str, str]) -> None:
        """Add a case beside the product, or the reason why it cannot be run."""
        if reason := self._suite.unproven(choices):
            self._unproven[id_of(choices)] = reason
        elif not self._is_in_product(id_of(choices)):
            self._extra[id_of(choices)] = choices

    def _is_in_product(self, case_id: str) -> bool:
        number = self._product.number(case_id)
        if number is None or (self._rows is not None and number not in self._rows):
            return False
        choices = self._product.choices(number)
        return self._suite.possible(choices) and not self._suite.unproven(choices)

    def choices_of(self, case_id: str) -> Mapping[str, str] | None:
        """The choice of each axis in a case of the product; None for another case."""
        if found := self._extra.get(case_id) or self._beside.get(case_id):
            return found
        number = self._product.number(case_id)
        return None if number is None else self._product.choices(number)

    @property
    def unproven(self) -> Mapping[str, str]:
        """The ids of the cases that cannot be run, and why."""
        return {**self._listed[1], **self._unproven}

    @property
    def axes(self) -> Sequence[Axis]:
        """What varies in the product."""
        return self._suite.axes

    @property
    def is_derived(self) -> bool:
        """Whether the suite is derived from a contract, and not written by a user."""
        return self._origin is None

    @property
    def start(self) -> Case:
        """The case that all others are edits of."""
        return self._suite.start

    @property
    def ids(self) -> Ids:
        """The ids of all cases that can be run: product, special cases, circumstances."""
        others = (*self._extra, *self._special, *self._circumstances)
        return Ids(self._product.id, self._listed[0]).with_others(others)

    def lists(self, case_id: str) -> bool:
        """Whether this is the id of a case that can be run."""
        kept = (self._extra, self._special, self._circumstances)
        return any(case_id in one for one in kept) or self._is_in_product(case_id)

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
            choices = self.choices_of(case_id)
            if choices is None or not (self.lists(case_id) or case_id in self._beside):
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
        expected = self.expectation(case)
        if expected.exit_code == 0 and expected.otherwise is None:
            expected = replace(expected, otherwise=self._suite.refusal(case))
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

    def expectation(self, case: Case) -> Expectation:
        """What the suite expects of a case of the product, but for its `refusal`."""
        return _checked(self._suite.expect(case), Expectation, "the function", self._suite.expect)

    def refusal(self, case: Case) -> Expectation | None:
        """What such a case may do instead."""
        return self._suite.refusal(case)

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
        numbers = range(len(self._product))[::-1]
        tried = map(self._product.choices, numbers[:MAX_COMBINATIONS])
        for choices in itertools.islice(filter(self._suite.possible, tried), _MAX_TRIED):
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
        number = self._product.number(case_id)
        choices = None if number is None else self._product.choices(number)
        if choices is None or not self._suite.possible(choices) or self._suite.unproven(choices):
            raise unknown_case(case_id, self.ids)
        self._add(choices)


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


def _pairs(suite: Suite) -> Iterator[Mapping[str, str]]:
    """So many combinations that every pair of choices is in some."""
    from allpairspy import AllPairs

    names = [axis.name for axis in suite.axes]

    def possible(row: Sequence[str]) -> bool:
        # AllPairs calls this for incomplete rows too.
        return len(row) < len(names) or suite.possible(dict(zip(names, row, strict=True)))

    for row in AllPairs([list(axis.choices) for axis in suite.axes], filter_func=possible):
        yield dict(zip(names, row, strict=True))


def _too_many(suite: Suite) -> WrongContract:
    number = math.prod(len(axis.choices) for axis in suite.axes)
    return WrongContract(
        f"its {len(suite.axes)} axes have {number:,} combinations, too many to list all",
        "use --pairwise: then every pair of choices is in some case",
    )
