"""What is tried on dummy_training, and what each case must do: a table written from the contract.

Nothing here looks at the script. The product varies what lies where, 1,152 ways; `cases`
varies everything else. Files in different places have different content, so that taking the wrong
one shows.
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

# What the archive holds of hyperparameters: the name it has there, or "" for none at all.
EMBEDDED_AS: Mapping[str, str] = {
    "none": "",
    "root": "hyperparameters.json",
    "dot": "./hyperparameters.json",
    "nested": "code/hyperparameters.json",
}


def provided(place: str) -> bytes:
    """The hyperparameters.json that lies in `place`, unlike that of every other place."""
    return json.dumps({"epochs": 3, "from": place}, indent=2).encode()


def members(place: str, embedded: str) -> tuple[Member, ...]:
    """The members of the archive that lies in `place`."""
    origin = file("code/origin.txt", f"the model from {place}".encode())
    name = EMBEDDED_AS[embedded]
    own = (file(name, json.dumps({"trained": place}).encode(), mtime=1_600_000_000.0),)
    return (*PYTORCH, origin, *(own if name else ()))


def archive(place: str, embedded: str) -> bytes:
    """The model.tar.gz that lies in `place`."""
    return model_archive(members(place, embedded))


def _job(job: Job) -> Edit:
    def edit(case: Case) -> Case:
        tree = Tree.for_job(job, (OUTPUT,))
        return case.with_tree(replace(tree, entries={**tree.entries, **case.tree.entries}))

    return edit


def _model(place: str, folder: str) -> Edit:
    # The archive's content waits for the last axis; until then the place holds its name.
    return lambda case: case.with_tree(
        case.tree.with_file(f"{folder}/model.tar.gz", place.encode())
    )


def _file(place: str, folder: str) -> Edit:
    return lambda case: case.with_tree(
        case.tree.with_file(f"{folder}/hyperparameters.json", provided(place))
    )


def _channel(name: str, files: Mapping[str, bytes]) -> Edit:
    return lambda case: case.with_tree(case.tree.with_channel(name, files))


def _archives_hold(embedded: str) -> Edit:
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
        {"absent": as_it_is, "present": _file("hyperparams", f"{CODE}/hyperparams")},
    ),
    Axis("hyperparameters_beside", {"absent": as_it_is, "present": _file("beside", CODE)}),
    Axis("embedded", {name: _archives_hold(name) for name in EMBEDDED_AS}),
)


def expect(case: Case) -> Expectation:
    """What a case of the product must do."""
    chosen = case.choices
    mounts = "/opt/ml/input/data" if chosen["job"] == "training" else "/opt/ml/processing/input"

    # Which model is taken, and from where it was looked for: channel, else SOURCE, else beside.
    by_channel = {
        "present": ("channel", f"{mounts}/{MODEL}"),
        "empty": ("", f"{mounts}/{MODEL}"),
        "absent": ("models" if chosen["code_models"] == "present" else "", f"{CODE}/models"),
    }
    model, model_folder = by_channel[chosen["model_channel"]]
    beside = "beside" if chosen["model_beside"] == "present" else ""

    # Which hyperparameters are provided: channel, else the first SOURCE folder that holds them.
    if chosen["hyperparameters_channel"] != "absent":
        found = "channel" if chosen["hyperparameters_channel"] == "present" else ""
        folder = f"{mounts}/{HYPERPARAMETERS}"
    elif chosen["code_hyperparams"] == "present":
        found, folder = "hyperparams", f"{CODE}/hyperparams"
    elif chosen["hyperparameters_beside"] == "present":
        found, folder = "beside", CODE
    else:
        found, folder = "", f"{CODE}/hyperparams"

    marks = (
        assigned("model", model_folder, channel=chosen["model_channel"] != "absent"),
        assigned("hyperparameters", folder, channel=chosen["hyperparameters_channel"] != "absent"),
    )
    if not (model or beside):
        return no_model(model_folder, CODE, marks, channel=chosen["model_channel"] == "empty")
    place = model or beside
    path = f"{model_folder if model else CODE}/model.tar.gz"
    content = members(place, chosen["embedded"])
    if chosen["embedded"] in ("root", "dot"):
        return kept(content, marks, ignored=bool(found))
    if found:
        return injected(content, provided(found), marks)
    channel = chosen["hyperparameters_channel"] == "empty"
    return no_hyperparameters(path, folder, marks, channel=channel)


def suite(contract: Contract, script: bytes) -> Suite:
    """All that is tried on a script in dummy_training's place."""
    start = Case(
        tree=Tree().with_code({contract.entry_point: script}, at=CODE),
        script=f"{CODE}/{contract.entry_point}",
    )
    return Suite(start, AXES, expect, special_cases(start))
