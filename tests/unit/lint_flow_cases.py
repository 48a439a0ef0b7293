"""More changes of the step of `lint_cases.py`: values that come from afar, or go there.

Each kind has a wrong change, and a right one that is written otherwise.
"""

from __future__ import annotations

from tests.unit.lint_cases import C, Change, S, body, option, top

STRICT = (C, "name: tally", "name: tally\nlevel: strict")
NO_ARGUMENTS = (
    C,
    "  column: {required: true}\n  limit: {type: int, default: 10}\n"
    "  mode: {choices: [fast, exact], default: exact}\n",
    "  place: {positional: true, required: true}\n",
)
NO_PARSER = (
    S,
    "    parser = argparse.ArgumentParser()\n",
    "    return argparse.Namespace(column=sys.argv[1], limit=9, mode='exact')\n"
    "    parser = argparse.ArgumentParser()\n",
)
WORDS = (NO_ARGUMENTS, NO_PARSER)
TRAIN = (
    C,
    "outputs:\n",
    "  train: {required: true, mounts: [/opt/ml/input/data/train]}\noutputs:\n",
)
TOOLKIT = [
    TRAIN,
    (C, '{pandas: ">=2"}', "{pandas: '', sagemaker-training: ''}"),
    body(
        "from sagemaker_training import environment",
        "job = environment.Environment()",
        "log.info(sorted(os.listdir(job.channel_input_dirs['train'])))",
        "log.info(int(job.hyperparameters.get('cap', 3)))",
        "# body",
    ),
]
HYPER = (C, "arguments:\n", "arguments:\n  cap: {type: int}\n")
CODES = "import enum", "class Code(enum.IntEnum):", "    DONE = 0", "    FAILED = 1"
RULES = (
    C,
    "outputs:\n",
    "  rules: {required: false, file: r.txt, mounts: [/opt/ml/processing/input/rules]}\noutputs:\n",
)
AT_RULES = "open('/opt/ml/processing/input/rules/r.txt', encoding='utf-8')"
LEARN = (C, '{pandas: ">=2"}', "{pandas: '', scikit-learn: '', numpy: ''}")
STOPPED = (C, "3: nothing", "143: stopped, 3: nothing")
MAIN = "        work({"
GUARD = (
    "more.py",
    "",
    "import logging\n\n\ndef guarded(function):\n    def inner(*given):\n        try:\n"
    "            return function(*given)\n        except Exception:\n"
    "            logging.exception('no')\n            END\n    return inner\n",
)
GUARDED = [
    top("from more import guarded", "@guarded", "def main():", "    parse()"),
    (S, MAIN, f"        main()\n{MAIN}"),
]
TABLES = (
    "class Table:",
    "    def run(self): (TOTALS / self.name).write_text('x', encoding='utf-8')",
    "class A(Table): name = 'a.txt'",
    "class B(Table): name = 'NAME'",
)
NAMED = (C, "[totals.json]", "[totals.json, a.txt, b.txt]")
DECLARES_CAP = (C, "arguments:\n", "arguments:\n  cap: {type: int, default: 3}\n")
CAP = option('parser.add_argument("--cap", type=int, default=3)')
AT = "paths['totals'] / 'totals.json'"


def suppressing(kind: str) -> Change:
    """The rules are read where an exception of a kind is suppressed."""
    return body(
        "import contextlib",
        f"with contextlib.suppress({kind}):",
        f"    log.info({AT_RULES}.read())",
    )


def ending(statement: str) -> Change:
    """The decorator ends its handler so."""
    return (*GUARD[:2], GUARD[2].replace("END", statement))


