"""Parses a script of any version of Python, with limits."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

# In bytes; shorter sources cannot be nested deeply enough to crash the parser.
_SAFE_SIZE = 20_000
# In characters; larger sources of newer versions are not looked at.
_MOST_NEWER = 200_000
# In bytes; a script that a person wrote is shorter.
LARGEST_SCRIPT = 4_000_000


class NotPython(Exception):
    """The file cannot be parsed; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        """Keep message and position."""
        super().__init__(message)
        self.line = line
        self.column = column


class TooNew(Exception):
    """The file is Python of a version that this Python cannot parse."""


def parse(script: Path, source: bytes) -> tuple[str, ast.Module]:
    """The text and the tree of a source; raises `NotPython` and `TooNew`."""
    if len(source) > LARGEST_SCRIPT:
        raise NotPython(f"cannot be parsed: it has more than {LARGEST_SCRIPT} bytes")
    if not _can_be_parsed(source):
        raise NotPython("cannot be parsed: it is nested too deeply")
    try:
        text = importlib.util.decode_source(source)
    except SyntaxError as error:
        raise NotPython(f"cannot be parsed: {error.msg}") from None
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise NotPython(f"cannot be parsed: it is not {error.encoding}", line) from None
    except (ValueError, LookupError) as error:
        raise NotPython(f"cannot be parsed: {error}") from None
    try:
        return text, _tree(script, text)
    except SyntaxError as error:
        older = _in_older_syntax(text)
        if older not in (None, text):
            assert older is not None
            try:
                return text, _tree(script, older)
            except SyntaxError:
                raise TooNew(f"{script} is Python of a newer version than this") from None
        line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
        raise NotPython(f"cannot be parsed: {error.msg}", line, column) from None
    except (RecursionError, MemoryError):
        raise NotPython("cannot be parsed: it is nested too deeply") from None
    except (ValueError, LookupError) as error:
        raise NotPython(f"cannot be parsed: {error}") from None


def _tree(script: Path, text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, str(script))


def _in_older_syntax(text: str) -> str | None:
    """The same in syntax that older versions know, line by line; None when it is not Python."""
    if len(text) > _MOST_NEWER:
        return None
    # In a process of its own, which a source that is nested deeply may crash.
    program = [sys.executable, "-W", "ignore", "-m", "harness.reading.newer_syntax"]
    source = text.encode("utf-8", "surrogatepass")
    try:
        done = subprocess.run(program, input=source, capture_output=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.decode("utf-8", "surrogatepass") if done.returncode == 0 else None


def _can_be_parsed(source: bytes) -> bool:
    """Whether parsing does not crash Python: the parser of 3.10 may overflow the stack."""
    if sys.version_info >= (3, 11) or len(source) < _SAFE_SIZE:
        return True
    parse_it = "import ast, sys; ast.parse(sys.stdin.buffer.read())"
    probe = [sys.executable, "-W", "ignore", "-c", parse_it]
    return subprocess.run(probe, input=source, capture_output=True, check=False).returncode >= 0
