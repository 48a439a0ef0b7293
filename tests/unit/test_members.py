"""Members: an archive holds those of an input's archive, but for what the contract excepts."""

from __future__ import annotations

import io
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.promises import members
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import load, prove
from tests.unit.derived import make_step
from tests.unit.small_steps import contract, evidence, keys, outcome

Infos = dict[str, tarfile.TarInfo]


def packed(change: Callable[[Infos], object] | None = None, weights: bytes = b"weights") -> bytes:
    """An archive with a file, a script, two kinds of links and an empty folder."""
    names = ("a/w.bin", "run.sh", "soft", "hard", "empty")
    infos = {name: tarfile.TarInfo(name) for name in names}
    infos["run.sh"].mode = 0o755
    infos["soft"].type, infos["soft"].linkname = tarfile.SYMTYPE, "a/w.bin"
    infos["hard"].type, infos["hard"].linkname = tarfile.LNKTYPE, "a/w.bin"
    infos["empty"].type = tarfile.DIRTYPE
    if change:
        change(infos)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, info in infos.items():
            data = (b"#!" if name == "run.sh" else weights) if info.isreg() else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _moved(infos: Infos) -> None:
    for info in infos.values():
        info.name = f"model/{info.name}"
        if info.islnk():
            info.linkname = f"model/{info.linkname}"


def _to_file(name: str) -> Callable[[Infos], None]:
    def change(infos: Infos) -> None:
        infos[name].type, infos[name].linkname = tarfile.REGTYPE, ""

    return change


def repacked(data: bytes, **terms: object) -> list[str]:
    step = contract(files={"model.tar.gz": {"members": {"of": "data", **terms}}})
    result = outcome({"model.tar.gz": data}, {"model.tar.gz": packed()})
    return keys(members.PROMISE, evidence(step, result))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (packed(), []),
        (packed(lambda infos: infos.update(more=tarfile.TarInfo("more"))), []),
        (packed(lambda infos: infos.pop("run.sh")), ["member-missing"]),
        (packed(lambda infos: setattr(infos["run.sh"], "name", "Run.sh")), ["member-missing"]),
        (packed(lambda infos: infos.pop("empty")), ["member-missing"]),
        (packed(lambda infos: setattr(infos["run.sh"], "mode", 0o644)), ["wrong-mode"]),
        (packed(_to_file("soft")), ["wrong-type"]),
        (packed(_to_file("hard")), ["wrong-type", "wrong-type"]),
        (packed(lambda infos: setattr(infos["soft"], "linkname", "x")), ["wrong-target"]),
        (packed(weights=b"other"), ["wrong-bytes", "wrong-bytes"]),
    ],
)
def test_members(data: bytes, wanted: list[str]) -> None:
    assert repacked(data) == wanted


def test_members_below_a_folder_and_only_their_names() -> None:
    assert repacked(packed(_moved), at="/model") == []
    assert repacked(packed(_moved)) != []
    assert (
        repacked(packed(lambda infos: setattr(infos["run.sh"], "mode", 0)), unchanged=False) == []
    )


def test_which_of_two_names_is_the_link_does_not_count() -> None:
    swapped = io.BytesIO()
    given = io.BytesIO(packed())
    with tarfile.open(fileobj=swapped, mode="w:gz") as tar, tarfile.open(fileobj=given) as old:
        first = tarfile.TarInfo("hard")
        first.size = len(b"weights")
        tar.addfile(first, io.BytesIO(b"weights"))
        second = tarfile.TarInfo("a/w.bin")
        second.type, second.linkname = tarfile.LNKTYPE, "hard"
        tar.addfile(second)
        for info in old:
            if info.name not in ("hard", "a/w.bin"):
                tar.addfile(info, old.extractfile(info) if info.isreg() else None)
    assert repacked(swapped.getvalue()) == []


def test_what_the_contract_excepts_may_be_replaced_or_left_out() -> None:
    replaced = packed(lambda infos: infos.pop("run.sh"), weights=b"other")
    # Two names stand for the weights.
    assert repacked(replaced) == ["wrong-bytes", "member-missing", "wrong-bytes"]
    assert repacked(replaced, **{"except": ("run.sh", "a/*", "hard")}) == []
    assert repacked(replaced, **{"except": ("*.sh", "a/*")}) == ["wrong-bytes"]
    assert repacked(replaced, **{"except": ("**",)}) == []


REPACKER = """
    name: repacker
    entry_point: step.py
    inputs:
      data: {required: true, file: model.tar.gz, mounts: [/opt/ml/processing/input/data]}
    outputs:
      result:
        path: /opt/ml/processing/output/result
        files: {model.tar.gz: {members: {of: data}}}
    exit_codes: {0: done, 1: failed}
"""
REPACKED = """
import os, sys, tarfile, tempfile
SOURCE = "/opt/ml/processing/input/data/model.tar.gz"
RESULT = "/opt/ml/processing/output/result/model.tar.gz"
with tarfile.open(SOURCE) as old, tarfile.open(RESULT, "w:gz") as new:
"""
COPY = "new.addfile(one, old.extractfile(one) if one.isreg() else None)"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (f"for one in old:\n    {COPY}", set()),
        (
            "with tempfile.TemporaryDirectory() as folder:\n"
            "    old.extractall(folder, filter='data')\n"
            "    new.add(folder, '.')",
            set(),
        ),
        # It may say that it takes no such archive.
        (
            "if any(one.issym() for one in old):\n"
            "    os.unlink(RESULT)\n"
            "    sys.exit(f'{SOURCE} has links in it')\n"
            f"for one in old:\n    {COPY}",
            set(),
        ),
        (f"for one in old:\n    if one.isfile():\n        {COPY}", {"member-missing"}),
        (f"for one in old:\n    if not one.issym():\n        {COPY}", {"member-missing"}),
        (f"for one in old:\n    one.mode = 0o644\n    {COPY}", {"wrong-mode"}),
    ],
    ids=["copied", "extracted", "refused", "files-alone", "no-links", "modes-lost"],
)
def test_an_archive_of_plain_files_is_tried_with_members_of_every_kind(
    tmp_path: Path, body: str, wanted: set[str]
) -> None:
    ref = make_step(tmp_path, REPACKED + textwrap.indent(body, "    "), REPACKER, {})
    (case,) = (one for one in load(ref).matrix.ids if "of-every-kind" in one)
    found = {one.key for one in prove(ref, FakeRunner(), case).findings if one.severity == "error"}
    assert wanted <= found
    assert bool(wanted) == bool(found)
