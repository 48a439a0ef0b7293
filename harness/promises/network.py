"""Network: the script needs none; every case runs without one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.cases.case import Outcome
from harness.contracts.contract import Contract
from harness.promises import Breach, Evidence, Promise

# Errors of Python, its libraries and curl about a failed connection.
_UNREACHABLE = re.compile(
    r"gaierror|name resolution|name or service not known|no address associated"
    r"|nodename nor servname|network is (?:unreachable|down)|could not resolve host"
    r"|NewConnectionError|EndpointConnectionError|could not connect to the endpoint|urlopen error"
    r"|failed to establish a new connection|ConnectTimeout|NoCredentialsError.*endpoint",
    re.IGNORECASE,
)

_NO_NETWORK = "no runner has a network"


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a case ends otherwise than it must, with a failed connection."""
    if not evidence.as_expected and (line := _failed_connection(evidence.outcome)):
        yield Breach("reaches-out", "standard error", "no connection to anywhere", line)


def lacks_network(contract: Contract, outcome: Outcome) -> str:
    """Why a failure of a step that may use the network is not proven; "" if it is."""
    waived = PROMISE.name in contract.waivers and outcome.exit_code != 0
    return _NO_NETWORK if waived and _failed_connection(outcome) else ""


def _failed_connection(outcome: Outcome) -> str:
    """The last line of standard error about a failed connection, "" if there is none."""
    lines = reversed(outcome.stderr.splitlines())
    return next((line for line in lines if _UNREACHABLE.search(line)), "")


PROMISE = Promise(
    "no-network", "The script works without a network: no case of any runner has one.", check
)
