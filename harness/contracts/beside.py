"""The contract that lies beside a script, and says more of it than a pipeline definition does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.contracts import contract_yaml, step_interface
from harness.contracts.contract import Contract, Input, Output
from harness.contracts.reading import Options
from harness.files.paths import same_folder


def contract_beside(script: Path) -> Contract | None:
    """`SCRIPT.step.yaml` or `contract.yaml` beside a script; None where neither is about it.

    Raises `WrongContract` when it is wrong.
    """
    interface = script.with_name(f"{script.stem}{step_interface.SUFFIX}")
    for path, read in (
        (interface, step_interface.read),
        (script.with_name(contract_yaml.FILE_NAME), contract_yaml.read),
    ):
        if path.is_file() and (contract := read(path, Options())).entry_point == script.name:
            return contract
    return None


def input_at(contract: Contract, mount: str) -> Input | None:
    """The input that may be mounted there."""
    inputs = contract.inputs.values()
    return next((one for one in inputs if any(same_folder(mount, at) for at in one.mounts)), None)


def output_at(contract: Contract, folder: str) -> Output | None:
    """The output that is written there."""
    outputs = contract.outputs.values()
    return next((one for one in outputs if same_folder(folder, one.path)), None)


def described(
    inputs: Mapping[str, Input], outputs: Mapping[str, Output], contract: Contract | None
) -> tuple[dict[str, Input], dict[str, Output]]:
    """The inputs and outputs of a job, with what the contract beside its script says of them.

    Whether an input is there, and where, is said by the job.
    """
    if contract is None:
        return dict(inputs), dict(outputs)
    told = {name: input_at(contract, one.mounts[0]) for name, one in inputs.items()}
    kept = ("required", "mounts", "distribution", "content_type", "input_mode", "source")
    return (
        {
            name: one
            if (more := told[name]) is None
            else more.model_copy(update={key: getattr(one, key) for key in kept})
            for name, one in inputs.items()
        },
        {name: output_at(contract, one.path) or one for name, one in outputs.items()},
    )
