"""Shards on the command line, and merging their reports: the report of one run, or an error."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cases.case import Finding, Result
from harness.cases.shard import Shard
from harness.errors import WrongUse
from harness.report.record import CaseRecord
from harness.runs.merge import merge_reports
from tests.unit.command import harness
from tests.unit.test_cli import COPIER, make_several_steps

N = 3
Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of a run of three steps: in three shards, and as a whole."""
    folder = tmp_path_factory.mktemp("run")
    steps = tmp_path_factory.mktemp("steps")
    make_several_steps(steps)
    for number in range(1, N + 1):
        report = str(folder / f"{number}.jsonl")
        done = harness("check", str(steps), "--shard", f"{number}/{N}", "--json", report)
        assert done.returncode == 1, done.stderr
        assert f" cases, fake runner, shard {number}/{N}\n" in done.stdout
    done = harness("check", str(steps), "--json", str(folder / "whole.jsonl"))
    (folder / "whole.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def shards(run: Path, tmp_path: Path) -> list[Path]:
    """Copies of the reports of all shards, which a test may change."""
    return [
        Path(shutil.copy(run / f"{number}.jsonl", tmp_path / f"{number}.jsonl"))
        for number in range(1, N + 1)
    ]


def without_seconds(path: Path) -> list[str]:
    return [re.sub(r'"seconds": [\d.]+', "", line) for line in path.read_text().splitlines()]


def without_timing(stdout: str) -> list[str]:
    """The output of `harness check` without what it says while it runs, and how fast."""
    live = r"  (\d+/\d+ cases, |failed: )"
    lines = [line for line in stdout.splitlines() if not re.match(live, line)]
    return [re.sub(r" in [\d.]+ s$", "", line) for line in lines]


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def edit(path: Path, change: Callable[[Lines], object]) -> None:
    """Write the lines of a report again, changed in place."""
    lines = lines_of(path)
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def step_lines(lines: Lines) -> Lines:
    """The lines with everything but the cases, one for each step."""
    return [line for line in lines if "totals" in line]


def test_shards_share_the_cases_of_every_step(run: Path) -> None:
    whole = [one["id"] for one in lines_of(run / "whole.jsonl") if "id" in one]
    ran = {
        number: [one["id"] for one in lines_of(run / f"{number}.jsonl") if "id" in one]
        for number in range(1, N + 1)
    }
    assert sorted(one for ids in ran.values() for one in ids) == sorted(whole)
    assert all(Shard(number, N).contains(one) for number, ids in ran.items() for one in ids)
    # Unproven cases are distributed too.
    unproven = [
        len(one["unproven"])
        for number in ran
        for one in step_lines(lines_of(run / f"{number}.jsonl"))
    ]
    assert sum(unproven) == 16
    assert 15 not in unproven


def test_merged_reports_equal_the_report_of_one_run(run: Path, tmp_path: Path) -> None:
    report = tmp_path / "merged.jsonl"
    files = [str(run / f"{number}.jsonl") for number in (2, 3, 1)]
    done = harness("merge", *files, "--json", str(report))
    assert (done.returncode, done.stderr) == (1, "")
    assert without_seconds(report) == without_seconds(run / "whole.jsonl")
    whole = (run / "whole.txt").read_text()
    assert "   replay    " in whole
    assert without_timing(done.stdout) == without_timing(whole)
    # The merged report is one of a whole run.
    again = harness("merge", str(report))
    assert without_timing(again.stdout) == without_timing(whole)


def test_reports_in_one_document_are_merged_too(tmp_path: Path) -> None:
    for number in (1, 2):
        report = str(tmp_path / f"{number}.json")
        done = harness("check", COPIER, "-k", "text", "--shard", f"{number}/2", "--json", report)
        assert done.returncode == 0
    done = harness("merge", str(tmp_path / "1.json"), str(tmp_path / "2.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("copier: 8 of 24 cases, fake runner\n8 passed, 0 failed in ")


def test_an_empty_shard_writes_its_report_and_passes(tmp_path: Path) -> None:
    case = "special=accents"
    (holds,) = (number for number in (1, 2) if Shard(number, 2).contains(case))
    reports = []
    for number in (1, 2):
        reports.append(str(tmp_path / f"{number}.jsonl"))
        done = harness(
            "check", COPIER, "--case", case, "--shard", f"{number}/2", "--json", reports[-1]
        )
        assert (done.returncode, done.stderr) == (0, "")
        count = int(number == holds)
        assert done.stdout.startswith(f"copier: {count} of 24 cases, fake runner, shard {number}/2")
    done = harness("merge", *reports)
    assert done.stdout.splitlines()[0] == "copier: 1 of 24 cases, fake runner"
    assert done.returncode == 0


def test_an_expression_without_cases_is_wrong_use_in_any_shard() -> None:
    done = harness("check", COPIER, "-k", "nonesuch", "--shard", "1/2")
    assert done.returncode == 2
    assert "selects none of 24 cases" in done.stderr


@pytest.mark.parametrize("text", ["0/3", "4/3", "x", "1/0", "3"])
def test_a_malformed_shard_is_wrong_use(text: str) -> None:
    done = harness("check", COPIER, "--shard", text)
    assert done.returncode == 2
    assert "write I/N, where I is a number from 1 to N, as in 2/4" in done.stderr


def test_wrong_use_of_merge_is_2(shards: list[Path]) -> None:
    done = harness("merge", *map(str, shards[:2]))
    assert done.returncode == 2
    assert (done.stdout, done.stderr) == (
        "",
        "harness: missing: shard 3/3\n"
        "  run harness check --shard 3/3 --json FILE, and name its report too\n",
    )
    assert harness("merge").returncode == 2


def assert_fails(paths: list[Path], message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        merge_reports(paths)
    assert re.search(message, caught.value.what), caught.value.what
    assert caught.value.hint


def test_a_missing_shard_is_named(shards: list[Path]) -> None:
    assert_fails(shards[1:2], "missing: shard 1/3, 3/3$")


def test_a_duplicate_shard_is_named(shards: list[Path]) -> None:
    assert_fails([*shards, shards[1]], r"shard 2/3 is there twice: .*2\.jsonl and .*2\.jsonl$")


def test_a_whole_run_is_merged_with_nothing_else(run: Path, shards: list[Path]) -> None:
    whole = run / "whole.jsonl"
    assert [len(one.results) for one in merge_reports([whole])] == [2, 24, 24]
    for paths in ([*shards, whole], [whole, *shards], [whole, whole]):
        assert_fails(paths, r"whole\.jsonl: is the report of a whole run, not of a shard")


def change_shard(number: int, of: int) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        for line in step_lines(lines):
            line["shard"].update(number=number, of=of)

    return change


def test_shards_of_another_number_are_an_error(shards: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    done = harness("check", COPIER, "--shard", "2/4", "--json", str(other))
    assert done.returncode == 0
    assert_fails(
        [shards[0], other, shards[2]], r"other\.jsonl: is one of 4 shards, .*1\.jsonl one of 3"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("runner", "sandbox", "derived: the runner: fake and sandbox"),
        ("image", "python:3.12", "derived: the image: None and python:3.12"),
        ("digest", "0" * 64, "derived: the digest of the step's files: "),
        ("matrix", 7, "the number of cases in the matrix: 2 and 7"),
        ("level", "practical", "the level: strict and practical"),
        ("waivers", {"output": "known"}, "what is waived: {} and {'output': 'known'}"),
        (
            "selection",
            {"expression": "x y", "cases": [], "pairwise": True, "profile": None},
            "the selection: all cases and -k 'x y' --pairwise",
        ),
    ],
)
def test_shards_of_different_runs_are_an_error(
    shards: list[Path], key: str, value: object, message: str
) -> None:
    edit(shards[2], lambda lines: [line.update({key: value}) for line in step_lines(lines)])
    assert_fails(shards, rf"1\.jsonl and .*3\.jsonl are not of one run: .*{re.escape(message)}")


def test_shards_of_other_steps_are_an_error(shards: list[Path]) -> None:
    def rename(lines: Lines) -> None:
        for line in step_lines(lines):
            line["campaign"] = [name.replace("good", "other") for name in line["campaign"]]
            line["step"] = line["step"].replace("good", "other")

    edit(shards[1], rename)
    assert_fails(shards, "the steps: derived, good, wrong and derived, other, wrong")


def test_shards_of_another_matrix_are_an_error(shards: list[Path]) -> None:
    edit(shards[1], lambda lines: step_lines(lines)[1]["shard"]["ids"].append("special=more"))
    held = Shard(2, N).contains("special=more")
    assert_fails(
        shards, "good: missing: special=more" if held else "good: the cases to be dealt out: "
    )


def test_another_version_of_the_harness_is_an_error(shards: list[Path]) -> None:
    edit(shards[1], lambda lines: [line.update(harness="0.0.7") for line in step_lines(lines)])
    assert_fails(shards, r"2\.jsonl: was written by harness 0\.0\.7; this is ")


def test_a_run_that_stopped_early_is_an_error(tmp_path: Path) -> None:
    make_several_steps(tmp_path)
    report = tmp_path / "report.jsonl"
    steps = [str(tmp_path / "wrong"), str(tmp_path / "good")]
    harness("check", *steps, "--max-fail", "1", "--json", str(report))
    assert_fails([report], r"report\.jsonl: the run stopped after 7 of 24 cases of wrong")
    # It may also stop between two steps.
    edit(report, lambda lines: step_lines(lines)[0]["totals"].update(planned=7))
    assert_fails(
        [report], "holds wrong of a run of wrong, good: it is cut short, or the run stopped"
    )


def test_a_case_that_is_missing_is_named(shards: list[Path]) -> None:
    missing = lines_of(shards[1])[-2]["id"]
    edit(shards[1], lambda lines: lines.pop(-2))
    assert_fails(shards, rf"2\.jsonl: wrong: missing: {re.escape(missing)}$")


def test_a_duplicate_case_is_named(shards: list[Path]) -> None:
    duplicate = lines_of(shards[1])[-2]["id"]
    edit(shards[1], lambda lines: lines.insert(-1, lines[-2]))
    assert_fails(shards, rf"2\.jsonl: wrong: there twice: {re.escape(duplicate)}$")


def test_a_case_of_another_shard_is_named(shards: list[Path]) -> None:
    other = lines_of(shards[2])[-2]
    edit(shards[1], lambda lines: lines.insert(-1, other))
    assert_fails(shards, rf"2\.jsonl: wrong: not of shard 2/3: {re.escape(other['id'])}$")


def test_a_case_that_is_missing_from_a_whole_run_is_found(run: Path, tmp_path: Path) -> None:
    report = Path(shutil.copy(run / "whole.jsonl", tmp_path))
    edit(report, lambda lines: lines.pop(-2))
    assert_fails(
        [report], "wrong: its totals are 24 planned, .* and its cases come to 23 planned, "
    )


def test_a_verdict_that_was_changed_is_found(shards: list[Path]) -> None:
    def pass_all(lines: Lines) -> None:
        for line in lines:
            if "findings" in line:
                line["findings"] = []

    edit(shards[1], pass_all)
    assert_fails(shards, "its totals are .*, and its cases come to .* 0 failed")


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (rewrite(lambda data: data[:-40]), r"2\.jsonl:\d+: is not JSON, or cut short"),
        (
            rewrite(lambda data: data[: data.rindex(b'{"schema"')]),
            "cut short: after .* cases the line",
        ),
        (
            rewrite(lambda data: data[: data.index(b'{"id"', data.index(b"schema"))]),
            "is cut short, or",
        ),
        (rewrite(lambda _: b""), "is no report: it is empty"),
        (rewrite(lambda _: b"\xff\n"), "is no report: it is not UTF-8"),
        (rewrite(lambda _: b"[1]\n"), r"2\.jsonl:1: is no line of a report"),
        (rewrite(lambda _: b"[" * 100_000), r"2\.jsonl:1: is no report: it is nested too deeply"),
        (rewrite(lambda _: b'{"a": 1}\n'), r"2\.jsonl:1: is no report of a step"),
        (
            rewrite(lambda data: data.replace(b'"replay"', b'"repaly"')),
            r"2\.jsonl:\d+: replay: is required",
        ),
        (
            rewrite(lambda data: data.replace(b'"passed": true', b'"passed": 7')),
            r"cases\.0\.passed: ",
        ),
        (Path.unlink, r"2\.jsonl: cannot be read: No such file or directory"),
        (lambda path: edit(path, change_shard(0, 3)), r"shard\.number: "),
        (
            lambda path: edit(path, lambda lines: step_lines(lines)[0]["shard"].update(number=1)),
            "its steps are of several shards",
        ),
    ],
)
def test_a_corrupt_report_is_an_error(
    shards: list[Path], corrupt: Callable[[Path], object], message: str
) -> None:
    corrupt(shards[1])
    assert_fails(shards, message)


@pytest.mark.parametrize("text", ["[]", "7", '{"steps": []}', '{"steps": [7]}', "{", "{}"])
def test_another_document_is_an_error(tmp_path: Path, text: str) -> None:
    report = tmp_path / "report.json"
    report.write_text(text)
    assert_fails([report], r"report\.json: is no report: it is empty|report\.json:1: ")


def test_a_verdict_is_read_as_it_was_written() -> None:
    odd = 'name \udcff, "quoted", \x00\x1b[31m\u2028\n[/bold]'
    finding = Finding("output", "wrong", "special=é", odd, odd, odd, "warning")
    result = Result("special=é", (finding, finding), None, 0.5, odd, cached=True)
    written = json.dumps(CaseRecord.from_result(result).model_dump(mode="json"))
    assert CaseRecord.model_validate(json.loads(written)).result == result
