"""Members: an archive holds every member of the archive in an input."""

from __future__ import annotations

import posixpath
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from harness.contracts.outputs import Members
from harness.contracts.patterns import matches
from harness.files import formats
from harness.promises import Breach, Evidence, NotProven, Promise
from harness.promises.content import written
from harness.worlds.archives.member import normalised
from harness.worlds.tree import is_under

_ARCHIVES = (".tar.gz", ".tar")


@dataclass(frozen=True)
class _Member:
    """A member; `linked` are the names that stand for the same file."""

    kind: str
    mode: int
    data: bytes
    target: str = ""
    linked: frozenset[str] = frozenset()


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each member of an input's archive that the output's lacks, or holds otherwise.

    Kinds, links, modes and bytes are compared, dates and owners are not; the output's archive may
    hold more. What the contract excepts may be replaced or left out. A folder without a member of
    its own is there when something in it is.
    """
    if not evidence.succeeded:
        return
    for output in evidence.contract.outputs.values():
        for path, entry in written(evidence, output).items():
            for content, _ in output.contents_of(path):
                if content.members is None or formats.suffix(path) not in _ARCHIVES:
                    continue
                try:
                    held = _members(path, entry.data)
                except formats.Malformed:
                    # Told by `form`.
                    continue
                yield from _compare(evidence, path, held, content.members)


def _compare(
    evidence: Evidence, path: str, held: dict[str, _Member], terms: Members
) -> Iterator[Breach | NotProven]:
    given = _of_input(evidence, terms.of)
    if isinstance(given, NotProven):
        yield given
        return
    below = terms.at.strip("/")
    for name, member in given.items():
        if any(matches(name, one) for one in terms.except_):
            continue
        place = normalised(f"{below}/{name}")
        where = f"{path} → {place}"
        now = held.get(place)
        if now is None:
            if member.kind != "directory" or not any(is_under(one, place) for one in held):
                yield Breach("member-missing", where, f"the {member.kind} of {terms.of}", "nothing")
        elif terms.unchanged:
            yield from _changes(where, member, now, below)


def _changes(where: str, old: _Member, new: _Member, below: str) -> Iterator[Breach]:
    linked = frozenset(normalised(f"{below}/{name}") for name in old.linked)
    if old.kind != new.kind:
        yield Breach("wrong-type", where, f"a {old.kind}", f"a {new.kind}")
    elif old.target != new.target:
        yield Breach("wrong-target", where, f"→ {old.target}", f"→ {new.target}")
    elif not linked <= new.linked:
        others = ", ".join(sorted(linked - new.linked))
        yield Breach("wrong-type", where, f"one file with {others}", "a file of its own")
    elif old.data != new.data:
        sizes = f"{len(old.data)} bytes of the input", f"{len(new.data)} other bytes"
        yield Breach("wrong-bytes", where, *sizes)
    elif old.mode != new.mode and old.kind != "symlink":
        yield Breach("wrong-mode", where, f"{old.mode:04o}", f"{new.mode:04o}")


def _of_input(evidence: Evidence, name: str) -> dict[str, _Member] | NotProven:
    """The members of the archive of an input; none when the input is not there in this case."""
    one = evidence.contract.inputs[name]
    before = evidence.outcome.before
    folder = next((mount for mount in one.mounts if mount in before), None)
    if folder is None:
        return {}
    files = {
        path: entry.data
        for path, entry in before.under(folder)
        if entry.kind == "file"
        and formats.suffix(path) in _ARCHIVES
        and one.reads(posixpath.relpath(path, folder))
    }
    if len(files) != 1:
        return NotProven(f"the input {name} holds {len(files)} archives, and not one")
    ((path, data),) = files.items()
    try:
        return _members(path, data)
    except formats.Malformed as error:
        return NotProven(f"the archive of the input {name} cannot be read: {error}")


def _members(path: str, data: bytes) -> dict[str, _Member]:
    """The members of an archive by name, the root aside; raises `Malformed`."""
    listed = {
        normalised(info.name): (info, content)
        for info, content in formats.tar_members(formats.plain_bytes(path, data))
    }
    listed.pop(".", None)
    # Which of several names is the file and which are links depends on the order alone.
    groups: dict[str, set[str]] = {}
    for name, (info, _) in listed.items():
        first = normalised(info.linkname) if info.islnk() else name
        group = groups.setdefault(first, {first})
        group.add(name)
        groups[name] = group
    return {
        name: _Member(
            _kind(info),
            stat.S_IMODE(info.mode),
            content,
            info.linkname if info.issym() else "",
            frozenset(groups[name]),
        )
        for name, (info, content) in listed.items()
    }


def _kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "directory"
    if info.issym():
        return "symlink"
    return "file" if info.isreg() or info.islnk() else "device"


PROMISE = Promise(
    "members",
    "An archive holds every member of an input's archive, where the contract says so.",
    check,
)
