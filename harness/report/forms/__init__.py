"""The forms of report files, each a module with one function from a run to a text.

A new form is a module and a line in `FORMS`. The text of a report comes from the same summaries as
what is printed on the terminal; a step that could not be proved is in every form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from harness.files.plugins import added
from harness.report import Run
from harness.report.forms.badge import badge_json, badge_svg
from harness.report.forms.ctrf import ctrf
from harness.report.forms.github import github
from harness.report.forms.html import html
from harness.report.forms.junit import junit
from harness.report.forms.markdown import markdown
from harness.report.forms.sarif import sarif
from harness.report.json_file import json_document, json_lines

# A text that may be long comes in parts.
Parts = Callable[[Run], Iterator[str]]
Render = Callable[[Run], str]

_IN_PARTS: Mapping[str, Parts] = {"json": json_document, "jsonl": json_lines}


def _joined(parts: Parts) -> Render:
    return lambda run: "".join(parts(run))


_OWN: Mapping[str, Render] = {
    "badge": badge_json,
    "badge-svg": badge_svg,
    "ctrf": ctrf,
    "github": github,
    "html": html,
    **{name: _joined(one) for name, one in _IN_PARTS.items()},
    "junit": junit,
    "markdown": markdown,
    "sarif": sarif,
}
FORMS: Mapping[str, Render] = {
    **_OWN,
    **added("reports", Callable, tuple(_OWN)),
}


def parts(form: str, run: Run) -> Iterable[str]:
    """The text of a report in this form, in one part or more."""
    return _IN_PARTS[form](run) if form in _IN_PARTS else [FORMS[form](run)]
