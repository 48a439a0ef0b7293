"""More changes of the step of `lint_cases.py`: what contract and script do not agree on.

Each kind has a wrong change, and a right one that is written otherwise.
"""

from __future__ import annotations

from tests.unit.lint_cases import C, Change, S, body, option, top

RULES = "/opt/ml/processing/input/rules"
MAIN = "        work({"
# The contract with an input that may be absent.
OPTIONAL = (
    C,
    "outputs:\n",
    f"  rules: {{required: false, file: rules.json, mounts: [{RULES}]}}\noutputs:\n",
)
REQUIRED = (OPTIONAL[0], OPTIONAL[1], OPTIONAL[2].replace("false", "true"))
CHANNEL = (
    C,
    "outputs:\n",
    "  extra: {required: false, mounts: [/opt/ml/input/data/extra]}\noutputs:\n",
)
AT_RULES = f"rules = Path({RULES!r})"
CLICK = (C, '{pandas: ">=2"}', "{pandas: '', click: ''}")
STOPPED = (C, "3: nothing", "143: stopped, 3: nothing")
HANDLER = (
    "import signal",
    "class Stop(Exception): pass",
    "def stop(number, frame): raise Stop()",
    "signal.signal(signal.SIGTERM, stop)",
)
FAILS = '        log.exception("the tally failed")\n        sys.exit(1)\n'


def around(*lines: str) -> Change:
    """Other lines in place of the call of `work`, each indented as that is."""
    return (S, MAIN, "".join(f"        {line}\n" for line in lines) + MAIN)


