"""Modules under the names that they had before 0.2: suites that import them still work.

Remove this with 0.3. `harness.suite` has what a suite needs.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

# Those that suites and tests by hand had a use for: old name → new name.
_NEW: Mapping[str, str] = {
    "harness.archives": "harness.worlds.archives",
    "harness.case": "harness.cases.case",
    "harness.contract": "harness.contracts.contract",
    "harness.expectation": "harness.cases.expectation",
    "harness.jobs": "harness.worlds.jobs",
    "harness.matrix": "harness.cases.matrix",
    "harness.session": "harness.runs.session",
    "harness.step": "harness.runs.step",
    "harness.tree": "harness.worlds.tree",
}
# Names within them that are others now: new module → old name → new name.
RENAMED: Mapping[str, Mapping[str, str]] = {
    "harness.cases.case": {"BARE_ENVIRONMENT": "BASE_ENVIRONMENT"},
    "harness.cases.expectation": {"Says": "Matches"},
    "harness.contracts.contract": {
        "ADDED": "LOADER_FIELDS",
        "Given": "JobSettings",
        "Open": "Unresolved",
    },
    "harness.runs.session": {"in_order": "run_in_order"},
    "harness.runs.step": {"trial": "run_case", "try_case": "run_single_case"},
}


class _OldModules(MetaPathFinder, Loader):
    """Finds a module under its old name, and warns whoever imports it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What loads the module, where the name is an old one."""
        return spec_from_loader(fullname, self) if fullname in _NEW else None

    def exec_module(self, module: ModuleType) -> None:
        """Hand on all that the module holds under its new name."""
        name = _NEW[module.__name__]
        warnings.warn(
            f"{module.__name__} is {name} now; suites import what they need from harness.suite",
            DeprecationWarning,
            stacklevel=2,
        )
        new = vars(import_module(name))
        for old, now in RENAMED.get(name, {}).items():
            setattr(module, old, new[now])
        for one, value in new.items():
            if not one.startswith("__"):
                setattr(module, one, value)


def install() -> None:
    """From here on the old names can be imported."""
    if not any(isinstance(one, _OldModules) for one in sys.meta_path):
        # First, since bytecode of an older version may still make folders of these names.
        sys.meta_path.insert(0, _OldModules())
