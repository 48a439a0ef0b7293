"""Where inputs are looked for, and what wins."""

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
    at,
    channels,
    folder,
)


def _from(place: str) -> tuple[tuple, bytes]:  # type: ignore[type-arg]
    """A model that tells where it lay: its members and its archive."""
    content = (*PYTORCH, file("origin.txt", place.encode()))
    return content, model_archive(content)


def places(world: World) -> Iterator[Special]:
    """Where inputs are looked for."""
    one, one_archive = _from("one")
    _, two_archive = _from("two")
    own = b'{"from": "one"}'
    other = b'{"from": "two"}'

    def model_at(folder: str, data: bytes = one_archive) -> TreeEdit:
        return at(f"{folder}/model.tar.gz", data)

    def given_at(folder: str, data: bytes = own) -> TreeEdit:
        return at(f"{folder}/hyperparameters.json", data)

    def marks(model: str, given: str, *, channels: bool) -> tuple[Matches, ...]:
        return (
            assigned("model", model, channel=channels),
            assigned("hyperparameters", given, channel=channels),
        )

    trained = (f"{TRAINED_AT}/{MODEL}", f"{TRAINED_AT}/{HYPERPARAMETERS}")
    processed = (f"{PROCESSED_AT}/{MODEL}", f"{PROCESSED_AT}/{HYPERPARAMETERS}")
    source = (f"{CODE}/models", f"{CODE}/hyperparams")
    beside = (f"{PROCESSOR_CODE}/models", f"{PROCESSOR_CODE}/hyperparams")

    yield world.case(
        "both-channel-mounts-of-the-model",
        injected(one, own, marks(*trained, channels=True)),
        model_at(trained[0]),
        model_at(processed[0], two_archive),
        given_at(trained[1]),
    )
    yield world.case(
        "both-channel-mounts-of-the-hyperparameters",
        injected(one, own, marks(*trained, channels=True)),
        model_at(trained[0]),
        given_at(trained[1]),
        given_at(processed[1], other),
    )
    yield world.case(
        "processing-mounts-in-a-training-job",
        injected(one, own, marks(*processed, channels=True)),
        model_at(processed[0]),
        given_at(processed[1]),
        job="training",
    )
    yield world.case(
        "training-mounts-in-a-processing-job",
        injected(one, own, marks(*trained, channels=True)),
        model_at(trained[0]),
        given_at(trained[1]),
    )
    yield world.case(
        "first-model-mount-empty-second-filled",
        no_model(trained[0], CODE, channel=True),
        folder(trained[0]),
        model_at(processed[0]),
        PROVIDE,
    )
    yield world.case(
        "first-hyperparameters-mount-empty-second-filled",
        no_hyperparameters(f"{processed[0]}/model.tar.gz", trained[1], channel=True),
        model_at(processed[0]),
        folder(trained[1]),
        given_at(processed[1]),
    )
    yield world.case(
        "channel-holds-another-name",
        no_model(processed[0], CODE, channel=False),
        at(f"{processed[0]}/model.tgz", one_archive),
        at(f"{processed[0]}/other.tar.gz", one_archive),
        model_at(f"{processed[0]}/sub"),
        model_at(source[0]),
        PROVIDE,
    )
    yield world.case(
        "code-in-processing-input",
        injected(one, own, marks(*beside, channels=False)),
        model_at(beside[0]),
        given_at(beside[1]),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "code-in-processing-input-started-from-its-folder",
        injected(one, own, marks(*beside, channels=False)),
        model_at(beside[0]),
        given_at(beside[1]),
        code=PROCESSOR_CODE,
        relative=True,
    )
    yield world.case(
        "opt-ml-code-before-script-folder",
        injected(one, own, marks(*source, channels=False)),
        model_at(source[0]),
        model_at(beside[0], two_archive),
        given_at(source[1]),
        given_at(beside[1], other),
        given_at(PROCESSOR_CODE, b'{"from": "three"}'),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "opt-ml-code-models-empty-script-folder-filled",
        no_model(source[0], PROCESSOR_CODE),
        folder(source[0]),
        model_at(beside[0]),
        PROVIDE,
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "opt-ml-code-hyperparams-empty-script-folder-filled",
        injected(one, own, marks(source[0], beside[1], channels=False)),
        model_at(source[0]),
        folder(source[1]),
        given_at(beside[1]),
        given_at(PROCESSOR_CODE, other),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "hyperparams-folders-empty-file-beside-the-script",
        injected(one, own, marks(source[0], PROCESSOR_CODE, channels=False)),
        model_at(source[0]),
        folder(source[1]),
        folder(beside[1]),
        given_at(PROCESSOR_CODE),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "all-beside-the-script-in-processing-input",
        injected(one, own, marks(source[0], PROCESSOR_CODE, channels=False)),
        model_at(PROCESSOR_CODE),
        given_at(PROCESSOR_CODE),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "beside-the-script-is-not-opt-ml-code",
        no_model(source[0], PROCESSOR_CODE, marks(*source, channels=False)),
        model_at(CODE),
        given_at(CODE),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "nothing-anywhere",
        no_model(source[0], PROCESSOR_CODE, marks(*source, channels=False)),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "models-folder-before-file-beside",
        injected(one, own),
        model_at(source[0]),
        model_at(CODE, two_archive),
        given_at(source[1]),
    )
    yield world.case(
        "models-folder-empty-file-beside",
        injected(one, PROVIDED),
        folder(source[0]),
        model_at(CODE),
        PROVIDE,
    )
    for name, cwd in (("root", "/"), ("tmp", "/tmp"), ("output", OUTPUT)):
        yield world.case(
            f"working-directory-{name}",
            injected(one, PROVIDED),
            channels(one_archive, PROVIDED),
            cwd=cwd,
        )
    yield world.case(
        "working-directory-with-decoys",
        no_model(source[0], CODE),
        model_at("/srv/elsewhere"),
        model_at("/srv/elsewhere/models"),
        given_at("/srv/elsewhere"),
        cwd="/srv/elsewhere",
    )
    yield world.case(
        "started-from-its-folder",
        injected(one, own),
        model_at(source[0]),
        given_at(CODE),
        relative=True,
    )
