"""The worlds of the harness against those of the real SDKs, fact by fact.

A script runs as each type of job that an SDK has, and as the same request in the harness, which
reads it from the definition that the SDK writes. What differs is in a table with the reason, and
nothing else differs. More is said in harness/docs/worlds.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness.runners.real.container import ContainerRunner
from harness.runs.step import StepRef, load
from tests.sdk.environments import IMAGE, need_engine, sdk_runs

# The SDK 2 has no trainer that is documented, and the SDK 3 no estimator.
JOBS = (
    ("v2", "processing"),
    ("v3", "processing"),
    ("v2", "framework-processing"),
    ("v3", "framework-processing"),
    ("v2", "training"),
    ("v3", "model-trainer"),
)
# The facts that differ: who is right, and why.
EXPLAINED = (
    (
        r"environment\.(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_CONTAINER_CREDENTIALS\w+)",
        "service: a job has a role; local mode hands keys on, the harness plants secrets",
    ),
    (r"environment\.(HOSTNAME|TERM)", "neither: of each container"),
    (
        r"environment\.(PWD|OLDPWD|SHLVL|_)",
        "SDK: of the shell that starts a script of a source folder, which no script asks for",
    ),
    (r"environment\.AWS_ENDPOINT_URL_S3", "neither: the toolkit, where it is told no endpoint"),
    (
        r"environment\.PYTHONPATH",
        "SDK: the toolkit's own path follows, with the folders of the image's Python",
    ),
    (r"first process", "SDK: a signal is delivered as to the first process, see own-mounts"),
    (r"(tree|mounts)\./opt/ml/shared.*", "service: local mode alone has it"),
    (
        r"tree\./opt/ml/(processing/input/(code|entrypoint)|code|input/data(/\w+)?) mode",
        "unknown: local mode makes some of them 0700; inputs are so in own-mounts",
    ),
    (
        r"(tree|content)\./opt/ml/processing/input/code/(runproc\.sh|install_requirements\.py).*",
        "SDK 3 alone",
    ),
    (
        r"content\.\S+/(sourcedir\.tar\.gz|entrypoint/runproc\.sh)",
        "SDK: the archive has dates, and the starter another text in each version",
    ),
    (
        r"(tree|content)\./opt/ml/input/(sm_training\.env|data/sm_drivers/).*",
        "SDK 3: its drivers, which start the script, but for what they say of the source",
    ),
    (
        r"mounts\./opt/ml/(config|input|output|processing/input/entrypoint|input/data/sm_drivers)",
        "neither: no step writes to it",
    ),
    (
        r"content\.\S+/processingjobconfig\.json\.\S+"
        r"\.(DataUri|S3Uri|InstanceType|AppManaged|RoleArn)",
        "service: names of this run, those of local mode, and a key that the SDK 2 alone sends",
    ),
    (
        r"content\.\S+/processingjobconfig\.json\.(ProcessingJobArn|RoleArn)",
        "service: local mode has neither",
    ),
    (
        r"content\./opt/ml/config/resourceconfig\.json\.(current_instance_type|network_\w+)",
        "service: it documents current_host and hosts alone",
    ),
    (
        r"\S+\.(extra|rows|code|sm_drivers)\.(S3DistributionType|RecordWrapperType)",
        "service: it documents both; local mode has neither",
    ),
    (
        r"(content\.\S+/resourceconfig\.json|environment)\.(\S+\.)?"
        r"(current_group_name|instance_groups|SM_INSTANCE_GROUPS)(\..*|_DICT.*)?",
        "service: local mode knows no groups of instances",
    ),
    (
        r"environment\.(SM_CURRENT_INSTANCE_GROUP_HOSTS|SM_INSTANCE_GROUPS_DICT.*|SM_TRAINING_ENV\."
        r"(current_instance_group_hosts|distribution_hosts|instance_groups_dict.*))",
        "service: what the toolkit makes of these groups",
    ),
    (
        r"\S+\.(current_instance_type|SM_CURRENT_INSTANCE_TYPE|num_cpus|SM_NUM_CPUS"
        r"|network_interface_name|SM_NETWORK_INTERFACE_NAME)",
        "service: of the instance; here of this machine, of which the SDK 3 names a network",
    ),
    (
        r"\S+\.(sagemaker_submit_directory|SM_MODULE_DIR|module_dir)",
        "service: S3; no container reaches it here, so that the source is mounted",
    ),
    (
        r"\S+\.(sagemaker_job_name|SAGEMAKER_JOB_NAME)",
        "SDK: it leaves the name of the job out of definitions, since each execution has its own",
    ),
    (r"environment\.TRAINING_JOB_ARN", "service: local mode has none"),
)
# Hosts and, where it cannot be chosen, the job have names that local mode makes.
_OWN_NAMES = re.compile(r"(algo-1)-\w{5}\b|(step-under-test)-\d{14}\b")
_NAMED = ("InputName", "OutputName", "instance_group_name")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], tuple[Any, Any]]:
    """What the script tells of each job: with the SDK, and with the harness."""
    need_engine(toolkit=True)
    runner = ContainerRunner(IMAGE)
    runner.prepare()
    try:
        return {job: _both(*job, runner, tmp_path_factory) for job in JOBS}
    finally:
        runner.close()


def _both(
    version: str, profile: str, runner: ContainerRunner, temporary: pytest.TempPathFactory
) -> tuple[Any, Any]:
    folder = sdk_runs(version, temporary)
    definition = folder / "worlds-steps.json"
    for name in ("rows", "extra"):
        sample = definition.parent / "samples" / profile / name / f"{name}.csv"
        sample.parent.mkdir(parents=True, exist_ok=True)
        sample.write_text("a\n1\n")
    ref = StepRef(definition, code=folder / "source-worlds", step=profile)
    case, _ = load(ref).matrix.case("circumstance=own-mounts")
    outcome = runner.run(case)
    told = [entry for path, entry in outcome.after or () if path.endswith("/world.json")]
    assert told, outcome
    theirs = _OWN_NAMES.sub(lambda one: one[1] or one[2], (folder / "worlds.json").read_text())
    return json.loads(theirs)[profile], json.loads(told[0].data)


def facts(world: Any) -> dict[str, object]:
    """The facts of a world: place → value."""
    found = {key: world[key] for key in ("argv", "cwd", "first process", "user", "umask")}
    found.update(_flat(world["limits"], "limits"))
    for name, value in world["environment"].items():
        found.update(_flat(_decoded(value), f"environment.{name}"))
    for path, one in world["tree"].items():
        found[f"tree.{path}"] = one["kind"]
        found[f"tree.{path} mode"] = one["mode"]
        found[f"tree.{path} owner"] = one["owner"]
    found.update({f"mounts.{path}": True for path in world["mounts"]})
    for path, content in world["content"].items():
        found.update(_flat(content, f"content.{path}"))
    return found


def _decoded(value: str) -> Any:
    """The value of a variable; those that hold JSON, fact by fact."""
    return json.loads(value) if value.startswith("{") else value


def _flat(value: Any, at: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _flat(one, f"{at}.{key}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for one in value:
            name = next((one[key] for key in _NAMED if key in one), "")
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


@pytest.mark.parametrize(("version", "profile"), JOBS)
def test_every_difference_is_explained(worlds: Any, version: str, profile: str) -> None:
    unexplained = {
        place: values
        for place, values in differences(*worlds[version, profile]).items()
        if not any(re.fullmatch(pattern, place) for pattern, _ in EXPLAINED)
    }
    assert unexplained == {}


def test_every_row_explains_something(worlds: Any) -> None:
    """A row that explains nothing any more would hide what comes next."""
    found = {place for both in worlds.values() for place in differences(*both)}
    unused = [row for row, _ in EXPLAINED if not any(re.fullmatch(row, one) for one in found)]
    assert unused == []
