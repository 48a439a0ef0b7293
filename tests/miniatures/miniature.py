"""Miniatures: scripts that break one promise, each an edit of a correct script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent
CORRECT = {path.stem: path for path in sorted((FOLDER / "correct").glob("*.py"))}
BASE = "streaming"


@dataclass(frozen=True)
class Miniature:
    """A wrong script: what it breaks, and what the harness must find.

    `edits` are pairs of old and new text; the old one occurs in the correct script exactly once.
    Each of `cases` must have a finding of `promise` whose key contains `key`.
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
        """The wrong script; raises `ValueError` when an edit does not fit the correct one."""
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
    """A miniature; `finds` is `PROMISE: KEY` of the finding that each of `cases` must have.

    A case without "=" is the name of a special case.
    """
    promise, _, key = finds.partition(": ")
    listed = (cases,) if isinstance(cases, str) else cases
    ids = tuple(one if "=" in one else f"special={one}" for one in listed)
    return Miniature(name, breaks, edits, promise, key, ids, base)


def product(**choices: str) -> str:
    """The id of a case of the product; the default is a processing job with everything absent."""
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
