"""What is read out of the tracebacks that scripts print, held against real ones of Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.files import patterns
from harness.promises import tracebacks
from harness.promises.tracebacks import last_failure, parse


def stderr_of(folder: Path, source: str) -> str:
    """What a real Python prints on standard error when it runs this as `step.py` in `folder`."""
    script = folder / "step.py"
    script.write_text(source)
    return subprocess.run([sys.executable, script], capture_output=True, text=True).stderr


def test_an_uncaught_exception_is_read_with_its_calls(tmp_path: Path) -> None:
    text = stderr_of(tmp_path, "def f(x):\n    return x / 0\nprint('here')\nf(1)\n")
    printed = parse(text)
    (found,) = printed.tracebacks
    assert (found.exception, found.message) == ("ZeroDivisionError", "division by zero")
    assert [(one.line, one.function, one.code) for one in found.frames] == [
        (4, "<module>", "f(1)"),
        (2, "f", "return x / 0"),
    ]
    assert printed.ends_with_traceback
    assert printed.lines == ()


def test_a_logged_traceback_stands_between_other_lines(tmp_path: Path) -> None:
    source = """
import json, logging
logging.basicConfig(format="%(levelname)s: %(message)s", level="INFO")
logging.info("begin")
try:
    json.loads("{")
except ValueError as error:
    logging.exception("cannot read it: %s", "why")
logging.error("mend the file")
"""
    printed = parse(stderr_of(tmp_path, source))
    assert printed.lines == ("INFO: begin", "ERROR: cannot read it: why", "ERROR: mend the file")
    assert not printed.ends_with_traceback
    assert printed.tracebacks[0].exception == "json.decoder.JSONDecodeError"
    assert any("Expecting property name" in one for one in printed.messages)


@pytest.mark.parametrize(
    ("last", "link"),
    [("raise KeyError('b') from error", "cause"), ("raise KeyError('b')", "during")],
)
def test_how_an_exception_followed_another_is_told(tmp_path: Path, last: str, link: str) -> None:
    source = f"try:\n    open('/nowhere/a')\nexcept OSError as error:\n    {last}\n"
    text = stderr_of(tmp_path, source)
    assert [(one.exception, one.link) for one in parse(text).tracebacks] == [
        ("FileNotFoundError", ""),
        ("KeyError", link),
    ]
    assert last_failure(text, str(tmp_path)) == "OSError at step.py:2"


def test_a_failure_in_a_library_is_told_by_the_script_s_own_line(tmp_path: Path) -> None:
    text = stderr_of(tmp_path, "import json\n\njson.loads('{')\n")
    assert last_failure(text, str(tmp_path)) == "json.decoder.JSONDecodeError at step.py:3"


def test_the_last_failure_counts(tmp_path: Path) -> None:
    source = """
import traceback
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
[][0]
"""
    assert last_failure(stderr_of(tmp_path, source), str(tmp_path)) == "IndexError at step.py:7"


@pytest.mark.parametrize(
    "text",
    ["", "just a line", "Traceback (most recent call last):", 'x\n  File "a", line 1\nOSError: b'],
)
def test_what_is_no_whole_traceback_is_none(text: str) -> None:
    assert parse(text).tracebacks == ()
    assert last_failure(text, "/opt/ml/code") == ""


def test_an_exception_without_a_message_and_deep_recursion_are_read(tmp_path: Path) -> None:
    text = stderr_of(tmp_path, "def f():\n    f()\nf()\n")
    (found,) = parse(text).tracebacks
    assert found.exception == "RecursionError"
    text = stderr_of(tmp_path, "class Mine(Exception): pass\nraise Mine\n")
    (found,) = parse(text).tracebacks
    assert (found.exception, found.message) == ("Mine", "")
    assert text.splitlines()[-1] == "Mine" or text.splitlines()[-1] == "__main__.Mine"


def test_only_short_texts_are_remembered() -> None:
    for remembered, ask in (
        (tracebacks._parse, parse),
        (patterns._search, lambda text: patterns.search("one", text)),
    ):
        ask("one line\n")
        before = remembered.cache_info().currsize
        ask("one line\n" * 2_000)
        assert remembered.cache_info().currsize == before > 0
