"""Report files: each form holds every verdict, and no text of a script acts in it."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from harness.cases.case import Finding, Result
from harness.cases.shard import Shard
from harness.errors import WrongContract, WrongUse
from harness.report import Plan, Run, Summary, defects
from harness.report.compare import compare
from harness.report.forms import FORMS
from harness.report.forms.grid import choices, grids
from harness.report.forms.sides import Line, comparisons
from harness.report.written import ReportOption, StepSummaryReport, WrittenReport
from harness.worlds.jobs import PROCESSING
from harness.worlds.listing import listing
from harness.worlds.tree import Tree
from tests.unit.command import harness

COPIER = str(Path(__file__).parent / "steps" / "copier")
HOSTILE = "\x1b]0;x\x07 ::error::forged </pre><script>alert(1)</script> ``` & \u202e"


_TRACEBACK = """Traceback (most recent call last):
  File "/opt/ml/code/step.py", line {}, in <module>
  File "/usr/lib/python3.11/json/__init__.py", line 7, in loads
OSError: x"""


def finding(case: str, **others: str) -> Finding:
    values = {
        "promise": "exit-code",
        "key": "1-for-0",
        "where": "the process",
        "expected": "exit code 0",
        "got": "exit code 1",
        "cause": "ValueError at step.py:3",
        **others,
    }
    return Finding(case=case, **values)  # type: ignore[arg-type]


def summary(*results: Result, script: Path | str = "", unproven: Sequence[str] = ()) -> Summary:
    plan = Plan(
        "copier",
        "fake",
        tuple(one.case for one in results),
        len(results),
        ("harness", "replay", "copier"),
        unproven=dict.fromkeys(unproven, "no sample"),
        script=str(script),
        entry_point="step.py",
    )
    return Summary(plan, results, 1.25)


def run(*summaries: Summary) -> Run:
    return Run(summaries)


def passed(case: str) -> Result:
    return Result(case, (), 0, 0.01, "")


def failed(case: str, **others: str) -> Result:
    return Result(case, (finding(case, **others),), 1, 0.02, others.get("got", ""))


MIXED = summary(
    passed("a=1,b=1"),
    failed("a=1,b=2"),
    failed("a=2,b=1", severity="warning"),
    Result("a=2,b=2", (), 143, 0.5, "", unproven="the signal was not delivered"),
    unproven=["a=3,b=1"],
)


def test_junit_has_a_test_case_for_each_case() -> None:
    suite = ElementTree.fromstring(FORMS["junit"](run(MIXED)))[0]
    assert [suite.get(one) for one in ("name", "tests", "failures", "skipped")] == [
        *("copier", "5", "1", "2")
    ]
    outcomes = {one.get("name"): [child.tag for child in one] for one in suite}
    assert outcomes["a=1,b=1"] == []
    assert outcomes["a=1,b=2"] == ["failure"]
    # A warning does not fail a case.
    assert outcomes["a=2,b=1"] == []
    assert outcomes["a=2,b=2"] == outcomes["a=3,b=1"] == ["skipped"]
    assert "expected exit code 0" in str(suite[1][0].text)


def test_ctrf_counts_every_case() -> None:
    results = json.loads(FORMS["ctrf"](run(MIXED)))["results"]
    assert {one["name"]: one["status"] for one in results["tests"]} == {
        "a=1,b=1": "passed",
        "a=1,b=2": "failed",
        "a=2,b=1": "passed",
        "a=2,b=2": "skipped",
        "a=3,b=1": "skipped",
    }
    counts = results["summary"]
    assert [counts[one] for one in ("tests", "passed", "failed", "skipped", "stop")] == [
        *(5, 2, 1, 2, 1250)
    ]
    assert "no sample" in {one.get("message") for one in results["tests"]}


def test_a_defect_stands_at_the_line_that_raised_it(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import sys\n\nraise ValueError('x')\n")
    (tmp_path / "helper.py").write_text("raise OSError\n")
    found = summary(
        failed("a=1"),
        failed("a=2", cause="OSError at helper.py:1", key="other"),
        failed("a=3", cause="", key="third"),
        failed("a=4", cause="", key="fourth", got=_TRACEBACK.format(3)),
        failed("a=5", cause="", key="fifth", got=_TRACEBACK.format(99)),
        script=script,
    )
    results = json.loads(FORMS["sarif"](run(found)))["runs"][0]["results"]
    places = [one["locations"][0]["physicalLocation"] for one in results]
    assert [
        (one["artifactLocation"]["uri"].rpartition("/")[2], one["region"]["startLine"])
        for one in places
    ] == [("mine.py", 3), ("helper.py", 1), ("mine.py", 1), ("mine.py", 3), ("mine.py", 1)]
    assert len({json.dumps(one["partialFingerprints"]) for one in results}) == 5
    assert f"file={script},line=3," in FORMS["github"](run(found))
    shown = FORMS["html"](run(found)).replace("&#39;", "'").replace("&gt;", ">")
    assert "mine.py:3\n  2 |\n> 3 | raise ValueError" in shown


def test_a_report_without_a_script_names_no_line() -> None:
    (result,) = json.loads(FORMS["sarif"](run(summary(failed("a=1")))))["runs"][0]["results"]
    assert "locations" not in result
    assert FORMS["github"](run(summary(failed("a=1")))).startswith("::error title=")


def test_markdown_says_of_which_shard_it_is() -> None:
    found = summary(passed("a=1"))
    assert FORMS["markdown"](run(found)).startswith("### ✅ conforms\n")
    part = replace(found, plan=replace(found.plan, shard=Shard(1, 2)))
    assert FORMS["markdown"](run(part)).startswith("### ✅ conforms, shard 1/2\n")


@pytest.mark.parametrize("form", ["github", "html", "junit", "markdown", "badge-svg"])
def test_text_of_a_script_does_not_act(form: str) -> None:
    hostile = summary(failed(f"a={HOSTILE}", got=HOSTILE, key=HOSTILE, cause=HOSTILE))
    hostile = replace(hostile, plan=replace(hostile.plan, step=HOSTILE))
    text = FORMS[form](run(hostile))
    # Escapes, and a mark that changes the direction of what follows.
    assert not {"\x1b", "\u202e"} & set(text)
    if form == "github":
        assert all(re.match("::(error|warning|notice) ", one) for one in text.splitlines())
        return
    if form == "markdown":
        blocks = re.findall(r"^(`{3,})text\n.*?^\1$", text, flags=re.S | re.M)
        assert blocks == ["````"]
        outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.S | re.M)
        assert not re.search(r"(?<!\\)<script", outside)
        return
    assert "<script>alert" not in text


class _Structure(HTMLParser):
    """The open elements, the ids, and the links of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("option", "p"):
            assert self.open[-1] == tag
        self.open.remove(tag) if tag not in self.open[-1:] else self.open.pop()


