"""The facts of a script that checks use: its syntax, its texts, and the positions of problems.

The script is parsed, not run.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import warnings
from functools import cached_property
from pathlib import Path

from harness.lint.problem import Problem, printable
from harness.lint.syntax import Syntax
from harness.lint.texts import Texts

# In bytes; shorter sources cannot be nested deeply enough to crash the parser.
_SAFE_SIZE = 20_000


class NotPython(Exception):
    """The file cannot be parsed; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        """Keep message and position."""
        super().__init__(message)
        self.line = line
        self.column = column


class Facts(Syntax):
    """A parsed script, as checks use it."""

    @cached_property
    def texts(self) -> Texts:
        """The texts of the script."""
        return Texts(self)

    def problem(self, code: str, message: str, fix: str, node: ast.AST | None = None) -> Problem:
        """A problem at a node, or at the beginning of the file."""
        line, column = 1, 1
        if isinstance(node, ast.expr | ast.stmt | ast.ExceptHandler):
            line = node.lineno
            # `col_offset` counts bytes of UTF-8.
            before = "".join(self.lines[line - 1 : line]).encode()[: node.col_offset]
            column = len(before.decode(errors="ignore")) + 1
        return Problem(code, printable(message), printable(fix), self.script, line, column)


def read(script: Path, source: bytes) -> Facts:
    """Parse a script; raises `NotPython`."""
    if not _can_be_parsed(source):
        raise NotPython("cannot be parsed: it is nested too deeply")
    try:
        text = importlib.util.decode_source(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, str(script))
    except SyntaxError as error:
        line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
        raise NotPython(f"cannot be parsed: {error.msg}", line, column) from None
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise NotPython(f"cannot be parsed: it is not {error.encoding}", line) from None
    except (RecursionError, MemoryError):
        raise NotPython("cannot be parsed: it is nested too deeply") from None
    except (ValueError, LookupError) as error:
        raise NotPython(f"cannot be parsed: {error}") from None
    return Facts(script, tree, tuple(text.split("\n")))


def _can_be_parsed(source: bytes) -> bool:
    """Whether parsing does not crash Python: the parser of 3.10 may overflow the stack."""
    if sys.version_info >= (3, 11) or len(source) < _SAFE_SIZE:
        return True
    parse = "import ast, sys; ast.parse(sys.stdin.buffer.read())"
    probe = [sys.executable, "-W", "ignore", "-c", parse]
    return subprocess.run(probe, input=source, capture_output=True, check=False).returncode >= 0
