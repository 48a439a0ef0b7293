"""What `harness ci` prints: files that services can read, with commands that there are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from harness.cli import cli

TOP = Path(__file__).parents[2]
COPIER = TOP / "tests" / "unit" / "steps" / "copier"


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(COPIER, tmp_path / "copier")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["ci", *arguments])
    assert done.exit_code == 0, done.output
    assert "[[" not in done.output
    assert "[%" not in done.output
    return YAML(typ="safe").load(done.output)


def texts(value: Any) -> Iterator[str]:
    """All texts in a document."""
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, dict) else value if type(value) is list else ():
        yield from texts(one)


def parse_commands(document: Any) -> list[str]:
    """The names of the commands of ours in a document, each of which has its options."""
    lines = [line for text in texts(document) for line in text.splitlines()]
    names = []
    for line in lines:
        if line.startswith(("harness check", "harness merge", "harness lint")):
            filled = re.sub(r"\$\{\{ matrix\.shard \}\}|\$CI_NODE_\w+|\*", "1", line)
            words = re.sub(r"\$[A-Z]+", "", filled).split()
            cli.commands[words[1]].make_context(words[1], words[2:])
            names.append(words[1])
    return names


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_workflow_proves_every_step_in_shards(service: str, shards: int) -> None:
    document = printed(service, "--shards", str(shards))
    assert parse_commands(document) == (["check"] if shards == 1 else ["check", "merge"])
    if service == "github":
        matrix = document["jobs"]["check"].get("strategy", {}).get("matrix")
        assert matrix == (None if shards == 1 else {"shard": [1, 2, 3]})
        paths = [one["with"]["path"] for one in document["jobs"]["check"]["steps"] if "with" in one
                 and "cache" in one["uses"]]  # fmt: skip
        assert paths == [".cache/harness"]
    else:
        assert document["contracts"].get("parallel", 1) == shards
        assert document["contracts"]["cache"]["paths"] == [".cache/harness"]


def test_what_is_installed_is_what_the_tree_has(tree: Path) -> None:
    def installed(*arguments: str) -> set[str]:
        return {one for one in texts(printed("github", *arguments)) if one.startswith("pip ")}

    assert installed() == {"pip install step-harness"}
    (tree / "pyproject.toml").touch()
    assert installed() == {"pip install ."}
    (tree / "requirements.txt").touch()
    assert installed() == {"pip install -r requirements.txt"}
    assert installed("--install", "x y") == {"pip install x y"}


def test_hooks_an_action_and_a_container_name_what_there_is() -> None:
    assert parse_commands(printed("pre-commit")) == ["lint", "check"]
    assert "postCreateCommand" in json.loads(CliRunner().invoke(cli, ["ci", "devcontainer"]).output)
    action = YAML(typ="safe").load(TOP / "harness" / "ci" / "action.yml")
    assert parse_commands(action) == ["check"]
    hooks = YAML(typ="safe").load(TOP / ".pre-commit-hooks.yaml")
    assert set(parse_commands(hooks)) == {"lint", "check"}
    # Either side of a step may have changed, and the script alone does not tell which step it is.
    lint = next(one for one in hooks if one["id"] == "harness-lint")
    assert set(lint["types_or"]) == {"python", "yaml"}
    assert lint["pass_filenames"] is False
