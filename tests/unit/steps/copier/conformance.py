"""What is tried on the copier: a text or none, and one special case."""

from __future__ import annotations

from harness.case import Case
from harness.contract import Contract
from harness.expectation import Content, Expectation, Says
from harness.jobs import PROCESSING
from harness.matrix import Axis, Edit, Special, Suite, as_it_is
from harness.tree import Tree

COPY = "/opt/ml/processing/output/copy/text.txt"
TEXTS = {"empty": b"", "short": b"a", "long": b"ab"}


def text(data: bytes) -> Edit:
    """The channel `text` holds this text."""
    return lambda case: case.with_tree(case.tree.with_channel("text", {"text.txt": data}))


def older(case: Case) -> Case:
    """An older copy is there already."""
    return case.with_tree(case.tree.with_file(COPY, b"an older copy"))


AXES = (
    Axis("text", {"absent": as_it_is, **{name: text(data) for name, data in TEXTS.items()}}),
    Axis("older_copy", {"absent": as_it_is, "present": older}),
)


def expect(case: Case) -> Expectation:
    """A copy; without a text exit code 1, and an error that names the missing file."""
    if case.choices["text"] == "absent":
        return Expectation(exit_code=1, error=(Says("file", r"text\.txt", "names text.txt"),))
    return Expectation(writes={COPY: Content(data=TEXTS[case.choices["text"]])})


def suite(contract: Contract, script: bytes) -> Suite:
    """The product of the axes, eight cases, and a special one."""
    tree = Tree.for_job(PROCESSING, contract.output_folders).with_code({"copier.py": script})
    start = Case(tree=tree, script="/opt/ml/code/copier.py")
    accents = "é".encode()
    copied = Expectation(writes={COPY: Content(data=accents)})
    return Suite(start, AXES, expect, [Special("accents", text(accents), copied)])
