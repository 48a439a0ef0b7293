"""Small changes of a correct step: those that make it wrong, with their codes, and those that do not.

A change is `(file, old, new)`; a file that the step does not have is made. `BODY` stands for the
place in the script where more may be done, `TOP` for the one below the imports.
"""

from __future__ import annotations

Change = tuple[str, str, str]
S, C = "tally.py", "contract.yaml"
TOP, BODY, OPTIONS = "# top\n", "    # body\n", "    # options\n"

CONTRACT = """\
name: tally
entry_point: tally.py
inputs:
  events: {required: true, file: events.csv, mounts: [/opt/ml/processing/input/events]}
outputs:
  totals: {path: /opt/ml/processing/output/totals, files: [totals.json]}
arguments:
  column: {required: true}
  limit: {type: int, default: 10}
  mode: {choices: [fast, exact], default: exact}
environment:
  required: [COUNTRY]
  optional: {UNIT: piece}
exit_codes: {0: done, 1: failed, 2: wrong arguments, 3: nothing to count}
framework_requirements: {pandas: ">=2"}
"""
SCRIPT = '''\
"""Counts events by a column."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import pandas as pd

# top
EVENTS = Path("/opt/ml/processing/input/events")
TOTALS = Path("/opt/ml/processing/output/totals")
log = logging.getLogger("tally")


def count(source, column, limit):
    table = pd.read_csv(source)
    if table.empty:
        sys.exit(3)
    return table[column].value_counts().head(limit).to_dict()


def store(folder, document):
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / ".totals.json.draft"
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(folder / "totals.json")


def work(paths, options, settings):
    totals = count(paths["events"] / "events.csv", options.column, options.limit)
    log.info("%s in %s", options.mode, settings["country"])
    # body
    store(paths["totals"], {"unit": settings["unit"], "totals": totals})


def parse(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--column", required=True)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--mode", choices=["fast", "exact"], default="exact")
    # options
    return parser.parse_args(words)


if __name__ == "__main__":
    settings = {"country": os.environ["COUNTRY"], "unit": os.environ.get("UNIT", "piece")}
    try:
        work({"events": EVENTS, "totals": TOTALS}, parse(), settings)
    except Exception:
        log.exception("the tally failed")
        sys.exit(1)
'''


def body(*lines: str) -> Change:
    return (S, BODY, "".join(f"    {line}\n" for line in lines))


def top(*lines: str) -> Change:
    return (S, TOP, "".join(f"{line}\n" for line in lines))


def option(line: str) -> Change:
    return (S, OPTIONS, f"    {line}\n")


NUMPY = (C, '{pandas: ">=2"}', '{pandas: "", numpy: ""}')
LEARN = (C, '{pandas: ">=2"}', '{pandas: "", numpy: "", scikit-learn: ""}')
DRAW = "totals['x'] = random.choice([1, 2])"

