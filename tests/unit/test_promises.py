"""Promises: correct outcomes have no finding, and each breach has one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Call, Case, Outcome, Result
from harness.cases.expectation import Content, Expectation, Matches, Raises, Returns
from harness.contracts import loaders
from harness.promises import Evidence, judge
from harness.promises.all import PROMISES
from harness.promises.errors import error_text, is_own_line
from harness.report import defects
from harness.worlds.tree import Entry, Tree

CONTRACT = loaders.load(Path(__file__).parent / "steps" / "copier")
INPUT = "/opt/ml/processing/input/text/text.txt"
COPY = "/opt/ml/processing/output/copy/text.txt"
OLD = "/opt/ml/processing/output/copy/old.txt"
BEFORE = (
    Tree()
    .with_directory("/tmp", mode=0o1777)
    .with_directory("/var/tmp", mode=0o1777)
    .with_file("/tmp/theirs", b"theirs")
    .with_file("/opt/ml/code/copier.py", b"...")
    .with_file("/opt/ml/config/resourceconfig.json", b"{}")
    .with_file(INPUT, b"text")
    .with_file(OLD, b"old")
)
GOOD = BEFORE.with_file(COPY, b"text")
CASE = Case(id="sample", tree=BEFORE, script="/opt/ml/code/copier.py")
WRITES = Expectation(
    writes={COPY: Content(data=b"text")}, log=(Matches("copied", "copied", "says copied"),)
)
FAILS = Expectation(exit_code=1, error=(Matches("file", r"text\.txt", "names text.txt"),))
STDERR = """\
INFO looking for other.txt
Traceback (most recent call last):
  File "copier.py", line 3, in <module>
    open("secret.txt")
