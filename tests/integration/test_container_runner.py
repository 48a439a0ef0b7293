"""The container runner with a real Docker engine: every way a script ends is an outcome."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from harness.cases.case import Call, Case, Interrupt, Mount, Outcome
from harness.cases.fault import NO_SUCH_OPERATION, Fault
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.real.container import ContainerRunner
from harness.runners.registry import ISOLATIONS
from harness.runs.session import Session
from harness.runs.step import StepRef, load
from harness.worlds.tree import Tree
from tests.integration.conftest import Containers
from tests.unit.gated import PATIENCE
from tests.unit.worlds import OUTPUT, SCRIPT, case_of, hanging


@pytest.fixture(scope="module", params=ISOLATIONS)
def runner(engine: str, request: pytest.FixtureRequest) -> Iterator[ContainerRunner]:
    runner = ContainerRunner(engine, request.param)
    runner.prepare()
    yield runner
    runner.close()


def after(outcome: Outcome) -> Tree:
    assert outcome.after is not None
    return outcome.after


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise ValueError('no')", 1),
        ("not python", 1),
        ("import os; os._exit(5)", 5),
        ("import os; os.abort()", 134),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import subprocess, sys; sys.exit(subprocess.call(['sh', '-c', 'exit 4']))", 4),
    ],
)
def test_exit_codes(runner: ContainerRunner, source: str, code: int) -> None:
    assert runner.run(case_of(source)).exit_code == code


def test_a_script_cannot_disturb_the_agent(runner: ContainerRunner) -> None:
    outcome = runner.run(
        case_of(
            """
            import os, shutil, signal, time
            for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
                os.kill(os.getppid(), number)
            shutil.rmtree("/.harness")
            time.sleep(0.2)
            print("here")
            """
        )
    )
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, "here\n", "")


def test_a_script_that_hangs_is_an_outcome(runner: ContainerRunner) -> None:
    outcome = hanging(runner)
    assert (outcome.exit_code, outcome.stdout) == (None, "here\n")


def test_background_processes_end_with_the_script(runner: ContainerRunner) -> None:
    outcome = runner.run(case_of("import subprocess; subprocess.Popen(['sleep', '3600'])"))
    assert outcome.exit_code == 0


def test_the_script_sees_its_tree_and_arguments(runner: ContainerRunner) -> None:
    case = case_of(
        """
        import os, sys
        print(__file__, sys.argv[1:], os.getcwd(), os.environ["LEVEL"], os.getuid())
        print(oct(os.stat("/opt/ml/code/data").st_mode), os.stat("/opt/ml/code/data").st_mtime)
        print(os.readlink("/opt/ml/code/link"), os.lstat("/opt/ml/code/link").st_mtime)
        print(os.stat("/opt/ml/code").st_mtime)
        """,
        arguments=("--level", "3"),
        variables={"LEVEL": "3"},
        cwd="/tmp",
    )
    tree = case.tree.with_file("/opt/ml/code/data", b"", mode=0o640)
    outcome = runner.run(case.with_tree(tree.with_symlink("/opt/ml/code/link", "data")))
    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == [
        f"{SCRIPT} ['--level', '3'] /tmp 3 0",
        "0o100640 1704164645.0",
        "data 1704164645.0",
        "1704164645.0",
    ]


def test_there_is_no_network(runner: ContainerRunner) -> None:
    source = "import socket; print([name for _, name in socket.if_nameindex()])"
    assert runner.run(case_of(source)).stdout == "['lo']\n"


def test_only_changed_files_are_returned(runner: ContainerRunner) -> None:
    case = case_of(
        f"""
        import os
        open("{OUTPUT}/new", "wb").write(b"new")
        open("/etc/elsewhere", "w").close()
        open("/var/lib/dpkg/info/deep", "w").close()
        os.remove("/etc/debian_version")
        os.chmod("/opt/ml/code/data", 0o600)
        os.remove("/opt/ml/code/gone")
        os.mkfifo("/tmp/fifo")
        os.symlink("nowhere", "/tmp/link")
        """
    )
    tree = case.tree.with_file("/opt/ml/code/data", b"x").with_file("/opt/ml/code/gone", b"x")
    left = after(runner.run(case.with_tree(tree)))
    new = {path for path, _ in left if path not in tree}
    elsewhere = {"/etc", "/etc/elsewhere", "/var/lib/dpkg/info", "/var/lib/dpkg/info/deep"}
    assert new == {f"{OUTPUT}/new", "/tmp/fifo", "/tmp/link", *elsewhere}
    assert {path for path, _ in tree if path not in left} == {"/opt/ml/code/gone"}
    assert left.entries[f"{OUTPUT}/new"].data == b"new"
    assert left.entries["/opt/ml/code/data"].mode == 0o600
    assert left.entries["/tmp/fifo"].kind == "fifo"
    assert left.entries["/tmp/link"].target == "nowhere"


def test_a_tree_may_have_fifos_and_devices(runner: ContainerRunner) -> None:
    tree = case_of("").tree.with_fifo("/opt/ml/code/f").with_device("/opt/ml/code/d")
    left = after(runner.run(case_of("", tree)))
    assert (left.entries["/opt/ml/code/f"].kind, left.entries["/opt/ml/code/d"].kind) == (
        "fifo",
        "device",
    )
    assert {path for path, _ in left} == {path for path, _ in case_of("", tree).tree}


def test_a_function_call_returns_its_result(runner: ContainerRunner) -> None:
    call = Call("double", {"number": 21})
    outcome = runner.run(case_of("def double(number):\n    return 2 * number\n", call=call))
    assert outcome.returned == {"returned": 42}


def test_a_mount_is_a_limited_file_system(runner: ContainerRunner) -> None:
    case = case_of(
        f"""
        import os
        print(os.stat("{OUTPUT}").st_dev != os.stat("/opt/ml").st_dev)
        open("{OUTPUT}/large", "wb").write(bytes(200_000))
        """,
        mounts=(Mount(OUTPUT, size=64 * 1024),),
    )
    outcome = runner.run(case)
    assert outcome.stdout == "True\n"
    assert "No space left on device" in outcome.stderr


def test_a_mount_may_contain_another_one(runner: ContainerRunner) -> None:
    source = """
        import os
        print(len({os.stat(path).st_dev for path in ("/opt", "/opt/one", "/opt/one/two")}))
        open("/opt/one/two/new", "w").close()
    """
    outcome = runner.run(case_of(source, mounts=(Mount("/opt/one/two"), Mount("/opt/one"))))
    assert (outcome.stdout, outcome.stderr) == ("3\n", "")
    assert "/opt/one/two/new" in after(outcome)


def test_a_mount_moves_with_its_parent_folder(runner: ContainerRunner) -> None:
    source = f"""
        import os
        open("{OUTPUT}/new", "w").close()
        os.rename("/opt/ml/processing", "/opt/ml/renamed")
    """
    outcome = runner.run(case_of(source, mounts=(Mount(OUTPUT),)))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    left = after(outcome)
    assert OUTPUT.replace("processing", "renamed") + "/new" in left
    assert "/opt/ml/processing" not in left


def test_a_file_operation_fails_or_is_done_in_part(runner: ContainerRunner) -> None:
    source = f"""
        import os
        file = os.open("{OUTPUT}/file", os.O_WRONLY | os.O_CREAT)
        try:
            print(os.write(file, b"text"))
        except OSError as error:
            print(error.strerror)
    """
    for effect, told in (("ENOSPC", "No space left on device"), ("short", "2"), ("EIO", "4")):
        operation = "sync" if effect == "EIO" else "write"
        fault = Fault((OUTPUT,), operation, f"{OUTPUT}/file", 1, effect)
        outcome = runner.run(case_of(source, fault=fault))
        assert (outcome.stdout, outcome.exit_code) == (f"{told}\n", 0)
        # It synchronises nothing.
        assert outcome.unproven == (NO_SUCH_OPERATION if operation == "sync" else "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137)])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_signal_arrives_during_the_run(
    runner: ContainerRunner, number: signal.Signals, code: int, share: float
) -> None:
    source = """
        import time
        for number in range(50):
            open(f"/tmp/{number}", "w").close()
            time.sleep(0.01)
    """
    outcome = runner.run(case_of(source, interrupt=Interrupt(number, share)))
    written = sum(path.startswith("/tmp/") for path, _ in after(outcome))
    assert outcome.exit_code == code
    # On a slow machine it comes later.
    assert written in (range(1, 50) if share < 0.5 else range(30, 50))


def test_an_image_without_python_cannot_be_judged(
    engine: str, client: docker.DockerClient, containers: Containers
) -> None:
    name = f"step-harness-test:{uuid.uuid4().hex}"
    empty = client.api.import_image_from_data(_empty_image(), repository=name)
    assert "error" not in str(empty)
    try:
        runner = ContainerRunner(name)
        runner.prepare()
        with pytest.raises(RunnerCannot, match="python3"):
            runner.run(case_of(""))
        assert containers(runner.session) == []
    finally:
        client.images.remove(name, force=True)


def test_an_unknown_image_is_unavailable_with_a_hint(engine: str) -> None:
    with pytest.raises(RunnerUnavailable, match="--image"):
        ContainerRunner("step-harness-has-no-such-image:1").prepare()


@pytest.mark.parametrize(("isolation", "meanwhile"), [("worker", 1), ("case", 0)])
def test_no_container_is_left_when_the_runner_is_closed(
    engine: str, containers: Containers, isolation: str, meanwhile: int
) -> None:
    runner = ContainerRunner(engine, isolation)
    for _ in range(2):
        runner.run(case_of("raise SystemExit(1)"))
    assert len(containers(runner.session)) == meanwhile
    runner.close()
    assert containers(runner.session) == []


def test_closing_removes_running_containers(
    engine: str, client: docker.DockerClient, containers: Containers
) -> None:
    runner = ContainerRunner(engine)
    labels = {"step-harness": "", "step-harness.session": runner.session}
    client.containers.run(engine, ["sleep", "3600"], labels=labels, detach=True)
    assert len(containers(runner.session)) == 1
    runner.close()
    assert containers(runner.session) == []


def test_a_new_run_removes_the_containers_of_a_dead_one(
    engine: str, client: docker.DockerClient, containers: Containers
) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    session = uuid.uuid4().hex

    def start(process: int) -> None:
        labels = {
            "step-harness": "",
            "step-harness.session": session,
            "step-harness.host": platform.node(),
            "step-harness.process": str(process),
        }
        client.containers.run(engine, ["sleep", "3600"], labels=labels, detach=True)

    dead = ContainerRunner(engine, session=session)
    start(int(ended.stdout))
    start(os.getpid())
    ContainerRunner(engine).prepare()
    left = containers(dead.session)
    assert [one.labels["step-harness.process"] for one in left] == [str(os.getpid())]
    dead.close()


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_an_interrupted_check_leaves_no_container(
    engine: str, client: docker.DockerClient, tmp_path: Path, isolation: str
) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time\ntime.sleep(3600)\n")
    harness = Path(sys.executable).with_name("harness")
    command = [str(harness), "check", "--script", str(script), "--jobs", "2"]
    command += ["--runner", "container", "--image", engine, "--isolation", isolation]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as check:
        label = f"step-harness.process={check.pid}"
        while not client.containers.list(filters={"label": label}, ignore_removed=True):
            assert check.poll() is None
        check.send_signal(signal.SIGINT)
        _, stderr = check.communicate(timeout=PATIENCE)
    assert check.returncode == 130
    assert "nothing is left running" in stderr
    assert client.containers.list(all=True, filters={"label": label}) == []


def _empty_image() -> bytes:
    return Tree().with_directory("/nothing").to_tar()


def test_a_runner_can_be_pickled() -> None:
    import pickle

    runner = ContainerRunner("x")
    assert pickle.loads(pickle.dumps(runner)) == runner
    assert isinstance(case_of(""), Case)


def test_another_image_under_the_same_name_changes_the_identity(
    engine: str, client: docker.DockerClient
) -> None:
    name = f"step-harness-test-{uuid.uuid4().hex}"
    client.images.get(engine).tag(name)
    try:
        # The session of a runner is not part of its identity.
        before = ContainerRunner(name).identity()
        assert ContainerRunner(name).identity() == before
        client.api.import_image_from_data(Tree().with_file("/x", b"").to_tar(), repository=name)
        assert ContainerRunner(name).identity() != before
    finally:
        client.images.remove(name)
    with pytest.raises(RunnerUnavailable, match=f"cannot describe the image '{name}'"):
        ContainerRunner(name).identity()


def test_the_workers_of_an_executor_have_their_own_containers(
    engine: str, client: docker.DockerClient, containers: Containers
) -> None:
    def worker_processes() -> list[str]:
        """The worker processes, children of this process, that have containers."""
        labelled = client.containers.list(filters={"label": "step-harness"}, ignore_removed=True)
        processes = {one.labels["step-harness.process"] for one in labelled}
        return [one for one in processes if f"PPid:\t{os.getpid()}\n" in _status(one)]

    copier = StepRef(Path(__file__).parents[1] / "unit" / "steps" / "copier")
    runner = ContainerRunner(engine)
    ids = load(copier).matrix.ids[:4]
    with ThreadPoolExecutor(1) as executor:
        results = Session(copier, runner, executor).run(ids)
        assert next(results).passed
        assert len(worker_processes()) == 1
        assert containers(runner.session) == []
        assert [one.passed for one in results] == [True] * 3
    assert worker_processes() == []


def _status(process: str) -> str:
    path = Path(f"/proc/{process}/status")
    return path.read_text() if path.exists() else ""
