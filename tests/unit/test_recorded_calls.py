"""What a script looks at in a sandbox is recorded from its system calls, however it does that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Outcome
from harness.cases.following import by_lists_of
from harness.cases.observed import Observations, Query
from harness.runners.covering import CoveringRunner, InSandbox
from harness.runners.inside import supervision, system_calls
from harness.runners.real.sandbox import SandboxRunner
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree
from tests.unit.test_covering import ASK, FIRST, WRITE, seen, worlds
from tests.unit.worlds import OUTPUT, case_of

INPUT = "/opt/ml/processing/input"
# What a process does, and what it has looked at then, below a folder of its own, {0}.
WAYS: Mapping[str, tuple[str, tuple[Query, ...]]] = {
    "asks": ("os.access('{0}/none', 0)", (("lookup", "{0}/none"),)),
    "asks for the size": ("os.stat('{0}/a.csv')", (("lookup", "{0}/a.csv"),)),
    "asks a folder": ("os.lstat('{0}')", (("list", "{0}"), ("stat", "{0}/a.csv"))),
    "reads": ("open('{0}/a.csv').read()", (("read", "{0}/a.csv"),)),
    "lists": ("os.listdir('{0}')", (("list", "{0}"), ("stat", "{0}/a.csv"))),
    "reads through a link": (
        "open('{0}/link/a.csv')",
        (("stat", "{0}/link"), ("read", "{0}/folder/a.csv")),
    ),
    "reads through a link of its own": (
        "os.symlink('{0}', '/tmp/link'); open('/tmp/link/a.csv')",
        (("stat", "/tmp/link"), ("read", "{0}/a.csv")),
    ),
    "reads a relative path": (
        "os.chdir('{0}/folder'); open('../a.csv')",
        (("lookup", "{0}/folder"), ("read", "{0}/a.csv")),
    ),
    "reads in an open folder": (
        "folder = os.open('{0}', os.O_PATH); open(os.open('a.csv', 0, dir_fd=folder))",
        (("read", "{0}/a.csv"),),
    ),
    "reads by the number of an open folder": (
        "folder = os.open('{0}', 0); open(f'/proc/self/fd/{{folder}}/a.csv')",
        (("read", "{0}/a.csv"),),
    ),
    "reads what it has moved": (
        "os.rename('{0}/folder', '{0}/moved'); open('{0}/moved/a.csv')",
        (("tree", "{0}/folder"), ("tree", "{0}/moved"), ("stat", "{0}")),
    ),
    "links": ("os.link('{0}/a.csv', '{0}/other')", (("tree", "{0}/a.csv"),)),
    "statx": (
        "import ctypes; ctypes.CDLL(None).statx(-100, b'{0}/a.csv', 0, 4095, bytes(256))",
        (("lookup", "{0}/a.csv"),),
    ),
    "reads in a thread": (
        "import threading; t = threading.Thread(target=open, args=('{0}/a.csv',)); t.start(); "
        "t.join()",
        (("read", "{0}/a.csv"),),
    ),
    "reads in another program": (
        "subprocess.run(['cat', 'a.csv'], cwd='{0}')",
        (("lookup", "{0}"), ("read", "{0}/a.csv")),
    ),
    "copies with a program of the system": (
        "subprocess.run(['cp', '{0}/a.csv', '{0}/copy'])",
        (("read", "{0}/a.csv"), ("stat", "{0}/copy")),
    ),
    "executes": (
        "subprocess.run(['{0}/program'])",
        (("read", "{0}/program"), ("stat", "/tmp/shell"), ("stat", "/opt/ml/way")),
    ),
    "connects": (
        "import socket; socket.socket(socket.AF_UNIX).connect_ex('{0}/a.csv')",
        (("lookup", "{0}/a.csv"),),
    ),
    "writes": ("open('{0}/new', 'w')", (("stat", "{0}"), ("stat", "{0}/new"))),
    "changes": ("os.chmod('{0}/a.csv', 0o600)", (("stat", "{0}/a.csv"), ("read", "{0}/a.csv"))),
    "removes": ("os.unlink('{0}/a.csv')", (("stat", "{0}"), ("stat", "{0}/a.csv"))),
}
FOLDERS = {name: f"{INPUT}/{number}" for number, name in enumerate(WAYS)}


def in_children(sources: Mapping[str, str]) -> str:
    """A script that does each in a process of its own."""
    return "import os, subprocess\n" + "".join(
        f"if os.fork() == 0:\n    {source}\n    os._exit(0)\nassert os.wait()[1] == 0, {name!r}\n"
        for name, source in sources.items()
    )


@pytest.fixture(scope="module", params=[None, ("subprocess",)], ids=["cold", "warm"])
def recorded(request: pytest.FixtureRequest, sandbox: SandboxRunner) -> Iterator[Observations]:
    """What all of the ways together have looked at."""
    runner = sandbox if request.param is None else sandbox.with_modules(request.param)
    tree = Tree.for_job(PROCESSING, (OUTPUT,)).with_symlink("/opt/ml/way", "/bin/sh")
    tree = tree.with_symlink("/tmp/shell", "/opt/ml/way")
    for folder in FOLDERS.values():
        tree = tree.with_files(folder, {"a.csv": b"1", "folder/a.csv": b"2"})
        tree = tree.with_symlink(f"{folder}/link", "folder")
        tree = tree.with_file(f"{folder}/program", b"#!/tmp/shell\necho\n", mode=0o755)
    source = in_children({name: how.format(FOLDERS[name]) for name, (how, _) in WAYS.items()})
    outcome = runner.observing().run(case_of(source, tree))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.observed is not None
    yield outcome.observed
    runner.close()


@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_look_at_something_is_recorded(recorded: Observations, name: str) -> None:
    assert recorded.hidden == ""
    expected = {(kind, path.format(FOLDERS[name])) for kind, path in WAYS[name][1]}
    assert expected <= set(recorded.queries)


def test_what_is_not_looked_at_is_not_recorded(recorded: Observations) -> None:
    asked, removed = FOLDERS["asks"], FOLDERS["removes"]
    assert [one for one in recorded.queries if one[1].startswith(f"{asked}/")] == [
        ("lookup", f"{asked}/none")
    ]
    assert ("read", f"{removed}/a.csv") not in recorded.queries
    # Every variable counts, and nothing of the interpreter and of the kernel.
    assert ("environment", "") in recorded.queries
    assert not [one for one in recorded.queries if one[1].startswith(("/usr/", "/proc/", "/bin"))]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("os.statvfs('/opt/ml')", "asks how full the disk is"),
        ("os.chroot('/opt')", "changes its root folder"),
        ("ctypes.CDLL(None).inotify_add_watch(0, b'/opt', 1)", "watches files"),
        ("ctypes.CDLL(None).syscall(471)", "uses a system call that is not known"),
        (
            "shutil.copy('/bin/true', '/tmp/own'); os.spawnv(os.P_WAIT, '/tmp/own', ['own'])",
            "executes a program that is not of the system",
        ),
        (
            "ctypes.CDLL(None).syscall(437, -100, b'/opt/ml', struct.pack('QQQ', 0, 0, 8), 24)",
            "opens files in a way of its own",
        ),
    ],
)
def test_what_cannot_be_recorded_is_told(sandbox: SandboxRunner, source: str, reason: str) -> None:
    outcome = sandbox.observing().run(
        case_of("import ctypes, os, shutil, struct\n" + source + "\nprint('end')")
    )
    assert outcome.stdout == "end\n"
    assert outcome.observed is not None
    assert outcome.observed.hidden.startswith(reason)


def test_where_the_kernel_cannot_ask_nothing_else_is_different(
    sandbox: SandboxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Flags that no kernel knows; the processes of sandboxes are forks of this one.
    monkeypatch.setattr(system_calls, "_LISTENING", 1 << 30)
    outcome = sandbox.observing().run(case_of("print(1)"))
    assert outcome.stdout == "1\n"
    assert outcome.observed is not None
    assert outcome.observed.hidden == f"cannot be recorded: {supervision.LACKING}"


def same(_case: Case, first: Outcome, second: Outcome) -> bool:
    return seen(first) == seen(second)


@pytest.fixture(scope="module")
def warm(sandbox: SandboxRunner) -> Iterator[SandboxRunner]:
    runner = sandbox.with_modules(("pathlib", "subprocess", "tempfile"))
    yield runner
    runner.close()


TEMPORARY = """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    part = Path(folder, "part")
    part.write_text(str((INPUT / "first").exists()))
    part.rename(OUTPUT / f"{part.name}-done")
