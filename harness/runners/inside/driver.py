"""Calls one function of a script and answers with the result; runs where the script runs.

Runs on Python 3.8 and newer with the standard library alone, as `python driver.py SCRIPT CALL FD`
in a sandbox or container, or through `call_function` in the fake file system. The descriptor is a
socket: what is read from it is a key, and the answer is that key, then JSON with one of the keys

- `returned`: the value; a path as `{"path": "…"}`, a value that JSON lacks as `{"type": "…"}`
- `raised`: the names of the exception's classes, most specific first, with `message`; `importing`
  is true when the import of the script raised it
- `missing`: true, when the script has no such function
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
import types
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Dict, List, Mapping

CallResult = Dict[str, Any]
# Of a key, in bytes: longer than any.
_KEY_SIZE = 64


def encode_call(function: str, arguments: Mapping[str, object]) -> str:
    """The JSON text of a call, for the command line."""
    encoded = {key: _to_json(value) for key, value in arguments.items()}
    return json.dumps({"function": function, "arguments": encoded})


def call_function(script: str, source: bytes, call: str) -> CallResult:
    """Import the script from its source bytes, and do the call that `encode_call` has encoded."""
    request = json.loads(call)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s - %(message)s")
    module = types.ModuleType("step_under_test")
    module.__file__ = script
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, script, "exec"), module.__dict__)
    except BaseException as error:
        traceback.print_exc()
        return dict(_describe_exception(error), importing=True)
    function = getattr(module, request["function"], None)
    if not callable(function):
        return {"missing": True}
    arguments = {key: _from_json(value) for key, value in request["arguments"].items()}
    try:
        return {"returned": _to_json(function(*_pop_positional(arguments), **arguments))}
    except BaseException as error:
        traceback.print_exc()
        return _describe_exception(error)


def _pop_positional(arguments: Dict[str, Any]) -> List[Any]:
    """Remove the arguments named "0", "1" and so on, and return them in this order."""
    return [
        arguments.pop(str(number)) for number in range(len(arguments)) if str(number) in arguments
    ]


def _describe_exception(error: BaseException) -> CallResult:
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
    """Run the command `driver.py SCRIPT CALL FD`."""
    script, call, descriptor = sys.argv[1:4]
    # The script has neither the key nor, in its own processes, the socket.
    channel = int(descriptor)
    os.set_inheritable(channel, False)
    key, write, encode = os.read(channel, _KEY_SIZE), os.write, json.JSONEncoder().encode
    sys.argv[:] = [script]
    sys.path[0] = str(PurePosixPath(script).parent)
    left = memoryview(key + encode(call_function(script, Path(script).read_bytes(), call)).encode())
    while left:
        left = left[write(channel, left) :]


if __name__ == "__main__":
    main()
