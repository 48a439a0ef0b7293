"""What is wrong in a suite is told with its file and line, and never held against the script."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cases.case import Call, Case, Interrupt, Mount
from harness.cases.expectation import Archive, Content, Expectation, Matches, Raises
from harness.cases.matrix import Axis, Special, Suite, as_it_is
from harness.cli import cli
from harness.errors import Exit, WrongContract
from harness.worlds.jobs import Request

COPIER = Path(__file__).parent / "steps" / "copier"
SUITE = (COPIER / "conformance.py").read_text()


@pytest.fixture
def step(tmp_path: Path) -> Path:
    for file in COPIER.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def error_of(*arguments: str) -> str:
    """What a command says that ends with exit code 2."""
    error = CliRunner().invoke(cli, arguments).exception
    assert isinstance(error, WrongContract)
    assert error.exit_code == Exit.WRONG_USE
    return str(error)


LATE = 'return Expectation(writes={COPY: Content(data=TEXTS[case.choices["text"]])})'
OLDER = 'return case.with_tree(case.tree.with_file(COPY, b"an older copy"))'
TREE = "case.tree.with_request(environment={'ROWS': 3})"


@pytest.mark.parametrize(
    ("old", "new", "at", "what"),
    [
        ("(exit_code=1, ", "(exit_cod=1, ", "", "Expectation has no field exit_cod"),
        (LATE, "return None", "def expect", "the function expect returned None"),
        (LATE, "pass", "def expect", "the function expect returned None"),
        (LATE, "return True", "def expect", "returned True, and not a value of type Expectation"),
        (LATE, LATE.replace("data=", "data='x' or "), "", "Content.data: "),
        (LATE, "return Expectation(writes={COPY: b'x'})", "", "Expectation.writes./opt/ml"),
        (LATE, "return Expectation(writes={'copy': Content()})", "", "no absolute path, got"),
        (LATE, "return TEXTS[case.choices['texts']]", "", "KeyError: 'texts'"),
        (OLDER, OLDER.replace("return ", ""), "def older", "the edit older returned None"),
        (OLDER, "return Case(variables={'ROWS': 3})", "", "Case.variables.ROWS: "),
        (OLDER, "return case.with_tree(" + TREE + ")", "", "Request.e"),
        (OLDER, "return case.with_tre(case.tree)", "", "AttributeError"),
        (r'r"text\.txt"', 'r"text(txt"', "", "argument 2 of Matches: value error, no regular"),
        ('"accents", channel', '"accents", None and channel', "", "argument 2 of Special: "),
    ],
)  # fmt: skip
def test_an_error_in_a_suite_is_told_with_its_place(
    step: Path, old: str, new: str, at: str, what: str
) -> None:
    assert SUITE.count(old) == 1
    suite = step / "conformance.py"
    suite.write_text(SUITE.replace(old, new))
    error = error_of("check", str(step), "--jobs", "1")
    assert what in error
    changed = next(
        number
        for number, line in enumerate(suite.read_text().splitlines(), 1)
        if (line.startswith(at) if at else new.splitlines()[0] in line)
    )
    assert f"{suite}:{changed}: " in error


def test_an_error_in_a_module_beside_a_suite_is_told_with_its_place(step: Path) -> None:
    (step / "cases").mkdir()
    (step / "cases" / "__init__.py").write_text("\ndef rows():\n    return {}['rows']\n")
    suite = step / "conformance.py"
    suite.write_text(SUITE.replace(LATE, "from .cases import rows; rows()"))
    place = f"{step / 'cases' / '__init__.py'}:3"
    assert f"{place}: the suite fails: KeyError" in error_of("list", str(step))


def test_an_error_that_only_a_worker_meets_is_told_too(step: Path) -> None:
    suite = step / "conformance.py"
    # The usual case is another one.
    wrong = "if case.choices['text'] == 'empty':\n        return None\n    " + LATE
    suite.write_text(SUITE.replace(LATE, wrong))
    error = error_of("check", str(step), "--jobs", "2")
    assert "the function expect returned None" in error


@pytest.mark.parametrize(
    "make",
    [
        lambda: Case(variables={"ROWS": 3}),  # type: ignore[dict-item]
        lambda: Case(arguments="--rows 3"),  # type: ignore[arg-type]
        lambda: Case(timeout="3"),  # type: ignore[arg-type]
        lambda: Case(tree=None),  # type: ignore[arg-type]
        lambda: Case(argument=()),  # type: ignore[call-arg]
        lambda: Call("f", ["a"]),  # type: ignore[arg-type]
        lambda: Mount("/opt/ml", size="3"),  # type: ignore[arg-type]
        lambda: Interrupt(15, "early"),  # type: ignore[arg-type]
        lambda: Content(data="text"),  # type: ignore[arg-type]
        lambda: Content(kind="folder"),  # type: ignore[arg-type]
        lambda: Archive(("a",)),  # type: ignore[arg-type]
        lambda: Expectation(exit_code="1"),  # type: ignore[arg-type]
        lambda: Expectation(error=Matches("a", "a", "a")),  # type: ignore[arg-type]
        lambda: Expectation(writes={"/a": b"x"}),  # type: ignore[dict-item]
        lambda: Matches("a", "(", "a"),
        lambda: Raises("ValueError", "["),
        lambda: Axis("a", {"b": 3}),  # type: ignore[dict-item]
        lambda: Special("a", as_it_is, None),  # type: ignore[arg-type]
        lambda: Suite(None),  # type: ignore[arg-type]
        lambda: Suite(Case(), axes=[("a", {})]),  # type: ignore[list-item]
        lambda: Request(hyperparameters={"a": 3}),  # type: ignore[dict-item]
    ],
)
def test_values_are_checked_when_they_are_made(make: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        make()  # type: ignore[operator]


def test_lists_will_do_for_tuples() -> None:
    assert Case(arguments=["a"], mounts=[Mount("/a")]).arguments == ("a",)  # type: ignore[arg-type]
