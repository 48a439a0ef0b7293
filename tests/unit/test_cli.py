"""The command line: its output and its exit code; in a process of its own, how that is stopped."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.runners.real.sandbox import SandboxRunner
from harness.runs import workers
from harness.runs.workers import default_jobs
from tests.unit.command import HARNESS, Ended, harness
from tests.unit.gated import PATIENCE

STEPS = Path(__file__).parent / "steps"
COPIER = str(STEPS / "copier")


def broken_in(folder: Path) -> str:
    script = folder / "broken script.py"
    source = (STEPS / "copier" / "copier.py").read_text()
    source = source.replace("sys.exit(1)", "sys.exit(2)").replace("(text)", "(text + b'!')")
    script.write_text(source)
    return str(script)


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A script that appends to the text, and exits with 2 instead of 1 when there is none."""
    return broken_in(tmp_path)


@dataclass(frozen=True)
class Run:
    """What a check of all cases has printed, and its JSON."""

    done: Ended
    script: str
    report: Path


@pytest.fixture(scope="module")
def conforming(tmp_path_factory: pytest.TempPathFactory) -> Run:
    report = tmp_path_factory.mktemp("conforming") / "report.jsonl"
    return Run(harness("check", COPIER, "--json", str(report)), "", report)


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("failing")
    script, report = broken_in(folder), folder / "report.json"
    done = harness("check", COPIER, "--script", script, "--json", str(report))
    return Run(done, script, report)


def test_a_step_that_conforms(conforming: Run) -> None:
    done = conforming.done
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "copier: 24 cases, fake runner"
    assert lines[-1].startswith("24 passed, 0 failed in ")
    assert "\x1b" not in done.stdout


def test_findings_are_grouped_and_can_be_replayed(failing: Run) -> None:
    done = failing.done
    assert done.returncode == 1
    assert "1. output: wrong-bytes in 17 cases" in done.stdout
    assert "2. exit-code: 2-for-1 in 2 cases" in done.stdout
    assert "expected  exit code 1 (there is no text)" in done.stdout
    assert "got       exit code 2" in done.stdout
    assert "Mend what is named above" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 passed, 21 failed, 3 defects in ")
    # A full disk and a read-only folder end the script at the same line.
    assert "also breaks output-folder-read-only" in done.stdout
    for line in done.stdout.splitlines():
        if line.strip().startswith("replay"):
            program, *arguments = shlex.split(line.strip().removeprefix("replay"))
            assert shutil.which(program), program
            again = harness(*arguments)
            assert again.returncode == 1, again.stderr
            assert "--- findings: 1" in again.stdout
            assert failing.script in arguments


def test_k_and_case_select_cases() -> None:
    assert "copier: 2 of 24 cases" in harness("check", COPIER, "-k", "short").stdout
    one = harness(
        "check", COPIER, "--case", "special=accents", "--case", "text=long,older_copy=absent"
    )
    assert "copier: 2 of 24 cases" in one.stdout
    assert one.returncode == 0


def test_what_is_asked_for_a_container_is_not_ignored_by_runners_without(tmp_path: Path) -> None:
    wrong = harness("check", COPIER, "--runner", "fake", "--image", "some:image")
    assert wrong.returncode == 2
    assert "--image is for containers, and the fake runner has none" in wrong.stderr
    # Settings are for other runs too.
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nimage = "some:image"\n')
    right = harness("check", COPIER, "--runner", "fake", "-k", "short", cwd=tmp_path)
    assert right.returncode == 0


def test_jobs_auto_is_one_worker_per_processor_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "default_jobs", default_jobs)
    assert default_jobs() == len(os.sched_getaffinity(0))
    assert "8 passed" in harness("check", COPIER, "--jobs", "auto", "-k", "text").stdout


def test_max_fail_stops(broken: str) -> None:
    done = harness("check", COPIER, "--script", broken, "--max-fail", "2", "--jobs", "1")
    assert "stopped after 2 of 24 cases" in done.stdout
    assert done.returncode == 1


def test_x_stops_and_lf_goes_on_from_there(broken: str, tmp_path: Path) -> None:
    first = harness("check", COPIER, "--script", broken, "-x", "--jobs", "1", cwd=tmp_path)
    assert "stopped after 1 of 24 cases" in first.stdout
    again = harness("check", COPIER, "--script", broken, "--lf", "-q", cwd=tmp_path)
    case = "text=absent,older_copy=absent"
    assert again.stdout.splitlines()[0] == f"1. exit-code: 2-for-1 in 1 case: {case}"
    assert "copier: 0 passed, 1 failed" in again.stdout


def test_list_names_every_case() -> None:
    done = harness("list", COPIER)
    assert done.stdout.splitlines()[0] == "text=absent,older_copy=absent"
    assert len(done.stdout.splitlines()) == 24
    assert harness("list", COPIER, "-k", "accents").stdout == "special=accents\n"


