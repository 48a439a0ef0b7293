"""The start case of a step: its script, started as the job starts it, in the tree of the job."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from harness.cases.case import Case
from harness.cases.code_beside import image_files, source_folder
from harness.contracts.contract import Contract
from harness.worlds.archives import file, model_archive
from harness.worlds.jobs import Job
from harness.worlds.tree import Tree


def start_case(
    contract: Contract, script: bytes, job: Job, tree: Tree, code: str | None = None
) -> Case:
    """The case that all others are edits of: no inputs, no arguments.

    `tree` is that of the job, to which the code and the files of the image are added. `code` is
    the folder of the code, None for that of the job. Raises `WrongContract` when a file of the
    image cannot be read.
    """
    folder = code or job.code
    source = source_folder(contract, script)
    if job.source_archive:
        members = tuple(file(name, data) for name, data in source.items())
        source = {**source, job.source_archive: model_archive(members)}
    tree = tree.with_code(source, at=folder)
    for path, (data, mode) in image_files(contract).items():
        tree = tree.with_file(path, data, mode=mode)
    path = f"{folder}/{contract.code_path}"
    if not posixpath.splitext(path)[1]:
        # A program of the image's own, which a container starts by its name.
        tree = tree.with_file(path, script, mode=0o755)
    case = Case(tree=tree, script=path, cwd=job.working_directory)
    if not contract.module:
        return replace(case, relative=True, cwd=folder) if job.starts_by_name else case
    # Found from the code folder, and from any other.
    variables = {"PYTHONPATH": folder}
    return replace(case, module=contract.module, cwd=folder, variables=variables)
