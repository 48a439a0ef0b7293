"""Miniatures: scripts that break one promise, each a small edit of a script that breaks none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent
CORRECT = {path.stem: path for path in sorted((FOLDER / "correct").glob("*.py"))}
BASE = "streaming"


@dataclass(frozen=True)
class Miniature:
    """A wrong script: what it does wrong, and what the harness must find in which cases.

    `edits` are pairs of old and new text; the old must be in the correct script exactly once. In
    each of `cases` a finding of `promise` is due whose key contains `key`.
    """

    name: str
    breaks: str
    edits: tuple[tuple[str, str], ...]
    promise: str
    key: str
    cases: tuple[str, ...]
    base: str = BASE

    @cached_property
    def source(self) -> str:
        """The wrong script; raises `ValueError` when the correct one has changed under an edit."""
        text = CORRECT[self.base].read_text()
        for old, new in self.edits:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {text.count(old)} times in {self.base}: {old!r}")
            text = text.replace(old, new)
        return text


def wrong(
    name: str,
    breaks: str,
    *edits: tuple[str, str],
    finds: str,
    cases: str | tuple[str, ...],
    base: str = BASE,
) -> Miniature:
    """A miniature; `finds` is the promise and the key of the finding, `cases` where it is due.

    A case without "=" is the name of a special one.
    """
    promise, _, key = finds.partition(": ")
    listed = (cases,) if isinstance(cases, str) else cases
    ids = tuple(one if "=" in one else f"special={one}" for one in listed)
    return Miniature(name, breaks, edits, promise, key, ids, base)


def product(**choices: str) -> str:
    """The id of a case of the product; what is not said is absent, in a processing job."""
    picked = {
        "job": "processing",
        "model_channel": "absent",
        "code_models": "absent",
        "model_beside": "absent",
        "hyperparameters_channel": "absent",
        "code_hyperparams": "absent",
        "hyperparameters_beside": "absent",
        "embedded": "none",
    }
    assert set(choices) <= set(picked)
    return ",".join(f"{axis}={choice}" for axis, choice in {**picked, **choices}.items())