def test_html_is_one_file_whose_links_lead_somewhere() -> None:
    structure = _Structure()
    structure.feed(FORMS["html"](run(MIXED, summary(passed("a=1")))))
    assert len(set(structure.ids)) == len(structure.ids)
    assert structure.links
    assert {one.removeprefix("#") for one in structure.links} <= set(structure.ids)
    assert not structure.sources


@pytest.mark.parametrize("form", FORMS)
def test_a_step_that_could_not_be_proved_is_in_every_form(form: str) -> None:
    error = WrongContract("contract.yaml:3: is odd", "mend it")
    found = Run((summary(passed("a=1")),), (error,))
    text = FORMS[form](found)
    assert text != FORMS[form](replace(found, errors=()))
    assert "is odd" in text or form.startswith("badge")
    assert "brightgreen" not in text
    assert "✓ conforms" not in text


def test_html_shows_each_verdict_in_the_grid() -> None:
    (grid,) = grids(replace(MIXED, plan=replace(MIXED.plan, unproven={})))
    assert (grid.row_axes, grid.column_axes) == (("a",), ("b",))
    found = {f"{row[0]}{column[0]}": cell.state for (row, column), cell in grid.cells.items()}
    assert found == {"11": "passed", "12": "failed", "21": "warning", "22": "unproven"}
    text = FORMS["html"](run(MIXED))
    assert text.count('<details class="defect"') == len(defects(MIXED.results)) == 1
    assert "no sample: 1 case" in text


def test_a_large_matrix_is_shown_in_cells_of_several_cases() -> None:
    results = [passed(f"a={a},b={b},c={c},d={d}") for a in range(20) for b in range(20)
               for c in range(20) for d in range(2)]  # fmt: skip
    results[5] = failed(results[5].case)
    (grid,) = grids(summary(*results))
    assert grid.left_out
    assert len(grid.cells) <= 5000
    assert sum(one.total for one in grid.cells.values()) == len(results)
    assert [one.first for one in grid.cells.values() if one.state == "failed"] == [results[5].case]


