"""A failure is told well: what is missing or wrong, with the traceback, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise

_TRACEBACK = "Traceback (most recent call last):"
_BETWEEN_TRACEBACKS = ("During handling of the above", "The above exception was the direct cause")
# Words in which a line tells of a failure.
_TELLS = re.compile(
    r"error|exception|fail|fatal|critical|missing|not found|no such|does not exist|cannot|can't"
    r"|could not|unable|invalid|required|must|needs?\b|empty",
    re.IGNORECASE,
)
_FRAME = re.compile(r'^.*File ".*", line \d+')
_EXCEPTION = re.compile(r"^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Found)\b")
# Words that tell people what to do, wherever they stand in a line …
_STRONG = r"""
    add | adjust | allow | ask | attach | avoid | bundle | change | check | choose | clean |
    configure | consult | contact | convert | copy | correct | create | delete | download |
    edit | enlarge | ensure | exclude | expand | export | extend | fetch | fill | fix | free |
    generate | give | grant | ha(?:s|ve)[ ]to | increase | inspect | install | investigate |
    keep | make | mend | mount | move | must | needs? | ought | pack | please | provide | put |
    rebuild | recheck | recreate | redownload | reexport | regenerate | remake | remove |
    rename | repack | repackage | repair | replace | request | rerun | resave | resend |
    restart | restore | retry | reupload | review | rewrite | save | see | set | should |
    shrink | specify | strip | submit | supply | switch | try | unset | update | upload | use |
    validate | verify | wait | re-\w+
"""
# … and words that do so only where they begin a sentence.
_WEAK = "drop|find|look|name|omit|open|pass|place|point|read|report|run|send|start|store|write"
_VERBS = rf"(?:{_STRONG}|{_WEAK}|to|then)\b"
_FLAGS = re.IGNORECASE | re.VERBOSE
_ANYWHERE = re.compile(rf"\b(?:{_STRONG})\b", _FLAGS)
_AFTER_STOP = re.compile(rf"[.;!?)\u2013\u2014]\s+{_VERBS}", _FLAGS)
_AFTER_MARK = re.compile(rf"(?:^|[.:;!?)\]>|\u2013\u2014\u2192-]\s+){_VERBS}", _FLAGS)
# What announces advice, in whatever words it then comes.
_LABEL = re.compile(
    r"""\b(?:
        action(?:s|[ ]required)? | advice | fix | hints? | next[ ]steps? | remed(?:y|iation) |
        recommend\w* | (?:re)?solution | suggest\w* | tips? | to-?do | troubleshooting |
        what[ ]to[ ]do | how[ ]to[ ]\w+ | workaround
    )\b\s*(?:[:=>\u2013\u2014\u2192-]+)\s*["'\w`(…]""",
    _FLAGS,
)
# The same words in what only tells of a failure: "failed to create", "check failed", "see log".
_TOLD = re.compile(
    r"""
    \b(?:fail(?:s|ed)|failure|unable|could[ ]not|couldn't|cannot|can't|did[ ]not|didn't)
        (?:[ ]to)?(?:[ ]be)?[ ]\w+
    | \b(?!and|or|then)\w+[ ](?:has[ ]|have[ ])?(?:failed|failure)\b
    | \bsee[ ](?:the[ ])?(?:above|below|details|errors?|logs?|trace(?:back)?)\b
    """,
    _FLAGS,
)
# A line that is only about what happened, and no sentence in the imperative.
_HAPPENED = re.compile(
    r"""^\W*(?!embed|exceed|feed|need|proceed|speed)\w+ed\b | \bclean(?:ed|ing)?[ ]?up\b | \b(?:
        abort\w* | bye | complete[ds]? | crash\w* | died? | done | end(?:ed|ing|s) | exit\w* |
        finish\w* | quit\w* | rc | return(?:ed|ing|s) | shut\w* | status | stop(?:ped|ping|s) |
        terminat\w* | un\w*success\w* |
        is | are | was | were | has | have | had | does | did | got | found | raised | occurred |
        happened | caught | contains? | holds? | leaves? | points?
    )\b""",
    _FLAGS,
)
_LEVEL = re.compile(r"^.*?\b(?:CRITICAL|FATAL|ERROR|WARN(?:ING)?|INFO)\b\W*(?:[\w.…]+:\W*)*")
# A message of fewer letters may stand in any line by chance.
_TELLING = 10
_WORD = re.compile(r"[^\W\d_]{2,}")
# Paths, file names and identifiers, whose parts are no advice: "model.tar.gz", "/opt/ml/model".
_NAMES = re.compile(r"[^\s:]*(?:/|_|\w\.\w)[^\s:]*?(?=[.,;:!?)]*(?:[\s:]|$))")


