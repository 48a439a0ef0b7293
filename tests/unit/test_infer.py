"""`harness infer` drafts what a script tells, marks what it does not, and overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.commands import trial_run
from harness.contracts import loaders
from harness.contracts.arguments import Argument
from harness.drafts.draft import draft
from harness.drafts.program import program_at
from harness.drafts.write import contract_text

TOP = Path(__file__).parents[2]
SCRIPT = """
import argparse
import json
import os
import signal
import sys

import joblib
import pandas as pd
from sklearn.linear_model import Ridge

from lib import places


def stop(number, frame):
    sys.exit(128 + number)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--solver", choices=["auto", "svd"], default="auto")
    parser.add_argument("--target", required=True)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    return parser.parse_args()


def main():
    args = parse()
    region = os.environ["REGION"]
    level = os.environ.get("LEVEL", "INFO")
    table = pd.read_csv(os.path.join(args.train, "rows.csv"))
    if os.path.exists(places.EXTRA):
        table = table.merge(pd.read_csv(places.EXTRA))
    if table.empty:
        sys.exit(4)
    model = Ridge(alpha=args.alpha, solver=args.solver).fit(table, table[args.target])
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
    with open("/opt/ml/output/data/report.json", "w") as file:
        json.dump({"region": region, "level": level}, file)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    main()
"""
PLACES = 'ROOT = "/opt/ml/input/data"\nEXTRA = f"{ROOT}/extra/more.csv"\n'


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").touch()
    (tmp_path / "lib" / "places.py").write_text(PLACES)
    path = tmp_path / "fit.py"
    path.write_text(SCRIPT)
    return path


def infer(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["infer", *map(str, arguments)])


def test_the_draft_is_what_the_script_does(script: Path) -> None:
    result = infer(script)
    assert result.exit_code == 0, result.output
    contract = loaders.load(script.parent)
    assert {name: one.mounts for name, one in contract.inputs.items()} == {
        "train": ("/opt/ml/input/data/train",),
        "extra": ("/opt/ml/input/data/extra",),
    }
    assert contract.inputs["train"].file == "rows.csv"
    outputs = {one.path: list(one.files) for one in contract.outputs.values()}
    assert outputs == {"/opt/ml/model": ["model.joblib"], "/opt/ml/output/data": ["report.json"]}
    assert contract.arguments == {
        "alpha": Argument(type="float", default=0.5),
        "solver": Argument(choices=("auto", "svd"), default="auto"),
        "target": Argument(required=True),
        "verbose": Argument(flag=True),
    }
    assert contract.environment.required == ("REGION",)
    assert contract.environment.optional == {"LEVEL": "INFO"}
    assert set(contract.exit_codes) == {0, 1, 2, 4, 143}
    assert set(contract.framework_requirements) == {"joblib", "pandas", "scikit-learn"}
    text = (script.parent / "contract.yaml").read_text()
    assert text.count("# check:") == 3  # Which they are, whether extra is required, exit code 4.


def test_a_draft_has_no_problem(script: Path) -> None:
    infer(script)
    linted = CliRunner().invoke(cli, ["lint", str(script)])
    assert linted.output == "no problems\n"


def test_nothing_is_overwritten(script: Path) -> None:
    own = script.parent / "contract.yaml"
    own.write_text("mine\n")
    result = infer(script)
    assert "is there already" in result.output
    assert own.read_text() == "mine\n"


def test_the_draft_may_go_elsewhere(script: Path, tmp_path: Path) -> None:
    place = tmp_path / "drafts"
    assert f"--code {script.parent}" in infer(script, "-o", place).output
    assert (place / "samples" / "train").is_dir()
    assert json.loads((place / "samples" / "arguments.json").read_text()) == {}


def test_a_script_without_a_contract_is_told_what_to_do(script: Path) -> None:
    for command in ("check", "lint"):
        result = CliRunner().invoke(cli, [command, str(script)])
        assert result.exit_code != 0
        assert "there is no contract beside it" in str(result.exception)
        assert f"`harness infer {script}` drafts one" in str(result.exception)


def test_a_script_is_not_executed(tmp_path: Path) -> None:
    path = tmp_path / "step.py"
    path.write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    for command in ("lint", "infer", "check"):
        CliRunner().invoke(cli, [command, str(path)])
    assert not (tmp_path / "ran").exists()


def test_dummy_training_is_drafted(tmp_path: Path) -> None:
    result = infer(TOP / "dummy_training" / "dummy_training.py", "-o", tmp_path)
    assert result.exit_code == 0
    drafted = loaders.load(tmp_path)
    known = loaders.load(TOP / "dummy_training")
    mounts = {mount for one in known.inputs.values() for mount in one.mounts}
    assert {mount for one in drafted.inputs.values() for mount in one.mounts} == mounts
    assert [one.path for one in drafted.outputs.values()] == ["/opt/ml/processing/output/model"]
    assert set(drafted.exit_codes) == {0, 1, 143}


@pytest.mark.parametrize("source", ["def f(:\n", "\0", "x = " + "(" * 5_000])
def test_what_is_no_python_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "x.py").write_text(source)
    assert "cannot be parsed" in str(infer(tmp_path / "x.py").exception)


OBSERVED = """\
\"\"\"Copies rows.\"\"\"

