"""Miniatures: wrong scripts, one for each possible error, and correct ones."""

from tests.miniatures.miniature import CORRECT, Miniature
from tests.miniatures.wrong import (
    archives,
    circumstances,
    errors,
    functions,
    hyperparameters,
    places,
    uncommon,
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
    *uncommon.MINIATURES,
)

__all__ = ["ALL", "CORRECT", "Miniature"]
