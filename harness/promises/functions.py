"""Functions: those that the contract names return or raise what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.cases.expectation import Matches, Raises, Returns
from harness.promises import Breach, Evidence, Promise


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when the call did not return or raise what it must."""
    call, wanted, got = evidence.case.call, evidence.expected.call, evidence.outcome.returned
    if call is None or wanted is None or not evidence.as_expected:
        return
    where = f"{call.function}()"
    expected = _describe(wanted)
    if got is None:
        yield Breach("no-return", where, expected, "the process ended within the call")
    elif got.get("missing"):
        yield Breach(f"{call.function}-missing", where, expected, "no such function")
    elif got.get("importing"):
        yield Breach("import-fails", "import", "importing runs nothing", _describe_error(got))
    elif not _matches(wanted, got):
        yield Breach(f"{call.function}-wrong", where, expected, _describe_error(got))


def _matches(wanted: Returns | Raises, got: Mapping[str, object]) -> bool:
    if isinstance(wanted, Returns):
        return "returned" in got and got["returned"] == wanted.value
    names = got.get("raised", [])
    assert isinstance(names, list)
    message = str(got.get("message", ""))
    return wanted.exception in names and Matches("", wanted.message, "").is_in(message)


def _describe(wanted: Returns | Raises) -> str:
    if isinstance(wanted, Returns):
        return f"returns {wanted.value!r}"
    suffix = f" that says {wanted.message!r}" if wanted.message else ""
    return f"raises {wanted.exception}{suffix}"


def _describe_error(got: Mapping[str, object]) -> str:
    if "returned" in got:
        return f"returned {got['returned']!r}"
    names = got.get("raised")
    assert isinstance(names, list)
    return f"raised {names[0]}: {got.get('message')}"


PROMISE = Promise(
    "functions", "Each function that the contract names returns or raises what it says.", check
)