FileNotFoundError: no text.txt
Put it into the channel.
"""


def outcome(after: Tree | None, code: int | None = 0, err: str = "", out: str = "") -> Outcome:
    return Outcome(code, out, err, 0.1, BEFORE, after)


WRITTEN = outcome(GOOD, out="copied")
FAILED = outcome(BEFORE, 1, STDERR)


def found(expected: Expectation, result: Outcome, case: Case = CASE) -> list[tuple[str, str]]:
    return [(f.promise, f.key) for f in judge(Evidence(CONTRACT, case, expected, result)).findings]


def test_correct_outcomes_have_no_finding() -> None:
    assert found(WRITES, WRITTEN) == []
    assert found(FAILS, FAILED) == []


def changed_entry(path: str, **changes: object) -> Tree:
    return GOOD.with_entry(path, replace(GOOD.entries[path], **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "promise", "key"),
    [
        (BEFORE, "output", "missing"),
        (GOOD.with_file(COPY, b"tex"), "output", "wrong-bytes"),
        (BEFORE.with_directory(COPY), "output", "wrong-type"),
        (GOOD.without(OLD), "older-output", "older-output-gone"),
        (GOOD.with_file(OLD, b"new"), "older-output", "older-output-changed"),
        (GOOD.without(INPUT), "inputs-unchanged", "removed"),
        (changed_entry(INPUT, data=b"txet"), "inputs-unchanged", "content-changed"),
        (changed_entry(INPUT, mode=0o600), "inputs-unchanged", "mode-changed"),
        (changed_entry(INPUT, mtime=1.0), "inputs-unchanged", "mtime-changed"),
        (changed_entry(INPUT, uid=5), "inputs-unchanged", "owner-changed"),
        (changed_entry("/opt/ml/code", mtime=1.0), "inputs-unchanged", "mtime-changed"),
        (changed_entry("/opt/ml/code/copier.py", data=b""), "inputs-unchanged", "content-changed"),
        (GOOD.with_file(INPUT + ".part", b""), "nothing-undeclared", "written"),
        (GOOD.with_file(COPY + ".part", b""), "nothing-undeclared", "written"),
        (GOOD.with_file("/root-x", b""), "nothing-undeclared", "written"),
        (GOOD.with_directory("/opt/ml/output"), "nothing-undeclared", "written"),
        (
            changed_entry("/opt/ml/config/resourceconfig.json", data=b""),
            "nothing-undeclared",
            "changed",
        ),
        (GOOD.without("/opt/ml/config"), "nothing-undeclared", "removed"),
        (GOOD.with_file("/tmp/x", b""), "scratch-clean", "left-behind"),
        (GOOD.with_directory("/var/tmp/x"), "scratch-clean", "left-behind"),
        (GOOD.with_file("/tmp/theirs", b"mine"), "scratch-clean", "changed"),
        (GOOD.without("/tmp/theirs"), "scratch-clean", "removed"),
    ],
)
def test_errors_in_the_tree_are_found(after: Tree, promise: str, key: str) -> None:
    assert (promise, key) in found(WRITES, replace(WRITTEN, after=after))
    assert {one for one, _ in found(WRITES, replace(WRITTEN, after=after))} == {promise}


def dated(tree: Tree, path: str, mtime: float = 1.0) -> Tree:
    return tree.with_entry(path, replace(tree.entries[path], mtime=mtime))


FOLDER = str(Path(INPUT).parent)
REWRITTEN = replace(GOOD.entries[INPUT], data=b"txet", mtime=1.0)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (dated(GOOD, FOLDER), [("mtime-changed", FOLDER)]),
        (dated(GOOD.with_file(f"{FOLDER}/a/b", b""), FOLDER), [("written", f"{FOLDER}/a")]),
        (dated(GOOD.without(INPUT), FOLDER), [("removed", INPUT)]),
        (dated(GOOD.with_entry(INPUT, REWRITTEN), FOLDER), [("content-changed", INPUT)]),
        (dated(dated(GOOD, INPUT), FOLDER), [("mtime-changed", INPUT)]),
    ],
)
def test_a_change_of_an_input_folder_is_told_once(after: Tree, told: list[tuple[str, str]]) -> None:
    verdict = judge(Evidence(CONTRACT, CASE, WRITES, replace(WRITTEN, after=after)))
    of_inputs = [one for one in verdict.findings if one.promise == "inputs-unchanged"]
    assert [(one.key, one.where) for one in of_inputs] == told
    result = Result(CASE.id, verdict.findings, 0, 0.1, "")
    assert len(defects([result])) == 1


@pytest.mark.parametrize(
    ("after", "promise", "key", "where"),
    [
        (GOOD.with_file("/opt/ml/a/b/c", b""), "nothing-undeclared", "written", "/opt/ml/a"),
        (GOOD.without("/opt/ml/config"), "nothing-undeclared", "removed", "/opt/ml/config"),
        (GOOD.with_file("/tmp/a/b/c", b""), "scratch-clean", "left-behind", "/tmp/a"),
        (
            GOOD.without("/opt/ml/processing/input"),
            "inputs-unchanged",
            "removed",
            Path(INPUT).parent,
        ),
    ],
)
def test_a_whole_folder_is_told_once(after: Tree, promise: str, key: str, where: object) -> None:
    result = replace(WRITTEN, after=after)
    verdict = judge(Evidence(CONTRACT, CASE, WRITES, result))
    told = [(one.promise, one.key, one.where) for one in verdict.findings]
    assert told.count((promise, key, str(where))) == 1
    assert not any(
        Path(path).is_relative_to(str(where)) for _, _, path in told if path != str(where)
    )


def test_a_failure_must_not_write_outputs() -> None:
    assert found(FAILS, replace(FAILED, after=GOOD)) == [("nothing-undeclared", "written")]


def test_parents_of_outputs_may_be_created() -> None:
    before = Tree().with_file("/opt/ml/code/copier.py", b"...")
    after = before.with_directory("/opt/ml/processing/output/copy")
    assert found(FAILS, replace(FAILED, before=before, after=after)) == []


@pytest.mark.parametrize(
    ("code", "key"), [(1, "1-for-0"), (2, "2-for-0"), (None, "hangs"), (139, "139-for-0")]
)
def test_a_wrong_exit_code_is_found_and_output_is_not_judged(code: int | None, key: str) -> None:
    assert found(WRITES, outcome(BEFORE, code)) == [("exit-code", key)]
    assert found(WRITES, outcome(None, code)) == [("exit-code", key)]


OWN_EXCEPTION_STDERR = """\
the step failed
Traceback (most recent call last):
  File "/opt/ml/code/copier.py", line 1, in <module>
    main()
