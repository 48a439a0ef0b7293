"""Permissions: the script needs only to read its inputs and to write its outputs."""

from __future__ import annotations

from dataclasses import replace

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.promises import Circumstance, Promise
from harness.promises.inputs import input_folders
from harness.promises.scratch import SCRATCH
from harness.promises.usual_outputs import check_same
from harness.worlds.tree import is_under

_USER = 1000
# Folders that every job may write to.
_JOB_FOLDERS = ("/opt/ml/output", "/opt/ml/model", "/opt/ml/checkpoints")


def _as_user(contract: Contract, case: Case) -> Case:
    own = (*contract.output_folders, *contract.scratch)
    tree = case.tree.with_directory(*own)
    for path, entry in tree:
        if any(is_under(path, one) for one in (*own, *_JOB_FOLDERS)):
            tree = tree.with_entry(path, replace(entry, uid=_USER, gid=_USER))
    return replace(case, tree=tree, user=_USER, variables={**case.variables, "HOME": "/"})


def _inputs_read_only(contract: Contract, case: Case) -> Case:
    own = (*contract.output_folders, *contract.scratch)
    # A folder that is an input and an output is written to.
    folders = tuple(
        one for one in input_folders(contract, case) if one in case.tree and one not in own
    )
    writable = tuple(one for one in own if one in case.tree)
    return replace(case, read_only=folders, writable=writable)


def _root_read_only(contract: Contract, case: Case) -> Case:
    # On a read-only root the script could not create them.
    tree = case.tree.with_directory(*contract.output_folders, *contract.scratch)
    writable = (*contract.output_folders, *contract.scratch, *SCRATCH, *_JOB_FOLDERS)
    existing = tuple(dict.fromkeys(one for one in writable if one in tree))
    return replace(case, tree=tree, read_only=("/",), writable=existing)


USER = Promise(
    "non-root",
    "The script works as another user than root, who owns nothing but the output folders.",
    check_same,
    practical="warning",
    minor=True,
    circumstances=(Circumstance("non-root", _as_user),),
)
INPUTS = Promise(
    "read-only-inputs",
    "The script works when its inputs and its own folder are mounted read-only.",
    check_same,
    practical="warning",
    circumstances=(Circumstance("read-only-inputs", _inputs_read_only),),
)
ROOT = Promise(
    "read-only-root",
    "The script works on a read-only root file system: outputs and temporary folders aside.",
    check_same,
    practical="warning",
    minor=True,
    circumstances=(Circumstance("read-only-root", _root_read_only),),
)
