"""What commands take that their command line does not name: the settings, or what is found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import WrongUse

if TYPE_CHECKING:
    from harness.files.settings import Settings

_MAGIC = frozenset("*?[")


def default_steps() -> tuple[Path, ...]:
    """The steps of the settings, else all below the working directory; raises `WrongUse`."""
    from harness.contracts import loaders
    from harness.files.settings import settings

    here = Path.cwd()
    named = settings(here).steps
    found = [path for one in named for path in _matches(one)] if named else []
    found = found or loaders.find_below(here)
    if not found:
        raise WrongUse(
            f"there is no step in or below {here}",
            "name one; or `harness new NAME` makes one, and `harness infer SCRIPT` drafts the "
            "contract of a script",
        )
    return tuple(Path(os.path.relpath(one, here)) for one in found)


def default_step() -> Path:
    """The only one of those; raises `WrongUse` where there are several."""
    found = default_steps()
    if len(found) > 1:
        names = ", ".join(str(one) for one in found)
        raise WrongUse(f"there are several steps: {names}", "name one of them")
    return found[0]


def _matches(path: str) -> list[Path]:
    """The path itself, or what a pattern matches; raises `WrongUse` where that is nothing."""
    if not _MAGIC & set(path):
        return [Path(path)]
    root = Path(Path(path).anchor)
    found = sorted(root.glob(os.path.relpath(path, root)))
    if not found:
        raise WrongUse(f"steps = [{path!r}] in the settings matches nothing", "mend the pattern")
    return found


def default_map(command: str) -> Mapping[str, Any]:
    """The defaults of a command's options that the settings give, by parameter."""
    if command not in _USED:
        return {}
    from harness.files.settings import settings

    project = settings(Path.cwd())
    values = {name: value for name, value in _values(project).items() if value}
    return {name: values[name] for name in _USED[command] if name in values}


# The parameters of each command whose defaults a project can set.
_USED = {
    "check": ("runner", "image", "jobs", "report_texts", "baseline_file"),
    "watch": ("runner", "image", "jobs"),
    "replay": ("runner", "image"),
    "accept": ("runner", "image"),
    "parity": ("image", "jobs"),
}


def _values(project: Settings) -> dict[str, Any]:
    return {
        "runner": project.runner,
        "image": project.image,
        "jobs": project.jobs and str(project.jobs),
        "report_texts": [f"{form}={file}" for form, file in project.reports.items()],
        "baseline_file": project.baseline and os.path.relpath(project.baseline),
    }