from __future__ import annotations

import os
import sys
from pathlib import Path

rows = Path("/opt/ml/processing/input/rows/rows.csv").read_text(encoding="utf-8")
if "MODE" in os.environ or os.getenv("LEVEL") == "high":
    sys.exit(9)
copy = Path("/opt/ml/processing/output/copy/rows.csv")
copy.parent.mkdir(parents=True, exist_ok=True)
copy.write_text(rows + str(__doc__), encoding="utf-8")
sys.exit(3)
"""


def test_a_run_tells_what_it_showed(tmp_path: Path, sandbox: object) -> None:
    (tmp_path / "step.py").write_text(OBSERVED)
    rows = tmp_path / "samples" / "rows" / "rows.csv"
    rows.parent.mkdir(parents=True)
    rows.write_text("a\n")
    said = infer(tmp_path / "step.py", "--run").output
    seen = [line for line in said.splitlines() if line.startswith("run: ")]
    assert seen == [
        "run: rows=present,MODE=unset,LEVEL=unset ended with exit code 3",
        "run: /opt/ml/processing/input/rows/rows.csv was read",
        "run: the variable LEVEL was asked for",
        "run: the variable MODE was asked for",
        "run: /opt/ml/processing/output/copy/rows.csv was written",
    ]
    text = (tmp_path / "contract.yaml").read_text()
    assert all(f"# {line}\n" in text for line in seen)
    loaders.load(tmp_path)


@pytest.mark.parametrize("told", [b"", b"[1]", b'{"read": [1, {}], "variables": "x"}'])
def test_what_a_run_wrote_down_may_be_anything(told: bytes) -> None:
    assert not any(trial_run.asked(told).values())


OTHER = """
import os
import duckdb
import fire

RULES = "/opt/ml/processing/input/rules"


def rules(folder, kind):
    if kind == "own":
        with open(f"{folder}/rules.json", encoding="utf-8") as stream:
            return stream.read()
    return ""


def run(parts=4, kind="all"):
    rows = duckdb.sql("SELECT * FROM '/opt/ml/processing/input/sales/*.csv'")
    rows.write_csv("/opt/ml/processing/output/rows/rows.csv")
    print(rules(RULES, kind), parts)


if __name__ == "__main__":
    fire.Fire(run)
"""


def test_what_is_said_in_other_ways_is_drafted_too(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(OTHER)
    infer(tmp_path / "step.py")
    drafted = loaders.load(tmp_path)
    assert {one.mounts[0]: tuple(one.file_patterns) for one in drafted.inputs.values()} == {
        "/opt/ml/processing/input/rules": ("rules.json",),
        "/opt/ml/processing/input/sales": ("*.csv",),
    }
    text = (tmp_path / "contract.yaml").read_text()
    # The rules are read in one branch alone: the script does not tell that they are required.
    assert text.count("required: true  # check:") == 2
    assert drafted.arguments["parts"] == Argument(type="int", default=4)


WORDS = """
import atexit
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd

