"""Promises that a script breaks as it is written, such as `repeatable` and `any-locale`."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator

from harness.contracts.contract import Output
from harness.lint.paths import TEMPORARY
from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax
from harness.reading.facts import READING, WRITING
from harness.reading.moves import moved, moves
from harness.worlds.tree import is_under

# Names of variables whose values are secrets.
_SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY", re.I
)
_GENERATORS = ("random.", "numpy.random.")
# Their seeds are for their own numbers alone.
_OTHER_GENERATORS = ("torch.", "tensorflow.random.")
# Members of those modules that draw nothing, or that a seed is given to.
_NO_DRAWS: tuple[str, ...] = (
    "seed",
    "SystemRandom",
    "Generator",
)
_NO_DRAWS += ("SeedSequence", "get_state", "set_state", "getstate", "setstate", "PCG64")
_SEEDS = ("seed", "set_seed", "manual_seed", "seed_everything", "set_random_seed", "fix_seed")
# They draw with the seed that they are given, and with another one in each run without it.
_GENERATORS_MADE = ("random.Random", "numpy.random.default_rng", "numpy.random.RandomState")
_DIVIDING = ("sklearn.model_selection.train_test_split", "sklearn.utils.shuffle")
_SEED_WORDS = ("random_state", "seed")
_LISTINGS = ("os.listdir", "os.scandir", "glob.glob", "glob.iglob")
_LISTING_METHODS = ("iterdir", "glob", "rglob")
_TEMPORARY = ("tempfile.mkdtemp", "tempfile.mkstemp")
_REMOVING = ("rmtree", "unlink", "remove", "rmdir", "replace", "rename", "move")
_ORDERED = ("sorted", "len", "set", "sum", "max", "min", "any", "all", "frozenset")


def unseeded_random(subject: Subject) -> Iterator[Problem]:
    """The first draw of random numbers of a generator that the script sets no seed of."""
    if "repeatable" in subject.contract.waivers:
        return
    seeded = {
        _generator(facts.called_name(node))
        for facts in subject.syntaxes()
        for node in facts.calls()
        if _is_seed(subject, facts, node)
    }
    if "" in seeded:
        return
    for facts in (subject.script,):
        for node in facts.calls():
            name = facts.called_name(node)
            last = name.rpartition(".")[2]
            words = {one.arg for one in node.keywords}
            is_draw = name.startswith(_GENERATORS) and last not in _NO_DRAWS
            if name in _GENERATORS_MADE:
                is_draw = not node.args and not words
            # pandas alone has this word.
            divides = name in _DIVIDING or (last == "sample" and "frac" in words)
            is_draw = is_draw or (divides and not words & {*_SEED_WORDS, None})
            generator = "numpy.random." if divides else _generator(name)
            if name not in _GENERATORS_MADE and generator in seeded:
                continue
            if is_draw and not _is_pause(facts, node):
                message = f"{name.lstrip('?.')}() draws others in each run: nothing sets a seed"
                fix = "set a seed, or waive repeatable in the contract"
                yield subject.at_node(facts, "STEP701", message, fix, node)
                return


def stamped_outputs(subject: Subject) -> Iterator[Problem]:
    """Each time, or name made by chance, that is written into an output or names a file there.

    What the contract calls volatile may hold one, and a pattern of files may be filled with one.
    """
    if "repeatable" in subject.contract.waivers:
        return
    removed = {one.path for one in subject.facts.paths if one.use == "remove"}
    ends = moves(subject.facts)
    seen: set[object] = set()
    found = [(one.function, moved(one.path, ends), one.place, True) for one in subject.facts.stamps]
    found += [
        (one.stamp, one.path, one.place, False)
        for one in subject.facts.paths
        if one.stamp and one.reached
    ]
    for function, path, place, is_content in found:
        output = next(
            (one for one in subject.contract.outputs.values() if is_under(path, one.path)), None
        )
        # All that lies in a folder with such a name has it from there.
        key: object = place if is_content else (function, output and output.path)
        if output is None or path in removed or key in seen or _is_volatile(output, path):
            continue
        if not is_content and any("*" in one for one in output.files):
            continue
        seen.add(key)
        what = "is written into" if is_content else "names"
        message = f"{function}() {what} {path}, which is another in each run"
        fix = "take it from the job, name it under volatile, or waive repeatable in the contract"
        yield subject.problem("STEP703", message, fix, place)


def _is_volatile(output: Output, path: str) -> bool:
    """Whether a file of an output may differ from run to run, as a whole or in a part."""
    relative = path[len(output.path.rstrip("/")) + 1 :]
    return any(
        fnmatch.fnmatch(relative, one.partition("#")[0]) or "*" in relative
        for one in output.volatile
    )


def _is_seed(subject: Subject, facts: Syntax, node: ast.Call) -> bool:
    """Whether a call sets a seed; what the script's own functions do is seen in them."""
    name = facts.called_name(node)
    if _generator(name) and not (node.args or node.keywords):
        # A number from the system.
        return False
    top, _, last = name.rpartition(".")
    is_own = last in facts.functions if not top else top.partition(".")[0] in subject.facts.modules
    return not is_own and (last in _SEEDS or "seed" in last.lower())


