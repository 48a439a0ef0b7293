"""The script needs no more rights than the contract gives: to read its inputs, to write outputs."""

from __future__ import annotations

from dataclasses import replace

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.promises import Circumstance, Promise
from harness.promises.inputs import input_folders
from harness.promises.same import check_same
from harness.promises.scratch import SCRATCH
from harness.worlds.tree import is_under

_USER = 1000
# Where every job may write, whatever its contract says.
_OF_THE_JOB = ("/opt/ml/output", "/opt/ml/model", "/opt/ml/checkpoints")


def _as_user(contract: Contract, case: Case) -> Case:
    tree = case.tree.with_directory(*contract.output_folders)
    for path, entry in tree:
        if any(is_under(path, one) for one in (*contract.output_folders, *_OF_THE_JOB)):
            tree = tree.with_entry(path, replace(entry, uid=_USER, gid=_USER))
    return replace(case, tree=tree, user=_USER, variables={**case.variables, "HOME": "/"})


def _inputs_read_only(contract: Contract, case: Case) -> Case:
    folders = tuple(one for one in input_folders(contract, case) if one in case.tree)
    writable = tuple(one for one in contract.output_folders if one in case.tree)
    return replace(case, read_only=folders, writable=writable)


def _root_read_only(contract: Contract, case: Case) -> Case:
    # Nobody could make them later.
    tree = case.tree.with_directory(*contract.output_folders)
    writable = (*contract.output_folders, *SCRATCH, *_OF_THE_JOB)
    there = tuple(dict.fromkeys(one for one in writable if one in tree))
    return replace(case, tree=tree, read_only=("/",), writable=there)


USER = Promise(
    "non-root",
    "The script works as another user than root, who owns nothing but the output folders.",
    check_same,
    circumstances=(Circumstance("non-root", _as_user),),
)
INPUTS = Promise(
    "read-only-inputs",
    "The script works when its inputs and its own folder are mounted read-only.",
    check_same,
    circumstances=(Circumstance("read-only-inputs", _inputs_read_only),),
)
ROOT = Promise(
    "read-only-root",
    "The script works on a read-only root file system: outputs and temporary folders aside.",
    check_same,
    circumstances=(Circumstance("read-only-root", _root_read_only),),
)
