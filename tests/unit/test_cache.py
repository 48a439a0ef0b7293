"""The cache: a case runs again if and only if something that it depends on has changed."""

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
from harness.runs import build_id, cache, step
from harness.runs.cache import Cache
from harness.runs.step import StepRef
from tests.unit.command import HARNESS, harness
from tests.unit.gated import PATIENCE
from tests.unit.test_cli import COPIER, broken
from tests.unit.test_merge import without_timing

__all__ = ["broken"]
LONG = "text=long,older_copy=absent"
CASES_RUN: list[str] = []


@dataclass(frozen=True)
class RecordingRunner(FakeRunner):
    """The fake runner, which records the cases that it runs in `CASES_RUN`."""

    change: Callable[[Outcome], Outcome] = lambda outcome: outcome
    version: str = "1"

    def run(self, case: Case) -> Outcome:
        CASES_RUN.append(case.id)
        return self.change(super().run(case))

    def identity(self) -> object:
        return super().identity(), self.version


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    clear_memory()
    yield
    clear_memory()


def clear_memory() -> None:
    """Clear what this process remembers, as if it were a new one."""
    for function in (step.load, step.fingerprint, step._run_first, step._run_twice):
        function.cache_clear()
    for function in (cache._harness_digest, cache._step_digest, cache._runner_digest):
        function.cache_clear()
    build_id.this_build.cache_clear()
    CASES_RUN.clear()


@pytest.fixture
def copier(tmp_path: Path) -> Path:
    """A copy of the sample step, with modules beside its script and suite, and sample files."""
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
    """The verdict on a case in a new process with the cache in `folder`."""
    clear_memory()
    verdicts = Cache(folder)
    verdicts.prepare()
    return verdicts.judge(
        ref if isinstance(ref, StepRef) else StepRef(ref), runner or RecordingRunner(), case
    )


def test_an_unchanged_case_is_not_run_again(tmp_path: Path, copier: Path) -> None:
    first = judge(tmp_path / "cache", copier)
    assert (CASES_RUN, first.cached, first.passed) == ([LONG], False, True)
    second = judge(tmp_path / "cache", copier)
    assert (CASES_RUN, second.cached) == ([], True)
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


