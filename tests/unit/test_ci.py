"""What `harness ci` prints: files that services can read, with commands that there are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
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
    assert "[[" not in done.stdout
    assert "[%" not in done.stdout
    return YAML(typ="safe").load(done.stdout)


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


def installed(*arguments: str) -> tuple[str, str]:
    """What pip installs in each job of a workflow, and what is said of it besides."""
    done = CliRunner().invoke(cli, ["ci", "github", "--shards", "2", *arguments])
    found = {one for one in texts(YAML(typ="safe").load(done.stdout)) if one.startswith("pip ")}
    (one,) = found
    # It is in the file too, for who has not seen it.
    assert done.stderr.removeprefix("note: ").strip() in done.stdout
    return one.removeprefix("pip install "), done.stderr


def from_(monkeypatch: pytest.MonkeyPatch, origin: Any) -> None:
    """Let the harness be installed from an address; None where pip has recorded none."""
    recorded = None if origin is None else json.dumps(origin)
    found = SimpleNamespace(read_text=lambda _name: recorded)
    monkeypatch.setattr("importlib.metadata.distribution", lambda _name: found)


def test_what_is_installed_is_what_the_tree_asks_for(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_(monkeypatch, None)
    assert installed("--install", "x y") == ("x y", "")
    project = tree / "pyproject.toml"
    project.write_text('[project]\nname = "steps"\ndependencies = ["Step_Harness>=0.2"]\n')
    assert installed() == (".", "")
    project.write_text(
        '[project]\nname = "steps"\noptional-dependencies.dev = ["step-harness[dask]"]\n'
    )
    assert installed() == ("'.[dev]'", "")
    (tree / "requirements.txt").write_text("numpy\nstep.harness @ git+https://host/h.git\n")
    assert installed() == ("-r requirements.txt", "")


def test_the_harness_is_installed_from_where_it_came(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "requirements.txt").write_text("numpy\n")
    commit = {"vcs": "git", "commit_id": "abc"}
    from_(monkeypatch, {"url": "https://host/h.git", "vcs_info": commit})
    wanted = "-r requirements.txt 'step-harness @ git+https://host/h.git@abc'"
    assert installed() == (wanted, "")
    from_(monkeypatch, {"url": "https://host/h.whl", "archive_info": {}})
    assert installed() == ("-r requirements.txt https://host/h.whl", "")
    from_(monkeypatch, {"url": f"file://{tree}/wheels/h.whl", "archive_info": {}})
    assert installed() == ("-r requirements.txt ./wheels/h.whl", "")


@pytest.mark.parametrize("origin", [None, {"url": "file:///elsewhere", "dir_info": {}}])
def test_what_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch, origin: Any) -> None:
    from_(monkeypatch, origin)
    words, said = installed()
    assert words == "step-harness"
    assert "so that it runs: pip install step-harness; name it with --install" in said


def test_hooks_an_action_and_a_container_name_what_there_is() -> None:
    assert parse_commands(printed("pre-commit")) == ["lint", "check"]
    assert "postCreateCommand" in json.loads(CliRunner().invoke(cli, ["ci", "devcontainer"]).stdout)
    action = YAML(typ="safe").load(TOP / "harness" / "ci" / "action.yml")
    assert parse_commands(action) == ["check"]
    hooks = YAML(typ="safe").load(TOP / ".pre-commit-hooks.yaml")
    assert set(parse_commands(hooks)) == {"lint", "check"}
    # Either side of a step may have changed, and the script alone does not tell which step it is.
    lint = next(one for one in hooks if one["id"] == "harness-lint")
    assert set(lint["types_or"]) == {"python", "yaml"}
    assert lint["pass_filenames"] is False