__main__.NoText: text.txt must be in the channel
"""


@pytest.mark.parametrize(
    ("stderr", "promise", "key"),
    [
        (STDERR.replace("no text.txt", "no"), "error-named", "no-file"),
        (STDERR.replace("Put it into the channel.\n", ""), "error-advice", "no-advice"),
        ("text.txt is missing: add it\n", "error-traceback", "no-traceback"),
        (OWN_EXCEPTION_STDERR, "error-advice", "no-advice"),
    ],
)
def test_missing_parts_of_an_error_are_found(stderr: str, promise: str, key: str) -> None:
    assert found(FAILS, replace(FAILED, stderr=stderr)) == [(promise, key)]


def test_an_error_on_standard_output_does_not_count() -> None:
    promises = {one for one, _ in found(FAILS, outcome(BEFORE, 1, "", STDERR))}
    assert promises == {"error-named", "error-traceback", "error-advice"}


def test_a_missing_log_text_is_found() -> None:
    assert found(WRITES, outcome(GOOD)) == [("log", "no-copied")]
    assert found(WRITES, outcome(GOOD, err="COPIED")) == []


def test_error_text_begins_with_the_traceback_and_has_no_code() -> None:
    text = error_text(STDERR)
    assert "no text.txt" in text
    assert "other.txt" not in text
    assert "secret.txt" not in text


EXCEPTION = "no model.tar.gz in /opt/ml/code"


@pytest.mark.parametrize(
    "line",
    [
        "Put the model into the channel.",
        "2025-11-18 16:00:01 - ERROR - Aborted, see the log",
        '{"level": "ERROR", "msg": "Fix: rename the model"}',
        "\x1b[31mERROR\x1b[0m | __main__:run:12 - Action: re-upload the model",
        f"ERROR - {EXCEPTION}. Put it into the channel.",
        "Sanitize.",
        "Bitte das Modell neu hochladen.",
    ],
)
def test_lines_of_the_script_itself(line: str) -> None:
    assert is_own_line(line, EXCEPTION)


@pytest.mark.parametrize(
    "line",
    [
        "",
        '  File "/opt/ml/code/dummy_training.py", line 3, in main',
        f"FileNotFoundError: {EXCEPTION}",
        "tarfile.ReadError: unexpected end of data",
        f"2025-11-18 16:00:01 - ERROR - Error: {EXCEPTION}",
        f"{{'level': 'ERROR', 'msg': '{EXCEPTION}'}}",
        '{"exc_info": "Traceback (most recent call last):\\n  File"}',
        "2026-11-24 09:19:05,825 - " + "=" * 60,
    ],
)
def test_lines_that_only_repeat_the_error(line: str) -> None:
    assert not is_own_line(line, EXCEPTION)


@pytest.mark.parametrize(
    ("end", "is_told"),
    [
        ("Next steps:\n  1. Upload the model again.\n  2. Run the step again.", True),
        ("2025-11-18 16:00:01\n  ERROR: Put the model into the channel.", True),
        ("+----\n| Put the model into the channel.\n+----", True),
        ('Traceback (most recent call last):\n  File "/a.py", line 1, in f\n    g(model)', False),
        ('Stack (most recent call last):\n  File "/a.py", line 1, in f\n    g(model)', False),
    ],
)
def test_the_last_line_may_be_indented_outside_of_tracebacks(end: str, is_told: bool) -> None:
    promises = {one for one, _ in found(FAILS, outcome(BEFORE, 1, err=f"{STDERR}\n{end}\n"))}
    assert ("error-advice" not in promises) is is_told


@pytest.mark.parametrize(
    ("returned", "key"),
    [
        ({"returned": {"path": "/a"}}, None),
        ({"returned": "/a"}, "find-wrong"),
        ({"returned": None}, "find-wrong"),
        ({"raised": ["ValueError"], "message": ""}, "find-wrong"),
        ({"missing": True}, "find-missing"),
        ({"raised": ["SystemExit"], "message": "0", "importing": True}, "import-fails"),
        (None, "no-return"),
    ],
)
def test_results_of_functions(returned: dict[str, object] | None, key: str | None) -> None:
    case = replace(CASE, call=Call("find"))
    expected = Expectation(call=Returns({"path": "/a"}))
    call_outcome = replace(outcome(BEFORE), returned=returned)
    assert found(expected, call_outcome, case) == ([("functions", key)] if key else [])


@pytest.mark.parametrize(
    ("raised", "message", "passes"),
    [
        (["FileNotFoundError", "OSError"], "no model.tar.gz", True),
        (["Missing", "FileNotFoundError", "OSError"], "no model.tar.gz", True),
        (["FileNotFoundError", "OSError"], "nothing", False),
        (["ValueError"], "no model.tar.gz", False),
    ],
)
def test_exceptions_of_functions(raised: list[str], message: str, passes: bool) -> None:
    case = replace(CASE, call=Call("find"))
    expected = Expectation(call=Raises("FileNotFoundError", "model"))
    call_outcome = replace(outcome(BEFORE), returned={"raised": raised, "message": message})
    assert (found(expected, call_outcome, case) == []) is passes


def test_after_sigkill_only_outputs_and_inputs_are_judged() -> None:
    expected = Expectation(exit_code=137, dies=True)
    left = BEFORE.with_file("/tmp/x", b"").with_file(COPY + ".part", b"half")
    assert found(expected, outcome(left, 137)) == []
    partial = BEFORE.with_file(COPY, b"half")
    assert found(expected, outcome(partial, 137)) == [("nothing-undeclared", "written")]
    changed = BEFORE.with_file(OLD, b"half")
    assert found(expected, outcome(changed, 137)) == [("older-output", "older-output-changed")]
    damaged = BEFORE.with_entry(INPUT, Entry("file", b"damaged"))
    assert ("inputs-unchanged", "content-changed") in found(expected, outcome(damaged, 137))


def test_every_promise_has_a_name_and_a_sentence() -> None:
    names = [promise.name for promise in PROMISES]
    assert len(set(names)) == len(names)
    assert all(promise.sentence.endswith(".") for promise in PROMISES)
