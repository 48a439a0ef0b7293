"""The contract that the facts of a script speak for.

What the script cannot tell has a question: whether an input is required, what an exit code means.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.drafts.command_line import arguments, ends_when_stopped, exit_codes, variables
from harness.drafts.requirements import requirements_of
from harness.reading.facts import READING, Facts, PathUse, Stamp
from harness.reading.moves import moved, moves
from harness.reading.values import Argument, Place
from harness.worlds.tree import is_under

_CHANNELS = "/opt/ml/input/data"
_INPUTS = "/opt/ml/processing/input"
_OUTPUTS = "/opt/ml/processing/output"
_PROCESSING = "/opt/ml/processing"
_CHECKPOINTS = "/opt/ml/checkpoints"
_TRAINING_OUTPUTS = ("/opt/ml/model", "/opt/ml/output/data", _CHECKPOINTS)
# They are there for every job, or go with the job.
_OTHERS = (
    *("/opt/ml/input/config", "/opt/ml/config", "/opt/ml/output/failure", "/opt/ml/output/message"),
    *("/opt/ml/output/metrics", "/opt/ml/output/tensors", "/opt/ml/code"),
    "/opt/ml/processing/input/code",
)
# An argument of such a name holds a path.
_NAMES_PATH = re.compile(r"path|file|dir|folder|input|data", re.I)
_WRITES = ("write", "extract")
_PATH_IN_TEXT = re.compile(r"/opt/ml/[\w./*-]+")


@dataclass
class Folder:
    """An input or an output: its folder, the files in it, and what is not known."""

    path: str
    files: list[str] = field(default_factory=list)
    any_file: bool = False
    required: bool | None = None
    # Where that is not known: whether the script only reads it after it has asked for it.
    asks_first: bool = False
    argument: str | None = None
    # Where it is in a job of another type.
    others: tuple[str, ...] = ()
    # The files, or the values in them, that are others in each run.
    volatile: list[str] = field(default_factory=list)

    def add(self, relative: str, *, is_exact: bool, deep: bool = False) -> None:
        """A file, or a pattern of files; "" is the folder as a whole.

        A `*` reaches into folders, but for outputs, which may be `deep`.
        """
        rest = relative.removeprefix("**/")
        name = re.sub(r"\*+", "*", rest)
        if not name or name == "*" or not (is_exact or "." in posixpath.basename(name)):
            self.any_file = True
        else:
            name = f"**/{name}" if deep and rest != relative else name
            self.files += [name] if name not in self.files else []


@dataclass(frozen=True)
class Draft:
    """A contract as far as a script tells it."""

    name: str
    entry_point: str
    inputs: Mapping[str, Folder]
    outputs: Mapping[str, Folder]
    scratch: tuple[str, ...]
    arguments: tuple[Argument, ...]
    # The name of each, and the type that it is read as, "" where that is not known.
    hyperparameters: Mapping[str, str]
    hyperparameter_defaults: Mapping[str, object]
    required: tuple[str, ...]
    optional: Mapping[str, str | None]
    exit_codes: Mapping[int, str]
    # Whether the handler of SIGTERM lets the script come to its end.
    ends_when_stopped: bool
    requirements: tuple[str, ...]
    # Whether the script reads its arguments in a way that does not tell their names.
    has_unknown_arguments: bool
    # Whether it may read channels of other names.
    has_unknown_inputs: bool
    # What `python -m` is given, "" for a file.
    module: str = ""


def draft(facts: Facts, module: str = "") -> Draft:
    """The contract that the facts of a script speak for, which `python -m` runs as a `module`."""
    script = facts.script
    outputs, scratch = _outputs(facts)
    inputs = _inputs(facts, outputs, scratch)
    required, optional = variables(facts)
    accepted = tuple(arguments(facts))
    known = {name for one in accepted for name in (one.dest, *one.names)}
    hyperparameters = [one.name for one in facts.hyperparameters if one.name]
    hyperparameters += [
        one.name.removeprefix("SM_HP_").lower()
        for one in facts.variables
        if one.name.startswith("SM_HP_") and one.reached
    ]
    return Draft(
        re.sub(r"\W+", "_", module or script.stem) or "step",
        script.name,
        inputs,
        outputs,
        scratch,
        accepted,
        {
            one: facts.hyperparameter_types.get(one, "")
            for one in hyperparameters
            if one not in known
        },
        facts.hyperparameter_defaults,
        required,
        optional,
        exit_codes(facts),
        ends_when_stopped(facts),
        requirements_of(facts),
        not accepted
        and not hyperparameters
        and (facts.words_escape or bool(facts.hyperparameters)),
        facts.environment_escapes and not inputs,
        module,
    )


def _reached(facts: Facts) -> Iterator[PathUse]:
    return (
        one
        for one in facts.paths
        if one.reached and not any(is_under(one.path, other) for other in _OTHERS)
    )


def _split(path: str, roots: Iterable[str]) -> tuple[str, str] | None:
    """The folder of an input or output that a path lies in, and the rest of the path."""
    for root in roots:
        if is_under(path, root) and path != root:
            first, _, rest = path[len(root) + 1 :].partition("/")
            if not rest and _is_file(first):
                return root, first
            if "*" in first:
                return root, path[len(root) + 1 :]
            return f"{root}/{first}", rest
    return None


def _is_file(name: str) -> bool:
    return "." in name.strip(".")


def _inputs(
    facts: Facts, outputs: Mapping[str, Folder], scratch: tuple[str, ...]
) -> dict[str, Folder]:
    written = {one.path for one in facts.paths if one.use in _WRITES}
    found: dict[str, Folder] = {}
    by_path: dict[str, Folder] = {}
    listed: set[str] = set()
    for one in _reached(facts):
        names_input = one.use in ("name", "test") and is_under(one.path, _CHANNELS)
        names_input = names_input or (one.use == "name" and is_under(one.path, _INPUTS))
        if one.use not in READING and not names_input:
            continue
        if one.use == "extract" or one.path in written:
            continue
        if not one.begins:
            _add_given(found, one)
            continue
        others = (*(known.path for known in outputs.values()), *scratch)
        if any(is_under(one.path, other) for other in others):
            continue
        parts = _split(one.path, (_CHANNELS, _INPUTS, _PROCESSING))
        if parts is None:
            continue
        folder, rest = parts
        entry = by_path.setdefault(folder, Folder(folder))
        if one.use == "list":
            rest = rest if "*" in rest else ""
        if one.use in ("list", "name") and (rest or one.use == "list") and not rest.strip("*/"):
            # Which of the files are used is said elsewhere, or nowhere.
            listed.add(folder)
        elif rest or one.use in READING:
            entry.add(rest, is_exact=one.exact)
    for text, _ in facts.texts:
        # Such as a query of a database.
        for path in _PATH_IN_TEXT.findall(text):
            parts = _split(path.rstrip("."), (_CHANNELS, _INPUTS))
            if parts is not None:
                by_path.setdefault(parts[0], Folder(parts[0])).add(parts[1], is_exact=True)
    for folder, entry in by_path.items():
        has_pattern = any("*" in one for one in entry.files)
        is_any = folder in listed and not has_pattern
        entry.any_file = entry.any_file or not entry.files or is_any
        entry.required = _is_required(facts, folder, entry)
        entry.asks_first = _asks_first(facts, folder, entry)
        same = found.get(posixpath.basename(folder))
        if same is not None and _is_of_training(same.path) != _is_of_training(folder):
            _merge(same, entry)
        else:
            found[_name(folder, found)] = entry
    return found


def _is_of_training(folder: str) -> bool:
    return is_under(folder, _CHANNELS)


def _merge(entry: Folder, other: Folder) -> None:
    """Take up the folder that the same input has in a job of another type."""
    entry.others = (*entry.others, other.path)
    entry.files = list(dict.fromkeys((*entry.files, *other.files)))
    entry.any_file = entry.any_file or other.any_file
    entry.required = True if entry.required and other.required else None
    entry.asks_first = False


def _add_given(found: dict[str, Folder], use: PathUse) -> None:
    """An input whose folder an argument gives."""
    argument = use.argument
    is_text = argument is not None and argument.type not in ("int", "float", "bool")
    if argument is None or not is_text or use.use not in READING:
        return
    name = argument.dest
    rest = use.path.removeprefix("*").lstrip("/")
    if not rest and use.use != "list" and not _NAMES_PATH.search(name):
        return
    entry = found.setdefault(name, Folder(f"{_INPUTS}/{name}", argument=name))
    entry.add(rest, is_exact=not rest.count("*"))
    entry.required = None


def _is_required(facts: Facts, folder: str, entry: Folder) -> bool | None:
    """Whether the script fails without an input; None where it does not say."""
    paths = {folder, *(f"{folder}/{one}" for one in entry.files)}
    if paths & facts.demanded:
        return True
    variable = f"SM_CHANNEL_{posixpath.basename(folder).upper()}"
    if any(one.name == variable and one.required for one in facts.variables):
        return True
    uses = (one for one in facts.paths if one.reached and is_under(one.path, folder))
    reads = [one for one in uses if one.use != "test" and not one.passed]
    # The script asks whether there is such a channel, and only then reads it.
    is_asked = any(one.name == variable and one.required is False for one in facts.variables)
    if is_asked and reads and not any(one.certain for one in reads):
        return False
    if paths & facts.dispensable:
        return None
    # A pattern is filled with what is there, which may be nothing.
    sure = (one.certain and not one.caught and not (one.exact and "*" in one.path) for one in reads)
    return True if any(sure) else None


def _asks_first(facts: Facts, folder: str, entry: Folder) -> bool:
    """Whether the script asks for an input, and reads it only where that tells so."""
    paths = {folder, *(f"{folder}/{one}" for one in entry.files)}
    reads = [one for one in facts.paths if one.use in READING and is_under(one.path, folder)]
    return bool(paths & facts.dispensable and reads) and not any(one.certain for one in reads)


def _outputs(facts: Facts) -> tuple[dict[str, Folder], tuple[str, ...]]:
    removed = _removed(facts)
    gone = _removed_at_last(facts)
    read = {one.path for one in facts.paths if one.use in READING}
    by_path: dict[str, Folder] = {}
    drafts: dict[str, bool] = {}
    elsewhere: list[str] = []
    named: dict[str, list[str]] = {}
    made: set[str] = set()
    written: set[str] = set()
    for one in _reached(facts):
        is_output = one.use == "name" and (
            is_under(one.path, _OUTPUTS) or any(is_under(one.path, o) for o in _TRAINING_OUTPUTS)
        )
        makes = one.use == "make" and one.begins
        if not one.begins or not (one.use in _WRITES or is_output or makes):
            continue
        own = next((root for root in _TRAINING_OUTPUTS if is_under(one.path, root)), None)
        if own is not None:
            folder, rest = own, one.path[len(own) + 1 :]
        else:
            parts = _split(one.path, (_OUTPUTS, _PROCESSING))
            if parts is None:
                elsewhere.append(one.path)
            if parts is None or is_under(parts[0], _INPUTS):
                continue
            folder, rest = parts
        if any(is_under(one.path, other) for other in gone):
            continue
        if one.path in removed:
            # A draft, or something that only the script needs.
            drafts.setdefault(folder, one.path in read)
            continue
        if makes:
            made.add(folder)
            if folder in by_path:
                continue
        entry = by_path.setdefault(folder, Folder(folder))
        if one.certain and not makes:
            entry.required = True
        if one.use in _WRITES:
            written.add(folder)
            entry.add(rest, is_exact=one.exact and one.is_file, deep=True)
        elif is_output and not one.passed and _is_file(posixpath.basename(rest)):
            named.setdefault(folder, []).append(rest)
    for folder in named.keys() - written:
        # Only somebody else's program or library writes there.
        for rest in named[folder]:
            by_path[folder].add(rest, is_exact=False)
    for folder in made - written:
        # Something else writes there, and the script removes it in the end.
        below = [path for path in removed if is_under(path, folder)]
        drafts.update({folder: any(path in read for path in below)} if below else {})
        if not by_path[folder].files and any(is_under(other, folder) for other in written):
            # It holds outputs, and is none.
            del by_path[folder]
    for entry in by_path.values():
        entry.any_file = entry.any_file or not entry.files
        entry.volatile += _volatile(facts, entry)
        if entry.path == _CHECKPOINTS:
            # Nobody asks whether there are any.
            entry.required = False
    scratch = tuple(
        folder
        for folder, was_read in drafts.items()
        if was_read and (folder not in by_path or not by_path[folder].files)
    )
    scratch = tuple(dict.fromkeys((*scratch, *_own_folders([*gone, *elsewhere], by_path))))
    found: dict[str, Folder] = {}
    for folder, entry in by_path.items():
        if folder not in scratch:
            found[_name(folder, found)] = entry
    return found, scratch


def _volatile(facts: Facts, entry: Folder) -> list[str]:
    """What of an output is another in each run, a time or a name made by chance."""
    found: dict[str, None] = {}
    by_move = moves(facts)
    # Lines of a log begin with the time.
    logs = [Stamp("logging", path, Place(facts.script, 1)) for path in facts.logs]
    for one in (*facts.stamps, *logs):
        path = moved(one.path, by_move)
        name = path[len(entry.path) + 1 :]
        if is_under(path, entry.path) and (name in entry.files or (name and entry.any_file)):
            is_document = one.pointers and name.endswith(".json")
            parts = [f"{name}#{each}" for each in one.pointers] if is_document else [name]
            found.update(dict.fromkeys(parts))
    return list(found)


def _removed(facts: Facts) -> set[str]:
    """The files that are removed or renamed, and not written again."""
    found: set[str] = set()
    for one in facts.paths:
        if one.use == "remove":
            if not one.on_failure:
                found.add(one.path)
        elif one.exact and (one.use in _WRITES or (one.use == "name" and not one.passed)):
            found.discard(one.path)
    return found


def _removed_at_last(facts: Facts) -> tuple[str, ...]:
    """The folders that the script removes in the end, with all that was written there."""
    last: dict[str, int] = {}
    changed: dict[str, int] = {}
    for number, one in enumerate(facts.paths):
        if one.reached and one.exact and one.use == "remove" and one.certain:
            last[one.path] = number
        elif one.reached and one.begins and one.use in (*_WRITES, "make"):
            changed[one.path] = number
    return tuple(
        folder
        for folder, number in last.items()
        # Nothing is written there afterwards, and something was before: a file is no folder.
        if (found := [at for path, at in changed.items() if is_under(path, folder)])
        and max(found) < number
        and not _is_file(posixpath.basename(folder))
    )


def _own_folders(used: Iterable[str], outputs: Mapping[str, Folder]) -> Iterator[str]:
    """Folders that only the script uses, which no job uploads: those removed, and others' roots."""
    known = [*_TRAINING_OUTPUTS, *_OTHERS, "/opt/ml/input", *outputs]
    for path in dict.fromkeys(used):
        parts = path.split("/")
        root = "/".join(parts[:4])
        if root == _PROCESSING:
            root = "/".join(parts[:5])
            if root in (_INPUTS, _OUTPUTS):
                root = path
        if root.startswith("/opt/ml/") and not any(is_under(root, one) for one in known):
            yield root


def _name(folder: str, taken: Mapping[str, Folder]) -> str:
    name = posixpath.basename(folder)
    while name in taken:
        name = f"{name}_2"
    return name
