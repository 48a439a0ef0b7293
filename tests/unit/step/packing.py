"""What the tests of the step share: the script as a module, and archives made by hand."""

from __future__ import annotations

import gzip
import importlib.util
import io
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[3] / "dummy_training" / "dummy_training.py"
HYPERPARAMETERS = "hyperparameters.json"
GIVEN = b'{"epochs": 3}'


def load(name: str = "step_script") -> Any:
    """The script as a module, under a name of its own."""
    spec = importlib.util.spec_from_file_location(name, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where pyfakefs finds what to patch.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


step = load()

Entry = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **values: Any) -> Entry:
    """A member and its bytes; `values` are further attributes of its TarInfo."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in values.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, **values: Any) -> Entry:
    """A directory."""
    return member(name, kind=tarfile.DIRTYPE, **{"mode": 0o755, **values})


def symlink(name: str, target: str) -> Entry:
    """A symbolic link."""
    return member(name, kind=tarfile.SYMTYPE, linkname=target)


def hardlink(name: str, target: str) -> Entry:
    """A hard link."""
    return member(name, kind=tarfile.LNKTYPE, linkname=target)


def tar(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive that is not compressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def targz(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive, packed with gzip."""
    return gzip.compress(tar(*entries, format=format), mtime=0)


def put(path: Path, data: bytes) -> Path:
    """Write a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def process(at: Path, model: bytes, given: bytes | None = GIVEN) -> bytes:
    """The archive that the step makes of a model, working in the folder `at`."""
    source = put(at / "in" / "model.tar.gz", model)
    provided = None if given is None else put(at / "given" / HYPERPARAMETERS, given)
    written: Path = step.process_model_with_hyperparameters(source, provided, at / "out")
    return written.read_bytes()


def contents(data: bytes) -> list[tuple[str, bytes]]:
    """Names and bytes of all members of a tar.gz, in order, links followed by name."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return [(one.name, _data(archive, one)) for one in archive.getmembers()]


def members(data: bytes) -> list[tarfile.TarInfo]:
    """The members of a tar.gz, in order."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz", errors="surrogateescape") as archive:
        return archive.getmembers()


def _data(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info) if info.isreg() else None
    return b"" if stream is None else stream.read()


def tree(top: Path) -> list[str]:
    """Every path below a folder."""
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


def names(entries: Iterable[tarfile.TarInfo]) -> list[str]:
    """The names of members."""
    return [one.name for one in entries]