"""
CAT = (
    "import subprocess\n"
    "write(subprocess.run(['cat', INPUT / 'first/a.csv'], capture_output=True).stdout)"
)
MOVE = "(INPUT / 'first').rename(OUTPUT / 'all') if (INPUT / 'first').exists() else None"
# Of the cases each number follows: of those with the same variable, or files.
FEW: Mapping[str, Mapping[str, bytes] | None] = {"absent": None, "present": {"a.csv": b"1,2\n"}}


@pytest.mark.parametrize(("source", "follow"), [(CAT, 4), (TEMPORARY, 2), (MOVE, 4)])
def test_what_follows_in_a_sandbox_is_as_if_it_had_been_run(
    source: str, follow: int, warm: SandboxRunner, tmp_path: Path
) -> None:
    runner = CoveringRunner(warm, tmp_path, in_sandbox=InSandbox(same, 100))
    outcomes = [(one, runner.run(one)) for one in worlds(WRITE + source, FEW)]
    assert len([one for _, one in outcomes if one.follows]) >= follow
    for case, outcome in outcomes:
        assert not outcome.follows or seen(outcome) == seen(warm.run(case)), case.id


@pytest.mark.parametrize(
    ("source", "follow"),
    [
        ("told(FILE.read_text)", 4),
        ("told(lambda: [FILE.exists(), FILE.write_text('2')])", 0),
    ],
)
def test_the_way_to_a_file_is_seen_where_it_counts(
    source: str, follow: int, warm: SandboxRunner, tmp_path: Path
) -> None:
    runner = CoveringRunner(warm, tmp_path, in_sandbox=InSandbox(same, 100))
    tree = Tree.for_job(PROCESSING).with_directory(INPUT, OUTPUT, mode=0o777)
    cases = [replace(case_of(ASK + source, edit(tree)), id=name) for name, edit in FIRST.items()]
    outcomes = [(one, runner.run(one)) for one in cases]
    assert len([one for _, one in outcomes if one.follows]) >= follow
    for case, outcome in outcomes:
        assert not outcome.follows or seen(outcome) == seen(warm.run(case)), case.id


@pytest.mark.parametrize(
    "source",
    [
        "import time; write(time.time_ns())",
        "write(os.urandom(8).hex())",
        "write(os.stat(INPUT.parent).st_ino)",
    ],
)
def test_a_case_that_does_not_end_the_same_twice_answers_for_no_other(
    source: str, warm: SandboxRunner, tmp_path: Path
) -> None:
    runner = CoveringRunner(warm, tmp_path, in_sandbox=InSandbox(same, 100))
    assert not any(runner.run(one).follows for one in worlds(WRITE + source, FEW)[::4] * 2)


def test_what_was_changed_unseen_lets_nothing_follow(
    warm: SandboxRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the record had lost some of the calls."""
    case = worlds(WRITE + "write(1)", FEW)[0]
    whole = SandboxRunner.run

    def lossy(self: SandboxRunner, case: Case) -> Outcome:
        outcome = whole(self, case)
        if outcome.observed is None:
            return outcome
        kept = tuple(one for one in outcome.observed.queries if "result.txt" not in one[1])
        return replace(outcome, observed=replace(outcome.observed, queries=kept))

    monkeypatch.setattr(SandboxRunner, "run", lossy)
    runner = CoveringRunner(warm, tmp_path, in_sandbox=InSandbox(same, 100))
    assert [bool(runner.run(case).follows) for _ in range(2)] == [False, False]


def test_recording_is_given_up_where_no_case_follows(
    warm: SandboxRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[str] = []
    observing = SandboxRunner.observing

    def noted(self: SandboxRunner) -> SandboxRunner:
        recorded.append("")
        return observing(self)

    monkeypatch.setattr(SandboxRunner, "observing", noted)
    runner = CoveringRunner(warm, tmp_path, in_sandbox=InSandbox(same, 2))
    for number in range(4):
        case = case_of("print(1)", variables={"NUMBER": str(number)})
        assert not runner.run(replace(case, id=str(number))).follows
    assert len(recorded) == 2


def test_names_of_chance_are_asked_for_by_lists() -> None:
    tree = Tree().with_file("/opt/ml/a", b"").with_directory("/tmp")
    queries: list[Query] = [("environment", ""), ("stat", "/tmp/tmpa1b2"), ("read", "/opt/ml/a")]
    assert by_lists_of(queries, tree) == (
        *(("environment", ""), ("stat", "/tmp"), ("list", "/tmp")),
        *(("stat", "/opt"), ("stat", "/opt/ml"), ("list", "/opt/ml"), ("read", "/opt/ml/a")),
    )
    assert by_lists_of([("stat", "/none/a")], tree) == (("list", "/"),)
