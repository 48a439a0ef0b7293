"""Makes a new step from the template; it conforms before it is edited."""

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
    """Make a step in `folder`, named after it; returns the paths of its files, sorted.

    Raises `WrongUse` when the name is not that of a Python module, or the folder exists. After an
    error nothing is left behind.
    """
    name = folder.name
    if not _NAME.fullmatch(name):
        hint = "begin with a letter; go on with small letters, digits and _"
        raise WrongUse(f"{name!r} is no name for a step", hint)
    if folder.exists():
        raise WrongUse(f"{folder} is there already", "choose another name, or remove it first")
    substitutions = {"name": name, "title": name.replace("_", " ").capitalize()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary,
            as_file(files("harness.commands") / "template") as template,
        ):
            step_folder = Path(temporary) / name
            shutil.copytree(template / _SAMPLES, step_folder / _SAMPLES)
            # Templates end in .txt, so that tools do not process them as scripts or contracts.
            for path in template.glob("*.txt"):
                target = f"{name}.py" if path.stem == "script.py" else path.stem
                text = Template(path.read_text(encoding="utf-8")).substitute(substitutions)
                (step_folder / target).write_text(text, encoding="utf-8")
            step_folder.rename(folder)
    except OSError as error:
        raise WrongUse(f"{folder} cannot be made: {error.strerror}", "name another place") from None
    return sorted(path for path in folder.rglob("*") if path.is_file())
