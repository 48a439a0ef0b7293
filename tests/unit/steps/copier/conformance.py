"""What is tried on the copier: a text or none, and one special case."""

from __future__ import annotations

from harness.case import Case
from harness.contract import Contract
from harness.expectation import Content, Expectation, Says
from harness.jobs import PROCESSING
from harness.matrix import Axis, Special, Suite, as_it_is
from harness.tree import Tree

COPY = "/opt/ml/processing/output/copy/text.txt"


def text(data: bytes):  # type: ignore[no-untyped-def]
    """The channel with this text."""
    return lambda case: case.with_tree(case.tree.with_channel("text", {"text.txt": data}))


AXES = [
    Axis("text", {"absent": as_it_is, "empty": text(b""), "short": text(b"a"), "long": text(b"ab")}),
    Axis("again", {"once": as_it_is, "twice": as_it_is}),
]
TEXTS = {"empty": b"", "short": b"a", "long": b"ab"}


def expect(case: Case) -> Expectation:
    """A copy, or exit code 1 and the name of the missing file."""
    if case.choices["text"] == "absent":
        return Expectation(exit_code=1, error=(Says("file", r"text\.txt", "names text.txt"),))
    return Expectation(writes={COPY: Content(data=TEXTS[case.choices["text"]])})


def suite(contract: Contract, script: bytes) -> Suite:
    """Eight cases and a special one."""
    tree = Tree.for_job(PROCESSING, contract.output_folders).with_code({"copier.py": script})
    start = Case(tree=tree, script="/opt/ml/code/copier.py")
    special = Special("unicode", text("é".encode()), Expectation(writes={COPY: Content(data="é".encode())}))
    return Suite(start, AXES, expect, [special])
