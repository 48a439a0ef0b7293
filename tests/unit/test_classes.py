"""Classes: cases share a verdict only where nothing that it depends on is another in them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Outcome
from harness.cases.following import Run, World, start_of
from harness.cases.observed import Kind, Query
from harness.cases.reach import Reach
from harness.cases.watched import Watch
from harness.promises import Evidence, judge
from harness.runners.covering import CoveringRunner
from harness.runners.fake.runner import FakeRunner
from harness.runs import step as steps
from harness.runs.step import load, prove
from harness.worlds.tree import Entry, Tree, parents
from tests.unit.derived import make_step

ROOT = {"processing": "/opt/ml/processing/input", "training": "/opt/ml/input/data"}
OUTPUT = {"processing": "/opt/ml/processing/output/model", "training": "/opt/ml/model"}


def contract(job: str) -> str:
    return f"""
name: step
entry_point: step.py
inputs:
  rows: {{required: true, files: [a.csv], mounts: [{ROOT[job]}/rows]}}
  extra: {{required: false, files: [a.csv], mounts: [{ROOT[job]}/extra]}}
  secret: {{required: false, files: [in/a.csv], mounts: [{ROOT[job]}/secret]}}
environment:
  optional: {{MODE: slow, API_TOKEN: "0123456789-0123456789", LANGUAGE: en}}
outputs:
  model: {{path: {OUTPUT[job]}, files: [model.csv]}}
