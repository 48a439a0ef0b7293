"""Markdown for a pull request: a table of the steps, and each defect with its replay command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from harness.files.shown import shown
from harness.report import Defect, Plan, Run, Summary, defects

_MAX_DEFECTS = 20
_MAX_TEXT = 2000


def markdown(run: Run) -> str:
    """The verdict, then a section for each step that has defects or undecided cases."""
    shards = dict.fromkeys(one.plan.shard for one in run.summaries)
    part = "".join(f", shard {one}" for one in shards if one)
    lines = [
        f"### {'✅ conforms' if run.conforms else '❌ does not conform'}{part}",
        "",
        "| step | passed | failed | not proven | defects | warnings | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for summary in run.summaries:
        found = defects(summary.results)
        errors = sum(one.is_error for one in found)
        lines.append(
            f"| {_inline(summary.plan.step)} | {summary.number_passed} | {summary.number_failed} "
            f"| {len(summary.unproven)} | {errors} | {len(found) - errors} "
            f"| {summary.seconds:.1f} |"
        )
    lines += (
        ["", *(f"- not proved: {_inline(one.what)}" for one in run.errors)] if run.errors else []
    )
    for summary in run.summaries:
        lines += _step(summary)
    return "\n".join(lines) + "\n"


def _step(summary: Summary) -> list[str]:
    found = defects(summary.results)
    lines: list[str] = []
    for number, defect in enumerate(found[:_MAX_DEFECTS], 1):
        lines += _defect(number, defect, summary.plan)
    if len(found) > _MAX_DEFECTS:
        lines += ["", f"… and {len(found) - _MAX_DEFECTS} more."]
    reasons = dict.fromkeys(summary.unproven.values())
    lines += ["", *(f"- not proven: {_inline(reason)}" for reason in reasons)] if reasons else []
    if summary.plan.waivers:
        lines += ["", *(f"- waived: {_inline(f'{k}: {v}')}" for k, v in _waivers(summary))]
    return ["", f"#### {_inline(summary.plan.step)}", *lines] if lines else []


def _waivers(summary: Summary) -> Sequence[tuple[str, str]]:
    return tuple(summary.plan.waivers.items())


def _defect(number: int, defect: Defect, plan: Plan) -> list[str]:
    head, count = defect.head, len(defect.cases)
    mark = "" if defect.is_error else "warning: "
    fields = {
        "case": head.case,
        "where": head.where,
        "expected": head.expected,
        "got": head.got,
        "cause": head.cause,
        "stderr": defect.first.stderr_tail,
        "replay": shlex.join([*plan.replay_command, head.case]),
    }
    text = "\n".join(
        f"{name if at == 0 else '':9} {line}".rstrip()
        for name, value in fields.items()
        for at, line in enumerate(value.splitlines())
    )
    title = f"{number}. {mark}{head.promise}: {head.key} in {count} case{'s' * (count != 1)}"
    return [
        "",
        f"<details{' open' if number == 1 else ''}><summary>{_html(title)}</summary>",
        "",
        *_block(text),
        "",
        "</details>",
    ]


def _block(text: str) -> list[str]:
    """A code block with a fence longer than any in the text."""
    text = shown(text)
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}\n…"
    fence = "`" * max(3, 1 + max((len(one) for one in re.findall("`+", text)), default=0))
    return [f"{fence}text", text, fence]


def _html(text: str) -> str:
    return shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _inline(text: str) -> str:
    """A text that is shown as it is, on one line: no markup, mention or link in it counts."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~@$:<>&-])", r"\\\1", " ".join(shown(text).split()))