def install(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.syspath_prepend(str(folder / "site-packages"))
    (folder / "site-packages" / "new-1.0.dist-info").mkdir(parents=True)


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    **{f"the {name}": append(name) for name in ("copier.py", "contract.yaml", "conformance.py")},
    "a module beside the script": append("helper.py"),
    "a module beside the suite": append("texts.py"),
    "a sample": append("samples/text/text.txt"),
    "a file beside the script": append("samples/code/data.txt"),
    "a new sample": lambda folder, _: (folder / "samples/text/more").write_text(""),
    "a variable of Python": lambda _, patch: patch.setenv("PYTHONHASHSEED", "3"),
    "the locale": lambda _, patch: patch.setenv("LC_ALL", "C"),
    "what is installed": install,
    "the system": lambda _, patch: patch.setattr("platform.platform", lambda: "Other"),
    "the Python": lambda _, patch: patch.setattr("sys.version", "3.99"),
    "the harness's version": lambda _, patch: patch.setattr(build_id, "version", lambda _: "9"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_case_runs_again_when_something_has_changed(
    tmp_path: Path, copier: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    judge(tmp_path / "cache", copier)
    CHANGES[what](copier, monkeypatch)
    result = judge(tmp_path / "cache", copier)
    assert (CASES_RUN, result.cached, result.passed) == ([LONG], False, True)
    assert judge(tmp_path / "cache", copier).cached
    assert CASES_RUN == []


@pytest.mark.parametrize(
    "change",
    [
        {"profile": "training"},
        {"pairwise": True},
        {"script": Path(COPIER) / "copier.py"},
    ],
    ids=str,
)
def test_other_options_make_another_step(
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


def test_another_runner_has_its_own_entry(tmp_path: Path) -> None:
    judge(tmp_path, StepRef(Path(COPIER)))
    assert not judge(tmp_path, StepRef(Path(COPIER)), RecordingRunner(version="2")).cached
    assert not judge(tmp_path, StepRef(Path(COPIER)), FakeRunner()).cached


def test_another_case_has_its_own_entry(tmp_path: Path) -> None:
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
    monkeypatch.setattr(build_id, "_PACKAGE", package)
    assert judge(tmp_path / "cache", Path(COPIER)).cached
    with (package / name).open("a") as stream:
        stream.write("\n")
    os.utime(package / name, (1, 1))
    assert not judge(tmp_path / "cache", Path(COPIER)).cached
    # A file that changed after the start is not the one that is running.
    clear_memory()
    early = Cache(tmp_path / "cache")
    with (package / name).open("a") as stream:
        stream.write("\n")
    later = time.time() + 5
    os.utime(package / name, (later, later))
    assert not early.judge(StepRef(Path(COPIER)), RecordingRunner(), LONG).cached
    assert not early.judge(StepRef(Path(COPIER)), RecordingRunner(), LONG).cached
    assert CASES_RUN == [LONG, LONG]


def test_a_cached_circumstance_does_not_run_the_usual_case(tmp_path: Path) -> None:
    case = "circumstance=umask-077"
    judge(tmp_path, Path(COPIER), case=case)
    assert len(CASES_RUN) == 3
    assert judge(tmp_path, Path(COPIER), case=case).cached
    assert CASES_RUN == []


def timed_out(outcome: Outcome) -> Outcome:
    return replace(outcome, exit_code=None)


def lost(outcome: Outcome) -> Outcome:
    return replace(outcome, after=None)


def killed(outcome: Outcome) -> Outcome:
    return replace(outcome, exit_code=137)


def unproven(outcome: Outcome) -> Outcome:
    return replace(outcome, unproven="the signal was not delivered")


def timed_out_when_usual(outcome: Outcome) -> Outcome:
    return timed_out(outcome) if len(CASES_RUN) > 1 else outcome


@pytest.mark.parametrize(
    ("change", "case"),
    [
        (timed_out, LONG),
        (lost, LONG),
        (killed, LONG),
        (unproven, LONG),
        (timed_out_when_usual, "circumstance=umask-077"),
    ],
)
def test_a_verdict_that_the_machine_may_have_caused_is_not_stored(
    tmp_path: Path, change: Callable[[Outcome], Outcome], case: str
) -> None:
    for _ in range(2):
        assert not judge(tmp_path, Path(COPIER), RecordingRunner(change=change), case).cached
        assert CASES_RUN != []


def test_a_case_without_a_digest_runs(tmp_path: Path, copier: Path) -> None:
    suite = copier / "conformance.py"
    suite.write_text(
        suite.read_text()
        .replace("Expectation(writes", "Expectation(call=Returns(object()), writes")
        .replace("import (", "import (\n    Returns,")
    )
    for _ in range(2):
        result = judge(tmp_path / "cache", copier)
        assert (CASES_RUN, result.cached, result.passed) == ([LONG], False, True)


@pytest.mark.parametrize(
    "corrupt",
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
def test_a_corrupt_entry_counts_as_none(tmp_path: Path, corrupt: Callable[[Path], object]) -> None:
    judge(tmp_path, Path(COPIER))
    (entry,) = tmp_path.glob("??/*.json")
    corrupt(entry)
    result = judge(tmp_path, Path(COPIER))
    assert (CASES_RUN, result.cached, result.passed) == ([LONG], False, True)
    assert judge(tmp_path, Path(COPIER)).cached is entry.is_file()
    assert len(list(tmp_path.glob("??/*"))) == 1


def test_an_entry_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    verdicts = Cache(tmp_path / "cache")
    verdicts.prepare()
    shutil.rmtree(verdicts.folder)
    verdicts.folder.write_text("no folder any more")
    assert verdicts.judge(StepRef(Path(COPIER)), RecordingRunner(), LONG).passed


def test_only_old_entries_are_removed(tmp_path: Path) -> None:
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
    # Using an entry updates its modification time.
    assert used.stat().st_mtime > time.time() - 3600
    assert (folder / ".gitignore").read_text() == "*\n"


def test_an_existing_folder_gets_no_new_files(tmp_path: Path) -> None:
    Cache(tmp_path).prepare()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="--cache-dir"):
        Cache(tmp_path / "file" / "cache").prepare()
    done = harness("check", COPIER, "--cache-dir", str(tmp_path / "file"))
    assert done.returncode == 2
    assert f"the cache {tmp_path / 'file'} cannot be written" in done.stderr


def test_concurrent_runs_share_a_cache(tmp_path: Path) -> None:
    command = [str(HARNESS), "check", COPIER, "-k", "text", "--cache-dir", str(tmp_path)]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    for running in [start(), start()]:
        output, _ = running.communicate(timeout=PATIENCE)
        assert running.returncode == 0
        assert "8 passed, 0 failed" in output
    output, _ = start().communicate(timeout=PATIENCE)
    assert "8 of 8 cases were not run again: nothing has changed\n" in output
    assert len(list(tmp_path.glob("??/*"))) == 8


def test_failures_are_cached_with_all_that_is_shown(tmp_path: Path, broken: str) -> None:
    report = tmp_path / "report.json"
    only = ("-k", "text", "--script", broken)
    command = ("check", COPIER, *only, "--cache", "--json", str(report))
    first = harness(*command, cwd=tmp_path)
    ran = json.loads(report.read_text())
    second = harness(*command, cwd=tmp_path)
    cached = json.loads(report.read_text())
    assert (first.returncode, second.returncode) == (1, 1)
    notice = "8 of 8 cases were not run again: nothing has changed\n"
    assert notice in second.stdout
    assert without_timing(second.stdout.replace(notice, "")) == without_timing(first.stdout)
    assert {one["cached"] for one in ran["cases"]} == {False}
    assert {one.pop("cached") for one in cached["cases"]} == {True}
    assert cached["cases"] == [
        {key: value for key, value in one.items() if key != "cached"} for one in ran["cases"]
    ]
    assert len(list((tmp_path / ".cache" / "harness").glob("??/*.json"))) == 8


def test_without_the_option_nothing_is_cached(tmp_path: Path) -> None:
    assert harness("check", COPIER, "-k", "text", cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []
