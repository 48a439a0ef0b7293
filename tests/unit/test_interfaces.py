"""Step interfaces say what their own public loader accepts, and such steps can be proved."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.contracts import loaders
from harness.contracts.contract import Contract
from harness.errors import WrongContract

HEAD = "contract:\n  entry_point: step.py\n"
OUTPUT = "  outputs: {out: {path: /opt/ml/processing/output/out}}\n"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def load(tmp_path: Path, text: str) -> Contract:
    return loaders.load(put(tmp_path / "step.step.yaml", text))


def check(folder: Path, script: str, *options: str) -> Any:
    put(folder / "step.py", script)
    path = str(folder / "step.step.yaml")
    return CliRunner().invoke(cli, ["check", path, "--jobs", "1", *options])


@pytest.mark.parametrize(
    ("written", "folder"), [("true", "."), ("false", "."), ("scripts", "scripts"), ("null", ".")]
)
def test_the_source_folder_has_a_name_or_is_that_of_the_interface(
    tmp_path: Path, written: str, folder: str
) -> None:
    found = load(tmp_path, f"{HEAD}  source_dir: {written}\n{OUTPUT}")
    assert found.script == tmp_path / folder / "step.py"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("path", "channels", "mounts"),
    [
        ("/opt/ml/input/data", "[graph]", ["/opt/ml/input/data/graph"]),
        ("/opt/ml/input/data/graph", "[graph]", ["/opt/ml/input/data/graph"]),
        ("/opt/ml/input/data/graph/", "graph", ["/opt/ml/input/data/graph"]),
        ("/opt/ml/input/data/edges", "[graph]", ["/opt/ml/input/data/edges"]),
        (
            "/opt/ml/input/data",
            "{train: {}, val: {}}",
            ["/opt/ml/input/data/train", "/opt/ml/input/data/val"],
        ),
        (
            "/opt/ml/processing/input/data",
            "[train, val]",
            ["/opt/ml/processing/input/data/train", "/opt/ml/processing/input/data/val"],
        ),
    ],
)
def test_channels_are_mounted_where_the_interface_says(
    tmp_path: Path, path: str, channels: str, mounts: list[str]
) -> None:
    text = f"{HEAD}  inputs: {{a: {{path: {path}, required: true, channels: {channels}}}}}\n"
    found = load(tmp_path, text + OUTPUT)
    assert [mount for one in found.inputs.values() for mount in one.mounts] == mounts
    assert ("the service mounts the channel graph" in str(found.warnings)) is path.endswith("edges")


@pytest.mark.parametrize(
    ("written", "always"),
    [
        ("{MODEL_DIR: /opt/ml/model}", {"MODEL_DIR": "/opt/ml/model"}),
        ("{RESULT: outputs.out}", {"RESULT": "/opt/ml/processing/output/out"}),
        ("{RESULT: {output: out}}", {"RESULT": "/opt/ml/processing/output/out"}),
        ("[{name: RESULT, path: /opt/ml/x}]", {"RESULT": "/opt/ml/x"}),
        ("[RESULT]", {"RESULT": ""}),
    ],
)
def test_variables_that_the_pipeline_computes(
    tmp_path: Path, written: str, always: dict[str, str]
) -> None:
    found = load(tmp_path, f"{HEAD}  computed_env_paths: {written}\n{OUTPUT}")
    assert (found.environment.always, found.warnings) == (always, ())


READS_COMPUTED = """
    import os, pathlib
    folder = pathlib.Path(os.environ["RESULT"])
    (folder / "out.txt").write_text("done")
