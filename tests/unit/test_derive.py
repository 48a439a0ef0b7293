"""Derived suites: correct scripts pass, wrong ones have findings."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import WrongContract
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove

INTERFACE = """
contract:
  entry_point: count.py
  inputs:
    data: {path: /opt/ml/processing/input/data, required: true}
    extra: {path: /opt/ml/processing/input/extra, required: false}
  outputs:
    result: {path: /opt/ml/processing/output/result}
  arguments: {unit: lines or words, level: how much}
  env_vars: {required: [REGION], optional: {DEPTH: 3}}
"""
CORRECT_SCRIPT = """
import argparse, os, shutil, signal, sys
from collections.abc import Iterator
from pathlib import Path

def main(input_paths, output_paths, environ_vars, job_args):
    if not environ_vars.get("REGION"):
        raise ValueError("REGION is not set")
    files = [one for one in Path(input_paths["data"]).glob("*.txt")]
    if not files:
        raise FileNotFoundError("no *.txt in " + input_paths["data"])
    count = len(files[0].read_text().split())
    extra = Path(input_paths["extra"])
    count += len(list(extra.iterdir())) if extra.is_dir() else 0
    folder = Path(output_paths["result"])
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path("/tmp/count.txt")
    try:
        draft.write_text(str(count * int(environ_vars["DEPTH"])))
        shutil.copyfile(draft, folder / "count.txt.part")
        os.replace(folder / "count.txt.part", folder / "count.txt")
    finally:
        for one in (draft, folder / "count.txt.part"):
            if one.exists():
                one.unlink()

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parser = argparse.ArgumentParser()
    parser.add_argument("--unit", required=True)
    try:
        main(
            {name: "/opt/ml/processing/input/" + name for name in ("data", "extra")},
            {"result": "/opt/ml/processing/output/result"},
            {"REGION": os.environ.get("REGION"), "DEPTH": os.environ.get("DEPTH", "3")},
            parser.parse_args(),
        )
    except (ValueError, OSError) as error:
        print(f"count failed: {error}", file=sys.stderr)
        sys.exit(3)
