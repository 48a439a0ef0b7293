"""Lint takes in what lies beside a script: its modules, requirements.txt, hyperparameters.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import loaders
from harness.lint import lint

CONTRACT = """
name: fit
entry_point: fit
inputs:
  train: {required: true, file: data.csv, mounts: [/opt/ml/input/data/train]}
outputs:
  model: {path: /opt/ml/model, files: [model.json]}
arguments: {depth: of the tree}
environment: {required: [REGION]}
exit_codes: {0: trained, 1: failed}
"""
SCRIPT = """
import json
import numpy
import os
from places import MODEL, TRAIN, region

with open(TRAIN) as table, open(MODEL, "w") as model:
    model.write(table.read() + region)

with open("/opt/ml/input/config/hyperparameters.json") as stream:
    depth = json.load(stream)["depth"]
"""
PLACES = """
import os
TRAIN = "/opt/ml/input/data/train/data.csv"
MODEL = "/opt/ml/model/model.json"
region = os.environ["REGION"]
"""


def codes(folder: Path, changes: dict[str, tuple[str, str]] | None = None) -> list[str]:
    files = {
        "contract.yaml": CONTRACT,
        "fit": SCRIPT,
        "places.py": PLACES,
        "requirements.txt": "-r more.txt  # the rest\n",
        "more.txt": "numpy>=1.20 ; python_version > '3'\n",
    }
    for name, text in files.items():
        old, new = (changes or {}).get(name, ("", ""))
        assert old in text
        (folder / name).write_text(text.replace(old, new) if old else text)
    contract = loaders.load(folder)
    found = lint(contract, contract.script, contract.script.read_bytes())
    return [one.code for one in found]


def test_what_lies_beside_counts(tmp_path: Path) -> None:
    assert codes(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("fit", '["depth"]', '["height"]', "STEP302"),
        ("places.py", "/opt/ml/model/", "/somewhere/", "STEP102"),
        ("places.py", "REGION", "ZONE", "STEP202"),
        ("more.txt", "numpy", "numba", "STEP601"),
        ("fit", "places import", "else_where import", "STEP601"),
    ],
)
def test_what_is_nowhere_is_found(tmp_path: Path, file: str, old: str, new: str, code: str) -> None:
    assert code in codes(tmp_path, {file: (old, new)})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # All of them are passed on.
        ('json.load(stream)["depth"]', "train(**json.load(stream))"),
        ('json.load(stream)["depth"]', 'json.load(stream).get("depth", 3)'),
        ('json.load(stream)["depth"]', 'os.environ["SM_HP_DEPTH"]'),
        ('json.load(stream)["depth"]', 'json.loads(os.environ["SM_HPS"])["depth"]'),
    ],
)
def test_hyperparameters_are_read_in_other_ways(tmp_path: Path, old: str, new: str) -> None:
    assert codes(tmp_path, {"fit": (old, new)}) == []
