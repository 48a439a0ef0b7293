"""What contracts, suites, reports, files and surroundings attempt on the harness itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cases.matrix import Axis, Matrix, Suite, as_it_is
from harness.contracts import loaders
from harness.errors import WrongContract, WrongUse
from harness.files import own_code, patterns, regular, yaml_file
from harness.files.shown import shell_join, shown, shown_line
from harness.files.writing import WrittenFile
from harness.report.replay import keep_trial
from harness.runs.merge import merge_reports
from harness.worlds.tree import Tree
from tests.unit.worlds import case_of

ROOT = Path(__file__).parents[2]
COPIER = ROOT / "tests/unit/steps/copier"
HARNESS = Path(sys.executable).with_name("harness")
CASE = ("check", str(COPIER), "--case", "text=short,older_copy=absent", "--jobs", "1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, é …\tand\nlines", "plain, é …\tand\nlines"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\r\nc", "a\\rb\nc"),
        ("\u202egpj\u2066\ufeff", r"\u202egpj\u2066\ufeff"),
        ("\u2028\u0085", r"\u2028\x85"),
        ("\udcff\ud800", r"\xff\ud800"),
        ("::error::x", r"\x3a:error::x"),
        ("a\n  ::add-mask::x", "a\n  \\x3a:add-mask::x"),
        ("##vso[task.x]", r"\x23#vso[task.x]"),
        ("\x1b::stop", r"\x1b::stop"),
        ("a::b", "a::b"),
    ],
)
def test_text_never_acts(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert shown(shown(text)) == shown(text)


def test_a_name_stays_on_its_line_and_a_command_can_be_pasted() -> None:
    assert shown_line("a\n::error::b") == r"a\n\x3a:error::b"
    words = ["a b", "c'\x1b\n", "\udcff", "é"]
    line = shell_join(words)
    assert line.isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(one) for one in words]


# Code of a contract → words of the error.
CODE = {
    "os._exit": ("import os; os._exit(0)", "calls os._exit"),
    "SystemExit": ("raise SystemExit(0)", "raises SystemExit"),
    "sys.exit": ("import sys; sys.exit()", "raises SystemExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "raises KeyboardInterrupt"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "thread exit": ("import _thread; _thread.exit()", "raises SystemExit"),
    "a group": ("raise BaseException('x')", None),
}


@pytest.mark.parametrize("name", [one for one in CODE if CODE[one][1]])
def test_a_contract_in_python_cannot_end_the_harness(tmp_path: Path, name: str) -> None:
    code, words = CODE[name]
    (tmp_path / "c.py").write_text(code)
    with pytest.raises(WrongContract, match=rf"c\.py:\d+: .*{words}"):
        loaders.load(tmp_path / "c.py")


def test_what_it_registers_for_the_end_does_not_change_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(
        "import atexit, os\natexit.register(lambda: os._exit(0))\nraise ValueError\n"
    )
    done = subprocess.run([HARNESS, "check", tmp_path / "c.py"], capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_signals_folder_and_streams_are_as_they_were(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def state() -> tuple[Any, ...]:
        return signal.getsignal(signal.SIGINT), Path.cwd(), os._exit, sys.stdout

    before = state()
    with own_code.contained():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.chdir(tmp_path)
        sys.path.clear()
        sys.stdout.write("\x1b[31mred\n")
    assert state() == before
    assert sys.path
    assert capsys.readouterr() == ("", "\\x1b[31mred\n")


@pytest.mark.parametrize("catches", [False, True])
def test_it_cannot_go_on_for_ever(catches: bool) -> None:
    def loop() -> None:
        while True:
            try:
                time.sleep(60)
            except Exception:
                if not catches:
                    raise

    with pytest.raises(own_code.TooLong, match=r"within 0\.1 s"), own_code.contained(0.1):
        loop()


def test_a_stop_of_the_user_is_none_of_the_contract() -> None:
    with pytest.raises(KeyboardInterrupt), own_code.contained():
        signal.raise_signal(signal.SIGINT)


def test_a_pattern_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_TIME_LIMIT", 0.2)
    with pytest.raises(WrongContract, match=r"the pattern .* within 0\.2 s"):
        patterns.search("(a+)+$", "a" * 64 + "b")
    assert patterns.search("b", "abc")


def test_too_many_combinations_are_refused() -> None:
    choices = {"yes": as_it_is, "no": as_it_is}
    suite = Suite(case_of(""), [Axis(f"a{number}", choices) for number in range(40)])
    with pytest.raises(WrongContract, match=r"1,099,511,627,776 combinations[\s\S]*--pairwise"):
        Matrix(suite)
    assert 0 < len(Matrix(suite, pairwise=True).ids) < 100


BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * 9)}]\n" for one in range(1, 9)
)


def test_aliases_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(BOMB)
    with pytest.raises(WrongContract, match=r"c\.yaml:1: its anchors and aliases"):
        yaml_file.read(tmp_path / "c.yaml")


def test_aliases_that_stand_for_little_are_none(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: &a [1, 2]\nb: *a\nc: {d: *a}\n")
    assert yaml_file.read(tmp_path / "c.yaml")["c"]["d"] == [1, 2]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    (tmp_path / "large").write_bytes(b"12345")
    places = (tmp_path / "f", Path("/dev/zero"), Path("/dev/stdin"), tmp_path)
    for place in places:
        with pytest.raises(OSError, match=r"regular|directory"):
            regular.read_bytes(place)
        with pytest.raises(WrongUse, match="cannot be read"):
            merge_reports([place])
        with pytest.raises(WrongContract, match="cannot be read"):
            loaders.read_script(place)
    with pytest.raises(OSError, match="larger than 4 bytes"):
        regular.read_bytes(tmp_path / "large", 4)


@pytest.mark.parametrize(
    "path", ['"/opt/ml/a\\0b"', "/opt/ml/../x", "/", "//", "/."], ids=["NUL", "..", "/", "//", "/."]
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    text = (COPIER / "contract.yaml").read_text()
    (tmp_path / "copier.py").touch()
    changed = text.replace("[/opt/ml/processing/input/text]", f"[{path}]")
    assert changed != text
    (tmp_path / "contract.yaml").write_text(changed)
    with pytest.raises(WrongContract, match=r"contract\.yaml:\d+: inputs\.text\.mounts\.0: "):
        loaders.load(tmp_path)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "r.json"
    options = ("-k", "text=short", "--jobs", "1", "--json", path)
    subprocess.run([HARNESS, "check", COPIER, *options], capture_output=True, check=True)
    return path


def without_selection(document: dict[str, Any]) -> None:
    document["selection"]["expression"] = None


# A change of a true report → words of the error.
FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "failed without a finding": (lambda d: d["cases"][0].update(passed=False), "contradicts"),
    "a case less": (lambda d: d["cases"].pop(), "its totals"),
    "not all cases": (without_selection, "cases are there, and no option"),
    "a case twice": (lambda d: d["cases"].append(d["cases"][0]), "there twice"),
    "from no case": (lambda d: d["cases"][0].update(follows="x=y"), "from no case of the run"),
    "from itself": (
        lambda d: d["cases"][0].update(follows=d["cases"][0]["id"]),
        "from no case of the run",
    ),
    "totals": (lambda d: d["totals"].update(passed=99), "its totals"),
    "a negative total": (lambda d: d["totals"].update(failed=-1), "failed"),
    "endless": (lambda d: d.update(seconds=float("inf")), "is no number"),
    "no number": (lambda d: d["cases"][0].update(seconds=float("nan")), "is no number"),
    "long": (lambda d: d.update(seconds=1e308), "seconds"),
    "another key": (lambda d: d.update(more=1), "more"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_report_is_found(report: Path, tmp_path: Path, name: str) -> None:
    change, words = FORGED[name]
    document = json.loads(report.read_text())
    merge_reports([report])
    change(document)
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(WrongUse, match=words):
        merge_reports([tmp_path / "r.json"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"totals":', '"totals": {}, "totals":'),
        ('"seconds": ', '"seconds": ' + "9" * 5000),
        ('"seconds": ', '"seconds": 1e9'),
        ("{", "[" * 100_000),
        ("{", "\xff"),
    ],
)
def test_a_report_that_only_looks_like_one_is_found(
    report: Path, tmp_path: Path, old: str, new: str
) -> None:
    text = report.read_text().replace(old, new, 1)
    (tmp_path / "r.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(WrongUse):
        merge_reports([tmp_path / "r.json"])


def test_a_report_replaces_nothing_else(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        WrittenFile(str(path), "--json").write("{}")

    neighbour = tmp_path / "r.json.part"
    neighbour.write_text("mine")
    write(tmp_path / "r.json")
    (tmp_path / "link.json").symlink_to("target.json")
    write(tmp_path / "link.json")
    assert neighbour.read_text() == "mine"
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["link.json", "r.json", "r.json.part", "target.json"]
    assert (tmp_path / "link.json").is_symlink()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WrongUse, match="No such device"):
        write(tmp_path / "fifo")
    assert (tmp_path / "fifo").is_fifo()
    write(Path("/dev/null"))
    assert not Path("/dev/null").is_file()
    for name in ("n" * 252 + ".json", "no/r.json"):
        with pytest.raises(WrongUse, match="--json"):
            WrittenFile(str(tmp_path / name), "--json")


def test_what_comes_out_of_a_world_is_laid_out_without_following_links(tmp_path: Path) -> None:
    from harness.cases.case import Outcome
    from harness.cases.expectation import Expectation
    from harness.cases.trial import Trial, Verdict

    victim = tmp_path / "victim"
    victim.mkdir()
    tree = Tree().with_symlink("/zz", str(victim)).with_file("/zz/pwned", b"x")
    tree = tree.with_file("/a/b", b"kept")
    outcome = Outcome(0, "\udcff", "", 0.1, Tree(), tree)
    trial = Trial(case_of(""), Expectation(), outcome, Verdict(()))
    keep_trial(tmp_path / "kept", trial)
    assert not list(victim.iterdir())
    assert (tmp_path / "kept/after/a/b").read_bytes() == b"kept"
    assert (tmp_path / "kept/after/zz").is_symlink()


# Surroundings → how the command is started in them, and its exit code.
SHELL = {
    "few files": ("ulimit -n 64; exec {}", 0),
    "streams closed": ("exec {} <&- >&-", 0),
    "all closed": ("exec {} <&- >&- 2>&-", 0),
    "no folder": ("mkdir gone; cd gone; rmdir ../gone; exec {}", 0),
    "a full device": ("exec {} >/dev/full", 2),
    "no file may grow": ("ulimit -f 0; exec {} --json r.json", 2),
    "interactive": ("PYTHONINSPECT=1 exec {}", 0),
    "ASCII": ("LC_ALL=C PYTHONUTF8=0 PYTHONIOENCODING=ascii TERM=dumb exec {}", 0),
    "no temporary folder": ("TMPDIR=/nonexistent exec {}", 0),
    "no Python": ("HARNESS_PYTHON=/bin/true exec {} --runner sandbox", 2),
    "children that nobody waits for": ("trap '' CHLD; exec {}", 0),
}


@pytest.mark.parametrize("name", SHELL)
def test_odd_surroundings_give_a_verdict_or_a_reason(tmp_path: Path, name: str) -> None:
    line, code = SHELL[name]
    command = line.format(shell_join([str(HARNESS), *CASE]))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