WORK = Path("/opt/ml/processing/work")
RESULT = "/opt/ml/processing/output/result"
atexit.register(shutil.rmtree, "/opt/ml/cache")


def main():
    place, limit = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10
    WORK.mkdir()
    shutil.copy("/opt/ml/processing/input/data/rows.parquet", "/opt/ml/cache/rows.parquet")
    try:
        pd.read_parquet("/opt/ml/cache/rows.parquet")[place].head(limit).to_csv(WORK / "rows.csv")
        shutil.copy(WORK / "rows.csv", RESULT + "/rows.csv")
    finally:
        shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
"""


def test_words_engines_and_folders_that_are_removed_are_drafted(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(WORDS)
    infer(tmp_path / "step.py")
    drafted = loaders.load(tmp_path)
    assert drafted.arguments == {
        "place": Argument(positional=True, required=True),
        "limit": Argument(positional=True, type="int", default=10),
    }
    assert set(drafted.framework_requirements) == {"pandas", "pyarrow"}
    assert set(drafted.scratch) == {"/opt/ml/processing/work", "/opt/ml/cache"}
    assert {one.path: list(one.files) for one in drafted.outputs.values()} == {
        "/opt/ml/processing/output/result": ["rows.csv"]
    }
    assert [one.mounts[0] for one in drafted.inputs.values()] == ["/opt/ml/processing/input/data"]


def test_an_output_that_is_cleared_first_is_one(tmp_path: Path) -> None:
    lines = [
        "import shutil",
        "from pathlib import Path",
        'out = Path("/opt/ml/processing/output/a")',
    ]
    lines += ["shutil.rmtree(out)", "out.mkdir()", '(out / "b.txt").write_text("b")']
    (tmp_path / "step.py").write_text("\n".join(lines))
    infer(tmp_path / "step.py")
    drafted = loaders.load(tmp_path)
    assert [list(one.files) for one in drafted.outputs.values()] == [["b.txt"]]
    assert not drafted.scratch


THINGS = """
import json
import sqlite3
import subprocess
from pathlib import Path

base = Path("/opt/ml/processing")
found = base / "output" / "found"
table = found / "rows.sqlite"
table.unlink(missing_ok=True)
with open("/opt/ml/input/config/hyperparameters.json", encoding="utf-8") as stream:
    parameters = json.load(stream)
depth, label = int(parameters.get("depth", 3)), parameters["label"]
sqlite3.connect(table).execute("CREATE TABLE rows (a)")
for path in sorted(Path(str(base / "input").replace("input", "input/sound")).glob("*.mp3")):
    subprocess.run(["ffmpeg", "-i", path, base / "output/wav" / f"{path.stem}.wav"], check=True)
"""


def test_what_others_write_and_how_values_are_read_is_drafted(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(THINGS)
    infer(tmp_path / "step.py")
    drafted = loaders.load(tmp_path)
    assert {one.path: list(one.files) for one in drafted.outputs.values()} == {
        "/opt/ml/processing/output/found": ["rows.sqlite"],
        "/opt/ml/processing/output/wav": ["*.wav"],
    }
    assert {one.mounts[0]: one.file_patterns for one in drafted.inputs.values()} == {
        "/opt/ml/processing/input/sound": ("*.mp3",)
    }
    assert drafted.arguments["depth"] == Argument(type="int", default=3)
    assert (tmp_path / "contract.yaml").read_text().count("# check: a hyperparameter") == 1


LISTINGS = """
import os
from pathlib import Path

BASE = "/opt/ml/processing/input"
rows = [path.read_text() for path in sorted(Path(BASE, "found").glob("*.txt"))]
rows += [name for _, _, names in os.walk(BASE + "/walked") for name in names]
rows += os.listdir(BASE + "/listed")
Path("/opt/ml/processing/output/a/a.txt").write_text(str(rows))
"""


def test_a_folder_that_may_be_missing_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(LISTINGS)
    infer(tmp_path / "step.py")
    text = (tmp_path / "contract.yaml").read_text()
    asked = [
        one for one in ("found", "walked", "listed") if f"  {one}:\n    required: true  #" in text
    ]
    assert asked == ["found", "walked"]


PACKAGE = {
    "words/__init__.py": "from .settings import IN\n",
    "words/settings.py": """
