"""The register of promises: one line each, in the order in which findings are shown."""

from __future__ import annotations

from harness.promises import (
    Promise,
    ends,
    errors,
    faults,
    functions,
    inputs,
    job_files,
    log,
    network,
    outputs,
    repeatable,
    rights,
    scratch,
    secrets,
    surroundings,
    undeclared,
)

PROMISES: tuple[Promise, ...] = (
    ends.PROMISE,
    network.PROMISE,
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
    secrets.PROMISE,
    job_files.REASON,
    job_files.PROMISE,
    repeatable.PROMISE,
    surroundings.FOLDER,
    surroundings.LOCALE,
    surroundings.TIME_ZONE,
    surroundings.UMASK,
    rights.USER,
    rights.INPUTS,
    rights.ROOT,
    faults.SIGTERM,
    faults.FULL_DISK,
    faults.MISSING,
    faults.READ_ONLY,
)
PROMISE_NAMES = tuple(promise.name for promise in PROMISES)
