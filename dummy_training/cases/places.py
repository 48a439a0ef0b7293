"""Where inputs are searched, and which location has precedence."""

from __future__ import annotations

from collections.abc import Iterator

from harness.suite import PYTORCH, Matches, Special, file, model_archive

from .expected import (
    CODE,
    HYPERPARAMETERS,
    MODEL,
    OUTPUT,
    assigned,
    injected,
    no_hyperparameters,
    no_model,
)
from .world import (
    PROCESSED_AT,
    PROCESSOR_CODE,
    PROVIDE,
    PROVIDED,
    TRAINED_AT,
    TreeEdit,
    World,
    channels,
    file_at,
    folder_at,
)


def _marked_model(place: str) -> tuple[tuple, bytes]:  # type: ignore[type-arg]
    """A model with a file that identifies it: its members and its archive."""
    content = (*PYTORCH, file("origin.txt", place.encode()))
    return content, model_archive(content)


def places(world: World) -> Iterator[Special]:
    """Where inputs are searched, and which location has precedence."""
    members, first_archive = _marked_model("one")
    _, second_archive = _marked_model("two")
    first = b'{"from": "one"}'
    second = b'{"from": "two"}'

    def model_at(folder: str, data: bytes = first_archive) -> TreeEdit:
        return file_at(f"{folder}/model.tar.gz", data)

    def hyperparameters_at(folder: str, data: bytes = first) -> TreeEdit:
        return file_at(f"{folder}/hyperparameters.json", data)

    def marks(model: str, hyperparameters: str, *, channels: bool) -> tuple[Matches, ...]:
        return (
            assigned("model", model, channel=channels),
            assigned("hyperparameters", hyperparameters, channel=channels),
        )

    training_mounts = (f"{TRAINED_AT}/{MODEL}", f"{TRAINED_AT}/{HYPERPARAMETERS}")
    processing_mounts = (f"{PROCESSED_AT}/{MODEL}", f"{PROCESSED_AT}/{HYPERPARAMETERS}")
    code_folders = (f"{CODE}/models", f"{CODE}/hyperparams")
    processor_code_folders = (f"{PROCESSOR_CODE}/models", f"{PROCESSOR_CODE}/hyperparams")

    yield world.case(
        "both-channel-mounts-of-the-model",
        injected(members, first, marks(*training_mounts, channels=True)),
        model_at(training_mounts[0]),
        model_at(processing_mounts[0], second_archive),
        hyperparameters_at(training_mounts[1]),
    )
    yield world.case(
        "both-channel-mounts-of-the-hyperparameters",
        injected(members, first, marks(*training_mounts, channels=True)),
        model_at(training_mounts[0]),
        hyperparameters_at(training_mounts[1]),
        hyperparameters_at(processing_mounts[1], second),
    )
    yield world.case(
        "processing-mounts-in-a-training-job",
        injected(members, first, marks(*processing_mounts, channels=True), training=True),
        model_at(processing_mounts[0]),
        hyperparameters_at(processing_mounts[1]),
        job="training",
    )
    yield world.case(
        "training-mounts-in-a-processing-job",
        injected(members, first, marks(*training_mounts, channels=True)),
        model_at(training_mounts[0]),
        hyperparameters_at(training_mounts[1]),
    )
    yield world.case(
        "first-model-mount-empty-second-filled",
        no_model(training_mounts[0], CODE),
        folder_at(training_mounts[0]),
        model_at(processing_mounts[0]),
        PROVIDE,
    )
    yield world.case(
        "first-hyperparameters-mount-empty-second-filled",
        no_hyperparameters(f"{processing_mounts[0]}/model.tar.gz", training_mounts[1]),
        model_at(processing_mounts[0]),
        folder_at(training_mounts[1]),
        hyperparameters_at(processing_mounts[1]),
    )
    yield world.case(
        "channel-holds-another-name",
        no_model(processing_mounts[0], CODE),
        file_at(f"{processing_mounts[0]}/model.tgz", first_archive),
        file_at(f"{processing_mounts[0]}/other.tar.gz", first_archive),
        model_at(f"{processing_mounts[0]}/sub"),
        model_at(code_folders[0]),
        PROVIDE,
    )
    yield world.case(
        "code-in-processing-input",
        injected(members, first, marks(*processor_code_folders, channels=False)),
        model_at(processor_code_folders[0]),
        hyperparameters_at(processor_code_folders[1]),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "code-in-processing-input-started-from-its-folder",
        injected(members, first, marks(*processor_code_folders, channels=False)),
        model_at(processor_code_folders[0]),
        hyperparameters_at(processor_code_folders[1]),
        code=PROCESSOR_CODE,
        cwd=PROCESSOR_CODE,
        relative=True,
    )
    yield world.case(
        "opt-ml-code-before-script-folder",
        injected(members, first, marks(*code_folders, channels=False)),
        model_at(code_folders[0]),
        model_at(processor_code_folders[0], second_archive),
        hyperparameters_at(code_folders[1]),
        hyperparameters_at(processor_code_folders[1], second),
        hyperparameters_at(PROCESSOR_CODE, b'{"from": "three"}'),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "opt-ml-code-models-empty-script-folder-filled",
        no_model(code_folders[0], PROCESSOR_CODE),
        folder_at(code_folders[0]),
        model_at(processor_code_folders[0]),
        PROVIDE,
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "opt-ml-code-hyperparams-empty-script-folder-filled",
        injected(members, first, marks(code_folders[0], processor_code_folders[1], channels=False)),
        model_at(code_folders[0]),
        folder_at(code_folders[1]),
        hyperparameters_at(processor_code_folders[1]),
        hyperparameters_at(PROCESSOR_CODE, second),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "hyperparams-folders-empty-file-beside-the-script",
        injected(members, first, marks(code_folders[0], PROCESSOR_CODE, channels=False)),
        model_at(code_folders[0]),
        folder_at(code_folders[1]),
        folder_at(processor_code_folders[1]),
        hyperparameters_at(PROCESSOR_CODE),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "all-beside-the-script-in-processing-input",
        injected(members, first, marks(code_folders[0], PROCESSOR_CODE, channels=False)),
        model_at(PROCESSOR_CODE),
        hyperparameters_at(PROCESSOR_CODE),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "beside-the-script-is-not-opt-ml-code",
        no_model(code_folders[0], PROCESSOR_CODE, marks(*code_folders, channels=False)),
        model_at(CODE),
        hyperparameters_at(CODE),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "nothing-anywhere",
        no_model(code_folders[0], PROCESSOR_CODE, marks(*code_folders, channels=False)),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "models-folder-before-file-beside",
        injected(members, first),
        model_at(code_folders[0]),
        model_at(CODE, second_archive),
        hyperparameters_at(code_folders[1]),
    )
    yield world.case(
        "models-folder-empty-file-beside",
        injected(members, PROVIDED),
        folder_at(code_folders[0]),
        model_at(CODE),
        PROVIDE,
    )
    for name, cwd in (("root", "/"), ("tmp", "/tmp"), ("output", OUTPUT)):
        yield world.case(
            f"working-directory-{name}",
            injected(members, PROVIDED),
            channels(first_archive, PROVIDED),
            cwd=cwd,
        )
    yield world.case(
        "working-directory-with-decoys",
        no_model(code_folders[0], CODE),
        model_at("/srv/elsewhere"),
        model_at("/srv/elsewhere/models"),
        hyperparameters_at("/srv/elsewhere"),
        cwd="/srv/elsewhere",
    )
    own = b'{"from": "the training job"}'
    yield world.case(
        "hyperparameters-of-the-training-job-are-no-source",
        no_hyperparameters(f"{training_mounts[0]}/model.tar.gz", code_folders[1]),
        model_at(training_mounts[0]),
        hyperparameters_at("/opt/ml/input/config", own),
        job="training",
        variables={"SM_HPS": own.decode(), "SM_HP_EPOCHS": "3"},
    )
    yield world.case(
        "variables-of-a-training-job-are-no-source",
        injected(members, first, marks(*training_mounts, channels=True), training=True),
        model_at(training_mounts[0]),
        hyperparameters_at(training_mounts[1]),
        model_at("/srv/elsewhere", second_archive),
        hyperparameters_at("/srv/elsewhere", second),
        job="training",
        variables={
            "SM_CHANNELS": f'["{MODEL}", "{HYPERPARAMETERS}"]',
            f"SM_CHANNEL_{MODEL.upper()}": "/srv/elsewhere",
            f"SM_CHANNEL_{HYPERPARAMETERS.upper()}": "/srv/elsewhere",
            "SM_MODEL_DIR": "/srv/elsewhere",
            "SM_OUTPUT_DATA_DIR": "/srv/elsewhere",
            "SM_HPS": own.decode(),
        },
    )
    yield world.case(
        "files-are-links",
        injected(members, first, marks(*training_mounts, channels=True)),
        folder_at(training_mounts[0]),
        folder_at(training_mounts[1]),
        lambda tree: tree.with_symlink(f"{training_mounts[0]}/model.tar.gz", "../blobs/1"),
        lambda tree: tree.with_symlink(f"{training_mounts[1]}/hyperparameters.json", "../blobs/2"),
        file_at("/opt/ml/input/data/blobs/1", first_archive),
        file_at("/opt/ml/input/data/blobs/2", first),
    )
    yield world.case(
        "configuration-of-both-jobs-is-a-processing-job",
        injected(members, first, marks(*processing_mounts, channels=True)),
        model_at(processing_mounts[0]),
        hyperparameters_at(processing_mounts[1]),
        file_at("/opt/ml/input/config/resourceconfig.json", b"{}"),
        folder_at("/opt/ml/model"),
    )
    yield world.case(
        "channel-is-a-file",
        injected(members, first, marks(code_folders[0], training_mounts[1], channels=True)[1:]),
        file_at(training_mounts[0], first_archive),
        model_at(code_folders[0]),
        hyperparameters_at(training_mounts[1]),
    )
    yield world.case(
        "channel-is-a-link-to-a-folder",
        injected(members, first, marks(*training_mounts, channels=True)),
        lambda tree: tree.with_symlink(training_mounts[0], "/opt/ml/input/data/elsewhere"),
        model_at("/opt/ml/input/data/elsewhere"),
        hyperparameters_at(training_mounts[1]),
    )
    yield world.case(
        "started-from-its-folder",
        injected(members, first),
        model_at(code_folders[0]),
        hyperparameters_at(CODE),
        cwd=CODE,
        relative=True,
    )
