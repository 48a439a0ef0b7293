"""The modules beside a script, and the requirements beside it: part of what it does and needs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from harness.cases.code_beside import imported_modules
from harness.contracts.contract import Contract
from harness.lint.facts import Facts, NotPython, read
from harness.lint.texts import Text

_REQUIREMENTS = "requirements.txt"
_INCLUDES = ("-r", "--requirement")


def texts_of_all(facts: Facts, contract: Contract) -> Iterator[tuple[Facts, Text]]:
    """Every text of the script and of the modules beside it that it imports."""
    for one in with_modules(facts, contract):
        yield from ((one, text) for text in one.texts.all)


def with_modules(facts: Facts, contract: Contract) -> tuple[Facts, ...]:
    """The script, and the modules beside it that it imports, as far as they can be parsed."""
    return (facts, *_modules("\n".join(facts.lines), contract.folder))


@lru_cache(maxsize=8)
def _modules(source: str, folder: Path) -> tuple[Facts, ...]:
    files = imported_modules(folder, source.encode("utf-8", "surrogatepass"))
    modules = {folder / name: data for name, data in files.items() if name.endswith(".py")}
    return tuple(facts for file, data in modules.items() for facts in _read(file, data))


def _read(file: Path, source: bytes) -> Iterator[Facts]:
    try:
        yield read(file, source)
    except (NotPython, RecursionError, MemoryError):
        return


def required_beside(facts: Facts, contract: Contract) -> Iterator[str]:
    """The lines of the requirements.txt beside the script, which the service installs."""
    for folder in dict.fromkeys((facts.script.parent, contract.folder)):
        yield from _requirements(folder / _REQUIREMENTS, 0)


def _requirements(file: Path, depth: int) -> Iterator[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in (one.partition("#")[0].strip() for one in lines):
        option, _, other = line.replace("=", " ", line.startswith("--")).partition(" ")
        if option in _INCLUDES and depth < len(lines):
            yield from _requirements(file.parent / other.strip(), depth + 1)
        elif line and not line.startswith("-"):
            yield line
