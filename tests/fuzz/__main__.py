"""Fuzzes the step: `make fuzz ARGS="--seconds 600 --seed 7"`; without a time, for ever."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.executions import Executions
from tests.fuzz.generator import Generator
from tests.fuzz.readers import IN_PROCESS, NAMES, missing


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run until the time is over, or an archive shows a fault, which is kept."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--programs", type=int, default=8, metavar="N", help="every Nth by all")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--go-on", action="store_true", help="do not stop at a fault")
    options = parser.parse_args()
    if missing():
        _say(f"fuzz: {', '.join(missing())} must be there (Debian: libarchive-tools, tar, gzip)")
        return 2
    generator, begun, faults = Generator(options.seed), time.monotonic(), 0
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as scratch:
        executions = Executions(Path(scratch))
        for number in itertools.count(1):
            archive = generator.archive()
            try:
                every = number % options.programs == 0
                executions.run(archive, NAMES if every else (IN_PROCESS[number % 3],))
            except Exception as error:
                kept = options.keep / f"fault-{options.seed}-{number}.tar.gz"
                kept.write_bytes(archive)
                _say(f"{kept}: {type(error).__name__}: {str(error)[:600]}")
                faults += 1
                if not options.go_on:
                    break
            if time.monotonic() - begun > options.seconds:
                break
    _say(f"{number} executions, seed {options.seed}, {faults} faults: {executions.counts}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
