"""`harness docs`: the pages of the documentation, in the terminal."""

from __future__ import annotations

from importlib.resources import files

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("topic", required=False, metavar="[TOPIC]")
def docs(topic: str | None) -> None:
    """Show the page about TOPIC; without one, which pages there are."""
    import difflib
    import re

    from rich.console import Console
    from rich.markdown import Markdown

    from harness.errors import WrongUse

    folder = files("harness") / "docs"
    pages = {
        one.name.removesuffix(".md"): one for one in folder.iterdir() if one.name.endswith(".md")
    }
    if topic is None:
        for name, page in sorted(pages.items()):
            title = page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
            click.echo(f"{name:16} {title}")
        return
    if topic not in pages:
        nearest = difflib.get_close_matches(topic, pages, n=1)
        raise WrongUse(
            f"there is no page {topic!r}",
            f"the nearest is {nearest[0]}" if nearest else f"they are: {', '.join(sorted(pages))}",
        )
    # Marks of what is generated mean nothing to readers.
    text = re.sub(r"<!--.*?-->\n?", "", pages[topic].read_text(encoding="utf-8"))
    console = Console()
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        click.echo(text, nl=False)