"""


def test_computed_variables_are_set_in_every_case(tmp_path: Path) -> None:
    put(tmp_path / "step.step.yaml", f"{HEAD}  computed_env_paths: {{RESULT: out}}\n{OUTPUT}")
    selected = ("-k", "as-it-is")
    done = check(tmp_path, READS_COMPUTED, *selected)
    assert done.exit_code == 0, done.output
    wrong = check(tmp_path, READS_COMPUTED.replace("RESULT", "RESULTS"), *selected)
    assert wrong.exit_code == 1
    linted = CliRunner().invoke(cli, ["lint", str(tmp_path / "step.step.yaml")])
    assert "RESULTS is read, and the contract does not" in linted.stdout


def test_a_computed_variable_of_which_only_the_name_is_known_needs_a_sample(
    tmp_path: Path,
) -> None:
    selected = ("-k", "as-it-is")
    for name, values in (("without", {}), ("with", {"RESULT": "/opt/ml/processing/output/out"})):
        folder = tmp_path / name
        put(folder / "step.step.yaml", f"{HEAD}  computed_env_paths: [RESULT]\n{OUTPUT}")
        put(folder / "samples" / "environment.json", json.dumps(values))
        done = check(folder, READS_COMPUTED, *selected)
        assert ("give RESULT a value in" in done.output) is (not values)
        assert done.exit_code == (0 if values else 1)


@pytest.mark.parametrize("written", ["[pyarrow>=10]", "{pyarrow: '>=10'}", "pyarrow"])
def test_packages_required_at_run_time(tmp_path: Path, written: str) -> None:
    path = put(tmp_path / "step.step.yaml", f"{HEAD}  runtime_requires: {written}\n{OUTPUT}")
    put(tmp_path / "step.py", "import pyarrow\n")
    assert "STEP601" not in CliRunner().invoke(cli, ["lint", str(path)]).stdout
    put(tmp_path / "step.py", "import pandas\n")
    assert "pandas is imported" in CliRunner().invoke(cli, ["lint", str(path)]).stdout


SINK = """
    import json, pathlib, sys
    text = pathlib.Path("/opt/ml/processing/input/data/text.txt")
    try:
        count = len(text.read_text().split())
    except OSError as error:
        sys.exit(f"{text} cannot be read: {error}")
    print(json.dumps({"words": count}))
"""
INPUT = "  inputs: {data: {path: /opt/ml/processing/input/data, required: true}}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}{INPUT}  sink: true\n  outputs: {{}}\n",
        f"{HEAD}{INPUT}  sink: true\n",
        f"{HEAD}{INPUT}  outputs: {{}}\nspec:\n  sink: true\n",
    ],
)
def test_a_step_without_outputs_ends_with_0_and_writes_nothing(tmp_path: Path, text: str) -> None:
    put(tmp_path / "step.step.yaml", text)
    put(tmp_path / "samples" / "data" / "text.txt", "two words")
    # Whether a signal reaches so short a script is not the question here.
    selected = ("-k", "not sigterm")
    right = check(tmp_path, SINK, *selected)
    assert right.exit_code == 0, right.output
    assert (
        "full-disk"
        not in CliRunner().invoke(cli, ["list", str(tmp_path / "step.step.yaml")]).stdout
    )
    fails = check(tmp_path, f"{textwrap.dedent(SINK)}sys.exit(1)\n", *selected)
    assert "exit-code: 1-for-0" in fails.stdout
    writes = f"{textwrap.dedent(SINK)}open('/opt/ml/processing/count.json', 'w').write('2')\n"
    assert "nothing-undeclared" in check(tmp_path, writes, *selected).stdout


def test_outputs_are_missing_only_by_intention(tmp_path: Path) -> None:
    with pytest.raises(WrongContract, match=r"contract.outputs: is empty: name an output, or say"):
        load(tmp_path, f"{HEAD}  outputs: {{}}\n")


def test_a_source_node_reads_its_source_folder(tmp_path: Path) -> None:
    """A step without inputs, whose files lie beside its script."""
    text = f"{HEAD}  source_dir: true\n  inputs: {{}}\n{OUTPUT}  arguments: {{}}\n"
    put(tmp_path / "step.step.yaml", text)
    put(tmp_path / "samples" / "code" / "models" / "model.txt", "weights")
    script = """
        import pathlib, shutil
        model = pathlib.Path(__file__).parent / "models" / "model.txt"
        shutil.copyfile(model, "/opt/ml/processing/output/out/model.txt")
    """
    assert check(tmp_path, script, "-k", "as-it-is").exit_code == 0
    assert check(tmp_path, script.replace("models", "model"), "-k", "as-it-is").exit_code == 1


def test_other_keys_and_richer_values_are_no_refusal(tmp_path: Path) -> None:
    text = f"""\
{HEAD}  inputs:
    data: {{path: /opt/ml/processing/input/data, format: csv, schema: [a, b]}}
{OUTPUT}  arguments:
    depth: {{type: int, default: 3, choices: [3, 4]}}
    flag: null
  job_arguments: [{{flag: --job_name}}]
  env_vars: {{optional: {{LABELS: [a, b], LEVEL: 0}}, note: n}}
  framework_requirements: ["pandas>=2"]
  step_type: processing
"""
    found = load(tmp_path, text)
    assert found.environment.optional == {"LABELS": '["a", "b"]', "LEVEL": "0"}
    assert list(found.framework_requirements) == ["pandas>=2"]
    assert found.inputs["data"].required
    assert len(found.warnings) == 4