from pathlib import Path

IN = Path("/opt/ml/processing/input/text")
OUT = Path("/opt/ml/processing/output/counts")
""",
    "words/io/__init__.py": "",
    "words/io/read.py": """
from ..settings import IN


def lines():
    return (IN / "all.txt").read_text(encoding="utf-8").splitlines()
""",
    "words/__main__.py": """
from words import settings

from .io.read import lines


def main():
    settings.OUT.mkdir(parents=True, exist_ok=True)
    (settings.OUT / "counts.txt").write_text(str(len(lines())), encoding="utf-8")


if __name__ == "__main__":
    main()
""",
}


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_package_is_read_with_all_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, PACKAGE)
    assert infer(tmp_path / "words").exit_code == 0
    contract = loaders.load(tmp_path)
    assert (contract.module, contract.entry_point) == ("words", "__main__.py")
    assert contract.inputs["text"].file == "all.txt"
    assert list(contract.outputs["counts"].files) == ["counts.txt"]
    assert not contract.framework_requirements
    # The contract lies beside the package, also for a linter that is given its file.
    monkeypatch.chdir(tmp_path / "words")
    result = CliRunner().invoke(cli, ["lint", "__main__.py"])
    assert (result.exit_code, result.output) == (0, "no problems\n")
    put(tmp_path, {"words/settings.py": PACKAGE["words/settings.py"].replace("text", "other")})
    result = CliRunner().invoke(cli, ["lint", "__main__.py"])
    assert "io/read.py:6:13: STEP101 /opt/ml/processing/input/other/all.txt" in result.output


def test_a_module_of_a_package_is_run_as_one(tmp_path: Path) -> None:
    put(tmp_path, PACKAGE)
    (tmp_path / "words" / "__main__.py").rename(tmp_path / "words" / "count.py")
    assert infer(tmp_path / "words" / "count.py").exit_code == 0
    contract = loaders.load(tmp_path)
    assert (contract.module, contract.entry_point) == ("words.count", "count.py")
    assert contract.inputs["text"].file == "all.txt"


def test_a_folder_that_runs_as_a_file_is_no_package(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    main = "from settings import IN\nprint((IN / 'all.txt').read_text())\n"
    put(tmp_path, {"words/settings.py": PACKAGE["words/settings.py"], "words/__main__.py": main})
    assert infer(folder).exit_code == 0
    contract = loaders.load(folder)
    assert (contract.module, contract.entry_point) == ("", "__main__.py")
    assert contract.inputs["text"].file == "all.txt"
    result = infer(tmp_path)
    assert "has no __main__.py" in str(result.exception)
    # A folder may have the name of an installed package.
    put(tmp_path, {"click/step.py": "import click\nfrom click import echo\n"})
    program = program_at(tmp_path / "click" / "step.py")
    assert (program.module, program.folder) == ("", tmp_path / "click")


FILTERS = {
    'for p in D.iterdir():\n    if p.suffix == ".csv":\n        pd.read_csv(p)': ["*.csv"],
    'for f in os.listdir(D):\n    if not f.lower().endswith((".csv", ".tsv")):\n'
    "        continue\n    pd.read_csv(os.path.join(D, f))": ["*.csv", "*.tsv"],
    "for p in sorted(p for p in D.iterdir() if p.is_file() and p.suffix in KINDS):\n"
    "    pd.read_csv(p)": ["*.csv", "*.tsv"],
    "for r, _, fs in os.walk(D):\n    for f in fs:\n        if os.path.splitext(f)[1] == '.csv':\n"
    "            pd.read_csv(os.path.join(r, f))": ["*.csv", "*/*.csv"],
    'for p in filter(lambda p: p.match("*.csv"), D.iterdir()):\n    pd.read_csv(p)': ["*.csv"],
    'for e in os.scandir(D):\n    if e.name.endswith(".csv"):\n        pd.read_csv(e.path)': [
        "*.csv"
    ],
    # What is told of the names in a folder is not so of that folder's own name.
    "for c in os.listdir(D):\n    for f in os.listdir(os.path.join(D, c)):\n"
    "        if f.endswith('.csv'):\n            pd.read_csv(os.path.join(D, c, f))": ["*/*.csv"],
    "for c in D.iterdir():\n    for p in (p for p in c.iterdir() if p.suffix == '.csv'):\n"
    "        pd.read_csv(p)": ["*/*.csv"],
    "for r, ds, fs in os.walk(D):\n    for d in ds:\n        for f in fs:\n"
    "            if f.endswith('.csv'):\n                pd.read_csv(os.path.join(D, d, f))": [
        "*/*.csv"
    ],
    "for c in os.scandir(D):\n"
    "    for f in sorted(f for f in os.listdir(c) if f.endswith('.csv')):\n"
    "        pd.read_csv(os.path.join(c.path, f))": ["*/*.csv"],
    # What is read without such a test may be any file.
    'for p in D.iterdir():\n    if p.suffix != ".csv":\n        print(p)\n    pd.read_csv(p)': [],
    'for p in D.iterdir():\n    if p.suffix == ".csv":\n        print(p)\n    else:\n'
    "        p.read_bytes()": [],
    "for p in D.iterdir():\n    pd.read_csv(p)": [],
}


@pytest.mark.parametrize("source", FILTERS)
def test_tests_of_names_become_patterns(tmp_path: Path, source: str) -> None:
    head = "import os\nfrom pathlib import Path\nimport pandas as pd\n"
    head += "D = Path('/opt/ml/processing/input/data')\nKINDS = {'.csv', '.tsv'}\n"
    (tmp_path / "step.py").write_text(f"{head}{source}\n")
    drafted = draft(program_at(tmp_path / "step.py").facts())
    entry = drafted.inputs["data"]
    assert ([] if entry.any_file else entry.files) == FILTERS[source]


# What add_argument is given beside the name, and what the contract says of the argument.
DECLARED = {
    "action=argparse.BooleanOptionalAction, default=True": "no-x: {flag: true}",
    "action=argparse.BooleanOptionalAction": "x: {flag: true}",
    "action=BooleanOptionalAction, default=False": "x: {flag: true}",
    "nargs='*', default=[]": "x: {}",
    "nargs='+', default=['a']": "x: {default: a}",
    "nargs=2, type=int, default=[1, 2]": "x: {type: int}  # check: its default",
    "action='append', default=['a']": "x: {}  # check: its default",
    "nargs='?', default='a'": "x: {default: a}",
    "action=Own, default='a'": "x: {default: a}  # check: its type",
}


@pytest.mark.parametrize("given", DECLARED)
def test_a_draft_states_what_one_word_passes(tmp_path: Path, given: str) -> None:
    (tmp_path / "step.py").write_text(
        "import argparse\nfrom argparse import BooleanOptionalAction\n"
        "class Own(argparse.Action):\n    pass\n"
        f"parser = argparse.ArgumentParser()\nparser.add_argument('--x', {given})\n"
        "print(parser.parse_args().x)\n"
    )
    text = contract_text(draft(program_at(tmp_path / "step.py").facts()))
    assert f"arguments:\n  {DECLARED[given]}\n" in text


@pytest.mark.parametrize(
    ("source", "is_marked"),
    [
        ("options = dict(one.split('=') for one in sys.argv[1:])", True),
        ("words = iter(sys.argv[1:])\noptions = {one[2:]: next(words) for one in words}", True),
        ("import others\nothers.parse(sys.argv[1:])", True),
        ("def f(a=None):\n    for one in a or sys.argv[1:]:\n        print(one[2:])\nf()", True),
        ("import json, os\nfor name in json.loads(os.environ['SM_HPS']):\n    print(name)", True),
        ("import json, os\nprint(json.loads(os.environ['SM_HPS']).get('alpha'))", False),
        ("print(sys.argv[1])", False),
        ("print('--verbose' in sys.argv)", False),
        ("import argparse\nargparse.ArgumentParser().parse_args(sys.argv[1:])", False),
        ("print(len(sys.argv))", False),
    ],
)
def test_arguments_of_unknown_names_are_asked_for(
    tmp_path: Path, source: str, is_marked: bool
) -> None:
    (tmp_path / "step.py").write_text(f"import sys\n{source}\n")
    text = contract_text(draft(program_at(tmp_path / "step.py").facts()))
    assert ("\n# check: arguments" in text) == is_marked


def test_the_folders_of_an_input_in_jobs_of_both_types_are_one_input(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "from pathlib import Path\n"
        "first, second = Path('/opt/ml/input/data/rows'), Path('/opt/ml/processing/input/rows')\n"
        "folder = first if first.is_dir() else second\n"
        "print((folder / 'rows.csv').read_text(encoding='utf-8'))\n"
    )
    (entry,) = draft(program_at(tmp_path / "step.py").facts()).inputs.values()
    assert [entry.path, *entry.others] == [
        "/opt/ml/input/data/rows",
        "/opt/ml/processing/input/rows",
    ]
    assert entry.files == ["rows.csv"]


def test_an_output_that_is_not_always_written_has_a_question(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "import os\nfrom pathlib import Path\nOUT = Path('/opt/ml/processing/output')\n"
        "(OUT / 'all' / 'a.txt').write_text('x', encoding='utf-8')\n"
        "if os.environ.get('MORE'):\n"
        "    (OUT / 'some' / 'a.txt').write_text('x', encoding='utf-8')\n"
    )
    outputs = draft(program_at(tmp_path / "step.py").facts()).outputs
    assert {name: one.required for name, one in outputs.items()} == {"all": True, "some": None}
    infer(tmp_path / "step.py")
    text = (tmp_path / "contract.yaml").read_text()
    assert text.count("# check: false where it may stay empty") == 1


@pytest.mark.parametrize(
    ("source", "is_optional"),
    [
        ("if P.exists():\n    print(P.read_text())", True),
        ("rules = P.read_text() if P.is_file() else ''", True),
        ("def load():\n    return open(P).read()\nif os.path.isfile(P):\n    load()", True),
        ("if P.exists():\n    print('there')\nprint(P.read_text())", False),
        ("if not P.exists():\n    print('none')\nprint(open(P).read())", False),
    ],
)
def test_what_is_asked_for_first_is_likely_optional(
    tmp_path: Path, source: str, is_optional: bool
) -> None:
    head = "import os\nfrom pathlib import Path\n"
    head += "P = Path('/opt/ml/processing/input/rules/rules.txt')\n"
    (tmp_path / "step.py").write_text(f"{head}{source}\n")
    text = contract_text(draft(program_at(tmp_path / "step.py").facts()))
    assert (
        f"required: {str(not is_optional).lower()}  # check: required, or goes it on without?"
    ) in text


def test_a_folder_that_holds_outputs_is_none(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "import os\nO = '/opt/ml/processing/output'\nos.makedirs(O, exist_ok=True)\n"
        "os.makedirs(O + '/rows')\nopen(O + '/rows/a.csv', 'w').write('a')\n"
        "os.makedirs(O + '/plots')\nprint(O + '/plots')\n"
    )
    assert list(draft(program_at(tmp_path / "step.py").facts()).outputs) == ["rows", "plots"]


def test_channels_of_unknown_names_are_asked_for(tmp_path: Path) -> None:
    for given, is_marked in (("n", True), ("'TRAIN'", False)):
        (tmp_path / "step.py").write_text(
            "import json, os\nfor n in json.loads(os.environ['SM_CHANNELS']):\n"
            f"    print(os.listdir(os.environ['SM_CHANNEL_' + {given}]))\n"
        )
        text = contract_text(draft(program_at(tmp_path / "step.py").facts()))
        assert ("inputs: {}  # check: " in text) == is_marked


HEAD = """
import gzip, os, shutil
from pathlib import Path
IN = Path("/opt/ml/processing/input/data")
OUT = Path("/opt/ml/processing/output/out")
"""
# What a script writes, and the files that its output has then.
OUTPUT_FILES = {
    # A part of an output is removed where the script fails: it is no draft.
    "for one in IN.glob('*.log'):\n"
    "    target = OUT / (one.name + '.gz')\n"
    "    with open(target, 'wb') as stream:\n"
    "        stream.write(one.read_bytes())\n"
    "    if not target.stat().st_size:\n"
    "        target.unlink()\n"
    "        raise SystemExit(f'{one} is empty')\n": ["*.log.gz"],
    "try:\n    (OUT / 'a.txt').write_text('x')\n"
    "except OSError:\n    os.remove(OUT / 'a.txt')\n    raise\n": ["a.txt"],
    "part = OUT / '.part'\ntry:\n    part.write_text('x')\n    os.replace(part, OUT / 'a.txt')\n"
    "except BaseException:\n    part.unlink()\n    raise\n": ["a.txt"],
    # A context manager of the script's own writes when it is left.
    "class Report:\n"
    "    def __enter__(self):\n        self.rows = []\n        return self\n"
    "    def __exit__(self, *what):\n        (OUT / 'report.txt').write_text(str(self.rows))\n"
    "with Report() as report:\n    report.rows.append(1)\n": ["report.txt"],
    # Names in the folders of the input.
    "for one in IN.rglob('*.txt'):\n"
    "    target = OUT / one.relative_to(IN).with_suffix('.json')\n"
    "    target.write_text('{}')\n": ["**/*.json"],
    "for folder, _, names in os.walk(IN):\n    for name in names:\n"
    "        if name.endswith('.png'):\n"
    "            source = os.path.join(folder, name)\n"
    "            end = os.path.splitext(os.path.relpath(source, IN))[0] + '.jpg'\n"
    "            shutil.copyfile(source, os.path.join(OUT, end))\n": ["*.jpg", "**/*.jpg"],
    "for one in IN.glob('*.txt'):\n    (OUT / one.relative_to(IN)).write_text('x')\n": ["*.txt"],
}


@pytest.mark.parametrize("source", OUTPUT_FILES)
def test_the_files_of_an_output_are_drafted(tmp_path: Path, source: str) -> None:
    (tmp_path / "step.py").write_text(HEAD + source)
    (entry,) = draft(program_at(tmp_path / "step.py").facts()).outputs.values()
    assert (entry.files, entry.any_file) == (OUTPUT_FILES[source], False)


def test_what_stands_in_the_folder_of_the_script_is_no_default(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "import argparse, os\nHERE = os.path.dirname(os.path.abspath(__file__))\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--config', default=os.path.join(HERE, 'config.yaml'))\n"
        "print(open(parser.parse_args().config).read())\n"
    )
    infer(tmp_path / "step.py")
    text = (tmp_path / "contract.yaml").read_text()
    assert "config: {}  # check: its default" in text


def test_what_differs_from_run_to_run_is_drafted_as_volatile(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "import datetime, json, os, time, uuid\nOUT = '/opt/ml/processing/output/out/'\n"
        "report = {'rows': 3, 'run': {'at/': str(datetime.datetime.now()), 'id': 1}}\n"
        "with open(OUT + 'report.json', 'w') as stream:\n    json.dump(report, stream)\n"
        "with open('/tmp/part', 'w') as stream:\n    stream.write(str(uuid.uuid4()))\n"
        "os.replace('/tmp/part', OUT + 'id.txt')\n"
        "print(time.time())\n"
        "with open(OUT + 'plain.txt', 'w') as stream:\n    stream.write('x')\n"
    )
    (entry,) = draft(program_at(tmp_path / "step.py").facts()).outputs.values()
    assert entry.files == ["report.json", "id.txt", "plain.txt"]
    assert entry.volatile == ["report.json#/run/at~1", "id.txt"]
    infer(tmp_path / "step.py")
    said = "volatile: [report.json#/run/at~1, id.txt]  # check: what differs from run to run"
    assert said in (tmp_path / "contract.yaml").read_text()


COMMANDS = """
import argparse, logging, logging.handlers, signal, sys
from pathlib import Path
OUT = Path("/opt/ml/processing/output/out")
def stop(number, frame):
    HANDLER
