"""What is tried on the copier: a text or none, and one special case."""

from __future__ import annotations

from harness.suite import (
    PROCESSING,
    Axis,
    Case,
    Content,
    Contract,
    Expectation,
    Matches,
    Special,
    Suite,
    as_it_is,
    channel,
    suite_of,
)

COPY = "/opt/ml/processing/output/copy/text.txt"
TEXTS = {"empty": b"", "short": b"a", "long": b"ab"}


def older(case: Case) -> Case:
    """An older copy is there already."""
    return case.with_tree(case.tree.with_file(COPY, b"an older copy"))


CHANNELS = {name: channel("text", {"text.txt": text}) for name, text in TEXTS.items()}
AXES = (
    Axis("text", {"absent": as_it_is, **CHANNELS}),
    Axis("older_copy", {"absent": as_it_is, "present": older}),
)


def expect(case: Case) -> Expectation:
    """A copy; without a text exit code 1, and an error that names the missing file."""
    if case.choices["text"] == "absent":
        return Expectation(exit_code=1, error=(Matches("file", r"text\.txt", "names text.txt"),))
    return Expectation(writes={COPY: Content(data=TEXTS[case.choices["text"]])})


def suite(contract: Contract, script: bytes) -> Suite:
    """The product of the axes, eight cases, and a special one."""
    accents = "é".encode()
    copied = Expectation(writes={COPY: Content(data=accents)})
    special = [Special("accents", channel("text", {"text.txt": accents}), copied)]
    return suite_of(PROCESSING, contract, script, AXES, expect, special)
