"""Writes a drafted contract and its samples; what is there already stays as it is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from harness.drafts.draft import Draft, Folder
from harness.errors import WrongUse
from harness.reading.values import Argument

CONTRACT = "contract.yaml"
SAMPLES = "samples"
_TYPES = ("int", "float", "str", "json")
_CHECK = "# check:"


def contract_text(draft: Draft) -> str:
    """The text of the contract, with a mark at each thing that the script does not tell."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield "# yaml-language-server: $schema=./contract.schema.json"
    yield "# (harness schema > contract.schema.json). Drafted from the script: see each `# check:`."
    yield f"name: {_scalar(draft.name)}"
    yield f"entry_point: {_scalar(draft.entry_point)}"
    if draft.module:
        yield f"module: {draft.module}"
    yield from _inputs(draft)
    yield from _outputs(draft)
    if draft.scratch:
        yield f"scratch: {_scalar(list(draft.scratch))}"
    yield from _arguments(draft)
    yield from _environment(draft)
    yield "exit_codes:"
    for code, meaning in draft.exit_codes.items():
        mark = "" if meaning else f"  {_CHECK} what it means"
        yield f"  {code}: {_scalar(meaning or 'see the script')}{mark}"
    if draft.ends_when_stopped:
        yield f"sigterm: {{exit_codes: [0]}}  {_CHECK} it must come to its end in 120 s"
    if draft.requirements:
        yield "framework_requirements:"
        yield from (f'  {name}: ""' for name in draft.requirements)


def _inputs(draft: Draft) -> Iterator[str]:
    mark = f"  {_CHECK} the script may ask for channels by other names"
    empty = f"inputs: {{}}{mark if draft.has_unknown_inputs else ''}"
    yield "inputs:" if draft.inputs else empty
    for name, one in draft.inputs.items():
        yield f"  {_scalar(name)}:"
        mark = "" if one.required is not None else f"  {_CHECK} required, or goes it on without?"
        is_optional = one.required is False or (one.required is None and one.asks_first)
        yield f"    required: {'false' if is_optional else 'true'}{mark}"
        yield from _files(one, is_input=True)
        where = f"  {_CHECK} the argument {one.argument} gives it" if one.argument else ""
        yield f"    mounts: {_scalar([one.path, *one.others])}{where}"


def _outputs(draft: Draft) -> Iterator[str]:
    yield "outputs:" if draft.outputs else "outputs: {}"
    for name, one in draft.outputs.items():
        yield f"  {_scalar(name)}:"
        yield f"    path: {_scalar(one.path)}"
        if one.required is False:
            yield "    required: false"
        if one.required is None:
            yield f"    required: true  {_CHECK} false where it may stay empty"
        yield from _files(one, is_input=False)
        if one.volatile:
            yield f"    volatile: {_scalar(one.volatile)}  {_CHECK} what differs from run to run"
    if not draft.outputs:
        yield f"sink: true  {_CHECK} the script writes to no folder that is uploaded"


def _files(one: Folder, *, is_input: bool) -> Iterator[str]:
    if one.any_file or not one.files:
        return
    if is_input and len(one.files) == 1 and not set(one.files[0]) & set("*?[/"):
        yield f"    file: {_scalar(one.files[0])}"
    else:
        yield f"    files: {_scalar(one.files)}"


def _arguments(draft: Draft) -> Iterator[str]:
    if draft.has_unknown_arguments:
        yield f"{_CHECK} arguments, which the script reads in a way that does not tell their names"
    if not draft.arguments and not draft.hyperparameters:
        return
    yield "arguments:"
    for one in draft.arguments:
        document, question = _argument(one)
        mark = f"  {_CHECK} {question}" if question else ""
        yield f"  {_scalar(_name(one))}: {_scalar(document)}{mark}"
    for name, kind in draft.hyperparameters.items():
        default = _of_type(kind, draft.hyperparameter_defaults.get(name))
        given: dict[str, object] = {"type": kind} if kind else {}
        if default is not None:
            given["default"] = default
        mark = "" if kind else f"  {_CHECK} a hyperparameter; its type"
        yield f"  {_scalar(name)}: {_scalar(given)}{mark}"


def _name(one: Argument) -> str:
    """The name that the job passes: without the dashes."""
    if one.position:
        return one.dest
    longest = next((name for name in one.names if name.startswith("--")), one.names[0])
    return longest.lstrip("-")


