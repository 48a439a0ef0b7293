"""Archives of every layout, and archives that must be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.suite import HOSTILE, LAYOUTS, Matches, Special

from .expected import MODEL, error_code, failure, injected, kept
from .world import PROCESSED_AT, PROVIDE, PROVIDED, TreeEdit, World, channels, older_output


def archives(world: World) -> Iterator[Special]:
    """Every archive layout: all members are kept."""
    for name, layout in LAYOUTS.items():
        if layout.embedded is None:
            expected, edit = injected(layout.members, PROVIDED), channels(layout.data, PROVIDED)
        else:
            expected, edit = kept(layout.members), channels(layout.data)
        # Few models have extended attributes, and what loads them knows of none.
        if any(member.attributes for member in layout.members):
            expected = replace(expected, severity="warning")
        yield world.case(f"archive-{name}", expected, edit)


def bad_inputs(world: World) -> Iterator[Special]:
    """Every archive that must be refused, and paths that are not a file."""
    for name, hostile in HOSTILE.items():
        expected = failure(error_code(hostile.code))
        yield world.case(f"bad-{name}", expected, channels(hostile.data, PROVIDED), older_output)
    path = f"{PROCESSED_AT}/{MODEL}/model.tar.gz"
    not_a_file: Mapping[str, TreeEdit] = {
        "directory": lambda tree: tree.with_directory(path),
        "fifo": lambda tree: tree.with_fifo(path),
        "device": lambda tree: tree.with_device(path),
    }
    names_path = Matches("path", re.escape(path), f"names {path}")
    for name, edit in not_a_file.items():
        yield world.case(
            f"model-is-a-{name}", failure((names_path,)), PROVIDE, edit, older_output, timeout=10.0
        )
