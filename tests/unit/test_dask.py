"""A real scheduler and real workers, each a process: every case has one result, whoever dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.gated import PATIENCE, Gated, alive, wait_until

BIN = Path(sys.executable).parent
COPIER = Path(__file__).parent / "steps" / "copier"
TIMEOUT_VARIABLE = "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"


@contextmanager
def dask_process(
    folder: Path, *words: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler or a worker with the working directory `folder`; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:], "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Cluster:
    """A scheduler, and the workers that a test starts."""

    scheduler: subprocess.Popen[bytes]
    address: str
    folder: Path
    stack: ExitStack
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        words = ("worker", self.address, "--no-nanny", "--nthreads", "1")
        local = ("--local-directory", str(self.folder / f"worker{len(self.workers)}"))
        self.workers.append(
            self.stack.enter_context(dask_process(self.folder, *words, *local, **environment))
        )
        return self.workers[-1]

    def wait_for_worker(self) -> None:
        """Wait until the scheduler knows of a worker."""
        source = (
            "import sys, distributed; "
            "distributed.Client(sys.argv[1], timeout=int(sys.argv[2])).wait_for_workers(1)"
        )
        words = [sys.executable, "-c", source, self.address, str(PATIENCE)]
        subprocess.run(words, check=True, capture_output=True)

    @property
    def option(self) -> tuple[str, str]:
        return "--executor", f"dask://{self.address.removeprefix('tcp://')}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    scheduler_file = tmp_path / "scheduler.json"
    folder = tmp_path / "scheduler"
    folder.mkdir()
    # The scheduler does not need the harness.
    (folder / "harness.py").write_text("raise ImportError('there is none')")
    with ExitStack() as stack:
        words = ("scheduler", "--host", "127.0.0.1", "--port", "0")
        scheduler = stack.enter_context(
            dask_process(folder, *words, "--scheduler-file", str(scheduler_file))
        )
        wait_until(lambda: scheduler_file.exists() and scheduler_file.read_text().endswith("}"))
        yield Cluster(scheduler, json.loads(scheduler_file.read_text())["address"], tmp_path, stack)


def check(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "harness", "check", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, TIMEOUT_VARIABLE: f"{PATIENCE}s", **environment},
    )


@contextmanager
def running_check(*words: str, timeout: str = f"{PATIENCE}s") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [BIN / "harness", "check", "--exhaustive", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, TIMEOUT_VARIABLE: timeout},
        text=True,
    ) as harness:
        try:
            yield harness
        finally:
            harness.kill()


def ids_in(report: Path) -> Sequence[str]:
    return [case["id"] for case in json.loads(report.read_text())["cases"]]


def test_every_case_has_one_result_though_a_worker_is_killed(
    cluster: Cluster, tmp_path: Path
) -> None:
    step = Gated.made(tmp_path / "step")
    report = tmp_path / "report.json"
    victim, other = cluster.start_worker(), cluster.start_worker()
    with running_check(str(step.folder), *cluster.option, "--json", str(report)) as harness:
        wait_until(lambda: set(step.begun.values()) == {victim.pid, other.pid})
        children = [process for process, parent in step.begun.items() if parent == victim.pid]
        victim.send_signal(signal.SIGKILL)
        wait_until(lambda: not any(alive(one) for one in children))
        step.open()
        output, errors = harness.communicate(timeout=PATIENCE)
    assert (harness.returncode, errors) == (0, "")
    assert f"{len(step.ids)} passed, 0 failed" in output
    assert ids_in(report) == step.ids
    assert other.poll() is None
    wait_until(lambda: not any(alive(one) for one in step.begun))


def test_workers_that_die_repeatedly_are_a_clear_error(cluster: Cluster, tmp_path: Path) -> None:
    step = Gated.made(tmp_path / "step")
    words = (str(step.folder), "--case", step.ids[0], "--case", step.ids[1])
    with running_check(*words, *cluster.option) as harness:
        while harness.poll() is None:
            worker = cluster.start_worker()
            wait_until(lambda: harness.poll() is not None or worker.pid in step.begun.values())  # noqa: B023
            worker.send_signal(signal.SIGKILL)
        _, errors = harness.communicate(timeout=PATIENCE)
    assert harness.returncode == 3
    assert "died again and again" in errors
    assert "Traceback" not in errors


def test_ctrl_c_ends_all_child_processes(cluster: Cluster, tmp_path: Path) -> None:
    step = Gated.made(tmp_path / "step")
    cluster.start_worker()
    cluster.start_worker()
    with running_check(str(step.folder), *cluster.option) as harness:
        wait_until(lambda: len(step.begun) == 2)
        harness.send_signal(signal.SIGINT)
        _, errors = harness.communicate(timeout=PATIENCE)
    assert harness.returncode == 130
    assert errors.strip() == "harness: stopped; nothing is left running"
    assert not any(alive(one) for one in step.begun)
    assert len(step.cases_begun) == 2


def test_several_steps_and_a_comparison(cluster: Cluster) -> None:
    cluster.start_worker()
    done = check(str(COPIER), str(COPIER), *cluster.option)
    assert (done.returncode, done.stderr) == (0, "")
    assert "48" in done.stdout.splitlines()[-1]
    words = ["parity", str(COPIER), "--runner", "fake", "--runner", "sandbox", "-k", "short"]
    parity = subprocess.run(
        [BIN / "harness", *words, *cluster.option], capture_output=True, text=True, check=False
    )
    assert parity.stdout.splitlines()[-1] == "2 cases the same, 0 different", parity.stderr


def test_findings_and_unsuitable_scripts_are_reported_as_usual(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.start_worker()
    source = (COPIER / "copier.py").read_text()
    broken = tmp_path / "broken.py"
    broken.write_text(source.replace("sys.exit(1)", "sys.exit(2)"))
    done = check(str(COPIER), "--script", str(broken), *cluster.option)
    assert done.returncode == 1
    assert "exit-code: 2-for-1" in done.stdout
    broken.write_text("import subprocess\nsubprocess.run(['true'])\n" + source)
    done = check(str(COPIER), "--script", str(broken), "--runner", "fake", *cluster.option)
    assert done.returncode == 3
    assert "cannot judge this script" in done.stderr


def test_workers_with_another_harness_are_an_error(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(Path(__file__).parents[2] / "harness", other / "harness")
    with (other / "harness" / "cases" / "case.py").open("a") as stream:
        stream.write("\n")
    cluster.start_worker(PYTHONPATH=str(other))
    done = check(str(COPIER), *cluster.option)
    assert done.returncode == 3
    assert "has another harness: step-harness " in done.stderr


def test_workers_without_the_harness_are_an_error(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "harness.py").write_text("")
    cluster.start_worker(PYTHONPATH=str(tmp_path))
    done = check(str(COPIER), *cluster.option)
    assert done.returncode == 3
    assert "does not have this harness" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        ("ray://host:1", 2, "it is dask://HOST:PORT"),
        ("dask://host", 2, "it is dask://HOST:PORT"),
        ("dask://:8786", 2, "it is dask://HOST:PORT"),
        ("dask://host:port", 2, "it is dask://HOST:PORT"),
        ("dask://host:1/path", 2, "it is dask://HOST:PORT"),
    ],
)
def test_a_wrong_address_is_an_error(address: str, code: int, message: str) -> None:
    done = check(str(COPIER), "--executor", address)
    assert done.returncode == code
    assert message in done.stderr


def test_jobs_and_executor_exclude_each_other() -> None:
    done = check(str(COPIER), "--executor", "dask://host:1", "--jobs", "2")
    assert done.returncode == 2
    assert "leave one of the two out" in done.stderr


def test_a_scheduler_that_does_not_answer_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = check(
            str(COPIER),
            "--executor",
            f"dask://127.0.0.1:{server.getsockname()[1]}",
            **{TIMEOUT_VARIABLE: "2s"},
        )
    assert done.returncode == 3
    assert "no Dask scheduler answers at dask://127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_scheduler_without_workers_is_an_error(cluster: Cluster) -> None:
    # On a busy machine the scheduler itself may take longer than that to answer.
    for seconds in (2, 20, PATIENCE):
        done = check(str(COPIER), *cluster.option, **{TIMEOUT_VARIABLE: f"{seconds}s"})
        if "no Dask scheduler answers" not in done.stderr:
            break
    assert done.returncode == 3
    assert "has no workers" in done.stderr
    assert "dask worker" in done.stderr


def test_the_loss_of_all_workers_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    step = Gated.made(tmp_path / "step")
    worker = cluster.start_worker()
    cluster.wait_for_worker()
    with running_check(str(step.folder), *cluster.option, timeout="20s") as harness:
        wait_until(lambda: len(step.begun) == 1)
        worker.send_signal(signal.SIGKILL)
        _, errors = harness.communicate(timeout=PATIENCE)
    assert harness.returncode == 3
    assert "lost all its workers" in errors
    assert "Traceback" not in errors


def test_a_scheduler_that_dies_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    step = Gated.made(tmp_path / "step")
    cluster.start_worker()
    cluster.wait_for_worker()
    with running_check(str(step.folder), *cluster.option, timeout="20s") as harness:
        wait_until(lambda: len(step.begun) == 1)
        cluster.scheduler.send_signal(signal.SIGKILL)
        _, errors = harness.communicate(timeout=PATIENCE)
    assert harness.returncode == 3
    assert errors.startswith(f"harness: the Dask scheduler at {cluster.option[1]} has gone: ")


def test_without_dask_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('No module named distributed')")
    done = check(str(COPIER), "--executor", "dask://host:1", PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert "pip install 'distributed>=2024.8'" in done.stderr