def _argument(one: Argument) -> tuple[dict[str, object], str]:
    """The keys of an argument, and what is to be asked of it."""
    if one.is_switch:
        return {"flag": True}, ""
    document: dict[str, object] = {}
    kind = one.type if one.type in _TYPES else "str"
    question = "" if one.type in _TYPES else "its type"
    if kind != "str":
        document["type"] = kind
    if one.positional:
        document["positional"] = True
    choices = [_of_type(kind, value) for value in one.choices or ()]
    if choices and None not in choices:
        document["choices"] = choices
    default = _of_type(kind, one.default) if one.has_default else None
    if one.required:
        document["required"] = True
    elif default is not None and (not choices or default in choices):
        document["default"] = default
    elif one.has_default:
        question = question or "its default"
    return document, question


def _of_type(kind: str, value: object) -> object:
    """A value as one of this type; None where it is none.

    A place in the folder of the script is none that a job could be given.
    """
    if value is None or (isinstance(value, str) and "{script_dir}" in value):
        return None
    try:
        if kind == "int":
            return int(str(value))
        if kind == "float":
            return float(str(value))
    except ValueError:
        return None
    if kind == "json":
        return value if isinstance(value, str | int | float | bool | list | dict) else None
    return str(value)


def _environment(draft: Draft) -> Iterator[str]:
    if not draft.required and not draft.optional:
        return
    yield "environment:"
    if draft.required:
        yield f"  required: {_scalar(list(draft.required))}"
    if draft.optional:
        yield "  optional:"
    for name, default in draft.optional.items():
        mark = "" if default is not None else f"  {_CHECK} what stands for it where it is not set"
        yield f"    {_scalar(name)}: {_scalar(default or '')}{mark}"


def _scalar(value: object) -> str:
    """A value on one line of YAML."""
    writer = YAML(typ="safe")
    writer.default_flow_style = True
    writer.width = 10_000
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


def write(draft: Draft, folder: Path) -> tuple[list[Path], list[Path]]:
    """Write the contract and the folders of samples; the paths made, and those left as they were.

    Raises `WrongUse` where a file cannot be written.
    """
    texts = {folder / CONTRACT: contract_text(draft)}
    values = {
        _name(one): one.default
        for one in draft.arguments
        if one.required and one.default is not None
    }
    values.update({one.argument: one.path for one in draft.inputs.values() if one.argument})
    texts[folder / SAMPLES / "arguments.json"] = json.dumps(values, indent=2) + "\n"
    made: list[Path] = []
    kept: list[Path] = []
    try:
        for name in draft.inputs:
            place = folder / SAMPLES / name
            if place.exists():
                kept.append(place)
            else:
                place.mkdir(parents=True)
                made.append(place)
        for path, text in texts.items():
            if path.exists():
                kept.append(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                made.append(path)
    except OSError as error:
        raise WrongUse(f"{error.filename} cannot be written: {error.strerror}", "") from None
    return made, kept


def to_fill_in(draft: Draft, folder: Path) -> Iterator[str]:
    """What a person has to add, a line each."""
    for name, one in draft.inputs.items():
        place = folder / SAMPLES / name
        named = list(one.files) if one.files and not one.any_file else ["*"]
        lacking_files = [each for each in named if not any(place.glob(each))]
        if lacking_files:
            files = ", ".join(lacking_files) if lacking_files != ["*"] else "its files"
            yield f"{place}: put {files} there, as a job gets them"
    lacking = [_name(one) for one in draft.arguments if one.required and one.default is None]
    chosen = {_name(one) for one in draft.arguments if one.choices}
    lacking = [one for one in lacking if one not in draft.inputs and one not in chosen]
    lacking += [one for one in draft.hyperparameters if one not in draft.hyperparameter_defaults]
    if lacking:
        yield f"{folder / SAMPLES / 'arguments.json'}: values of {', '.join(lacking)}"
    if draft.required:
        names = ", ".join(draft.required)
        yield f"{folder / SAMPLES / 'environment.json'}: values of {names}"
    count = contract_text(draft).count(_CHECK) - 1
    if count > 0:
        yield f"{folder / CONTRACT}: {count} lines are marked `# check:`"
