"""Deliberately wrong scripts, one for each thing that a script can get wrong, and correct ones."""

from tests.miniatures.miniature import CORRECT, Miniature
from tests.miniatures.wrong import (
    archives,
    circumstances,
    errors,
    functions,
    hyperparameters,
    places,
    world,
)

ALL: tuple[Miniature, ...] = (
    *places.MINIATURES,
    *hyperparameters.MINIATURES,
    *archives.MINIATURES,
    *errors.MINIATURES,
    *world.MINIATURES,
    *functions.MINIATURES,
    *circumstances.MINIATURES,
)

__all__ = ["ALL", "CORRECT", "Miniature"]
