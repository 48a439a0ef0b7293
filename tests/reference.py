"""Writes what the pages have from the code into them: `python -m tests.reference`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.contracts.reference import markdown as contract_keys
from harness.contracts.reference import table
from harness.files.settings import LintSettings, Settings
from harness.lint.codes import page as page_of_codes
from harness.lint.problem import PAGE
from harness.promises.all import PROMISES

TOP = Path(__file__).parents[1]
DOCS = TOP / "harness" / "docs"


def _promises(*, tried: bool) -> Iterator[str]:
    yield "| promise | what must hold | `practical` |\n|---|---|---|"
    for one in PROMISES:
        if bool(one.circumstances) is tried:
            yield f"| `{one.name}` | {one.sentence} | {one.practical} |"


def _settings() -> Iterator[str]:
    yield f"{table(Settings)}\n\nKeys of `lint`:\n\n{table(LintSettings)}"


def _pages() -> Iterator[str]:
    yield "| page | |\n|---|---|"
    for page in sorted(DOCS.glob("*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        yield f"| [{page.stem}](harness/docs/{page.name}) | {title} |"


# What is generated: the file, the name between its marks, and what stands there.
SECTIONS: Mapping[tuple[Path, str], Callable[[], str]] = {
    (DOCS / "contract.md", "keys"): lambda: contract_keys().rstrip("\n"),
    (DOCS / "promises.md", "promises"): lambda: "\n".join(_promises(tried=False)),
    (DOCS / "promises.md", "circumstances"): lambda: "\n".join(_promises(tried=True)),
    (DOCS / "settings.md", "keys"): lambda: "\n".join(_settings()),
    (TOP / "README.md", "pages"): lambda: "\n".join(_pages()),
}


def with_section(text: str, name: str, content: str) -> str:
    """The text with this between the marks of that name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    assert found, f"there is no {begin}"
    assert closed, f"there is no {end}"
    return f"{before}{begin}\n{content}\n\n{end}{after}"


if __name__ == "__main__":
    for (path, name), content in SECTIONS.items():
        text = path.read_text(encoding="utf-8")
        path.write_text(with_section(text, name, content()), encoding="utf-8")
    PAGE.write_text(page_of_codes(), encoding="utf-8")
