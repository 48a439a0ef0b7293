"""Compares an archive that a step wrote with the members that it must hold.

`differences` never raises, whatever bytes it gets.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.worlds.archives import readers
from harness.worlds.archives.member import Member, MemberKind, normalised

HYPERPARAMETERS = "hyperparameters.json"

_GZIP_MAGIC = b"\x1f\x8b"
# In seconds: headers do not hold more than microseconds reliably.
_TIME_TOLERANCE = 1e-5
_KINDS: Mapping[bytes, MemberKind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "character-device",
    tarfile.BLKTYPE: "block-device",
}


@dataclass(frozen=True)
class ArchiveDifference:
    """An error in an archive: a short key, the member, what was expected, what was found."""

    key: str
    where: str
    expected: str
    got: str


def differences(
    data: bytes, members: tuple[Member, ...], injected: bytes | None = None
) -> tuple[ArchiveDifference, ...]:
    """All errors of `data` as a `.tar.gz` of `members`.

    With `injected`, it must also hold these bytes as `hyperparameters.json`, with any mode, date
    and owner. The order of members, the tar dialect and the compression level do not count; a
    member for the root directory is optional.
    """
    return tuple(_differences(data, members, injected))


def _differences(
    data: bytes, members: tuple[Member, ...], injected: bytes | None
) -> Iterator[ArchiveDifference]:
    if not data.startswith(_GZIP_MAGIC):
        yield ArchiveDifference("not-gzip", "", "a gzip file", f"begins with {data[:8]!r}")
        return
    stream = zlib.decompressobj(wbits=31)
    try:
        payload = stream.decompress(data)
    except zlib.error as error:
        yield ArchiveDifference("unreadable", "", "an intact gzip file", str(error))
        return
    if not stream.eof:
        yield ArchiveDifference("unreadable", "", "an intact gzip file", "it ends too early")
        return
    if stream.unused_data:
        yield _trailing_data(stream.unused_data)
    try:
        with tarfile.open(fileobj=io.BytesIO(payload), mode="r:") as tar:
            infos = tar.getmembers()
            yield from _check_tar_end(payload[tar.offset :])
            yield from _check_members(tar, infos, members, injected)
    except Exception as error:
        yield ArchiveDifference(
            "unreadable", "", "an intact tar", f"{type(error).__name__}: {error}"
        )
        return
    names = tuple(sorted(normalised(info.name) for info in infos))
    for reader, seen in readers.misreadings(data, names):
        yield ArchiveDifference(f"reader-{reader}", "", f"{reader} reads all of it", seen)


def _trailing_data(rest: bytes) -> ArchiveDifference:
    key = "several-gzip-members" if rest.startswith(_GZIP_MAGIC) else "bytes-after-the-end"
    got = f"{len(rest)} bytes after it, which begin with {rest[:8]!r}"
    return ArchiveDifference(key, "", "a single gzip member with nothing after it", got)


def _check_tar_end(rest: bytes) -> Iterator[ArchiveDifference]:
    """Check that a tar ends with two blocks of zeros, as POSIX demands, and only zeros follow."""
    if len(rest) < 2 * tarfile.BLOCKSIZE:
        got = f"{len(rest)} bytes"
        yield ArchiveDifference("tar-without-end", "", "two blocks of zeros at the end", got)
    elif rest.strip(b"\0"):
        got = f"{rest.strip(bytes(1))[:8]!r} behind it"
        yield ArchiveDifference("tar-after-the-end", "", "nothing but zeros behind the end", got)


def _check_members(
    tar: tarfile.TarFile,
    infos: list[tarfile.TarInfo],
    members: tuple[Member, ...],
    injected: bytes | None,
) -> Iterator[ArchiveDifference]:
    # A name may be there more than once, as in an archive that was added to: in this order.
    wanted: dict[str, list[Member]] = {}
    for member in members:
        wanted.setdefault(normalised(member.name), []).append(member)
    wanted.pop(".", None)
    if HYPERPARAMETERS in wanted:
        del wanted[HYPERPARAMETERS][:-1]
    if injected is not None:
        wanted[HYPERPARAMETERS] = [Member(HYPERPARAMETERS, data=injected)]
    early = _links_before_targets(members)
    seen = Counter[str]()
    for info in infos:
        name = normalised(info.name)
        if name == "." and info.isdir():
            continue
        seen[name] += 1
        if info.name.startswith(("./", "/")):
            yield ArchiveDifference("name-prefix", info.name, f"the name {name}", info.name)
        same = wanted.get(name, [])
        if not same:
            yield ArchiveDifference("member-unexpected", name, "no such member", _kind_of(info))
        elif seen[name] > len(same):
            yield ArchiveDifference("member-twice", name, f"{len(same)} such members", "more")
        else:
            yield from _check_member(
                tar,
                info,
                same[seen[name] - 1],
                from_input=name != HYPERPARAMETERS or injected is None,
            )
            if info.islnk() and not seen[normalised(info.linkname)] and name not in early:
                got = "it comes before its target, so that it cannot be extracted"
                yield ArchiveDifference("link-before-target", name, "a link to an earlier one", got)
    for name, same in wanted.items():
        if seen[name] < len(same):
            got = f"{seen[name]} of {len(same)}" if seen[name] else "nothing"
            yield ArchiveDifference("member-missing", name, f"a {same[0].kind}", got)


def _links_before_targets(members: tuple[Member, ...]) -> set[str]:
    """The hard links that come before their targets in an input already: they may stay there."""
    early, seen = set(), set()
    for member in members:
        seen.add(normalised(member.name))
        if member.kind == "hardlink" and normalised(member.target) not in seen:
            early.add(normalised(member.name))
    return early


def _check_member(
    tar: tarfile.TarFile, info: tarfile.TarInfo, member: Member, *, from_input: bool
) -> Iterator[ArchiveDifference]:
    """Compare a member with the expected one; of an injected one only content and readability."""
    name = normalised(member.name)
    kind = "file" if member.kind == "sparse" else member.kind
    if _kind_of(info) != kind:
        yield ArchiveDifference("wrong-type", name, f"a {kind}", f"a {_kind_of(info)}")
        return
    if kind == "file":
        content = tar.extractfile(info)
        got = content.read() if content else b""
        if got != member.data:
            # Date and owner would only repeat that it is another file.
            yield ArchiveDifference("wrong-bytes", name, _describe(member.data), _describe(got))
            return
    if not from_input:
        if not info.mode & stat.S_IRUSR:
            mode = f"{info.mode:04o}"
            yield ArchiveDifference("wrong-mode", name, "what its owner can read", mode)
        return
    target = _comparable_target(member.kind, member.target)
    if _comparable_target(member.kind, info.linkname) != target:
        yield ArchiveDifference("wrong-target", name, f"→ {target}", f"→ {info.linkname}")
    if stat.S_IMODE(info.mode) != member.mode:
        yield ArchiveDifference("wrong-mode", name, f"{member.mode:04o}", f"{info.mode:04o}")
    if abs(info.mtime - member.mtime) > _TIME_TOLERANCE:
        yield ArchiveDifference("wrong-mtime", name, f"{member.mtime!r}", f"{info.mtime!r}")
    owner = (member.uid, member.gid, member.uname, member.gname)
    if owner != (got_owner := (info.uid, info.gid, info.uname, info.gname)):
        yield ArchiveDifference("wrong-owner", name, str(owner), str(got_owner))
    for key, value in member.attributes:
        record = info.pax_headers.get(key)
        if record is None or record.encode("utf-8", "surrogateescape") != value:
            held = "nothing" if record is None else repr(record)
            yield ArchiveDifference("wrong-attribute", name, f"{key} {value!r}", held)


def _kind_of(info: tarfile.TarInfo) -> str:
    return _KINDS.get(info.type, f"member of type {info.type!r}")


def _comparable_target(kind: MemberKind, target: str) -> str:
    if kind == "hardlink":
        return normalised(target)
    return target if kind == "symlink" else ""


def _describe(data: bytes) -> str:
    shown = data if len(data) <= 60 else data[:57] + b"..."
    return f"{shown!r} ({len(data)} bytes)"
