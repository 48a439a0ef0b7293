"""The cases of dummy_training beside the product: odd places, odd files, faults, function calls."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from harness.archives import (
    HOSTILE,
    LAYOUTS,
    PYTORCH,
    directory,
    file,
    model_archive,
    symlink,
)

from harness.case import Call, Case, Interrupt, Mount
from harness.expectation import (
    Archive,
    Content,
    Expectation,
    Raises,
    Returns,
    Says,
)
from harness.jobs import PROCESSING, TRAINING
from harness.matrix import Special
from harness.tree import Tree

from .expected import (
    CODE,
    HYPERPARAMETERS,
    MODEL,
    OUTPUT,
    WRITTEN,
    assigned,
    failure,
    injected,
    kept,
    no_hyperparameters,
    no_model,
)

TRAINED_AT = "/opt/ml/input/data"
PROCESSED_AT = "/opt/ml/processing/input"
# Where a ScriptProcessor or FrameworkProcessor puts the code.
PROCESSOR_CODE = "/opt/ml/processing/input/code"

PROVIDED = b'{"epochs": 3}'
PLAIN = (*PYTORCH, file("weights/shard-1.bin", random.Random(1).randbytes(20_000)))
PLAIN_ARCHIVE = model_archive(PLAIN)
TRAINED = (*PLAIN, file("hyperparameters.json", b'{"trained": true}\n'))
TRAINED_ARCHIVE = model_archive(TRAINED)
OLDER = b"an older model.tar.gz"

TreeEdit = Callable[[Tree], Tree]


def special_cases(start: Case) -> tuple[Special, ...]:
    """All of them; `start` holds the script in its place."""
    script = start.tree.entries[start.script]
    world = _World(start, script.data)
    return (
        *_places(world),
        *_outputs(world),
        *_hyperparameters(world),
        *_archives(world),
        *_bad_inputs(world),
        *_faults(world),
        *_functions(world),
    )


class _World:
    """Makes special cases: a job's tree with the script in it, edited."""

    def __init__(self, start: Case, script: bytes) -> None:
        self._name = PurePosixPath(start.script).name
        self._script = script

    def case(
        self,
        name: str,
        expected: Expectation,
        *edits: TreeEdit,
        code: str = CODE,
        job: str = "processing",
        **changes: object,
    ) -> Special:
        """A case in a job of this type, the script in `code`; `changes` are fields of the case."""

        def edit(case: Case) -> Case:
            tree = Tree.for_job(TRAINING if job == "training" else PROCESSING, (OUTPUT,))
            tree = tree.with_code({self._name: self._script}, at=code)
            for one in edits:
                tree = one(tree)
            made = replace(case, tree=tree, script=f"{code}/{self._name}", cwd=code)
            return replace(made, **changes)  # type: ignore[arg-type]

        return Special(name, edit, expected)


def _channels(model: bytes | None, hyperparameters: bytes | None = None) -> TreeEdit:
    def edit(tree: Tree) -> Tree:
        if model is not None:
            tree = tree.with_channel(MODEL, {"model.tar.gz": model})
        if hyperparameters is not None:
            tree = tree.with_channel(HYPERPARAMETERS, {"hyperparameters.json": hyperparameters})
        return tree

    return edit


def _at(path: str, data: bytes) -> TreeEdit:
    return lambda tree: tree.with_file(path, data)


def _folder(path: str) -> TreeEdit:
    return lambda tree: tree.with_directory(path)


def _older(tree: Tree) -> Tree:
    return tree.with_file(WRITTEN, OLDER)


PROVIDE = _channels(None, PROVIDED)
GOOD = _channels(PLAIN_ARCHIVE, PROVIDED)
WRITES = Expectation(writes={WRITTEN: Archive(PLAIN, PROVIDED)})


def _from(place: str) -> tuple[tuple, bytes]:  # type: ignore[type-arg]
    """A model that tells where it lay: its members and its archive."""
    content = (*PYTORCH, file("origin.txt", place.encode()))
    return content, model_archive(content)