@pytest.mark.parametrize(
    ("case_id", "found"),
    [
        ("a=1,b=2", (("a", "1"), ("b", "2"))),
        ("special=x,y", (("special", "x,y"),)),
        ("argument.--rate=0.5,other=a=b", (("argument.--rate", "0.5"), ("other", "a=b"))),
        ("odd", ()),
    ],
)
def test_an_id_is_split_into_choices(case_id: str, found: object) -> None:
    assert choices(case_id) == found


def test_the_world_before_and_after_is_a_tree() -> None:
    before = Tree.for_job(PROCESSING).with_file("/opt/ml/gone", b"1").with_file("/tmp/same", b"")
    after = Tree.for_job(PROCESSING).with_file("/opt/ml/<b>/new", b"12").with_file("/tmp/same", b"")
    lines = listing(before, after)
    assert lines[:2] == ("  opt/", "    ml/")
    assert "-     gone (1 bytes)" in lines
    assert "+       new (2 bytes)" in lines
    assert not any("same" in line for line in lines)
    shown = FORMS["html"](run(summary(replace(failed("a=1"), world=lines))))
    assert "<ins>+       new (2 bytes)</ins>" in shown
    assert "<del>-     gone (1 bytes)</del>" in shown
    assert "<b>/" not in shown
    many = after
    for number in range(200):
        many = many.with_file(f"/opt/ml/{number}", b"")
    assert len(listing(before, many)) < 100


def test_members_of_an_archive_stand_side_by_side() -> None:
    archive = "/opt/ml/model/model.tar.gz"
    case = "a=1"
    told = [
        finding(case, where=f"{archive} → {name}", key=key, expected=expected, got=got, cause="")
        for name, key, expected, got in (
            ("code/x.py", "wrong-mode", "0644", "0600"),
            ("<b>", "member-missing", "a file", "nothing"),
        )
    ]
    elsewhere = finding(case, where="/opt/ml/model/other", key="left", cause="")
    shown = FORMS["html"](run(summary(Result(case, (*told, elsewhere), 0, 0.1, ""))))
    row = (
        '<td class="mono">{}</td><td class="mono expected"><mark>{}</mark></td>'
        '<td class="mono got"><mark>{}</mark></td>'
    )
    assert row.format("code/x.py", "0644", "0600") in shown
    assert row.format("&lt;b&gt;", "a file", "nothing") in shown
    compared = failed(
        case,
        where=archive,
        expected="a file, as usual",
        got="a file:\nmember a: gone\nmember b: new\nmember c: mode 0644 → 0600",
    )
    shown = FORMS["html"](run(summary(compared)))
    assert row.format("a", "there", "nothing") in shown
    assert row.format("b", "nothing", "there") in shown
    assert row.format("c", "mode 0644", "0600") in shown
    assert "Members of the archive" not in FORMS["html"](run(MIXED))


def test_each_place_of_a_defect_is_compared_in_its_own_form() -> None:
    told = [
        finding(
            "a=1",
            promise="golden",
            key="differs",
            cause="",
            where=f"/opt/ml/model/{name}",
            expected=f"as in {name}",
            got=got,
        )
        for name, got in (
            ("x.json", '/rmse: 0.3 → 0.31\n/labels/1: "b" → "c"'),
            ("x.txt", "@@ -1,2 +1,2 @@\n first\n-second\n+other\n@@ -9 +9 @@\n-gone"),
            ("x.csv", "row 3, column sum: 4 → 5\n4 → 3 rows, the first included"),
        )
    ]
    (defect,) = defects((Result("a=1", tuple(told), 0, 0.1, ""),))
    values, text, table = comparisons(defect)
    assert [(one.name, one.expected, one.got) for one in values.rows] == [
        ("/rmse", "0.3", "0.31"), ("/labels/1", '"b"', '"c"')]  # fmt: skip
    assert (values.expected, values.got) == ((Line("as in x.json", False),), ())
    assert [(one.text, one.differs) for one in text.expected] == [
        ("first", False), ("second", True), (" …", False), ("gone", True)]  # fmt: skip
    assert [(one.text, one.differs) for one in text.got] == [
        ("first", False), ("other", True), (" …", False)]  # fmt: skip
    assert [one.name for one in table.rows] == ["row 3, column sum"]
    assert [one.text for one in table.got] == ["4 → 3 rows, the first included"]


def test_html_says_which_case_another_follows_from() -> None:
    text = FORMS["html"](
        run(
            summary(
                passed("a=1,b=1"),
                replace(passed("a=1,b=2"), follows="a=1,b=1"),
                failed("a=2,b=1"),
                replace(failed("a=2,b=2"), follows="a=2,b=1"),
            )
        )
    )
    assert "2 of 4 cases follow from another" in text
    assert 'title="a=1,b=2, follows from a=1,b=1"' in text
    assert 'a=2,b=2<br><span class="dim">follows from a=2,b=1</span>' in text
    assert "cases follow from another" not in FORMS["html"](run(MIXED))


