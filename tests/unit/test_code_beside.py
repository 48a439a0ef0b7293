"""The source folder of a script: the modules that it imports, and sample files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cases import code_beside
from harness.cases.code_beside import files_in, imported_modules, named_files, source_folder
from harness.contracts import loaders
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove

FILES = {
    "steps.py": "import helpers\nfrom package.deep import thing",
    "helpers.py": "import json, more",
    "more.py": "import helpers",
    "other.py": "import never",
    "never.py": "",
    "package/__init__.py": "",
    "package/deep.py": "import lazily",
    "package/data.json": "{}",
    "package/__pycache__/deep.cpython-311.pyc": "",
    "lazily.py": "",
    "samples/x.txt": "",
    "words.txt": "",
    "templates/page.html": "<p>",
    "templates/mail/a.txt": "Dear ...",
    "templates/__pycache__/a.cpython-311.pyc": "",
}
TEMPLATES = ["templates/mail/a.txt", "templates/page.html"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_imports_are_followed(folder: Path) -> None:
    found = imported_modules(folder, b"import os, steps\nimport samples, yaml")
    assert sorted(found) == [
        "helpers.py",
        "lazily.py",
        "more.py",
        "package/__init__.py",
        "package/data.json",
        "package/deep.py",
        "steps.py",
    ]
    assert found["helpers.py"] == b"import json, more"


def test_imports_within_functions_count(folder: Path) -> None:
    source = b"def main():\n    try:\n        import more\n    except ImportError:\n        pass\n"
    assert sorted(imported_modules(folder, source)) == ["helpers.py", "more.py"]


@pytest.mark.parametrize(
    "place",
    ['Path(__file__).parent / "lib" / "deep"', '"lib/deep"', 'os.path.join(HERE, "lib", "deep")'],
)
def test_modules_in_folders_that_are_added_to_the_path_count(folder: Path, place: str) -> None:
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "lib" / "deep" / "inner.py").write_text("import never, innermost")
    (folder / "lib" / "deep" / "innermost.py").write_text("")
    (folder / "lib" / "other.py").write_text("")
    added = f"import sys\nsys.path.insert(0, str({place}))\nimport inner"
    found = imported_modules(folder, added.encode())
    assert sorted(found) == ["lib/deep/inner.py", "lib/deep/innermost.py", "never.py"]
    # Without that they are not found by any job.
    assert imported_modules(folder, f"HERE = {place}\nimport inner".encode()) == {}


@pytest.mark.parametrize("source", [b"", b"import (", b"\0", b"from . import more"])
def test_a_source_without_imports_has_no_modules(folder: Path, source: bytes) -> None:
    assert imported_modules(folder, source) == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('open(HERE / "words.txt"); open(HERE / "more" / "words.txt")', ["words.txt"]),
        # All that a folder holds, with those within it; not the samples, nor bytecode.
        ('shutil.copytree(HERE / "templates", OUT)', TEMPLATES),
        ('os.listdir(os.path.join(HERE, "templates", "mail"))', TEMPLATES),
        ('glob("templates/mail/*.txt"), "templates/mail"', ["templates/mail/a.txt"]),
        ('open(HERE / "samples" / "x.txt")', []),
        ('open(os.path.join(HERE, "package/data.json"))', ["package/data.json"]),
        ('CONFIG = "other.py"; open(f"{HERE}/package/{CONFIG}")', ["other.py"]),
        # Other folders, the folder itself, what is not there, and no Python.
        ('open("/etc/passwd"); open("../x"); open("."); open(""); open("data.json")', []),
        ('"package/../../x", "nothing.yaml", "\\0", "' + "x" * 300 + '"', []),
        ('open("package/data.json"', []),
    ],
)
def test_files_that_code_names_are_beside_it(folder: Path, source: str, names: list[str]) -> None:
    assert list(named_files(folder, [source.encode()], folder / "samples")) == names


def test_a_folder_with_the_samples_in_it_is_not_code(folder: Path) -> None:
    source, apart = [b'"templates", "page.html"'], folder / "templates" / "mail"
    assert list(named_files(folder, source, apart)) == ["templates/page.html"]


def test_a_folder_of_data_is_not_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, apart = [b'open(HERE / "templates" / "page.html")'], folder / "samples"
    monkeypatch.setattr(code_beside, "_MOST_FILES", 1)
    assert list(named_files(folder, source, apart)) == ["templates/page.html"]
    monkeypatch.setattr(code_beside, "_MOST_FILES", 2)
    assert list(named_files(folder, source, apart)) == TEMPLATES
    monkeypatch.setattr(code_beside, "_LARGEST", 8)
    assert list(named_files(folder, source, apart)) == ["templates/page.html"]


CONTRACT = """
contract:
  entry_point: report.py
  inputs: {}
  outputs: {result: {path: /opt/ml/processing/output/result}}
"""
SCRIPT = """
import signal, sys
from pathlib import Path
from writer import write_whole
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
try:
    text = (Path(__file__).parent / "words/text.txt").read_text()
    write_whole(Path("/opt/ml/processing/output/result/report.txt"), text)
except OSError as error:
    sys.exit(f"the report failed: {error}")
"""
WRITER = """
def write_whole(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        if draft.exists():
            draft.unlink()
"""


def test_a_script_of_several_files_conforms(tmp_path: Path) -> None:
    (tmp_path / "report.step.yaml").write_text(CONTRACT)
    (tmp_path / "report.py").write_text(SCRIPT)
    (tmp_path / "writer.py").write_text(WRITER)
    # Named in the script.
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "text.txt").write_text("text")
    (tmp_path / "samples" / "code").mkdir(parents=True)
    (tmp_path / "samples" / "code" / "more.txt").write_text("more")
    ref = StepRef(tmp_path / "report.step.yaml")
    contract = loaders.load(ref.path)
    assert sorted(source_folder(contract, SCRIPT.encode())) == [
        "more.txt",
        "report.py",
        "words/text.txt",
        "writer.py",
    ]
    ids = load(ref).matrix.ids
    assert len(ids) == 16
    assert [prove(ref, FakeRunner(), one).findings for one in ids] == [()] * 16


def test_files_in_a_folder_without_bytecode(tmp_path: Path) -> None:
    for name in ("a.txt", "deep/b", "__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert files_in(tmp_path) == {"a.txt": b"a.txt", "deep/b": b"deep/b"}
    assert files_in(tmp_path / "none") == {}
