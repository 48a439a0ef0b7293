"""Unusual and wrong contract files of every form: a clear error, never a traceback."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from harness.cli import cli
from harness.contracts.contract import Contract
from harness.errors import HarnessError, WrongContract
from harness.files import yaml_file
from harness.runs.step import read_contract

ROOT = Path(__file__).parents[2]
CONTRACT_YAML = """\
name: x
entry_point: x.py
outputs: {out: {path: /opt/ml/processing/output}}
exit_codes: {0: ok}
"""
INTERFACE = """\
contract:
  entry_point: x.py
  outputs: {out: {path: /opt/ml/processing/output}}
"""
PYTHON = """\
from types import SimpleNamespace

CONTRACT = SimpleNamespace(
    entry_point="x.py",
    expected_input_paths={"data": "/opt/ml/processing/input/data"},
    expected_output_paths={"out": "/opt/ml/processing/output"},
)
"""
FORMS = {"contract.yaml": CONTRACT_YAML, "x.step.yaml": INTERFACE, "x_contract.py": PYTHON}


def put(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def error_of(path: Path) -> str:
    with pytest.raises(WrongContract) as caught:
        read_contract(path)
    assert caught.value.hint
    return caught.value.what


@pytest.mark.parametrize("name", FORMS)
def test_a_byte_order_mark_is_ignored(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, b"\xef\xbb\xbf" + FORMS[name].encode())
    assert read_contract(path).entry_point == "x.py"


@pytest.mark.parametrize("name", ["contract.yaml", "x.step.yaml"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ":1: holds nothing"),
        (b"# only a comment\n", ":1: holds nothing"),
        (b"- a\n- b\n", ":1: holds a list"),
        (b"text", ":1: holds a text"),
        (b"a: 1\na\0: 2\n", ":2: is not YAML: unacceptable character"),
        (b"a: 1\nb: \xff\xfe\n", ":2: is not UTF-8"),
        (b"a: 1\n\tb: 2\n", ":2: is not YAML"),
        (b"a: 1\na: 2\n", ":2: is not YAML: found duplicate key"),
        (b"a: *nowhere\n", ":1: is not YAML: found undefined alias"),
        (b"a: 1\n---\nb: 2\n", ":2: is not YAML"),
        (b"[\n" * 20_000, ":1: is not YAML"),
    ],
)
def test_a_file_that_is_not_a_mapping(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = put(tmp_path, name, data)
    assert f"{path}{message}" in error_of(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ": holds no script contract"),
        (b"x = '\0'", "cannot be executed"),
        (b"x = '\xff'", "cannot be executed"),
        (b"if True:\n\tx = 1\n        y = 2\n", ":3: the script contract cannot be executed"),
        (
            b"class A:\n    @property\n    def entry_point(self):\n        return 1 / 0\na = A()\n",
            ":4:",
        ),
        (PYTHON.replace("x.py", "").encode(), ":4: CONTRACT.entry_point: string should"),
        (PYTHON.replace('"x.py"', "['x.py']").encode(), ":4: CONTRACT.entry_point: should be a"),
        (
            PYTHON.replace('{"data"', '{3: "/x", "data"').encode(),
            ":5: CONTRACT.expected_input_paths",
        ),
    ],
)
def test_unusual_python_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = put(tmp_path, "x_contract.py", data)
    assert f"{path}" in error_of(path)
    assert message in error_of(path)


def test_anchors_are_resolved(tmp_path: Path) -> None:
    text = "inputs: {a: &a {required: true, mounts: [/m]}, b: *a}\n"
    found = read_contract(put(tmp_path, "contract.yaml", CONTRACT_YAML + text))
    assert found.inputs["a"] == found.inputs["b"]


@pytest.mark.parametrize("name", [*FORMS, "x.json", "x.txt"])
def test_a_folder_instead_of_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir()
    assert "is not a step: it has no contract.yaml" in error_of(path)
    assert "is not a step: it has no contract.yaml" in error_of(tmp_path)


@pytest.mark.parametrize("name", FORMS)
def test_a_missing_entry_point(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, FORMS[name])
    for command in ("check", "list", "lint"):
        for options in ((), ("--code", str(tmp_path / "nowhere"))):
            result = CliRunner().invoke(cli, [command, str(path), *options])
            assert isinstance(result.exception, WrongContract), result.output
            assert "x.py cannot be read: No such file or directory" in result.exception.what
    (tmp_path / "x.py").mkdir()
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert isinstance(result.exception, HarnessError)
    assert "x.py cannot be read: Is a directory" in str(result.exception)


@pytest.mark.parametrize("name", FORMS)
def test_code_may_be_in_another_folder_for_every_form_and_command(
    tmp_path: Path, name: str
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "x.py").write_text("")
    path = put(tmp_path, name, FORMS[name])
    for command in ("list", "lint", "check"):
        words = [command, str(path), "--code", str(code)]
        result = CliRunner().invoke(cli, words)
        assert result.exit_code in (0, 1), result.output
        assert not isinstance(result.exception, HarnessError)


WAIVERS = {
    "contract.yaml": "waivers: {PROMISE: REASON}\n",
    "x.step.yaml": "  waivers: {PROMISE: REASON}\n",
    "x_contract.py": "CONTRACT.waivers = {'PROMISE': REASON}\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_promises_can_be_waived_in_every_form(tmp_path: Path, name: str) -> None:
    def with_waiver(promise: str, reason: str) -> Path:
        text = WAIVERS[name].replace("PROMISE", promise).replace("REASON", reason)
        return put(tmp_path, name, FORMS[name] + text)

    assert read_contract(with_waiver("log", "'why not'")).waivers == {"log": "why not"}
    lines = FORMS[name].count("\n") + 1
    unknown = error_of(with_waiver("tidy", "'why'"))
    assert f":{lines}: " in unknown
    assert "waivers.tidy: is no promise; they are: exit-code" in unknown
    empty = error_of(with_waiver("log", "''"))
    assert f":{lines}: " in empty
    assert "waivers.log: string should have at least 1 character" in empty


@pytest.mark.parametrize("name", FORMS)
def test_a_waiver_counts_up_to_its_day_in_every_form(tmp_path: Path, name: str) -> None:
    def with_waiver(day: object) -> Path:
        waiver = f"{{'reason': 'later', 'until': {day}}}"
        text = WAIVERS[name].replace("PROMISE", "log").replace("REASON", waiver)
        return put(tmp_path, name, FORMS[name] + text)

    today = datetime.date.today()
    for day in ("'2999-12-31'", f"'{today}'"):
        contract = read_contract(with_waiver(day))
        assert str(contract.waivers["log"]) == f"later (until {day[1:-1]})"
        assert not contract.warnings
    over = read_contract(with_waiver("'2020-02-29'"))
    assert over.waivers == {}
    (warning,) = over.warnings
    assert "waivers.log: is over since 2020-02-29, so that it counts no more (later)" in warning
    assert "give it a later date" in warning
    lines = FORMS[name].count("\n") + 1
    wrong = error_of(with_waiver("'tomorrow'"))
    assert f":{lines}: " in wrong
    assert "waivers.log.until: " in wrong


CLASHES = {
    "contract.yaml": ("environment: {required: [A, A]}\n", "environment.required.1: A is there tw"),
    "x.step.yaml": (
        "  env_vars: {required: [A], optional: {A: 1}}\n",
        "contract.env_vars.optional.A: is a required variable too",
    ),
    "x_contract.py": (
        "CONTRACT.required_env_vars = ['data']\n",
        "CONTRACT.required_env_vars.0: an input is named data too",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_names_that_clash(tmp_path: Path, name: str) -> None:
    text, message = CLASHES[name]
    what = error_of(put(tmp_path, name, FORMS[name] + text))
    assert message in what
    assert f":{FORMS[name].count(chr(10)) + 1}: " in what


def test_a_channel_that_is_no_valid_name(tmp_path: Path) -> None:
    text = "  inputs: {a: {path: /m, required: true, channels: ['b=c']}}\n"
    assert "string should match pattern" in error_of(put(tmp_path, "x.step.yaml", INTERFACE + text))


def test_unknown_keys_in_lists_are_warnings(tmp_path: Path) -> None:
    text = "  job_arguments:\n    - {flag: --a, source: b, colour: red}\n"
    found = read_contract(put(tmp_path, "x.step.yaml", INTERFACE + text))
    (warning,) = found.warnings
    assert warning.endswith("x.step.yaml:5: contract.job_arguments.0.colour: is not known here")


def read_yaml(path: Path) -> Any:
    return json.loads(json.dumps(yaml_file.read(path)))


@pytest.fixture(scope="module")
def schema() -> Any:
    document = json.loads(CliRunner().invoke(cli, ["schema"]).output)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize(
    "path", ["dummy_training/contract.yaml", "tests/unit/steps/copier/contract.yaml"]
)
def test_the_schema_accepts_our_contracts(schema: Any, path: str) -> None:
    assert list(schema.iter_errors(read_yaml(ROOT / path))) == []


def change(*keys: str, to: Any) -> Callable[[Any], None]:
    def changed(document: Any) -> None:
        node = document
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = to

    return changed


def without(key: str) -> Callable[[Any], None]:
    return lambda document: document.pop(key)


# Refused by the schema and by the loader.
REFUSED = [
    without("name"),
    without("entry_point"),
    without("outputs"),
    without("exit_codes"),
    change("colour", to="red"),
    *(change(name, to="x") for name in ("folder", "origin", "suite", "samples", "job")),
    change("warnings", to=[]),
    change("name", to=3),
    change("name", to=""),
    change("entry_point", to="../b.py"),
    change("outputs", to={}),
    change("sink", to=True),
    change("sink", to="yes"),
    change("instance_count", to=0),
    change("module", to="a.py.b-c"),
    change("module", to="a..b"),
    change("image", to={"relative": "x"}),
    change("image", to={"/x": "/absolute"}),
    change("inputs", "text", "distribution", to="Sharded"),
    change("outputs", "copy", "path", to="relative"),
    change("outputs", "copy", "colour", to="red"),
    change("outputs", "copy", "files", to=["/a"]),
    change("outputs", "copy", "files", to=["a//b"]),
    change("outputs", "copy", "files", to="a"),
    change("outputs", "copy", "files", to={"a": {"colour": "red"}}),
    change("outputs", "copy", "rows", to="some"),
    change("outputs", "copy", "members", to={"at": "/"}),
    change("scratch", to=["tmp"]),
    change("outputs", "copy", "required", to="yes"),
    change("inputs", to=None),
    change("inputs", "text", "required", to="true"),
    change("inputs", "text", "mounts", to=[]),
    change("inputs", "text", "mounts", to="/opt"),
    change("inputs", "text", "mounts", to=["opt"]),
    change("inputs", "text", "source", to=["code"]),
    change("inputs", "text", "file", to="a/b"),
    change("inputs", "text", "colour", to="red"),
    change("inputs", "a=b", to={"required": True, "mounts": ["/m"]}),
    change("exit_codes", to={}),
    change("exit_codes", to={"zero": "x"}),
    change("exit_codes", to={"256": "x"}),
    change("exit_codes", to={"0": 3}),
    change("arguments", to={"a": None}),
    change("environment", to={"required": "A"}),
    change("environment", to={"optional": {"A": 3}}),
    change("environment", to={"colour": []}),
    change("error_codes", to=["A"]),
    change("framework_requirements", to={"a": 1}),
    change("waivers", to={"tidy": "x"}),
    change("waivers", to={"log": ""}),
]


@pytest.mark.parametrize("edit", REFUSED)
def test_schema_and_loader_refuse_the_same(
    schema: Any, tmp_path: Path, edit: Callable[[Any], None]
) -> None:
    document = copy.deepcopy(read_yaml(ROOT / "tests/unit/steps/copier/contract.yaml"))
    edit(document)
    assert list(schema.iter_errors(document)) != []
    # Exit codes are numbers in YAML and texts in JSON.
    if isinstance(codes := document.get("exit_codes"), dict):
        document["exit_codes"] = {int(k) if k.isdigit() else k: v for k, v in codes.items()}
    from ruamel.yaml import YAML

    with (tmp_path / "contract.yaml").open("w") as file:
        YAML().dump(document, file)
    assert "contract.yaml:" in error_of(tmp_path)


def test_the_schema_has_every_key(schema: Any) -> None:
    complete = {
        "name": "x",
        "entry_point": "x.py",
        "outputs": {"o": {"path": "/o", "required": False, "files": ["a"], "description": "d"}},
        "inputs": {
            "i": {
                "required": True,
                "mounts": ["/i"],
                "file": "f",
                "source": ["{script_dir}/i", "/i"],
                "description": "d",
                "distribution": "ShardedByS3Key",
            }
        },
        "at_least_one": ["i"],
        "module": "x",
        "image": {"/etc/x": "image/x"},
        "instance_count": 2,
        "hosts": ["algo-1", "algo-2"],
        "exit_codes": {"0": "x", "143": "y"},
        "arguments": {"a": "b"},
        "environment": {"required": ["A"], "optional": {"B": "c"}, "always": {"C": "/c"}},
        "error_codes": {"E": "e"},
        "framework_requirements": {"a": ">=1"},
        "waivers": {"log": "why"},
        "scratch": ["/opt/ml/work"],
        "description": "d",
        "sink": False,
        "level": "strict",
        "python": ">=3.8",
        "timeout": 1.5,
        "sigterm": {"exit_codes": [0, 143], "may_write": ["o"]},
    }
    assert list(schema.iter_errors(complete)) == []
    assert set(complete) == set(schema.schema["properties"])
    Contract.model_validate({**complete, "exit_codes": {0: "x", 143: "y"}})
