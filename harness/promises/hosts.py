"""Hosts: each host of a processing job writes files of its own; in S3 all lie in one place."""

from __future__ import annotations

from collections.abc import Iterator

from harness.files.formats import MissingLibrary
from harness.promises import Breach, Evidence, NotProven, Promise
from harness.promises.usual_outputs import changed, outputs
from harness.worlds.tree import is_under

# What each host of such a job leaves here goes to the same prefix.
_UPLOADED = "/opt/ml/processing"


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output file that two hosts of a processing job write with another content.

    The one that is uploaded last is kept. What both write alike does no harm.
    """
    first = evidence.usual_outcome
    if not evidence.expected.other_host or first is None or not evidence.succeeded:
        return
    try:
        theirs, own = (outputs(evidence, one) for one in (first, evidence.outcome))
    except MissingLibrary as error:
        yield NotProven(str(error))
        return
    for path, old, new in changed(theirs, own):
        is_written = (
            old is not None and new is not None and new != evidence.outcome.before.get(path)
        )
        if is_written and is_under(path, _UPLOADED):
            wanted = "another name on each host, or the same content"
            yield Breach("overwritten", path, wanted, "what the first host writes there too")


PROMISE = Promise(
    "host-files",
    "No host of a processing job writes a file that another host writes otherwise.",
    check,
)
