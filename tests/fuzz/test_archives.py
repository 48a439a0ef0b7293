"""The step keeps its promises on archives made by chance, and all programs read what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.executions import Executions
from tests.fuzz.generator import Generator
from tests.fuzz.readers import IN_PROCESS, NAMES, missing

COUNT, EVERY = 80, 4


@pytest.mark.parametrize("seed", range(4))
def test_every_program_reads_what_the_step_writes(tmp_path: Path, seed: int) -> None:
    assert not missing(), "these programs must be there (Debian: libarchive-tools, tar, gzip)"
    generator, executions = Generator(seed), Executions(tmp_path)
    for number in range(COUNT):
        archive = generator.archive()
        try:
            executions.run(archive, NAMES if number % EVERY == 0 else IN_PROCESS)
        except Exception as error:
            kept = tmp_path / f"{seed}-{number}.tar.gz"
            kept.write_bytes(archive)
            raise AssertionError(f"{kept}: {error!r}") from error
    # Neither refuses all nor takes all.
    assert executions.counts["accepted"] > COUNT / 10
    assert executions.counts["INVALID_ARCHIVE"] > COUNT / 10
