"""Jobs on several hosts: config files, variables, each host's part of the files, one case each."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.cases.case import Case, Outcome
from harness.contracts import loaders
from harness.errors import WrongContract
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, load, prove, read_contract
from harness.worlds.jobs import Request, built_in, profile
from tests.sdk.expected import HERE, STEPS

CONTRACT = """\
name: count
entry_point: count.py
inputs:
  data: {required: true, mounts: [CHANNELS/data], distribution: DISTRIBUTION}
outputs: {model: {path: OUTPUT}}
exit_codes: {0: counted, 1: no data}
HOSTS
"""
# Each host counts its own lines, and the first one writes.
SCRIPT = """
    import json, os, pathlib, sys
    config = json.loads(pathlib.Path("CONFIG").read_text())
    folder = pathlib.Path("CHANNELS/data")
    files = sorted(folder.glob("*.txt"))
    if not files:
        print(f"failed, no files in {folder}", file=sys.stderr)
        sys.exit(1)
    lines = sum(len(one.read_text().splitlines()) for one in files)
    print(config["current_host"], "of", len(config["hosts"]), "has", lines)
    if config["current_host"] == config["hosts"][0]:
        output = pathlib.Path("OUTPUT")
        output.mkdir(parents=True, exist_ok=True)
        (output / "count.txt").write_text(str(lines))
