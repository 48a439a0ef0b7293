"""Scripts that take the wrong hyperparameters, or take the right ones wrongly."""

from tests.miniatures.miniature import product, wrong

MODEL = {"model_channel": "present"}
BOTH = {"model_channel": "present", "hyperparameters_channel": "present"}
KEEP = "    if header is not None:\n        log.info"
INJECT = '    elif hyperparameters is not None:\n        log.info("HYPERPARAMETERS NOT IN MODEL: %s'

MINIATURES = (
    wrong(
        "embedded-overwritten",
        "Provided hyperparameters replace those in the archive.",
        (KEEP, "    if header is not None and hyperparameters is None:\n        log.info"),
        finds="output: wrong-bytes",
        cases=(product(embedded="root", **BOTH), product(embedded="dot", **BOTH)),
    ),
    wrong(
        "both-in-the-output",
        "Provided hyperparameters are added to those in the archive.",
        (
            "        new.addfile(header, io.BytesIO(content))\n",
            "        new.addfile(header, io.BytesIO(content))\n"
            "        if hyperparameters is not None and members and header.name:\n"
            "            new.addfile(header, io.BytesIO(content))\n",
        ),
        finds="output: member-twice",
        cases=product(embedded="root", **BOTH),
    ),
    wrong(
        "provided-required-always",
        "Without provided hyperparameters the step fails, even when the archive has its own.",
        (KEEP, "    if header is not None and hyperparameters is not None:\n        log.info"),
        finds="exit-code: 1-for-0",
        cases=product(embedded="root", **MODEL),
    ),
    wrong(
        "ignored-without-a-word",
        "Provided hyperparameters are ignored without a warning.",
        (
            '            log.warning("%s is IGNORED: the model already contains its own", hyperparameters)\n',
            "            pass\n",
        ),
        finds="log: no-ignored",
        cases=product(embedded="root", **BOTH),
    ),
    wrong(
        "dot-slash-does-not-count",
        "./hyperparameters.json in the archive does not count as embedded.",
        (
            "                if clean(member) == HYPERPARAMETERS:\n",
            "                if member.name == HYPERPARAMETERS:\n",
        ),
        finds="exit-code: 1-for-0",
        cases=(product(embedded="dot", **MODEL), "archive-pax-path-embedded"),
    ),
    wrong(
        "nested-counts",
        "A nested hyperparameters.json counts as embedded.",
        (
            "                if clean(member) == HYPERPARAMETERS:\n",
            "                if clean(member).endswith(HYPERPARAMETERS):\n",
        ),
        finds="exit-code: 0-for-1",
        cases=product(embedded="nested", **MODEL),
    ),
    wrong(
        "name-in-any-case-counts",
        "Hyperparameters.json counts as embedded.",
        (
            "                if clean(member) == HYPERPARAMETERS:\n",
            "                if clean(member).lower() == HYPERPARAMETERS:\n",
        ),
        finds="output: ",
        cases="lookalikes-are-not-embedded",
    ),
    wrong(
        "neither-is-fine",
        "Without any hyperparameters an empty object is put in.",
        (
            '        log.error("HYPERPARAMETERS NOT IN MODEL, and none are provided")\n',
            '        header, content = tarfile.TarInfo(HYPERPARAMETERS), b""\n    if header is None:\n',
        ),
        finds="exit-code: 0-for-1",
        cases=product(**MODEL),
    ),
    wrong(
        "neither-names-one-place",
        "Without any hyperparameters the error does not say where they were looked for.",
        (
            '{} is not in {}".format(HYPERPARAMETERS, places)',
            '{} is missing".format(HYPERPARAMETERS)',
        ),
        finds="error-named: no-searched-place",
        cases=product(**MODEL),
    ),
    wrong(
        "written-anew",
        "Injected hyperparameters are parsed and written anew.",
        (
            "    header = tarfile.TarInfo(HYPERPARAMETERS)\n",
            "    content = json.dumps(json.loads(content.decode()), indent=2).encode()\n    header = tarfile.TarInfo(HYPERPARAMETERS)\n",
        ),
        finds="output: wrong-bytes",
        cases=("provided-tabs-and-crlf-kept-byte-for-byte", "provided-unicode-kept-byte-for-byte"),
    ),
    wrong(
        "stripped",
        "Injected hyperparameters lose the spaces around them.",
        (
            "    content = Path(path).read_bytes()\n",
            "    content = Path(path).read_bytes().strip()\n",
        ),
        finds="output: wrong-bytes",
        cases="provided-spaces-around-kept-byte-for-byte",
    ),
    wrong(
        "line-ends-translated",
        "Injected hyperparameters are read as text, which changes their line ends.",
        (
            "    content = Path(path).read_bytes()\n",
            '    content = Path(path).read_text(encoding="utf-8", errors="surrogateescape").encode(**TEXT)\n',
        ),
        finds="output: wrong-bytes",
        cases="provided-tabs-and-crlf-kept-byte-for-byte",
    ),
    wrong(
        "anything-is-injected",
        "Provided hyperparameters are not looked at before they are injected.",
        ("    if defect(content):\n        raise", "    if not header_wanted:\n        raise"),
        ("def provided(path):\n", "header_wanted = True\n\n\ndef provided(path):\n"),
        finds="exit-code: 0-for-1",
        cases=("provided-malformed", "provided-empty", "provided-array", "provided-latin-1"),
    ),
    wrong(
        "any-json-is-injected",
        "Provided hyperparameters may be any JSON value.",
        (
            '    return "" if isinstance(value, dict) else "they are JSON, but not an object"\n',
            '    return ""\n',
        ),
        finds="exit-code: 0-for-1",
        cases=("provided-array", "provided-null", "provided-number", "provided-string"),
    ),
    wrong(
        "other-encodings-accepted",
        "json.loads guesses the encoding of what is provided.",
        (
            'json.loads(content.decode("utf-8"), parse_constant=not_json, parse_int=str)',
            "json.loads(content, parse_constant=not_json)",
        ),
        finds="exit-code: 0-for-1",
        cases=("provided-utf-16", "provided-utf-32"),
    ),
    wrong(
        "empty-object-refused",
        "An empty object is refused.",
        (
            '    return "" if isinstance(value, dict) else',
            '    return "" if isinstance(value, dict) and value else',
        ),
        finds="exit-code: 1-for-0",
        cases="provided-empty-object-kept-byte-for-byte",
    ),
    wrong(
        "ignored-are-validated",
        "Provided hyperparameters that are ignored must be good all the same.",
        (
            "        if hyperparameters is not None:\n            log.warning",
            "        if hyperparameters is not None:\n            provided(hyperparameters)\n            log.warning",
        ),
        finds="exit-code: 1-for-0",
        cases=("provided-malformed-but-ignored", "provided-array-but-ignored"),
    ),
    wrong(
        "embedded-are-validated",
        "Malformed hyperparameters in the archive are an error.",
        (
            '            log.warning("the model\'s own hyperparameters.json is odd: %s", defect(content))\n',
            '            raise refusal("INVALID_HYPERPARAMETERS", defect(content))\n',
        ),
        finds="exit-code: 1-for-0",
        cases=("embedded-malformed-kept", "embedded-latin-1-kept"),
    ),
    wrong(
        "embedded-malformed-replaced",
        "Malformed hyperparameters in the archive become an empty object.",
        (
            '            log.warning("the model\'s own hyperparameters.json is odd: %s", defect(content))\n',
            '            content = b"{}"\n',
        ),
        finds="output: wrong-bytes",
        cases="embedded-malformed-kept",
    ),
    wrong(
        "injected-into-a-folder",
        "Provided hyperparameters are injected below code/.",
        (
            "    header = tarfile.TarInfo(HYPERPARAMETERS)\n",
            '    header = tarfile.TarInfo("code/" + HYPERPARAMETERS)\n',
        ),
        finds="output: member-missing",
        cases=product(**BOTH),
    ),
    wrong(
        "injected-with-dot-slash",
        "Provided hyperparameters are injected as ./hyperparameters.json.",
        (
            "    header = tarfile.TarInfo(HYPERPARAMETERS)\n",
            '    header = tarfile.TarInfo("./" + HYPERPARAMETERS)\n',
        ),
        finds="output: name-prefix",
        cases=product(**BOTH),
    ),
    wrong(
        "log-line-missing",
        "The log does not say that hyperparameters were put in.",
        ("HYPERPARAMETERS NOT IN MODEL: %s is injected", "using %s"),
        finds="log: no-injected",
        cases=product(**BOTH),
    ),
    wrong(
        "malformed-kept-in-silence",
        "Malformed hyperparameters in the archive are kept without a warning.",
        ('log.warning("the model\'s own hyperparameters.json is odd: %s"', 'log.debug("%s"'),
        finds="log: no-malformed",
        cases=("embedded-malformed-kept", "embedded-malformed-kept-over-provided"),
    ),
    wrong(
        "the-first-of-two-counts",
        "Of two embedded hyperparameters the first ones are kept, which an extraction replaces.",
        (
            "                if clean(member) == HYPERPARAMETERS:\n",
            "                if clean(member) == HYPERPARAMETERS and embedded is None:\n",
        ),
        finds="output: wrong-bytes",
        cases="embedded-twice-the-last-counts",
    ),
    wrong(
        "nan-accepted",
        "NaN and Infinity, which Python writes and JSON does not have, are let through.",
        ("parse_constant=not_json, ", ""),
        finds="exit-code: 0-for-1",
        cases=("provided-nan", "provided-infinity"),
    ),
    wrong(
        "byte-order-mark-accepted",
        "A byte order mark is let through, at which strict readers fail.",
        ('content.decode("utf-8")', 'content.decode("utf-8-sig")'),
        finds="exit-code: 0-for-1",
        cases="provided-byte-order-mark",
    ),
    wrong(
        "control-characters-accepted",
        "Raw control characters in texts are let through.",
        ("parse_int=str)", "parse_int=str, strict=False)"),
        finds="exit-code: 0-for-1",
        cases="provided-control-character",
    ),
    wrong(
        "large-numbers-refused",
        "Numbers of more digits than Python converts are refused.",
        (", parse_int=str)", ")"),
        finds="exit-code: 1-for-0",
        cases="provided-number-of-5000-digits-kept-byte-for-byte",
    ),
    wrong(
        "ignored-as-information",
        "That provided ones are ignored is told at a level that nobody looks at.",
        ('log.warning("%s is IGNORED', 'log.info("%s is IGNORED'),
        finds="log: no-ignored",
        cases=product(embedded="root", hyperparameters_channel="present", **MODEL),
    ),
    wrong(
        "those-of-the-training-job-taken",
        "Without other hyperparameters, those of the training job itself are taken.",
        (
            '    log.warning("there is no %s", path)\n    return None\n\n\ndef remark',
            '    own = Path("/opt/ml/input/config/hyperparameters.json")\n'
            "    return own if own.exists() else None\n\n\ndef remark",
        ),
        finds="exit-code: 0-for-1",
        cases="hyperparameters-of-the-training-job-are-no-source",
    ),
    wrong(
        "embedded-hard-link-stays-one",
        "Hyperparameters that are a hard link stay one, which few readers follow.",
        (
            '        header.type, header.linkname, header.size = tarfile.REGTYPE, "", len(content)\n',
            "        header.size = 0 if header.islnk() else len(content)\n        content = b'' if header.islnk() else content\n",
        ),
        finds="output: wrong-type",
        cases="embedded-as-a-hard-link-becomes-a-file",
    ),
    wrong(
        "embedded-symlink-stays-one",
        "Hyperparameters that are a symbolic link stay one.",
        (
            '        header.type, header.linkname, header.size = tarfile.REGTYPE, "", len(content)\n',
            "        header.size = 0 if header.issym() else len(content)\n        content = b'' if header.issym() else content\n",
        ),
        finds="output: wrong-type",
        cases="embedded-as-a-symlink-becomes-a-file",
    ),
    wrong(
        "embedded-twice-stays-twice",
        "hyperparameters.json and ./hyperparameters.json both come out, under one name.",
        (
            "        if name == HYPERPARAMETERS:\n            continue\n",
            "        if member.name == HYPERPARAMETERS:\n            continue\n",
        ),
        finds="output: member-twice",
        cases="embedded-twice-comes-out-once",
    ),
    wrong(
        "provided-fifo-hangs",
        "Hyperparameters that are a FIFO are opened, which blocks for ever.",
        (
            '    if not stat.S_ISREG(status.st_mode):\n        raise refusal("INVALID_HYPERPARAMETERS"',
            '    if stat.S_ISDIR(status.st_mode):\n        raise refusal("INVALID_HYPERPARAMETERS"',
        ),
        finds="exit-code: hangs",
        cases="provided-is-a-fifo",
    ),
    wrong(
        "ignored-ones-read",
        "Provided hyperparameters that are ignored are read all the same.",
        (
            "        if hyperparameters is not None:\n            log.warning",
            "        if hyperparameters is not None:\n            Path(hyperparameters).read_bytes()\n            log.warning",
        ),
        finds="exit-code: 1-for-0",
        cases="provided-is-a-directory-but-ignored",
    ),
    wrong(
        "injected-unreadable",
        "What is injected comes out with no permissions at all.",
        ("= len(content), 0o644, int(", "= len(content), 0, int("),
        finds="output: wrong-mode",
        cases=product(**BOTH),
    ),
    wrong(
        "empty-ones-replaced",
        "Embedded hyperparameters that are empty count as none, and give way to provided ones.",
        (
            "        if defect(content):\n",
            "        if not content and hyperparameters is not None:\n            content = Path(hyperparameters).read_bytes()\n        if defect(content):\n",
        ),
        finds="output: wrong-bytes",
        cases="embedded-empty-kept-over-provided",
    ),
    wrong(
        "half-a-character-accepted",
        "Surrogates, which UTF-8 does not have, are let through.",
        ('content.decode("utf-8")', 'content.decode("utf-8", "surrogatepass")'),
        finds="exit-code: 0-for-1",
        cases="provided-lone-surrogate",
    ),
)