def _generator(name: str) -> str:
    """The random numbers that a function is of; "" where it may be of all."""
    return next((one for one in (*_GENERATORS, *_OTHER_GENERATORS) if name.startswith(one)), "")


def _is_pause(facts: Syntax, node: ast.Call) -> bool:
    """Whether a number only says how long to wait, or names a draft."""
    for one in facts.ancestors(node):
        if isinstance(one, ast.Call) and facts.called_name(one).endswith("sleep"):
            return True
        if isinstance(one, ast.Assign):
            names = [ast.unparse(target).lower() for target in one.targets]
            words = ("delay", "wait", "sleep", "backoff", "jitter", "tmp", "temp", "port")
            return any(word in name for word in words for name in names)
        if isinstance(one, Function):
            break
    return False


def told_secrets(subject: Subject) -> Iterator[Problem]:
    """Each secret of the environment that is printed or logged."""
    if "no-secrets" in subject.contract.waivers:
        return
    seen: set[object] = set()
    for one in subject.facts.told:
        if one.place in seen or not (not one.variable or _SECRET.search(one.variable)):
            continue
        seen.add(one.place)
        what = one.variable or "the whole environment"
        yield subject.problem("STEP702", f"{what} is told", "tell whether it is set", one.place)


def no_encoding(subject: Subject) -> Iterator[Problem]:
    """Each text that is read or written without an encoding."""
    seen: set[object] = set()
    for one in subject.facts.paths:
        if one.encoding_missing and one.place not in seen and one.reached:
            seen.add(one.place)
            message = "text is read or written in the encoding of the locale"
            yield subject.problem("STEP107", message, 'pass encoding="utf-8"', one.place)


def relative_paths(subject: Subject) -> Iterator[Problem]:
    """Each path that depends on the working directory."""
    seen: set[object] = set()
    for one in subject.facts.paths:
        used = one.use in (*READING, *WRITING) and one.reached and one.begins
        is_relative = not one.path.startswith(("/", "{", "~", "s3:", "http")) and one.path != "."
        if used and is_relative and one.place not in seen and "://" not in one.path:
            seen.add(one.place)
            message = f"{one.path} is looked for in the working directory"
            fix = "begin with the folder of the script, Path(__file__).parent, or of the job"
            yield subject.problem("STEP108", message, fix, one.place)


def unsorted_listings(subject: Subject) -> Iterator[Problem]:
    """Each loop through a folder in the order of the file system, or through a set."""
    for facts in subject.syntaxes():
        for node in facts.calls():
            name = facts.called_name(node)
            is_listing = name in _LISTINGS or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in _LISTING_METHODS
                and not name.startswith(("re.", "glob."))
            )
            if not is_listing:
                continue
            around = [
                facts.called_name(one).rpartition(".")[2]
                for one in facts.ancestors(node)
                if isinstance(one, ast.Call)
            ]
            is_iterated = any(
                isinstance(one, ast.For | ast.comprehension | ast.ListComp)
                for one in facts.ancestors(node)
            )
            if is_iterated and not set(around) & set(_ORDERED):
                message = f"{ast.unparse(node)} has no order of its own"
                yield subject.at_node(facts, "STEP109", message, "put sorted() around it", node)
        for loop in facts.nodes:
            if isinstance(loop, ast.For) and _is_set(facts, loop.iter):
                message = f"{ast.unparse(loop.iter)} has another order in each run"
                yield subject.at_node(
                    facts, "STEP109", message, "put sorted() around it", loop.iter
                )


def _is_set(facts: Syntax, node: ast.expr) -> bool:
    """Whether a loop goes through a set, which has no order."""
    if isinstance(node, ast.Call):
        return facts.called_name(node) in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


def scratch_left(subject: Subject) -> Iterator[Problem]:
    """Each temporary folder or file that nothing removes."""
    if "scratch-clean" in subject.contract.waivers or _cleans_up(subject):
        return
    for facts in subject.syntaxes():
        for node in facts.calls():
            name = facts.called_name(node)
            if name in _TEMPORARY and not any(one.arg == "dir" for one in node.keywords):
                message = f"nothing removes what {name}() makes"
                fix = "with tempfile.TemporaryDirectory() as folder:"
                yield subject.at_node(facts, "STEP110", message, fix, node)


def _cleans_up(subject: Subject) -> bool:
    """Whether something is removed there, or at a place that is not known."""
    names = {facts.called_name(node) for facts in subject.syntaxes() for node in facts.calls()}
    last = {name.rpartition(".")[2] for name in names}
    removed = [one for one in subject.facts.paths if one.use == "remove"]
    if "cleanup" in last or any(
        not one.begins or any(is_under(one.path, folder) for folder in TEMPORARY) for one in removed
    ):
        return True
    return bool(last & set(_REMOVING)) and not removed
