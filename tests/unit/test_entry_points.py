"""Entry points that are no `NAME.py`: modules, programs of an image; and the files of an image."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.contracts import loaders
from harness.errors import RunnerCannot, WrongContract
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, fingerprint, load, prove, read_contract
from tests.sdk.expected import HERE

RUNNERS = pytest.mark.parametrize(
    "runner", [FakeRunner(), SandboxRunner()], ids=["fake", "sandbox"]
)
USUAL = "step=as-it-is"


def put(folder: Path, contract: str, files: dict[str, str]) -> StepRef:
    head = "outputs: {out: {path: /opt/ml/processing/output/out}}\nexit_codes: {0: ok}\n"
    for name, text in {"contract.yaml": f"name: x\n{head}{contract}", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return StepRef(folder)


MODULE = """
    import sys
    from pathlib import Path
    from . import helper
    from words.deep.other import NAME
    print(__name__, __package__, sys.argv[0], NAME)
    out = Path("/opt/ml/processing/output/out")
    out.mkdir(parents=True, exist_ok=True)
    (out / "out.txt").write_text(helper.TEXT)
"""
PACKAGE = {
    "words/__init__.py": "",
    "words/helper.py": "TEXT = 'text'\n",
    "words/deep/other.py": "NAME = __name__\n",
    "words/data.txt": "not imported, and there",
}


@RUNNERS
@pytest.mark.parametrize(
    ("module", "file", "package"),
    [
        ("words.run", "words/run.py", "words"),
        ("words", "words/__main__.py", "words"),
    ],
)
def test_a_module_is_run_with_its_package(
    tmp_path: Path, runner: Any, module: str, file: str, package: str
) -> None:
    ref = put(tmp_path, f"module: {module}\n", {**PACKAGE, file: MODULE})
    case, _ = load(ref).matrix.case(USUAL)
    assert (case.module, case.cwd) == (module, "/opt/ml/processing/input/code")
    assert "/opt/ml/processing/input/code/words/data.txt" in case.tree
    outcome = runner.run(case)
    said = f"__main__ {package} /opt/ml/processing/input/code/{file} words.deep.other"
    assert (outcome.exit_code, outcome.stdout.strip()) == (0, said), outcome.stderr
    assert prove(ref, runner, USUAL).passed
    assert prove(ref, runner, "circumstance=other-folder").passed


@RUNNERS
def test_a_module_without_a_package(tmp_path: Path, runner: Any) -> None:
    script = MODULE.replace("from . import helper", "import helper").replace(
        "from words.deep.other import NAME", "NAME = ''"
    )
    ref = put(tmp_path, "module: run\n", {"run.py": script, "helper.py": "TEXT = 'x'\n"})
    assert prove(ref, runner, USUAL).passed


def test_a_module_that_fails_is_found(tmp_path: Path) -> None:
    ref = put(
        tmp_path, "module: words.run\n", {**PACKAGE, "words/run.py": MODULE.replace("TEXT", "TXT")}
    )
    (finding, *_) = prove(ref, FakeRunner(), USUAL).findings
    assert finding.promise == "exit-code"


def test_a_module_and_its_file_agree(tmp_path: Path) -> None:
    put(tmp_path, "module: words.run\nentry_point: walk.py\n", PACKAGE)
    with pytest.raises(WrongContract, match="entry_point: is not the file of the module"):
        read_contract(tmp_path)
    for name in ("words/run.py", "run.py"):
        put(tmp_path, f"module: words.run\nentry_point: {name}\n", PACKAGE)
        assert read_contract(tmp_path).code_path == "words/run.py"
    put(tmp_path, "module: words.run\n", PACKAGE)
    with pytest.raises(WrongContract, match=r"words/run\.py cannot be read"):
        load(StepRef(tmp_path))


def test_a_pipeline_may_start_a_module(tmp_path: Path) -> None:
    document = json.loads((HERE / "definition_v2.json").read_text())
    application = document["Steps"][0]["Arguments"]["AppSpecification"]
    application["ContainerEntrypoint"] = ["python3", "-m", "words.run"]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    found = loaders.load(path, tmp_path, "Prepare")
    assert (found.module, found.script) == ("words.run", tmp_path / "words" / "run.py")
    assert found.job is not None
    assert found.job.arguments[:2] == ("--unit", "words")


TRAIN = """\
    #!/usr/bin/env python3
    import json, os, sys
    from pathlib import Path
    parameters = json.loads(Path("/opt/ml/input/config/hyperparameters.json").read_text())
    text = Path("/opt/ml/input/data/train/text.txt").read_text()
    model = Path("/opt/ml/model/model.txt")
    model.write_text(text * int(parameters.get("times", 1)))
    print(sys.argv, os.getcwd(), os.environ["PATH"].split(":")[0])
"""
SHELL = """\
    #!/bin/sh
    cat /opt/ml/input/data/train/text.txt > /opt/ml/model/model.txt
    echo "['$0']" $(pwd) ${PATH%%:*}
