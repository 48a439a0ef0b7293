"""Pytest's way into the harness, under a name that no file of a user has.

`python -m pytest` has the working directory on its path: a file `harness.py` there would be
imported in the harness's place, and end pytest. Then the plugin is left out, and pytest says why.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

_PLUGIN = Path("harness", "pytest_plugin.py")


def _hidden_by() -> str:
    """The file that is imported in the place of the harness; "" if it is the harness itself."""
    found = find_spec("harness")
    places = (found.submodule_search_locations or ()) if found else ()
    if any(Path(one).parent.joinpath(_PLUGIN).is_file() for one in places):
        return ""
    return str(found.origin) if found else "nothing"


_HIDDEN_BY = _hidden_by()


@pytest.hookimpl(tryfirst=True)
def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin, whose options pytest asks for next."""
    if not _HIDDEN_BY:
        pluginmanager.import_plugin("harness.pytest_plugin")


def pytest_report_header() -> list[str]:
    """Say what hides the harness."""
    return _told()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it in the end where there is no header, as with `-q`."""
    if terminalreporter.verbosity < 0:
        for line in _told():
            terminalreporter.write_line(line)


def _told() -> list[str]:
    if not _HIDDEN_BY:
        return []
    return [
        f"harness: {_HIDDEN_BY} hides the package harness, so that no step is collected: "
        "give that file another name, or run `pytest` in place of `python -m pytest`"
    ]
