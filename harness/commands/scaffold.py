"""New steps: a folder that conforms from the start, to be changed into what is wanted."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from string import Template

from harness.errors import WrongUse

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SAMPLES = "samples"


def scaffold(folder: Path) -> list[Path]:
    """Make a step in `folder`, under the folder's name; returns the files that were made.

    Raises `WrongUse` when the name is none for a Python module, or something is there already.
    Nothing is left of a step that cannot be made whole.
    """
    name = folder.name
    if not _NAME.fullmatch(name):
        hint = "begin with a letter; go on with small letters, digits and _"
        raise WrongUse(f"{name!r} is no name for a step", hint)
    if folder.exists():
        raise WrongUse(f"{folder} is there already", "choose another name, or remove it first")
    words = {"name": name, "title": name.replace("_", " ").capitalize()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as beside,
            as_file(files("harness.commands") / "template") as template,
        ):
            made = Path(beside) / name
            shutil.copytree(template / _SAMPLES, made / _SAMPLES)
            # Templates end in .txt, so that no tool takes them for what they become.
            for path in template.glob("*.txt"):
                target = f"{name}.py" if path.stem == "script.py" else path.stem
                text = Template(path.read_text(encoding="utf-8")).substitute(words)
                (made / target).write_text(text, encoding="utf-8")
            made.rename(folder)
    except OSError as error:
        raise WrongUse(f"{folder} cannot be made: {error.strerror}", "name another place") from None
    return sorted(path for path in folder.rglob("*") if path.is_file())
