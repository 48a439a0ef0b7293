"""The worlds of the harness against those of the real SDKs, fact by fact.

What differs is in a table with the reason, and nothing else differs. More is said in
harness/docs/worlds.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from harness.runners.real.container import ContainerRunner
from harness.runs.step import StepRef, load
from tests.sdk.environments import IMAGE, need_engine, sdk_runs
from tests.sdk.expected import STEPS, VERSIONS
from tests.unit.derived import make_step

PROFILES = ("processing", "framework-processing")
CONTRACT = """
name: world
entry_point: step.py
inputs: {rows: {required: true, mounts: [/opt/ml/processing/input/rows]}}
outputs: {copy: {path: /opt/ml/processing/output/copy}}
arguments: {unit: what is counted}
environment: {always: {SEED: "7"}}
exit_codes: {0: told}
"""
# The facts that differ: who is right, and why.
EXPLAINED = (
    (
        r"environment\.(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_CONTAINER_CREDENTIALS\w+)",
        "service: a job has a role; local mode hands keys on, the harness plants secrets",
    ),
    (
        r"environment\.(HOSTNAME|TERM|PWD|OLDPWD|SHLVL|_|LANG|HOME|PATH)",
        "the image's and the shell's",
    ),
    (r"first process", "SDK: a signal is delivered as to the first process, see own-mounts"),
    (r"tree\./opt/ml/shared.*", "local mode alone"),
    (r"tree\.\S+ mode", "unknown: local mode downloads into folders of mode 0700"),
    (r"tree\./opt/ml/processing/input/code/(runproc\.sh|install_requirements\.py)", "SDK 3 alone"),
    (
        r"mounts\./opt/ml/(config|shared|output|processing/input/entrypoint)",
        "what no step writes to",
    ),
    (
        r"config\.\S+\.(DataUri|S3Uri|ProcessingJobArn|ProcessingJobName|RoleArn|ImageUri"
        r"|InstanceType|AppManaged|KmsKeyId|VolumeKmsKeyId|MaxRuntimeInSeconds|S3DataType)",
        "names of this run; DataUri is local mode's own",
    ),
    (
        r"config\./opt/ml/config/resourceconfig\.json\..*",
        "service: it documents current_host and hosts alone",
    ),
)


@pytest.fixture(scope="module", params=VERSIONS)
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a script tells of its job of each type, with one SDK."""
    need_engine()
    folder = sdk_runs(request.param, tmp_path_factory)
    return json.loads((folder / "worlds.json").read_text())


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What it tells of the harness's worlds."""
    need_engine()
    script = (STEPS / "world.py").read_text()
    told = {}
    runner = ContainerRunner(IMAGE)
    runner.prepare()
    try:
        for profile in PROFILES:
            folder = tmp_path_factory.mktemp(profile)
            samples = {"rows/rows.csv": "a\n1\n", "arguments.json": '{"unit": "words"}'}
            make_step(folder, script, CONTRACT, samples)
            case, _ = load(StepRef(folder, profile=profile)).matrix.case("circumstance=own-mounts")
            after = runner.run(case).after
            entry = after and after.get("/opt/ml/processing/output/copy/world.json")
            assert entry
            # The script of the other side has another name.
            told[profile] = json.loads(entry.data.decode().replace("step.py", "world.py"))
    finally:
        runner.close()
    return told


def facts(world: Any) -> dict[str, object]:
    """The facts of a world: place → value."""
    found: dict[str, object] = {
        key: world[key] for key in ("argv", "cwd", "first process", "user", "umask")
    }
    found.update({f"environment.{name}": value for name, value in world["environment"].items()})
    for path, (kind, mode) in world["tree"].items():
        found[f"tree.{path}"] = kind
        found[f"tree.{path} mode"] = mode
    found.update({f"mounts.{path}": True for path in world["mounts"]})
    for path, content in world["config"].items():
        found.update(_flat(content, f"config.{path}"))
    return found


def _flat(value: Any, at: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _flat(one, f"{at}.{key}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for one in value:
            name = one.get("InputName") or one.get("OutputName")
            yield from _flat(one, f"{at}.{name}")
    else:
        yield at, value.rstrip("/") if isinstance(value, str) else value


def differences(theirs: Any, ours: Any) -> dict[str, tuple[object, object]]:
    """The facts that are not the same: place → both values."""
    one, other = facts(theirs), facts(ours)
    return {
        place: (one.get(place), other.get(place))
        for place in sorted({*one, *other})
        if one.get(place) != other.get(place)
    }


def test_every_row_explains_something(ours: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A row that explains nothing any more would hide what comes next."""
    found: set[str] = set()
    for version in VERSIONS:
        told = json.loads((sdk_runs(version, tmp_path_factory) / "worlds.json").read_text())
        found |= {place for one in PROFILES for place in differences(told[one], ours[one])}
    unused = [row for row, _ in EXPLAINED if not any(re.fullmatch(row, one) for one in found)]
    assert unused == []


@pytest.mark.parametrize("profile", PROFILES)
def test_every_difference_is_explained(worlds: Any, ours: Any, profile: str) -> None:
    found = differences(worlds[profile], ours[profile])
    unexplained = {
        place: values
        for place, values in found.items()
        if not any(re.fullmatch(pattern, place) for pattern, _ in EXPLAINED)
    }
    assert unexplained == {}
