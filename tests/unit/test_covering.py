"""Covering: a case follows from another one only where the script can see nothing else in it."""

from __future__ import annotations

import hmac
import itertools
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Outcome
from harness.cases.following import Contradiction, Decisions
from harness.cases.observed import Query
from harness.runners.covering import CoveringRunner
from harness.runners.fake.runner import FakeRunner
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree
from tests.unit.worlds import OUTPUT, case_of

INPUT = "/opt/ml/processing/input"
# Two inputs, each absent or with one content or another, and a variable that is set or not.
CHOICES: Mapping[str, Mapping[str, bytes] | None] = {
    "absent": None,
    "present": {"a.csv": b"1,2\n"},
    "longer": {"b.csv": b"3,4\n", "a.csv": b"5,67\n"},
}
WRITE = f"""
import os
from pathlib import Path
INPUT, OUTPUT = Path("{INPUT}"), Path("{OUTPUT}")
OUTPUT.mkdir(parents=True, exist_ok=True)
def write(value): (OUTPUT / "result.txt").write_text(str(value))
"""


def worlds(source: str, choices: Mapping[str, Mapping[str, bytes] | None]) -> list[Case]:
    cases = []
    for first, second, mode in itertools.product(choices, choices, ("", "fast")):
        tree = Tree.for_job(PROCESSING)
        for name, choice in (("first", first), ("second", second)):
            files = choices[choice]
            if files is not None:
                tree = tree.with_files(f"{INPUT}/{name}", files)
        cases.append(case_of(source, tree, variables={"MODE": mode} if mode else {}))
    return [replace(one, id=f"case={number}") for number, one in enumerate(cases)]


def seen(outcome: Outcome) -> tuple[object, ...]:
    """All of an outcome but the dates of what was written."""
    assert outcome.after is not None
    files = {path: (one.kind, one.data, one.mode) for path, one in outcome.after}
    return outcome.exit_code, outcome.stdout, files


def covered(
    source: str, folder: Path, choices: Mapping[str, Mapping[str, bytes] | None] = CHOICES
) -> int:
    """How many cases follow, each of which is found to be as if it had been run."""
    runner, plain, number = CoveringRunner(FakeRunner(), folder), FakeRunner(), 0
    for case in worlds(WRITE + source, choices):
        outcome = runner.run(case)
        if outcome.follows:
            number += 1
            assert seen(outcome) == seen(plain.run(case)), (case.id, outcome.follows)
    return number


@pytest.mark.parametrize(
    ("source", "least"),
    [
        ("write((INPUT / 'first').exists())", 16),
        ("write([p.read_text() for p in sorted((INPUT / 'first').glob('*'))])", 15),
        ("write(os.environ.get('MODE', 'slow'))", 16),
        ("import pkgutil; write([*pkgutil.iter_modules([str(INPUT / 'first')])])", 15),
        (
            "import importlib.util, sys\n"
            "sys.path.insert(0, str(INPUT))\n"
            "write(importlib.util.find_spec('first') is None)",
            15,
        ),
        ("import runpy; write(runpy.run_path(str(INPUT / 'first' / 'a.csv')))", 15),
        (
            "import tempfile, logging\n"
            "logging.warning('it starts')\n"
            "with tempfile.TemporaryDirectory() as folder:\n"
            "    part = Path(folder, 'part')\n"
            "    part.write_text(os.environ['MODE'])\n"
            "    part.rename(OUTPUT / f'{part.name}-done')\n",
            16,
        ),
        (
            "partial = OUTPUT / os.urandom(8).hex()\n"
            "partial.write_text('x')\n"
            "partial.replace(OUTPUT / 'x')\n"
            "import random\n"
            "write(random.Random(3).random())",
            17,
        ),
        # What is moved or linked is in the output as it was, though nobody has read it.
        ("import shutil; shutil.move(INPUT / 'first', OUTPUT / 'all')", 12),
        ("os.link(INPUT / 'first/a.csv', OUTPUT / 'linked.csv')", 12),
        ("(INPUT / 'second').chmod(0o700)", 12),
        ("for one in (INPUT / 'first').iterdir(): one.unlink()", 12),
        ("write(os.path.getsize(INPUT / 'second/a.csv'))", 12),
        # Of the library, and imported by no other module.
        ("import colorsys; write(colorsys.__name__)", 17),
    ],
)
def test_what_the_script_does_not_see_changes_nothing(
    source: str, least: int, tmp_path: Path
) -> None:
    assert covered(source, tmp_path) >= least