DRIFT: list[tuple[str, str, list[Change]]] = [
    (
        "STEP112",
        "read without a look",
        [OPTIONAL, body(AT_RULES, "log.info((rules / 'rules.json').read_text('utf-8'))")],
    ),
    ("STEP112", "a channel", [CHANNEL, body("os.listdir(os.environ['SM_CHANNEL_EXTRA'])")]),
    ("STEP102", "only looked for", [OPTIONAL, body(AT_RULES, "log.info(rules.is_dir())")]),
    ("STEP103", "never written", [(C, "[totals.json]", "[totals.json, notes.txt]")]),
    (
        "STEP103",
        "the folder is made",
        [(S, '    draft.replace(folder / "totals.json")', "    draft.unlink()")],
    ),
    ("STEP203", "set by the script", [top("os.environ['COUNTRY'] = 'none'")]),
    (
        "STEP302",
        "the attribute alone has its name",
        [(S, '"--limit"', '"--most", dest="limit"')],
    ),
    (
        "STEP303",
        "choices of an enumeration",
        [
            top(
                "import enum", "class Mode(str, enum.Enum):", "    FAST = 'fast'", "    SLOW = 'x'"
            ),
            (S, '["fast", "exact"]', "[one.value for one in Mode]"),
        ],
    ),
    ("STEP304", "by vars", [body("log.info(vars(options)['cap'])")]),
    ("STEP306", "bool", [option('parser.add_argument("--mode-on", type=bool, default=True)')]),
    ("STEP306", "list", [option('parser.add_argument("--names", type=list)')]),
    (
        "STEP403",
        "a dictionary of the module",
        [top("NAMES = {'events': 'e'}"), body("log.info(NAMES['event'])")],
    ),
    (
        "STEP403",
        "in a loop through what is not known",
        [
            top("GIVEN = {'words': []}", "def more(): return {**GIVEN, **json.loads(input())}"),
            body("for one in more()['words']: log.info(settings['town'])"),
        ],
    ),
    (
        "STEP102",
        "where numbers are divided",
        [OPTIONAL, body("share = totals.sum / totals.count", "log.info(json.dumps(share / 2))")],
    ),
    (
        "STEP501",
        "unpacked by its name",
        [
            top("import shutil", "def out(p):", "    shutil.unpack_archive(p, '/tmp/o')"),
            body("out('/tmp/model.tar.gz')"),
        ],
    ),
    (
        "STEP502",
        "an error of a kind",
        [
            top(
                "def main():",
                "    try:",
                "        parse()",
                "    except OSError:",
                "        log.exception('no')",
                "        return 0",
                "    return 0",
            ),
            around("sys.exit(main())"),
        ],
    ),
    (
        "STEP502",
        "a code that nobody ends with",
        [
            top("def main():", "    if not log:", "        return 1", "    return 0"),
            around("main()"),
        ],
    ),
    (
        "STEP502",
        "no input, and no failure",
        [REQUIRED, body(AT_RULES, "if not rules.exists():", "    sys.exit()", "rules.iterdir()")],
    ),
    (
        "STEP502",
        "a program",
        [
            body(
                "import subprocess",
                "subprocess.run(['gzip', '-k', paths['totals'] / 'totals.json'])",
            )
        ],
    ),
    ("STEP502", "a shell's program", [body("os.system(f'ls {paths[\"events\"]}')")]),
    ("STEP504", "a handler that ends otherwise", [STOPPED, top(*HANDLER)]),
    (
        "STEP505",
        "of an exception of its own",
        [
            top("class Broken(Exception):", "    code = 9"),
            (
                S,
                "    except Exception:\n",
                "    except Broken as e:\n        sys.exit(e.code)\n    except Exception:\n",
            ),
        ],
    ),
    (
        "STEP505",
        "of click",
        [
            CLICK,
            top("import click", "class No(click.ClickException):", "    exit_code = 9"),
            body("if not totals:", "    raise No('nothing')"),
        ],
    ),
    (
        "STEP109",
        "a set",
        [
            (C, "name: tally", "name: tally\nlevel: strict"),
            body("for x in set(totals): log.info(x)"),
        ],
    ),
]
AGREED: list[tuple[str, list[Change]]] = [
    (
        "an input that is looked for",
        [
            OPTIONAL,
            body(
                AT_RULES, "if rules.exists(): log.info((rules / 'rules.json').read_text('utf-8'))"
            ),
        ],
    ),
    (
        "an input whose absence is handled",
        [
            OPTIONAL,
            body(
                AT_RULES,
                "try:",
                "    log.info((rules / 'rules.json').read_text('utf-8'))",
                "except FileNotFoundError:",
                "    log.info('no rules')",
            ),
        ],
    ),
    (
        "a channel that may be absent",
        [
            CHANNEL,
            body(
                "at = os.environ.get('SM_CHANNEL_EXTRA')",
                "if at: log.info(os.path.getsize(at))",
                "if at: sorted(os.listdir(at))",
            ),
        ],
    ),
    (
        "a path in a query",
        [OPTIONAL, CLICK, body("import click", f"click.echo(\"SELECT 1 FROM '{RULES}/*.csv'\")")],
    ),
    (
        "files by a loop",
        [
            (C, "[totals.json]", "[totals.json, a.txt, b.txt]"),
            body("for one in 'ab': (paths['totals'] / f'{one}.txt').write_text(one, 'utf-8')"),
        ],
    ),
    (
        "files by a copy",
        [
            (C, "[totals.json]", "[totals.json, a.txt]"),
            body("import shutil", "shutil.copy('/tmp/a.txt', paths['totals'])"),
        ],
    ),
    (
        "endings that a function adds",
        [
            (C, "[totals.json]", "[totals.json, a.npy, b.tar.gz]"),
            (C, '{pandas: ">=2"}', "{pandas: '', numpy: ''}"),
            body(
                "import shutil",
                "import numpy",
                "numpy.save(paths['totals'] / 'a', [])",
                "shutil.make_archive(paths['totals'] / 'b', 'gztar', '/tmp')",
            ),
        ],
    ),
    ("set where it is not set", [top("os.environ.setdefault('COUNTRY', 'none')")]),
    (
        "the same choices",
        [
            top("import enum", "class Mode(enum.Enum):", "    A = 'exact'", "    B = 'fast'"),
            (S, '["fast", "exact"]', "[one.value for one in Mode]"),
        ],
    ),
    (
        "attributes by vars",
        [body("given = vars(options)", "log.info('%s %s', given['mode'], given.get('cap'))")],
    ),
    (
        "a dictionary that grows",
        [
            top("NAMES = {'events': 'e'}", "def add(): NAMES['more'] = 'm'"),
            body("add()", "log.info(NAMES['more'])"),
        ],
    ),
    (
        "a zip is unpacked",
        [
            top("import shutil", "def out(p):", "    shutil.unpack_archive(p, '/tmp/o')"),
            body("out('/tmp/model.zip')"),
        ],
    ),
    (
        "codes that are ended with",
        [
            top("def main():", "    if not log:", "        return 1", "    return 0"),
            around("if main(): sys.exit(1)"),
        ],
    ),
    (
        "nothing to do, and that is right",
        [
            OPTIONAL,
            body(AT_RULES, "if not rules.exists():", "    sys.exit(0)", "list(rules.iterdir())"),
        ],
    ),
    (
        "programs that are looked after",
        [
            body(
                "import subprocess",
                "at = paths['totals']",
                "subprocess.run(['gzip', '-k', at], check=True)",
                "subprocess.check_call(['ls', at])",
                "done = subprocess.run(['ls', at])",
                "log.info(done.returncode)",
            )
        ],
    ),
    (
        "a handler whose exception ends with 143",
        [
            STOPPED,
            top(*HANDLER),
            (
                S,
                "    except Exception:\n",
                "    except Stop:\n        sys.exit(143)\n    except Exception:\n",
            ),
        ],
    ),
    (
        "an exception that is told its code",
        [
            top(
                "class Broken(Exception):",
                "    def __init__(self, code):",
                "        self.code = code",
            ),
            (
                S,
                "    except Exception:\n",
                "    except Broken as e:\n        sys.exit(e.code)\n    except Exception:\n",
            ),
        ],
    ),
    (
        "an option that a declared variable gives",
        [
            CLICK,
            (S, 'os.environ.get("UNIT", "piece")', '"x"'),
            top(
                "import click",
                "@click.command()",
                "@click.option('--unit', envvar='UNIT', default='piece')",
                "def run(unit): log.info(unit)",
            ),
            around("if EVENTS.exists(): run()"),
        ],
    ),
    ("a function that reads a truth value", [(S, "type=int", "type=lambda text: int(text)")]),
    (
        "a set in order",
        [
            (C, "name: tally", "name: tally\nlevel: strict"),
            body("for x in sorted(set(totals)): log.info(x)"),
        ],
    ),
]
