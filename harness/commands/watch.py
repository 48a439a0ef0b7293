"""`harness watch`: check steps again whenever one of their files changes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import click

from harness.commands.check import check
from harness.commands.defaults import default_map, default_steps
from harness.commands.options import EPILOG, program_words
from harness.errors import WrongUse

# How often the watcher looks whether it has been stopped, in milliseconds.
_WAKE = 500
# What runs write themselves: the cache, and files before they are renamed.
_OWN_FOLDER, _OWN_FILES = ".cache", r"^\.harness-"


@click.command(
    epilog=EPILOG,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[STEP]... [OPTIONS]")
def watch(arguments: tuple[str, ...]) -> None:
    """Check each STEP, and again what a change of its files touches, until Ctrl-C.

    The options are those of harness check; verdicts are kept as with --cache.
    """
    try:
        import watchfiles
    except ImportError:
        raise WrongUse(
            "harness watch needs the package watchfiles",
            "install it where the harness is: pip install 'watchfiles>=0.21'",
        ) from None

    asked = check.make_context("check", list(arguments), default_map=dict(default_map("check")))
    written = {Path(text.partition("=")[2]).resolve() for text in asked.params["report_texts"]}

    class Filter(watchfiles.DefaultFilter):
        """All but what runs write themselves."""

        ignore_dirs = (*watchfiles.DefaultFilter.ignore_dirs, _OWN_FOLDER)
        ignore_entity_patterns = (*watchfiles.DefaultFilter.ignore_entity_patterns, _OWN_FILES)

        def __call__(self, change: watchfiles.Change, path: str) -> bool:
            return super().__call__(change, path) and Path(path) not in written

    command = [*program_words(), "check", *arguments, "--cache"]
    is_first = True
    # The watcher is there before the first run, so that no change is missed.
    for changes in watchfiles.watch(
        *_folders(asked.params),
        watch_filter=Filter(),
        rust_timeout=_WAKE,
        yield_on_timeout=True,
        raise_interrupt=True,
    ):
        if is_first or changes:
            is_first = False
            subprocess.run(command, check=False)
            click.echo("waiting for changes; Ctrl-C ends")


def _folders(options: dict[str, Any]) -> set[Path]:
    """The folders of the steps, and of a script that is elsewhere."""
    paths = [*(options["steps"] or default_steps()), options["code"], options["script"]]
    found = [Path(one).resolve() for one in paths if one is not None]
    for one in found:
        if not one.exists():
            raise WrongUse(f"there is no {one}", "name a step")
    return {one if one.is_dir() else one.parent for one in found}
