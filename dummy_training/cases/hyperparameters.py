"""Valid, unusual and invalid hyperparameters, provided and embedded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.suite import Special, file, hardlink, model_archive, symlink

from .expected import (
    CODE,
    HYPERPARAMETERS,
    MODEL,
    error_code,
    failure,
    injected,
    kept,
    no_hyperparameters,
    searched,
)
from .world import (
    PLAIN,
    PLAIN_ARCHIVE,
    PROCESSED_AT,
    PROVIDED,
    TRAINED,
    TRAINED_ARCHIVE,
    TreeEdit,
    World,
    channels,
    file_at,
    older_output,
)


def hyperparameters(world: World) -> Iterator[Special]:
    """Valid, unusual and invalid hyperparameters, provided and embedded."""
    # `malformed` is not JSON; the others are JSON to some parsers, but not an object in UTF-8.
    malformed = {
        "malformed": b'{"epochs": 3',
        "empty": b"",
        "only-spaces": b" \n",
        "two-objects": b'{"epochs": 3}{"epochs": 4}',
        "single-quotes": b"{'epochs': 3}",
        "trailing-comma": b'{"epochs": 3,}',
        "nan": b'{"rate": NaN}',
        "infinity": b'{"rate": -Infinity}',
        "control-character": b'{"name": "a\tb"}',
        "latin-1": '{"name": "caf\u00e9"}'.encode("latin-1"),
    }
    invalid = {
        **malformed,
        "array": b'[{"epochs": 3}]',
        "string": b'"epochs"',
        "number": b"3",
        "null": b"null",
        "lone-surrogate": b'{"name": "\xed\xa0\x80"}',
        "byte-order-mark": b'\xef\xbb\xbf{"epochs": 3}',
        "utf-16": '{"epochs": 3}'.encode("utf-16"),
        "utf-32": '{"epochs": 3}'.encode("utf-32"),
    }
    code = error_code("INVALID_HYPERPARAMETERS")
    for name, data in invalid.items():
        yield world.case(
            f"provided-{name}", failure(code), channels(PLAIN_ARCHIVE, data), older_output
        )
        yield world.case(
            f"provided-{name}-but-ignored",
            kept(TRAINED, ignored=f"{PROCESSED_AT}/{HYPERPARAMETERS}"),
            channels(TRAINED_ARCHIVE, data),
        )
    unusual = {
        "tabs-and-crlf": b'{\r\n\t"epochs" :3 ,\r\n\t"a":[ 1,2 ]\r\n}\r\n\r\n',
        "unsorted": b'{"z": 1, "a": {"y": 1.50, "b": 1e5}}',
        "escapes": b'{"name": "caf\\u00e9 \\/ \\"x\\""}',
        "unicode": '{"name": "caf\u00e9 \u6a21\u578b \U0001f600"}'.encode(),
        "spaces-around": b'\n\n  {"epochs": 3}   \n',
        "empty-object": b"{}",
        "large-numbers": b'{"seed": 123456789012345678901234567890, "eta": 0.1000}',
        "nested-90-deep": b'{"a": ' * 90 + b"1" + b"}" * 90,
        "number-beyond-floats": b'{"eta": 1e999}',
        "same-key-twice": b'{"epochs": 1, "epochs": 3}',
        "number-of-5000-digits": b'{"seed": ' + b"7" * 5_000 + b"}",
        "large": b'{"vocabulary": [' + b", ".join(b'"%d"' % n for n in range(40_000)) + b"]}",
    }
    for name, data in unusual.items():
        yield world.case(
            f"provided-{name}-kept-byte-for-byte",
            injected(PLAIN, data),
            channels(PLAIN_ARCHIVE, data),
        )
    for name, data in {**unusual, **invalid}.items():
        content = (file("hyperparameters.json", data, mode=0o640), *PLAIN)
        yield world.case(
            f"embedded-{name}-kept",
            kept(content, malformed=name in malformed),
            channels(model_archive(content)),
        )
    for name in ("malformed", "empty"):
        content = (file("hyperparameters.json", malformed[name]), *PLAIN)
        yield world.case(
            f"embedded-{name}-kept-over-provided",
            kept(content, ignored=f"{PROCESSED_AT}/{HYPERPARAMETERS}", malformed=True),
            channels(model_archive(content), PROVIDED),
        )
    embedded = b'{"trained": "linked"}\n'
    linked = (*PLAIN, file("code/own.json", embedded))
    for kind, link in (
        ("symlink", symlink("hyperparameters.json", "code/own.json")),
        ("hard-link", hardlink("hyperparameters.json", "code/own.json")),
    ):
        yield world.case(
            f"embedded-as-a-{kind}-becomes-a-file",
            kept(linked, linked=embedded),
            channels(model_archive((*linked, link))),
        )
    chain = (
        *linked,
        symlink("code/link.json", "own.json"),
        symlink("second.json", "code/link.json"),
        symlink("hyperparameters.json", "second.json"),
    )
    yield world.case(
        "embedded-through-a-chain-of-links",
        kept(chain[:-1], linked=embedded),
        channels(model_archive(chain)),
    )
    mixed = (
        *linked,
        hardlink("code/same.json", "code/own.json"),
        symlink("hyperparameters.json", "./code/same.json"),
    )
    yield world.case(
        "embedded-through-a-symlink-to-a-hard-link",
        kept(mixed[:-1], linked=embedded),
        channels(model_archive(mixed)),
    )
    first = file("hyperparameters.json", b'{"trained": "first"}\n')
    last = file("hyperparameters.json", embedded)
    yield world.case(
        "embedded-twice-the-last-counts",
        kept((*PLAIN, last)),
        channels(model_archive((first, *PLAIN, last))),
    )
    member = file("hyperparameters.json", embedded)
    yield world.case(
        "embedded-twice-comes-out-once",
        kept((member, *PLAIN)),
        channels(model_archive((member, *PLAIN, file("./hyperparameters.json", embedded)))),
    )
    provided_path = f"{PROCESSED_AT}/{HYPERPARAMETERS}/hyperparameters.json"
    not_a_file: Mapping[str, TreeEdit] = {
        "directory": lambda tree: tree.with_directory(provided_path),
        "fifo": lambda tree: tree.with_fifo(provided_path),
    }
    for name, edit in not_a_file.items():
        yield world.case(
            f"provided-is-a-{name}",
            failure((searched(provided_path),)),
            channels(PLAIN_ARCHIVE),
            edit,
            older_output,
            timeout=10.0,
        )
        yield world.case(
            f"provided-is-a-{name}-but-ignored",
            kept(TRAINED),
            channels(TRAINED_ARCHIVE),
            edit,
            timeout=10.0,
        )
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
        channels(model_archive(lookalikes), PROVIDED),
    )
    yield world.case(
        "lookalikes-are-not-provided",
        no_hyperparameters(f"{PROCESSED_AT}/{MODEL}/model.tar.gz", f"{CODE}/hyperparams"),
        channels(PLAIN_ARCHIVE),
        file_at(f"{CODE}/hyperparams/Hyperparameters.json", PROVIDED),
        file_at(f"{CODE}/hyperparams/sub/hyperparameters.json", PROVIDED),
    )
