"""Members: an archive holds those of an input's archive, but for what the contract excepts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest

from harness.promises import members
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
