"""The special cases of dummy_training: input locations, unusual files, faults, function calls."""

from __future__ import annotations

from harness.suite import Case, Special

from .functions import functions
from .hyperparameters import hyperparameters
from .model_archives import archives, bad_inputs
from .outputs import faults, outputs
from .places import places
from .world import World


def special_cases(start: Case) -> tuple[Special, ...]:
    """All special cases; `start` has the script in its tree."""
    world = World(start)
    return (
        *places(world),
        *outputs(world),
        *hyperparameters(world),
        *archives(world),
        *bad_inputs(world),
        *faults(world),
        *functions(world),
    )
