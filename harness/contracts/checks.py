"""Checks that the types of a contract cannot express: names that clash, unknown promises."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.contracts.contract import MAIN_FILE, Contract
from harness.contracts.outputs import find_output_errors
from harness.files.models import KeyPath, unknown_key

# A waiver may name what the linter finds, too.
LINT_CODE = re.compile(r"STEP\d{3}")


def find_errors(
    contract: Contract, promises: Sequence[str] | None, folder: Path | None = None
) -> Iterator[tuple[KeyPath, str]]:
    """The errors of a contract: the keys of each, and what is wrong.

    Waivers may name these `promises`; with None waivers are not checked. `folder` is that of the
    contract, in which the schemas of outputs are looked for.
    """
    for keys, what in find_output_errors(contract.outputs, contract.inputs, folder):
        yield ("outputs", *keys), what
    for name in contract.waivers:
        if promises is not None and name not in promises and not LINT_CODE.fullmatch(name):
            what = f"is no promise; they are: {', '.join(promises)}"
            yield ("waivers", name), unknown_key(name, promises, what)
    for number, name in enumerate(contract.sigterm.may_write):
        if name not in contract.outputs:
            known = ", ".join(contract.outputs)
            yield ("sigterm", "may_write", number), f"{name} is no output; they are: {known}"
    for number, name in enumerate(contract.at_least_one):
        if name not in contract.inputs:
            known = ", ".join(contract.inputs)
            yield ("at_least_one", number), f"{name} is no input; they are: {known}"
        elif contract.inputs[name].required:
            yield ("at_least_one", number), f"{name} is required, and must always be there"
        elif name in contract.at_least_one[:number]:
            yield ("at_least_one", number), f"{name} is there twice"
    if len(contract.at_least_one) == 1:
        yield ("at_least_one",), "names one input: say `required: true` of it"
    if not contract.outputs and not contract.sink:
        yield ("outputs",), "is empty: name an output, or say `sink: true` of a step without any"
    if contract.outputs and contract.sink:
        yield ("sink",), "is true of a step without outputs, and this one has some"
    for name, one in contract.inputs.items():
        for number, path in enumerate(one.mounts):
            if not path.strip("/."):
                yield ("inputs", name, "mounts", number), "is the root, and no folder below it"
    for name, output in contract.outputs.items():
        if not output.path.strip("/."):
            yield ("outputs", name), "is the root, and no folder below it"
    for path in contract.image:
        if path == "/opt/ml" or path.startswith("/opt/ml/"):
            yield ("image", path), "is what the service mounts, not what the image has"
    module = contract.module.rpartition(".")[2]
    if module and contract.entry_point not in (f"{module}.py", MAIN_FILE):
        yield ("entry_point",), f"is not the file of the module {contract.module}; leave it out"
    if contract.hosts and contract.instance_count not in (1, len(contract.hosts)):
        yield ("instance_count",), f"is not the number of hosts, {len(contract.hosts)}"
    if len(set(contract.hosts)) < len(contract.hosts):
        yield ("hosts",), "one of them is there twice"
    required = contract.environment.required
    for number, name in enumerate(required):
        if name in required[:number]:
            yield ("environment", "required", number), f"{name} is there twice"
        if name in contract.inputs:
            yield ("environment", "required", number), f"an input is named {name} too"
    for name in contract.environment.optional:
        if name in required:
            yield ("environment", "optional", name), "is a required variable too"
        if name in contract.inputs:
            yield ("environment", "optional", name), "an input is named so too"
    for name in contract.environment.always:
        if name in required or name in contract.environment.optional:
            yield ("environment", "always", name), "is a required or an optional variable too"
