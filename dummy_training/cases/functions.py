"""The functions that other programs call, with any paths."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from harness.suite import (
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
    at,
    channels,
    folder,
)


def functions(world: World) -> Iterator[Special]:
    """The functions that other programs call, with any paths."""
    place = "/srv/model"
    given = "/srv/given/hyperparameters.json"
    target = "/srv/out/model.tar.gz"
    source = f"{place}/model.tar.gz"
    with_model = at(source, PLAIN_ARCHIVE)
    with_given = at(given, PROVIDED)
    older_there = at(target, OLDER)
    decoys = channels(TRAINED_ARCHIVE, b'{"from": "a channel"}')

    def call(
        name: str,
        function: str,
        arguments: Mapping[str, object],
        result: Returns | Raises,
        *edits: TreeEdit,
        writes: Mapping[str, Archive | Content] | None = None,
        log: tuple[Matches, ...] = (),
        mounts: tuple[Mount, ...] = (),
    ) -> Special:
        expected = Expectation(writes=writes or {}, log=log, call=result)
        return world.case(
            f"call-{name}", expected, *edits, call=Call(function, arguments), mounts=mounts
        )

    def path(text: str) -> PurePosixPath:
        return PurePosixPath(text)

    def is_path(text: str) -> Returns:
        return Returns({"path": text})

    def by_position(arguments: Mapping[str, object]) -> Mapping[str, object]:
        return {str(number): value for number, value in enumerate(arguments.values())}

    paths = {
        "input_paths": {MODEL: place, HYPERPARAMETERS: "/srv/given"},
        "output_paths": {"model_output": "/srv/out"},
        "environ_vars": {},
        "job_args": None,
    }
    yield call(
        "main",
        "main",
        paths,
        is_path(target),
        with_model,
        with_given,
        decoys,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    yield call(
        "main-by-position",
        "main",
        by_position(paths),
        is_path(target),
        with_model,
        with_given,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    yield call(
        "main-keeps-embedded",
        "main",
        paths,
        is_path(target),
        decoys,
        at(source, TRAINED_ARCHIVE),
        writes={target: Archive(TRAINED)},
    )
    yield call(
        "main-without-model",
        "main",
        paths,
        Raises("FileNotFoundError", searched(source).pattern),
        with_given,
        decoys,
    )
    yield call(
        "main-without-hyperparameters",
        "main",
        paths,
        Raises("FileNotFoundError", r"/srv/given\b"),
        with_model,
        decoys,
    )
    yield call(
        "main-with-invalid-hyperparameters",
        "main",
        paths,
        Raises("Exception", "INVALID_HYPERPARAMETERS"),
        with_model,
        at(given, b"[]"),
    )

    find = {"input_paths": {MODEL: place, HYPERPARAMETERS: "/srv/given"}}
    beside = at(f"{CODE}/model.tar.gz", PLAIN_ARCHIVE)
    yield call("find-model", "find_model_file", find, is_path(source), with_model, beside)
    yield call(
        "find-model-beside",
        "find_model_file",
        find,
        is_path(f"{CODE}/model.tar.gz"),
        beside,
        at(f"{CODE}/models/model.tar.gz", PLAIN_ARCHIVE),
        decoys,
    )
    yield call(
        "find-no-model",
        "find_model_file",
        find,
        Returns(None),
        decoys,
        at(f"{CODE}/models/model.tar.gz", PLAIN_ARCHIVE),
    )
    yield call("find-hyperparameters", "find_hyperparams_file", find, is_path(given), with_given)
    yield call(
        "find-no-hyperparameters",
        "find_hyperparams_file",
        find,
        Returns(None),
        decoys,
        at(f"{CODE}/hyperparams/hyperparameters.json", PROVIDED),
        at(f"{CODE}/hyperparameters.json", PROVIDED),
    )

    yield call(
        "validate", "validate_model", {"input_path": path(source)}, Returns(True), with_model
    )
    for name in ("model.tar", "model.tgz", "model.zip", "model.gz"):
        other = f"{place}/{name}"
        yield call(
            f"validate-{name.replace('.', '-')}",
            "validate_model",
            {"input_path": path(other)},
            Raises("ValueError", "INVALID_FORMAT"),
            at(other, PLAIN_ARCHIVE),
        )
    for name, data in (("text", b"no archive\n" * 100), ("empty", b"")):
        yield call(
            f"validate-{name}",
            "validate_model",
            {"input_path": path(source)},
            Raises("ValueError", "INVALID_ARCHIVE"),
            at(source, data),
        )

    tree = (
        directory("empty"),
        file("code/inference.py", b"run()\n"),
        symlink("code/latest.py", "inference.py"),
        file("code/run.sh", b"#!/bin/sh\n", mode=0o751, mtime=1_500_000_000.0),
        hardlink("again.py", "code/inference.py"),
        file("weights.bin", b"\x00\x01" * 500),
    )
    extract = {"tar_path": path(source), "extract_path": path("/srv/into")}
    yield call(
        "extract",
        "extract_tarfile",
        extract,
        Returns(None),
        at(source, model_archive(tree)),
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
            Matches("member-listed", re.escape(name), f"lists {name} with its size")
            for name in ("code/inference.py", "weights.bin")
        ),
    )
    yield call(
        "extract-by-position",
        "extract_tarfile",
        by_position(extract),
        Returns(None),
        at(source, model_archive(tree[:1])),
        writes={"/srv/into/empty": Content("directory")},
    )
    yield call(
        "extract-nothing",
        "extract_tarfile",
        extract,
        Raises("FileNotFoundError"),
        folder("/srv/into"),
    )
    yield call(
        "extract-text",
        "extract_tarfile",
        extract,
        Raises("Exception"),
        at(source, b"no archive\n" * 100),
        folder("/srv/into"),
    )
    for name in ("parent-name", "symlink-escape"):
        unsafe = {
            "parent-name": file("../escaped.txt", b"out"),
            "symlink-escape": symlink("escape", "../../etc"),
        }[name]
        yield call(
            f"extract-{name}",
            "extract_tarfile",
            extract,
            Raises("Exception"),
            folder("/srv/into"),
            at(source, model_archive((*tree, unsafe))),
        )

    def laid_out(tree: Tree) -> Tree:
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
    create = {"output_tar_path": path(target), "source_dir": path("/srv/tree")}
    yield call(
        "create-by-position",
        "create_tarfile",
        by_position(create),
        Returns(None),
        laid_out,
        older_there,
        writes={target: Archive(packed)},
    )
    yield call(
        "create",
        "create_tarfile",
        create,
        Returns(None),
        laid_out,
        writes={target: Archive(packed)},
        log=(Matches("ratio", r"ratio\D*\d", "tells the compression ratio"),),
    )

    # Neither an older archive is lost nor a new one left in part.
    yield call(
        "create-on-a-full-disk",
        "create_tarfile",
        create,
        Raises("OSError"),
        at("/srv/tree/weights.bin", random.Random(9).randbytes(300_000)),
        older_there,
        mounts=(Mount("/srv/out", size=64 * 1024),),
    )
    yield call(
        "create-below-a-file",
        "create_tarfile",
        {**create, "output_tar_path": path(f"{given}/model.tar.gz")},
        Raises("Exception"),
        laid_out,
        with_given,
    )

    work = {
        "model_path": path(source),
        "hyperparams_path": path(given),
        "output_dir": path("/srv/out"),
    }
    process = "process_model_with_hyperparameters"
    yield call(
        "process",
        process,
        work,
        is_path(target),
        with_model,
        with_given,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    yield call(
        "process-by-position",
        process,
        by_position(work),
        is_path(target),
        with_model,
        with_given,
        older_there,
        writes={target: Archive(PLAIN, PROVIDED)},
    )
    alone = {**work, "hyperparams_path": None}
    yield call(
        "process-embedded",
        process,
        alone,
        is_path(target),
        at(source, TRAINED_ARCHIVE),
        writes={target: Archive(TRAINED)},
    )
    yield call("process-without-any", process, alone, Raises("FileNotFoundError"), with_model)
    yield call("process-without-model", process, work, Raises("FileNotFoundError"), with_given)

    new = "/srv/one/two/three"
    yield call(
        "ensure-new",
        "ensure_directory",
        {"directory": path(new)},
        Returns(True),
        writes={new: Content("directory")},
    )
    yield call(
        "ensure-there", "ensure_directory", {"directory": path(new)}, Returns(True), folder(new)
    )
    yield call(
        "ensure-is-a-file",
        "ensure_directory",
        {"directory": path(given)},
        Returns(False),
        with_given,
    )
    yield call(
        "ensure-below-a-file",
        "ensure_directory",
        {"directory": path(f"{given}/below")},
        Returns(False),
        with_given,
    )

    copy = {"src": path(given), "dst": path("/srv/copies/new/copy.json")}
    dated = 1_500_000_000.0

    def old_file(tree: Tree) -> Tree:
        tree = tree.with_file(given, PROVIDED, mode=0o640)
        return tree.with_entry(given, replace(tree.entries[given], mtime=dated))

    yield call(
        "copy",
        "copy_file",
        copy,
        Returns(None),
        old_file,
        writes={"/srv/copies/new/copy.json": Content(data=PROVIDED, mode=0o640, mtime=dated)},
    )
    yield call(
        "copy-by-position",
        "copy_file",
        by_position(copy),
        Returns(None),
        with_given,
        writes={"/srv/copies/new/copy.json": Content(data=PROVIDED)},
    )
    yield call(
        "copy-a-folder",
        "copy_file",
        copy,
        Raises("OSError"),
        folder(given),
        folder("/srv/copies/new"),
    )
    yield call("copy-nothing", "copy_file", copy, Raises("FileNotFoundError"))
