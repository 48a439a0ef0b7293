"""Jobs on several hosts: the usual case as each of the others, with its part of the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.cases.case import Case
from harness.cases.expectation import Expectation, Matches
from harness.cases.matrix import Matrix, Special, Suite
from harness.contracts.contract import Contract, Input

_SHARDED = "ShardedByS3Key"


def shard(
    one: Input, files: Mapping[str, bytes], hosts: Sequence[str], host: str
) -> Mapping[str, bytes]:
    """The files of an input that a host gets: of a sharded one each host has every nth file."""
    if one.distribution != _SHARDED:
        return files
    names = sorted(files)[hosts.index(host) :: len(hosts)]
    return {name: files[name] for name in names}


def for_each_host(
    contract: Contract, suite: Suite, files: Mapping[str, Mapping[str, bytes]]
) -> Suite:
    """The suite with the usual case as every host but the first, which all other cases are.

    `files` are the samples of each input. Without a usual case that can be run nothing is added.
    """
    others = contract.host_names[1:]
    usual = Matrix(suite).usual if others else ""
    if not usual:
        return suite
    case, _ = Matrix(suite).case(usual)
    special = tuple(_as_host(contract, case, host, files) for host in others)
    return replace(suite, special=(*suite.special, *special), usual=usual)


def _as_host(
    contract: Contract, usual: Case, host: str, files: Mapping[str, Mapping[str, bytes]]
) -> Special:
    hosts = contract.host_names
    tree = usual.tree.with_request(host=host)
    for name, one in contract.inputs.items():
        first, own = (shard(one, files.get(name, {}), hosts, which) for which in (hosts[0], host))
        for mount in one.mounts:
            held = [file for file in first if f"{mount}/{file}" in usual.tree]
            for file in set(held) - set(own):
                tree = tree.without(f"{mount}/{file}")
            if held:
                tree = tree.with_files(mount, own)
    case = usual.with_tree(tree)
    return Special(
        f"host-{host}",
        lambda start: replace(case, id=start.id, choices=start.choices),
        _expected(contract, host, files),
    )


def _expected(
    contract: Contract, host: str, files: Mapping[str, Mapping[str, bytes]]
) -> Expectation:
    """Success, with outputs or without: often the first host alone writes them.

    A host may also fail for want of a required input of which no file has come to it.
    """
    success = Expectation(explained=False, other_host=True)
    lacking = list(_lacking(contract, host, files))
    if not lacking:
        return success
    pattern = "|".join(re.escape(one) for one in lacking)
    error = Matches("missing-part", pattern, f"names what is missing: {' or '.join(lacking)}")
    return replace(success, otherwise=_failure(error))


def _failure(error: Matches) -> Expectation:
    return Expectation(exit_code=None, error=(error,), explained=False)


def _lacking(
    contract: Contract, host: str, files: Mapping[str, Mapping[str, bytes]]
) -> Iterator[str]:
    for name, one in contract.inputs.items():
        if one.required and not shard(one, files.get(name, {}), contract.host_names, host):
            yield from (name, *one.mounts)
