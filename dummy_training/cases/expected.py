"""The expectations of dummy_training: what is logged and written on success and failure.

Patterns allow any wording; only error codes, paths and marks are fixed.
"""

from __future__ import annotations

import re

from harness.suite import Archive, Expectation, Matches, Member

MODEL = "model_artifacts_input"
HYPERPARAMETERS = "hyperparameters_s3_uri"
CODE = "/opt/ml/code"
OUTPUT = "/opt/ml/processing/output/model"
WRITTEN = f"{OUTPUT}/model.tar.gz"


# Words that name an input in a line. The contract fixes the marks of assignments, not the words.
_INPUT_WORDS = {"model": r"model(?!\w*/)", "hyperparameters": r"hyper[ _-]?param\w*(?!\w*/)"}


def assigned(what: str, folder: str, *, channel: bool) -> Matches:
    """The log has a line with the mark of an input and its name or folder."""
    mark = "[Input Channel]" if channel else "[SOURCE Fallback]"
    end = r"(?:/(?:model\.tar\.gz|hyperparameters\.json)?)?(?![\w/-])"
    line = rf"^(?=.*{re.escape(mark)}).*(?:{re.escape(folder)}{end}|(?<![/\w]){_INPUT_WORDS[what]})"
    return Matches(f"{what}-mark", line, f"a line with {mark}, and {what} or {folder}")


def searched(path: str) -> Matches:
    """The error names a searched path: the file itself, or its folder."""
    folder = re.escape(path.rpartition("/")[0])
    paths = rf"{re.escape(path)}(?![\w/-])|{folder}/?(?![\w/-]|\.\w)"
    return Matches("searched-place", paths, f"names {path}")


def failure(error: tuple[Matches, ...], log: tuple[Matches, ...] = ()) -> Expectation:
    """Exit code 1, no output, and these texts in the error and the log."""
    return Expectation(exit_code=1, error=error, log=log)


CHANNEL_WINS = Matches(
    "channel-wins",
    r"\b(?:channels?|sources?|fall-?backs?|empty|mount(?:s|ed)?|exists|precedence|consult\w*)\b",
    "says that the channel exists, so that SOURCE folders were not consulted",
)


def no_model(
    folder: str, script_folder: str, marks: tuple[Matches, ...] = (), *, channel: bool = False
) -> Expectation:
    """No model: the error names both searched paths, and says when a channel was empty."""
    paths = (searched(f"{folder}/model.tar.gz"), searched(f"{script_folder}/model.tar.gz"))
    return failure((*paths, *((CHANNEL_WINS,) if channel else ())), marks)


def no_hyperparameters(
    path: str, folder: str, marks: tuple[Matches, ...] = (), *, channel: bool = False
) -> Expectation:
    """No hyperparameters: the error names archive and folder, and says when a channel was empty."""
    of_archive = Matches(
        "searched-archive", rf"{re.escape(path)}|\bmodel\.tar\.gz\b", f"names the archive {path}"
    )
    of_folder = Matches(
        "searched-place",
        rf"{re.escape(folder)}(?:/(?:hyperparameters\.json)?)?(?![\w/-])",
        f"names {folder}/hyperparameters.json",
    )
    return failure((of_archive, of_folder, *((CHANNEL_WINS,) if channel else ())), marks)


_MALFORMED = (
    r"malform|invalid|not (?:a |an )?(?:valid|json|well|proper|pars|read|object|utf)|pars(?:e|ing)"
    r"|decod|broken|corrupt|damaged|unreadable|illegal|bad\b|garbled|wrong|problem|expect"
    r"|odd|strange|unusual|fail|error"
)


def kept(
    content: tuple[Member, ...],
    marks: tuple[Matches, ...] = (),
    *,
    ignored: bool = False,
    malformed: bool = False,
    linked: bytes | None = None,
) -> Expectation:
    """The embedded hyperparameters are kept; provided ones are `ignored` with a warning.

    `malformed` ones are kept with a warning. A link to a file with the bytes `linked` becomes a
    regular file with these bytes.
    """
    log = [*marks, Matches("kept", r"already|embedded|kept|keep|preserv", "says which are kept")]
    if malformed:
        log.append(
            Matches("malformed", _MALFORMED, "warns that those of the archive are malformed")
        )
    if ignored:
        ignored_words = r"ignor|disregard|skip|not (?:be )?used|unused"
        log.append(Matches("ignored", ignored_words, "warns that the provided ones are ignored"))
    return Expectation(writes={WRITTEN: Archive(content, linked)}, log=tuple(log))


_PUT = r"inject|insert|includ|\badd|\bput|cop(?:y|ied)|writ|not in|missing|lack|absent|without"
_INJECTED = rf"hyper-?param.*(?:{_PUT})|(?:{_PUT}).*hyper-?param"


def injected(
    content: tuple[Member, ...], data: bytes, marks: tuple[Matches, ...] = ()
) -> Expectation:
    """The provided hyperparameters are added to the archive, byte for byte."""
    logged = Matches("injected", _INJECTED, "says that they are put in")
    return Expectation(writes={WRITTEN: Archive(content, data)}, log=(*marks, logged))


def error_code(code: str) -> Matches:
    """The error names its code."""
    return Matches(code, rf"\b{code}\b", f"the error code {code}")
