"""Scripts that are wrong about uncommon archives, inputs and surroundings."""

from tests.miniatures.miniature import wrong

MEMBERS = "                members.append(member)\n"
CHANNEL = "    for folder in channels:\n        if folder.is_dir():\n"
PARSE = "parse_constant=not_json, parse_int=str)"
NO_HYPERPARAMETERS = '    log.warning("there is no %s", path)\n    return None\n\n\ndef remark'
REGULAR = "    status = os.stat(str(path))\n    if not stat.S_ISREG(status.st_mode):\n        raise refusal("
DRAFT = '".{}.{}".format(destination.name, os.urandom(8).hex())'
EXCLUSIVE = "os.O_WRONLY | os.O_CREAT | os.O_EXCL"
SCRATCH = "    scratch.add(draft)\n    try:\n"
CHECKED = "    log_contents(members)\n    refuse_unsafe(members)\n    if not ensure_directory(extract_path)"
COLLECT = "            tar.extractall(str(hidden))\n"
KEPT = '        if key not in STALE and not key.startswith("GNU.sparse.")\n'

MINIATURES = (
    # --- Archives ---
    wrong(
        "names-of-100-bytes-cut",
        "Names that fill their field, without a byte of zero at its end, lose their last byte.",
        (
            "    header.name = name\n    if header.islnk()",
            "    header.name = name[:99] if len(name) == 100 else name\n    if header.islnk()",
        ),
        finds="output: member-",
        cases="archive-name-of-100-bytes",
    ),
    wrong(
        "empty-gzip-member-is-the-end",
        "A gzip member without bytes is taken for the end of the data.",
        (
            '        with opener(str(path), "rb") as stream:\n',
            '        with opener(str(path), "rb") as stream:\n'
            "            if opener is gzip.open:\n"
            "                engine = zlib.decompressobj(31)\n"
            "                if not engine.decompress(Path(path).read_bytes()) and engine.eof:\n"
            '                    raise tarfile.ReadError("nothing in it")\n',
        ),
        finds="exit-code: 1-for-0",
        cases="archive-gzip-empty-first-member",
    ),
    wrong(
        "only-8-mb-read",
        "What lies beyond the first 8 MiB of the tar is not read.",
        (
            "                if member.size < 0:\n",
            "                if member.offset_data > 2 * 4 << 20:\n"
            '                    raise tarfile.ReadError("too far in")\n'
            "                if member.size < 0:\n",
        ),
        finds="exit-code: 1-for-0",
        cases="archive-gzip-members-of-4-mb",
    ),
    wrong(
        "many-members-refused",
        "An archive of more than 256 members is taken for a bomb.",
        (
            MEMBERS,
            MEMBERS + "                if len(members) > 256:\n"
            '                    raise tarfile.ReadError("too many members")\n',
        ),
        finds="exit-code: 1-for-0",
        cases="archive-many-members",
    ),
    wrong(
        "members-sorted",
        "Members are sorted by their names, so that links come before what they are links to.",
        ("    for member in old:\n", "    for member in sorted(old, key=clean):\n"),
        ("            late.append(header)\n            continue\n", "            pass\n"),
        finds="output: link-before-target",
        cases="archive-hard-links",
    ),
    wrong(
        "character-set-declared",
        "A name that is not UTF-8 is declared as binary, at which GNU tar warns.",
        (
            '        records = b""\n',
            '        records = b""\n'
            "        if any('\\udc80' <= one <= '\\udcff' for one in ''.join(pax_headers.values())):\n"
            "            return super()._create_pax_generic_header(pax_headers, type, encoding)\n",
        ),
        finds="output: reader-tar",
        cases="archive-name-not-utf8",
    ),
    wrong(
        "gzip-header-with-a-field",
        "The output's gzip header has an extra field, which readers of streams do not know.",
        (
            "zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)\n",
            "zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)\n"
            "        self.crc = 0\n"
            "        raw.write(b'\\x1f\\x8b\\x08\\x04' + bytes(5) + b'\\xff\\x06\\0BC\\x02\\0\\0\\0')\n",
        ),
        (
            "        self.size += len(data)\n",
            "        self.size += len(data)\n        self.crc = zlib.crc32(data, self.crc)\n",
        ),
        (
            "        self.raw.write(self.compressor.flush())\n",
            "        self.raw.write(self.compressor.flush() + self.crc.to_bytes(4, 'little'))\n"
            "        self.raw.write(self.size.to_bytes(4, 'little'))\n",
        ),
        finds="output: reader-",
        cases="archive-pytorch",
    ),
    wrong(
        "attributes-dropped",
        "The extended attributes of members are dropped.",
        (KEPT, KEPT[:-1] + '\n        and not key.startswith(("SCHILY.", "LIBARCHIVE."))\n'),
        finds="output: wrong-attribute",
        cases=("archive-extended-attributes", "archive-extended-attribute-of-any-bytes"),
    ),
    wrong(
        "attributes-taken-for-text",
        "Extended attributes are written as text: bytes that are none are replaced.",
        (
            '            rest = " {}={}\\n".format(key, value).encode(**TEXT)\n',
            '            rest = " {}={}\\n".format(key, value).encode("utf-8", "replace")\n',
        ),
        finds="output: wrong-attribute",
        cases="archive-extended-attribute-of-any-bytes",
    ),
    # --- Hyperparameters ---
    wrong(
        "same-key-twice-refused",
        "An object that has a key twice, which JSON allows, is refused.",
        (
            PARSE,
            PARSE[:-1] + ", object_pairs_hook=lambda all: dict(all)"
            " if len(dict(all)) == len(all) else not_json('a key that is there twice'))",
        ),
        finds="exit-code: 1-for-0",
        cases="provided-same-key-twice-kept-byte-for-byte",
    ),
    wrong(
        "numbers-beyond-floats-refused",
        "Numbers that are too large for a float are taken for infinity, and refused.",
        (PARSE, PARSE[:-1] + ", parse_float=lambda t: not_json(t) if float(t) > 1e308 else 0)"),
        finds="exit-code: 1-for-0",
        cases="provided-number-beyond-floats-kept-byte-for-byte",
    ),
    wrong(
        "deep-nesting-refused",
        "Objects in more than 50 others are refused.",
        (
            '    return "" if isinstance(value, dict) else',
            '    if content.startswith(b\'{"a": \' * 50):\n        return "too deep"\n'
            '    return "" if isinstance(value, dict) else',
        ),
        finds="exit-code: 1-for-0",
        cases="provided-nested-90-deep-kept-byte-for-byte",
    ),
    wrong(
        "one-link-followed",
        "Of links to embedded hyperparameters one is followed, and no further one.",
        (
            "                content = tar.extractfile(embedded).read()\n",
            "                if embedded.issym():\n"
            "                    target = tar.getmember(posixpath.normpath(embedded.linkname))\n"
            "                    if not target.isreg():\n"
            '                        raise tarfile.ReadError("a link to a link")\n'
            "                content = tar.extractfile(embedded).read()\n",
        ),
        finds="exit-code: 1-for-0",
        cases=(
            "embedded-through-a-chain-of-links",
            "embedded-through-a-symlink-to-a-hard-link",
        ),
    ),
    # --- Places ---
    wrong(
        "a-file-for-a-channel",
        "A file that is named as the channel is taken for the channel.",
        (CHANNEL, CHANNEL.replace("is_dir", "exists")),
        finds="exit-code: 1-for-0",
        cases="channel-is-a-file",
    ),
    wrong(
        "linked-channels-passed-over",
        "A channel that is a link to a folder is passed over.",
        (CHANNEL, CHANNEL.replace("is_dir():", "is_dir() and not folder.is_symlink():")),
        finds="exit-code: 1-for-0",
        cases="channel-is-a-link-to-a-folder",
    ),
    wrong(
        "linked-hyperparameters-refused",
        "Hyperparameters are refused when a link leads to them.",
        (REGULAR, REGULAR.replace("os.stat", "os.lstat")),
        finds="exit-code: 1-for-0",
        cases="files-are-links",
    ),
    wrong(
        "channels-of-variables",
        "Channels are where the variables of the training toolkit say.",
        (
            CHANNEL,
            "    said = os.environ.get('SM_CHANNEL_' + channels[0].name.upper())\n"
            + CHANNEL.replace("in channels", "in ([Path(said)] if said else []) + list(channels)"),
        ),
        finds="output: wrong-bytes",
        cases="variables-of-a-training-job-are-no-source",
    ),
    wrong(
        "hyperparameters-of-a-variable",
        "Without other hyperparameters those in SM_HPS are taken.",
        (
            NO_HYPERPARAMETERS,
            "    if 'SM_HPS' in os.environ:\n"
            "        path = Path('/tmp/hyperparameters.json')\n"
            "        path.write_text(os.environ['SM_HPS'])\n"
            "        scratch.add(path)\n"
            "        return path\n"
            "    return None\n\n\ndef remark",
        ),
        finds="exit-code: 0-for-1",
        cases="hyperparameters-of-the-training-job-are-no-source",
    ),
    wrong(
        "output-of-a-variable",
        "The output goes where SM_MODEL_DIR says.",
        (
            '{"model_output": str(OUTPUT)}',
            '{"model_output": os.environ.get("SM_MODEL_DIR", str(OUTPUT))}',
        ),
        finds="output: missing",
        cases="variables-of-a-training-job-are-no-source",
    ),
    # --- Errors ---
    wrong(
        "every-code-named",
        "Whatever is wrong, the error names all error codes.",
        (
            '"ERROR_CODE: {}: {}".format(code, reason)',
            '"one of {}: {}".format(", ".join(ADVICE), reason)',
        ),
        finds="error-named: no-own-fault",
        cases=("bad-text", "bad-fifo", "provided-array"),
    ),
    # --- Runs ---
    wrong(
        "draft-is-another-runs-too",
        "The draft has a fixed name, so that two runs write to one file.",
        (DRAFT, '".{}.draft".format(destination.name)'),
        (EXCLUSIVE, EXCLUSIVE.replace("EXCL", "TRUNC")),
        finds="exit-code: 1-for-0",
        cases="another-run-at-50-percent",
    ),
    wrong(
        "drafts-of-others-removed",
        "Drafts that an earlier run has left are removed, also those of a run that goes on.",
        (
            SCRATCH,
            '    for other in destination.parent.glob(".{}.*".format(destination.name)):\n'
            "        other.unlink()\n" + SCRATCH,
        ),
        finds="exit-code: 1-for-0",
        cases="another-run-at-50-percent",
    ),
    wrong(
        "lock-that-fails",
        "A run that finds the lock of another one fails.",
        (
            SCRATCH,
            '    lock = Path("/tmp/dummy-training.lock")\n'
            "    lock.touch(exist_ok=False)\n"
            "    scratch.add(lock)\n" + SCRATCH,
        ),
        finds="exit-code: 1-for-0",
        cases="another-run-at-50-percent",
    ),
    wrong(
        "a-job-of-both-kinds-collected",
        "What a training job collects is written wherever its configuration is.",
        (" and not PROCESSING.exists():\n", ":\n"),
        finds="nothing-undeclared: written",
        cases="configuration-of-both-jobs-is-a-processing-job",
    ),
    wrong(
        "collected-one-by-one",
        "Members are extracted in their places, where those of a full disk remain.",
        (COLLECT, COLLECT.replace("hidden", "COLLECTED") + "        hidden.mkdir()\n"),
        finds="nothing-undeclared: written",
        cases="full-disk-where-a-training-job-is-collected",
    ),
    wrong(
        "collected-up-to-what-is-in-the-way",
        "Members stay in their places when one of them cannot be put into its own.",
        ("            put.append(name)\n", ""),
        finds="nothing-undeclared: written",
        cases="folder-in-the-way-where-a-training-job-is-collected",
    ),
    wrong(
        "collected-before-the-archive",
        "Members are put into their places before the archive, which then fails.",
        (
            "        os.replace(str(draft)",
            "        if TRAINING.exists() and not PROCESSING.exists():\n            collect(draft)\n"
            "        os.replace(str(draft)",
        ),
        ("            collect(written)\n", '            log.info("collected")\n'),
        finds="nothing-undeclared: written",
        cases="folder-in-the-way-of-the-archive-of-a-training-job",
    ),
    # --- Functions ---
    wrong(
        "extract-relies-on-a-filter",
        "extract_tarfile leaves it to the filter of tarfile, which makes absolute names relative.",
        (CHECKED, CHECKED.replace("    refuse_unsafe(members)\n", "")),
        ('{"filter": "fully_trusted"} if', '{"filter": "data"} if'),
        finds="functions: extract_tarfile-wrong",
        cases="call-extract-absolute-name",
    ),
    wrong(
        "extract-looks-at-names-alone",
        "extract_tarfile refuses names that lead out, and extracts links and devices.",
        (
            CHECKED,
            CHECKED.replace("(members)\n    if", "([m for m in members if m.isreg()])\n    if"),
        ),
        finds="functions: extract_tarfile-wrong",
        cases=("call-extract-symlink-absolute", "call-extract-fifo"),
    ),
)
