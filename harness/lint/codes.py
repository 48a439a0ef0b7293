"""The codes of the linter: what each means, why it matters, and what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "STEP"
# The prefix of earlier releases; comments that silence their codes still do.
OLD_PREFIX = "H"
Severity = Literal["error", "warning"]
_ARTICLES = {"error": "An", "warning": "A"}
# "always" is looked at unless it is ignored, "strict" at steps of that level, "asked" if selected.
When = Literal["always", "strict", "asked"]


@dataclass(frozen=True)
class Code:
    """The description of a code: its meaning, why it matters, and a correct example."""

    meaning: str
    why: str
    right: str
    severity: Severity = "error"
    when: When = "always"


CODES: Mapping[str, Code] = {
    "STEP100": Code(
        "the file is not Python",
        "A file that cannot be parsed cannot be looked at, and would fail at once in the job.",
        "python -m py_compile step.py",
    ),
    "STEP101": Code(
        "a path below /opt/ml that the contract does not declare",
        "Nothing is mounted there unless the contract says so; what is written there is lost.",
        "inputs:\n  data:\n    required: true\n    mounts: [/opt/ml/processing/input/data]",
    ),
    "STEP102": Code(
        "a path that the contract declares and the script never uses",
        "The job mounts data for it that nobody reads, or waits for an output that never comes.",
        'DATA = "/opt/ml/processing/input/data"',
    ),
    "STEP103": Code(
        "a file of an input or output that the contract does not name",
        "The contract names the files that are there; another one is missing, or is left over.",
        "outputs:\n  result: {path: /opt/ml/processing/output/result, files: [lines.json]}",
    ),
    "STEP104": Code(
        "something is written into the folder of an input",
        "Inputs may be mounted read-only, and whoever reads them next finds other data.",
        'scratch = tempfile.mkdtemp()\narchive.extractall(scratch, filter="data")',
    ),
    "STEP105": Code(
        "something is written outside /opt/ml and the temporary folder",
        "Only what lies below the outputs is uploaded when the job ends.",
        'RESULT = "/opt/ml/processing/output/result"',
    ),
    "STEP106": Code(
        "the folders of the job are used when the script is imported",
        "A test, or a worker process, that imports the script does the work of the step.",
        'if __name__ == "__main__":\n    main(...)',
    ),
    "STEP107": Code(
        "text is read or written without an encoding",
        "Without a word the locale of the image decides; under LANG=C text is ASCII.",
        'open(path, encoding="utf-8")',
        "warning",
        "strict",
    ),
    "STEP108": Code(
        "a path that depends on the working directory",
        "Each type of job starts the script in another folder.",
        'Path(__file__).with_name("settings.json")',
        "warning",
        "strict",
    ),
    "STEP109": Code(
        "the entries of a folder are used in the order of the file system",
        "The order differs from host to host, and so does the output.",
        "for path in sorted(folder.iterdir()):",
        "warning",
        "strict",
    ),
    "STEP110": Code(
        "a temporary folder that nothing removes",
        "A container that runs several steps fills up; `scratch-clean` is what it breaks.",
        "with tempfile.TemporaryDirectory() as folder:",
        "warning",
    ),
    "STEP111": Code(
        "an output where a training job does not collect it",
        "A training job keeps /opt/ml/model and /opt/ml/output alone; all else is lost.",
        "outputs:\n  model: {path: /opt/ml/model}",
    ),
    "STEP112": Code(
        "an optional input that the script fails without",
        "The contract says that the job may go without it; the job that does ends with an error.",
        "if RULES.exists():\n    rules = json.loads(RULES.read_text())",
    ),
    "STEP201": Code(
        "an environment variable that is read and not declared",
        "Whoever makes the job reads the contract; a variable that is not in it is never set.",
        "environment:\n  required: [REGION]\n  optional: {LEVEL: INFO}",
    ),
    "STEP202": Code(
        "a declared environment variable that is never read",
        "People have to set it for nothing, or the script reads another one in its place.",
        'region = os.environ["REGION"]',
    ),
    "STEP203": Code(
        "an environment variable that the script takes otherwise than declared",
        "With the default of the contract in mind, people leave it out; the script does otherwise.",
        'level = os.environ.get("LEVEL", "INFO")',
    ),
    "STEP204": Code(
        "the variable of a channel that the contract does not declare",
        "The training toolkit sets SM_CHANNEL_NAME for the channels of the job alone.",
        "inputs:\n  train: {required: true, mounts: [/opt/ml/input/data/train]}",
    ),
    "STEP301": Code(
        "a command line argument that is not declared",
        "Whoever makes the job reads the contract; an argument that is not in it is never passed.",
        "arguments:\n  job-type: training or scoring",
    ),
    "STEP302": Code(
        "a declared argument that the script does not know",
        "argparse ends the job with exit code 2 when it is passed one.",
        'parser.add_argument("--job-type")',
    ),
    "STEP303": Code(
        "an argument that the script takes otherwise than declared",
        "A value that the contract allows ends the job, or another default is used than it says.",
        'parser.add_argument("--depth", type=int, default=6)',
    ),
    "STEP304": Code(
        "an argument that is used and never parsed",
        "The attribute is not there: the script ends with an AttributeError when it gets so far.",
        'parser.add_argument("--seed", type=int)\nseed = parser.parse_args().seed',
    ),
    "STEP305": Code(
        "a declared argument that is parsed and never used",
        "People set it, and nothing changes.",
        "model = fit(depth=args.depth)",
        "warning",
        "strict",
    ),
    "STEP306": Code(
        "an argument whose type does not read what is passed",
        'bool("False") is True, and list("ab") two texts: the value is none that was passed.',
        'parser.add_argument("--shuffle", action="store_true")',
    ),
    "STEP401": Code(
        "no main(input_paths, output_paths, environ_vars, job_args)",
        "Tests and pipelines call main with these four, in this order, without a job around it.",
        "def main(input_paths, output_paths, environ_vars, job_args, logger=None):",
        when="asked",
    ),
    "STEP402": Code(
        'no `if __name__ == "__main__":`',
        "Without it an import runs the step, or running the file does nothing.",
        'if __name__ == "__main__":\n    main(INPUTS, OUTPUTS, dict(os.environ), arguments)',
        when="asked",
    ),
    "STEP403": Code(
        "a key that the dictionary which a function is given never has",
        "The names differ, or two dictionaries are swapped: the script ends with a KeyError.",
        'main({"data": DATA}, {"result": RESULT}, {"REGION": region}, args)',
    ),
    "STEP404": Code(
        "a call that does not fit the function's parameters",
        "The script ends with a TypeError when it gets so far.",
        "def main(input_paths, output_paths):\n    ...\n\nmain(INPUTS, OUTPUTS)",
    ),
    "STEP501": Code(
        "an archive is extracted without a look at its members",
        "A member named ../../x or /x is written outside the folder, over whatever is there.",
        'archive.extractall(folder, filter="data")',
    ),
    "STEP502": Code(
        "a failure that is kept from the exit code",
        "The service knows a failure by the exit code alone: with 0 the pipeline goes on.",
        'except Exception:\n    logger.exception("the step failed")\n    sys.exit(1)',
    ),
    "STEP503": Code(
        "the result of work in another thread or process is never asked for",
        "An exception there is kept in the result, and the exit code stays 0.",
        "for future in futures:\n    future.result()",
    ),
    "STEP504": Code(
        "a declared exit code that the script never gives",
        "Whoever reacts to that code waits for it in vain.",
        "exit_codes:\n  0: done\n  1: failed",
    ),
    "STEP505": Code(
        "an exit code that the contract does not declare",
        "Whoever makes the job does not know what it means.",
        "exit_codes:\n  0: done\n  3: the table is empty",
    ),
    "STEP601": Code(
        "an import that neither the contract nor requirements.txt names",
        "The image that the job gets is chosen by them; without the package the import fails.",
        'framework_requirements:\n  pandas: ">=2"',
    ),
    "STEP602": Code(
        "a package that a function needs and nothing names",
        "pandas reads some formats with another package, and ends with an ImportError without it.",
        'framework_requirements:\n  pandas: ">=2"\n  pyarrow: ""',
    ),
    "STEP603": Code(
        "a module that is gone from newer versions of its package",
        "The image of the next version fails at the import.",
        "import joblib",
        "warning",
    ),
    "STEP604": Code(
        "packages are installed when the step runs",
        "A job in a private network has no index to install from, or gets other versions.",
        "requirements.txt beside the script",
    ),
    "STEP605": Code(
        "syntax or a module that the Python of the job lacks",
        "The job runs on the Python of its image, which the contract names under `python`.",
        'python: ">=3.8"',
    ),
    "STEP701": Code(
        "random numbers without a seed",
        "The same input gives another output each time; `repeatable` is what it breaks.",
        "random.seed(7)",
        "warning",
    ),
    "STEP702": Code(
        "a secret of the environment is printed or logged",
        "Logs of a job are kept, and read by more people than may know the secret.",
        'log.info("the token is %s", "set" if token else "missing")',
    ),
    "STEP703": Code(
        "the time, or a name made by chance, in an output",
        "The same input gives another output each time; `repeatable` is what it breaks.",
        "outputs:\n  result: {path: /opt/ml/processing/output/result, "
        'volatile: ["report.json#/time"]}',
        "warning",
    ),
    "STEP901": Code(
        "a `# noqa` that silences nothing",
        "It hides the next problem of that line.",
        "x = 1",
        "warning",
    ),
}


def current(code: str) -> str:
    """The code of today for one of an earlier release: STEP101 for H101."""
    code = code.upper()
    is_old = code.startswith(OLD_PREFIX) and code[len(OLD_PREFIX) :].isdigit()
    return f"{PREFIX}{code[len(OLD_PREFIX) :]}" if is_old else code


_LOOKED_AT: Mapping[When, str] = {
    "always": "always",
    "strict": "at the level `strict`",
    "asked": "where it is selected",
}


def page() -> str:
    """A page in Markdown: a table of the codes, and each below a heading of its name."""
    rows = [
        f"| [`{name}`](#{name.lower()}) | {one.meaning.replace('|', chr(92) + '|')} "
        f"| {_LOOKED_AT[one.when]} | {one.severity} |"
        for name, one in CODES.items()
    ]
    head = (
        "# The codes of `harness lint`\n\n"
        "`harness explain CODE` says the same on a terminal; [the linter](lint.md) says how\n"
        "codes are chosen and silenced. Written by `python -m tests.reference`.\n\n"
        "| code | what it finds | looked at | |\n|---|---|---|---|\n"
    )
    parts = [f"## {name}\n\n{section(name)}" for name in CODES]
    return "\n".join([head + "\n".join(rows) + "\n", *parts])


def section(name: str) -> str:
    """What a code means, in Markdown."""
    one = CODES[name]
    when = {
        "always": "",
        "strict": " Looked at in steps of the level `strict`.",
        "asked": " Looked at where it is selected.",
    }[one.when]
    meaning = f"{one.meaning[0].upper()}{one.meaning[1:]}."
    return (
        f"{meaning} {one.why}\n\n{_ARTICLES[one.severity]} {one.severity}.{when}"
        f"\n\n```\n{one.right}\n```\n"
    )


def describe_code(code: str) -> str | None:
    """The description of a code for users; None for an unknown code."""
    name = current(code)
    if name not in CODES:
        return None
    known = CODES[name]
    right = "\n".join(f"  {line}" for line in known.right.splitlines())
    silence = f"To let one line be: `# noqa: {name}` at its end, and why."
    if name == "STEP100":
        silence = "It cannot be silenced."
    elif known.when == "strict":
        silence = f"Looked at in steps of level strict, or where it is selected. {silence}"
    elif known.when == "asked":
        silence = f'Looked at where it is selected: extend-select = ["{name}"]. {silence}'
    return f"{name}\n\n{known.meaning}\n\n{known.why}\n\nRight:\n\n{right}\n\n{silence}"
