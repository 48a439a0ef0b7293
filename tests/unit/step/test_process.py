"""The pipeline as a whole, and what it leaves when it fails."""

from __future__ import annotations

import errno
import logging
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from tests.unit.step.packing import (
    GIVEN,
    HYPERPARAMETERS,
    SCRIPT,
    contents,
    member,
    process,
    put,
    step,
    targz,
    tree,
)

WEIGHTS = member("model.pth", b"weights" * 100)
OUTPUT = "/opt/ml/processing/output/model"


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def paths(tmp_path: Path) -> dict[str, Any]:
    return {
        "input_paths": {
            "model_artifacts_input": str(tmp_path / "in"),
            "hyperparameters_s3_uri": str(tmp_path / "given"),
        },
        "output_paths": {"model_output": str(tmp_path / "out")},
        "environ_vars": {},
        "job_args": None,
    }


# --- main ---------------------------------------------------------------------------------------


def test_main_returns_the_path_of_the_output(tmp_path: Path) -> None:
    put(tmp_path / "in" / "model.tar.gz", targz(WEIGHTS))
    put(tmp_path / "given" / HYPERPARAMETERS, GIVEN)
    written = step.main(**paths(tmp_path))
    assert written == tmp_path / "out" / "model.tar.gz"
    assert contents(written.read_bytes()) == [
        (HYPERPARAMETERS, GIVEN),
        ("model.pth", b"weights" * 100),
    ]


def test_main_needs_no_hyperparameters_for_a_model_that_has_them(tmp_path: Path) -> None:
    model = targz(WEIGHTS, member(HYPERPARAMETERS, b"{}"))
    put(tmp_path / "in" / "model.tar.gz", model)
    written = step.main(**paths(tmp_path))
    assert contents(written.read_bytes())[1] == (HYPERPARAMETERS, b"{}")


