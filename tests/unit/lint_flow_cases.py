"""More changes of the step of `lint_cases.py`: values that come from afar, or go there.

Each kind has a wrong change, and a right one that is written otherwise.
"""

from __future__ import annotations

from tests.unit.lint_cases import C, Change, S, body, option

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
DECLARES_CAP = (C, "arguments:\n", "arguments:\n  cap: {type: int, default: 3}\n")
CAP = option('parser.add_argument("--cap", type=int, default=3)')
AT = "paths['totals'] / 'totals.json'"

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
]
SOUND: list[tuple[str, list[Change]]] = [
    ("a word", list(WORDS)),
    ("the script's own name", [*WORDS, body("log.info(sys.argv[0])")]),
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
        "a time elsewhere",
        [body("import time", "open('/tmp/x', 'w', encoding='utf-8').write(str(time.time()))")],
    ),
]
