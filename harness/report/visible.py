"""Text of scripts, files and contracts, made visible: it does nothing where it is shown."""

from __future__ import annotations


def visible(text: str) -> str:
    """The text with its control and direction characters escaped, but for line ends and tabs."""
    return "".join(
        one if one in "\n\t" or one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    )
