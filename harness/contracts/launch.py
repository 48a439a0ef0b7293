"""How a job of a pipeline definition starts its script: entry point, arguments, code folder."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.contracts.contract import Unresolved

Words = tuple[str | Unresolved, ...]
_PROCESSING = "/opt/ml/processing/input"
_RUNPROC = "runproc.sh"
_TOOLKIT_PREFIX = "sagemaker_"
_PROGRAM_HYPERPARAMETER = "sagemaker_program"
# A ModelTrainer adds two channels: the SDK's drivers, and the source folder.
_DRIVERS_CHANNEL = "sm_drivers"
_SHELLS = ("sh", "bash", "dash")
# A command in a shell that has one of these is more than one program and its words.
_SHELL_ONLY = set("|&;<>()$`*?\n")
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


def processing_launch(words: tuple[Words, Words], has_module: Callable[[str], bool]) -> Launch:
    """How a processing job starts its script; raises `NoScript`.

    `has_module` tells whether a module lies beside the scripts.
    """
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
        "processing", f"{_PROCESSING}/code", (*entry_point, *arguments), folders, has_module
    )


def training_launch(
    words: tuple[Words, Words],
    channels: tuple[str, ...],
    hyperparameters: Mapping[str, str | Unresolved],
    has_module: Callable[[str], bool],
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
    command = (*words[0], *words[1])
    return _launch_of_command("training", "/opt/ml/code", command, [], has_module)


def _launch_of_command(
    profile: str,
    code: str,
    words: Words,
    folders: list[str],
    has_module: Callable[[str], bool],
) -> Launch:
    """The first Python file or module of a command; the words after it are its arguments.

    A module of somebody else's that is given a Python file starts that one.
    """
    words = _without_shell(words)
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else None
        starts_file = any(
            isinstance(one, str) and one.endswith(".py") for one in words[number + 2 :]
        )
        is_launcher = isinstance(following, str) and starts_file and not has_module(following)
        if word == "-m" and isinstance(following, str) and not is_launcher:
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


def _without_shell(words: Words) -> Words:
    """The words of the one program that a shell is told to run, as in `sh -c "python x.py"`."""
    if len(words) != 3 or not all(isinstance(one, str) for one in words):
        return words
    shell, option, command = map(str, words)
    is_shell = posixpath.basename(shell) in _SHELLS
    if not is_shell or option not in ("-c", "-lc", "-ec") or set(command) & _SHELL_ONLY:
        return words
    try:
        found = shlex.split(command)
    except ValueError:
        return words
    return tuple(found[1:] if found[:1] == ["exec"] else found)


def _decode(value: str) -> str:
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value