CASES: list[tuple[str, str, list[Change]]] = [
    (
        "STEP702",
        "logged",
        [(C, "[COUNTRY]", "[COUNTRY, API_TOKEN]"), body("log.info('%s', os.environ['API_TOKEN'])")],
    ),
    (
        "STEP702",
        "in a text",
        [
            (C, "[COUNTRY]", "[COUNTRY, DB_PASSWORD]"),
            body("print(f\"as {os.environ['DB_PASSWORD']}\")"),
        ],
    ),
    ("STEP702", "all of them", [body("log.debug(dict(os.environ))")]),
    (
        "STEP301",
        "of docopt",
        [
            top("import docopt", "docopt.docopt('x')"),
            (S, "Counts events by a column.", "Use --cap."),
            (C, '{pandas: ">=2"}', "{pandas: '', docopt: ''}"),
        ],
    ),
    (
        "STEP301",
        "of absl",
        [
            top("from absl import flags", "flags.DEFINE_string('cap', '', '')"),
            (C, '{pandas: ">=2"}', "{pandas: '', absl-py: ''}"),
        ],
    ),
    (
        "STEP301",
        "of fire",
        [
            top("import fire"),
            (C, '{pandas: ">=2"}', "{pandas: '', fire: ''}"),
            (S, "        work({", "        fire.Fire(lambda cap: cap)\n        work({"),
        ],
    ),
    (
        "STEP201",
        "in a field",
        [
            top(
                "from dataclasses import dataclass, field",
                "@dataclass",
                "class A:",
                "    cap: str = field(default_factory=lambda: os.environ['CAP'])",
            )
        ],
    ),
    (
        "STEP201",
        "of decouple",
        [
            top("from decouple import config", "CAP = config('CAP')"),
            (C, '{pandas: ">=2"}', "{pandas: '', python-decouple: ''}"),
        ],
    ),
    ("STEP201", "by a walrus", [body("if (cap := os.environ.get('CAP')): log.info(cap)")]),
    (
        "STEP503",
        "mapped",
        [
            body(
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor() as pool:",
                "    pool.map(len, totals)",
            )
        ],
    ),
    (
        "STEP501",
        "each member",
        [
            body(
                "import tarfile",
                "with tarfile.open('/tmp/t') as t:",
                "    for m in t:",
                "        t.extract(m, '/tmp/o')",
            )
        ],
    ),
    # Paths.
    ("STEP101", "opened", [body('open("/opt/ml/processing/input/other/x", encoding="utf-8")')]),
    (
        "STEP101",
        "passed on",
        [body('log.info(pd.read_csv("/opt/ml/processing/input/others.csv"))')],
    ),
    ("STEP101", "by format", [body('os.listdir("/opt/ml/{}/x".format("input"))')]),
    ("STEP101", "by percent", [body('os.stat("%s/more" % "/opt/ml/processing/input")')]),
    ("STEP101", "copied to", [body('import shutil; shutil.copy("/tmp/a", "/opt/ml/model/a")')]),
    ("STEP101", "a slip", [(S, "output/totals", "output/total")]),
    ("STEP102", "elsewhere", [(S, "/opt/ml/processing/input/events", "/tmp/events")]),
    (
        "STEP102",
        "never called",
        [
            (S, "    store(paths[", "    if False: store(paths["),
            (S, '"totals": TOTALS}', '"totals": "x"}'),
        ],
    ),
    (
        "STEP102",
        "the output is a text",
        [(S, 'TOTALS = Path("/opt/ml/processing/output/totals")', 'TOTALS = Path("totals")')],
    ),
    ("STEP103", "another input file", [(S, '"events.csv"', '"event.csv"')]),
    ("STEP103", "another output file", [(S, '"totals.json"', '"total.json"')]),
    ("STEP103", "a draft is left", [(S, "draft.replace(folder", "(lambda x: x)(folder")]),
    (
        "STEP104",
        "extracted beside",
        [body("import zipfile", 'zipfile.ZipFile("/tmp/z").extractall(paths["events"])')],
    ),
    ("STEP104", "a cache", [body('(paths["events"] / "cache").write_text("x", encoding="utf-8")')]),
    ("STEP104", "removed", [body('os.remove(paths["events"] / "events.csv")')]),
    ("STEP105", "home", [body('Path("/home/user/x").write_text("x", encoding="utf-8")')]),
    ("STEP105", "made", [body('os.makedirs("/data/out")')]),
    ("STEP105", "a table", [body('pd.DataFrame().to_csv("/srv/x.csv")')]),
    ("STEP106", "listed", [(S, "log = ", "FILES = list(EVENTS.iterdir())\nlog = ")]),
    ("STEP106", "made", [(S, "log = ", "TOTALS.mkdir(exist_ok=True)\nlog = ")]),
    (
        "STEP106",
        "read by a helper",
        [(S, "def store(", "N = count(EVENTS / 'events.csv', 'a', 1)\n\n\ndef store(")],
    ),
    ("STEP107", "read", [(C, "name: tally", "name: tally\nlevel: strict"), body('open("/tmp/x")')]),
    (
        "STEP108",
        "beside",
        [(C, "name: tally", "name: tally\nlevel: strict"), body('open("settings.json", "rb")')],
    ),
    (
        "STEP109",
        "unsorted",
        [
            (C, "name: tally", "name: tally\nlevel: strict"),
            body("for x in os.listdir('/tmp'): log.info(x)"),
        ],
    ),
    (
        "STEP110",
        "mkdtemp",
        [
            body("import tempfile", "open(tempfile.mkdtemp() + '/x', 'wb')"),
            (S, "draft.replace(folder", "os.renames(draft, folder"),
        ],
    ),
    # Variables.
    ("STEP201", "in a default", [option('parser.set_defaults(limit=os.environ["CAP"])')]),
    (
        "STEP201",
        "by a class",
        [
            top(
                "class Env:",
                "    def __getitem__(self, name):",
                "        return os.environ[name]",
                'CAP = Env()["CAP"]',
            )
        ],
    ),
    ("STEP201", "in a list", [top("CAPS = [os.getenv(one) for one in ['CAP']]")]),
    ("STEP201", "copied", [top("CAP = {**os.environ}['CAP']")]),
    ("STEP201", "a slip of the toolkit's", [top("DIR = os.environ.get('SM_CHANEL_TRAIN')")]),
    (
        "STEP201",
        "a partial",
        [top("from functools import partial", "get = partial(os.getenv, 'CAP')", "CAP = get()")],
    ),
    ("STEP202", "required", [(C, "required: [COUNTRY]", "required: [COUNTRY, CITY]")]),
    ("STEP202", "optional", [(C, "{UNIT: piece}", "{UNIT: piece, CITY: x}")]),
    (
        "STEP202",
        "in a message",
        [(C, "{UNIT: piece}", "{UNIT: piece, CITY: x}"), body("log.warning('CITY')")],
    ),
    ("STEP203", "no default", [(S, 'os.environ.get("UNIT", "piece")', 'os.environ["UNIT"]')]),
    ("STEP203", "another default", [(S, '"UNIT", "piece"', '"UNIT", "box"')]),
    (
        "STEP203",
        "asked for",
        [
            (S, 'os.environ.get("UNIT", "piece")', 'os.environ.get("UNIT")'),
            (
                S,
                "    try:\n",
                "    if not settings['unit']:\n        sys.exit('no unit')\n    try:\n",
            ),
        ],
    ),
    (
        "STEP204",
        "undeclared",
        [
            (
                C,
                "[/opt/ml/processing/input/events]",
                "[/opt/ml/processing/input/events, /opt/ml/input/data/events]",
            ),
            top("os.environ.get('SM_CHANNEL_EVENTS')", "os.environ.get('SM_CHANNEL_EVENT')"),
        ],
    ),
    # Arguments.
    ("STEP301", "in a group", [option('parser.add_argument_group().add_argument("--cap")')]),
    ("STEP301", "positional", [option('parser.add_argument("cap")')]),
    (
        "STEP301",
        "an exclusive group",
        [option('g = parser.add_mutually_exclusive_group(); g.add_argument("--cap")')],
    ),
    (
        "STEP301",
        "a table of options",
        [option('[parser.add_argument(k, **v) for k, v in {"--cap": {}}.items()]')],
    ),
    ("STEP302", "renamed", [(S, '"--limit"', '"--limits", dest="limits"')]),
    ("STEP302", "only a text", [(C, "  limit:", "  cap: {}\n  limit:"), body("log.info('--cap')")]),
    ("STEP302", "a name of a function", [(C, "  limit:", "  words: {}\n  limit:")]),
    ("STEP303", "default", [(S, "default=10", "default=12")]),
    ("STEP303", "type", [(C, "{type: int, default: 10}", "{type: float}")]),
    ("STEP303", "choices", [(S, '["fast", "exact"]', '["fast", "exact", "slow"]')]),
    ("STEP303", "required", [(S, "type=int, default=10", "type=int, required=True")]),
    ("STEP303", "not required", [(S, '"--column", required=True', '"--column", default="kind"')]),
    ("STEP303", "a switch", [(S, "type=int, default=10", 'action="store_true"')]),
    ("STEP303", "as described", [(C, "{type: int, default: 10}", "default 20")]),
    ("STEP304", "a slip", [(S, "options.limit)", "options.limits)")]),
    ("STEP304", "by getattr", [body('getattr(options, "cap")')]),
    ("STEP304", "elsewhere", [(S, "options.mode", "options.kind")]),
    (
        "STEP305",
        "not used",
        [
            (C, "name: tally", "name: tally\nlevel: strict"),
            (S, '"%s in %s", options.mode', '"%s in %s", 1'),
        ],
    ),
    # Shape.
    ("STEP403", "swapped", [(S, '{"events": EVENTS, "totals": TOTALS}', '{"event": EVENTS}')]),
    ("STEP403", "not passed", [(S, '{"country": os.environ["COUNTRY"], ', "{")]),
    ("STEP403", "another order", [(S, "parse(), settings", "parse(), {'x': settings}")]),
    ("STEP404", "too few", [(S, "parse(), settings)", "parse())")]),
    ("STEP404", "too many", [(S, "parse(), settings)", "parse(), settings, 1)")]),
    (
        "STEP404",
        "no such name",
        [(S, "options.column, options.limit)", "options.column, size=options.limit)")],
    ),
    # Archives and failures.
    ("STEP501", "tar", [body("import tarfile", "tarfile.open('/tmp/t').extractall('/tmp/o')")]),
    (
        "STEP501",
        "fully trusted",
        [
            body(
                "import tarfile",
                "tarfile.open('/tmp/t').extractall('/tmp/o', filter='fully_trusted')",
            )
        ],
    ),
    (
        "STEP501",
        "a parameter",
        [
            top(
                "import tarfile",
                "def out(t):",
                "    t.extractall('/tmp/o')",
                "def both(p):",
                "    with tarfile.open(p) as t:",
                "        out(t)",
            )
        ],
    ),
    (
        "STEP502",
        "a warning",
        [
            (
                S,
                '        log.exception("the tally failed")\n        sys.exit(1)',
                '        log.warning("no tally")',
            )
        ],
    ),
    (
        "STEP502",
        "an exit with 0 in a branch",
        [body("if not totals:", "    log.error('nothing')", "    raise SystemExit(0)")],
    ),
    (
        "STEP502",
        "suppressed",
        [
            (
                S,
                "        work({",
                "        import contextlib\n"
                "        with contextlib.suppress(Exception):\n            work({",
            )
        ],
    ),
    (
        "STEP502",
        "logged in a helper",
        [
            (
                S,
                "    draft.replace(",
                "    try:\n        draft.stat()\n    except Exception:\n        log.error('no')\n",
            ),
            (S, "        log.error('no')\nfolder / \"totals.json\")", '        log.error("no")'),
        ],
    ),
    (
        "STEP503",
        "submitted",
        [
            body(
                "from concurrent.futures import ProcessPoolExecutor as P",
                "pool = P()",
                "pool.submit(count, 1)",
            )
        ],
    ),
    (
        "STEP503",
        "apply_async",
        [body("import multiprocessing", "p = multiprocessing.Pool(2)", "p.apply_async(count)")],
    ),
    (
        "STEP503",
        "in a loop",
        [
            body(
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor(2) as pool:",
                "    for one in totals:",
                "        pool.submit(count, one)",
            )
        ],
    ),
    ("STEP504", "never given", [(C, "3: nothing", "4: x, 3: nothing")]),
    ("STEP504", "no handler", [(C, "3: nothing", "143: SIGTERM, 3: nothing")]),
    ("STEP504", "renumbered", [(S, "sys.exit(3)", "sys.exit(1)")]),
    ("STEP505", "another number", [(S, "sys.exit(3)", "sys.exit(4)")]),
    ("STEP505", "raised", [body("if not totals:", "    raise SystemExit(7)")]),
    ("STEP505", "returned", [(S, "        sys.exit(1)", "        sys.exit((lambda: 9)())")]),
    # Packages.
    ("STEP601", "undeclared", [top("import boto3")]),
    ("STEP601", "in a module beside", [top("import more"), ("more.py", "", "import requests\n")]),
    ("STEP601", "by name", [top("import importlib", "importlib.import_module('lightgbm')")]),
    ("STEP602", "excel", [body("pd.read_excel('/tmp/x.xlsx')")]),
    ("STEP602", "parquet", [body("pd.DataFrame().to_parquet('/tmp/x')")]),
    ("STEP602", "hdf", [body("pd.read_hdf('/tmp/x')")]),
    (
        "STEP603",
        "sklearn",
        [
            (C, '{pandas: ">=2"}', '{pandas: "", scikit-learn: ""}'),
            top("from sklearn.cross_validation import KFold"),
        ],
    ),
    (
        "STEP603",
        "tensorflow",
        [
            (C, '{pandas: ">=2"}', '{pandas: "", tensorflow: ""}'),
            top("import tensorflow.contrib.learn"),
        ],
    ),
    (
        "STEP603",
        "bert",
        [
            (C, '{pandas: ">=2"}', '{pandas: "", pytorch-transformers: ""}'),
            top("import pytorch_transformers"),
        ],
    ),
    ("STEP604", "system", [body("os.system('pip install -q shap')")]),
    (
        "STEP604",
        "a list",
        [body("import subprocess", "subprocess.check_call(['pip', 'install', 'a'])")],
    ),
    (
        "STEP604",
        "a shell",
        [body("import subprocess", "subprocess.run('python -m pip install a', shell=True)")],
    ),
    (
        "STEP605",
        "too new",
        [
            (C, "name: tally", 'name: tally\npython: ">=3.8"'),
            body("match totals:", "    case {}: pass"),
        ],
    ),
    (
        "STEP605",
        "a module",
        [(C, "name: tally", 'name: tally\npython: ">=3.8"'), top("import tomllib")],
    ),
    (
        "STEP605",
        "an operator",
        [
            (C, "name: tally", 'name: tally\npython: ">=3.8"'),
            body("totals = {} | totals", "def f(x: int): return x", "import graphlib"),
        ],
    ),
    ("STEP701", "random", [body("import random", "totals['x'] = random.choice([1, 2])")]),
    (
        "STEP701",
        "numpy",
        [
            (C, '{pandas: ">=2"}', '{pandas: "", numpy: ""}'),
            body("import numpy as np", "totals['x'] = np.random.rand()"),
        ],
    ),
    ("STEP701", "shuffled", [body("from random import shuffle", "shuffle([1, 2])")]),
    (
        "STEP701",
        "another generator has a seed",
        [NUMPY, body("import random, numpy as np", "np.random.seed(7)", DRAW)],
    ),
    (
        "STEP701",
        "a split, and the seed of another",
        [
            LEARN,
            top("import random", "from sklearn.utils import shuffle"),
            body("random.seed(7)", "log.info(shuffle(list(totals)))"),
        ],
    ),
    ("STEP701", "a seed of the system", [body("import random", "random.seed()", DRAW)]),
    (
        "STEP701",
        "a function that sets a seed of another",
        [
            NUMPY,
            top("import numpy as np", "def set_seed():", "    np.random.seed(7)"),
            body("import random", "set_seed()", DRAW),
        ],
    ),
    ("STEP901", "unused", [(S, "import json\n", "import json  # noqa: STEP101\n")]),
]

