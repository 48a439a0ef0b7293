"""A container does what a sandbox does, operation by operation."""

from __future__ import annotations

from harness.runners.real.container import ContainerRunner
from harness.runners.real.sandbox import SandboxRunner
from tests.operations.table import (
    GROUPS,
    PROCESSES,
    done,
    script_of,
    script_of_process,
    tree_for,
)
from tests.unit.worlds import case_of


def test_an_operation_does_the_same_in_both(engine: str, sandbox: SandboxRunner) -> None:
    runner = ContainerRunner(engine)
    try:
        for operations in GROUPS.values():
            case = case_of(script_of(operations), tree_for(len(operations)))
            real = done(sandbox.run(case), operations)
            assert done(runner.run(case), operations) == real
            assert real[""] == ("", 0)
        for name, code in PROCESSES.items():
            case = case_of(script_of_process(code), tree_for(1))
            outcomes = [one.run(case) for one in (sandbox, runner)]
            first, second = ((one.exit_code, one.stdout, one.stderr) for one in outcomes)
            assert first == second, name
    finally:
        runner.close()