def test_json(failing: Run) -> None:
    document = json.loads(failing.report.read_text())
    totals = {"planned": 24, "run": 24, "passed": 3, "failed": 21, "unproven": 0}
    assert document["totals"] == totals
    assert [one["id"] for one in document["cases"]] == harness("list", COPIER).stdout.splitlines()
    assert document["cases"][0]["findings"][0]["promise"] == "exit-code"
    assert list(failing.report.parent.glob("*.part")) == []


def test_json_lines(conforming: Run) -> None:
    lines = [json.loads(line) for line in conforming.report.read_text().splitlines()]
    assert [one["passed"] for one in lines[:-1]] == [True] * 24
    assert lines[-1]["totals"]["passed"] == 24


def test_replay_shows_a_case_and_keeps_its_trees(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = harness("replay", COPIER, "text=long,older_copy=absent", "--keep", str(kept))
    assert done.returncode == 0
    assert "exit code 0 (expected 0)" in done.stdout
    assert "+ /opt/ml/processing/output/copy/text.txt file (2 bytes)" in done.stdout
    copy = "opt/ml/processing/output/copy/text.txt"
    assert not (kept / "before" / copy).exists()
    assert (kept / "after" / copy).read_bytes() == b"ab"
    again = harness("replay", COPIER, "text=long,older_copy=absent", "--keep", str(kept))
    assert again.returncode == 2
    assert "is not empty" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", COPIER, "-k", "shrt"), "text=short"),
        (
            ("check", COPIER, "--case", "text=shrt,older_copy=absent"),
            "text=short,older_copy=absent",
        ),
        (("check", COPIER, "-k", "and and"), "not an expression"),
        (("replay", COPIER, "special=accent"), "special=accents"),
        (("replay", COPIER), "name one case"),
        (("check", str(STEPS.parent / "step")), "has no contract.yaml"),
        (("check", "no/such/step"), "there is no contract"),
        (("check", COPIER, "--script", "no/such.py"), "No such file"),
        (("check", COPIER, "--runner", "nonesuch"), "fake, sandbox, container"),
        (("check", COPIER, "--jobs", "x"), "give 1 or more, or auto"),
        (("check", COPIER, "--jobs", "0"), "give 1 or more, or auto"),
        (("parity", COPIER, "--jobs", "-1"), "give 1 or more, or auto"),
        (("check", COPIER, "--json", "/no/such/folder/x.json"), "--json"),
        (("check", COPIER, "--jobs", "0"), "--jobs"),
        (("check", COPIER, "--nonesuch"), "No such option"),
        (("nonesuch",), "No such command"),
    ],
)
def test_wrong_use_is_2_with_a_suggestion(arguments: tuple[str, ...], message: str) -> None:
    done = harness(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_malformed_contract_is_2_with_file_line_and_key(tmp_path: Path) -> None:
    text = (STEPS / "copier" / "contract.yaml").read_text()
    (tmp_path / "contract.yaml").write_text(text.replace("required: true", "required: 7"))
    done = harness("check", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path / 'contract.yaml'}:5: inputs.text.required: " in done.stderr


def test_a_suite_that_cannot_be_loaded_is_2_with_file_and_line(tmp_path: Path) -> None:
    for name in ("contract.yaml", "copier.py"):
        (tmp_path / name).write_text((STEPS / "copier" / name).read_text())
    (tmp_path / "conformance.py").write_text("import json\n\nraise ValueError('oops')\n")
    done = harness("check", str(tmp_path))
    assert done.returncode == 2
    assert "conformance.py:3: the suite cannot be loaded: ValueError: oops" in done.stderr


def test_a_script_that_the_fake_runner_cannot_judge_is_3(tmp_path: Path) -> None:
    script = tmp_path / "forks.py"
    script.write_text("import subprocess; subprocess.run(['true'])")
    done = harness("check", COPIER, "--script", str(script), "--runner", "fake")
    assert done.returncode == 3
    assert "--runner container" in done.stderr


def test_what_the_fake_runner_cannot_judge_a_sandbox_can(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    script = tmp_path / "forks.py"
    source = (STEPS / "copier" / "copier.py").read_text()
    script.write_text("import subprocess\nsubprocess.run(['true'], check=True)\n" + source)
    # Whether a signal comes at its moment is up to the machine.
    cases = ("-k", "text=long or text=absent or special")
    done = harness("check", COPIER, "--script", str(script), "--runner", "sandbox", *cases)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert " of 24 cases, sandbox runner\n" in done.stdout


def test_parity_of_two_runners(roots_sandbox: SandboxRunner) -> None:
    done = harness("parity", COPIER, "--runner", "fake", "--runner", "sandbox")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "24 cases, fake and sandbox runner",
        "24 cases the same, 0 different",
    ]


def test_parity_needs_two_runners() -> None:
    done = harness("parity", COPIER, "--runner", "fake", "--runner", "fake")
    assert done.returncode == 2
    assert "name two runners or more" in done.stderr


def test_no_docker_engine_is_3_with_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    done = harness("check", COPIER, "--runner", "container")
    assert done.returncode == 3
    assert "dockerd" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_at_once_and_says_so(tmp_path: Path) -> None:
    script = tmp_path / "hangs.py"
    # A sleep takes no time in the fake runner.
    script.write_text("while True: pass\n")
    command = [str(HARNESS), "check", COPIER, "--script", str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "copier: 24 cases, fake runner\n"
        time.sleep(1.0)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "stopped" in stderr
    assert "Traceback" not in stderr


def test_a_terminal_gets_a_progress_bar() -> None:
    main, other = pty.openpty()
    with subprocess.Popen(
        [str(HARNESS), "check", COPIER, "-k", "text"],
        stdout=other,
        stderr=other,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as running:
        os.close(other)
        shown = b""
        while True:
            try:
                chunk = os.read(main, 4096)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
    os.close(main)
    assert running.returncode == 0
    assert b"\x1b[" in shown
    assert "━".encode() in shown
    assert b"8 passed" in shown


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{shlex.quote(str(HARNESS))} list {shlex.quote(COPIER)} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "text=absent,older_copy=absent\n"
    assert done.stderr == ""


def make_several_steps(tmp_path: Path) -> Path:
    """A folder with a step that conforms, one that does not, and one that lacks samples."""
    for name in ("good", "wrong"):
        shutil.copytree(COPIER, tmp_path / name)
        contract = tmp_path / name / "contract.yaml"
        contract.write_text(contract.read_text().replace("name: copier", f"name: {name}"))
    script = tmp_path / "wrong" / "copier.py"
    script.write_text(script.read_text().replace("write_bytes(text)", "write_bytes(text[:1])"))
    (tmp_path / "derived.step.yaml").write_text(
        "contract:\n"
        "  entry_point: good/copier.py\n"
        "  inputs: {text: {path: /opt/ml/processing/input/text, required: true}}\n"
        "  outputs: {copy: {path: /opt/ml/processing/output/copy}}\n"
    )
    return tmp_path


def test_a_folder_of_steps_gets_a_line_for_each_and_totals(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = harness("check", str(make_several_steps(tmp_path)), "--json", str(report))
    assert done.returncode == 1
    assert [line.split() for line in done.stdout.splitlines()[-5:]] == [
        ["step", "passed", "failed", "not", "proven", "defects"],
        ["derived", "2", "0", "16", "0"],
        ["good", "24", "0", "0", "0"],
        ["wrong", "11", "13", "0", "1"],
        ["3", "steps", "37", "13", "16", "1"],
    ]
    document = json.loads(report.read_text())
    assert [step["step"] for step in document["steps"]] == ["derived", "good", "wrong"]
    assert [step["totals"]["passed"] for step in document["steps"]] == [2, 24, 11]


def test_max_fail_counts_over_all_steps(tmp_path: Path) -> None:
    make_several_steps(tmp_path)
    steps = [str(tmp_path / "wrong"), str(tmp_path / "good")]
    done = harness("check", *steps, "--max-fail", "1")
    assert done.returncode == 1
    assert "stopped after 7 of 24 cases (--max-fail)" in done.stdout
    assert "good:" not in done.stdout


def test_a_script_replaces_the_entry_point_of_one_step_only(tmp_path: Path) -> None:
    done = harness(
        "check", str(make_several_steps(tmp_path)), "--script", str(tmp_path / "good/copier.py")
    )
    assert done.returncode == 2
    assert "name one step" in done.stderr


def test_lint_checks_every_step_of_a_folder(tmp_path: Path) -> None:
    done = harness("lint", str(make_several_steps(tmp_path)), "--extend-select", "STEP4")
    assert done.returncode == 1
    # Two of the three steps have one script, of which each problem is told once.
    assert done.stdout.count("STEP401") == 2


def test_a_waived_promise_is_not_judged_and_the_report_says_so(tmp_path: Path) -> None:
    step = make_several_steps(tmp_path) / "wrong"
    contract = step / "contract.yaml"
    contract.write_text(contract.read_text() + "waivers:\n  output: known, see the ticket\n")
    report = tmp_path / "report.json"
    done = harness("check", str(step), "-k", "text", "--json", str(report))
    assert done.returncode == 0
    assert "waived: output: known, see the ticket" in done.stdout
    assert json.loads(report.read_text())["waivers"] == {"output": "known, see the ticket"}


def test_promises_are_explained() -> None:
    every = harness("explain").stdout
    assert "scratch-clean            The temporary folders hold" in every
    one = harness("explain", "scratch-clean").stdout
    assert "waivers:\n  scratch-clean: " in one
    wrong = harness("explain", "tidy")
    assert wrong.returncode == 2
    assert "scratch-clean" in wrong.stderr