def check_named(evidence: Evidence) -> Iterator[Breach]:
    """Each text that the error must hold and does not."""
    if not evidence.as_expected:
        return
    stderr = evidence.outcome.stderr
    text = error_text(stderr) if evidence.expected.explained else stderr
    for says in evidence.expected.error:
        if not says.holds(text):
            yield Breach(f"no-{says.key}", "standard error", says.meaning, _end(text))


def check_traceback(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a failure comes without its traceback."""
    explained = evidence.expected.explained
    if explained and _fails(evidence) and _TRACEBACK not in evidence.outcome.stderr:
        got = _end(evidence.outcome.stderr)
        yield Breach("no-traceback", "standard error", "the traceback of the error", got)


def check_advice(evidence: Evidence) -> Iterator[Breach]:
    """One breach when the last line only says what went wrong, or is a bare traceback."""
    if not _fails(evidence) or not evidence.expected.explained:
        return
    lines = [line for line in evidence.outcome.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if not is_advice(last, _last_exception(evidence.outcome.stderr)):
        yield Breach(
            "no-advice", "the last line of standard error", "what to do about it", last or "nothing"
        )


def check_bare(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a failure is told by a traceback and by nothing else.

    Where what to do must be said, that is its words.
    """
    if evidence.expected.explained or not _fails(evidence):
        return
    lines = without_tracebacks(f"{evidence.outcome.stdout}\n{evidence.outcome.stderr}")
    if not any(_TELLS.search(line) or is_advice(line, "") for line in lines):
        wanted = "a line of the script's own that says what failed"
        yield Breach("bare-traceback", "standard error", wanted, _end(evidence.outcome.stderr))


def without_tracebacks(text: str) -> list[str]:
    """The lines of a text that are neither empty nor part of a traceback."""
    lines: list[str] = []
    in_traceback = False
    for line in text.splitlines():
        if line.endswith(_TRACEBACK):
            in_traceback = True
        elif in_traceback:
            # It ends with the exception, which is not indented.
            in_traceback = line.startswith(" ")
        elif line.strip() and not line.startswith(_BETWEEN_TRACEBACKS):
            lines.append(line)
    return lines


def is_advice(line: str, message: str) -> bool:
    """Whether a line says what to do; `message` is that of the exception told before.

    The end of a traceback, or a line that only tells the exception again, is none, unless a
    sentence in it begins with what to do. Any other line is judged by what is known of it: words
    of advice, words of failure; in doubt for the script, since nobody can list every verb.
    """
    if _FRAME.match(line):
        return False
    plain = _TOLD.sub("…", _NAMES.sub("…", line))
    if _EXCEPTION.match(line) or (len(message) >= _TELLING and message in line):
        return bool(_AFTER_STOP.search(plain))
    if _LABEL.search(plain) or _ANYWHERE.search(plain) or _AFTER_MARK.search(plain):
        return True
    said = _LEVEL.sub("", plain)
    if _TELLS.search(_NAMES.sub("…", line)) or _HAPPENED.search(said):
        return False
    return not line.startswith((" ", "\t")) and len(_WORD.findall(said)) > 1


def error_text(stderr: str) -> str:
    """What the script says about its failure: from the first traceback on, less its code lines.

    Lines that mark where inputs are looked for come earlier, so that they cannot be taken for it.
    """
    _, mark, text = stderr.partition(_TRACEBACK)
    lines = (mark + text if mark else stderr).splitlines()
    said: list[str] = []
    in_frame = False
    for line in lines:
        if _FRAME.match(line):
            in_frame = True
        elif not (in_frame and line.startswith("    ")):
            in_frame = False
            said.append(line)
    return "\n".join(said)


def _fails(evidence: Evidence) -> bool:
    """Whether this is a failure that the script itself reports: not a signal, not a call."""
    return (
        evidence.as_expected
        and 0 < (evidence.outcome.exit_code or 0) < 128
        and evidence.expected.call is None
    )


def _last_exception(stderr: str) -> str:
    """The message of the exception that ends the last traceback, whatever its class is named."""
    last, in_frame = "", False
    for line in stderr.splitlines():
        if _FRAME.match(line):
            in_frame = True
        elif (in_frame and not line.startswith((" ", "\t"))) or _EXCEPTION.match(line):
            last, in_frame = line, False
    return last.partition(": ")[2].strip() or last


def _end(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join(lines[-6:]) if lines else "nothing"


NAMED = Promise(
    "error-named", "An error names its code, or every place that was searched.", check_named
)
TRACEBACK = Promise(
    "error-traceback", "A failure is logged on standard error with its traceback.", check_traceback
)
BARE = Promise(
    "error-told",
    "A failure is told in the script's own words, not by a bare traceback.",
    check_bare,
)
ADVICE = Promise(
    "error-advice", "The last line of standard error says what to do about it.", check_advice
)
