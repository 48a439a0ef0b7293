"""The faults of a step: at which operations its usual case can fail, counted in a run of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.cases.fault import FRESH, OLDER, Fault, Operation
from harness.errors import RunnerCannot
from harness.promises import any_fault
from harness.runners import Runner
from harness.runs.choice import Choice
from harness.runs.step import StepRef, load

_NOT_AS_USUAL = (
    "the usual case does not end as it must where each input and output is a mount of its own, so "
    "that nothing can be seen of faults"
)
_NO_OPERATIONS = "the script does nothing to files of its inputs, outputs or temporary folders"


@dataclass(frozen=True)
class Faults:
    """The ids of the cases of faults, and of those that cannot be made, with the reasons."""

    ids: tuple[str, ...] = ()
    unproven: Mapping[str, str] = field(default_factory=dict)


def find_faults(ref: StepRef, runner: Runner, *, every: bool = False) -> Faults:
    """The faults of a step in a runner, which is prepared and closed.

    Of equal operations, those of the same kind at the same place, one is tried, unless it is
    `every` one. Raises what `prepare` and `run` of the runner raise.
    """
    step = load(ref)
    if not step.contract.outputs or any_fault.PROMISE.name in step.contract.waivers:
        return Faults()
    if not step.matrix.usual:
        return Faults()
    ids: list[str] = []
    runner.prepare()
    try:
        for kind in (FRESH, OLDER):
            case_id = f"circumstance={kind}"
            case, expected = step.matrix.case(case_id)
            if kind == OLDER and case.tree == _tree_of_fresh(ref):
                # The contract names no file that could be there.
                continue
            outcome = runner.run(step.limit.apply(case))
            reason = outcome.unproven
            if not reason and not expected.accepts_exit_code(outcome.exit_code):
                reason = _NOT_AS_USUAL
            elif not reason and not outcome.operations:
                reason = _NO_OPERATIONS
            if reason and kind == FRESH:
                return Faults(unproven={case_id: reason})
            if not reason:
                points = outcome.operations if every else one_of_equal(outcome.operations)
                ids += (f"{case_id}/{one.name}" for one in _faults_at(points))
    finally:
        runner.close()
    return Faults(tuple(dict.fromkeys(ids)))


def find_faults_with(choice: Choice, *, every: bool = False) -> tuple[Choice, Faults]:
    """The faults of a step in the runner that is chosen, else in one that can judge the script.

    Raises as `find_faults` does, and what `Choice.after` raises.
    """
    try:
        return choice, find_faults(choice.ref, choice.runner, every=every)
    except RunnerCannot as refusal:
        choice = choice.after(refusal)
        return choice, find_faults(choice.ref, choice.runner, every=every)


def _tree_of_fresh(ref: StepRef) -> object:
    return load(ref).matrix.case(f"circumstance={FRESH}")[0].tree


def one_of_equal(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """One operation of each kind at each place: that in the middle.

    The first and the last of many reads are special: before the one nothing is known, and after
    the other there is nothing to come.
    """
    groups: dict[tuple[str, str], list[Operation]] = {}
    for one in operations:
        groups.setdefault((one.name, one.place), []).append(one)
    return tuple(equal[(len(equal) - 1) // 2] for equal in groups.values())


def _faults_at(operations: Sequence[Operation]) -> Iterator[Fault]:
    for one in operations:
        for effect in any_fault.effects(one):
            yield Fault((), one.name, one.place, one.time, effect)
