"""Scripts that spoil the archive they write, or accept one that they must refuse."""

from tests.miniatures.miniature import product, wrong

BOTH = product(model_channel="present", hyperparameters_channel="present")
ADD = "        new.addfile(header, data)\n"
MEMBER = "        name = clean(member)\n        if name == HYPERPARAMETERS:\n            continue\n"
HEADER = "    header = copy.copy(member)\n    header.name = name\n"
FINISH = "                yield tar\n            packer.finish()\n"

MINIATURES = (
    # --- Members ---
    wrong(
        "empty-directories-dropped",
        "Directories are left out: they come back by themselves where they hold files.",
        (MEMBER, MEMBER.replace("HYPERPARAMETERS:", "HYPERPARAMETERS or member.isdir():")),
        finds="output: member-missing",
        cases=("archive-empty-directories", "archive-tensorflow"),
    ),
    wrong(
        "symlinks-dropped",
        "Symbolic links are left out.",
        (MEMBER, MEMBER.replace("HYPERPARAMETERS:", "HYPERPARAMETERS or member.issym():")),
        finds="output: member-missing",
        cases="archive-symlinks",
    ),
    wrong(
        "links-become-files",
        "Hard links become copies of their targets.",
        (
            "        data = None if member.issym() or member.islnk() else old.extractfile(member)\n",
            "        if member.islnk():\n"
            "            member = old.getmember(member.linkname)\n"
            "            while member.islnk():\n"
            "                member = old.getmember(member.linkname)\n"
            "            header.type, header.linkname = tarfile.REGTYPE, ''\n"
            "        data = None if member.issym() else old.extractfile(member)\n",
        ),
        finds="output: wrong-type",
        cases="archive-hard-links",
    ),
    wrong(
        "hard-link-targets-keep-their-dot-slash",
        "A hard link points to ./model.pth, which is model.pth now.",
        (
            "        header.linkname = posixpath.normpath(header.linkname)\n",
            "        header.linkname = './' + posixpath.normpath(header.linkname)\n        header.type = tarfile.SYMTYPE\n",
        ),
        finds="output: wrong-type",
        cases="archive-dot-slash-hard-links",
    ),
    wrong(
        "symlink-targets-normalised",
        "The targets of symbolic links are tidied up.",
        ("    if header.islnk():\n", "    if header.islnk() or header.issym():\n"),
        finds="output: wrong-target",
        cases=("archive-symlinks", "archive-dot-slash"),
    ),
    wrong(
        "modes-masked",
        "Modes lose their special and group-write bits, as with the data filter.",
        (HEADER, HEADER + "    header.mode &= 0o755\n"),
        finds="output: wrong-mode",
        cases="archive-odd-modes",
    ),
    wrong(
        "mtimes-now",
        "All members get the time of the run.",
        (HEADER, HEADER + "    header.mtime = 1735689600\n"),
        finds="output: wrong-mtime",
        cases=(BOTH, "archive-odd-mtimes"),
    ),
    wrong(
        "mtimes-in-whole-seconds",
        "Fractions of seconds are cut off.",
        (
            "    }\n    return header\n",
            "    }\n    header.mtime = int(header.mtime)\n"
            "    header.pax_headers.pop('mtime', None)\n    return header\n",
        ),
        finds="output: wrong-mtime",
        cases="archive-subsecond-mtimes",
    ),
    wrong(
        "owners-reset",
        "All members become root's.",
        (
            HEADER,
            HEADER + '    header.uid = header.gid = 0\n    header.uname = header.gname = "root"\n',
        ),
        finds="output: wrong-owner",
        cases=(BOTH, "archive-owners"),
    ),
    wrong(
        "owner-names-dropped",
        "Owners keep their numbers and lose their names.",
        (HEADER, HEADER + '    header.uname = header.gname = ""\n'),
        finds="output: wrong-owner",
        cases=BOTH,
    ),
    wrong(
        "group-named-after-the-user",
        "A group without a name gets that of the user.",
        (HEADER, HEADER + "    header.gname = header.gname or header.uname\n"),
        finds="output: wrong-owner",
        cases="archive-owners",
    ),
    wrong(
        "long-names-cut",
        "Names are cut at a hundred bytes.",
        (HEADER, HEADER.replace("= name", "= name[:100]")),
        finds="output: member-",
        cases=("archive-long-names", "archive-long-names-gnu"),
    ),
    wrong(
        "unicode-names-mangled",
        "Names lose what is not ASCII.",
        (HEADER, HEADER.replace("= name", '= name.encode("ascii", "replace").decode()')),
        finds="output: member-",
        cases=("archive-unicode-names", "archive-unicode-names-gnu"),
    ),
    wrong(
        "holes-closed",
        "A sparse file becomes the bytes it is stored with.",
        (
            "        header.size = member.size if data else 0\n",
            "        if member.issparse():\n            member.sparse, data = [], old.fileobj\n            data.seek(member.offset_data)\n            member.size = 1024\n        header.size = member.size if data else 0\n",
        ),
        finds="output: wrong-bytes",
        cases="archive-sparse-gnu",
    ),
    wrong(
        "bytes-lost",
        "Files are cut at four thousand bytes.",
        (
            "        header.size = member.size if data else 0\n",
            "        header.size = min(member.size, 4000) if data else 0\n",
        ),
        finds="output: wrong-bytes",
        cases=BOTH,
    ),
    wrong(
        "dot-slash-kept",
        "Names keep their leading ./.",
        (HEADER, HEADER.replace("= name", "= member.name")),
        finds="output: name-prefix",
        cases=("archive-dot-slash", "archive-pax-path"),
    ),
    wrong(
        "base-names-only",
        "Folders are flattened.",
        (HEADER, HEADER.replace("= name", "= name.rpartition('/')[2]")),
        finds="output: member-missing",
        cases=BOTH,
    ),
    wrong(
        "another-member-added",
        "A member is added that says who was here.",
        (
            "        new.addfile(header, io.BytesIO(content))\n",
            "        new.addfile(header, io.BytesIO(content))\n"
            '        new.addfile(tarfile.TarInfo("packed-by-me"))\n',
        ),
        finds="output: member-unexpected",
        cases=BOTH,
    ),
    # --- What few programs write ---
    wrong(
        "names-cut-at-255",
        "What lies between two slashes of a name is cut at 255 bytes.",
        (HEADER, HEADER.replace("= name", '= "/".join(part[:255] for part in name.split("/"))')),
        finds="output: member-",
        cases=("archive-name-over-255-bytes", "archive-name-over-255-bytes-gnu"),
    ),
    wrong(
        "one-of-equal-names-kept",
        "Of members with the same name only the first one is kept.",
        (MEMBER, MEMBER.replace("HYPERPARAMETERS:", "HYPERPARAMETERS or name in written:")),
        finds="output: member-missing",
        cases="archive-equal-names",
    ),
    wrong(
        "global-pax-headers-refused",
        "An archive with a header for all members, as git writes it, is refused.",
        (
            "                members.append(member)\n",
            "                members.append(member)\n"
            "                if tar.pax_headers:\n"
            '                    raise tarfile.ReadError("a global header")\n',
        ),
        finds="exit-code: 1-for-0",
        cases="archive-global-pax-header",
    ),
    wrong(
        "gzip-fields-refused",
        "A gzip header with an extra field, a comment or a checksum is refused.",
        (
            "        start = raw.read(6)\n",
            "        start = raw.read(6)\n"
            '        if start[:2] == b"\\x1f\\x8b" and start[3] & 0x16:\n'
            '            raise refusal("INVALID_ARCHIVE", "a gzip header with fields")\n',
        ),
        finds="exit-code: 1-for-0",
        cases=("archive-gzip-extra-field", "archive-gzip-comment", "archive-gzip-header-checksum"),
    ),
    wrong(
        "zeros-after-gzip-refused",
        "Zeros after the gzip data, as bsdtar writes them to a pipe, are refused.",
        (
            "        start = raw.read(6)\n",
            "        start = raw.read(6)\n"
            "        raw.seek(-1, os.SEEK_END)\n"
            '        if start[:2] == b"\\x1f\\x8b" and raw.read(1) == b"\\0":\n'
            "            raw.seek(-9, os.SEEK_END)\n"
            '            if raw.read() == b"\\0" * 9:\n'
            '                raise refusal("INVALID_ARCHIVE", "bytes after the end")\n',
        ),
        finds="exit-code: 1-for-0",
        cases="archive-gzip-zeros-after",
    ),
    wrong(
        "links-before-targets-refused",
        "A hard link that comes before its target is refused.",
        (
            "            late.append(header)\n            continue\n",
            '            raise refusal("INVALID_ARCHIVE", "a link to nothing")\n',
        ),
        finds="exit-code: 1-for-0",
        cases="archive-link-before-target",
    ),
    wrong(
        "names-must-be-utf8",
        "A name that is not UTF-8 ends the step.",
        (HEADER, '    name.encode("utf-8")\n' + HEADER),
        finds="exit-code: 1-for-0",
        cases="archive-name-not-utf8",
    ),
    wrong(
        "numbers-cut-to-21-bits",
        "User numbers are cut to what fits in octal digits.",
        (HEADER, HEADER + "    header.uid &= 0o7777777\n"),
        finds="output: wrong-owner",
        cases="archive-numbers-base-256",
    ),
    wrong(
        "nested-archives-unpacked",
        "A member that is named model.tar.gz is taken for the model, and left out.",
        (MEMBER, MEMBER.replace("HYPERPARAMETERS:", "HYPERPARAMETERS or name == MODEL:")),
        finds="output: member-missing",
        cases="archive-nested-archive",
    ),
    wrong(
        "top-folder-stripped",
        "When all members lie in one folder, that is stripped.",
        (HEADER, HEADER.replace("= name", '= name[6:] if name.startswith("model/") else name')),
        finds="output: member-",
        cases="archive-one-top-folder",
    ),
    wrong(
        "links-into-opt-ml-allowed",
        "An absolute link is let through when it leads into /opt/ml.",
        (
            '    if target.startswith("/"):\n        return True\n',
            '    if target.startswith("/"):\n        return not target.startswith("/opt/ml/")\n',
        ),
        finds="exit-code: 0-for-1",
        cases="bad-symlink-absolute-into-opt-ml",
    ),
    # --- The gzip file ---
    wrong(
        "two-gzip-members",
        "The output is two gzip members, one after the other.",
        (
            FINISH,
            "                yield tar\n"
            "                packer.finish()\n"
            "                packer.__init__(raw)\n"
            "            packer.finish()\n",
        ),
        finds="output: several-gzip-members",
        cases=BOTH,
    ),
    wrong(
        "bytes-after-the-end",
        "Something follows the end of the gzip member.",
        (FINISH, FINISH + '            raw.write(b"\\0" * 512)\n'),
        finds="output: bytes-after-the-end",
        cases=BOTH,
    ),
    wrong(
        "plain-tar-written",
        "The output is not compressed.",
        (
            "        self.raw.write(self.compressor.compress(data))\n",
            "        self.raw.write(data)\n",
        ),
        ("        self.raw.write(self.compressor.flush())\n", "        pass\n"),
        finds="output: not-gzip",
        cases=BOTH,
    ),
    wrong(
        "end-not-written",
        "The end of the gzip member is not written.",
        (
            "        self.raw.write(self.compressor.flush())\n",
            "        self.raw.write(self.compressor.flush()[:-8])\n",
        ),
        finds="output: unreadable",
        cases=BOTH,
    ),
    # --- What must be accepted, and what must be refused ---
    wrong(
        "only-gzip-accepted",
        "A plain, bzip2 or xz tar under the same name is refused.",
        (
            'OPENERS = {b"\\x1f\\x8b": gzip.open, b"BZh": bz2.open, b"\\xfd7zXZ\\x00": lzma.open}',
            'OPENERS = {b"": gzip.open}',
        ),
        finds="exit-code: 1-for-0",
        cases=("archive-plain-tar", "archive-bzip2", "archive-xz"),
    ),
    wrong(
        "one-gzip-member-read",
        "Only the first gzip member of the input is read.",
        (
            '        with opener(str(path), "rb") as stream:\n',
            '        with opener(str(path), "rb") as stream:\n'
            "            if opener is gzip.open:\n"
            "                raw = Path(path).read_bytes()\n"
            "                stream = io.BytesIO(zlib.decompressobj(31).decompress(raw))\n",
        ),
        finds="exit-code: 1-for-0",
        cases="archive-gzip-members",
    ),
    wrong(
        "checksum-not-looked-at",
        "The archive is read to the end of the tar, and its checksum is not.",
        (
            "            while stream.read(MB):\n                pass  # only the very end holds the checksum\n",
            "",
        ),
        finds="exit-code: 0-for-1",
        cases=("bad-bad-crc", "bad-bad-length"),
    ),
    wrong(
        "bad-header-taken-for-the-end",
        "A member header that cannot be read is taken for the end.",
        ("TAR = dict(TEXT, tarinfo=Header)", "TAR = dict(TEXT)"),
        finds="exit-code: 0-for-1",
        cases="bad-bad-second-header",
    ),
    wrong(
        "parent-names-accepted",
        "A member may be called ../evil.",
        ('        elif name == ".." or name.startswith("../"):\n', "        elif name == '..':\n"),
        finds="exit-code: 0-for-1",
        cases=("bad-parent-name", "bad-nested-parent-name", "bad-pax-parent-name"),
    ),
    wrong(
        "only-names-that-begin-with-dots-refused",
        "../evil is refused, code/../../../evil is not.",
        (
            '        elif name == ".." or name.startswith("../"):\n',
            '        elif member.name.startswith(".."):\n',
        ),
        finds="exit-code: 0-for-1",
        cases="bad-nested-parent-name",
    ),
    wrong(
        "absolute-names-made-relative",
        "The slash of an absolute name is taken away, and the member is kept.",
        (
            '    return "." if member.isdir() and not name.strip("/") else name\n',
            '    return name.lstrip("/") or "."\n',
        ),
        finds="exit-code: 0-for-1",
        cases=("bad-absolute-name", "bad-absolute-directory"),
    ),
    wrong(
        "symlinks-not-looked-at",
        "Symbolic links may lead anywhere.",
        ("        elif member.issym() and leads_out(", "        elif not member and leads_out("),
        finds="exit-code: 0-for-1",
        cases=("bad-symlink-absolute", "bad-symlink-parent", "bad-symlink-nested-parent"),
    ),
    wrong(
        "relative-symlinks-not-looked-at",
        "Only absolute targets of symbolic links are refused.",
        (
            "            if not here:\n                return True\n            here.pop()\n",
            "            del here[-1:]\n",
        ),
        finds="exit-code: 0-for-1",
        cases=("bad-symlink-parent", "bad-hard-link-parent"),
    ),
    wrong(
        "hard-links-not-looked-at",
        "Hard links may lead anywhere.",
        ("        elif member.islnk() and leads_out(", "        elif not member and leads_out("),
        finds="exit-code: 0-for-1",
        cases=("bad-hard-link-absolute", "bad-hard-link-parent"),
    ),
    wrong(
        "devices-accepted",
        "Devices are kept.",
        ("        elif member.ischr() or member.isblk():\n", "        elif False:\n"),
        finds="exit-code: 0-for-1",
        cases=("bad-character-device", "bad-block-device"),
    ),
    wrong(
        "fifos-accepted",
        "FIFOs are kept.",
        ("        elif member.isfifo():\n", "        elif False:\n"),
        finds="exit-code: 0-for-1",
        cases="bad-fifo",
    ),
    wrong(
        "unsafe-links-dropped",
        "Members that must be refused are left out instead.",
        (
            '            raise refusal("UNSAFE_MEMBER", "{!r} {}".format(member.name, reason))\n',
            "            log.warning('left out: %s', name)\n",
        ),
        finds="exit-code: 0-for-1",
        cases=("bad-symlink-absolute", "bad-parent-name", "bad-fifo"),
    ),
    wrong(
        "large-members-cut",
        "No more than the first MiB of a member is copied.",
        (
            "        header.size = member.size if data else 0\n",
            "        header.size = min(member.size, 1 << 20) if data else 0\n",
        ),
        finds="output: wrong-bytes",
        cases="archive-large-member",
    ),
    wrong(
        "hidden-files-dropped",
        "Files whose names begin with a dot are left out.",
        (
            MEMBER,
            MEMBER.replace("HYPERPARAMETERS:", "HYPERPARAMETERS or name[0] == '.' != name[:2]:"),
        ),
        finds="output: member-missing",
        cases="archive-odd-names",
    ),
    wrong(
        "names-recomposed",
        "Names are brought into the composed form of Unicode, which other programs do not look up.",
        (
            MEMBER,
            MEMBER.replace(
                "clean(member)", "__import__('unicodedata').normalize('NFC', clean(member))"
            ),
        ),
        finds="output: member-missing",
        cases="archive-decomposed-unicode-names",
    ),
    wrong(
        "line-ends-changed",
        "Text files get the line ends of Unix.",
        (
            "        header.size = member.size if data else 0\n",
            "        if data and b'\\0' not in (text := data.read()) and len(text) < 100:\n"
            "            text = text.replace(b'\\r\\n', b'\\n')\n"
            "            data, header.size = io.BytesIO(text), len(text)\n"
            "        else:\n"
            "            header.size = member.size if data else 0\n"
            "            data and data.seek(0)\n",
        ),
        finds="output: wrong-bytes",
        cases="archive-line-ends",
    ),
    wrong(
        "only-gzip-read-to-the-end",
        "The end of the archive, with its checksum, is looked at only when it is gzip.",
        (
            "            while stream.read(MB):\n",
            "            while start[:2] == b'\\x1f\\x8b' and stream.read(MB):\n",
        ),
        finds="exit-code: 0-for-1",
        cases="bad-truncated-xz",
    ),
    wrong(
        "damaged-xz-has-no-code",
        "Damage within xz data ends in the error of the library.",
        ("EOFError, lzma.LZMAError, zlib.error", "EOFError, zlib.error"),
        finds="error-named: no-INVALID_ARCHIVE",
        cases="bad-flipped-byte-xz",
    ),
    wrong(
        "tar-without-its-end",
        "The tar lacks the two blocks of zeros that end it, so that it looks truncated.",
        (
            "        self.size += len(data)\n        self.raw.write(self.compressor.compress(data))\n",
            "        self.size += len(data)\n        end = len(data) >= 1024 and not data.strip(b'\\0')\n        self.raw.write(self.compressor.compress(b'' if end else data))\n",
        ),
        finds="output: tar-without-end",
        cases="archive-pytorch",
    ),
    wrong(
        "something-behind-the-end-of-the-tar",
        "Something lies behind the end of the tar, where only some readers look.",
        (
            FINISH,
            FINISH.replace(
                "            packer.finish",
                "            packer.write(b'behind' * 256)\n            packer.finish",
            ),
        ),
        finds="output: tar-after-the-end",
        cases="archive-pytorch",
    ),
    wrong(
        "hard-links-seen-from-their-folder",
        "The target of a hard link is looked for beside it, where it does not lead out.",
        (
            'leads_out("", member.linkname, {})',
            "leads_out(posixpath.dirname(name), member.linkname, {})",
        ),
        finds="exit-code: 0-for-1",
        cases="bad-hard-link-parent-from-a-folder",
    ),
    wrong(
        "links-judged-one-by-one",
        "Where a link leads by way of another link is not looked at.",
        (
            "leads_out(posixpath.dirname(name), member.linkname, links)",
            "leads_out(posixpath.dirname(name), member.linkname, {})",
        ),
        finds="exit-code: 0-for-1",
        cases="bad-symlink-by-way-of-another",
    ),
    wrong(
        "whole-archives-copied",
        "An archive that has hyperparameters is copied as it is, whatever packed it.",
        (
            "    with writing(output / MODEL) as new:\n        new.addfile(",
            "    if Path(model).read_bytes()[:3] == b'BZh' and members[-1].name == HYPERPARAMETERS:\n        shutil.copyfile(str(model), str(output / MODEL))\n        return output / MODEL\n    with writing(output / MODEL) as new:\n        new.addfile(",
        ),
        finds="output: not-gzip",
        cases="archive-bzip2-embedded",
    ),
)
