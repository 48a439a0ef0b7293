"""Path functions of the fake file system, for Linux alone.

pyfakefs checks at every step which operating system it emulates, thousands of times in a case.
These functions return the same as its own where a path has one separator and no drive; tests
compare them. While a script works with Windows paths, pyfakefs's own functions are installed.
"""

from __future__ import annotations

import operator
import os
import posix
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyfakefs import (
    fake_file,
    fake_filesystem,
    fake_open,
    fake_os,
    fake_path,
    fake_pathlib,
    fake_scandir,
    helpers,
)
from pyfakefs.fake_file import FakeDirectory, FakeFile, FakeFileWrapper
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.helpers import FSType

from harness.runners.fake.open_files import class_of

_MODULES = (
    fake_file,
    fake_filesystem,
    fake_open,
    fake_os,
    fake_path,
    fake_pathlib,
    fake_scandir,
    helpers,
)
_original_normpath = FakeFilesystem.normpath
_original_absnormpath = FakeFilesystem.absnormpath
_original_is_mount_point = FakeFilesystem.is_mount_point
_original_resolve_path = FakeFilesystem.resolve_path
_original_get_object = FakeFilesystem.get_object_from_normpath
_original_use_fs_type = FakeFilesystem.use_fs_type


# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {"fspath": posix.fspath}


def make_string_path(path: Any) -> Any:
    """The path as `str` or `bytes`."""
    return path if type(path) is str else _REAL["fspath"](path)


def to_string(path: Any) -> Any:
    """The path as `str`; pyfakefs fails at bytes that are not UTF-8."""
    return os.fsdecode(path) if isinstance(path, bytes) else path


def _separator(_fs: Any, path: Any) -> Any:
    return b"/" if isinstance(path, bytes) else "/"


def _return_none(_fs: Any, _path: Any) -> None:
    return None


def _return_false(_fs: Any, _path: Any) -> bool:
    return False


def _return_path(_fs: Any, path: Any) -> Any:
    return path


def _to_text(_fs: Any, path: Any) -> Any:
    return make_string_path(path)


def _is_absolute(_fs: Any, path: Any) -> bool:
    text = make_string_path(path)
    return bool(text.startswith(b"/" if isinstance(text, bytes) else "/"))


def _splitdrive(_fs: Any, path: Any) -> tuple[Any, Any]:
    text = make_string_path(path)
    return text[:0], text


def _splitpath(fs: Any, path: Any) -> tuple[Any, Any]:
    text = make_string_path(path)
    separator = _separator(fs, text)
    cut = text.rfind(separator) + 1
    head = text[:cut]
    return head.rstrip(separator) or head, text[cut:]


def _normpath(fs: Any, path: Any) -> Any:
    text = make_string_path(path)
    if type(text) is str and text and text[0] != "." and "//" not in text and "/." not in text:
        return text[:-1] if text[-1] == "/" and len(text) > 1 else text
    return _original_normpath(fs, text)


def _absnormpath(fs: Any, path: Any) -> Any:
    text = make_string_path(path)
    if isinstance(text, str) and "/.." in text:
        text = _without_parents_of_links(fs, text)
    if type(text) is str and text.startswith("/"):
        return _normpath(fs, text)
    return _original_absnormpath(fs, text)


def _without_parents_of_links(fs: Any, path: str) -> str:
    """The path, in which `..` of a link means the parent of what it leads to."""
    done = "" if path.startswith("/") else fs.cwd.rstrip("/")
    for name in path.split("/"):
        if name == ".." and fs.islink(done):
            done = _original_resolve_path(fs, done)
        if name == "..":
            done = done.rpartition("/")[0]
        elif name not in ("", "."):
            done = f"{done}/{name}"
    return f"{done}/" if path.endswith("/") else done or "/"


def _path_components(fs: Any, path: Any) -> list[Any]:
    separator = _separator(fs, path)
    if not path or path == separator:
        return []
    parts: list[Any] = path.split(separator)
    if parts[0]:
        return parts
    return [] if not parts[1] else parts[1:]


def _components_to_path(_fs: Any, _path: Any, components: list[str]) -> str:
    path = "/".join(components)
    return path if path.startswith("/") else "/" + path


