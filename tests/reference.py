"""Writes the reference of contract.yaml into the README: `python -m tests.reference`."""

from __future__ import annotations

from pathlib import Path

from harness.contracts.reference import markdown

BEGIN, END = "<!-- keys -->\n", "<!-- end of keys -->\n"


def in_readme(text: str) -> str:
    """The README with the reference as the model gives it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{markdown()}{END}{after}"


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "README.md"
    path.write_text(in_readme(path.read_text(encoding="utf-8")), encoding="utf-8")
