"""The expectations of dummy_training: what is logged and written on success and failure.

Patterns allow any wording: error codes, paths and marks alone are fixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import normpath

from harness.suite import Archive, Content, Expectation, Matches, Member

MODEL = "model_artifacts_input"
HYPERPARAMETERS = "hyperparameters_s3_uri"
CODE = "/opt/ml/code"
OUTPUT = "/opt/ml/processing/output/model"
WRITTEN = f"{OUTPUT}/model.tar.gz"


# What is collected of a training job.
COLLECTED = "/opt/ml/model"
# A level of WARNING or above, as logs have it: a word in a text or in JSON, a letter before the
# message, or a number of Python, OpenTelemetry, GELF or syslog.
_PRIORITY = "|".join(str(one) for one in range(192) if one % 8 <= 4)
_LEVEL = (
    r"(?:warn|error|crit|fatal|⚠|\b(?:wrn|err|crt|ftl)\b"
    r"|(?:^|\[)(?:[^\w\n]|\d[TZ]?)*\b(?-i:[WECF])\d*\b"
    rf"|^<(?:{_PRIORITY})>|severity_?number\W{{1,4}}(?:1[3-9]|2[0-4])\b"
    r"|(?:level|severity|priority)\w*\W{1,4}(?:[345]0|[0-4])\b)"
)


def assigned(what: str, folder: str, *, channel: bool) -> Matches:
    """The log has a line with the mark of an input and its folder."""
    mark = "[Input Channel]" if channel else "[SOURCE Fallback]"
    line = rf"^(?=.*{re.escape(mark)}).*{_path(folder)}"
    return Matches(f"{what}-mark", line, f"a line with {mark} and {folder}")


def _path(folder: str) -> str:
    """A folder, or the file that is looked for in it."""
    return rf"{re.escape(folder)}(?:/(?:model\.tar\.gz|hyperparameters\.json)?)?(?![\w/-])"


def searched(path: str) -> Matches:
    """The error names a searched path: the file itself, or its folder."""
    folder = re.escape(path.rpartition("/")[0])
    paths = rf"{re.escape(path)}(?![\w/-])|{folder}/?(?![\w/-]|\.\w)"
    return Matches("searched-place", paths, f"names {path}")


def failure(error: tuple[Matches, ...], log: tuple[Matches, ...] = ()) -> Expectation:
    """Exit code 1, no output, and these texts in the error and the log."""
    return Expectation(exit_code=1, error=error, log=log)


def no_model(folder: str, script_folder: str, marks: tuple[Matches, ...] = ()) -> Expectation:
    """No model: the error names both searched paths."""
    paths = (searched(f"{folder}/model.tar.gz"), searched(f"{script_folder}/model.tar.gz"))
    return failure(paths, marks)


def no_hyperparameters(path: str, folder: str, marks: tuple[Matches, ...] = ()) -> Expectation:
    """No hyperparameters: the error names archive and folder."""
    of_archive = Matches(
        "searched-archive", rf"{re.escape(path)}|\bmodel\.tar\.gz\b", f"names the archive {path}"
    )
    of_folder = Matches("searched-place", _path(folder), f"names {folder}/hyperparameters.json")
    return failure((of_archive, of_folder), marks)


def kept(
    content: tuple[Member, ...],
    marks: tuple[Matches, ...] = (),
    *,
    ignored: str = "",
    malformed: bool = False,
    linked: bytes | None = None,
    training: bool = False,
) -> Expectation:
    """The embedded hyperparameters are kept; those in the folder `ignored`, with a warning.

    `malformed` ones are kept with a warning. A link to a file with the bytes `linked` becomes a
    regular file with these bytes.
    """
    log = [*marks, Matches("kept", r"HYPERPARAMETERS ALREADY IN MODEL", "says which are kept")]
    if malformed:
        # Neither the warning about those that are ignored, nor that they are not in a folder.
        others = rf"(?!.*IGNORED)(?!.*/hyperparams/)(?!.*{HYPERPARAMETERS})"
        line = rf"^{others}(?=.*{_LEVEL}).*hyperparameters\.json"
        meaning = "a warning that names hyperparameters.json"
        log.append(Matches("malformed", line, meaning))
    if ignored:
        line = rf"^(?=.*{_LEVEL})(?=.*IGNORED).*{_path(ignored)}"
        log.append(Matches("ignored", line, f"a warning with IGNORED and {ignored}"))
    return _written(content, linked, log, training=training)


def injected(
    content: tuple[Member, ...],
    data: bytes,
    marks: tuple[Matches, ...] = (),
    *,
    training: bool = False,
) -> Expectation:
    """The provided hyperparameters are added to the archive, byte for byte."""
    logged = Matches("injected", r"HYPERPARAMETERS NOT IN MODEL", "says that there are none")
    return _written(content, data, [*marks, logged], training=training)


def _written(
    content: tuple[Member, ...], data: bytes | None, log: list[Matches], *, training: bool
) -> Expectation:
    """The archive is written, its members are listed and summed up; a training job has them too."""
    log.append(Matches("summary", r"Tar creation summary", "a summary of the archive"))
    for member in content:
        # How others are shown is open.
        if re.fullmatch(r"[\w./ -]+", member.name, re.ASCII) and normpath(member.name) != ".":
            names = "|".join(map(re.escape, (member.name, normpath(member.name))))
            log.append(Matches("listed", names, f"the name of the member {member.name}"))
    writes: dict[str, Archive | Content] = {WRITTEN: Archive(content, data)}
    if training:
        writes.update(_collected(content, data))
    return Expectation(writes=writes, log=tuple(log))


def _collected(content: tuple[Member, ...], data: bytes | None) -> Iterator[tuple[str, Content]]:
    """What a training job must have in the folder that is collected of it."""
    files = {normpath(one.name): one for one in content}
    for name, member in files.items():
        path = f"{COLLECTED}/{name}"
        if name == "." or (name == "hyperparameters.json" and data is not None):
            continue
        if member.kind == "directory":
            yield path, Content("directory", mode=member.mode)
        elif member.kind == "symlink":
            yield path, Content("symlink", target=member.target)
        else:
            source = files[normpath(member.target)] if member.kind == "hardlink" else member
            yield path, Content(data=source.data, mode=source.mode, mtime=source.mtime)
    if data is not None:
        yield f"{COLLECTED}/hyperparameters.json", Content(data=data)


_CODES = ("INVALID_FORMAT", "INVALID_ARCHIVE", "UNSAFE_MEMBER", "INVALID_HYPERPARAMETERS")


def error_code(code: str) -> tuple[Matches, Matches]:
    """The error names its code, and no other one."""
    return Matches(code, rf"\b{code}\b", f"the error code {code}"), no_code_but(code)


def no_code_but(code: str = "") -> Matches:
    """The error does not name the codes of other errors."""
    others = "|".join(one for one in _CODES if one != code)
    meaning = "no error code" + (f" but {code}" if code else "")
    return Matches("own-fault", rf"\A(?![\s\S]*\b(?:{others})\b)", meaning)
