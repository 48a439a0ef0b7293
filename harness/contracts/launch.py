"""How the jobs of pipeline definitions start a script: which, with what, and where its code is."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.contracts.contract import Open

Words = tuple[str | Open, ...]
_PROCESSING = "/opt/ml/processing/input"
_RUNPROC = "runproc.sh"
_TOOLKIT = "sagemaker_"
_PROGRAM = "sagemaker_program"
# The channels that a ModelTrainer adds: the SDK's drivers, and the source folder.
_DRIVERS = "sm_drivers"
_MODEL_TRAINER = {"/opt/ml/input/data/code", "/opt/ml/input/data/sm_drivers"}


class NoScript(Exception):
    """The job runs a program that is no Python script of the user's."""


@dataclass(frozen=True)
class Launch:
    """How a script is started.

    `script` is its path in the code, "" where only the shell script `starter` says it. `declared`
    are the names of its arguments; `code_folders` hold code, and are no inputs of the contract.
    """

    profile: str
    script: str
    starter: str = ""
    arguments: Words = ()
    hyperparameters: Mapping[str, str | Open] = field(default_factory=dict)
    code: str | None = None
    code_folders: tuple[str, ...] = ()

    @property
    def declared(self) -> Mapping[str, str]:
        """The script's arguments: name → where it comes from."""
        names = [
            word.partition("=")[0]
            for word in self.arguments
            if isinstance(word, str) and word.startswith("--") and len(word) > len("--")
        ]
        hyperparameters = [name for name in self.hyperparameters if not name.startswith(_TOOLKIT)]
        return {
            **dict.fromkeys(names, "given by the job"),
            **dict.fromkeys(hyperparameters, "a hyperparameter of the job"),
        }

    def is_code(self, mount: str) -> bool:
        """Whether what is mounted there is code, and no input."""
        return any(mount == one or mount.startswith(f"{one}/") for one in self.code_folders)


def of_processing(words: tuple[Words, Words]) -> Launch:
    """How a processing job starts its script; raises `NoScript`."""
    entry_point, arguments = words
    folders = [f"{_PROCESSING}/code", f"{_PROCESSING}/entrypoint"]
    for word in entry_point:
        if isinstance(word, str) and word.endswith(f"/{_RUNPROC}"):
            return Launch(
                profile="framework-processing",
                script="",
                starter=_RUNPROC,
                arguments=arguments,
                code_folders=(*folders, f"{_PROCESSING}/aux"),
            )
    return _of_words("processing", f"{_PROCESSING}/code", (*entry_point, *arguments), folders)


def of_training(
    words: tuple[Words, Words],
    channels: tuple[str, ...],
    hyperparameters: Mapping[str, str | Open],
) -> Launch:
    """How a training job starts its script; raises `NoScript`."""
    if _DRIVERS in channels:
        return Launch(
            profile="model-trainer",
            script="",
            starter="sm_train.sh",
            hyperparameters=hyperparameters,
            code_folders=tuple(sorted(_MODEL_TRAINER)),
        )
    program = hyperparameters.get(_PROGRAM)
    if isinstance(program, str):
        return Launch(profile="training", script=_decoded(program), hyperparameters=hyperparameters)
    if program is not None:
        return Launch(
            profile="training",
            script="",
            starter=_PROGRAM,
            hyperparameters=hyperparameters,
        )
    return _of_words("training", "/opt/ml/code", (*words[0], *words[1]), [])


def _of_words(profile: str, code: str, words: Words, folders: list[str]) -> Launch:
    """The first word that is a Python file is the script, and those after it its arguments."""
    for number, word in enumerate(words):
        if isinstance(word, str) and word.endswith(".py"):
            at = posixpath.dirname(word)
            return Launch(
                profile=profile,
                script=posixpath.basename(word),
                arguments=words[number + 1 :],
                code=at if at.startswith("/") and at != code else None,
                code_folders=tuple(folders),
            )
    raise NoScript("the job runs no Python script that the definition names")


def _decoded(value: str) -> str:
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, str) else value
