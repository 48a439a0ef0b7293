"""What packages add by entry points: the example of the page, as an installed package."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from harness.errors import WrongUse
from harness.files import plugins
from harness.promises import Promise
from tests import pages
from tests.reference import DOCS

PAGE = (DOCS / "plugins.md").read_text(encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package and the step of the page, and what pip would leave of the package."""
    for block in pages.BLOCK.finditer(PAGE):
        if title := re.search(r'title="([^"]+)"', block["head"]):
            (tmp_path / title[1]).parent.mkdir(exist_ok=True)
            (tmp_path / title[1]).write_text(block["text"])
    project = (tmp_path / "acme" / "pyproject.toml").read_text()
    points = project[project.index("[project.entry-points") :]
    points = re.sub(r'project\.entry-points\."([\w.]+)"', r"\1", points).replace('"', "")
    info = tmp_path / "acme" / "acme_steps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-steps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    return tmp_path


def test_the_example_is_used(installed: Path) -> None:
    (command,) = re.findall(r"^\$ harness (.*)$", PAGE, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command.split()],
        cwd=installed,
        env={"PYTHONPATH": "acme", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shown = PAGE[PAGE.index(command) + len(command) :].partition("```")[0]
    printed = done.stdout.replace(f"{sys.executable} -m harness", "harness")
    assert pages.Ran(command, shown, printed).agrees, printed
    assert done.returncode == 1


@pytest.fixture
def nothing_known() -> Iterator[None]:
    plugins._load.cache_clear()
    yield
    plugins._load.cache_clear()


@pytest.mark.usefixtures("nothing_known")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("json:nonesuch", "own = json:nonesuch in harness.promises cannot be imported: Attribute"),
        ("nonesuch:x", "cannot be imported: ModuleNotFoundError"),
        ("json:loads", "own in harness.promises is no Promise"),
        ("harness.promises.form:PROMISE", "has the name of one of the harness's"),
    ],
)
def test_what_cannot_be_used_is_told(
    value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = metadata.EntryPoint("own", value, "harness.promises")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    with pytest.raises(WrongUse, match=re.escape(message)):
        plugins.added("promises", Promise, ("own",))
