"""Every archive that must survive whole, and every one that must be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.suite import HOSTILE, LAYOUTS, Matches, Special

from .expected import MODEL, error_code, failure, injected, kept
from .world import PROCESSED_AT, PROVIDE, PROVIDED, TreeEdit, World, channels, older


def archives(world: World) -> Iterator[Special]:
    """Every archive layout: all members survive."""
    for name, layout in LAYOUTS.items():
        if layout.embedded is None:
            expected = injected(layout.members, PROVIDED)
            yield world.case(f"archive-{name}", expected, channels(layout.data, PROVIDED))
        else:
            yield world.case(f"archive-{name}", kept(layout.members), channels(layout.data))


def bad_inputs(world: World) -> Iterator[Special]:
    """Every archive that must be refused, and things that are no file."""
    for name, hostile in HOSTILE.items():
        expected = failure((error_code(hostile.code),))
        yield world.case(f"bad-{name}", expected, channels(hostile.data, PROVIDED), older)
    path = f"{PROCESSED_AT}/{MODEL}/model.tar.gz"
    not_a_file: Mapping[str, TreeEdit] = {
        "directory": lambda tree: tree.with_directory(path),
        "fifo": lambda tree: tree.with_fifo(path),
        "device": lambda tree: tree.with_device(path),
    }
    named = Matches("path", re.escape(path), f"names {path}")
    for name, edit in not_a_file.items():
        yield world.case(
            f"model-is-a-{name}", failure((named,)), PROVIDE, edit, older, timeout=10.0
        )
