"""The order in which folders list their entries: fixed, and the opposite in one circumstance."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, run_case
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree
from tests.unit.derived import make_step
from tests.unit.worlds import case_of

DATA = "/opt/ml/processing/input/data"
LISTS = f"""
import os
open("{DATA}/new", "w").close()
print(*os.listdir("{DATA}"))
print(*(one.name for one in os.scandir("{DATA}")))
"""
TREE = Tree.for_job(PROCESSING).with_channel("data", dict.fromkeys(("b", "c", "a/x"), b""))


@pytest.fixture(scope="module", params=[FakeRunner(), SandboxRunner()], ids=lambda one: one.name)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    opened: Runner = request.param
    opened.prepare()
    yield opened
    opened.close()


def test_folders_list_in_the_opposite_order(runner: Runner) -> None:
    usual = case_of(LISTS, TREE)
    for case, order in (
        (usual, "new c b a"),
        (usual, "new c b a"),
        (replace(usual, reversed_listing=True), "new a b c"),
    ):
        assert runner.run(case).stdout.splitlines() == [order, order]


def test_parents_come_first_in_either_order() -> None:
    for order in (list(TREE), list(TREE.reversed())):
        paths = [path for path, _ in order]
        assert sorted(paths) == sorted(TREE.entries)
        for path in paths:
            parent = path.rpartition("/")[0]
            assert not parent or paths.index(parent) < paths.index(path)
    siblings = [path for path, _ in TREE.reversed() if path.startswith(f"{DATA}/")]
    assert siblings == [f"{DATA}/c", f"{DATA}/b", f"{DATA}/a", f"{DATA}/a/x"]


def test_what_a_link_leads_to_comes_before_what_lies_behind_it(runner: Runner) -> None:
    tree = TREE.with_directory("/data").with_symlink("/opt/link", "/data")
    tree = tree.with_file("/opt/link/x", b"text")
    case = case_of("print(open('/data/x').read())", tree, reversed_listing=True)
    assert runner.run(case).stdout == "text\n"


def test_the_random_numbers_of_a_script_are_its_own() -> None:
    source = """
        import os, random
        random.seed(0)
        {}
        print(random.random())
    """
    outputs = {
        FakeRunner().run(case_of(source.format(line), TREE)).stdout
        for line in ("pass", f"os.listdir('{DATA}')")
    }
    assert len(outputs) == 1


CONTRACT = """
name: merge
entry_point: merge.py
inputs:
  data: {required: true, mounts: [/opt/ml/processing/input/data]}
outputs:
  merged: {path: /opt/ml/processing/output/merged, files: [merged.txt]}
exit_codes: {0: merged, 1: failed}
"""
MERGES = """
import glob, os, sys
names = PARTS
if not names:
    sys.exit("error: no data in /opt/ml/processing/input/data")
with open("/opt/ml/processing/output/merged/merged.txt", "w") as merged:
    for name in names:
        merged.write(open(name).read())
"""


@pytest.mark.parametrize(
    ("parts", "keys"),
    [
        ("glob.glob('/opt/ml/processing/input/data/*')", ["differs"]),
        ("[e.path for e in os.scandir('/opt/ml/processing/input/data')]", ["differs"]),
        ("sorted(glob.glob('/opt/ml/processing/input/data/*'))", []),
        ("sorted(e.path for e in os.scandir('/opt/ml/processing/input/data'))", []),
    ],
)
def test_an_output_that_depends_on_the_order_is_not_repeatable(
    runner: Runner, tmp_path: Path, parts: str, keys: list[str]
) -> None:
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    (tmp_path / "merge.py").write_text(MERGES.replace("PARTS", parts))
    samples = tmp_path / "samples" / "data"
    samples.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (samples / name).write_text(name)
    found = run_case(StepRef(tmp_path), runner, "circumstance=again").findings
    assert [(one.promise, one.key) for one in found] == [("repeatable", key) for key in keys]


def test_sets_have_the_order_of_the_hash_seed(runner: Runner) -> None:
    source = "print(*{f'word-{number}' for number in range(20)})"
    usual = case_of(source, TREE)
    seeded = replace(usual, variables={"PYTHONHASHSEED": "2"})
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={"PYTHONHASHSEED": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [runner.run(seeded).stdout, runner.run(seeded).stdout] == [done.stdout] * 2
    assert runner.run(usual).stdout != done.stdout


# A listing, and a set, in a file: correct when they are sorted.
WRITES_NAMES = f"""
import os, sys
try:
    names = os.listdir("{DATA}")
except OSError as error:
    sys.exit(str(error))
with open("/opt/ml/processing/output/names/names.txt", "w") as stream:
    stream.write(" ".join(ORDERED))
"""
NAMES_CONTRACT = f"""
name: names
entry_point: step.py
inputs:
  data: {{required: true, mounts: [{DATA}]}}
outputs:
  names: {{path: /opt/ml/processing/output/names}}
exit_codes: {{0: written, 1: failed}}
"""


@pytest.mark.parametrize(
    ("ordered", "found"),
    [
        ("sorted(names)", set()),
        ("sorted(set(names))", set()),
        ("names", {("repeatable", "differs")}),
        ("set(names)", {("repeatable", "differs")}),
    ],
)
def test_an_order_that_nobody_promises_is_found(
    tmp_path: Path, ordered: str, found: set[tuple[str, str]]
) -> None:
    samples = {f"data/{name}.txt": name for name in "abcdefghijkl"}
    ref = make_step(tmp_path, WRITES_NAMES.replace("ORDERED", ordered), NAMES_CONTRACT, samples)
    trial = run_case(ref, FakeRunner(), "circumstance=again")
    assert {(one.promise, one.key) for one in trial.findings} == found