"""
OWN_IMAGE = """\
name: own
entry_point: train
inputs: {train: {required: true, mounts: [/opt/ml/input/data/train]}}
outputs: {model: {path: /opt/ml/model}}
exit_codes: {0: ok, 255: failed}
"""


def put_own_image(folder: Path, script: str) -> StepRef:
    (folder / "contract.yaml").write_text(OWN_IMAGE)
    (folder / "train").write_text(textwrap.dedent(script))
    (folder / "samples" / "train").mkdir(parents=True)
    (folder / "samples" / "train" / "text.txt").write_text("text")
    return StepRef(folder)


SHELL_STEP = """\
name: copied
entry_point: run.sh
inputs: {text: {required: true, mounts: [/opt/ml/processing/input/text]}}
outputs: {copy: {path: /opt/ml/processing/output/copy}}
exit_codes: {0: ok, 1: failed}
"""


def test_a_shell_script_is_run_by_its_shell_whatever_its_mount_allows(tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text(SHELL_STEP)
    job = "/opt/ml/processing"
    (tmp_path / "run.sh").write_text(f"#!/bin/sh -e\ncp {job}/input/text/* {job}/output/copy/\n")
    (tmp_path / "samples" / "text").mkdir(parents=True)
    (tmp_path / "samples" / "text" / "text.txt").write_text("text")
    assert prove(StepRef(tmp_path), SandboxRunner(), "circumstance=own-mounts").passed


@pytest.mark.parametrize(
    ("runner", "script"),
    [(FakeRunner(), TRAIN), (SandboxRunner(), TRAIN), (SandboxRunner(), SHELL)],
    ids=["fake", "sandbox", "sandbox-shell"],
)
def test_a_program_of_an_image_of_ones_own(tmp_path: Path, runner: Any, script: str) -> None:
    ref = put_own_image(tmp_path, script)
    case, _ = load(ref).matrix.case("train=present")
    outcome = runner.run(case)
    said = "['/opt/program/train'] /opt/program /opt/program"
    assert (outcome.exit_code, outcome.stdout.strip()) == (0, said), outcome.stderr
    assert prove(ref, runner, "train=present").passed
    empty = tmp_path / "wrong"
    empty.mkdir()
    wrong = put_own_image(empty, script.replace("/opt/ml/model/", "/opt/ml/"))
    assert {one.promise for one in prove(wrong, runner, "train=present").findings} >= {"output"}


def test_the_fake_runner_refuses_what_is_not_python(tmp_path: Path) -> None:
    ref = put_own_image(tmp_path, SHELL)
    with pytest.raises(RunnerCannot, match="run by another program than Python"):
        prove(ref, FakeRunner(), "train=present")
    linted = CliRunner().invoke(cli, ["lint", str(tmp_path)])
    assert "is not a Python script" in linted.stderr
    assert linted.exit_code == 0


IMAGE = """\
entry_point: step.py
image: {/etc/step/settings.json: image/settings.json, /opt/tools: image/tools}
"""
READS_IMAGE = """
    import json, os
    from pathlib import Path
    settings = json.loads(Path("/etc/step/settings.json").read_text())
    text = Path("/opt/tools/deep/words.txt").read_text()
    assert os.access("/opt/tools/run.sh", os.X_OK)
    Path("/opt/ml/processing/output/out/out.txt").write_text(text * settings["times"])
"""
IMAGE_FILES = {
    "image/settings.json": '{"times": 2}',
    "image/tools/deep/words.txt": "word",
    "image/tools/run.sh": "#!/bin/sh",
    "step.py": READS_IMAGE,
}


@RUNNERS
def test_files_of_the_image_are_laid_into_the_world(tmp_path: Path, runner: Any) -> None:
    ref = put(tmp_path, IMAGE, IMAGE_FILES)
    (tmp_path / "image" / "tools" / "run.sh").chmod(0o755)
    assert prove(ref, runner, USUAL).passed
    other = tmp_path / "other"
    writes = f"{textwrap.dedent(READS_IMAGE)}Path('/opt/tools/new').write_text('')\n"
    wrong = put(other, IMAGE, {**IMAGE_FILES, "step.py": writes})
    (other / "image" / "tools" / "run.sh").chmod(0o755)
    assert {one.promise for one in prove(wrong, runner, USUAL).findings} == {"nothing-undeclared"}
    assert fingerprint(ref) != fingerprint(wrong)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("{/opt/ml/model/x: image/settings.json}", "is what the service mounts"),
        ("{/etc/x: image/nowhere}", "image./etc/x: .*nowhere cannot be read: No such file"),
    ],
)
def test_wrong_files_of_an_image(tmp_path: Path, image: str, message: str) -> None:
    ref = put(tmp_path, f"entry_point: step.py\nimage: {image}\n", IMAGE_FILES)
    with pytest.raises(WrongContract, match=message):
        load(ref)