# What may be at a path where a file is expected, which a script that asks for it need not tell.
FIRST: Mapping[str, Callable[[Tree], Tree]] = {
    "absent": lambda tree: tree,
    "empty": lambda tree: tree.with_directory(f"{INPUT}/first"),
    "another file": lambda tree: tree.with_file(f"{INPUT}/first/b.csv", b"3"),
    "a file in place of the folder": lambda tree: tree.with_file(f"{INPUT}/first", b""),
    "a folder that nobody may enter": lambda tree: tree.with_directory(f"{INPUT}/first", mode=0),
    "the file": lambda tree: tree.with_file(f"{INPUT}/first/a.csv", b"1"),
    "the file beside another": lambda tree: tree.with_files(
        f"{INPUT}/first", {"a.csv": b"1", "b.csv": b"3"}
    ),
    "the file through a link": lambda tree: tree.with_symlink(
        f"{INPUT}/first", "/opt/ml/other"
    ).with_file("/opt/ml/other/a.csv", b"1"),
    "a link to the file": lambda tree: tree.with_symlink(
        f"{INPUT}/first/a.csv", "/opt/ml/other/a.csv"
    ).with_file("/opt/ml/other/a.csv", b"1"),
    "a link to nothing": lambda tree: tree.with_symlink(f"{INPUT}/first/a.csv", "/opt/ml/none"),
}
ASK = (
    WRITE.replace("write(value):", "write(value=None):")
    + """
FILE = INPUT / "first/a.csv"
def told(function):
    try:
        write(function())
    except OSError as error:
        write((error.errno, error.filename))
"""
)


@pytest.mark.parametrize("user", [0, 1234])
@pytest.mark.parametrize(
    ("source", "least"),
    [
        # Absent, empty, with another file or one that cannot be entered: it is not there.
        ("told(FILE.exists)", 4),
        ("told(lambda: os.path.isfile(FILE))", 4),
        ("told(lambda: FILE.stat().st_size)", 4),
        ("told(FILE.read_text)", 4),
        ("told(lambda: open(str(FILE)).read())", 4),
        # Of the folder itself more is seen.
        ("told((INPUT / 'first').is_dir)", 0),
        ("told(lambda: [FILE.exists(), sorted(os.listdir(INPUT / 'first'))])", 0),
        # What is made there depends on the folder.
        ("told(lambda: [FILE.exists(), FILE.write_text('2')])", 0),
        ("told(lambda: [FILE.exists(), os.mkdir(FILE)])", 0),
        ("told(lambda: [FILE.exists(), os.rename(INPUT / 'first', OUTPUT / 'all')])", 0),
        ("os.chdir(INPUT); told(lambda: open('first/a.csv').read())", 4),
    ],
)
def test_the_folders_on_the_way_to_a_file_are_not_seen(
    source: str, least: int, user: int, tmp_path: Path
) -> None:
    tree = Tree.for_job(PROCESSING).with_directory(INPUT, mode=0o777)
    tree = tree.with_directory(OUTPUT, mode=0o777)
    runner, plain, number = CoveringRunner(FakeRunner(), tmp_path), FakeRunner(), 0
    for name, edit in FIRST.items():
        case = replace(case_of(ASK + source, edit(tree)), id=name, user=user)
        outcome = runner.run(case)
        if outcome.follows:
            number += 1
            assert seen(outcome) == seen(plain.run(case)), (name, outcome.follows)
    # Another user is told of the rights of the folders, too.
    assert number >= (least if user == 0 else 0)


FEW = {name: CHOICES[name] for name in ("absent", "present")}


@pytest.mark.parametrize(
    "source",
    [
        "write(sorted(os.environ.items()))",
        "write(len(os.environ.copy()))",
        "write([sorted(files) for _, _, files in os.walk('/opt/ml')])",
        "import random; write(random.random() < 0.5)",
        "import random; write(random.Random().choice('ab'))",
        "import secrets; write(secrets.randbelow(2))",
        "import uuid; write(uuid.uuid4().int % 2)",
        "write(os.urandom(1)[0] % 2)",
        "import time; write(int(time.time() * 1000) % 2)",
        "import time; write(int(getattr(time, 'perf_' + 'counter')() * 1000) % 2)",
        "import datetime; write(datetime.datetime.now().microsecond % 2)",
        "write(os.stat('/opt/ml/processing').st_ino)",
        "write(next(os.scandir('/opt/ml')).inode())",
        "write(tuple(os.stat('/opt/ml/code')))",
        "write(os.stat(INPUT).st_nlink)",
        "write(os.path.getctime('/opt/ml/code') % 2)",
        "write(1); write(os.stat(OUTPUT).st_mtime_ns % 2)",
        "write(1); write(os.path.getmtime(OUTPUT / 'result.txt') % 2)",
        "import shutil; write(shutil.disk_usage('/opt').used)",
    ],
)
def test_what_cannot_be_recorded_lets_nothing_follow(source: str, tmp_path: Path) -> None:
    # What is seen whole may be the same in other cases.
    sees_all = "environ" in source or "walk" in source
    assert covered(source, tmp_path, FEW) == 0 or sees_all


