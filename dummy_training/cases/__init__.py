"""The cases of dummy_training beside the product: odd places, odd files, faults, function calls."""

from __future__ import annotations

from harness.suite import Case, Special

from .functions import functions
from .hyperparameters import hyperparameters
from .model_archives import archives, bad_inputs
from .outputs import faults, outputs
from .places import places
from .world import World


def special_cases(start: Case) -> tuple[Special, ...]:
    """All of them; `start` holds the script in its place."""
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
