"""How a job of a pipeline definition starts its script: entry point, arguments, code folder."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.contracts.contract import Unresolved

Words = tuple[str | Unresolved, ...]
_PROCESSING = "/opt/ml/processing/input"
_RUNPROC = "runproc.sh"
_TOOLKIT_PREFIX = "sagemaker_"
_PROGRAM_HYPERPARAMETER = "sagemaker_program"
# A ModelTrainer adds two channels: the SDK's drivers, and the source folder.
_DRIVERS_CHANNEL = "sm_drivers"
_MODEL_TRAINER_FOLDERS = {"/opt/ml/input/data/code", "/opt/ml/input/data/sm_drivers"}


class NoScript(Exception):
    """The job runs a program that is no Python script of the user's."""


@dataclass(frozen=True)
class Launch:
    """How a job starts its script.

    `script` is the name of the file, "" when only the shell script `starter` names it. `code` is
    its folder, None for that of the profile. `code_folders` hold code, not inputs. With a `module`
    it is started as `python -m MODULE`.
    """

    profile: str
    script: str
    starter: str = ""
    arguments: Words = ()
    hyperparameters: Mapping[str, str | Unresolved] = field(default_factory=dict)
    code: str | None = None
    code_folders: tuple[str, ...] = ()
    module: str = ""

    @property
    def argument_sources(self) -> Mapping[str, str]:
        """The script's arguments: name → its source."""
        names = [
            word.partition("=")[0]
            for word in self.arguments
            if isinstance(word, str) and word.startswith("--") and len(word) > len("--")
        ]
        hyperparameters = [
            name for name in self.hyperparameters if not name.startswith(_TOOLKIT_PREFIX)
        ]
        return {
            **dict.fromkeys(names, "given by the job"),
            **dict.fromkeys(hyperparameters, "a hyperparameter of the job"),
        }

    def is_code(self, mount: str) -> bool:
        """Whether the mount holds code and is not an input."""
        return any(mount == one or mount.startswith(f"{one}/") for one in self.code_folders)


def processing_launch(words: tuple[Words, Words]) -> Launch:
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
    return _launch_of_command(
        "processing", f"{_PROCESSING}/code", (*entry_point, *arguments), folders
    )


def training_launch(
    words: tuple[Words, Words],
    channels: tuple[str, ...],
    hyperparameters: Mapping[str, str | Unresolved],
) -> Launch:
    """How a training job starts its script; raises `NoScript`."""
    if _DRIVERS_CHANNEL in channels:
        return Launch(
            profile="model-trainer",
            script="",
            starter="sm_train.sh",
            hyperparameters=hyperparameters,
            code_folders=tuple(sorted(_MODEL_TRAINER_FOLDERS)),
        )
    program = hyperparameters.get(_PROGRAM_HYPERPARAMETER)
    if isinstance(program, str):
        script = posixpath.normpath(_decode(program))
        if not script.endswith(".py"):
            raise NoScript(f"the training toolkit runs {script}, which is no Python script")
        return Launch(profile="training", script=script, hyperparameters=hyperparameters)
    if program is not None:
        return Launch(
            profile="training",
            script="",
            starter=_PROGRAM_HYPERPARAMETER,
            hyperparameters=hyperparameters,
        )
    return _launch_of_command("training", "/opt/ml/code", (*words[0], *words[1]), [])


def _launch_of_command(profile: str, code: str, words: Words, folders: list[str]) -> Launch:
    """The first Python file or module of a command; the words after it are its arguments."""
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else None
        if word == "-m" and isinstance(following, str):
            return Launch(
                profile=profile,
                script="",
                module=following,
                starter=f"python -m {following}",
                arguments=words[number + 2 :],
                code_folders=tuple(folders),
            )
        if isinstance(word, str) and word.endswith(".py"):
            folder = posixpath.dirname(word)
            return Launch(
                profile=profile,
                script=posixpath.basename(word),
                arguments=words[number + 1 :],
                code=folder if folder.startswith("/") and folder != code else None,
                code_folders=tuple(folders),
            )
    raise NoScript("the job runs no Python script that the definition names")


def _decode(value: str) -> str:
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value
