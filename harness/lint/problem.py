"""A problem of a script: where it is, what it is, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One problem; `line` and `column` begin at 1. `CODES` says what the codes mean."""

    code: str
    message: str
    fix: str
    file: Path
    line: int
    column: int


CODES = {
    "H100": "the file is not Python",
    "H101": "a path below /opt/ml that the contract does not declare",
    "H102": "a path that the contract declares and the script never uses",
    "H201": "an environment variable that is read and not declared",
    "H202": "a required environment variable that is never read",
    "H301": "a command line argument that is not declared",
    "H302": "a declared argument that the script does not know",
    "H401": "no main(input_paths, output_paths, environ_vars, job_args)",
    "H402": 'no `if __name__ == "__main__":`',
    "H501": "an archive is extracted without a look at its members",
    "H502": "a broad except that hides the failure from the exit code",
    "H601": "an import that the contract's framework_requirements lack",
}
