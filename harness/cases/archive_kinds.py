"""Members of every kind in the archive of an input that the output's archive must hold too.

Samples often hold plain files alone, and so does the archive that is generated: a script that loses
links, folders or modes loses nothing of them.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace

from harness.cases.expectation import Expectation
from harness.cases.input_axes import InputSamples
from harness.cases.matrix import Special
from harness.contracts.contract import Contract
from harness.files import formats
from harness.worlds.archives.build import gzipped, tar
from harness.worlds.archives.member import directory, file, hardlink, symlink

_FOLDER = "of-every-kind"
_MEMBERS = (
    directory(_FOLDER),
    directory(f"{_FOLDER}/empty"),
    file(f"{_FOLDER}/.hidden", b"hidden\n", mode=0o600),
    file(f"{_FOLDER}/run.sh", b"#!/bin/sh\n", mode=0o755),
    # Whoever extracts a link sets the mode of the one file again.
    replace(hardlink(f"{_FOLDER}/same.sh", f"{_FOLDER}/run.sh"), mode=0o755),
    symlink(f"{_FOLDER}/latest", "run.sh"),
    file(f"{_FOLDER}/{'long-' * 25}é.bin", b"a long name\n"),
)


def of_every_kind(
    contract: Contract, inputs: list[InputSamples], usual: Expectation
) -> Iterator[Special]:
    """A case for each such archive with more members; the script may refuse them, or keep them."""
    failure = Expectation(None, explained=False)
    wanted = {
        content.members.of
        for output in contract.outputs.values()
        for _, content in output.contents
        if content.members is not None
    }
    for one in inputs:
        for name, data in one.files.items() if one.name in wanted else ():
            longer = _with_more(name, data)
            if longer is not None:
                edit, expected = one.with_file(name, longer), replace(usual, otherwise=failure)
                yield Special(f"{one.name}-members-of-every-kind", edit, expected)
                break


def _with_more(name: str, data: bytes) -> bytes | None:
    """The archive with a member of each kind behind its own; None where it is none."""
    if formats.suffix(name) not in (".tar", ".tar.gz"):
        return None
    try:
        plain = formats.plain_bytes(name, data)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            archive.getmembers()
            end = archive.offset
    except (formats.Malformed, tarfile.TarError):
        return None
    longer = plain[:end] + tar(_MEMBERS)
    return gzipped(longer) if formats.is_compressed(name) else longer
