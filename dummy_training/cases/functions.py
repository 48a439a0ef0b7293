"""Calls of the public functions, with any paths."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from harness.suite import (
    HOSTILE,
    Archive,
    Call,
    Content,
    Expectation,
    Matches,
    Mount,
    Raises,
    Returns,
    Special,
    Tree,
    directory,
    file,
    hardlink,
    model_archive,
    symlink,
)

from .expected import CODE, HYPERPARAMETERS, MODEL, searched
from .world import (
    OLDER,
    PLAIN,
    PLAIN_ARCHIVE,
    PROVIDED,
    TRAINED,
    TRAINED_ARCHIVE,
    TreeEdit,
    World,
    channels,
    file_at,
    folder_at,
)


def functions(world: World) -> Iterator[Special]:
    """Calls of the public functions, with any paths."""
    model_folder = "/srv/model"
    hyperparameters_path = "/srv/given/hyperparameters.json"
    target = "/srv/out/model.tar.gz"
    source = f"{model_folder}/model.tar.gz"
    with_model = file_at(source, PLAIN_ARCHIVE)
    with_hyperparameters = file_at(hyperparameters_path, PROVIDED)
    with_older_archive = file_at(target, OLDER)
    unrelated_channels = channels(TRAINED_ARCHIVE, b'{"from": "a channel"}')

    def call(
        name: str,
        function: str,
        arguments: Mapping[str, object],
        result: Returns | Raises,
        *edits: TreeEdit,
        writes: Mapping[str, Archive | Content] | None = None,
        log: tuple[Matches, ...] = (),
        mounts: tuple[Mount, ...] = (),
        severity: Literal["error", "warning"] = "error",
    ) -> Special:
        expected = Expectation(writes=writes or {}, log=log, call=result, severity=severity)
        return world.case(
            f"call-{name}", expected, *edits, call=Call(function, arguments), mounts=mounts
        )

    def path(text: str) -> PurePosixPath:
        return PurePosixPath(text)

    def returns_path(text: str) -> Returns:
        return Returns({"path": text})

    def by_position(arguments: Mapping[str, object]) -> Mapping[str, object]:
        return {str(number): value for number, value in enumerate(arguments.values())}

    main_arguments = {
        "input_paths": {MODEL: model_folder, HYPERPARAMETERS: "/srv/given"},
        "output_paths": {"model_output": "/srv/out"},
        "environ_vars": {},
        "job_args": None,
    }
    yield call(
        "main",
        "main",
        main_arguments,
        returns_path(target),
        with_model,
        with_hyperparameters,
        unrelated_channels,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    yield call(
        "main-by-position",
        "main",
        by_position(main_arguments),
        returns_path(target),
        with_model,
        with_hyperparameters,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    yield call(
        "main-keeps-embedded",
        "main",
        main_arguments,
        returns_path(target),
        unrelated_channels,
        file_at(source, TRAINED_ARCHIVE),
        writes={target: Archive(TRAINED)},
    )
    yield call(
        "main-without-model",
        "main",
        main_arguments,
        Raises("FileNotFoundError", searched(source).pattern),
        with_hyperparameters,
        unrelated_channels,
    )
    yield call(
        "main-without-hyperparameters",
        "main",
        main_arguments,
        Raises("FileNotFoundError", r"/srv/given\b"),
        with_model,
        unrelated_channels,
    )
    yield call(
        "main-with-invalid-hyperparameters",
        "main",
        main_arguments,
        Raises("Exception", "INVALID_HYPERPARAMETERS"),
        with_model,
        file_at(hyperparameters_path, b"[]"),
    )

    # A key that is absent is an input that is absent; arguments for a job are none by default. No
    # job leaves them out, only callers in Python do.
    without_keys = {**main_arguments, "input_paths": {}}
    yield call(
        "main-without-any-key",
        "main",
        without_keys,
        Raises("FileNotFoundError", searched(f"{CODE}/model.tar.gz").pattern),
        with_model,
        with_hyperparameters,
        unrelated_channels,
        severity="warning",
    )
    only_model = {
        "input_paths": {MODEL: model_folder},
        "output_paths": {"model_output": "/srv/out"},
        "environ_vars": {},
    }
    yield call(
        "main-without-the-key-of-hyperparameters",
        "main",
        only_model,
        returns_path(target),
        file_at(source, TRAINED_ARCHIVE),
        with_hyperparameters,
        unrelated_channels,
        writes={target: Archive(TRAINED)},
        severity="warning",
    )
    yield call(
        "main-without-the-key-and-any-hyperparameters",
        "main",
        only_model,
        Raises("FileNotFoundError", r"\bmodel\.tar\.gz\b"),
        with_model,
        with_hyperparameters,
        unrelated_channels,
        severity="warning",
    )

    find_arguments = {"input_paths": {MODEL: model_folder, HYPERPARAMETERS: "/srv/given"}}
    beside = file_at(f"{CODE}/model.tar.gz", PLAIN_ARCHIVE)
    yield call(
        "find-model", "find_model_file", find_arguments, returns_path(source), with_model, beside
    )
    yield call(
        "find-model-beside",
        "find_model_file",
        find_arguments,
        returns_path(f"{CODE}/model.tar.gz"),
        beside,
        file_at(f"{CODE}/models/model.tar.gz", PLAIN_ARCHIVE),
        unrelated_channels,
    )
    yield call(
        "find-no-model",
        "find_model_file",
        find_arguments,
        Returns(None),
        unrelated_channels,
        file_at(f"{CODE}/models/model.tar.gz", PLAIN_ARCHIVE),
    )
    yield call(
        "find-hyperparameters",
        "find_hyperparams_file",
        find_arguments,
        returns_path(hyperparameters_path),
        with_hyperparameters,
    )
    yield call(
        "find-no-hyperparameters",
        "find_hyperparams_file",
        find_arguments,
        Returns(None),
        unrelated_channels,
        file_at(f"{CODE}/hyperparams/hyperparameters.json", PROVIDED),
        file_at(f"{CODE}/hyperparameters.json", PROVIDED),
    )

    yield call(
        "validate", "validate_model", {"input_path": path(source)}, Returns(True), with_model
    )
    for name in ("model.tar", "model.tgz", "model.zip", "model.gz"):
        wrong_path = f"{model_folder}/{name}"
        yield call(
            f"validate-{name.replace('.', '-')}",
            "validate_model",
            {"input_path": path(wrong_path)},
            Raises("ValueError", "INVALID_FORMAT"),
            file_at(wrong_path, PLAIN_ARCHIVE),
        )
    for name, data in (("text", b"no archive\n" * 100), ("empty", b"")):
        yield call(
            f"validate-{name}",
            "validate_model",
            {"input_path": path(source)},
            Raises("ValueError", "INVALID_ARCHIVE"),
            file_at(source, data),
        )

    tree = (
        directory("empty"),
        file("code/inference.py", b"run()\n"),
        symlink("code/latest.py", "inference.py"),
        file("code/run.sh", b"#!/bin/sh\n", mode=0o751, mtime=1_500_000_000.0),
        hardlink("again.py", "code/inference.py"),
        file("weights.bin", b"\x00\x01" * 500),
    )
    extract_arguments = {"tar_path": path(source), "extract_path": path("/srv/into")}
    yield call(
        "extract",
        "extract_tarfile",
        extract_arguments,
        Returns(None),
        file_at(source, model_archive(tree)),
        writes={
            "/srv/into/empty": Content("directory"),
            "/srv/into/code": Content("directory"),
            "/srv/into/code/inference.py": Content(data=b"run()\n"),
            "/srv/into/code/latest.py": Content("symlink", target="inference.py"),
            "/srv/into/code/run.sh": Content(
                data=b"#!/bin/sh\n", mode=0o751, mtime=1_500_000_000.0
            ),
            "/srv/into/again.py": Content(data=b"run()\n"),
            "/srv/into/weights.bin": Content(data=b"\x00\x01" * 500),
        },
        log=tuple(
            Matches("member-listed", re.escape(name), f"lists {name}")
            for name in ("code/inference.py", "weights.bin")
        ),
    )
    yield call(
        "extract-by-position",
        "extract_tarfile",
        by_position(extract_arguments),
        Returns(None),
        file_at(source, model_archive(tree[:1])),
        writes={"/srv/into/empty": Content("directory")},
    )
    yield call(
        "extract-nothing",
        "extract_tarfile",
        extract_arguments,
        Raises("FileNotFoundError"),
        folder_at("/srv/into"),
    )
    yield call(
        "extract-text",
        "extract_tarfile",
        extract_arguments,
        Raises("Exception"),
        file_at(source, b"no archive\n" * 100),
        folder_at("/srv/into"),
    )
    escapes = {
        "parent-name": file("../escaped.txt", b"out"),
        "symlink-escape": symlink("escape", "../../etc"),
    }
    # The filters of `tarfile` refuse these when others are extracted, or change them.
    filtered = (
        *("absolute-name", "symlink-absolute", "hard-link-parent", "symlink-by-way-of-another"),
        *("link-over-a-folder", "character-device", "fifo"),
    )
    refused = {
        **{name: model_archive((*tree, one)) for name, one in escapes.items()},
        **{name: HOSTILE[name].data for name in filtered},
    }
    for name, data in refused.items():
        yield call(
            f"extract-{name}",
            "extract_tarfile",
            extract_arguments,
            Raises("Exception"),
            folder_at("/srv/into"),
            file_at(source, data),
        )

    def source_tree(tree: Tree) -> Tree:
        tree = tree.with_files("/srv/tree", {"a.bin": b"a" * 3000, "code/b.py": b"b()\n"})
        tree = tree.with_directory("/srv/tree/empty", mode=0o750)
        tree = tree.with_symlink("/srv/tree/code/link.py", "b.py")
        tree = tree.with_symlink("/srv/tree/latest", "code")
        tree = tree.with_file("/srv/tree/.hidden", b"h")
        return tree.with_file("/srv/tree/code/run.sh", b"#!/bin/sh\n", mode=0o751)

    owned = {"uid": 0, "gid": 0, "uname": "root", "gname": "root"}
    packed = (
        file("a.bin", b"a" * 3000, **owned),  # type: ignore[arg-type]
        directory("code", **owned),  # type: ignore[arg-type]
        file("code/b.py", b"b()\n", **owned),  # type: ignore[arg-type]
        symlink("code/link.py", "b.py", **owned),  # type: ignore[arg-type]
        file("code/run.sh", b"#!/bin/sh\n", mode=0o751, **owned),  # type: ignore[arg-type]
        directory("empty", mode=0o750, **owned),  # type: ignore[arg-type]
        symlink("latest", "code", **owned),  # type: ignore[arg-type]
        file(".hidden", b"h", **owned),  # type: ignore[arg-type]
    )
    create_arguments = {"output_tar_path": path(target), "source_dir": path("/srv/tree")}
    yield call(
        "create-by-position",
        "create_tarfile",
        by_position(create_arguments),
        Returns(None),
        source_tree,
        with_older_archive,
        writes={target: Archive(packed)},
    )
    yield call(
        "create",
        "create_tarfile",
        create_arguments,
        Returns(None),
        source_tree,
        writes={target: Archive(packed)},
        log=(Matches("summary", r"Tar creation summary", "a summary of the archive"),),
    )

    # The older archive stays, and no partial new one is left.
    yield call(
        "create-on-a-full-disk",
        "create_tarfile",
        create_arguments,
        Raises("OSError"),
        file_at("/srv/tree/weights.bin", random.Random(9).randbytes(300_000)),
        with_older_archive,
        mounts=(Mount("/srv/out", size=64 * 1024),),
    )
    yield call(
        "create-below-a-file",
        "create_tarfile",
        {**create_arguments, "output_tar_path": path(f"{hyperparameters_path}/model.tar.gz")},
        Raises("Exception"),
        source_tree,
        with_hyperparameters,
    )

    process_arguments = {
        "model_path": path(source),
        "hyperparams_path": path(hyperparameters_path),
        "output_dir": path("/srv/out"),
    }
    process = "process_model_with_hyperparameters"
    yield call(
        "process",
        process,
        process_arguments,
        returns_path(target),
        with_model,
        with_hyperparameters,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    yield call(
        "process-by-position",
        process,
        by_position(process_arguments),
        returns_path(target),
        with_model,
        with_hyperparameters,
        with_older_archive,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    without_hyperparameters = {**process_arguments, "hyperparams_path": None}
    yield call(
        "process-embedded",
        process,
        without_hyperparameters,
        returns_path(target),
        file_at(source, TRAINED_ARCHIVE),
        writes={target: Archive(TRAINED)},
    )
    yield call(
        "process-without-any",
        process,
        without_hyperparameters,
        Raises("FileNotFoundError"),
        with_model,
    )
    yield call(
        "process-without-model",
        process,
        process_arguments,
        Raises("FileNotFoundError"),
        with_hyperparameters,
    )

    new = "/srv/one/two/three"
    yield call(
        "ensure-new",
        "ensure_directory",
        {"directory": path(new)},
        Returns(True),
        writes={new: Content("directory")},
    )
    yield call(
        "ensure-there", "ensure_directory", {"directory": path(new)}, Returns(True), folder_at(new)
    )
    yield call(
        "ensure-is-a-file",
        "ensure_directory",
        {"directory": path(hyperparameters_path)},
        Returns(False),
        with_hyperparameters,
    )
    yield call(
        "ensure-below-a-file",
        "ensure_directory",
        {"directory": path(f"{hyperparameters_path}/below")},
        Returns(False),
        with_hyperparameters,
    )

    copy_arguments = {"src": path(hyperparameters_path), "dst": path("/srv/copies/new/copy.json")}
    copied_mtime = 1_500_000_000.0

    def old_file(tree: Tree) -> Tree:
        tree = tree.with_file(hyperparameters_path, PROVIDED, mode=0o640)
        return tree.with_entry(
            hyperparameters_path, replace(tree.entries[hyperparameters_path], mtime=copied_mtime)
        )

    yield call(
        "copy",
        "copy_file",
        copy_arguments,
        Returns(None),
        old_file,
        writes={
            "/srv/copies/new/copy.json": Content(data=PROVIDED, mode=0o640, mtime=copied_mtime)
        },
    )
    yield call(
        "copy-by-position",
        "copy_file",
        by_position(copy_arguments),
        Returns(None),
        with_hyperparameters,
        writes={"/srv/copies/new/copy.json": Content(data=PROVIDED)},
    )
    yield call(
        "copy-a-folder",
        "copy_file",
        copy_arguments,
        Raises("OSError"),
        folder_at(hyperparameters_path),
        folder_at("/srv/copies/new"),
    )
    yield call("copy-nothing", "copy_file", copy_arguments, Raises("FileNotFoundError"))
