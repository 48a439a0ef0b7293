"""Paths: those that the script uses against those of the contract."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.reading.facts import READING, PathUse
from harness.reading.recorder import CHANNEL_VARIABLE
from harness.worlds.job_type import job_type
from harness.worlds.tree import is_under

_ROOT = "/opt/ml"
# Paths that every job has or may write, whatever its contract.
_JOB_PATHS = (
    "/opt/ml/input/config",
    "/opt/ml/config",
    "/opt/ml/output/failure",
    "/opt/ml/output/message",
)
# Those of a training job: they are synced or uploaded, and need no word of the contract.
_TRAINING_PATHS = (
    "/opt/ml/checkpoints",
    "/opt/ml/output/metrics",
    "/opt/ml/output/tensors",
    "/opt/ml/output/profiler",
    "/opt/ml/output/tensorboard",
    "/opt/ml/output/intermediate",
    "/opt/ml/input/data/checkpoints",
)
# They are there in every training job; what is written there is an output.
_TRAINING_OUTPUTS = ("/opt/ml/model", "/opt/ml/output/data")
# By whether they are there a script tells which type its job is of.
_OF_JOB_TYPES = (
    *("/opt/ml/input", "/opt/ml/input/data", "/opt/ml/model"),
    *("/opt/ml/processing", "/opt/ml/processing/input", "/opt/ml/processing/output"),
)
# Folders of the script. The folder itself may be used, for sys.path; a file in it is an input.
_CODE_FOLDERS = ("/opt/ml/code", "/opt/ml/processing/input/code")
# Anything may be written there, and is gone with the container.
TEMPORARY = ("/tmp", "/var/tmp", "/dev", "/run", "/proc", "/root/.cache")
_CHANGES = ("write", "make", "extract", "remove")


def undeclared_paths(subject: Subject) -> Iterator[Problem]:
    """Each path below /opt/ml that is not declared, nor a parent of a declared one."""
    declared = [*subject.declared_paths, *_JOB_PATHS, *subject.contract.scratch]
    if subject.is_training:
        declared += _TRAINING_PATHS
    found: dict[str, PathUse] = {}
    for one in _uses(subject):
        path = folder_of(one)
        if (
            subject.is_training
            and path in _TRAINING_OUTPUTS
            and one.use in ("test", "list", "make")
        ):
            continue
        if not is_under(path, _ROOT) or path in (_ROOT, *_CODE_FOLDERS):
            continue
        if one.use == "test" and path in _OF_JOB_TYPES:
            continue
        if any(is_under(path, known) or is_under(known, path) for known in declared):
            begins = _known_beginning(one)
            leads = begins == f"{path}/" or begins == path
            if leads or any(
                known.startswith(begins) or is_under(path, known) for known in declared
            ):
                continue
            path = begins
        variable = one.variable or ""
        # A job of another type sets none of the toolkit's variables.
        is_unset = variable.startswith("SM_") and not subject.is_training
        if is_unset or variable.startswith(CHANNEL_VARIABLE) or _is_beside(subject, path):
            continue
        root = _undeclared_root(path, declared)
        if root not in found or len(one.path) < len(found[root].path):
            found[root] = one
    for one in found.values():
        yield subject.problem(
            "STEP101",
            f"{_shown(one)} is not a path that the contract declares",
            "declare it as an input's mount or source, or as an output; or do not use it",
            one.origin,
        )


def _uses(subject: Subject) -> Iterator[PathUse]:
    """The paths that are used, and whose beginning is known."""
    return (
        one for one in subject.facts.paths if one.begins and subject.counts(one.place, one.reached)
    )


def folder_of(use: PathUse) -> str:
    """A path up to its first part that is not known, or is a pattern."""
    path = use.path
    found = re.search(r"[*?\[]", path)
    if found is not None:
        path = path[: found.start()].rpartition("/")[0] or "/"
    return posixpath.normpath(path)


def _known_beginning(use: PathUse) -> str:
    """A path up to what is not known of it, with the beginning of a name."""
    found = re.search(r"[*?\[]", use.path)
    return use.path if found is None else use.path[: found.start()]


def _shown(use: PathUse) -> str:
    begins = _known_beginning(use)
    return folder_of(use) if begins in (use.path, f"{folder_of(use)}/") else f"{begins}*"


def _undeclared_root(path: str, declared: list[str]) -> str:
    """The topmost folder of a path that leads to nothing that is declared."""
    parts = path.split("/")
    for number in range(4, len(parts) + 1):
        root = "/".join(parts[:number])
        if not any(is_under(one, root) for one in declared):
            return root
    return path


def _is_beside(subject: Subject, path: str) -> bool:
    """Whether a path of the code folder is a file that lies beside the script."""
    for folder in _CODE_FOLDERS:
        if is_under(path, folder):
            return (subject.script.script.parent / path[len(folder) + 1 :]).exists()
    return False


def unused_paths(subject: Subject) -> Iterator[Problem]:
    """Each declared path that the script does not use.

    A use of a parent folder counts too, since the rest may be added at run time. Nothing is said
    where a file is read, or written, whose folder is not known. Outputs that every job has need
    not be used.
    """
    facts, contract = subject.facts, subject.contract
    if not facts.complete or facts.runs_programs:
        return
    used = [
        (folder_of(one), one)
        for one in facts.paths
        if one.begins and (one.reached or subject.counts(one.place, one.reached))
    ]
    optional = {one.path for one in contract.outputs.values() if contract.job and not one.required}
    reads_anything, writes_anything = _has_unknown(subject)
    for path, (part, name, key) in subject.declared_paths.items():
        if path in optional or (reads_anything if part == "inputs" else writes_anything):
            continue
        uses = [one for folder, one in used if is_under(folder, path) or _covers(folder, path, one)]
        is_tested = any(one.use == "test" for one in uses)
        if part == "inputs" and is_tested and all(one.use == "test" or one.passed for one in uses):
            what = "is only looked for, and never read"
        elif uses or any(path in one for one, _ in facts.texts):
            continue
        else:
            what = "is never used"
        yield subject.in_contract(
            "STEP102",
            f"{path}, which the contract declares for {name}, {what}",
            "use it, or take it out of the contract",
            *(part, name, key, path),
        )


def lost_outputs(subject: Subject) -> Iterator[Problem]:
    """Each output that a job of the contract's type does not collect."""
    job = job_type(subject.contract)
    for name, output in subject.contract.outputs.items():
        if not job.collects_from(output.path):
            yield subject.in_contract(
                "STEP111",
                f"{output.path}, the output {name}, is lost: a {job.name} job collects "
                f"{', '.join(job.collects)} alone",
                "write it to /opt/ml/model or /opt/ml/output/data",
                *("outputs", name, "path"),
            )