exit_codes: {{0: trained, 1: failed}}
"""


SAMPLES = {"rows/a.csv": "a\n1\n", "extra/a.csv": "a\n2\n", "secret/in/a.csv": "a\n3\n"}


def all_queries(case: Case) -> list[Query]:
    paths = {one for path in case.tree.entries for one in (path, *parents(path))}
    names = {*case.environment, "MODE", "API_TOKEN", "LANGUAGE", "SM_CHANNEL_EXTRA"}
    found: list[Query] = [(kind, one) for one in paths for kind in _KINDS]
    return [*found, *(("variable", one) for one in names), ("environment", "")]


_KINDS: tuple[Kind, ...] = ("stat", "lookup", "read", "list", "tree")


@pytest.mark.parametrize("job", ROOT)
def test_what_an_axis_does_not_reach_is_the_same_whatever_its_choice(
    job: str, tmp_path: Path
) -> None:
    matrix = load(make_step(tmp_path, "", contract(job), SAMPLES)).matrix
    reach = Reach(matrix.start, matrix.axes)
    assert not reach.unknown
    cases = {}
    for one in matrix.ids:
        if choices := matrix.choices_of(one):
            cases[tuple(choices.values())] = matrix.case(one)[0]
    names = [axis.name for axis in matrix.axes]
    worlds = {key: World(case) for key, case in cases.items()}
    usual = cases[max(cases, key=lambda key: len(cases[key].tree.entries))]
    queries = all_queries(usual)
    plain = [one.name for one in fields(Case) if one.name not in _VARYING]
    for number, name in enumerate(names):
        same = [one for one in queries if name not in reach.asked_by(one)]
        assert same
        for first, second in itertools.pairwise(
            sorted(cases, key=lambda key: _without(key, number))
        ):
            if _without(first, number) != _without(second, number):
                continue
            for query in same:
                assert worlds[first].answer(query) == worlds[second].answer(query), (name, query)
            for field in plain:
                assert getattr(cases[first], field) == getattr(cases[second], field)
            if name not in reach.beginning():
                assert start_of(cases[first]) == start_of(cases[second])


_VARYING = ("id", "choices", "tree", "variables")


def _without(key: tuple[str, ...], number: int) -> tuple[str, ...]:
    return (*key[:number], *key[number + 1 :])


@pytest.mark.parametrize("job", ROOT)
def test_a_path_and_a_variable_depend_on_few_axes(job: str, tmp_path: Path) -> None:
    """Else there would be no classes."""
    matrix = load(make_step(tmp_path, "", contract(job), SAMPLES)).matrix
    reach = Reach(matrix.start, matrix.axes)
    root = ROOT[job]
    assert reach.asked_by(("stat", root)) == ()
    assert reach.asked_by(("lookup", f"{root}/extra/a.csv")) == ("extra",)
    assert reach.asked_by(("list", root)) == ("rows", "extra", "secret")
    assert reach.asked_by(("variable", "MODE")) == ("MODE",)
    assert reach.asked_by(("variable", "HOME")) == ()
    if job == "training":
        assert reach.asked_by(("variable", "SM_CHANNEL_EXTRA")) == ("extra",)
        assert reach.asked_by(("variable", "SM_MODEL_DIR")) == ()
        assert reach.asked_by(("variable", "SM_CHANNELS")) == ("rows", "extra", "secret")
    assert set(reach.asked_by(("environment", ""))) == {axis.name for axis in matrix.axes}


START = """
import os, sys, shutil
from pathlib import Path
INPUT, OUTPUT = Path("{root}"), Path("{output}")
OUTPUT.mkdir(parents=True, exist_ok=True)
text = (INPUT / "rows/a.csv").read_text()
"""
WRITE = 'OUTPUT.joinpath("model.csv").write_text(text)\n'
# Each looks at something, and what is judged depends on something else too.
SCRIPTS = {
    "correct": WRITE,
    "fails": "sys.exit('error: no')\n",
    "fails-with-an-output": WRITE + "sys.exit('error: nothing in extra')\n",
    "tells-secrets": 'print(os.environ.get("API_TOKEN"))\n' + WRITE,
    "leaves-files": 'Path("/tmp/left").write_text(text); Path("/opt/x").mkdir()\n' + WRITE,
    "changes-an-input": '(INPUT / "rows/a.csv").write_text("a\\n")\n' + WRITE,
    "removes-an-input": 'shutil.rmtree(INPUT / "secret", ignore_errors=True)\n' + WRITE,
    "writes-beside-inputs": '(INPUT / "more").write_text("a")\n' + WRITE,
    "writes-what-is-empty": 'text = ""\n' + WRITE,
    "writes-elsewhere": '(OUTPUT / "other.csv").write_text(text)\n',
    "fails-with-extra": 'if (INPUT / "extra/a.csv").exists(): sys.exit(3)\n' + WRITE,
    "asks-for-channels": 'text += os.environ.get("SM_CHANNEL_EXTRA", "")\n' + WRITE,
}


@pytest.mark.parametrize(
    ("name", "job"),
    [
        *((name, "processing") for name in SCRIPTS if name != "asks-for-channels"),
        *((name, "training") for name in ("correct", "removes-an-input", "asks-for-channels")),
    ],
)
def test_a_verdict_of_a_class_is_that_on_each_of_its_cases(
    name: str, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = START.format(root=ROOT[job], output=OUTPUT[job]) + SCRIPTS[name]
    ref = make_step(tmp_path, source, contract(job).replace(", LANGUAGE: en", ""), SAMPLES)
    (tmp_path / "runs").mkdir()
    judged: list[str] = []

    def counting(evidence: Evidence, *args: object) -> object:
        judged.append(evidence.outcome.follows)
        return judge(evidence, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "judge", counting)
    runner = CoveringRunner(FakeRunner(), tmp_path / "runs")
    ids = [one for one in load(ref).matrix.ids if not one.startswith("circumstance=")]
    found = [prove(ref, runner, one) for one in ids]
    assert len(judged) < len(ids) / 2
    for one in found:
        each = steps.run_case(ref, runner, one.case).result
        # Of what was run it is told once how long it took, and shown what it left.
        expected = replace(each, follows=one.follows, seconds=one.seconds, world=one.world)
        assert one == expected, one.follows
        assert bool(one.follows) or one.case in {other.follows for other in found} or one.seconds


def test_views_note_what_is_looked_at(tmp_path: Path) -> None:
    matrix = load(make_step(tmp_path, "", contract("processing"), SAMPLES)).matrix
    case, _ = matrix.case(matrix.usual)
    choices = matrix.choices_of(matrix.usual)
    assert choices is not None
    root, names = ROOT["processing"], tuple(axis.name for axis in matrix.axes)
    written = {f"{root}/extra/a.csv": Entry("file", b"x"), "/tmp/new": Entry("file")}
    after = Tree({**case.tree.entries, **written})
    outcome = Outcome(0, "", "", 0.0, case.tree, after)

    def asked(look: str) -> set[str]:
        watch = Watch(Reach(matrix.start, matrix.axes), choices)
        view, seen = watch.views(case, outcome, Run(case, outcome), ())
        values = {"case": view, "before": seen.before, "after": seen.after, "root": root}
        eval(look, values)
        return set(watch.asked)

    looks: Mapping[str, set[str]] = {
        "case.id, case.script, case.cwd, case.user, case.tree.job": set(),
        "'circumstance' in case.choices, case.choices.get('circumstance'), [*case.choices]": set(),
        "case.choices['MODE']": {"MODE"},
        "case.choices.items() and [*case.choices.items()]": {*names},
        "case.variables": {"MODE", "API_TOKEN", "LANGUAGE"},
        "case.environment": {*names},
        "case.variables_like(__import__('re').compile('TOKEN'))": {"API_TOKEN"},
        "case.tree.get(root), root in before": set(),
        "before.get(root + '/extra/a.csv')": {"extra"},
        # It is what the run has written.
        "after.get(root + '/extra/a.csv'), after.get('/tmp/new')": set(),
        "after.get(root + '/rows')": {"rows"},
        "after.under(root + '/rows', '/tmp')": {"rows"},
        "after.under('/opt/ml/processing/output')": set(),
        "[*after.added_or_changed(before), *after.removed(before)]": {"extra"},
        "[*after]": {"rows", "extra", "secret", "MODE", "API_TOKEN", "LANGUAGE"},
        "after.entries": {"rows", "extra", "secret", "MODE", "API_TOKEN", "LANGUAGE"},
        "after.with_file('/x', b'')": {*names},
        "[*after.added_or_changed(after.without('/x'))]": {*names},
        "case.tree.to_tar()": {*names},
        "vars(case)": {*names},
        "vars(after)": {*names},
        "__import__('copy').copy(case)": {*names},
        "__import__('copy').deepcopy(before)": {*names},
        "__import__('copy').copy(case.choices)": {*names},
        "__import__('dataclasses').asdict(case)": {*names},
        "case.tree.request": {*names},
        "case.tree.get('/opt/ml/config/processingjobconfig.json')": {*names},
        "case.tree.get('/opt/ml/config/resourceconfig.json')": set(),
    }
    for look, axes in looks.items():
        # The C library may have looked at it before the script does.
        assert asked(look) == axes | {"LANGUAGE"}, look
    view, _ = Watch(Reach(matrix.start, matrix.axes), choices).views(
        case, outcome, Run(case, outcome), ()
    )
    assert view.id == ""
    assert view.environment == case.environment
