"""Runs what the pages and the README show, and writes what it prints: `python -m tests.pages`.

A block of `console` holds commands, each after `$ `, and what they print. A block with a title is
a file, which is written before the commands that follow it. All of a page runs in one folder, with
the step `steps/copier` where the page names it. Numbers of seconds differ from run to run, and so
does what a line of progress says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import HarnessError
from tests.reference import DOCS, TOP

BIN = Path(sys.executable).parent
COPIER = TOP / "tests" / "unit" / "steps" / "copier"
# The package on this page is installed by a test of its own.
INSTALLED = DOCS / "plugins.md"
PAGES = (TOP / "README.md", *sorted(DOCS.glob("*.md")))
# What is not run: what these set up, or where it goes on for ever.
_NOT_RUN = re.compile(r"make\b|python3 -m venv|(\.venv/bin/)?pip |dask |.*--executor|git ")
BLOCK = re.compile(r"^```(?P<head>[^\n`]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRESS = re.compile(r"^  \d+/\d+ cases, .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Ran:
    """A command, what the page says that it prints, and what it prints."""

    command: str
    shown: str
    printed: str

    @property
    def agrees(self) -> bool:
        """Whether the two are the same but for numbers of seconds."""
        return _normal(self.shown) == _normal(self.printed)


def _normal(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?(?= ?s\b)", "N", text).strip("\n")


def run(page: str, folder: Path) -> tuple[list[Ran], str]:
    """What the commands of a page do in this empty folder, and the page with what they print."""
    if "steps/copier" in page:
        shutil.copytree(COPIER, folder / "steps" / "copier")
    ran: list[Ran] = []
    parts: list[str] = []
    end = 0
    for block in BLOCK.finditer(page):
        text = block["text"]
        if title := re.search(r'title="([^"]+)"', block["head"]):
            path = folder / title[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif block["head"] == "console":
            text = "".join(_run_block(text, folder, ran))
        parts += [page[end : block.start()], f"```{block['head']}\n{text}```"]
        end = block.end()
    return ran, "".join([*parts, page[end:]])


def _run_block(text: str, folder: Path, ran: list[Ran]) -> Iterator[str]:
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        if _NOT_RUN.match(command):
            yield f"$ {command}\n{shown}"
            continue
        printed = _PROGRESS.sub("", _printed(command, folder))
        ran.append(Ran(command, shown, printed))
        yield f"$ {command}\n{printed}"


def _printed(command: str, folder: Path) -> str:
    if command.startswith("harness ") and ">" not in command:
        return _in_process(command.split()[1:])
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    words = ["bash", "-c", command]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(words, cwd=folder, env=environment, text=True, check=False, **streams)  # type: ignore[call-overload]
    return str(done.stdout)


def _in_process(arguments: list[str]) -> str:
    """What `harness` prints; a process of its own would start anew each time."""
    _forget()
    done = CliRunner().invoke(cli, arguments, prog_name="harness")
    text = done.output
    if isinstance(done.exception, HarnessError):
        text += f"harness: {done.exception.what}\n"
        text += f"  {done.exception.hint}\n" if done.exception.hint else ""
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return text


def _forget() -> None:
    """Let the files of a step be read anew, as by a new process."""
    for name, module in list(sys.modules.items()):
        if name.startswith("harness.runs"):
            for value in vars(module).values():
                for one in (value, *(vars(value).values() if isinstance(value, type) else ())):
                    clear = getattr(getattr(one, "__func__", one), "cache_clear", None)
                    if clear is not None:
                        clear()


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Write what the commands of these pages print into them; of all without names."""
    sys.argv[0] = str(BIN / "harness")
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    for path in PAGES:
        if path == INSTALLED or (names and path.stem not in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            _, text = run(path.read_text(encoding="utf-8"), Path(folder))
            os.chdir(TOP)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
