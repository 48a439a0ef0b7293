"""The README and the pages: what they show is what is printed, and they match the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import Exit, WrongUse
from harness.runs.step import StepRef, load
from tests import miniatures, pages
from tests.reference import DOCS, SECTIONS, TOP, with_section

README = (TOP / "README.md").read_text(encoding="utf-8")
ALL = "\n".join(path.read_text(encoding="utf-8") for path in pages.PAGES)
# Marks of inline code, which may stand for a link.
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def runnable() -> list[Path]:
    """The pages with commands, those that take longest first."""
    found = [one for one in pages.PAGES if "```console\n$ harness " in one.read_text()]
    return sorted(found, key=lambda one: one.stem not in ("README", "tutorial"))


@pytest.mark.parametrize("page", runnable(), ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_is_printed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(pages.BIN / "harness")])
    monkeypatch.setenv("PATH", str(pages.BIN), prepend=":")
    ran, _ = pages.run(page.read_text(encoding="utf-8"), tmp_path)
    assert ran
    wrong = [one for one in ran if not one.agrees]
    assert wrong == [], f"if this is right: python -m tests.pages {page.stem}"


@pytest.mark.parametrize(("path", "name"), SECTIONS, ids=lambda one: getattr(one, "stem", one))
def test_what_the_code_says_is_in_the_page(path: Path, name: str) -> None:
    text = path.read_text(encoding="utf-8")
    content = SECTIONS[path, name]()
    assert with_section(text, name, content) == text, "run: python -m tests.reference"


def test_what_has_changed_is_put_together_from_a_file_of_each_change() -> None:
    command = [str(pages.BIN / "towncrier"), "build", "--draft", "--version", "9.9"]
    draft = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert "## 9.9 (" in draft
    changes = [*(DOCS / "changes").iterdir()]
    for change in changes:
        assert re.fullmatch(r"\+[a-z-]+\.change\.md", change.name)
        text = change.read_text(encoding="utf-8").strip().replace("\n", "\n  ")
        assert f"- {text}\n" in draft
    assert changes


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.is_file(), link
        heads = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in heads]
        assert anchor in ("", *anchors), link


@pytest.mark.parametrize("name", ["contract.yaml", "conformance.py"])
def test_the_sample_step_is_shown_unchanged(name: str) -> None:
    assert (pages.COPIER / name).read_text() in ALL


def test_every_option_exists() -> None:
    helps = "".join(CliRunner().invoke(cli, [command, "--help"]).output for command in cli.commands)
    used = set(re.findall(r"`harness [^`]*`", ALL))
    options = {option for line in used for option in re.findall(r"--?[a-z][a-z-]*", line)}
    assert {"--script", "--case", "--runner", "--keep", "-k"} <= options
    assert {option for option in options if option not in helps} == set()


def test_every_command_is_listed() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert [name for name in cli.commands if f"| `harness {name}" not in text] == []


def test_every_exit_code_is_listed() -> None:
    for code in Exit:
        assert re.search(rf"^\| {int(code)} \|", ALL, re.MULTILINE), code


def test_the_make_targets_are_those_of_the_makefile() -> None:
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## (.*)$", makefile, re.MULTILINE)
    printed = "".join(f"  make {name:16} {text}\n" for name, text in targets)
    assert f"$ make\n{printed}" in README


def test_the_number_of_cases_is_right() -> None:
    cases = len(load(StepRef(TOP / "dummy_training")).matrix.ids)
    assert f"dummy_training: {cases} cases, fake runner\n" in README
    assert f"{cases} passed, 0 failed in " in README


def test_the_number_of_miniatures_is_right() -> None:
    assert f"{len(miniatures.ALL)} deliberately wrong scripts" in ALL


def test_every_named_file_exists() -> None:
    named = re.findall(r"`((?:harness|tests|docker|dummy_training)/[\w./]*)`", ALL)
    assert len(named) > 10
    assert [name for name in named if not (TOP / name).exists()] == []


def test_each_page_is_shown_in_the_terminal() -> None:
    listed = CliRunner().invoke(cli, ["docs"]).output
    assert [line.split()[0] for line in listed.splitlines()] == sorted(
        path.stem for path in DOCS.glob("*.md")
    )
    shown = CliRunner().invoke(cli, ["docs", "promises"]).output
    assert shown.startswith("# Promises and levels\n")
    assert "| `exit-code` |" in shown
    assert "<!--" not in shown
    wrong = CliRunner().invoke(cli, ["docs", "promise"]).exception
    assert isinstance(wrong, WrongUse)
    assert wrong.hint == "the nearest is promises"
