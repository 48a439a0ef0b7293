"""Calls one function of a script and tells what it did; runs wherever the script runs.

Runs on Python 3.8 and newer with the standard library alone, as `python driver.py SCRIPT CALL`
beside the script in a container, or through `perform` inside the fake file system. The answer is
the last line of standard output: `ANSWER`, then JSON with one of the keys

- `returned`: the value; a path as `{"path": "…"}`, anything that JSON lacks as `{"type": "…"}`
- `raised`: the names of the exception's classes, most special first, and `message`; `importing` is
  true when the script could not even be imported
- `missing`: true, when the script has no such function
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import types
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Dict, List, Mapping, Optional, Tuple

Answer = Dict[str, Any]
ANSWER = "harness-call: "


def encode(function: str, arguments: Mapping[str, object]) -> str:
    """The JSON text of a call, for the command line."""
    plain = {key: _to_json(value) for key, value in arguments.items()}
    return json.dumps({"function": function, "arguments": plain})


def perform(script: str, source: bytes, call: str) -> Answer:
    """Import the script from its source bytes, do the call, and return the answer as a dict."""
    wanted = json.loads(call)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s - %(message)s")
    module = types.ModuleType("step_under_test")
    module.__file__ = script
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, script, "exec"), module.__dict__)
    except BaseException as error:
        traceback.print_exc()
        return dict(_raised(error), importing=True)
    function = getattr(module, wanted["function"], None)
    if not callable(function):
        return {"missing": True}
    arguments = {key: _from_json(value) for key, value in wanted["arguments"].items()}
    try:
        return {"returned": _to_json(function(*_by_position(arguments), **arguments))}
    except BaseException as error:
        traceback.print_exc()
        return _raised(error)


def split(stdout: str) -> Tuple[str, Optional[Answer]]:
    """What the script itself printed, and the answer (None when it never came)."""
    head, mark, answer = stdout.rpartition(ANSWER)
    if not mark:
        return stdout, None
    try:
        return head, json.loads(answer)
    except ValueError:
        return stdout, None


def _by_position(arguments: Dict[str, Any]) -> List[Any]:
    """Take out the arguments that are named "0", "1" and so on, in this order."""
    return [
        arguments.pop(str(number)) for number in range(len(arguments)) if str(number) in arguments
    ]


def _raised(error: BaseException) -> Answer:
    names = [cls.__name__ for cls in type(error).__mro__ if cls is not object]
    return {"raised": names, "message": str(error)}


def _to_json(value: object) -> object:
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {"type": type(value).__name__}


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"path"}:
            return Path(value["path"])
        return {key: _from_json(item) for key, item in value.items()}
    return value


def main() -> None:
    """The command: `driver.py SCRIPT CALL`."""
    script, call = sys.argv[1:3]
    sys.argv[:] = [script]
    sys.path[0] = str(PurePosixPath(script).parent)
    answer = perform(script, Path(script).read_bytes(), call)
    sys.stdout.write("\n" + ANSWER + json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