def _covers(folder: str, path: str, use: PathUse) -> bool:
    """Whether a use of a parent folder may be one of the path."""
    return is_under(path, folder) and folder != "/" and use.use not in ("test", "make")


def _has_unknown(subject: Subject) -> tuple[bool, bool]:
    """Whether something is read, or written, at a place that is not known."""
    reads = writes = False
    for one in subject.facts.paths:
        if one.begins or not one.reached:
            continue
        names_path = one.use == "name" and (
            (one.argument is not None and one.argument.type not in ("int", "float", "bool"))
            or one.path != "*"
        )
        reads = reads or one.use in READING or names_path
        writes = writes or one.use in _CHANGES or names_path
    return reads, writes


def other_files(subject: Subject) -> Iterator[Problem]:
    """Each file in the folder of an input or output that the contract does not name.

    What is written and then renamed or removed is a draft.
    """
    contract = subject.contract
    removed = {one.path for one in subject.facts.paths if one.use == "remove"}
    seen: set[str] = set()
    for one in _uses(subject):
        if not one.exact or not one.reached or one.path in seen or one.path in removed:
            continue
        if one.use == "write" and "/**/" in one.path:
            # The folders are those of an input, which may have none.
            continue
        is_file = "." in posixpath.basename(one.path).strip(".")
        names = one.use == "name" and not one.passed and is_file
        if (one.use == "read" or names) and (name := _unnamed_input(contract, one.path)):
            seen.add(one.path)
            patterns = ", ".join(contract.inputs[name].file_patterns)
            message = f"{one.path} is used, and the contract has {patterns} in {name}"
            yield subject.problem("STEP103", message, f"name it in inputs.{name}", one.origin)
        elif one.use == "write" and (name := _unnamed_output(contract, one.path)):
            seen.add(one.path)
            files = ", ".join(contract.outputs[name].files)
            message = f"{one.path} is written and left, and the contract has {files} in {name}"
            fix = f"name it in outputs.{name}, or remove it"
            yield subject.problem("STEP103", message, fix, one.place)


def _unnamed_input(contract: Contract, path: str) -> str | None:
    found = None
    for name, one in contract.inputs.items():
        for mount in one.mounts:
            if is_under(path, mount) and path != mount:
                if not one.file_patterns or one.reads(path[len(mount.rstrip("/")) + 1 :]):
                    return None
                found = name
    if any(one.may_write(path) for one in contract.outputs.values()):
        return None
    return found


def _unnamed_output(contract: Contract, path: str) -> str | None:
    found = None
    for name, one in contract.outputs.items():
        if is_under(path, one.path) and path != one.path:
            if one.may_write(path) or not one.files:
                return None
            found = name
    return found


