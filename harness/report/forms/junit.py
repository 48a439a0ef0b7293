"""JUnit XML: a test suite for each step, a test case for each case.

What XML cannot hold does not print either, and is escaped.
"""

from __future__ import annotations

import junitparser

from harness.cases.case import Finding, Result
from harness.errors import HarnessError
from harness.files.shown import shown
from harness.report import Run, Summary


def junit(run: Run) -> str:
    """The XML document; a case that was not proven is `skipped`, with the reason."""
    document = junitparser.JUnitXml("harness check")
    for summary in run.summaries:
        suite = junitparser.TestSuite(shown(summary.plan.step))
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
    case = junitparser.TestCase(shown(result.case), classname=shown(summary.plan.step))
    case.time = round(result.seconds, 4)
    errors = [one for one in result.findings if one.severity == "error"]
    if errors:
        failure = junitparser.Failure(shown(f"{errors[0].promise}: {errors[0].key}"))
        failure.text = shown("\n\n".join(map(_described, errors)))
        case.result = [failure]
    elif result.unproven:
        case.result = [junitparser.Skipped(shown(f"not proven: {result.unproven}"))]
    if result.stderr_tail:
        case.system_err = shown(result.stderr_tail)
    return case


def _error(error: HarnessError) -> junitparser.TestCase:
    case = junitparser.TestCase(shown(error.what.splitlines()[0]), classname="harness")
    told = junitparser.Error(shown(error.what))
    told.text = shown(f"{error.what}\n{error.hint}")
    case.result = [told]
    return case


def _not_run(summary: Summary, case_id: str, reason: str) -> junitparser.TestCase:
    case = junitparser.TestCase(shown(case_id), classname=shown(summary.plan.step))
    case.result = [junitparser.Skipped(shown(f"not proven: {reason}"))]
    return case


def _described(finding: Finding) -> str:
    return (
        f"{finding.promise}: {finding.key}: {finding.where}\n"
        f"expected {finding.expected}\ngot      {finding.got}"
    )
