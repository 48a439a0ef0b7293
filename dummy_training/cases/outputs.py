"""The output folder: older outputs, other file systems, faults during the run."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import replace

from harness.suite import (
    PYTORCH,
    Archive,
    Expectation,
    Interrupt,
    Mount,
    Special,
    file,
    model_archive,
)

from .expected import (
    CODE,
    COLLECTED,
    HYPERPARAMETERS,
    MODEL,
    OUTPUT,
    WRITTEN,
    failure,
    injected,
    no_code_but,
    no_hyperparameters,
    no_model,
)
from .world import (
    GOOD,
    PLAIN_ARCHIVE,
    PROCESSED_AT,
    PROVIDE,
    PROVIDED,
    WRITES,
    World,
    channels,
    file_at,
    folder_at,
    older_output,
)

# Enough members for a signal to come between two of them.
MANY = (*PYTORCH, *(file(f"part-{n}.bin", random.Random(n).randbytes(3000)) for n in range(60)))
IN_A_ROW = tuple(file(f"{name}.bin", name.encode()) for name in ("config", "model", "tokenizer"))


def outputs(world: World) -> Iterator[Special]:
    """Output folders that hold other files, are missing or are a file system."""
    written = WRITES
    yield world.case("older-output-replaced", written, GOOD, older_output)
    yield world.case(
        "older-output-kept-without-model", no_model(f"{CODE}/models", CODE), PROVIDE, older_output
    )
    yield world.case(
        "older-output-kept-without-hyperparameters",
        no_hyperparameters(f"{PROCESSED_AT}/{MODEL}/model.tar.gz", f"{CODE}/hyperparams"),
        channels(PLAIN_ARCHIVE),
        older_output,
    )
    yield world.case(
        "other-files-in-the-output-folder",
        written,
        GOOD,
        file_at(f"{OUTPUT}/notes.txt", b"not mine"),
        file_at(f"{OUTPUT}/model.tar.gz.tmp", b"not mine either"),
    )
    yield world.case(
        "older-scratch-files",
        written,
        GOOD,
        *(
            file_at(f"{folder}/{name}", b"of an older run")
            for folder in ("/tmp", OUTPUT)
            for name in ("model.tar.gz.tmp", "model.tar.gz.part", ".model.tar.gz.tmp", "model.tmp")
        ),
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
        "things-in-the-temporary-folder", written, GOOD, file_at("/tmp/somebody-elses/file", b"x")
    )


# Another run, from its beginning to its end, in the middle of a run. Each has a module of its own.
# In the middle of an import modules lack most of their names: what comes so early waits for that.
_TWICE = f"""\
import importlib.util, os, signal, sys

def loaded(name):
    spec = importlib.util.spec_from_file_location(name, "{CODE}/{{script}}")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def run(module):
    inputs = {{{{one: "{PROCESSED_AT}/" + one for one in ("{MODEL}", "{HYPERPARAMETERS}")}}}}
    module.main(inputs, {{{{"model_output": "{OUTPUT}"}}}}, {{{{}}}}, None)

def run_another(number, frame):
    getpid = os.getpid
    os.getpid = lambda: getpid() + 1
    run(another)
    os.getpid = getpid

early = []
signal.signal(signal.SIGUSR1, lambda *given: early.append(given))
one, another = loaded("one"), loaded("another")
signal.signal(signal.SIGUSR1, run_another)
for given in early:
    run_another(*given)
run(one)
"""


def faults(world: World) -> Iterator[Special]:
    """Signals during the run, full disks, and another run: no partial output."""
    inputs = channels(model_archive(MANY), PROVIDED)
    for moment in (0.1, 0.5, 0.9):
        yield world.case(
            f"another-run-at-{moment:.0%}".replace("%", "-percent"),
            Expectation(writes={WRITTEN: Archive(MANY, PROVIDED)}),
            inputs,
            file_at(f"{CODE}/twice.py", _TWICE.format(script=world.name).encode()),
            script=f"{CODE}/twice.py",
            interrupt=Interrupt(signal.SIGUSR1, moment),
        )
    for moment in (0.05, 0.25, 0.5, 0.75, 0.95):
        for when, edits in (("", (inputs,)), ("-over-older-output", (inputs, older_output))):
            yield world.case(
                f"sigterm-at-{moment:.0%}".replace("%", "-percent") + when,
                Expectation(exit_code=143),
                *edits,
                interrupt=Interrupt(signal.SIGTERM, moment),
            )
    for moment in (0.3, 0.6, 0.9):
        yield world.case(
            f"sigkill-at-{moment:.0%}".replace("%", "-percent"),
            Expectation(exit_code=137, dies=True),
            inputs,
            older_output,
            interrupt=Interrupt(signal.SIGKILL, moment),
        )
    # Of the archive, which is whole, and of its members: all may remain of the one, none of others.
    yield world.case(
        "full-disk-where-a-training-job-is-collected",
        replace(failure((no_code_but(),)), whole=True),
        inputs,
        job="training",
        mounts=(Mount(COLLECTED, size=64 * 1024),),
    )
    # Before and after it, by name and in the archive, others go to their places.
    yield world.case(
        "folder-in-the-way-where-a-training-job-is-collected",
        replace(
            injected(IN_A_ROW, PROVIDED, training=True),
            otherwise=replace(failure((no_code_but(),)), whole=True),
        ),
        channels(model_archive(IN_A_ROW), PROVIDED),
        folder_at(f"{COLLECTED}/model.bin"),
        job="training",
    )
    # The archive comes first.
    yield world.case(
        "folder-in-the-way-of-the-archive-of-a-training-job",
        failure((no_code_but(),)),
        channels(model_archive(IN_A_ROW), PROVIDED),
        file_at(f"{WRITTEN}/notes.txt", b"not mine"),
        job="training",
    )
    full_mounts = (Mount(OUTPUT, size=64 * 1024),)
    yield world.case("full-disk", failure((no_code_but(),)), inputs, mounts=full_mounts)
    yield world.case(
        "full-disk-over-older-output",
        failure((no_code_but(),)),
        inputs,
        older_output,
        mounts=full_mounts,
    )
