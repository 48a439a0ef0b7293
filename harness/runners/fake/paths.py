"""The arithmetic of paths in the fake file system, for Linux alone.

pyfakefs asks at every step which system it plays, and does so some thousand times in a case. These
functions give what its own would give where a path has one separator and no drive: they are checked
against them. While a script works with Windows paths, pyfakefs's own are in force.
"""

from __future__ import annotations

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
from pyfakefs.fake_file import FakeDirectory
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.helpers import FSType

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
_normpath = FakeFilesystem.normpath
_absnormpath = FakeFilesystem.absnormpath
_is_mount_point = FakeFilesystem.is_mount_point
_resolve_path = FakeFilesystem.resolve_path
_use_fs_type = FakeFilesystem.use_fs_type


# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {"fspath": posix.fspath}


def make_string_path(path: Any) -> Any:
    """The path as text or bytes."""
    return path if type(path) is str else _REAL["fspath"](path)


def _separator(_fs: Any, path: Any) -> Any:
    return b"/" if isinstance(path, bytes) else "/"


def _none(_fs: Any, _path: Any) -> None:
    return None


def _no(_fs: Any, _path: Any) -> bool:
    return False


def _itself(_fs: Any, path: Any) -> Any:
    return path


def _text(_fs: Any, path: Any) -> Any:
    return make_string_path(path)


def _is_absolute(_fs: Any, path: Any) -> bool:
    text = make_string_path(path)
    return bool(text.startswith(b"/" if isinstance(text, bytes) else "/"))


def _split_drive(_fs: Any, path: Any) -> tuple[Any, Any]:
    text = make_string_path(path)
    return text[:0], text


def _split_path(fs: Any, path: Any) -> tuple[Any, Any]:
    text = make_string_path(path)
    separator = _separator(fs, text)
    cut = text.rfind(separator) + 1
    head = text[:cut]
    return head.rstrip(separator) or head, text[cut:]


def _normal(fs: Any, path: Any) -> Any:
    text = make_string_path(path)
    if type(text) is str and text and text[0] != "." and "//" not in text and "/." not in text:
        return text[:-1] if text[-1] == "/" and len(text) > 1 else text
    return _normpath(fs, text)


def _absolute(fs: Any, path: Any) -> Any:
    text = make_string_path(path)
    if type(text) is str and text.startswith("/"):
        return _normal(fs, text)
    return _absnormpath(fs, text)


def _components(fs: Any, path: Any) -> list[Any]:
    separator = _separator(fs, path)
    if not path or path == separator:
        return []
    parts: list[Any] = path.split(separator)
    if parts[0]:
        return parts
    return [] if not parts[1] else parts[1:]


def _joined(_fs: Any, _path: Any, components: list[str]) -> str:
    path = "/".join(components)
    return path if path.startswith("/") else "/" + path


def _mounted(fs: Any, path: Any) -> bool:
    if type(path) is str:
        return path in fs.mount_points
    return _is_mount_point(fs, path)


def _inside(_fs: Any, folder: Any, name: str) -> tuple[Any, Any]:
    if isinstance(folder, FakeDirectory) and (thing := folder.entries.get(name)) is not None:
        return name, thing
    return None, None


def _resolved(fs: Any, path: Any, allow_fd: bool = False) -> Any:
    if type(path) is not str or not path or "/.." in path:
        return _resolve_path(fs, path, allow_fd)
    absolute = fs.absnormpath(path)
    place = fs.root
    for name in absolute.split("/")[1:]:
        if not isinstance(place, FakeDirectory) or (place := place.entries.get(name)) is None:
            break
        if stat.S_ISLNK(place.st_mode):
            return _resolve_path(fs, path, allow_fd)
    # Without a link it leads where it says, whether that is there or not.
    return absolute


@contextmanager
def _playing(fs: Any, system: FSType) -> Iterator[None]:
    if system is not FSType.WINDOWS:
        with _use_fs_type(fs, system):
            yield
        return
    _put(_OWN)
    try:
        with _use_fs_type(fs, system):
            yield
    finally:
        _put(LINUX)


# What takes the place of an attribute of FakeFilesystem.
LINUX: Mapping[str, Any] = {
    "is_windows_fs": False,
    "is_macos": False,
    "path_separator": "/",
    "alternative_path_separator": None,
    "root_dir": property(lambda fs: fs.root),
    "get_path_separator": _separator,
    "get_alternative_path_separator": _none,
    "starts_with_sep": _is_absolute,
    "starts_with_root_path": _is_absolute,
    "starts_with_drive_letter": _no,
    "isabs": _is_absolute,
    "normcase": _text,
    "make_string_path": _text,
    "replace_windows_root": _itself,
    "splitdrive": _split_drive,
    "splitpath": _split_path,
    "normpath": _normal,
    "absnormpath": _absolute,
    "is_mount_point": _mounted,
    "use_fs_type": _playing,
    "resolve_path": _resolved,
    "_auto_mount_drive_if_needed": _none,
    "_normalize_path_sep": _itself,
    "_original_path": _itself,
    "_path_components": _components,
    "_components_to_path": _joined,
    "_directory_content": _inside,
}
_OWN: Mapping[str, Any] = {name: FakeFilesystem.__dict__[name] for name in LINUX}


def simplify() -> None:
    """Put all of it in force, in this process, where it is Linux."""
    if sys.platform != "linux":
        return
    _put(LINUX)
    for module in _MODULES:
        if hasattr(module, "make_string_path"):
            setattr(module, "make_string_path", make_string_path)  # noqa: B010


def _put(attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(FakeFilesystem, name, value)
