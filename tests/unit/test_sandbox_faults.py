"""Faults in real processes: the kernel asks before each system call, and gets an error for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case
from harness.cases.fault import Fault
from harness.runners.inside import supervision, system_calls
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.faults import find_faults
from harness.runs.step import run_case
from tests.unit.test_faults import IN_SCRATCH, READ, TRY, WRONG, script
from tests.unit.worlds import OUTPUT, case_of

IN, OUT = "/opt/ml/processing/input/text", "/opt/ml/processing/output/copy"
# The fault at which each breaks, in `WRONG`.
PLACES = {
    "a read error is the end": f"read/{IN}/text.txt/1/EIO",
    "the older output is removed before the rename": f"rename/{OUT}/text.txt/1/SIGKILL",
    "a chmod before the try": f"chmod/{OUT}/text.part/1/EPERM",
    "an unchecked close of a descriptor": f"close/{OUT}/text.part/1/EIO",
    "a rename across devices that is a copy": f"copy/{OUT}/text.txt/1/SIGKILL",
    "a short write": f"write/{OUT}/text.part/1/short",
}


@pytest.mark.parametrize("name", PLACES)
def test_what_breaks_at_one_point_alone_is_found(
    sandbox: SandboxRunner, name: str, tmp_path: Path
) -> None:
    edits, (_, key) = WRONG[name]
    trial = run_case(script(tmp_path, *edits), sandbox, f"circumstance=fault/{PLACES[name]}")
    assert key in [one.key for one in trial.findings]


@pytest.mark.parametrize("modules", [None, ("traceback",)], ids=["cold", "warm"])
def test_points_are_the_operations_on_files_whatever_their_names(
    sandbox: SandboxRunner, modules: tuple[str, ...] | None, tmp_path: Path
) -> None:
    runner = sandbox if modules is None else sandbox.with_modules(modules)
    ref = script(tmp_path, (READ, READ + IN_SCRATCH), (TRY, TRY))
    found = find_faults(ref, runner)
    points = list(dict.fromkeys(one.partition("/")[2].rpartition("/")[0] for one in found.ids))
    # Of a folder whose name is chance, and none of what Python itself reads before the script.
    assert points[:2] == [f"open/{IN}/text.txt/1", f"read/{IN}/text.txt/1"]
    assert "write//tmp/tmp0/text/1" in points
    assert points[-1] == f"rename/{OUT}/text.txt/1"
    trial = run_case(ref, runner, next(one for one in found.ids if one.endswith("text/1/ENOSPC")))
    assert (trial.outcome.exit_code, trial.verdict.unproven, trial.findings) == (1, "", ())


def with_fault(source: str, operation: str, place: str, effect: str) -> Case:
    return replace(case_of(source), fault=Fault((OUTPUT,), operation, place, 1, effect))


IN_A_THREAD_OF_A_CHILD = f"""
import os, threading
from pathlib import Path
def write():
    try:
        Path("{OUTPUT}/file").write_bytes(b"data")
    except OSError as error:
        print(error.errno, flush=True)
if os.fork() == 0:
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    os._exit(0)
os.wait()
"""


def test_threads_of_children_are_the_script_too(sandbox: SandboxRunner) -> None:
    outcome = sandbox.run(with_fault(IN_A_THREAD_OF_A_CHILD, "write", f"{OUTPUT}/file", "ENOSPC"))
    assert (outcome.exit_code, outcome.stdout, outcome.unproven) == (0, "28\n", "")


@pytest.mark.parametrize(
    "write", ["os.write(file, data)", "os.pwrite(file, data, at)", "os.writev(file, [data, b''])"]
)
def test_what_follows_a_short_write_comes_after_it(sandbox: SandboxRunner, write: str) -> None:
    source = f"""
        import os
        file = os.open("{OUTPUT}/file", os.O_WRONLY | os.O_CREAT)
        data, at, writes = b"some text", 0, 0
        while data:
            written = {write}
            data, at, writes = data[written:], at + written, writes + 1
        print(open("{OUTPUT}/file").read(), writes)
    """
    outcome = sandbox.run(with_fault(source, "write", f"{OUTPUT}/file", "short"))
    assert (outcome.exit_code, outcome.stdout, outcome.unproven) == (0, "some text 2\n", "")


def test_a_kernel_that_cannot_ask_is_told(
    sandbox: SandboxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Flags that no kernel knows; the processes of sandboxes are forks of this one.
    monkeypatch.setattr(system_calls, "_LISTENING", 1 << 30)
    outcome = sandbox.run(with_fault("print(1)", "write", f"{OUTPUT}/file", "EIO"))
    assert (outcome.unproven, outcome.must_be_proven) == (supervision.LACKING, True)
    assert outcome.stdout == "1\n"
