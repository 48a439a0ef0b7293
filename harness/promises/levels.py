"""The levels at which a step is judged, and what each holds: for `harness explain`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.contracts.contract import Level
from harness.promises.all import PROMISES

_SENTENCES: Mapping[Level, str] = {
    "strict": "Every promise must be kept; the default for a step with a suite of its own.",
    "practical": (
        "What hurts in the service is an error, all else a warning; the default for a suite that "
        "is derived."
    ),
}
LEVELS = tuple(_SENTENCES)


def _minor() -> list[str]:
    return [one.name for one in PROMISES if one.minor]


def explain(level: Level) -> str:
    """What a level is for, and which promises are errors and which are warnings there."""
    lines = [level, "", _SENTENCES[level]]
    for severity, title in (("error", "Errors"), ("warning", "Warnings")):
        held = [one for one in PROMISES if one.severity_at(level) == severity]
        lines += ["", f"{title}:", *(f"  {one.name:24} {one.sentence}" for one in held)]
    if level == "practical":
        lines += [
            "",
            "A failure that ends with exit code 0, and a script that does not end, are errors in "
            "every circumstance but SIGTERM.",
            "",
            f"Counted, and not told one by one: {', '.join(_minor())}.",
        ]
    return "\n".join(
        [
            *lines,
            "",
            f"To choose it: level: {level} in the contract, "
            f'level = "{level}" under [tool.harness] in pyproject.toml, or --level {level}.',
        ]
    )