"""
TRAINING = {
    "CHANNELS": "/opt/ml/input/data",
    "OUTPUT": "/opt/ml/model",
    "CONFIG": "/opt/ml/input/config/resourceconfig.json",
}
PROCESSING = {
    "CHANNELS": "/opt/ml/processing/input",
    "OUTPUT": "/opt/ml/processing/output",
    "CONFIG": "/opt/ml/config/resourceconfig.json",
}


def put(
    folder: Path,
    places: dict[str, str] = TRAINING,
    *,
    hosts: str = "instance_count: 2",
    distribution: str = "FullyReplicated",
    files: int = 3,
    script: str = SCRIPT,
) -> StepRef:
    words = {**places, "HOSTS": hosts, "DISTRIBUTION": distribution}
    for name, text in (("contract.yaml", CONTRACT), ("count.py", textwrap.dedent(script))):
        for word, value in words.items():
            text = text.replace(word, value)
        (folder / name).write_text(text)
    samples = folder / "samples" / "data"
    samples.mkdir(parents=True)
    for number in range(files):
        (samples / f"{number}.txt").write_text("line\n" * 10**number)
    return StepRef(folder)


def case_of(ref: StepRef, case_id: str) -> Case:
    return load(ref).matrix.case(case_id)[0]


def data_files(case: Case) -> list[str]:
    return [path.rpartition("/")[2] for path, one in case.tree if path.endswith(".txt")]


@pytest.mark.parametrize("name", built_in())
def test_config_files_and_variables_name_every_host(name: str) -> None:
    job = profile(name)
    request = Request(channels=("data",), hosts=("algo-1", "algo-2"), host="algo-2")
    files = {path: data.decode() for path, data in job.file_contents(request).items()}
    (resources,) = (json.loads(files[one]) for one in files if one.endswith("resourceconfig.json"))
    assert (resources["current_host"], resources["hosts"]) == ("algo-2", ["algo-1", "algo-2"])
    variables = job.variables(request)
    if job.mounts.endswith("processing"):
        config = json.loads(files["/opt/ml/config/processingjobconfig.json"])
        assert config["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2
        assert variables == {}
        return
    if name == "own-container":
        # There is no toolkit in it.
        assert not any(one.startswith("SM_") for one in variables)
        return
    assert json.loads(variables["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert variables["SM_CURRENT_HOST"] == "algo-2"
    if name == "model-trainer":
        # The training toolkit sets none of these.
        names = ("SM_HOST_COUNT", "SM_CURRENT_HOST_RANK", "SM_MASTER_ADDR")
        assert [variables[one] for one in names] == ["2", "1", "algo-1"]
    environment = json.loads(variables["SM_TRAINING_ENV"])
    assert (environment["current_host"], environment["hosts"]) == ("algo-2", ["algo-1", "algo-2"])
    assert json.loads(variables["SM_RESOURCE_CONFIG"]) == resources


@pytest.mark.parametrize("name", built_in())
def test_config_files_say_how_files_are_distributed(name: str) -> None:
    request = Request(channels=("data", "other"), distributions={"data": "ShardedByS3Key"})
    contents = profile(name).file_contents(request)
    (text,) = (
        contents[one]
        for one in contents
        if one.endswith(("inputdataconfig.json", "processingjobconfig.json"))
    )
    config = json.loads(text)
    if "ProcessingInputs" in config:
        inputs = {one["InputName"]: one["S3Input"] for one in config["ProcessingInputs"]}
        found = {one: inputs[one]["S3DataDistributionType"] for one in ("data", "other")}
    else:
        found = {one: config[one]["S3DistributionType"] for one in ("data", "other")}
    assert found == {"data": "ShardedByS3Key", "other": "FullyReplicated"}


@pytest.mark.parametrize("places", [TRAINING, PROCESSING], ids=["training", "processing"])
@pytest.mark.parametrize("runner", [FakeRunner(), SandboxRunner()], ids=["fake", "sandbox"])
def test_the_script_runs_as_each_host(tmp_path: Path, places: dict[str, str], runner: Any) -> None:
    ref = put(tmp_path, places, hosts="hosts: [algo-1, algo-2, algo-3]", files=1)
    assert load(ref).matrix.usual == "data=present"
    said = []
    for case_id in ("data=present", "special=host-algo-2", "special=host-algo-3"):
        outcome: Outcome = runner.run(case_of(ref, case_id))
        assert prove(ref, runner, case_id).passed
        said.append(outcome.stdout.strip())
    assert said == [f"algo-{number} of 3 has 1" for number in (1, 2, 3)]


def test_a_script_that_fails_on_the_second_host_is_found(tmp_path: Path) -> None:
    script = SCRIPT + '    else:\n        (pathlib.Path("OUTPUT") / "count.txt").read_text()\n'
    ref = put(tmp_path, script=script)
    assert prove(ref, FakeRunner(), "data=present").passed
    (finding, *_) = prove(ref, FakeRunner(), "special=host-algo-2").findings
    assert finding.promise == "exit-code"


def test_each_host_has_its_part_of_sharded_files(tmp_path: Path) -> None:
    ref = put(tmp_path, distribution="ShardedByS3Key")
    assert data_files(case_of(ref, "data=present")) == ["0.txt", "2.txt"]
    assert data_files(case_of(ref, "special=host-algo-2")) == ["1.txt"]
    assert prove(ref, FakeRunner(), "special=host-algo-2").passed


def test_a_host_without_files_may_fail_if_it_names_them(tmp_path: Path) -> None:
    ref = put(tmp_path, distribution="ShardedByS3Key", files=1)
    assert data_files(case_of(ref, "special=host-algo-2")) == []
    assert prove(ref, FakeRunner(), "special=host-algo-2").passed
    other = tmp_path / "other"
    other.mkdir()
    vague = SCRIPT.replace("failed, no files in {folder}", "failed")
    ref = put(other, distribution="ShardedByS3Key", files=1, script=vague)
    findings = prove(ref, FakeRunner(), "special=host-algo-2").findings
    assert "no-missing-part" in {one.key for one in findings}


def test_one_host_has_no_such_cases(tmp_path: Path) -> None:
    ids = load(put(tmp_path, hosts="", distribution="ShardedByS3Key")).matrix.ids
    assert not any(one.startswith("special=") for one in ids)


def test_hosts_and_their_number_agree(tmp_path: Path) -> None:
    put(tmp_path, hosts="hosts: [algo-1, algo-1]\ninstance_count: 3")
    with pytest.raises(WrongContract) as caught:
        read_contract(tmp_path)
    assert "hosts: one of them is there twice" in caught.value.what
    assert "instance_count: is not the number of hosts, 2" in caught.value.what


def test_a_pipeline_definition_says_how_many_hosts(tmp_path: Path) -> None:
    document = json.loads((HERE / "definition_v2.json").read_text())
    prepare, train = (step["Arguments"] for step in document["Steps"][:2])
    prepare["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 2
    prepare["ProcessingInputs"][0]["S3Input"]["S3DataDistributionType"] = "ShardedByS3Key"
    train["ResourceConfig"]["InstanceCount"] = {"Get": "Parameters.Hosts"}
    source = train["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3DataDistributionType"] = "ShardedByS3Key"
    document["Parameters"].append({"Name": "Hosts", "Type": "Integer", "DefaultValue": 3})
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    for step, hosts in (("Prepare", 2), ("Train", 3), ("Evaluate", 1)):
        found = loaders.load(path, STEPS, step)
        assert len(found.host_names) == hosts
        is_sharded = [one.distribution == "ShardedByS3Key" for one in found.inputs.values()]
        assert is_sharded == [hosts > 1]


# Both hosts write, each its own part of the counts.
BOTH_WRITE = SCRIPT.replace('if config["current_host"] == config["hosts"][0]:', "if True:")


@pytest.mark.parametrize(
    ("places", "script", "found"),
    [
        (PROCESSING, BOTH_WRITE, ["overwritten"]),
        (PROCESSING, BOTH_WRITE.replace('"count.txt"', "(config['current_host'] + '.txt')"), []),
        # Alike on both, as with the same data.
        (PROCESSING, BOTH_WRITE.replace("str(lines)", "'counted'"), []),
        (PROCESSING, SCRIPT, []),
        # What a training job keeps of several hosts is not known.
        (TRAINING, BOTH_WRITE, []),
    ],
)
def test_hosts_of_a_processing_job_write_files_of_their_own(
    tmp_path: Path, places: dict[str, str], script: str, found: list[str]
) -> None:
    ref = put(tmp_path, places, script=script, distribution="ShardedByS3Key")
    result = prove(ref, FakeRunner(), "special=host-algo-2")
    assert [one.key for one in result.findings] == found


CONTENT = """\
name: rows
entry_point: rows.py
instance_count: 2
inputs: {data: {required: true, files: ["*.csv"], mounts: [/opt/ml/processing/input/data]}}
outputs:
  out: {path: /opt/ml/processing/output/out, files: {"*.csv": {rows: ROWS}}}