RIGHT: list[tuple[str, list[Change]]] = [
    *(
        (
            f"an option with an opposite, {name}",
            [
                (C, "arguments:\n", f"arguments:\n  {name}: {{flag: true}}\n"),
                option(
                    "parser.add_argument('--upper', action=argparse.BooleanOptionalAction, "
                    f"default={default})"
                ),
            ],
        )
        for name, default in (("upper", False), ("no-upper", True), ("no-upper", None))
    ),
    (
        "seeds of each generator",
        [
            NUMPY,
            top(
                "import random",
                "import numpy as np",
                "def fix(number):",
                "    random.seed(number)",
                "    np.random.seed(number)",
            ),
            body("fix(7)", DRAW, "log.info(np.random.rand())"),
        ],
    ),
    (
        "a seed of all",
        [
            (C, '{pandas: ">=2"}', '{pandas: "", transformers: ""}'),
            body("import random, transformers", "transformers.set_seed(7)", DRAW),
        ],
    ),
    (
        "a split after the seed of numpy",
        [
            LEARN,
            top("import numpy as np", "from sklearn.utils import shuffle"),
            body("np.random.seed(7)", "log.info(shuffle(list(totals)))"),
        ],
    ),
    (
        "commands with functions",
        [
            (S, "log = ", "def count_all(a):\n    return a\n\n\nlog = "),
            option(
                'commands = parser.add_subparsers(dest="what"); '
                'commands.add_parser("all").set_defaults(run=count_all, more=1); '
                'commands.add_parser("some").set_defaults(run=print); '
                "log.info(parser.parse_args().run(parser.parse_args().what))"
            ),
            (C, "arguments:", "arguments:\n  what: {choices: [all, some], positional: true}"),
        ],
    ),
    (
        "texts are written to open files",
        [
            (C, "name: tally", "name: tally\nlevel: strict"),
            body(
                'with open("/tmp/x", "w", encoding="utf-8") as stream:',
                '    stream.write("it failed: " + str(paths))',
                '    stream.writelines(["see x.txt"])',
                'open("/tmp/y", "w", encoding="utf-8").write(f"see {paths}/x.txt")',
            ),
        ],
    ),
    ("as it is", []),
    (
        "members that are picked",
        [
            body(
                "import tarfile",
                "with tarfile.open('/tmp/t') as t:",
                "    for m in t:",
                "        if m.isfile() and '..' not in m.name:",
                "            t.extract(m, '/tmp/o')",
            )
        ],
    ),
    (
        "one member",
        [
            body(
                "import tarfile",
                "with tarfile.open('/tmp/t') as t:",
                "    t.extract('model.json', '/tmp/o')",
            )
        ],
    ),
    (
        "a secret that is used",
        [
            (C, "[COUNTRY]", "[COUNTRY, API_TOKEN]"),
            body("token = os.environ['API_TOKEN']", "log.info(bool(token))"),
        ],
    ),
    (
        "mapped and read",
        [
            body(
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor() as pool:",
                "    totals = dict(zip(totals, pool.map(str, totals)))",
            )
        ],
    ),
    (
        "a flag that says so",
        [
            body(
                "failed = False",
                "try:",
                "    totals = dict(totals)",
                "except Exception:",
                "    log.exception('no')",
                "    failed = True",
                "if failed: sys.exit(1)",
            )
        ],
    ),
    (
        "a package without dashes",
        [
            (C, '{pandas: ">=2"}', "{pandas: '', SpeechRecognition: ''}"),
            top("import speech_recognition"),
        ],
    ),
    ("a backslash in an f-string", [body("log.info(f\"{'\\n'.join(totals)}\")")]),
    (
        "click with a group",
        [
            (C, '{pandas: ">=2"}', "{pandas: '', click: ''}"),
            top(
                "import click",
                "@click.group()",
                "@click.pass_context",
                "def cli(ctx): ctx.obj = 1",
                "@cli.command()",
                "@click.option('--limit', type=int, default=10)",
                "@click.pass_obj",
                "def go(obj, limit): return obj, limit",
            ),
        ],
    ),
    ("a path in a message", [body('log.info("nothing in /opt/ml/model")')]),
    ("a path that is compared", [body('assert str(EVENTS) != "/opt/ml/processing/input/other"')]),
    ("a path of the platform", [body('open("/opt/ml/output/message", "w", encoding="utf-8")')]),
    ("a config file", [body('open("/opt/ml/config/resourceconfig.json", encoding="utf-8")')]),
    ("a temporary file", [body('Path("/tmp/x").write_text("x", encoding="utf-8")')]),
    (
        "scratch",
        [
            (C, "name: tally", "name: tally\nscratch: [/opt/ml/processing/tmp]"),
            body('Path("/opt/ml/processing/tmp/x").write_text("x", encoding="utf-8")'),
        ],
    ),
    ("a parent is listed", [body('os.listdir("/opt/ml/processing/input")')]),
    (
        "paths by an argument",
        [
            (C, "  limit:", "  source: {default: /opt/ml/processing/input/events}\n  limit:"),
            option('parser.add_argument("--source", default="/opt/ml/processing/input/events")'),
            (S, '{"events": EVENTS', '{"events": Path(parse().source)'),
        ],
    ),
    (
        "paths by a required argument",
        [
            (C, "  limit:", "  source: {required: true}\n  limit:"),
            option('parser.add_argument("--source", type=Path, required=True)'),
            (S, '{"events": EVENTS', '{"events": parse().source'),
        ],
    ),
    (
        "paths in a settings file",
        [
            (
                S,
                'EVENTS = Path("/opt/ml/processing/input/events")',
                'EVENTS = Path(json.loads(Path(__file__).with_name("s.json").read_text())["events"])',
            )
        ],
    ),
    (
        "paths in a class",
        [
            (
                S,
                'EVENTS = Path("/opt/ml/processing/input/events")',
                'class Where:\n    ROOT = Path("/opt/ml/processing")\n    EVENTS = ROOT / "input" / "events"\n'
                "EVENTS = Where.EVENTS",
            )
        ],
    ),
    (
        "paths in an enumeration",
        [
            (
                S,
                'EVENTS = Path("/opt/ml/processing/input/events")',
                "import enum\nclass Where(enum.Enum):\n    EVENTS = '/opt/ml/processing/input/events'\n"
                "EVENTS = Path(Where.EVENTS.value)",
            )
        ],
    ),
    (
        "paths in a module",
        [
            (S, 'EVENTS = Path("/opt/ml/processing/input/events")', "from where import *"),
            (
                "where.py",
                "",
                "from pathlib import Path\nEVENTS = Path('/opt/ml/processing/input/events')\n",
            ),
        ],
    ),
    (
        "paths in a package",
        [
            (S, 'EVENTS = Path("/opt/ml/processing/input/events")', "from lib.where import EVENTS"),
            ("lib/__init__.py", "", "# a package\n"),
            (
                "lib/where.py",
                "",
                "from pathlib import Path\nfrom .root import R\nEVENTS = R / 'events'\n",
            ),
            ("lib/root.py", "", "from pathlib import Path\nR = Path('/opt/ml/processing/input')\n"),
        ],
    ),
    (
        "paths by a property",
        [
            (
                S,
                'EVENTS = Path("/opt/ml/processing/input/events")',
                "class W:\n    @property\n    def events(self):\n"
                "        return Path('/opt/ml/processing/input', 'events')\nEVENTS = W().events",
            )
        ],
    ),
    (
        "the rest of a shared module",
        [
            top("import shared"),
            ("other.py", "", "import shared\n"),
            (
                "shared.py",
                "",
                "import os\ndef f():\n    return open('/opt/ml/model/x'), os.environ['Z']\n",
            ),
        ],
    ),
    ("a variable of a library", [top("os.environ.get('NCCL_SOCKET_IFNAME')")]),
    ("a variable of the launcher", [top("RANK = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', 0)")]),
    ("a variable of the job", [top("NAME = os.getenv('TRAINING_JOB_ARN')")]),
    ("a variable that the script sets", [top("os.environ['CAP'] = '1'", "os.environ['CAP']")]),
    (
        "a variable by a loop",
        [
            (
                S,
                'os.environ.get("UNIT", "piece")',
                '[os.environ.get(k, v) for k, v in {"UNIT": "piece"}.items()][0]',
            )
        ],
    ),
    (
        "a variable by or",
        [(S, 'os.environ.get("UNIT", "piece")', 'os.environ.get("UNIT") or "piece"')],
    ),
    (
        "a variable by a guard",
        [
            (
                S,
                'os.environ.get("UNIT", "piece")',
                'os.environ["UNIT"] if "UNIT" in os.environ else "piece"',
            )
        ],
    ),
    (
        "a variable by try",
        [
            (
                S,
                "    try:\n        work",
                "    try:\n        os.environ['UNIT']\n    except KeyError:\n"
                "        pass\n    try:\n        work",
            )
        ],
    ),
    (
        "a number as default",
        [(C, "UNIT: piece", 'UNIT: "1"'), (S, '"UNIT", "piece"', '"UNIT", 1.0')],
    ),
    (
        "all variables handed on",
        [
            (C, "{UNIT: piece}", "{UNIT: piece, CITY: x}"),
            body("import subprocess", "subprocess.run(['true'], env=os.environ)"),
        ],
    ),
    ("an argument of the platform", [option('parser.add_argument("--model-dir")')]),
    ("an argument of the launcher", [option('parser.add_argument("--local_rank", type=int)')]),
    (
        "an argument from a variable",
        [option('parser.add_argument("--hosts", default=json.loads(os.environ["SM_HOSTS"]))')],
    ),
    (
        "an argument in another module",
        [
            (
                S,
                '    parser.add_argument("--limit", type=int, default=10)\n',
                "    more.add(parser)\n",
            ),
            top("import more"),
            ("more.py", "", "def add(p):\n    p.add_argument('--limit', type=int, default=10)\n"),
        ],
    ),
    ("an argument by setattr", [body('setattr(options, "cap", 1)', "options.cap")]),
    ("an argument that may lack", [body('getattr(options, "cap", None)')]),
    (
        "words that go on",
        [(S, "return parser.parse_args(words)", "return parser.parse_known_args(words)[0]")],
    ),
    ("a description", [(C, "{type: int, default: 10}", "how many, from the largest on")]),
    (
        "keys that are added",
        [
            (S, "        work({", "        settings['more'] = 1\n        work({"),
            body("settings['more']"),
        ],
    ),
    ("a key with a guard", [body("if 'more' in settings: log.info(settings['more'])")]),
    ("any arguments", [top("def f(*a, **b): return a, b", "f(1, 2, x=3)")]),
    ("a call with a star", [top("def f(a, b): return a", "f(*sys.argv)")]),
    (
        "a tar with a filter",
        [body("import tarfile", "tarfile.open('/tmp/t').extractall('/tmp/o', filter='data')")],
    ),
    (
        "a tar that is checked",
        [
            top(
                "import tarfile",
                "def safe(member):",
                "    if '..' in member.name: raise ValueError(member)",
                "def out(p):",
                "    with tarfile.open(p) as t:",
                "        for m in t: safe(m)",
                "        t.extractall('/tmp/o')",
            )
        ],
    ),
    (
        "a zip by a parameter",
        [
            top(
                "import tarfile, zipfile",
                "def out(z): z.extractall('/tmp/o')",
                "def f(p): out(zipfile.ZipFile(p))",
            )
        ],
    ),
    (
        "a failure by a helper",
        [
            top(
                "def die(text):",
                "    log_it(text)",
                "    raise SystemExit(1)",
                "def log_it(text): print(text)",
            ),
            (S, "        sys.exit(1)", "        die('no')"),
        ],
    ),
    (
        "a failure by a helper's helper",
        [
            (S, "        sys.exit(1)", "        more.leave()"),
            top("import more"),
            ("more.py", "", "import os\ndef leave(): go(1)\ndef go(code): os._exit(code)\n"),
        ],
    ),
    (
        "a failure after the handler",
        [
            (
                S,
                '        log.exception("the tally failed")\n        sys.exit(1)',
                '        log.exception("no")\n    else:\n        sys.exit(0)\n    sys.exit(1)',
            )
        ],
    ),
    (
        "tried again",
        [
            body(
                "for n in range(3):",
                "    try:",
                "        totals = dict(totals)",
                "        break",
                "    except Exception:",
                "        log.warning('again')",
                "else:",
                "    raise RuntimeError('no luck')",
            )
        ],
    ),
    (
        "tried again, and told later",
        [
            body(
                "for n in range(3):",
                "    try:",
                "        return store(paths['totals'], totals)",
                "    except Exception:",
                "        log.warning('again')",
                "raise RuntimeError('no luck')",
            )
        ],
    ),
    (
        "kept for later",
        [
            body(
                "errors = []",
                "try:",
                "    totals = dict(totals)",
                "except Exception as error:",
                "    errors.append(error)",
                "if errors: raise errors[0]",
            )
        ],
    ),
    (
        "futures",
        [
            body(
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor() as pool:",
                "    done = [pool.submit(len, one) for one in totals]",
                "[one.result() for one in done]",
            )
        ],
    ),
    ("an exit code by a constant", [top("EMPTY = 3"), (S, "sys.exit(3)", "sys.exit(EMPTY)")]),
    (
        "an exit code by a return",
        [
            (S, "        work({", "        sys.exit(work({"),
            (S, "parse(), settings)", "parse(), settings) or 0)"),
        ],
    ),
    (
        "SIGTERM",
        [
            (C, "3: nothing", "143: SIGTERM, 3: nothing"),
            top(
                "import signal",
                "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))",
            ),
        ],
    ),
    ("a package that comes with another", [top("import numpy as np")]),
    (
        "a package of another name",
        [(C, '{pandas: ">=2"}', "{pandas: '', opencv-python-headless: ''}"), top("import cv2")],
    ),
    (
        "a package with python in its name",
        [
            (C, '{pandas: ">=2"}', "{pandas: '', python-snappy: '', pyserial: ''}"),
            top("import snappy, serial"),
        ],
    ),
    (
        "a package in requirements.txt",
        [top("import shap"), ("requirements.txt", "", "shap==0.44\n")],
    ),
    (
        "a package that may lack",
        [top("try:", "    import orjson", "except ImportError:", "    orjson = json")],
    ),
    (
        "a package for type checkers",
        [top("import typing", "if typing.TYPE_CHECKING:", "    import torch")],
    ),
    ("a seed", [body("import random", "random.seed(7)", "totals['x'] = random.random()")]),
    ("a pause", [body("import random, time", "time.sleep(random.random())")]),
    (
        "waived",
        [
            (C, "name: tally", "name: tally\nwaivers: {repeatable: it samples}"),
            body("import random", "totals['x'] = random.random()"),
        ],
    ),
    (
        "a waived code",
        [
            (C, "name: tally", "name: tally\nwaivers: {STEP701: it samples}"),
            body("import random", "totals['x'] = random.random()"),
        ],
    ),
    ("silenced", [top("import boto3  # noqa: F401, STEP601")]),
    ("silenced by the old code", [top("import boto3  # noqa: H601")]),
    ("silenced for the file", [top("# harness: noqa: STEP601", "import boto3")]),
    (
        "newer syntax",
        [top("type Totals = dict[str, int]", "def first[T](x: list[T]) -> T: return x[0]")],
    ),
    ("an f-string with its own quotes", [body('log.info(f"{settings["unit"]}")')]),
    ("windows", [(S, "\n", "\r\n")]),
]

# What is not found, since it is left to ruff, or since it cannot be told from what is right.
NOT_FOUND: list[tuple[str, list[Change]]] = [
    ("pickle, which ruff knows (S301)", [body("import pickle", "pickle.loads(b'')")]),
    (
        "yaml.load, which ruff knows (S506)",
        [(C, '{pandas: ">=2"}', "{pandas: '', pyyaml: ''}"), body("import yaml", "yaml.load('')")],
    ),
    (
        "a shell, which ruff knows (S602)",
        [body("import subprocess", "subprocess.run('ls', shell=True, check=True)")],
    ),
    (
        "no main, which is a house's rule",
        [(S, "def work(", "def task("), (S, "        work({", "        task({")],
    ),
    ("a name that only a run knows", [body('open("/opt/ml/" + totals["x"], encoding="utf-8")')]),
    (
        "a variable whose name is read",
        [(C, "{UNIT: piece}", "{UNIT: piece, CITY: x}"), body("os.environ[totals['name']]")],
    ),
]
