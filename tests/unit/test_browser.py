"""The HTML report in a headless Chromium; left out where there is none (see tests/conftest.py)."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from harness.cases.case import Finding, Result
from harness.report import Plan, Run, Summary
from harness.report.forms import FORMS

_ARCHIVE = "/opt/ml/processing/output/model/model.tar.gz"
# Chooses a promise, as a person does.
_FILTER = """<script>
const chosen = document.getElementById("filters");
chosen.elements.promise.value = "output";
chosen.dispatchEvent(new Event("input"));
</script>"""


def _finding(case: str, promise: str, key: str, where: str) -> Finding:
    return Finding(promise, key, case, where, "0644", "0600")


def _document() -> str:
    wrong = tuple(
        _finding("a=1,b=1", "output", "wrong-mode", f"{_ARCHIVE} → {one}") for one in ("x", "y")
    )
    other = _finding("a=1,b=2", "log", "no-summary", "standard error")
    world = ("  opt/", "+   ml/")
    results = (
        replace(Result("a=1,b=1", wrong, 0, 0.1, ""), world=world),
        Result("a=1,b=2", (other,), 0, 0.1, ""),
    )
    plan = Plan("step", "fake", ("a=1,b=1", "a=1,b=2"), 2, ("harness", "replay", "step"))
    return FORMS["html"](Run((Summary(plan, results, 1.0),)))


def test_a_defect_is_unfolded_and_the_list_is_filtered(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(_document().replace("</body>", f"{_FILTER}</body>"), encoding="utf-8")
    done = subprocess.run(
        [
            *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            f"--user-data-dir={tmp_path / 'browser'}",
            f"{page.as_uri()}#step-1-defect-1",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    opened, folded = re.findall(r'<details class="defect"[^>]*>', done.stdout)
    assert "open" in opened
    assert "hidden" not in opened
    assert "hidden" in folded
    assert "1 of 2 defects and warnings shown" in done.stdout
    # The grid shows the cells of that promise alone.
    cells = dict(re.findall(r'<td class="([\w ]+)" title="(a=1,b=\d)"', done.stdout))
    assert cells == {"failed": "a=1,b=1", "failed off": "a=1,b=2"}
    first = done.stdout.partition('id="step-1-defect-1"')[2].partition("</details>")[0]
    for name in ("x", "y"):
        assert (
            f'<td class="mono">{name}</td><td class="mono expected"><mark>0644</mark></td>' in first
        )
    assert "<ins>+   ml/</ins>" in first