@pytest.mark.parametrize(
    ("asks", "is_hidden"),
    [
        ("os.path.getsize(INPUT)", True),
        ("os.stat(INPUT).st_size", True),
        ("INPUT.stat().st_size", True),
        ("os.stat(INPUT).st_mode", False),
        ("os.path.getsize(os.__file__)", False),
        ("shutil.copytree(INPUT, OUTPUT / 'copy')", False),
        ("tarfile.open(OUTPUT / 'x.tar', 'w').add(INPUT)", False),
    ],
)
def test_the_size_of_a_folder_cannot_be_recorded(asks: str, is_hidden: bool) -> None:
    source = f"{WRITE}import shutil, tarfile\nwrite({asks})"
    observed = FakeRunner().observing().run(next(iter(worlds(source, FEW)))).observed
    assert observed is not None
    assert (observed.hidden == "asks for the size of a folder") == is_hidden


def test_a_run_that_contradicts_another_is_told() -> None:
    decisions: Decisions[Query, str] = Decisions()
    decisions.add("start", [("stat", "/a"), ("stat", "/b")], lambda query: query[1] == "/a", "run")
    assert decisions.find("start", lambda query: query[1] == "/a") == "run"
    assert decisions.find("start", lambda _query: False) is None
    assert decisions.find("other start", lambda _query: True) is None
    with pytest.raises(Contradiction):
        decisions.add("start", [("stat", "/b")], lambda _query: True, "other")
    with pytest.raises(Contradiction):
        decisions.add("start", [("stat", "/a")], lambda _query: True, "other")


def test_cases_that_are_special_are_run(tmp_path: Path) -> None:
    runner = CoveringRunner(FakeRunner(), tmp_path)
    case = worlds(WRITE + "write(1)", FEW)[0]
    assert not runner.run(case).follows
    assert runner.run(replace(case, id="other")).follows == case.id
    for change in (
        {"arguments": ("--x",)},
        {"cwd": "/tmp"},
        {"user": 1000},
        {"umask": 0o077},
        {"reversed_listing": True},
        {"choices": {"circumstance": "any"}},
        {"variables": {"TZ": "Asia/Tokyo"}},
        {"variables": {"PYTHONHASHSEED": "1"}},
    ):
        other: Case = replace(case, id="other", **change)
        assert not runner.run(other).follows, change


def test_processes_share_what_they_have_run(tmp_path: Path) -> None:
    case = worlds(WRITE + "write(1)", FEW)[0]
    runner = CoveringRunner(FakeRunner(), tmp_path)
    runner.run(case)
    runner.close()
    assert runner.run(replace(case, id="other")).follows == case.id


class Canary:
    """A value whose unpickling can be seen."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (CANARY,)


CANARY = ""


def test_what_another_has_put_among_the_runs_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "CANARY", str(tmp_path / "canary"))
    folder = tmp_path / "runs"
    folder.mkdir()
    forged = pickle.dumps(Canary())
    for name in ("forged.run", "forged.seen"):
        (folder / name).write_bytes(forged)
        (folder / f"signed-{name}").write_bytes(hmac.digest(b"other", forged, "sha256") + forged)
        (folder / f"short-{name}").write_bytes(b"")
    runner = CoveringRunner(FakeRunner(), folder)
    case, other = worlds(WRITE + "write(1)", FEW)[:2]
    assert not runner.run(case).follows
    assert runner.run(other).follows == case.id
    assert runner.looked_at()
    assert not (tmp_path / "canary").exists()
    # The canary shows.
    pickle.loads(forged)
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize(("says", "follows"), [("the same", True), ("something else", False)])
def test_a_failure_for_another_reason_lets_nothing_follow(
    tmp_path: Path, says: str, *, follows: bool
) -> None:
    """As of a library that another runner cannot import: it looks at nothing of the case."""

    class Other:
        """A runner that is not the fake one, and fails by itself."""

        def run(self, case: Case) -> Outcome:
            return replace(FakeRunner().run(case), stderr=f"12:01 error: {says}\n")

    case = worlds("import sys; sys.exit('12:02 error: the same')", FEW)[0]
    runner = CoveringRunner(Other(), tmp_path)  # type: ignore[arg-type]
    runner.run(case)
    assert bool(runner.run(replace(case, id="other")).follows) == follows