FLOW: list[tuple[str, str, list[Change]]] = [
    ("STEP301", "a second word", [*WORDS, body("log.info(sys.argv[2])")]),
    ("STEP301", "a word by a slice", [*WORDS, body("words = sys.argv[1:]", "log.info(words[1])")]),
    ("STEP301", "words that are unpacked", [*WORDS, body("_, place, other = sys.argv")]),
    (
        "STEP301",
        "a word that may lack",
        [*WORDS, body("cap = int(sys.argv[2]) if len(sys.argv) > 2 else 3", "log.info(cap)")],
    ),
    ("STEP305", "kept by vars", [STRICT, DECLARES_CAP, CAP, body("vars(options)['mode']")]),
    (
        "STEP305",
        "shown by vars",
        [STRICT, DECLARES_CAP, CAP, body("log.info('%s', vars(options))")],
    ),
    (
        "STEP703",
        "a time",
        [body("from datetime import datetime", "totals['at'] = datetime.now().isoformat()")],
    ),
    ("STEP703", "an id", [body("import uuid", "totals['id'] = str(uuid.uuid4())[:8]")]),
    (
        "STEP703",
        "a day in a text",
        [body("import time", f"({AT}).write_text('on ' + time.strftime('%Y'), 'utf-8')")],
    ),
    (
        "STEP703",
        "a column",
        [
            body(
                "table = pd.DataFrame(totals)",
                "table['at'] = pd.Timestamp.now()",
                f"table.to_json({AT})",
            )
        ],
    ),
    (
        "STEP703",
        "a row",
        [
            body(
                "import csv, time",
                f"with ({AT}).open('w', encoding='utf-8') as file:",
                "    csv.writer(file).writerow([1, int(time.time())])",
            )
        ],
    ),
    (
        "STEP703",
        "a name",
        [
            (C, ", files: [totals.json]", ""),
            body("import time", "open(paths['totals'] / f'{time.time()}.txt', 'wb')"),
        ],
    ),
    ("STEP103", "a file that another opens", [body("pd.HDFStore(EVENTS / 'events.h5')")]),
    (
        "STEP103",
        "of a class below another",
        [
            NAMED,
            (S, "# top\n", "\n".join(TABLES).replace("NAME", "c.txt") + "\n"),
            body("for kind in Table.__subclasses__(): kind().run()"),
        ],
    ),
    (
        "STEP103",
        "of a pool",
        [
            NAMED,
            top("def put(path, text): path.write_text(text, encoding='utf-8')"),
            body(
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor() as pool:",
                "    made = [pool.submit(put, TOTALS / n, 'x') for n in ('a.txt', 'c.txt')]",
                "[one.result() for one in made]",
            ),
        ],
    ),
    (
        "STEP103",
        "of a thread",
        [
            NAMED,
            top("def put(path, text): path.write_text(text, encoding='utf-8')"),
            body(
                "import threading",
                "threading.Thread(target=put, args=(TOTALS / 'c.txt', 'x')).start()",
            ),
        ],
    ),
    (
        "STEP505",
        "of a coroutine",
        [
            top("import asyncio", "async def run(): return 6"),
            (
                S,
                MAIN,
                f"        code = asyncio.run(run())\n        if code: sys.exit(code)\n{MAIN}",
            ),
        ],
    ),
    (
        "STEP204",
        "of the toolkit's object",
        [*TOOLKIT, HYPER, body("log.info(job.channel_input_dirs['test'])")],
    ),
    (
        "STEP302",
        "of the toolkit's object",
        [*TOOLKIT, (C, "arguments:\n", "arguments:\n  most: {type: int}\n")],
    ),
    (
        "STEP101",
        "by a replacement",
        [body("os.listdir(str(EVENTS).replace('events', 'event'))")],
    ),
    (
        "STEP502",
        "a code of an enumeration",
        [top(*CODES), (S, "        sys.exit(1)", "        sys.exit(Code.DONE)")],
    ),
    (
        "STEP110",
        "a draft is renamed, and the folder stays",
        [body("import tempfile", "folder = tempfile.mkdtemp()", "os.replace('/a', '/tmp0/b')")],
    ),
    ("STEP504", "143 without a handler", [STOPPED, body("if not totals: sys.exit(143)")]),
    (
        "STEP502",
        "a decorator beside",
        [*GUARDED, ending("return None")],
    ),
    (
        "STEP502",
        "a helper beside",
        [
            top("import more"),
            body("more.check(totals)"),
            (
                "more.py",
                "",
                "import logging\n\n\ndef check(x):\n    try:\n        x['a']\n"
                "    except Exception:\n        logging.exception('no')\n",
            ),
        ],
    ),
    (
        "STEP502",
        "tried, and given up",
        [
            top(
                "def fetch(x):",
                "    for n in range(3):",
                "        try:",
                "            return x['a']",
                "        except Exception:",
                "            log.warning('again')",
            ),
            body("fetch(totals)"),
        ],
    ),
    (
        "STEP701",
        "a split",
        [
            LEARN,
            top("from sklearn.model_selection import train_test_split"),
            body("train_test_split(totals, train_size=0.5)"),
        ],
    ),
    ("STEP701", "a sample", [body("log.info(pd.DataFrame(totals).sample(frac=1))")]),
    (
        "STEP701",
        "a generator",
        [LEARN, body("import numpy as np", "log.info(np.random.default_rng().normal())")],
    ),
    (
        "STEP112",
        "another failure is handled",
        [
            RULES,
            body(
                "import contextlib",
                "with contextlib.suppress(KeyError):",
                f"    log.info({AT_RULES}.read())",
            ),
        ],
    ),
]
SOUND: list[tuple[str, list[Change]]] = [
    ("a word", list(WORDS)),
    ("the script's own name", [*WORDS, body("log.info(sys.argv[0])")]),
    (
        "a folder for trials",
        [*WORDS, body("at = sys.argv[2] if len(sys.argv) > 2 else str(EVENTS)", "os.listdir(at)")],
    ),
    ("words of flags", [body("log.info(sys.argv[2])")]),
    ("by vars", [STRICT, DECLARES_CAP, CAP, body("log.info('%d', vars(options)['cap'])")]),
    ("by vars and stars", [STRICT, DECLARES_CAP, CAP, body("print(dict(**vars(options)))")]),
    (
        "by vars in a file",
        [STRICT, DECLARES_CAP, CAP, body("totals['given'] = json.dumps(vars(options))")],
    ),
    ("by __dict__", [STRICT, DECLARES_CAP, CAP, body("log.info(options.__dict__.get('cap'))")]),
    (
        "a time that is logged",
        [body("from datetime import datetime", "log.info('%s', datetime.now())")],
    ),
    (
        "a time that is passed",
        [body("from datetime import datetime", "totals['at'] = datetime(2020, 1, 1).isoformat()")],
    ),
    (
        "how long it took",
        [body("import time", "start = time.time()", "totals['s'] = time.time() - start")],
    ),
    (
        "an id of a text",
        [body("import uuid", "totals['id'] = str(uuid.uuid5(uuid.NAMESPACE_DNS, 'x'))")],
    ),
    (
        "a draft",
        [
            body(
                "import uuid",
                "draft = paths['totals'] / f'{uuid.uuid4()}.draft'",
                "draft.write_text('{}', encoding='utf-8')",
                f"draft.replace({AT})",
            )
        ],
    ),
    (
        "a time that may differ",
        [
            (C, "files: [totals.json]", 'files: [totals.json], volatile: ["totals.json#/at"]'),
            body("from datetime import datetime", "totals['at'] = datetime.now().isoformat()"),
        ],
    ),
    (
        "of classes below another",
        [
            NAMED,
            (S, "# top\n", "\n".join(TABLES).replace("NAME", "b.txt") + "\n"),
            body("for kind in Table.__subclasses__(): kind().run()"),
        ],
    ),
    (
        "a pool",
        [
            NAMED,
            top("def put(path, text='x'): path.write_text(text, encoding='utf-8')"),
            body(
                "from concurrent.futures import ThreadPoolExecutor",
                "with ThreadPoolExecutor() as pool:",
                "    list(pool.map(put, [TOTALS / 'a.txt', TOTALS / 'b.txt']))",
            ),
        ],
    ),
    (
        "a coroutine's code",
        [
            top("import asyncio", "async def run(): return 3"),
            (
                S,
                MAIN,
                f"        code = asyncio.run(run())\n        if code: sys.exit(code)\n{MAIN}",
            ),
        ],
    ),
    (
        "a temporary folder that is removed",
        [body("import shutil, tempfile", "folder = tempfile.mkdtemp()", "shutil.rmtree(folder)")],
    ),
    (
        "a temporary file that becomes the output",
        [
            body(
                "import tempfile",
                "handle, draft = tempfile.mkstemp(dir=TOTALS)",
                f"os.replace(draft, {AT})",
            )
        ],
    ),
    (
        "rows that pandas gives",
        [
            top("def one(row, cap, most=3): return row['a'] > cap"),
            body("table = pd.DataFrame(totals)", "log.info(table.apply(one, axis=1, args=(3,)))"),
        ],
    ),
    ("the toolkit's object", [*TOOLKIT, HYPER]),
    (
        "the toolkit's object, as a whole",
        [*TOOLKIT, HYPER, (C, "  cap: {", "  most: {}\n  cap: {"), body("json.dumps(job)")],
    ),
    (
        "by a replacement",
        [body("os.listdir(str(EVENTS).replace('input/events', 'output/totals'))")],
    ),
    (
        "a code of an enumeration",
        [top(*CODES), (S, "        sys.exit(1)", "        sys.exit(Code.FAILED)")],
    ),
    ("a decorator beside", [*GUARDED, ending("raise")]),
    (
        "a decorator that keeps what it is given",
        [
            top("ALL = {}", "def kept(f):", "    ALL[f.__name__] = f", "    return f"),
            body("for one in ALL.values(): one()"),
        ],
    ),
    (
        "tried, and then told",
        [
            top(
                "def fetch(x):",
                "    for n in range(3):",
                "        try:",
                "            return x['a']",
                "        except Exception:",
                "            log.warning('again')",
                "    raise RuntimeError('no a')",
            ),
            body("fetch(totals)"),
        ],
    ),
    (
        "a split with a seed",
        [
            LEARN,
            top("from sklearn.model_selection import train_test_split"),
            body("train_test_split(totals, train_size=0.5, random_state=3)"),
        ],
    ),
    ("a sample by a generator", [body("import random", "random.Random(4).sample([1], 1)")]),
    (
        "absence that is suppressed",
        [
            RULES,
            body(
                "import contextlib",
                "with contextlib.suppress(FileNotFoundError):",
                f"    log.info({AT_RULES}.read())",
            ),
        ],
    ),
    (
        "a time elsewhere",
        [body("import time", "open('/tmp/x', 'w', encoding='utf-8').write(str(time.time()))")],
    ),
]
