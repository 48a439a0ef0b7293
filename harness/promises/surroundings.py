"""The script works wherever it is started: other folder, locale, time zone, umask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.promises import Circumstance, Promise
from harness.promises.same import check_same

_ELSEWHERE = "/srv/elsewhere"
# Not UTF-8 in disguise, as newer Pythons have it: a locale that knows ASCII alone.
_ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# No name of a time zone: those need a data base that an image may lack.
_FAR_AWAY = {"TZ": "FAR-13:45"}


def _elsewhere(_contract: Contract, case: Case) -> Case:
    tree = case.tree.with_directory(_ELSEWHERE)
    return replace(case, tree=tree, cwd=_ELSEWHERE, relative=False)


def _strict_umask(_contract: Contract, case: Case) -> Case:
    return replace(case, umask=0o077)


def _with(case: Case, variables: Mapping[str, str]) -> Case:
    return replace(case, variables={**case.variables, **variables})


FOLDER = Promise(
    "any-folder",
    "The script works from another working directory.",
    check_same,
    circumstances=(Circumstance("other-folder", _elsewhere),),
)
LOCALE = Promise(
    "any-locale",
    "The script works under LANG=C, where text without a named encoding is ASCII.",
    check_same,
    circumstances=(Circumstance("lang-c", lambda _, case: _with(case, _ASCII)),),
)
TIME_ZONE = Promise(
    "any-time-zone",
    "The script works in another time zone, and writes the same there.",
    check_same,
    circumstances=(Circumstance("other-time-zone", lambda _, case: _with(case, _FAR_AWAY)),),
)
UMASK = Promise(
    "any-umask",
    "The script works under another umask (077).",
    check_same,
    circumstances=(Circumstance("umask-077", _strict_umask),),
)
