"""The pytest plugin: one test per case of a step, and fixtures for tests written by hand.

A step is collected from its suite (`pytest STEP/conformance.py`), or from its contract where the
suite is derived. Each case is a test under its stable id, so that `-k`, `-x`, `--lf`, `-n auto` and
JUnit work as usual. Since pytest's `-k` does not accept `=`, a choice is written `axis:choice`
there. The harness is imported only when a step is collected, so that the plugin costs nothing in
other projects.
"""

from __future__ import annotations

from harness.pytest_parts.collection import pytest_collect_file, pytest_pycollect_makemodule
from harness.pytest_parts.fixtures import opt_ml, pytest_assertrepr_compare, run_step
from harness.pytest_parts.items import CaseItem
from harness.pytest_parts.options import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_sessionfinish,
)
from harness.pytest_parts.runners import (
    pytest_report_collectionfinish,
    pytest_terminal_summary,
    pytest_unconfigure,
)

__all__ = [
    "CaseItem",
    "opt_ml",
    "pytest_addoption",
    "pytest_assertrepr_compare",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_pycollect_makemodule",
    "pytest_report_collectionfinish",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "run_step",
]