def test_main_without_a_model_names_both_places(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        step.main(**paths(tmp_path))
    assert str(tmp_path / "in" / "model.tar.gz") in str(caught.value)
    assert str(SCRIPT.parent / "model.tar.gz") in str(caught.value)


def test_main_without_hyperparameters_names_both_places(tmp_path: Path) -> None:
    model = put(tmp_path / "in" / "model.tar.gz", targz(WEIGHTS))
    with pytest.raises(FileNotFoundError) as caught:
        step.main(**paths(tmp_path))
    assert str(model) in str(caught.value)
    assert str(tmp_path / "given" / HYPERPARAMETERS) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_empty_channel_is_told_in_the_error(fs: FakeFilesystem) -> None:
    channel = "/opt/ml/input/data/model_artifacts_input"
    fs.create_dir(channel)
    inputs = step.assign_input_paths(Path("/opt/ml/code"))
    with pytest.raises(FileNotFoundError, match="SOURCE folders were not consulted"):
        step.main(inputs, {"model_output": OUTPUT}, {}, None)


# --- process_model_with_hyperparameters ---------------------------------------------------------


def test_the_output_is_readable_by_others_as_any_new_file(tmp_path: Path) -> None:
    process(tmp_path, targz(WEIGHTS))
    plain = put(tmp_path / "plain", b"")
    out = tmp_path / "out" / "model.tar.gz"
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_inputs_are_not_changed(tmp_path: Path) -> None:
    process(tmp_path, targz(WEIGHTS))
    model = tmp_path / "in" / "model.tar.gz"
    os.utime(model, (5, 5))
    before = model.stat()
    step.process_model_with_hyperparameters(
        model, tmp_path / "given" / HYPERPARAMETERS, tmp_path / "out"
    )
    after = model.stat()
    assert (after.st_mtime, after.st_mode, after.st_size) == (5, before.st_mode, before.st_size)
    assert model.read_bytes() == targz(WEIGHTS)


def test_the_output_never_overwrites_the_input(tmp_path: Path) -> None:
    model = put(tmp_path / "model.tar.gz", targz(WEIGHTS))
    given = put(tmp_path / HYPERPARAMETERS, GIVEN)
    with pytest.raises(ValueError, match="overwrite"):
        step.process_model_with_hyperparameters(model, given, tmp_path)
    assert model.read_bytes() == targz(WEIGHTS)


@pytest.mark.parametrize("model", [b"no archive", targz(WEIGHTS)[:-9], targz(member("../x"))])
def test_a_failure_leaves_the_older_output_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: bytes
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    older = put(tmp_path / "out" / "model.tar.gz", b"older")
    with pytest.raises(ValueError, match="ERROR_CODE"):
        process(tmp_path, model)
    assert older.read_bytes() == b"older"
    assert tree(tmp_path / "out") == ["model.tar.gz"]
    assert tree(tmp_path / "scratch") == []


@pytest.mark.parametrize("room", [2_000, 60_000])
def test_a_full_disk_leaves_the_older_output_and_nothing_else(
    fs: FakeFilesystem, room: int
) -> None:
    fs.add_mount_point(OUTPUT, total_size=room)
    fs.create_file(f"{OUTPUT}/model.tar.gz", contents="older")
    random = bytes(os.urandom(100_000))
    fs.create_file("/m/model.tar.gz", contents=targz(member("model.pth", random)))
    fs.create_file("/m/given.json", contents=GIVEN)
    before = tree(Path("/tmp"))
    with pytest.raises(OSError, match="No space left") as caught:
        step.process_model_with_hyperparameters(
            Path("/m/model.tar.gz"), Path("/m/given.json"), Path(OUTPUT)
        )
    assert caught.value.errno == errno.ENOSPC
    assert tree(Path(OUTPUT)) == ["model.tar.gz"]
    assert Path(f"{OUTPUT}/model.tar.gz").read_text() == "older"
    assert tree(Path("/tmp")) == before


# --- ensure_directory and copy_file -------------------------------------------------------------


def test_ensure_directory(tmp_path: Path) -> None:
    assert step.ensure_directory(tmp_path / "a" / "b") is True
    assert step.ensure_directory(tmp_path / "a" / "b") is True
    assert (tmp_path / "a" / "b").is_dir()


def test_ensure_directory_where_there_can_be_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = put(tmp_path / "file", b"")
    assert step.ensure_directory(file / "below") is False
    assert str(file / "below") in caplog.text


def test_copy_file_keeps_mode_and_times(tmp_path: Path) -> None:
    source = put(tmp_path / "a", b"bytes")
    source.chmod(0o640)
    os.utime(source, (1_500_000_000, 1_500_000_000))
    assert step.copy_file(source, tmp_path / "new" / "b") is None
    copied = tmp_path / "new" / "b"
    assert copied.read_bytes() == b"bytes"
    assert (copied.stat().st_mode, copied.stat().st_mtime) == (source.stat().st_mode, 1_500_000_000)


def test_copy_file_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        step.copy_file(tmp_path / "missing", tmp_path / "b")
    assert tree(tmp_path) == []


# --- As a program -------------------------------------------------------------------------------


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with the step as the module `step`."""
    head = f"""
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location("step", {str(SCRIPT)!r})
        step = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(step)
    """
    source = textwrap.dedent(head) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-B", "-c", source, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_runs_nothing() -> None:
    done = run("print('imported')")
    assert (done.stdout, done.stderr, done.returncode) == ("imported\n", "", 0)


def test_a_failure_ends_with_the_traceback_and_what_to_do(tmp_path: Path) -> None:
    done = run(
        f"""
        step.SOURCE_DIR = {str(tmp_path)!r}
        step.MODEL_CHANNELS = step.HYPERPARAMETERS_CHANNELS = ()
        step.OUTPUT_DIR = {str(tmp_path / "out")!r}
        sys.exit(step.run())
        """
    )
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert any("Traceback (most recent call last):" in line for line in lines)
    assert "What to do: put the missing file" in lines[-1]
    assert tree(tmp_path) == []


def test_sigterm_ends_it_with_143_and_nothing_left(tmp_path: Path) -> None:
    put(tmp_path / "models" / "model.tar.gz", targz(member("model.pth", os.urandom(300_000))))
    put(tmp_path / "hyperparams" / HYPERPARAMETERS, GIVEN)
    done = run(
        f"""
        import os, signal
        step.SOURCE_DIR = {str(tmp_path)!r}
        step.MODEL_CHANNELS = step.HYPERPARAMETERS_CHANNELS = ()
        step.OUTPUT_DIR = {str(tmp_path / "out")!r}
        os.environ["TMPDIR"] = {str(tmp_path)!r}
        fsync = os.fsync
        def stopped(number):
            assert len(os.listdir({str(tmp_path / "out")!r})) == 1
            os.kill(os.getpid(), signal.SIGTERM)
            fsync(number)
        os.fsync = stopped
        sys.exit(step.run())
        """
    )
    assert done.returncode == 143, done.stderr
    assert "Stopped" in done.stderr
    assert tree(tmp_path / "out") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hyperparams", "models", "out"]


def test_sigterm_while_threads_work_ends_it_soon_and_cleanly(tmp_path: Path) -> None:
    block = os.urandom(1_000_000)
    model = targz(*(member(f"./{n}.pth", block) for n in range(20)))
    put(tmp_path / "models" / "model.tar.gz", model)
    put(tmp_path / "hyperparams" / HYPERPARAMETERS, GIVEN)
    older = put(tmp_path / "out" / "model.tar.gz", b"older")
    done = run(
        f"""
        import os, signal, time
        step.SOURCE_DIR = {str(tmp_path)!r}
        step.MODEL_CHANNELS = step.HYPERPARAMETERS_CHANNELS = ()
        step.OUTPUT_DIR = {str(tmp_path / "out")!r}
        made, chunks = step._tar_bytes, []
        def tar_bytes(*arguments):
            for chunk in made(*arguments):
                chunks.append(1)
                if len(chunks) == 3:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield chunk
        step._tar_bytes = tar_bytes
        code = step.run()
        assert len(chunks) < 10, chunks
        sys.exit(code)
        """
    )
    assert done.returncode == 143, done.stderr
    assert older.read_bytes() == b"older"
    assert tree(tmp_path / "out") == ["model.tar.gz"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the Linux /proc")
@pytest.mark.parametrize("prefix", ["", "./"], ids=["spliced", "rewritten"])
def test_memory_does_not_grow_with_the_archive(tmp_path: Path, prefix: str) -> None:
    peaks = []
    for count, size in ((10, 100_000), (2, 20_000_000), (20_000, 10)):
        block = os.urandom(10_000) * (size // 10_000 + 1)
        model = targz(*(member(f"{prefix}{n}.bin", block[:size]) for n in range(count)))
        folder = tmp_path / f"{count}-{size}"
        put(folder / "model.tar.gz", model)
        put(folder / HYPERPARAMETERS, GIVEN)
        done = run(
            """
            from pathlib import Path
            folder = Path(sys.argv[1])
            step.process_model_with_hyperparameters(
                folder / "model.tar.gz", folder / "hyperparameters.json", folder / "out"
            )
            # Not ru_maxrss, which begins with what the parent had.
            status = Path("/proc/self/status").read_text()
            print(status.partition("VmHWM:")[2].split()[0])
            """,
            str(folder),
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    small, large, many = peaks
    assert max(peaks) < 64 * 1024
    assert large < 1.5 * small
    assert many < 1.5 * small
