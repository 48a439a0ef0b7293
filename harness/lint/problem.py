"""Problems of scripts, and the codes of the linter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MAX_LENGTH = 300


@dataclass(frozen=True)
class Problem:
    """A problem of a script; `line` and `column` count from 1, columns in characters."""

    code: str
    message: str
    fix: str
    file: Path
    line: int
    column: int


@dataclass(frozen=True)
class Code:
    """The description of a code: its meaning, why it matters, and a correct example."""

    meaning: str
    why: str
    right: str


CODES: Mapping[str, Code] = {
    "H100": Code(
        "the file is not Python",
        "A file that cannot be parsed cannot be looked at, and would fail at once in the job.",
        "python -m py_compile step.py",
    ),
    "H101": Code(
        "a path below /opt/ml that the contract does not declare",
        "Nothing is mounted there unless the contract says so; what is written there is lost.",
        "inputs:\n  data:\n    required: true\n    mounts: [/opt/ml/processing/input/data]",
    ),
    "H102": Code(
        "a path that the contract declares and the script never uses",
        "The job mounts data for it that nobody reads, or waits for an output that never comes.",
        'DATA = "/opt/ml/processing/input/data"',
    ),
    "H103": Code(
        "an output where a training job does not collect it",
        "A training job keeps /opt/ml/model and /opt/ml/output alone; all else is lost.",
        "outputs:\n  model: {path: /opt/ml/model}",
    ),
    "H201": Code(
        "an environment variable that is read and not declared",
        "Whoever makes the job reads the contract; a variable that is not in it is never set.",
        "environment:\n  required: [REGION]\n  optional: {LEVEL: INFO}",
    ),
    "H202": Code(
        "a required environment variable that is never read",
        "People have to set it for nothing, or the script reads another one in its place.",
        'region = os.environ["REGION"]',
    ),
    "H301": Code(
        "a command line argument that is not declared",
        "Whoever makes the job reads the contract; an argument that is not in it is never passed.",
        "arguments:\n  job-type: training or scoring",
    ),
    "H302": Code(
        "a declared argument that the script does not know",
        "argparse ends the job with exit code 2 when it is passed one.",
        'parser.add_argument("--job-type")',
    ),
    "H401": Code(
        "no main(input_paths, output_paths, environ_vars, job_args)",
        "Tests and pipelines call main with these four, in this order, without a job around it.",
        "def main(input_paths, output_paths, environ_vars, job_args, logger=None):",
    ),
    "H402": Code(
        'no `if __name__ == "__main__":`',
        "Without it an import runs the step, or running the file does nothing.",
        'if __name__ == "__main__":\n    main(INPUTS, OUTPUTS, dict(os.environ), arguments)',
    ),
    "H501": Code(
        "an archive is extracted without a look at its members",
        "A member named ../../x or /x is written outside the folder, over whatever is there.",
        'archive.extractall(folder, filter="data")',
    ),
    "H502": Code(
        "a broad except that hides the failure from the exit code",
        "The service knows a failure by the exit code alone: with 0 the pipeline goes on.",
        'except Exception:\n    logger.exception("the step failed")\n    sys.exit(1)',
    ),
    "H601": Code(
        "an import that the contract's framework_requirements lack",
        "The image that the job gets is chosen by them; without the package the import fails.",
        'framework_requirements:\n  pandas: ">=2"',
    ),
}


def describe_code(code: str) -> str | None:
    """The description of a code for users; None for an unknown code."""
    if code not in CODES:
        return None
    known = CODES[code]
    right = "\n".join(f"  {line}" for line in known.right.splitlines())
    silence = f"To let one line be: `# noqa: {code}` at its end, and why."
    if code == "H100":
        silence = "It cannot be silenced."
    return f"{code}\n\n{known.meaning}\n\n{known.why}\n\nRight:\n\n{right}\n\n{silence}"


def printable(text: str) -> str:
    """The text with control characters escaped, cut off after 300 characters."""
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
    return shown if len(shown) <= _MAX_LENGTH else f"{shown[:_MAX_LENGTH]}…"
