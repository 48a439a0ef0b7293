"""GitHub's workflow commands: each defect becomes an annotation of the script's line."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.files.shown import shown
from harness.report import Defect, Plan, Run, defects
from harness.report.places import place_of


def github(run: Run) -> str:
    """A line for each defect, and one for each reason why cases were not proven."""
    lines = [_command("error", "not proved", _error(one)) for one in run.errors]
    for summary in run.summaries:
        lines += [_annotation(one, summary.plan) for one in defects(summary.results)]
        for reason in dict.fromkeys(summary.unproven.values()):
            lines.append(_command("notice", f"{summary.plan.step}: not proven", reason))
    return "".join(f"{line}\n" for line in lines)


def _error(error: HarnessError) -> str:
    return f"{error.what}\n{error.hint}"


def _annotation(defect: Defect, plan: Plan) -> str:
    head, count = defect.head, len(defect.cases)
    kind = "error" if defect.is_error else "warning"
    text = (
        f"expected {head.expected}\ngot {head.got}\n"
        f"case {head.case} ({count} case{'s' * (count != 1)})"
    )
    place = place_of(defect, plan)
    at = {} if place is None else {"file": place.shown, "line": str(place.line)}
    return _command(kind, f"{plan.step}: {head.promise}: {head.key}", text, at)


def _command(kind: str, title: str, text: str, at: dict[str, str] | None = None) -> str:
    properties = {**(at or {}), "title": title}
    words = ",".join(
        f"{name}={escape_property(shown(value))}" for name, value in properties.items()
    )
    return f"::{kind} {words}::{escape_data(shown(text))}"


def escape_data(text: str) -> str:
    """A text that cannot begin another workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """The same within a property."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")