def _is_mount(fs: Any, path: Any) -> bool:
    if type(path) is str:
        return path in fs.mount_points
    return _original_is_mount_point(fs, path)


def _directory_content(_fs: Any, folder: Any, name: str) -> tuple[Any, Any]:
    if isinstance(folder, FakeDirectory) and (node := folder.entries.get(name)) is not None:
        return name, node
    return None, None


def _resolve(fs: Any, path: Any, allow_fd: bool = False) -> Any:
    if type(path) is not str or not path or "/.." in path:
        return _original_resolve_path(fs, path, allow_fd)
    absolute = fs.absnormpath(path)
    node = fs.root
    for name in absolute.split("/")[1:]:
        if not isinstance(node, FakeDirectory) or (node := node.entries.get(name)) is None:
            break
        if stat.S_ISLNK(node.st_mode):
            return _original_resolve_path(fs, path, allow_fd)
    # Without symbolic links the path is resolved, whether or not it exists.
    return absolute


def _get_object(fs: Any, path: Any, *args: Any, **names: Any) -> Any:
    if type(path) is not str or not helpers.is_root():
        return _original_get_object(fs, path, *args, **names)
    node = fs.dev_null if path == fs.devnull else fs.root
    if path not in ("/", fs.devnull):
        for name in _path_components(fs, path):
            is_folder = isinstance(node, FakeDirectory)
            if not is_folder or (node := node.entries.get(name)) is None:
                return _original_get_object(fs, path, *args, **names)
    return node


def _get_attribute(handle: Any, name: str) -> Any:
    """An attribute of an open file: the wrapper's own, or that of what it wraps."""
    if name == "__class__":
        return class_of(handle)
    get = object.__getattribute__
    if name in get(handle, "__dict__") or hasattr(FakeFileWrapper, name):
        return get(handle, name)
    return handle.__getattr__(name)


@contextmanager
def _use_type(fs: Any, system: FSType) -> Iterator[None]:
    if system is not FSType.WINDOWS:
        with _original_use_fs_type(fs, system):
            yield
        return
    _install(_ORIGINAL)
    try:
        with _original_use_fs_type(fs, system):
            yield
    finally:
        _install(LINUX)


# The replacements of attributes of FakeFilesystem.
LINUX: Mapping[str, Any] = {
    "is_windows_fs": False,
    "is_macos": False,
    "path_separator": "/",
    "alternative_path_separator": None,
    "devnull": "/dev/null",
    "root_dir": property(lambda fs: fs.root),
    "get_path_separator": _separator,
    "get_alternative_path_separator": _return_none,
    "starts_with_sep": _is_absolute,
    "starts_with_root_path": _is_absolute,
    "starts_with_drive_letter": _return_false,
    "isabs": _is_absolute,
    "normcase": _to_text,
    "make_string_path": _to_text,
    "replace_windows_root": _return_path,
    "splitdrive": _splitdrive,
    "splitpath": _splitpath,
    "normpath": _normpath,
    "absnormpath": _absnormpath,
    "is_mount_point": _is_mount,
    "use_fs_type": _use_type,
    "resolve_path": _resolve,
    "get_object_from_normpath": _get_object,
    "_auto_mount_drive_if_needed": _return_none,
    "_normalize_path_sep": _return_path,
    "_original_path": _return_path,
    "_path_components": _path_components,
    "_components_to_path": _components_to_path,
    "_directory_content": _directory_content,
}
_ORIGINAL: Mapping[str, Any] = {name: FakeFilesystem.__dict__[name] for name in LINUX}


def use_linux_paths() -> None:
    """Install the functions in this process, on Linux."""
    if sys.platform != "linux":
        return
    _install(LINUX)
    # What pyfakefs looks up by a function of Python at each access.
    for name in FakeFile.stat_types:
        setattr(FakeFile, name, property(operator.attrgetter(f"stat_result.{name}")))
    for wrapper in (fake_file.FakeBinaryFileWrapper, fake_file.FakeTextFileWrapper):
        setattr(wrapper, "__getattribute__", _get_attribute)  # noqa: B010
    for module in _MODULES:
        for function in (make_string_path, to_string):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)


def _install(attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(FakeFilesystem, name, value)
