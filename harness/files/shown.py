"""Text of others as it is shown: nothing in it acts on a terminal or on a CI service.

Scripts, file names, contracts and reports hold any text. It is escaped where it is shown, and kept
as it is where programs read it.
"""

from __future__ import annotations

import os
import shlex
import unicodedata
from collections.abc import Iterable

# What begins a line that CI services take for a command: GitHub's, and those of Azure and TeamCity.
_COMMANDS = ("::", "##")
_KEPT = "\n\t"


def shown(text: str) -> str:
    r"""The text with all that does not print escaped, as `\x1b`; lines stay lines.

    Control characters, marks that change the direction of text, and bytes that are no text do not
    print. Of a line that would be a command of a CI service, the first character is escaped.
    """
    if text.isascii() and text.isprintable() and not text.lstrip().startswith(_COMMANDS):
        return text
    return "\n".join(_shown_line(line) for line in text.split("\n"))


def shown_line(text: str) -> str:
    r"""The text on one line: its line ends are escaped too, as `\n`."""
    return shown(text).replace("\n", "\\n")


def shell_join(words: Iterable[str]) -> str:
    """A command line of one line that a shell reads as these words, whatever they hold."""
    return " ".join(shlex.quote(one) if shown_line(one) == one else _quoted(one) for one in words)


def _quoted(word: str) -> str:
    """A word that does not print, as bash and others read it: `$'a\\x1b'`."""
    parts = [
        chr(one) if 0x20 <= one < 0x7F and chr(one) not in "'\\" else f"\\x{one:02x}"
        for one in os.fsencode(word)
    ]
    return "$'" + "".join(parts) + "'"


def _shown_line(line: str) -> str:
    line = line.removesuffix("\r")
    escaped = "".join(one if _prints(one) else _escaped(one) for one in line)
    start = len(escaped) - len(escaped.lstrip())
    if escaped.startswith(_COMMANDS, start):
        return f"{escaped[:start]}\\x{ord(escaped[start]):02x}{escaped[start + 1 :]}"
    return escaped


def _prints(one: str) -> bool:
    return one.isprintable() or one in _KEPT or unicodedata.category(one) == "Zs"


def _escaped(one: str) -> str:
    if "\udc80" <= one <= "\udcff":
        # A byte of a file name that is not UTF-8.
        return f"\\x{ord(one) - 0xDC00:02x}"
    return one.encode("unicode_escape").decode()
