"""The cases of dummy_training, and what each must do, written from the contract.

Expectations never come from the script. The product varies the locations of inputs, in 1,152
combinations; `cases` varies everything else. Files in different locations have different content,
so that the use of a wrong one is found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from harness.suite import (
    PROCESSING,
    PYTORCH,
    TRAINING,
    Axis,
    Case,
    Contract,
    Edit,
    Expectation,
    Job,
    Member,
    Suite,
    Tree,
    as_it_is,
    file,
    model_archive,
)

from .cases import special_cases
from .cases.expected import (
    CODE,
    HYPERPARAMETERS,
    MODEL,
    OUTPUT,
    assigned,
    injected,
    kept,
    no_hyperparameters,
    no_model,
)

# The name of the hyperparameters in the archive, "" for none.
EMBEDDED_AS: Mapping[str, str] = {
    "none": "",
    "root": "hyperparameters.json",
    "dot": "./hyperparameters.json",
    "nested": "code/hyperparameters.json",
}


def provided(place: str) -> bytes:
    """The hyperparameters.json in `place`; each place has another."""
    return json.dumps({"epochs": 3, "from": place}, indent=2).encode()


def members(place: str, embedded: str) -> tuple[Member, ...]:
    """The members of the archive in `place`."""
    origin = file("code/origin.txt", f"the model from {place}".encode())
    name = EMBEDDED_AS[embedded]
    embedded_files = (file(name, json.dumps({"trained": place}).encode(), mtime=1_600_000_000.0),)
    return (*PYTORCH, origin, *(embedded_files if name else ()))


def archive(place: str, embedded: str) -> bytes:
    """The model.tar.gz in `place`."""
    return model_archive(members(place, embedded))


def _job(job: Job) -> Edit:
    def edit(case: Case) -> Case:
        tree = Tree.for_job(job, {"model_output": OUTPUT})
        return case.with_tree(replace(tree, entries={**tree.entries, **case.tree.entries}))

    return edit


def _model(place: str, folder: str) -> Edit:
    # The last axis replaces this content, the name of the place, by the archive.
    return lambda case: case.with_tree(
        case.tree.with_file(f"{folder}/model.tar.gz", place.encode())
    )


def _hyperparameters(place: str, folder: str) -> Edit:
    return lambda case: case.with_tree(
        case.tree.with_file(f"{folder}/hyperparameters.json", provided(place))
    )


def _channel(name: str, files: Mapping[str, bytes]) -> Edit:
    return lambda case: case.with_tree(case.tree.with_channel(name, files))


def _fill_archives(embedded: str) -> Edit:
    def edit(case: Case) -> Case:
        tree = case.tree
        for path, entry in tree:
            if path.endswith("/model.tar.gz"):
                tree = tree.with_file(path, archive(entry.data.decode(), embedded))
        return case.with_tree(tree)

    return edit


AXES = (
    Axis("job", {"training": _job(TRAINING), "processing": _job(PROCESSING)}),
    Axis(
        "model_channel",
        {
            "absent": as_it_is,
            "empty": _channel(MODEL, {}),
            "present": _channel(MODEL, {"model.tar.gz": b"channel"}),
        },
    ),
    Axis("code_models", {"absent": as_it_is, "present": _model("models", f"{CODE}/models")}),
    Axis("model_beside", {"absent": as_it_is, "present": _model("beside", CODE)}),
    Axis(
        "hyperparameters_channel",
        {
            "absent": as_it_is,
            "empty": _channel(HYPERPARAMETERS, {}),
            "present": _channel(HYPERPARAMETERS, {"hyperparameters.json": provided("channel")}),
        },
    ),
    Axis(
        "code_hyperparams",
        {"absent": as_it_is, "present": _hyperparameters("hyperparams", f"{CODE}/hyperparams")},
    ),
    Axis(
        "hyperparameters_beside", {"absent": as_it_is, "present": _hyperparameters("beside", CODE)}
    ),
    Axis("embedded", {name: _fill_archives(name) for name in EMBEDDED_AS}),
)


def expect(case: Case) -> Expectation:
    """What a case of the product must do."""
    choices = case.choices
    mounts = "/opt/ml/input/data" if choices["job"] == "training" else "/opt/ml/processing/input"

    # The model that is used, and the folder that is searched: channel, else SOURCE.
    by_channel = {
        "present": ("channel", f"{mounts}/{MODEL}"),
        "empty": ("", f"{mounts}/{MODEL}"),
        "absent": ("models" if choices["code_models"] == "present" else "", f"{CODE}/models"),
    }
    model, model_folder = by_channel[choices["model_channel"]]
    beside = "beside" if choices["model_beside"] == "present" else ""

    # The hyperparameters that are provided: channel, else the first SOURCE folder with them.
    if choices["hyperparameters_channel"] != "absent":
        found = "channel" if choices["hyperparameters_channel"] == "present" else ""
        folder = f"{mounts}/{HYPERPARAMETERS}"
    elif choices["code_hyperparams"] == "present":
        found, folder = "hyperparams", f"{CODE}/hyperparams"
    elif choices["hyperparameters_beside"] == "present":
        found, folder = "beside", CODE
    else:
        found, folder = "", f"{CODE}/hyperparams"

    marks = (
        assigned("model", model_folder, channel=choices["model_channel"] != "absent"),
        assigned("hyperparameters", folder, channel=choices["hyperparameters_channel"] != "absent"),
    )
    if not (model or beside):
        return no_model(model_folder, CODE, marks)
    place = model or beside
    path = f"{model_folder if model else CODE}/model.tar.gz"
    content = members(place, choices["embedded"])
    training = choices["job"] == "training"
    if choices["embedded"] in ("root", "dot"):
        return kept(content, marks, ignored=folder if found else "", training=training)
    if found:
        return injected(content, provided(found), marks, training=training)
    return no_hyperparameters(path, folder, marks)


def suite(contract: Contract, script: bytes) -> Suite:
    """The suite of a script in place of dummy_training.py."""
    start = Case(
        tree=Tree().with_code({contract.entry_point: script}, at=CODE),
        script=f"{CODE}/{contract.entry_point}",
    )
    return Suite(start, AXES, expect, special_cases(start))
