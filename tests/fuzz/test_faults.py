"""Each operation of the step on files fails once, and the step is killed before each of them.

Each meets one kind of fault in turn; with FUZZ_FAULTS=all every kind, which takes some minutes.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.fuzz import headers
from tests.fuzz.faults import FAULTS, Fault, Ran, run

GIVEN = b'{"given": 1}'
MEMBERS = headers.folder(b"code") + headers.file(b"code/run.py", b"run()" * 100)
MODELS = {
    "spliced": gzip.compress(MEMBERS + headers.END),
    "copied": gzip.compress(MEMBERS + headers.file(b"hyperparameters.json", b"{}") + headers.END),
    "rewritten": gzip.compress(headers.file(b"./a", b"a" * 600) + MEMBERS + headers.END) + bytes(9),
}
OLDER = b"older"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or sys.version_info < (3, 11),
    reason="paths use the functions of os from Python 3.11 on",
)


def make(at: Path, model: bytes, *, training: bool) -> Path:
    """A world with an older output, in a folder that is new."""
    world = at / "world"
    files = {
        "model/model.tar.gz": model,
        "given/hyperparameters.json": GIVEN,
        "out/model.tar.gz": OLDER,
        "collected/code/mine.txt": b"mine",
        "collected/a": OLDER,
        **({"training": b"{}"} if training else {}),
    }
    for name, data in files.items():
        path = world / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1, 1))
    return world


def state(world: Path) -> dict[str, bytes | None]:
    """Every path in a world, and the bytes of files."""
    return {
        str(path.relative_to(world)): path.read_bytes() if path.is_file() else None
        for path in sorted(world.rglob("*"))
    }


def check(fault: Fault, hit: str, ran: Ran, states: tuple[dict[str, bytes | None], ...]) -> None:
    """Hold a run to what must be there after it, given the states before, after it and finished."""
    before, after, finished = states
    lines = ran.stderr.strip().splitlines()
    codes = {"kill": {137}, "SIGTERM": {0, 143}, "SIGINT": {0, 130}, "short": {0}}
    assert ran.code in codes.get(fault, {0, 1}), ran
    if ran.code == 0:
        assert after == finished
        assert not any("nothing was written" in line for line in lines)
    elif fault == "kill":
        assert after["out/model.tar.gz"] in (OLDER, finished["out/model.tar.gz"])
    else:
        published = after["out/model.tar.gz"] != OLDER
        expected = {**before, "out/model.tar.gz": finished["out/model.tar.gz"]}
        assert after == (expected if published else before)
        assert lines, ran
        assert "What to do: " in lines[-1], ran
        assert fault in ("SIGTERM", "SIGINT") or not published or "collected" in ran.stderr
    if ran.code == 1:
        assert any(re.search(r"Error: .*/", line) for line in lines), ran
        if hit in ("read", "write", "seek", "fsync"):
            assert " while reading: " in ran.stderr or " while writing: " in ran.stderr, ran


@pytest.mark.parametrize("training", [False, True], ids=["processing", "training"])
@pytest.mark.parametrize("way", MODELS)
def test_whatever_fails_leaves_all_or_nothing(tmp_path: Path, way: str, training: bool) -> None:
    model = MODELS[way]
    world = make(tmp_path / "finished", model, training=training)
    ran, counted = run(world)
    assert ran.code == 0, ran
    count, finished = int(counted), state(world)
    assert count > 20
    # The number of a way and kind of job, so that an operation of several meets several faults.
    shift = 2 * list(MODELS).index(way) + training
    everything = os.environ.get("FUZZ_FAULTS") == "all"
    for at in range(1, count + 1):
        for fault in FAULTS if everything else (FAULTS[(at + shift) % len(FAULTS)],):
            folder = tmp_path / "faulty"
            world = make(folder, model, training=training)
            before = state(world)
            ran, hit = run(world, fault, at)
            try:
                check(fault, hit, ran, (before, state(world), finished))
            except AssertionError as error:
                raise AssertionError(f"{fault} at {at}, {hit}: {error}") from error
            shutil.rmtree(folder)
