"""Network: the script needs none; every case runs without one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise

# Errors of Python, its libraries and curl about a failed connection.
_UNREACHABLE = re.compile(
    r"gaierror|name resolution|name or service not known|no address associated"
    r"|nodename nor servname|network is (?:unreachable|down)|could not resolve host"
    r"|NewConnectionError|EndpointConnectionError|could not connect to the endpoint|urlopen error"
    r"|failed to establish a new connection|ConnectTimeout|NoCredentialsError.*endpoint",
    re.IGNORECASE,
)


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a case ends otherwise than it must, with a failed connection."""
    if evidence.as_expected:
        return
    for line in reversed(evidence.outcome.stderr.splitlines()):
        if _UNREACHABLE.search(line):
            yield Breach("reaches-out", "standard error", "no connection to anywhere", line)
            return


PROMISE = Promise(
    "no-network", "The script works without a network: no case of any runner has one.", check
)
