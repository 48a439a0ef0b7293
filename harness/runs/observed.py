"""What all runs of a step have looked at, compared with what its contract declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from harness.cases.case import Case
from harness.cases.observed import Query
from harness.contracts.contract import Contract
from harness.promises.inputs import input_folders
from harness.worlds.tree import is_under

_HYPERPARAMETERS = "/opt/ml/input/config/hyperparameters.json"


def undeclared(contract: Contract, case: Case, queries: Collection[Query]) -> Iterator[str]:
    """Each file that the script has read, or looked for, and that the contract does not declare.

    What the job itself puts there for Python and for the platform's libraries is none of them.
    """
    job = case.tree.job
    if job is None:
        return
    if ("read", _HYPERPARAMETERS) in queries and not contract.arguments:
        yield f"reads {_HYPERPARAMETERS}, which the contract does not declare"
    declared = (*input_folders(contract, case), *contract.output_folders, *contract.scratch)
    found: set[str] = set()
    for kind, path in queries:
        if kind not in ("stat", "lookup", "read", "list") or path == job.channels:
            continue
        if not is_under(path, job.channels):
            continue
        channel = f"{job.channels}/{path[len(job.channels) :].split('/')[1]}"
        if not any(is_under(one, channel) or is_under(channel, one) for one in declared):
            found.add(channel)
    for channel in sorted(found):
        yield f"looks for {channel}, which the contract does not declare"


def never_read(contract: Contract, case: Case, queries: Collection[Query]) -> Iterator[str]:
    """Each input that no run has looked at, by its own name or in a list of the folder it is in."""
    paths = [path for kind, path in queries if kind in ("stat", "lookup", "read", "list", "tree")]
    lists = [path for kind, path in queries if kind in ("list", "tree")]
    script = case.script_folder
    for name, one in contract.inputs.items():
        sources = [source.replace("{script_dir}", script) for source in one.source]
        places = (*one.mounts, *sources)
        seen = any(is_under(path, place) for path in paths for place in places)
        if not seen and not any(is_under(place, path) for path in lists for place in places):
            yield f"the input {name} is declared and never read, in no case"
