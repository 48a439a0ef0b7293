"""The formats of lint, and its exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import WrongContract
from harness.files.settings import settings
from harness.lint.codes import CODES, describe_code, page
from harness.lint.problem import Problem
from harness.report.lint import FORMATS, render

TOP = Path(__file__).parents[2]
STEP = TOP / "dummy_training"

WRONG = "import os\nx = os.environ['REGION']\n"


def _object(required: Sequence[str], **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def _list(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}


# What SARIF 2.1.0 says of the parts that are written here, and what code scanning asks beyond it:
# each rule has a help, and no address that only this machine knows.
_TEXT = {"type": "string", "minLength": 1}
_NUMBER = {"type": "integer", "minimum": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_MESSAGE = _object(["text"], text=_TEXT, markdown=_TEXT)
_REGION = _object(
    ["startLine"], startLine=_NUMBER, startColumn=_NUMBER, endLine=_NUMBER, endColumn=_NUMBER
)
_LOCATION = _object(
    ["artifactLocation", "region"],
    artifactLocation=_object(["uri"], uri={**_TEXT, "pattern": r"^[!-~]+$"}),
    region=_REGION,
)
_RULE = _object(
    ["id", "shortDescription", "fullDescription", "help"],
    id=_TEXT,
    shortDescription=_MESSAGE,
    fullDescription=_MESSAGE,
    help=_MESSAGE,
    helpUri={"type": "string", "pattern": "^https?://"},
    defaultConfiguration=_object(["level"], level=_LEVEL),
)
_RESULT = _object(
    ["ruleId", "message", "locations"],
    ruleId={"enum": list(CODES)},
    level=_LEVEL,
    message=_MESSAGE,
    partialFingerprints={"type": "object", "additionalProperties": _TEXT},
    locations=_list(_object(["physicalLocation"], physicalLocation=_LOCATION)),
)
_RUN = _object(
    ["tool", "results"],
    tool=_object(
        ["driver"],
        driver=_object(["name", "rules"], name=_TEXT, version=_TEXT, rules=_list(_RULE)),
    ),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT),
)
SARIF = _object(
    ["version", "runs"],
    version={"const": "2.1.0"},
    runs=_list(_RUN),
    **{"$schema": {"type": "string", "pattern": "^https://"}},
)
SAMPLE = [Problem("STEP101", "100% wrong:\nthis", "mend, it", Path("a,b.py"), 3, 7)]


def test_text() -> None:
    assert render(SAMPLE, "text") == (
        "a,b.py:3:7: STEP101 100% wrong:\nthis\n    mend, it\n1 problem\n"
    )
    assert render([], "text") == "no problems\n"


def test_json() -> None:
    (document,) = json.loads(render(SAMPLE, "json"))
    assert (document["code"], document["line"], document["column"]) == ("STEP101", 3, 7)
    assert json.loads(render([], "json")) == []


def test_sarif() -> None:
    document = json.loads(render(SAMPLE, "sarif"))
    (run,) = document["runs"]
    (result,) = run["results"]
    # Characters, as Python counts them; without a word they would be units of UTF-16.
    assert run["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)
    assert document["version"] == "2.1.0"
    assert result["ruleId"] == "STEP101"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 7, "endLine": 3, "endColumn": 7}
    assert result["level"] == "error"
    assert len(result["partialFingerprints"]["harnessLint/v1"]) == 32


def test_sarif_is_as_its_schema_says_and_explains_itself() -> None:
    document = json.loads(render([*SAMPLE, replace(SAMPLE[0], file=Path("/x y.py"))], "sarif"))
    jsonschema.validate(document, SARIF, format_checker=jsonschema.FormatChecker())
    for rule in document["runs"][0]["tool"]["driver"]["rules"]:
        # There is no address for all, and the text of the page is in the rule.
        assert rule["help"]["text"] == describe_code(rule["id"])
        assert f"\n## {rule['id']}\n\n{rule['help']['markdown']}" in page()


def test_sarif_and_json_lead_to_the_page_where_it_is_published(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text('[lint]\npage = "https://docs.example.org/codes"\n')
    address = settings(tmp_path).lint.page
    rules = json.loads(render([], "sarif", address))["runs"][0]["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["helpUri"] == f"https://docs.example.org/codes#{rule['id'].lower()}"
    (document,) = json.loads(render(SAMPLE, "json", address))
    assert document["url"] == "https://docs.example.org/codes#step101"
    (tmp_path / "harness.toml").write_text('[lint]\npage = "codes.html"\n')
    with pytest.raises(WrongContract, match=r"harness\.toml:2: lint\.page"):
        settings(tmp_path)


def test_json_leads_to_the_page_that_comes_with_the_package() -> None:
    for code in CODES:
        (document,) = json.loads(render([replace(SAMPLE[0], code=code)], "json"))
        link = urlsplit(document["url"])
        text = Path(unquote(link.path)).read_text(encoding="utf-8")
        assert f"\n## {link.fragment.upper()}\n" in text
    assert text == page()


def test_github() -> None:
    assert render(SAMPLE, "github") == (
        "::error file=a%2Cb.py,line=3,col=7,title=STEP101::100%25 wrong:%0Athis: mend, it\n"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_ends_with_1_when_there_is_a_problem(tmp_path: Path, form: str) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    step = str(TOP / "dummy_training")
    result = CliRunner().invoke(cli, ["lint", step, "--script", str(wrong), "--format", form])
    assert result.exit_code == 1
    assert "the environment variable REGION is read" in result.output
    assert CliRunner().invoke(cli, ["lint", step, "--format", form]).exit_code == 0


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a b/é%.py", "a%20b/%C3%A9%25.py"),
        ("/elsewhere/a b.py", "file:///elsewhere/a%20b.py"),
        (os.fsdecode(b"\xff.py"), "%FF.py"),
    ],
)
def test_sarif_names_files_by_uri(file: str, uri: str) -> None:
    problem = Problem("STEP101", "m", "f", Path(file), 1, 1)
    (result,) = json.loads(render([problem], "sarif"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri}


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_whose_name_is_not_utf_8_can_be_printed(form: str) -> None:
    problem = Problem("STEP101", "m", "f", Path(os.fsdecode(b"\xff.py")), 1, 1)
    assert render([problem], form).encode()


def test_files_are_named_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working_directory = tmp_path / "working_directory"
    working_directory.mkdir()
    monkeypatch.chdir(working_directory)
    inside = Problem("STEP101", "m", "f", working_directory / "steps/x.py", 1, 1)
    outside = Problem("STEP101", "m", "f", tmp_path / "x.py", 1, 1)
    assert render([inside], "text").startswith("steps/x.py:1:1: ")
    assert render([outside], "text").startswith(f"{tmp_path}/x.py:1:1: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "xml", str(STEP)],
        [str(STEP), str(STEP), "--script", str(STEP / "dummy_training.py")],
        ["--unknown"],
    ],
)
def test_wrong_use_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["lint", *arguments]).exit_code == 2


def test_one_command_takes_contracts_of_every_form(tmp_path: Path) -> None:
    code = tmp_path / "scripts"
    code.mkdir()
    (code / "step.py").write_text("x = open('/opt/ml/other')\n")
    interface = tmp_path / "one.step.yaml"
    interface.write_text(
        "contract:\n  entry_point: step.py\n  outputs: {out: {path: /opt/ml/processing/output}}\n"
    )
    contract = tmp_path / "two.py"
    contract.write_text(
        "class Contract:\n    entry_point = 'step.py'\n    expected_input_paths = {}\n"
        "    expected_output_paths = {'out': '/opt/ml/processing/output'}\nCONTRACT = Contract()\n"
    )
    command = ["lint", str(interface), str(contract), "--code", str(code), "--format", "json"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    found = sorted(one["code"] for one in json.loads(result.stdout))
    assert found == ["STEP101", "STEP102", "STEP102"]
    result = CliRunner().invoke(cli, ["lint", str(STEP), str(interface), "--code", str(tmp_path)])
    assert result.exit_code != 0


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_explained(code: str) -> None:
    result = CliRunner().invoke(cli, ["explain", code])
    assert result.exit_code == 0
    known = CODES[code]
    assert known.meaning in result.output
    assert known.why in result.output
    assert known.right.splitlines()[0] in result.output
    assert f"{code:24} {known.meaning}" in CliRunner().invoke(cli, ["explain"]).output


def test_an_unknown_code_is_not_explained() -> None:
    assert describe_code("STEP999") is None