def pack(args):
    logging.basicConfig(handlers=[logging.handlers.RotatingFileHandler(OUT / "run.log")])
    (OUT / "a.txt").write_text(str(args.version))
def main():
    signal.signal(signal.SIGTERM, stop)
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("--version", type=int, default=1)
    packing.set_defaults(run=pack)
    MORE
    args = parser.parse_args()
    return args.run(args)
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("more", "handler", "command", "ends"),
    [
        ("pass", "global stopping; stopping = True", ("pack",), True),
        ("commands.add_parser('check').set_defaults(run=print)", "sys.exit(143)", None, False),
        ("pass", "raise KeyboardInterrupt", ("pack",), False),
    ],
)
def test_commands_logs_and_handlers_are_drafted(
    tmp_path: Path, more: str, handler: str, command: tuple[str, ...] | None, ends: bool
) -> None:
    text = COMMANDS.replace("MORE", more).replace("HANDLER", handler)
    (tmp_path / "step.py").write_text(text)
    found = draft(program_at(tmp_path / "step.py").facts())
    first, second = found.arguments
    assert (first.dest, first.choices, first.required) == ("command", command, True)
    assert (second.dest, second.default) == ("version", 1)
    (entry,) = found.outputs.values()
    assert (entry.files, entry.volatile) == (["run.log", "a.txt"], ["run.log"])
    assert (found.ends_when_stopped, 143 in found.exit_codes) == (ends, not ends)


