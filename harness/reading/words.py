"""The words of the command line that a script takes without a parser."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from harness.reading.recorder import Recorder
from harness.reading.values import (
    UNKNOWN,
    Argument,
    Arguments,
    Constant,
    Parsed,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    known_text,
    of_key,
    options_of,
)

# A word of the command line, wherever it stands there.
WORD = Unknown("word")
# They tell nothing of what the words are.
HARMLESS = (
    *("len", "print", "int", "float", "bool", "str", "repr", "list", "tuple", "iter", "exit"),
    *("isinstance", "sorted", "reversed", "set", "next"),
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

    def lose_words(self, *values: Value) -> None:
        """Words go where it is not seen which of them the script asks for."""
        options = (one for value in values for one in options_of(value))
        if any(isinstance(one, Arguments) or one == WORD for one in options):
            self.facts.words_escape = True

    def word_among(self, choices: Value, node: ast.AST) -> None:
        """`word in ("--name", "-n")`: names of one argument, as far as anybody knows."""
        known = choices.items if isinstance(choices, Row) and choices.whole else []
        if isinstance(choices, Table) and choices.whole:
            known = [of_key(one) for one in choices.items]
        self._keep_word([one for one in map(known_text, known) if one is not None], node)
        if not known:
            self.lose_words(WORD)

    def word_method(self, name: str, given: Sequence[Value], node: ast.AST) -> Value:
        """`word.startswith("--name=")`; what other methods make of a word may be any name."""
        for one in given if name == "startswith" else ():
            self.word(one, node)
        if name not in ("startswith", "endswith"):
            self.lose_words(WORD)
        return UNKNOWN

    def word(self, value: Value, node: ast.AST) -> None:
        """Keep that the script looks for a word on the command line."""
        known = known_text(value)
        self._keep_word([] if known is None else [known], node)

    def _keep_word(self, names: Sequence[str], node: ast.AST) -> None:
        """Keep an argument that has these names."""
        flags = tuple(one.rstrip("=") for one in names if re.match(r"--?[A-Za-z]", one))
        if not flags:
            return
        self.facts.parses = True
        if not any(set(one.names) >= set(flags) for one in self.facts.arguments):
            dest = max(flags, key=len).lstrip("-").replace("-", "_")
            self.facts.arguments.append(
                Argument(flags, dest, self.place(node), "?", source="argv", used=True)
            )

    def word_at(self, words: Arguments, index: Value, node: ast.AST) -> Value:
        """`sys.argv[1]`: an argument that has a place on the command line and no name."""
        number = index.value if isinstance(index, Constant) else None
        self.facts.words_escape = True
        if not isinstance(number, int) or number < 0 or words.skipped is None:
            return WORD
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
