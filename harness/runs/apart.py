"""Reads a contract that must be executed in a process of its own, with the rights of a sandbox."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.contracts.contract import Contract
from harness.errors import HarnessError, RunnerCannot, RunnerUnavailable, WrongContract
from harness.files.own_code import TIME_LIMIT
from harness.runners.real import sandbox_call

_RIGHTS = "without a network, this machine's variables, and files but those of its folder"


class _Answer(BaseModel):
    """What comes back: a contract, with what its file does not hold, or what is wrong with it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    printed: str = ""
    contract: str = ""
    folder: str = ""
    warnings: tuple[str, ...] = ()
    what: str = ""
    hint: str = ""


def read_apart(path: Path, read: Callable[[], Contract], say: Callable[[str], object]) -> Contract:
    """The contract that `read` makes of a Python file, executed in a process of its own.

    `say` is told that, and what the file prints. Raises `WrongContract`, and `RunnerUnavailable`
    where no such process can be made, so that nothing is executed.
    """
    say(f"{path}: executed to read its contract, in a process of its own, {_RIGHTS}")
    try:
        data = sandbox_call.call(lambda: _answer(read), (path.parent,), TIME_LIMIT)
        answer = _Answer.model_validate_json(data)
        if answer.printed:
            say(answer.printed.rstrip("\n"))
        if answer.what:
            raise WrongContract(answer.what, f"{answer.hint}; it was executed {_RIGHTS}")
        contract = Contract.model_validate_json(answer.contract)
    except RunnerUnavailable as error:
        raise RunnerUnavailable(
            f"{path}: not executed, so that its contract is not known: {error.what}", error.hint
        ) from None
    except RunnerCannot as error:
        raise WrongContract(
            f"{path}: the script contract gives no answer: {error.what}", error.hint
        ) from None
    except ValidationError:
        raise WrongContract(
            f"{path}: the script contract gives an answer that is none",
            "let the file do no more than define its contract",
        ) from None
    added = {"folder": Path(answer.folder), "warnings": answer.warnings}
    return contract.model_copy(update=added)


def _answer(read: Callable[[], Contract]) -> bytes:
    printed = io.StringIO()
    with redirect_stderr(printed):
        try:
            contract = read()
        except HarnessError as error:
            made = _Answer(what=error.what, hint=error.hint)
        else:
            made = _Answer(
                contract=contract.model_dump_json(by_alias=True),
                folder=str(contract.folder),
                warnings=contract.warnings,
            )
    return made.model_copy(update={"printed": printed.getvalue()}).model_dump_json().encode()
