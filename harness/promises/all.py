"""The register of promises: one line each, in the order in which findings are shown."""

from __future__ import annotations

from harness.promises import (
    Promise,
    ends,
    errors,
    functions,
    inputs,
    log,
    outputs,
    scratch,
    undeclared,
)

PROMISES: tuple[Promise, ...] = (
    ends.PROMISE,
    functions.PROMISE,
    outputs.WRITTEN,
    outputs.UNTOUCHED,
    errors.NAMED,
    errors.BARE,
    errors.TRACEBACK,
    errors.ADVICE,
    log.PROMISE,
    inputs.PROMISE,
    undeclared.PROMISE,
    scratch.PROMISE,
)
