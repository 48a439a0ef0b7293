"""The words of the command line that a script takes without a parser."""

from __future__ import annotations

import ast
import re

from harness.reading.recorder import Recorder
from harness.reading.values import (
    UNKNOWN,
    Argument,
    Arguments,
    Constant,
    Parsed,
    Result,
    Text,
    Unknown,
    Value,
    known_text,
    options_of,
)


def is_word(value: Value) -> bool:
    """Whether a value is a word of the command line, whatever it means."""
    if isinstance(value, Parsed):
        return value.argument.source == "argv"
    return isinstance(value, Unknown) and value.of == "word"


def word_in(value: Value) -> Argument | None:
    """The argument that a word at a known place is, also as a number."""
    if isinstance(value, Result) and value.name in ("builtins.int", "builtins.float"):
        value = value.of
    if isinstance(value, Text) and len(value.parts) == 1 and isinstance(value.parts[0], Parsed):
        value = value.parts[0]
    return value.argument if isinstance(value, Parsed) and value.argument.position else None


class Words(Recorder):
    """What the script does with `sys.argv`."""

    def word(self, value: Value, node: ast.AST, *, takes_value: bool = False) -> None:
        """Keep that the script looks for a word on the command line."""
        known = known_text(value)
        if known is None or not re.match(r"--?[A-Za-z]", known):
            return
        self.facts.parses = True
        flag = known.rstrip("=")
        if not any(one.names == (flag,) for one in self.facts.arguments):
            dest = flag.lstrip("-").replace("-", "_")
            self.facts.arguments.append(
                Argument((flag,), dest, self.place(node), "?", source="argv", used=True)
            )

    def word_at(self, words: Arguments, index: Value, node: ast.AST) -> Value:
        """`sys.argv[1]`: an argument that has a place on the command line and no name."""
        number = index.value if isinstance(index, Constant) else None
        self.facts.words_escape = True
        if not isinstance(number, int) or number < 0 or words.skipped is None:
            return Unknown("word")
        position = words.skipped + number
        if position == 0:
            # The script itself.
            return UNKNOWN
        name = f"sys.argv[{position}]"
        found = next((one for one in self.facts.arguments if one.names == (name,)), None)
        if found is None:
            found = Argument(
                (name,), f"argument_{position}", self.place(node), "str", source="argv"
            )
            found.positional = found.used = True
            found.reached = self.reached
            found.position = position
            self.facts.arguments.append(found)
        found.required = found.required or not self.branches
        found.reached = found.reached or self.reached
        return Parsed(found)

    def words_from(self, words: Arguments, lower: Value) -> Arguments:
        """`sys.argv[1:]`."""
        first = 0 if lower == Constant(None) else getattr(lower, "value", None)
        is_known = isinstance(first, int) and first >= 0 and words.skipped is not None
        return Arguments(words.skipped + first if is_known else None)  # type: ignore[operator]

    def name_word(self, value: Value, name: str) -> None:
        """A variable that a word is assigned to tells what the word is."""
        for one in options_of(value):
            argument = word_in(one)
            if argument is not None and not name.startswith("_"):
                is_new = argument.dest == f"argument_{argument.position}"
                argument.dest = name.lower() if is_new else argument.dest

    def default_of_word(self, value: Value, other: Value) -> None:
        """`sys.argv[1] if len(sys.argv) > 1 else "x"`."""
        argument = word_in(value)
        known = other.value if isinstance(other, Constant) else known_text(other)
        if argument is not None and known is not None:
            argument.default_value, argument.default, argument.has_default = other, known, True

    def read_word_as(self, value: Value, kind: str) -> None:
        """`int(sys.argv[1])`."""
        if (argument := word_in(value)) is not None:
            argument.type = kind
