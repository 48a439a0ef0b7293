"""The cache: what has not changed is not run again, and whatever has is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Outcome, Result
from harness.errors import WrongUse
from harness.runners.fake.runner import FakeRunner
from harness.runs import cache, step
from harness.runs.cache import Cache
from harness.runs.step import StepRef
from tests.unit.test_cli import COPIER, HARNESS, broken, harness
from tests.unit.test_merge import lasting

__all__ = ["broken"]
LONG = "text=long,older_copy=absent"
RAN: list[str] = []


@dataclass(frozen=True)
class Counting(FakeRunner):
    """The fake runner, which keeps count of the cases that it runs."""

    change: Callable[[Outcome], Outcome] = lambda outcome: outcome
    version: str = "1"

    def run(self, case: Case) -> Outcome:
        RAN.append(case.id)
        return self.change(super().run(case))

    def identity(self) -> object:
        return super().identity(), self.version


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    """Be a new process, which has read nothing yet."""
    for of_step in (step.load, step.fingerprint, step._usual):
        of_step.cache_clear()
    for of_cache in (cache._harness, cache._of_step, cache._of_runner):
        of_cache.cache_clear()
    RAN.clear()


@pytest.fixture
def copier(tmp_path: Path) -> Path:
    """A copy of the sample step, with a module and files beside it."""
    folder = tmp_path / "copier"
    shutil.copytree(COPIER, folder)
    source = (folder / "copier.py").read_text()
    (folder / "copier.py").write_text(
        source.replace("import signal", "import helper\nimport signal")
    )
    (folder / "helper.py").write_text("# helps\n")
    suite = (folder / "conformance.py").read_text()
    future = "from __future__ import annotations\n"
    (folder / "conformance.py").write_text(suite.replace(future, future + "from .texts import *\n"))
    (folder / "texts.py").write_text("# no texts\n")
    for name in ("code/data.txt", "text/text.txt"):
        (folder / "samples" / name).parent.mkdir(parents=True)
        (folder / "samples" / name).write_text("1")
    return folder


def judge(
    folder: Path, ref: StepRef | Path, runner: FakeRunner | None = None, case: str = LONG
) -> Result:
    """The verdict as a new process gives it."""
    forget()
    one = Cache(folder)
    one.prepare()
    return one.judged(ref if isinstance(ref, StepRef) else StepRef(ref), runner or Counting(), case)


def test_a_case_of_which_nothing_has_changed_is_not_run_again(tmp_path: Path, copier: Path) -> None:
    first = judge(tmp_path / "cache", copier)
    assert (RAN, first.cached, first.passed) == ([LONG], False, True)
    second = judge(tmp_path / "cache", copier)
    assert (RAN, second.cached) == ([], True)
    assert replace(second, cached=False, seconds=0) == replace(first, seconds=0)


def test_a_step_may_move(tmp_path: Path, copier: Path) -> None:
    judge(tmp_path / "cache", copier)
    copier.rename(tmp_path / "moved")
    assert judge(tmp_path / "cache", tmp_path / "moved").cached


def append(name: str) -> Callable[[Path, pytest.MonkeyPatch], object]:
    def change(folder: Path, _patch: pytest.MonkeyPatch) -> None:
        with (folder / name).open("a") as stream:
            stream.write("\n")

    return change


def installed(_folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.syspath_prepend(str(_folder / "site-packages"))
    (_folder / "site-packages" / "new-1.0.dist-info").mkdir(parents=True)


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    **{f"the {name}": append(name) for name in ("copier.py", "contract.yaml", "conformance.py")},
    "a module beside the script": append("helper.py"),
    "a module beside the suite": append("texts.py"),
    "a sample": append("samples/text/text.txt"),
    "a file beside the script": append("samples/code/data.txt"),
    "a new sample": lambda folder, _: (folder / "samples/text/more").write_text(""),
    "a variable of Python": lambda _, patch: patch.setenv("PYTHONHASHSEED", "3"),
    "the locale": lambda _, patch: patch.setenv("LC_ALL", "C"),
    "what is installed": installed,
    "the system": lambda _, patch: patch.setattr("platform.platform", lambda: "Other"),
    "the Python": lambda _, patch: patch.setattr("sys.version", "3.99"),
    "the harness's version": lambda _, patch: patch.setattr(cache, "version", lambda _: "9"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_case_runs_again_when_something_has_changed(
    tmp_path: Path, copier: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    judge(tmp_path / "cache", copier)
    CHANGES[what](copier, monkeypatch)
    result = judge(tmp_path / "cache", copier)
    assert (RAN, result.cached, result.passed) == ([LONG], False, True)
    assert judge(tmp_path / "cache", copier).cached
    assert RAN == []


@pytest.mark.parametrize(
    "change",
    [
        {"profile": "training"},
        {"pairwise": True},
        {"script": Path(COPIER) / "copier.py"},
    ],
    ids=str,
)
def test_another_reading_of_a_step_is_another_step(
    tmp_path: Path, copier: Path, change: dict[str, object]
) -> None:
    (copier / "conformance.py").unlink()
    contract = (copier / "contract.yaml").read_text()
    (copier / "contract.yaml").write_text(contract.replace("processing/input", "input/data"))
    ref = StepRef(copier)
    case = "text=present"
    judge(tmp_path / "cache", ref, case=case)
    assert not judge(tmp_path / "cache", replace(ref, **change), case=case).cached  # type: ignore[arg-type]
    assert judge(tmp_path / "cache", ref, case=case).cached


def test_another_runner_is_asked_again(tmp_path: Path) -> None:
    judge(tmp_path, StepRef(Path(COPIER)))
    assert not judge(tmp_path, StepRef(Path(COPIER)), Counting(version="2")).cached
    assert not judge(tmp_path, StepRef(Path(COPIER)), FakeRunner()).cached


def test_another_case_is_another_entry(tmp_path: Path) -> None:
    judge(tmp_path, Path(COPIER))
    assert not judge(tmp_path, Path(COPIER), case="text=long,older_copy=present").cached


@pytest.mark.parametrize(
    "name", ["contracts/contract.py", "promises/all.py", "worlds/profiles/processing.yaml"]
)
def test_another_harness_judges_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    judge(tmp_path / "cache", Path(COPIER))
    package = tmp_path / "harness"
    shutil.copytree(Path(cache.__file__).parents[1], package)
    monkeypatch.setattr(cache, "_PACKAGE", package)
    assert judge(tmp_path / "cache", Path(COPIER)).cached
    with (package / name).open("a") as stream:
        stream.write("\n")
    os.utime(package / name, (1, 1))
    assert not judge(tmp_path / "cache", Path(COPIER)).cached
    # What changes while it is running is not what is running.
    forget()
    early = Cache(tmp_path / "cache")
    with (package / name).open("a") as stream:
        stream.write("\n")
    later = time.time() + 5
    os.utime(package / name, (later, later))
    assert not early.judged(StepRef(Path(COPIER)), Counting(), LONG).cached
    assert not early.judged(StepRef(Path(COPIER)), Counting(), LONG).cached
    assert RAN == [LONG, LONG]


def test_a_circumstance_is_known_without_the_usual_case(tmp_path: Path) -> None:
    case = "circumstance=umask-077"
    judge(tmp_path, Path(COPIER), case=case)
    assert len(RAN) == 3
    assert judge(tmp_path, Path(COPIER), case=case).cached
    assert RAN == []


def slow(outcome: Outcome) -> Outcome:
    return replace(outcome, exit_code=None)


def lost(outcome: Outcome) -> Outcome:
    return replace(outcome, after=None)


def killed(outcome: Outcome) -> Outcome:
    return replace(outcome, exit_code=137)


def slow_when_usual(outcome: Outcome) -> Outcome:
    return slow(outcome) if len(RAN) > 1 else outcome


@pytest.mark.parametrize(
    ("change", "case"),
    [(slow, LONG), (lost, LONG), (killed, LONG), (slow_when_usual, "circumstance=umask-077")],
)
def test_what_may_be_the_machine_is_not_remembered(
    tmp_path: Path, change: Callable[[Outcome], Outcome], case: str
) -> None:
    for _ in range(2):
        assert not judge(tmp_path, Path(COPIER), Counting(change=change), case).cached
        assert RAN != []


def test_a_case_that_cannot_be_compared_runs(tmp_path: Path, copier: Path) -> None:
    suite = copier / "conformance.py"
    suite.write_text(
        suite.read_text().replace("Expectation(writes", "Expectation(log=iter(()), writes")
    )
    for _ in range(2):
        result = judge(tmp_path / "cache", copier)
        assert (RAN, result.cached, result.passed) == ([LONG], False, True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_text(
            path.read_text().replace(LONG, "text=short,older_copy=absent")
        ),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_broken_entry_counts_as_none(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    judge(tmp_path, Path(COPIER))
    (entry,) = tmp_path.glob("??/*.json")
    spoil(entry)
    result = judge(tmp_path, Path(COPIER))
    assert (RAN, result.cached, result.passed) == ([LONG], False, True)
    assert judge(tmp_path, Path(COPIER)).cached is entry.is_file()
    assert len(list(tmp_path.glob("??/*"))) == 1


def test_a_disk_that_cannot_be_written_later_is_no_error(tmp_path: Path) -> None:
    one = Cache(tmp_path / "cache")
    one.prepare()
    shutil.rmtree(one.folder)
    one.folder.write_text("no folder any more")
    assert one.judged(StepRef(Path(COPIER)), Counting(), LONG).passed


def test_old_entries_are_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    judge(folder, Path(COPIER))
    (used,) = folder.glob("??/*.json")
    old = [used.with_name("0" * 64 + ".json"), used.with_name("0" * 64 + ".json.abc_123")]
    others = [used.with_name("notes.json"), folder / "notes.json"]
    long_ago = time.time() - 31 * 24 * 3600
    for path in (*old, *others):
        path.write_text("x")
        os.utime(path, (long_ago, long_ago))
    os.utime(used, (long_ago + 2 * 24 * 3600, long_ago + 2 * 24 * 3600))
    assert judge(folder, Path(COPIER)).cached
    assert [path.exists() for path in (*old, *others)] == [False, False, True, True]
    # Being asked for keeps an entry young.
    assert used.stat().st_mtime > time.time() - 3600
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_folder_of_others_stays_as_it_is(tmp_path: Path) -> None:
    Cache(tmp_path).prepare()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="--cache-dir"):
        Cache(tmp_path / "file" / "cache").prepare()
    done = harness("check", COPIER, "--cache-dir", str(tmp_path / "file"))
    assert done.returncode == 2
    assert f"the cache {tmp_path / 'file'} cannot be written" in done.stderr


def test_runs_at_the_same_time_do_no_harm(tmp_path: Path) -> None:
    commands = [
        subprocess.Popen(
            [HARNESS, "check", COPIER, "--cache-dir", str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in commands:
        said, _ = one.communicate(timeout=60)
        assert one.returncode == 0
        assert "23 passed, 0 failed" in said
    done = harness("check", COPIER, "--cache-dir", str(tmp_path))
    assert "23 of 23 cases were not run again: nothing has changed\n" in done.stdout
    assert len(list(tmp_path.glob("??/*"))) == 23


def test_failures_are_remembered_with_all_that_is_shown(tmp_path: Path, broken: str) -> None:
    report = tmp_path / "report.json"
    command = ("check", COPIER, "--script", broken, "--cache", "--json", str(report))
    first = harness(*command, cwd=tmp_path)
    ran = json.loads(report.read_text())
    second = harness(*command, cwd=tmp_path)
    cached = json.loads(report.read_text())
    assert (first.returncode, second.returncode) == (1, 1)
    again = "23 of 23 cases were not run again: nothing has changed\n"
    assert again in second.stdout
    assert lasting(second.stdout.replace(again, "")) == lasting(first.stdout)
    assert {one["cached"] for one in ran["cases"]} == {False}
    assert {one.pop("cached") for one in cached["cases"]} == {True}
    assert cached["cases"] == [
        {key: value for key, value in one.items() if key != "cached"} for one in ran["cases"]
    ]
    assert len(list((tmp_path / ".cache" / "harness").glob("??/*.json"))) == 23


def test_without_the_option_nothing_is_remembered(tmp_path: Path) -> None:
    assert harness("check", COPIER, cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []
