"""What names a missing input, variable or argument in an error, as regular expressions.

Its paths and file names do, and so does its own name as a whole word. A name that is also a word of
the platform's folders, such as `data` or `model`, occurs in any path and in many sentences: it
counts only in quotes, or beside the word channel or input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from harness.contracts.contract import Input
from harness.worlds import jobs
from harness.worlds.jobs import Job, Request

# No part of a longer word, path or file name.
_BEFORE = r"(?<![\w./-])"
_AFTER = r"(?![\w/-]|\.\w)"
_QUOTE = "[\"'`]"
_NAMES_MOUNTS = r"(?:channel|input)"


def names_of_input(job: Job, name: str, one: Input) -> Iterator[str]:
    """Everything that names this input of a job."""
    for folder in (*one.mounts, *(source for source in one.source if source != "{script_dir}")):
        path = folder.replace("{script_dir}", "").rstrip("/")
        yield rf"{re.escape(path)}(?![\w-])"
    for file in one.file_patterns:
        yield _file(file)
    for mount in one.mounts:
        for variable in _variables_with(job, mount):
            yield names_of_variable(variable)
    own_names = (name, *(PurePosixPath(mount).name for mount in one.mounts))
    for own_name in dict.fromkeys(own_names):
        yield from _word(own_name)


def names_of_variable(name: str) -> str:
    """What names an environment variable."""
    return rf"(?<!\w){_spelled(name)}(?!\w)"


def names_of_argument(name: str) -> Iterator[str]:
    """Everything that names an argument."""
    word = name.lstrip("-")
    yield rf"(?<![\w-])--?{_spelled(word)}(?![\w-])"
    yield from _word(word)


def _word(name: str) -> Iterator[str]:
    word = _spelled(name)
    # `'data': None` and `data=None` show a mapping, whatever the failure is.
    yield rf"{_QUOTE}{word}{_QUOTE}(?!\s*[:=])"
    yield rf"\b{_NAMES_MOUNTS}\s*[:=]?\s*{_QUOTE}?{word}{_AFTER}"
    yield rf"{_BEFORE}{word}{_QUOTE}?\s+{_NAMES_MOUNTS}\b"
    if name.lower() not in platform_words():
        yield rf"{_BEFORE}(?<!{_QUOTE}){word}{_AFTER}(?!\s*=|{_QUOTE})"


def _spelled(name: str) -> str:
    """The name, with dashes or underscores alike."""
    return re.sub(r"_|\\-", "[-_]", re.escape(name))


def _file(pattern: str) -> str:
    """A file name, or any that a pattern of names stands for, or the pattern itself."""
    name = PurePosixPath(pattern).name
    wild = "".join(r"[^/\s]*" if letter == "*" else re.escape(letter) for letter in name)
    return rf"(?<![\w]){wild.replace(re.escape('?'), r'[^/]')}(?!\w)"


@lru_cache(maxsize=1)
def platform_words() -> frozenset[str]:
    """The parts of the folders that jobs of all built-in types have."""
    words: set[str] = set()
    for name in jobs.built_in():
        job = jobs.profile(name)
        folders = (job.mounts, job.channels, job.code, job.working_directory, *job.folders)
        files = (*job.files, *job.config)
        for folder in (*folders, *(str(PurePosixPath(path).parent) for path in files)):
            words.update(part.lower() for part in PurePosixPath(folder).parts if part != "/")
    return frozenset(words)


def _variables_with(job: Job, mount: str) -> Iterator[str]:
    """The variables in which the job passes the folder of a channel."""
    folder, _, channel = mount.rpartition("/")
    if folder != job.channels:
        return
    without = job.variables(Request())
    for name, value in job.variables(Request(channels=(channel,))).items():
        if name not in without and value == mount:
            yield name
