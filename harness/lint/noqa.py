"""Comments that silence problems: `# noqa: STEP101`, and `# harness: noqa: STEP101` for a file."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.lint.codes import OLD_PREFIX, PREFIX, current

_CODES = r"(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)"
_LINE = re.compile(rf"#\s*noqa\b(?!\s*:)|#\s*noqa\s*:\s*{_CODES}", re.I)
_FILE = re.compile(rf"#\s*harness\s*:\s*noqa\b(?:\s*:\s*{_CODES})?", re.I)
_OURS = re.compile(rf"{PREFIX}\d+|{OLD_PREFIX}\d{{3}}", re.I)


@dataclass
class Noqa:
    """A comment that silences codes, all of them where it names none."""

    line: int
    column: int
    codes: frozenset[str]
    whole_file: bool = False
    is_bare: bool = False
    used: set[str] = field(default_factory=set)

    def silences(self, code: str, line: int) -> bool:
        """Whether it silences a code in a line."""
        if not (self.whole_file or self.line == line):
            return False
        if self.is_bare or code in self.codes:
            self.used.add(code)
            return True
        return False

    @property
    def unused(self) -> tuple[str, ...]:
        """The codes of this linter that it names for nothing."""
        return tuple(sorted(self.codes - self.used))


def comments(source: str) -> Sequence[Noqa]:
    """The comments of a source that silence something; those in strings are none."""
    if "noqa" not in source.lower():
        return ()
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found += list(_read(token.string, *token.start))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        pass
    return found


def _read(comment: str, line: int, column: int) -> Iterable[Noqa]:
    for pattern, whole in ((_FILE, True), (_LINE, False)):
        found = pattern.search(comment)
        if found is None:
            continue
        listed = re.split(r"[\s,]+", found["codes"].upper()) if found["codes"] else []
        ours = frozenset(current(one) for one in listed if _OURS.fullmatch(one))
        if ours or not listed:
            yield Noqa(line, column + found.start() + 1, ours, whole, not listed)
        return