def unwritten_files(subject: Subject) -> Iterator[Problem]:
    """Each file that an output must have, where all that is written there is known without it."""
    facts = subject.facts
    if not facts.complete or facts.runs_programs or _has_unknown(subject)[1]:
        return
    for name, output in subject.contract.outputs.items():
        uses = [
            one
            for one in facts.paths
            if one.begins and (is_under(one.path, output.path) or is_under(output.path, one.path))
        ]
        changing = [
            one for one in uses if one.use in ("write", "extract", "name") and not one.passed
        ]
        in_text = any(output.path in one for one, _ in facts.texts)
        if not output.required or in_text or not any(one.reached for one in uses):
            continue
        if any(not one.exact or not is_under(one.path, output.path) for one in changing):
            continue
        written = {one.path for one in changing}
        if output.path in written:
            continue
        for file in output.files:
            path = posixpath.join(output.path, file)
            if path not in written and not set(file) & set("*?[{"):
                message = f"the output {name} must have {file}, and the script never writes it"
                yield subject.in_contract(
                    "STEP103",
                    message,
                    f"write {path}, or take it out of the contract",
                    *("outputs", name, "files"),
                )


def demanded_inputs(subject: Subject) -> Iterator[Problem]:
    """Each optional input that the script reads without a look whether it is there."""
    facts = subject.facts
    if subject.contract.job is not None or not facts.complete:
        return
    for name, one in subject.contract.inputs.items():
        if one.required or len(one.mounts) != 1 or one.source:
            continue
        mount = one.mounts[0]
        variable = f"{CHANNEL_VARIABLE}{posixpath.basename(mount).upper()}"
        known = [read for read in facts.variables if read.name == variable and read.reached]
        is_channel = posixpath.dirname(mount) == "/opt/ml/input/data"
        if is_channel and known and all(read.required for read in known):
            message = f"the channel {name} is optional, and the script fails without {variable}"
            fix = f"os.environ.get({variable!r}), or declare it as required"
            yield subject.problem("STEP112", message, fix, known[0].place)
            continue
        own = [use for use in facts.paths if use.begins and is_under(use.path, mount)]
        paths = {mount, *(use.path for use in own)}
        if paths & facts.dispensable or any(use.use in ("test", "list") for use in own):
            continue
        reads = [use for use in own if use.use == "read" and use.certain and use.reached]
        reads = [use for use in reads if not use.caught and not use.variable]
        if reads:
            message = f"the input {name} is optional, and the script fails without it"
            fix = "ask whether it is there, or declare it as required"
            yield subject.problem("STEP112", message, fix, reads[0].place)


def misplaced_writes(subject: Subject) -> Iterator[Problem]:
    """Each place where something is written into an input, or where nothing is uploaded from."""
    seen: set[str] = set()
    allowed = (*TEMPORARY, *subject.contract.scratch, *subject.contract.output_folders)
    for one in _uses(subject):
        if one.use not in _CHANGES or not one.path.startswith(("/", "~/")):
            continue
        path = folder_of(one)
        if any(is_under(path, known) for known in (*allowed, *seen)):
            continue
        inputs = [
            name
            for name, known in subject.contract.inputs.items()
            for mount in known.mounts
            if is_under(path, mount)
        ]
        if inputs and (one.use != "make" or path not in subject.declared_paths):
            seen.add(path)
            message = f"{path} is in the folder of the input {inputs[0]}, and is changed"
            yield subject.problem("STEP104", message, "write to a temporary folder", one.place)
        elif not is_under(path, _ROOT) and one.use in ("write", "make"):
            seen.add(path)
            if is_under(_ROOT, path) or path == "/":
                continue
            message = f"{path} is written, and is neither below {_ROOT} nor a temporary folder"
            yield subject.problem(
                "STEP105", message, "write to the folder of an output", one.origin
            )


def work_at_import(subject: Subject) -> Iterator[Problem]:
    """Each use of the job's folders that comes with an import of the script.

    A script without a main guard is run and not imported.
    """
    from harness.lint.shape import has_main_guard

    if subject.script.script.suffix != ".py" or not has_main_guard(subject.script):
        return
    seen: set[int] = set()
    for one in subject.facts.paths:
        works = one.use in (*READING, *_CHANGES)
        is_own = one.place.file == subject.script.script and one.place.line not in seen
        comes = one.at_import and one.reached and works and one.begins
        if comes and is_own and is_under(one.path, _ROOT):
            seen.add(one.place.line)
            message = f"an import of the script uses {folder_of(one)}"
            yield subject.problem("STEP106", message, "move it into a function", one.place)
