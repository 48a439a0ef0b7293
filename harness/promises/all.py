"""All promises, in the order in which their findings are shown."""

from __future__ import annotations

from harness.promises import (
    Promise,
    environment,
    errors,
    exit_code,
    faults,
    functions,
    inputs,
    job_files,
    log,
    network,
    outputs,
    permissions,
    repeatable,
    scratch,
    secrets,
    undeclared,
)

PROMISES: tuple[Promise, ...] = (
    exit_code.PROMISE,
    network.PROMISE,
    functions.PROMISE,
    outputs.WRITTEN,
    outputs.UNCHANGED,
    errors.NAMED,
    errors.REPORTED,
    errors.TRACEBACK,
    errors.ADVICE,
    log.PROMISE,
    inputs.PROMISE,
    undeclared.PROMISE,
    scratch.PROMISE,
    secrets.PROMISE,
    job_files.FAILURE_REASON,
    job_files.EXIT_MESSAGE,
    repeatable.PROMISE,
    environment.FOLDER,
    environment.LOCALE,
    environment.TIME_ZONE,
    environment.UMASK,
    permissions.USER,
    permissions.INPUTS,
    permissions.ROOT,
    faults.SIGTERM,
    faults.FULL_DISK,
    faults.MISSING,
    faults.READ_ONLY,
)
PROMISE_NAMES = tuple(promise.name for promise in PROMISES)
