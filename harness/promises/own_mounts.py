"""Mounts: each input and each output is a mount of its own, as in every job.

A rename or a hard link from a temporary folder, or from an input, into an output crosses two of
them and fails (EXDEV); a folder that something is mounted at cannot be removed or renamed (EBUSY).
The folders of inputs are for root alone (0700), as the SDK's local mode makes them.
"""

from __future__ import annotations

from dataclasses import replace

from harness.cases.case import Case, Mount
from harness.contracts.contract import Contract
from harness.promises import Circumstance, Promise
from harness.promises.inputs import input_folders
from harness.promises.usual_outputs import check_same


def with_mounts(contract: Contract, case: Case) -> Case:
    """The case where each input and each output is a mount of its own."""
    tree = case.tree.with_directory(*contract.output_folders)
    inputs = input_folders(contract, case)
    folders = (*inputs, *contract.output_folders)
    mounted = {one.path for one in case.mounts}
    entries = {folder: tree.get(folder) for folder in dict.fromkeys(folders)}
    mounts = tuple(
        Mount(folder)
        for folder, entry in entries.items()
        if folder not in mounted and entry is not None and entry.kind == "directory"
    )
    for folder in set(inputs).difference(contract.output_folders):
        entry = tree.get(folder)
        if entry is not None and entry.kind == "directory" and not case.user:
            tree = tree.with_entry(folder, replace(entry, mode=0o700))
    return replace(case, tree=tree, mounts=(*case.mounts, *mounts))


PROMISE = Promise(
    "own-mounts",
    "The script works where each input and output is a mount of its own, as in every job.",
    check_same,
    circumstances=(Circumstance("own-mounts", with_mounts),),
    needs_outputs=True,
)