exit_codes: {0: done, 1: failed}
"""
# Each host writes what `WHICH` says of the rows, which all hosts have.
ROWS_OF_A_HOST = """
    import json, pathlib
    config = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
    rank, count = config["hosts"].index(config["current_host"]), len(config["hosts"])
    header, *lines = pathlib.Path("/opt/ml/processing/input/data/a.csv").read_text().splitlines()
    rows = WHICH
    if rows is not None:
        target = pathlib.Path(f"/opt/ml/processing/output/out/part-{rank}.csv")
        target.write_text("\\n".join([header, *rows]) + "\\n")
"""


@pytest.mark.parametrize(
    ("which", "rows", "found"),
    [
        # The first host alone writes.
        ("lines if rank == 0 else None", "same as data", ([], [])),
        ("lines if rank == 0 else None", "{split: data}", ([], [])),
        ("lines[rank::count]", "{split: data}", (["unproven"], ["unproven"])),
        ("lines[rank::count]", "same as data", (["unproven"], ["unproven"])),
        ("lines[rank::count]", "1..", ([], [])),
        ("lines + lines[:1] if rank == 0 else None", "same as data", (["rows"], [])),
        ("None", "1..", (["missing"], [])),
    ],
)
def test_of_several_hosts_each_may_write_a_part_of_the_rows(
    tmp_path: Path, which: str, rows: str, found: tuple[list[str], list[str]]
) -> None:
    (tmp_path / "contract.yaml").write_text(CONTENT.replace("ROWS", rows))
    script = textwrap.dedent(ROWS_OF_A_HOST).replace("WHICH", which)
    (tmp_path / "rows.py").write_text(script)
    (tmp_path / "samples" / "data").mkdir(parents=True)
    (tmp_path / "samples" / "data" / "a.csv").write_text("id,x\n1,a\n2,b\n3,c\n")
    said = []
    for case_id in ("data=present", "special=host-algo-2"):
        result = prove(StepRef(tmp_path), FakeRunner(), case_id)
        keys = [one.key for one in result.findings if one.promise == "content"]
        said.append(keys or ["unproven"] * bool(result.unproven))
    assert tuple(said) == found