def _places(world: _World) -> Iterator[Special]:
    """Where inputs are looked for."""
    one, one_archive = _from("one")
    _, two_archive = _from("two")
    own = b'{"from": "one"}'
    other = b'{"from": "two"}'

    def model_at(folder: str, data: bytes = one_archive) -> TreeEdit:
        return _at(f"{folder}/model.tar.gz", data)

    def given_at(folder: str, data: bytes = own) -> TreeEdit:
        return _at(f"{folder}/hyperparameters.json", data)

    def marks(model: str, given: str, *, channels: bool) -> tuple[Says, ...]:
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
        _folder(trained[0]),
        model_at(processed[0]),
        PROVIDE,
    )
    yield world.case(
        "first-hyperparameters-mount-empty-second-filled",
        no_hyperparameters(f"{processed[0]}/model.tar.gz", trained[1]),
        model_at(processed[0]),
        _folder(trained[1]),
        given_at(processed[1]),
    )
    yield world.case(
        "channel-holds-another-name",
        no_model(processed[0], CODE, channel=False),
        _at(f"{processed[0]}/model.tgz", one_archive),
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
        _folder(source[0]),
        model_at(beside[0]),
        PROVIDE,
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "opt-ml-code-hyperparams-empty-script-folder-filled",
        injected(one, own, marks(source[0], beside[1], channels=False)),
        model_at(source[0]),
        _folder(source[1]),
        given_at(beside[1]),
        given_at(PROCESSOR_CODE, other),
        code=PROCESSOR_CODE,
    )
    yield world.case(
        "hyperparams-folders-empty-file-beside-the-script",
        injected(one, own, marks(source[0], PROCESSOR_CODE, channels=False)),
        model_at(source[0]),
        _folder(source[1]),
        _folder(beside[1]),
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
        _folder(source[0]),
        model_at(CODE),
        PROVIDE,
    )
    for name, cwd in (("root", "/"), ("tmp", "/tmp"), ("output", OUTPUT)):
        yield world.case(
            f"working-directory-{name}",
            injected(one, PROVIDED),
            _channels(one_archive, PROVIDED),
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


def _outputs(world: _World) -> Iterator[Special]:
    """What lies in the output folder before."""
    written = WRITES
    yield world.case("older-output-replaced", written, GOOD, _older)
    yield world.case(
        "older-output-kept-without-model", no_model(f"{CODE}/models", CODE), PROVIDE, _older
    )
    yield world.case(
        "older-output-kept-without-hyperparameters",
        no_hyperparameters(f"{PROCESSED_AT}/{MODEL}/model.tar.gz", f"{CODE}/hyperparams"),
        _channels(PLAIN_ARCHIVE),
        _older,
    )
    yield world.case(
        "other-files-in-the-output-folder",
        written,
        GOOD,
        _at(f"{OUTPUT}/notes.txt", b"not mine"),
        _at(f"{OUTPUT}/model.tar.gz.tmp", b"not mine either"),
    )
    yield world.case("output-folder-missing", written, GOOD, lambda tree: tree.without(OUTPUT))
    yield world.case(
        "output-folder-and-parents-missing",
        written,
        GOOD,
        lambda tree: tree.without("/opt/ml/processing/output"),
    )
    yield world.case("output-is-its-own-file-system", written, GOOD, mounts=(Mount(OUTPUT),))
    yield world.case(
        "things-in-the-temporary-folder", written, GOOD, _at("/tmp/somebody-elses/file", b"x")
    )


def _hyperparameters(world: _World) -> Iterator[Special]:
    """Which hyperparameters are good, and which are looked at."""
    invalid = {
        "malformed": b'{"epochs": 3',
        "empty": b"",
        "only-spaces": b" \n",
        "array": b'[{"epochs": 3}]',
        "string": b'"epochs"',
        "number": b"3",
        "null": b"null",
        "two-objects": b'{"epochs": 3}{"epochs": 4}',
        "single-quotes": b"{'epochs': 3}",
        "trailing-comma": b'{"epochs": 3,}',
        "latin-1": '{"name": "caf\u00e9"}'.encode("latin-1"),
        "utf-16": '{"epochs": 3}'.encode("utf-16"),
        "utf-32": '{"epochs": 3}'.encode("utf-32"),
    }
    code = _code("INVALID_HYPERPARAMETERS")
    for name, data in invalid.items():
        yield world.case(
            f"provided-{name}", failure((code,)), _channels(PLAIN_ARCHIVE, data), _older
        )
        yield world.case(
            f"provided-{name}-but-ignored",
            kept(TRAINED, ignored=True),
            _channels(TRAINED_ARCHIVE, data),
        )
    odd = {
        "tabs-and-crlf": b'{\r\n\t"epochs" :3 ,\r\n\t"a":[ 1,2 ]\r\n}\r\n\r\n',
        "unsorted": b'{"z": 1, "a": {"y": 1.50, "b": 1e5}}',
        "escapes": b'{"name": "caf\\u00e9 \\/ \\"x\\""}',
        "unicode": '{"name": "caf\u00e9 \u6a21\u578b \U0001f600"}'.encode(),
        "spaces-around": b'\n\n  {"epochs": 3}   \n',
        "empty-object": b"{}",
        "large-numbers": b'{"seed": 123456789012345678901234567890, "eta": 0.1000}',
        "large": b'{"vocabulary": [' + b", ".join(b'"%d"' % n for n in range(40_000)) + b"]}",
    }
    for name, data in odd.items():
        yield world.case(
            f"provided-{name}-kept-byte-for-byte",
            injected(PLAIN, data),
            _channels(PLAIN_ARCHIVE, data),
        )
    for name, data in {**odd, **invalid}.items():
        content = (file("hyperparameters.json", data, mode=0o640), *PLAIN)
        yield world.case(f"embedded-{name}-kept", kept(content), _channels(model_archive(content)))
    lookalikes = (
        *PLAIN,
        file("code/hyperparameters.json", b"{}"),
        file("Hyperparameters.json", b"{}"),
        file("hyperparameters.json.bak", b"{}"),
        file("my-hyperparameters.json", b"{}"),
    )
    yield world.case(
        "lookalikes-are-not-embedded",
        injected(lookalikes, PROVIDED),
        _channels(model_archive(lookalikes), PROVIDED),
    )
    yield world.case(
        "lookalikes-are-not-provided",
        no_hyperparameters(f"{PROCESSED_AT}/{MODEL}/model.tar.gz", f"{CODE}/hyperparams"),
        _channels(PLAIN_ARCHIVE),
        _at(f"{CODE}/hyperparams/Hyperparameters.json", PROVIDED),
        _at(f"{CODE}/hyperparams/sub/hyperparameters.json", PROVIDED),
    )


def _archives(world: _World) -> Iterator[Special]:
    """Every archive layout: all members survive."""
    for name, layout in LAYOUTS.items():
        if layout.embedded is None:
            expected = injected(layout.members, PROVIDED)
            yield world.case(f"archive-{name}", expected, _channels(layout.data, PROVIDED))
        else:
            yield world.case(f"archive-{name}", kept(layout.members), _channels(layout.data))


def _bad_inputs(world: _World) -> Iterator[Special]:
    """Every archive that must be refused, and things that are no file."""
    for name, hostile in HOSTILE.items():
        expected = failure((_code(hostile.code),))
        yield world.case(f"bad-{name}", expected, _channels(hostile.data, PROVIDED), _older)
    path = f"{PROCESSED_AT}/{MODEL}/model.tar.gz"
    not_a_file: Mapping[str, TreeEdit] = {
        "directory": lambda tree: tree.with_directory(path),
        "fifo": lambda tree: tree.with_fifo(path),
        "device": lambda tree: tree.with_device(path),
    }
    named = Says("path", re.escape(path), f"names {path}")
    for name, edit in not_a_file.items():
        yield world.case(
            f"model-is-a-{name}", failure((named,)), PROVIDE, edit, _older, timeout=10.0
        )


def _code(code: str) -> Says:
    return Says(code, rf"\b{code}\b", f"the error code {code}")


# Enough members for a signal to come between two of them.
MANY = (*PYTORCH, *(file(f"part-{n}.bin", random.Random(n).randbytes(3000)) for n in range(60)))


def _faults(world: _World) -> Iterator[Special]:
    """Signals in mid-run and full disks: nothing partial, nothing left."""
    both = _channels(model_archive(MANY), PROVIDED)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        for when, edits in (("", (both,)), ("-over-older-output", (both, _older))):
            yield world.case(
                f"sigterm-at-{share:.0%}".replace("%", "-percent") + when,
                Expectation(exit_code=143),
                *edits,
                interrupt=Interrupt(signal.SIGTERM, share),
            )
    for share in (0.3, 0.6, 0.9):
        yield world.case(
            f"sigkill-at-{share:.0%}".replace("%", "-percent"),
            Expectation(exit_code=137, dies=True),
            both,
            _older,
            interrupt=Interrupt(signal.SIGKILL, share),
        )
    full = (Mount(OUTPUT, size=64 * 1024),)
    yield world.case("full-disk", failure(()), both, mounts=full)
    yield world.case("full-disk-over-older-output", failure(()), both, _older, mounts=full)


def _functions(world: _World) -> Iterator[Special]:
    """The functions that other programs call, with any paths."""
    place = "/srv/model"
    given = "/srv/given/hyperparameters.json"
    target = "/srv/out/model.tar.gz"
    source = f"{place}/model.tar.gz"
    with_model = _at(source, PLAIN_ARCHIVE)
    with_given = _at(given, PROVIDED)
    decoys = _channels(TRAINED_ARCHIVE, b'{"from": "a channel"}')

    def call(
        name: str,
        function: str,
        arguments: Mapping[str, object],
        result: Returns | Raises,
        *edits: TreeEdit,
        writes: Mapping[str, Archive | Content] | None = None,
        log: tuple[Says, ...] = (),
    ) -> Special:
        expected = Expectation(writes=writes or {}, log=log, call=result)
        return world.case(f"call-{name}", expected, *edits, call=Call(function, arguments))

    def path(text: str) -> PurePosixPath:
        return PurePosixPath(text)

    def is_path(text: str) -> Returns:
        return Returns({"path": text})

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
        "main-keeps-embedded",
        "main",
        paths,
        is_path(target),
        decoys,
        _at(source, TRAINED_ARCHIVE),
        writes={target: Archive(TRAINED)},
    )
    yield call(
        "main-without-model",
        "main",
        paths,
        Raises("FileNotFoundError", re.escape(source)),
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
        _at(given, b"[]"),
    )

    find = {"input_paths": {MODEL: place, HYPERPARAMETERS: "/srv/given"}}
    beside = _at(f"{CODE}/model.tar.gz", PLAIN_ARCHIVE)
    yield call("find-model", "find_model_file", find, is_path(source), with_model, beside)
    yield call(
        "find-model-beside",
        "find_model_file",
        find,
        is_path(f"{CODE}/model.tar.gz"),
        beside,
        _at(f"{CODE}/models/model.tar.gz", PLAIN_ARCHIVE),
        decoys,
    )
    yield call(
        "find-no-model",
        "find_model_file",
        find,
        Returns(None),
        decoys,
        _at(f"{CODE}/models/model.tar.gz", PLAIN_ARCHIVE),
    )
    yield call("find-hyperparameters", "find_hyperparams_file", find, is_path(given), with_given)
    yield call(
        "find-no-hyperparameters",
        "find_hyperparams_file",
        find,
        Returns(None),
        decoys,
        _at(f"{CODE}/hyperparams/hyperparameters.json", PROVIDED),
        _at(f"{CODE}/hyperparameters.json", PROVIDED),
    )

    yield call(
        "validate", "validate_model", {"input_path": path(source)}, Returns(True), with_model
    )
    for name in ("model.tar", "model.tgz", "model.zip"):
        other = f"{place}/{name}"
        yield call(
            f"validate-{name.replace('.', '-')}",
            "validate_model",
            {"input_path": path(other)},
            Raises("ValueError", "INVALID_FORMAT"),
            _at(other, PLAIN_ARCHIVE),
        )
    for name, data in (("text", b"no archive\n" * 100), ("empty", b"")):
        yield call(
            f"validate-{name}",
            "validate_model",
            {"input_path": path(source)},
            Raises("ValueError", "INVALID_ARCHIVE"),
            _at(source, data),
        )

    tree = (
        directory("empty"),
        file("code/inference.py", b"run()\n"),
        symlink("code/latest.py", "inference.py"),
        file("weights.bin", b"\x00\x01" * 500),
    )
    extract = {"tar_path": path(source), "extract_path": path("/srv/into")}
    yield call(
        "extract",
        "extract_tarfile",
        extract,
        Returns(None),
        _at(source, model_archive(tree)),
        writes={
            "/srv/into/empty": Content("directory"),
            "/srv/into/code": Content("directory"),
            "/srv/into/code/inference.py": Content(data=b"run()\n"),
            "/srv/into/code/latest.py": Content("symlink", target="inference.py"),
            "/srv/into/weights.bin": Content(data=b"\x00\x01" * 500),
        },
        log=tuple(
            Says("member-listed", re.escape(name), f"lists {name} with its size")
            for name in ("code/inference.py", "weights.bin")
        ),
    )
    yield call(
        "extract-nothing",
        "extract_tarfile",
        extract,
        Raises("FileNotFoundError"),
        _folder("/srv/into"),
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
            _folder("/srv/into"),
            _at(source, model_archive((*tree, unsafe))),
        )

    def laid_out(tree: Tree) -> Tree:
        tree = tree.with_files("/srv/tree", {"a.bin": b"a" * 3000, "code/b.py": b"b()\n"})
        tree = tree.with_directory("/srv/tree/empty", mode=0o750)
        tree = tree.with_symlink("/srv/tree/code/link.py", "b.py")
        return tree.with_file("/srv/tree/code/run.sh", b"#!/bin/sh\n", mode=0o751)

    owned = {"uid": 0, "gid": 0, "uname": "root", "gname": "root"}
    packed = (
        file("a.bin", b"a" * 3000, **owned),  # type: ignore[arg-type]
        directory("code", **owned),  # type: ignore[arg-type]
        file("code/b.py", b"b()\n", **owned),  # type: ignore[arg-type]
        symlink("code/link.py", "b.py", **owned),  # type: ignore[arg-type]
        file("code/run.sh", b"#!/bin/sh\n", mode=0o751, **owned),  # type: ignore[arg-type]
        directory("empty", mode=0o750, **owned),  # type: ignore[arg-type]
    )
    yield call(
        "create",
        "create_tarfile",
        {"output_tar_path": path(target), "source_dir": path("/srv/tree")},
        Returns(None),
        laid_out,
        writes={target: Archive(packed)},
        log=(Says("ratio", r"ratio\D*\d", "tells the compression ratio"),),
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
    alone = {**work, "hyperparams_path": None}
    yield call(
        "process-embedded",
        process,
        alone,
        is_path(target),
        _at(source, TRAINED_ARCHIVE),
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
        "ensure-there", "ensure_directory", {"directory": path(new)}, Returns(True), _folder(new)
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
    yield call("copy-nothing", "copy_file", copy, Raises("FileNotFoundError"))
