"""Environment: the script works in any working directory, locale and time zone, with any umask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.promises import Circumstance, Promise
from harness.promises.usual_outputs import check_same

_OTHER_FOLDER = "/srv/elsewhere"
# Real ASCII: Python 3.7 and newer otherwise use UTF-8 in the C locale.
_ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# A POSIX time zone: names need a database that an image may lack.
_OTHER_TIME_ZONE = {"TZ": "FAR-13:45"}


def _other_folder(_contract: Contract, case: Case) -> Case:
    tree = case.tree.with_directory(_OTHER_FOLDER)
    return replace(case, tree=tree, cwd=_OTHER_FOLDER, relative=False)


def _strict_umask(_contract: Contract, case: Case) -> Case:
    return replace(case, umask=0o077)


def _with_variables(case: Case, variables: Mapping[str, str]) -> Case:
    return replace(case, variables={**case.variables, **variables})


FOLDER = Promise(
    "any-folder",
    "The script works from another working directory.",
    check_same,
    practical="warning",
    circumstances=(Circumstance("other-folder", _other_folder),),
)
LOCALE = Promise(
    "any-locale",
    "The script works under LANG=C, where text without a named encoding is ASCII.",
    check_same,
    practical="warning",
    circumstances=(Circumstance("lang-c", lambda _, case: _with_variables(case, _ASCII)),),
)
TIME_ZONE = Promise(
    "any-time-zone",
    "The script works in another time zone, and writes the same there.",
    check_same,
    practical="warning",
    circumstances=(
        Circumstance("other-time-zone", lambda _, case: _with_variables(case, _OTHER_TIME_ZONE)),
    ),
)
UMASK = Promise(
    "any-umask",
    "The script works under another umask (077).",
    check_same,
    practical="warning",
    circumstances=(Circumstance("umask-077", _strict_umask),),
)
