"""Text on a terminal: lines are broken between words; elsewhere a line stays one line."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console

from harness.files.shown import shell_join

_CONTINUED = " \\"


def wrap(text: str, console: Console, indent: str = "") -> list[str]:
    """A line as the lines that a terminal shows; those after the first begin with `indent`.

    A word that is longer than a line, such as a path or the id of a case, stays whole.
    """
    if not console.is_terminal or len(text) <= console.width:
        return [text]
    margin = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.strip(),
        console.width,
        initial_indent=margin,
        subsequent_indent=indent or margin,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [text]


def wrap_command(words: Sequence[str], console: Console, margin: int) -> list[str]:
    """A command line as lines that a shell reads as one, `margin` columns short of the width."""
    line = shell_join(words)
    width = console.width - margin - len(_CONTINUED)
    if not console.is_terminal or len(line) <= width:
        return [line]
    lines = [""]
    for word in (shell_join([one]) for one in words):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("  " + word)
        else:
            lines[-1] += " " * bool(lines[-1]) + word
    return [*(one + _CONTINUED for one in lines[:-1]), lines[-1]]
