"""The arguments of a derived suite: what the usual case passes, and what is tried beside it.

An argument that the contract describes in words is passed as its sample says, in every case. One
that it declares is also left out, passed with its default and with each of its choices, or, as a
flag, turned on and off. What must fail: leaving out a required one, and a value that is not
allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.cases.case import Case
from harness.cases.expectation import Expectation, Matches
from harness.cases.matrix import Axis, Edit, Special, as_it_is
from harness.cases.naming import names_of_argument
from harness.cases.other_values import OTHER, other_number, other_text
from harness.contracts.arguments import Argument
from harness.contracts.contract import Contract
from harness.contracts.limits import argument_refusal
from harness.worlds.jobs import Job

# A text, or True for a flag that is passed without one.
Value = str | bool
OMITTED = "omitted"
# What an id cannot hold.
_NOT_IN_IDS = re.compile(r"[=,\s]")


class Arguments:
    """The arguments of a step that is run as this type of job."""

    def __init__(self, job: Job, contract: Contract, samples: Mapping[str, Value]) -> None:
        """Read what the usual case passes from the samples: name of an argument → its value."""
        self._job = job
        variables = (*contract.environment.required, *contract.environment.optional)
        self._taken = {*contract.inputs, *variables}
        self._declared: dict[str, Argument] = {}
        # None is not passed.
        self.usual: dict[str, Value | None] = {}
        for name, one in contract.arguments.items():
            spelled = next((key for key in (name, name.lstrip("-")) if key in samples), None)
            sample = samples[spelled] if spelled is not None else None
            if isinstance(one, str):
                one = Argument(flag=sample in ("", True, False))
            else:
                self._declared[name] = one
            if job.arguments_from != "job" and (one.flag or one.positional):
                # A hyperparameter becomes a name and a value: no job can pass this argument.
                self._declared.pop(name, None)
                continue
            self.usual[name] = self._usual(one, sample)
        self._positional = [name for name, one in self._declared.items() if one.positional]

    @staticmethod
    def _usual(one: Argument, sample: Value | None) -> Value | None:
        if sample is not None and one.flag:
            return None if sample in (False, "false", "False") else True
        if sample is not None:
            return str(sample)
        return one.text(one.choices[0]) if one.required and one.choices else None

    def hyperparameters(self) -> Mapping[str, str]:
        """The hyperparameters of the usual case."""
        return _hyperparameters(self.usual)

    def words(self) -> tuple[str, ...]:
        """The words of the usual command line."""
        return self._words(self.usual)

    @property
    def missing_sample(self) -> str:
        """The name of a required argument that has no value; "" when there is none."""
        return next(
            (
                name
                for name, one in self._declared.items()
                if one.required and self.usual[name] is None
            ),
            "",
        )

    def axes(self) -> Iterator[Axis]:
        """An axis for each declared argument; all choices but the usual are tried alone."""
        for name, one in self._declared.items():
            values = dict(self._values(one))
            usual = self.usual[name]
            label = self._usual_label(name)
            others = {
                key: self._passing(name, value) for key, value in values.items() if value != usual
            }
            if usual is None and (other := _other(one)) is not None:
                others[OTHER] = self._passing(name, other)
            yield Axis(self.axis_name(name), {label: as_it_is}, others)

    def _values(self, one: Argument) -> Iterator[tuple[str, Value | None]]:
        if one.flag:
            yield from (("off", None), ("on", True))
            return
        if not one.required:
            yield OMITTED, None
        if one.default is not None and one.default not in one.choices:
            default = one.text(one.default)
            if not argument_refusal(default, training=self._job.arguments_from != "job"):
                yield "default", default
        for number, choice in enumerate(one.choices, 1):
            text = one.text(choice)
            is_label = text not in ("", OMITTED, "default", OTHER) and not _NOT_IN_IDS.search(text)
            yield text if is_label else f"choice-{number}", text

    def own_value(self, choices: Mapping[str, str]) -> str | None:
        """The value of an argument that neither the contract nor a sample names."""
        return next(
            (
                _other(one)
                for name, one in self._declared.items()
                if choices.get(self.axis_name(name)) == OTHER
            ),
            None,
        )

    def varied(self, choices: Mapping[str, str]) -> tuple[str, ...]:
        """The arguments that have another value for the script than in the usual case."""
        return tuple(
            name
            for name, one in self._declared.items()
            if self._is_other(one, self.usual[name], choices.get(self.axis_name(name), ""))
        )

    def _is_other(self, one: Argument, usual: Value | None, choice: str) -> bool:
        default = None if one.default is None else one.text(one.default)
        if choice == OTHER:
            return True
        value = dict(self._values(one)).get(choice, usual)
        return (default if value is None else value) != (default if usual is None else usual)

    def same(self, choices: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Each argument that a case omits and another passes with its default, or the reverse.

        They are the axis, the choice of that other case, and what the default is.
        """
        for name, one in self._declared.items():
            values, usual = dict(self._values(one)), self.usual[name]
            axis = self.axis_name(name)
            choice = choices.get(axis, "")
            if one.default is None or values.get(choice, usual) == usual:
                continue
            default, value = one.text(one.default), values[choice]
            labels = [label for label, text in values.items() if text == default]
            if value is None and usual != default and not labels:
                continue
            said = f"{default!r} for the argument {name.lstrip('-')}"
            if value is None:
                other = self._usual_label(name) if usual == default else labels[0]
                yield axis, other, said
            elif value == default and usual is None:
                yield axis, self._usual_label(name), said

    def _usual_label(self, name: str) -> str:
        values = self._values(self._declared[name])
        return next((label for label, value in values if value == self.usual[name]), "sample")

    def wrong(self) -> Iterator[Special]:
        """What must fail: a required argument that is left out, a value that is not allowed."""
        for name, one in self._declared.items():
            if one.required:
                edit = self._passing(name, None)
                yield Special(f"{self.axis_name(name)}-omitted", edit, _fails(name))
            if (value := one.wrong_value) is not None:
                edit = self._passing(name, value)
                yield Special(f"{self.axis_name(name)}-not-allowed", edit, _fails(name, value))

    def axis_name(self, name: str) -> str:
        """The name of an argument in the ids of cases."""
        word = _NOT_IN_IDS.sub("-", name.lstrip("-"))
        return f"{word}-argument" if word in self._taken else word

    def _passing(self, name: str, value: Value | None) -> Edit:
        """The edit that passes this value, and all else as usual."""
        values = {**self.usual, name: value}

        def edit(case: Case) -> Case:
            if self._job.arguments_from == "job":
                tree = case.tree.with_request(arguments=self._words(values))
            else:
                hyperparameters = _hyperparameters(values)
                kept = {
                    key: one
                    for key, one in case.tree.request.hyperparameters.items()
                    if key not in _hyperparameters(self.usual)
                }
                tree = case.tree.with_request(hyperparameters={**kept, **hyperparameters})
            return replace(case, tree=tree, arguments=self._job.arguments(tree.request))

        return edit

    def _words(self, values: Mapping[str, Value | None]) -> tuple[str, ...]:
        positional = [values[name] for name in self._positional]
        words = [str(value) for value in positional if value is not None]
        for name, value in values.items():
            if value is None or name in self._positional:
                continue
            words.append(name if name.startswith("-") else f"--{name}")
            if value is not True:
                words.append(str(value))
        return tuple(words)


def _other(one: Argument) -> str | None:
    """Another value than the default; None for texts, and where there are choices."""
    if one.choices or one.default is None:
        return None
    if one.type == "float" and isinstance(one.default, int | float):
        return one.text(other_number(float(one.default)))
    return other_text(one.text(one.default)) if one.type in ("int", "bool") else None


def _hyperparameters(values: Mapping[str, Value | None]) -> Mapping[str, str]:
    return {name.lstrip("-"): str(value) for name, value in values.items() if value is not None}


def _fails(name: str, value: str = "") -> Expectation:
    patterns = [*names_of_argument(name)]
    if re.search("[a-z]", value):
        patterns.append(re.escape(value))
    error = Matches("argument", "|".join(patterns), f"names the argument {name.lstrip('-')}")
    return Expectation(exit_code=None, error=(error,), explained=False, lacks=("argument",))
