"""The paths of the fake file system on Linux: what pyfakefs's own functions say, only sooner."""

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

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="in force on Linux alone")

TEXTS = st.text(st.sampled_from("/.a:\\é"), max_size=9)
PATHS = TEXTS | TEXTS.map(str.encode) | TEXTS.map(PurePosixPath)
ONE_PATH = sorted(
    name
    for name, value in LINUX.items()
    if callable(value) and name not in ("use_fs_type", "_components_to_path", "_directory_content")
)
# pyfakefs itself gives these nothing but text or bytes.
NO_PATHLIKE = [name for name in ONE_PATH if name.startswith("_") or "with" in name]


def answer(function: Any, *arguments: Any) -> object:
    try:
        return function(*arguments)
    except (TypeError, AttributeError, OSError) as error:
        return type(error), str(error)


def a_file_system() -> FakeFilesystem:
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


FS = a_file_system()


@pytest.mark.parametrize("name", ONE_PATH)
@given(PATHS)
def test_a_path_is_taken_as_pyfakefs_takes_it(name: str, path: Any) -> None:
    if isinstance(path, PurePosixPath) and name in NO_PATHLIKE:
        path = str(path)
    assert answer(LINUX[name], FS, path) == answer(getattr(FS, name), path)


@given(st.lists(st.text(st.sampled_from(".a:é"), min_size=1, max_size=4)))
def test_components_are_joined_as_pyfakefs_joins_them(components: list[str]) -> None:
    path = "/" + "/".join(components)
    own = FS._components_to_path(path, components)  # type: ignore[no-untyped-call]
    assert LINUX["_components_to_path"](FS, path, components) == own


@pytest.mark.parametrize("name", ["a", "b", "A"])
def test_what_is_in_a_folder_is_found_as_pyfakefs_finds_it(name: str) -> None:
    for place in (FS.root, FS.resolve("/a")):
        assert LINUX["_directory_content"](FS, place, name) == FS._directory_content(place, name)  # type: ignore[arg-type]


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
