"""The path functions of the fake file system on Linux return what pyfakefs's own return."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyfakefs.fake_filesystem import FakeFilesystem

from harness.runners.fake.paths import LINUX
from harness.runners.fake.runner import FakeRunner
from tests.unit.worlds import case_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="installed on Linux alone")

TEXTS = st.text(st.sampled_from("/.a:\\é"), max_size=9)
PATHS = TEXTS | TEXTS.map(str.encode) | TEXTS.map(PurePosixPath)
SINGLE_PATH_FUNCTIONS = sorted(
    name
    for name, value in LINUX.items()
    if callable(value) and name not in ("use_fs_type", "_components_to_path", "_directory_content")
)
# pyfakefs itself calls these with text or bytes alone.
TEXT_FUNCTIONS = [name for name in SINGLE_PATH_FUNCTIONS if name.startswith("_") or "with" in name]


def result_of(function: Any, *arguments: Any) -> object:
    try:
        return function(*arguments)
    except (TypeError, AttributeError, OSError) as error:
        return type(error), str(error)


def file_system() -> FakeFilesystem:
    fs = FakeFilesystem()
    fs.create_dir("/a/.a")
    fs.create_dir("/é/a")
    fs.create_file("/a/aa")
    fs.create_symlink("/a/é", "../é")
    fs.create_symlink("/é/aa", "aa")
    fs.create_symlink("/.a", "/é")
    fs.add_mount_point("/a/a")
    fs.cwd = "/a"
    return fs


FS = file_system()


@pytest.mark.parametrize("name", SINGLE_PATH_FUNCTIONS)
@given(PATHS)
def test_a_function_of_one_path_agrees_with_pyfakefs(name: str, path: Any) -> None:
    if isinstance(path, PurePosixPath) and name in TEXT_FUNCTIONS:
        path = str(path)
    assert result_of(LINUX[name], FS, path) == result_of(getattr(FS, name), path)


@given(st.lists(st.text(st.sampled_from(".a:é"), min_size=1, max_size=4)))
def test_joining_components_agrees_with_pyfakefs(components: list[str]) -> None:
    path = "/" + "/".join(components)
    expected = FS._components_to_path(path, components)  # type: ignore[no-untyped-call]
    assert LINUX["_components_to_path"](FS, path, components) == expected


@pytest.mark.parametrize("name", ["a", "b", "A"])
def test_finding_an_entry_of_a_folder_agrees_with_pyfakefs(name: str) -> None:
    for folder in (FS.root, FS.resolve("/a")):
        assert LINUX["_directory_content"](FS, folder, name) == FS._directory_content(folder, name)  # type: ignore[arg-type]


def test_a_script_can_work_with_windows_paths() -> None:
    source = (
        "from pathlib import PureWindowsPath, Path\n"
        "import os\n"
        "path = PureWindowsPath('c:/a', 'b\\\\c')\n"
        "print(path, path.drive, path.parts, path.is_absolute(), path.as_posix())\n"
        "print(Path('/opt/ml/./code').resolve(), os.path.isdir('/opt/ml/code'))\n"
    )
    assert FakeRunner().run(case_of(source)).stdout == (
        "c:\\a\\b\\c c: ('c:\\\\', 'a', 'b', 'c') True c:/a/b/c\n/opt/ml/code True\n"
    )
