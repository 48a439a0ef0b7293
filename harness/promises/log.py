"""Log: it has every text that the contract demands."""

from __future__ import annotations

from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each text that the script must say somewhere and does not."""
    if not evidence.as_expected:
        return
    text = f"{evidence.outcome.stdout}\n{evidence.outcome.stderr}"
    for wanted in evidence.expected.log:
        if not wanted.is_in(text):
            lines = text.strip().splitlines()
            yield Breach(f"no-{wanted.key}", "the log", wanted.meaning, "\n".join(lines[:8]))


PROMISE = Promise(
    "log", "The log tells what the contract says it tells.", check, practical="warning"
)