def test_html_shows_the_promises_that_were_broken_waived_and_kept() -> None:
    plan = replace(MIXED.plan, waivers={"log": "old"}, promises=("exit-code", "log", "output"))
    text = FORMS["html"](run(replace(MIXED, plan=plan)))
    shown = text.partition("<h3>Promises</h3>")[2].partition("<h3>")[0]
    assert re.findall(r'<code>([\w-]+)</code></th><td><span class="\w+">(\w+)<', shown) == [
        ("exit-code", "broken"), ("log", "waived")]  # fmt: skip
    assert "Nothing was found against <code>output</code>." in shown


def test_headers_of_the_grid_are_not_repeated() -> None:
    (tall,) = grids(summary(*(passed(f"a={a},b={b},c={c}") for a in "12" for b in "12"
                              for c in "123456789")))  # fmt: skip
    assert tall.row_axes == ("a", "b")
    assert tall.row_spans == ((2, 1), (0, 1), (2, 1), (0, 1))
    assert tall.column_spans == ((1,),) * 9


def test_runs_are_compared_by_cause() -> None:
    old = summary(failed("a=1"), failed("a=2", cause="", key="gone"))
    new = summary(
        failed("a=1", cause="ValueError at step.py:9"), failed("a=2", cause="", key="new")
    )
    found = compare([old], [new])
    assert [one.defect.head.key for one in found.new] == ["new"]
    assert [one.defect.head.key for one in found.fixed] == ["gone"]
    assert [one.defect.head.key for one in found.remaining] == ["1-for-0"]
    assert found.has_new_errors
    warning = summary(failed("a=1", severity="warning"))
    assert not compare([summary(passed("a=1"))], [warning]).has_new_errors


@pytest.mark.parametrize("text", ["pdf=x", "html", "html=", "=x", "html=/nowhere/x.html"])
def test_a_wrong_report_option_is_an_error_before_the_run(text: str) -> None:
    with pytest.raises(WrongUse, match=re.escape(f"--report {text}")):
        WrittenReport(ReportOption.parse(text))


def test_the_summary_of_a_job_is_appended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    StepSummaryReport(str(file)).run_finished(run(MIXED))
    assert file.read_text() == f"before\n{FORMS['markdown'](run(MIXED))}"
    StepSummaryReport(str(tmp_path)).run_finished(run(MIXED))
    assert "warning: GITHUB_STEP_SUMMARY" in capsys.readouterr().err


def test_check_report_and_diff_from_the_command_line(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    script = tmp_path / "bad.py"
    script.write_text("raise ValueError('x')\n")
    only = ("-k", "text=short")
    done = harness("check", COPIER, *only, "--json", str(good), cwd=tmp_path)
    assert done.returncode == 0
    done = harness(
        *("check", COPIER, *only, "--script", str(script), "--report", f"json={bad}"),
        *("--report", "html=report.html", "--report", "github=-"),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "::error file=bad.py,line=1," in done.stdout
    assert "does not conform" in (tmp_path / "report.html").read_text()
    made = harness("report", str(bad), "--report", "html=again.html", cwd=tmp_path)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    # The JSON report rounds what took time.
    again, first = (
        re.sub(r"\d+\.\d+", "…", (tmp_path / name).read_text())
        for name in ("again.html", "report.html")
    )
    assert again == first
    differs = harness("diff", str(good), str(bad), cwd=tmp_path)
    assert differs.returncode == 1
    assert "new: copier: exit-code: 1-for-0 in 2 cases\n  ValueError at copier.py:1\n" in (
        differs.stdout
    )
    assert differs.stdout.endswith("1 new, 0 fixed, 0 still there\n")
    assert harness("diff", str(bad), str(good), cwd=tmp_path).returncode == 0
    assert not list(tmp_path.glob("*.part"))
    wrong = harness("report", str(bad), cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--report html=FILE" in wrong.stderr


def test_the_published_schema_describes_the_report(tmp_path: Path) -> None:
    published = harness("schema", "report", cwd=tmp_path)
    schema = json.loads(published.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(FORMS["json"](run(MIXED)))
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "totals": None}, schema)
    # A key that goes or changes its meaning makes another schema number.
    assert set(document) == set(schema["properties"])
