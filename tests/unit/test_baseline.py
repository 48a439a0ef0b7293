"""A baseline: known defects do not fail, new ones do, fixed ones are told."""

import datetime
from pathlib import Path

import pytest

from harness.cases.case import Finding, Result
from harness.errors import WrongContract, WrongUse
from harness.report import Plan, Summary
from harness.report.baseline import Baseline, Entry, read, write
from tests.unit.command import harness

COPIER = str(Path(__file__).parent / "steps" / "copier")
TODAY = datetime.date(2024, 5, 1)


def finding(key: str, cause: str = "", promise: str = "output") -> Finding:
    return Finding(promise, key, "a=1", "", "this", "that", "error", cause)


def summary(*findings: Finding, step: str = "copier") -> Summary:
    result = Result("a=1", findings, 1, 0.1, "")
    return Summary(Plan(step, "fake", ("a=1",), 1, ()), (result,), 1.0)


def baseline(*summaries: Summary) -> Baseline:
    return Baseline((), TODAY).updated(summaries)


def test_a_known_defect_is_a_warning_and_a_new_one_an_error() -> None:
    known = baseline(summary(finding("missing", "OSError at step.py:3")))
    moved, new = finding("missing", "OSError at step.py:9"), finding("missing")
    result = known.apply("copier", Result("a=1", (moved, new), 1, 0.1, ""))
    assert [one.severity for one in result.findings] == ["warning", "error"]
    assert known.apply("other", result).findings[1].severity == "error"


def test_a_defect_that_has_its_cause_in_another_file_is_new() -> None:
    known = baseline(summary(finding("missing", "OSError at step.py:3")))
    other = Result("a=1", (finding("missing", "OSError at helper.py:3"),), 1, 0.1, "")
    assert known.apply("copier", other).failed


def test_an_entry_counts_until_its_date() -> None:
    (entry,) = baseline(summary(finding("missing"))).entries
    result = summary(finding("missing")).results[0]
    for until, fails in ((TODAY, False), (TODAY - datetime.timedelta(1), True)):
        dated = Baseline((entry.model_copy(update={"until": until}),), TODAY)
        assert dated.apply("copier", result).failed is fails
        assert bool(dated.expired) is fails


def test_what_is_fixed_is_told_and_dropped() -> None:
    known = baseline(summary(finding("missing"), finding("other")))
    now = summary(finding("missing"))
    assert [one.key for one in known.fixed([now])] == ["other"]
    assert [one.key for one in known.updated([now]).entries] == ["missing"]
    # Nothing is said of cases that were not run.
    part = Summary(Plan("copier", "fake", ("a=1",), 7, ()), now.results, 1.0)
    assert known.fixed([part]) == ()
    assert known.fixed([summary(step="another")]) == ()


def test_each_entry_has_a_date_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "known.yaml", baseline(summary(finding("missing"), finding("other"))))
    assert (tmp_path / "known.yaml").read_text().count(f"first_seen: {TODAY}\n") == 2


def test_what_people_have_written_stays(tmp_path: Path) -> None:
    file = tmp_path / "baseline.yaml"
    known = baseline(summary(finding("missing")))
    edited = known.entries[0].model_copy(
        update={"owner": "me: you", "reason": "later\nor never", "until": TODAY}
    )
    write(file, Baseline((edited,), TODAY))
    later = read(file, TODAY + datetime.timedelta(30))
    assert later.entries == (edited,)
    updated = later.updated([summary(finding("missing"), finding("new"))])
    assert updated.entries[0] == edited
    assert updated.entries[1].first_seen == TODAY + datetime.timedelta(30)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("defects:\n- step: a\n  promise: b\n  key: c\n", "baseline.yaml:2: defects.0.first_seen"),
        ("defect: []\n", "baseline.yaml:1: defect: "),
        ("defects:\n- step: a\n  promise: b\n  key: c\n  first_seen: soon\n", "baseline.yaml:5: "),
        ("[]", "baseline.yaml:1: "),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "baseline.yaml").write_text(text)
    with pytest.raises(WrongContract, match=found):
        read(tmp_path / "baseline.yaml", TODAY)


def test_where_there_is_none_the_error_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="no such baseline") as caught:
        read(tmp_path / "known.yaml", TODAY)
    assert "harness baseline" in caught.value.hint


def test_from_the_first_run_to_a_green_one(tmp_path: Path) -> None:
    script = tmp_path / "bad.py"
    script.write_text("raise ValueError('x')\n")
    only = ("-k", "text=short", "--script", str(script))
    first = harness("check", COPIER, *only, "--json", "run.json", cwd=tmp_path)
    assert first.returncode == 1
    made = harness("baseline", "run.json", "known.yaml", cwd=tmp_path)
    assert (made.returncode, made.stdout) == (0, "known.yaml: 1 defect, 1 new, 0 dropped\n")
    again = harness("check", COPIER, *only, "--baseline", "known.yaml", cwd=tmp_path)
    assert again.returncode == 0
    assert "known: copier: exit-code: 1-for-0 (since " in again.stdout
    script.write_text("raise OSError('x')\n")
    other = harness("check", COPIER, *only, "--baseline", "known.yaml", cwd=tmp_path)
    assert other.returncode == 1
    absent = harness("check", COPIER, *only, "--baseline", "absent.yaml", cwd=tmp_path)
    assert absent.returncode == 2
    assert "absent.yaml: there is no such baseline" in absent.stderr


def test_an_entry_is_described_in_one_line() -> None:
    entry = Entry(step="s", promise="p", key="k", first_seen=TODAY, owner="me", reason="later")
    assert entry.described == "s: p: k (since 2024-05-01, owner me, later)"
