"""JUnit XML: a test suite for each step, a test case for each case."""

from __future__ import annotations

import re

import junitparser

from harness.cases.case import Finding, Result
from harness.errors import HarnessError
from harness.report import Run, Summary

# What XML 1.0 cannot hold, not even as a reference.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Run) -> str:
    """The XML document; a case that was not proven is `skipped`, with the reason."""
    document = junitparser.JUnitXml("harness check")
    for summary in run.summaries:
        suite = junitparser.TestSuite(_text(summary.plan.step))
        suite.add_testcases([_test_case(summary, one) for one in summary.results])
        suite.add_testcases(
            [_not_run(summary, one, why) for one, why in summary.plan.unproven.items()]
        )
        suite.time = round(summary.seconds, 3)
        document.add_testsuite(suite)
    if run.errors:
        suite = junitparser.TestSuite("steps that could not be proved")
        suite.add_testcases([_error(one) for one in run.errors])
        document.add_testsuite(suite)
    # junitparser has no types for it.
    written: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return written.decode("utf-8") + "\n"


def _test_case(summary: Summary, result: Result) -> junitparser.TestCase:
    case = junitparser.TestCase(_text(result.case), classname=_text(summary.plan.step))
    case.time = round(result.seconds, 4)
    errors = [one for one in result.findings if one.severity == "error"]
    if errors:
        failure = junitparser.Failure(_text(f"{errors[0].promise}: {errors[0].key}"))
        failure.text = _text("\n\n".join(map(_described, errors)))
        case.result = [failure]
    elif result.unproven:
        case.result = [junitparser.Skipped(_text(f"not proven: {result.unproven}"))]
    if result.stderr_tail:
        case.system_err = _text(result.stderr_tail)
    return case


def _error(error: HarnessError) -> junitparser.TestCase:
    case = junitparser.TestCase(_text(error.what.splitlines()[0]), classname="harness")
    told = junitparser.Error(_text(error.what))
    told.text = _text(f"{error.what}\n{error.hint}")
    case.result = [told]
    return case


def _not_run(summary: Summary, case_id: str, reason: str) -> junitparser.TestCase:
    case = junitparser.TestCase(_text(case_id), classname=_text(summary.plan.step))
    case.result = [junitparser.Skipped(_text(f"not proven: {reason}"))]
    return case


def _described(finding: Finding) -> str:
    return (
        f"{finding.promise}: {finding.key}: {finding.where}\n"
        f"expected {finding.expected}\ngot      {finding.got}"
    )


def _text(text: str) -> str:
    return _NOT_IN_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
