"""Secrets: those in the environment appear neither in the log nor in a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.promises import Breach, Evidence, Promise
from harness.promises.spellings import held
from harness.worlds.archives.content import unpacked_parts

# Names of variables that hold secrets.
_SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY"
    r"|AUTHORIZATION",
    re.IGNORECASE,
)
# In characters; a shorter value may occur anywhere by chance.
_MIN_LENGTH = 8


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each secret that the log or a file holds, files unpacked too, and names of files.

    It is found as it is, in base 64, base 32 and hexadecimal digits, and as URLs, JSON, HTML,
    Python and shells write it.
    """
    secrets = _secrets(evidence.case.variables_like(_SECRET))
    outcome = evidence.outcome
    streams = {"standard output": outcome.stdout, "standard error": outcome.stderr}
    for where, text in streams.items():
        for name in held(text.encode("utf-8", "surrogateescape"), secrets):
            yield _leak(name, where)
    written = outcome.after.added_or_changed(outcome.before) if outcome.after else ()
    for path, entry in sorted(written):
        parts = [*unpacked_parts(entry.data), entry.target.encode("utf-8", "surrogateescape")]
        if path not in outcome.before:
            parts.append(path.encode("utf-8", "surrogateescape"))
        told = {name for data in parts for name in held(data, secrets)}
        yield from (_leak(name, path) for name in secrets if name in told)


def _leak(name: str, where: str) -> Breach:
    return Breach(f"tells-{name}", where, f"nothing of the value of {name}", "its value")


def _secrets(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if len(value) >= _MIN_LENGTH}


PROMISE = Promise(
    "no-secrets",
    "No secret from the environment is in the log or in a file that is written.",
    check,
)