def test_a_draft_of_nested_folders_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "from pathlib import Path\nIN = Path('/opt/ml/processing/input/data')\n"
        "OUT = Path('/opt/ml/processing/output/out')\n"
        "for one in sorted(IN.rglob('*.txt')):\n"
        "    (OUT / one.relative_to(IN)).write_text(one.read_text(encoding='utf-8').upper())\n"
    )
    infer(tmp_path / "step.py")
    contract = tmp_path / "contract.yaml"
    # Its author may know that the folders are flat.
    for files in ("'**/*.txt'", "'*.txt'"):
        contract.write_text(contract.read_text().replace("'**/*.txt'", files))
        linted = CliRunner().invoke(cli, ["lint", str(tmp_path)])
        assert linted.output == "no problems\n"


def test_checkpoints_and_a_folder_for_what_is_temporary_are_drafted(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "import os, tempfile\n"
        "CACHE = os.environ.get('CACHE', os.path.join(tempfile.gettempdir(), 'words'))\n"
        "os.makedirs(CACHE, exist_ok=True)\n"
        "for epoch in range(2):\n"
        "    open('/opt/ml/checkpoints/state.json', 'w').write(str(epoch))\n"
        "open('/opt/ml/model/model.json', 'w').write('1')\n"
    )
    found = draft(program_at(tmp_path / "step.py").facts())
    assert found.optional == {"CACHE": "/tmp/words"}
    kept = found.outputs["checkpoints"]
    assert (kept.path, kept.files, kept.required) == (
        "/opt/ml/checkpoints",
        ["state.json"],
        False,
    )
    infer(tmp_path / "step.py")
    outputs = loaders.load(tmp_path).outputs
    assert {name: one.required for name, one in outputs.items()} == {
        "checkpoints": False,
        "model": True,
    }


CHANNELS = """
import glob, os
def rows(folder):
    for path in sorted(glob.glob(folder + "/*.csv")):
        yield open(path).read()
train = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
text = list(rows(train))
MORE
open("/opt/ml/model/model.txt", "w").write(str(text))
"""


@pytest.mark.parametrize(
    ("validation", "required"),
    [
        ("if 'SM_CHANNEL_VALIDATION' in os.environ:\n"
         "    text += rows(os.environ['SM_CHANNEL_VALIDATION'])", False),
        ("folder = os.environ.get('SM_CHANNEL_VALIDATION')\nif folder:\n    text += rows(folder)",
         None),
        ("text += rows(os.environ['SM_CHANNEL_VALIDATION'])", True),
        ("text += rows(os.environ.get('SM_CHANNEL_VALIDATION', '/x'))", None),
    ],
)  # fmt: skip
def test_a_channel_that_is_asked_for_first_is_optional(
    tmp_path: Path, validation: str, *, required: bool | None
) -> None:
    (tmp_path / "step.py").write_text(CHANNELS.replace("MORE", validation))
    found = draft(program_at(tmp_path / "step.py").facts()).inputs
    assert (found["train"].required, found["validation"].required) == (None, required)