"""
SAMPLES = {
    "samples/data/text.txt": "one two",
    "samples/extra/a/b.txt": "x",
    "samples/environment.json": '{"REGION": "eu-west-1"}',
    "samples/arguments.json": '{"unit": "words"}',
}


@pytest.fixture
def step(tmp_path: Path) -> Path:
    for name, text in {"count.step.yaml": INTERFACE, "count.py": CORRECT_SCRIPT, **SAMPLES}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path / "count.step.yaml"


def edit_script(step: Path, old: str, new: str) -> None:
    script = step.with_name("count.py")
    text = script.read_text()
    assert text.count(old) == 1
    script.write_text(text.replace(old, new))


def product_cases(ids: Iterable[str]) -> tuple[str, ...]:
    """The cases of the product."""
    return tuple(one for one in ids if not one.startswith("circumstance="))


def findings(step: Path) -> Iterator[tuple[str, str]]:
    """What is found in all cases, one after another."""
    ref = StepRef(step)
    for case in load(ref).matrix.ids:
        for one in prove(ref, FakeRunner(), case).findings:
            yield one.promise, one.key


def test_every_input_and_variable_is_an_axis(step: Path) -> None:
    ids = product_cases(load(StepRef(step)).matrix.ids)
    # Another depth is tried alone.
    assert len(ids) == 3 * 3 * 2 * 2 + 1
    assert "data=present,extra=empty,REGION=set,DEPTH=default" in ids
    assert load(StepRef(step)).matrix.unproven == {}


def test_a_correct_script_passes(step: Path) -> None:
    assert [*findings(step)] == []


def test_samples_are_used(step: Path) -> None:
    case, _ = load(StepRef(step)).matrix.case("data=present,extra=present,REGION=set,DEPTH=default")
    assert case.tree.entries["/opt/ml/processing/input/data/text.txt"].data == b"one two"
    assert case.tree.entries["/opt/ml/processing/input/extra/a/b.txt"].data == b"x"
    assert (case.variables["REGION"], case.variables["DEPTH"]) == ("eu-west-1", "3")
    assert case.arguments == ("--unit", "words")


@pytest.mark.parametrize(
    ("old", "new", "promise", "key"),
    [
        ("    if not files:\n        raise", "    if False:\n        raise", "error-told", "bare"),
        ("        sys.exit(3)\n", "        sys.exit(0)\n", "exit-code", "0-for-failure"),
        ('"no *.txt in " + input_paths["data"]', '"nothing"', "error-named", "no-missing-part"),
        ('"REGION is not set"', '"something is not set"', "error-named", "no-missing-part"),
        ('folder / "count.txt")\n    finally', "draft)\n    finally", "output", "empty"),
        ('os.environ.get("DEPTH", "3")', 'os.environ["DEPTH"]', "exit-code", "1-for-0"),
        ("if extra.is_dir() else 0", "", "exit-code", "3-for-0"),
        ("    if not files:", '    Path("/tmp/x").touch()\n    if not files:', "scratch-clean", ""),
        (
            "    if not files:",
            '    Path("/opt/ml/model").mkdir()\n    if not files:',
            "nothing-undeclared",
            "written",
        ),
        (
            "    if not files:",
            "    for one in files:\n        one.unlink()\n    if not files:",
            "",
            "",
        ),
    ],
)
def test_a_wrong_script_has_a_finding(
    step: Path, old: str, new: str, promise: str, key: str
) -> None:
    edit_script(step, old, new)
    assert any(promise in ("", name) and key in what for name, what in findings(step))


def test_a_case_without_a_sample_is_not_proven(step: Path) -> None:
    (step.parent / "samples" / "data" / "text.txt").unlink()
    (step.parent / "samples" / "environment.json").unlink()
    matrix = load(StepRef(step)).matrix
    assert len(product_cases(matrix.ids)) + len(product_cases(matrix.unproven)) == 36
    assert not any("data=present" in one or "REGION=set" in one for one in matrix.ids)
    report = step.with_name("report.json")
    result = CliRunner().invoke(cli, ["check", str(step), "--jobs", "1", "--json", str(report)])
    assert result.exit_code == 1
    assert f"put files into {step.parent / 'samples' / 'data'}/" in result.output
    assert "give REGION a value in" in result.output
    # Circumstances too: no case must succeed.
    assert "12 passed, 0 failed, 39 not proven" in result.output
    document = json.loads(report.read_text())
    assert document["totals"]["unproven"] == len(document["unproven"]) == 39


def test_a_model_is_generated(step: Path) -> None:
    text = step.read_text().replace("data:", "model_artifacts_input:", 1)
    step.write_text(text)
    case, _ = load(StepRef(step)).matrix.case(
        "model_artifacts_input=present,extra=absent,REGION=set,DEPTH=unset"
    )
    assert case.tree.entries["/opt/ml/processing/input/data/model.tar.gz"].data[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("text", ["[]", '{"REGION": 3}', "{", '{"REGION"}'])
def test_a_malformed_sample_is_a_wrong_contract(step: Path, text: str) -> None:
    values = step.parent / "samples" / "environment.json"
    values.write_text(text)
    with pytest.raises(WrongContract, match=r"environment\.json"):
        load(StepRef(step))


def test_the_mounts_imply_a_training_job(step: Path) -> None:
    step.write_text(step.read_text().replace("/opt/ml/processing/input/", "/opt/ml/input/data/"))
    case, _ = load(StepRef(step)).matrix.case("data=present,extra=absent,REGION=set,DEPTH=unset")
    assert case.script == "/opt/ml/code/count.py"
    assert case.environment["SM_CHANNELS"] == '["data"]'


def test_variables_of_the_job_are_set_in_every_case(step: Path) -> None:
    text = step.read_text().replace("/opt/ml/processing/input/", "/opt/ml/input/data/")
    text = text.replace("required: [REGION]", "required: [REGION, SM_MODEL_DIR, SM_CHANNEL_DATA]")
    step.write_text(text.replace("{DEPTH: 3}", "{DEPTH: 3, SM_NUM_CPUS: 1}"))
    matrix = load(StepRef(step)).matrix
    assert "data=present,extra=present,REGION=set,DEPTH=default" in matrix.ids
    assert matrix.unproven == {}
    case, _ = matrix.case("data=present,extra=present,REGION=set,DEPTH=default")
    assert case.environment["SM_MODEL_DIR"] == "/opt/ml/model"
    assert case.environment["SM_CHANNEL_DATA"] == "/opt/ml/input/data/data"


def test_pairwise_covers_every_pair_with_fewer_cases(step: Path) -> None:
    all_cases = product_cases(load(StepRef(step)).matrix.ids)
    pairwise_ids = load(StepRef(step, pairwise=True)).matrix.ids
    pairwise_cases = product_cases(pairwise_ids)
    assert len(pairwise_cases) < len(all_cases) / 2
    assert set(pairwise_cases) <= set(all_cases)

    def pairs(ids: tuple[str, ...]) -> set[tuple[str, ...]]:
        return {pair for one in ids for pair in itertools.combinations(one.split(","), 2)}

    assert pairs(pairwise_cases) == pairs(all_cases)
    result = CliRunner().invoke(cli, ["check", str(step), "--pairwise", "--jobs", "1"])
    assert result.exit_code == 0
    assert f"{len(pairwise_ids)} passed, 0 failed" in result.output
