"""Scripts that fail in the wrong way, or do not say well why they fail."""

from tests.miniatures.miniature import product, wrong

NO_MODEL = product(hyperparameters_channel="present")
FAILED = '        log.error("the step failed", exc_info=True)\n        log.error("%s", advice(error))\n        return 1\n'

MINIATURES = (
    wrong(
        "failure-exits-0",
        "Every failure is logged, and the exit code is 0.",
        (FAILED, FAILED.replace("return 1", "return 0")),
        finds="exit-code: 0-for-1",
        cases=(NO_MODEL, "bad-text", "provided-array"),
    ),
    wrong(
        "failure-exits-2",
        "Failures have exit code 2.",
        (FAILED, FAILED.replace("return 1", "return 2")),
        finds="exit-code: 2-for-1",
        cases=NO_MODEL,
    ),
    wrong(
        "no-model-is-fine",
        "Without a model there is nothing to do, and no failure.",
        (
            "    if model is None:\n        places",
            "    if model is None:\n        return None\n        places",
        ),
        finds="exit-code: 0-for-1",
        cases=NO_MODEL,
    ),
    wrong(
        "no-model-names-one-place",
        "Without a model the error does not name the place beside the script.",
        (
            '"{} nor in {}".format(models / MODEL, SCRIPT_DIR / MODEL)',
            '"{}".format(models / MODEL)',
        ),
        (
            "        more = remark(models, MODEL_CHANNELS, MODEL_SOURCES)\n",
            '        more = ", which is an empty channel"\n',
        ),
        finds="error-named: no-searched-place",
        cases=NO_MODEL,
    ),
    wrong(
        "no-model-names-the-folder-of-another-input",
        "Without a model the error names the wrong folder.",
        (
            "format(models / MODEL, SCRIPT_DIR / MODEL)",
            "format(settings / MODEL, SCRIPT_DIR / MODEL)",
        ),
        ("        more = remark(models, MODEL_CHANNELS, MODEL_SOURCES)\n", '        more = ""\n'),
        finds="error-named: no-searched-place",
        cases=NO_MODEL,
    ),
    wrong(
        "no-traceback",
        "Failures are logged without their traceback.",
        ('log.error("the step failed", exc_info=True)', 'log.error("the step failed: %s", error)'),
        finds="error-traceback: no-traceback",
        cases=(NO_MODEL, "bad-text"),
    ),
    wrong(
        "no-advice",
        "The last line repeats the error and does not say what to do.",
        ('log.error("%s", advice(error))', 'log.error("%s", error)'),
        finds="error-advice: no-advice",
        cases=(NO_MODEL, "bad-text"),
    ),
    wrong(
        "bare-traceback",
        "Nothing catches the error: there is a traceback and nothing else.",
        (
            '    except Exception as error:\n        log.error("the step',
            '    except ZeroDivisionError as error:\n        log.error("the step',
        ),
        finds="error-advice: no-advice",
        cases=NO_MODEL,
    ),
    wrong(
        "errors-on-standard-output",
        "The log goes to standard output.",
        ("stream=sys.stderr", "stream=sys.stdout"),
        finds="error-traceback: no-traceback",
        cases=NO_MODEL,
    ),
    wrong(
        "error-code-missing",
        "The error says what is wrong, without its code.",
        ('"ERROR_CODE: {}: {}".format(code, reason)', '"{1}".format(code, reason)'),
        finds="error-named: no-",
        cases=("bad-text", "bad-fifo", "provided-array"),
    ),
    wrong(
        "one-code-for-all-archives",
        "An unsafe member is reported as an invalid archive.",
        (
            '            raise refusal("UNSAFE_MEMBER",',
            '            raise refusal("INVALID_ARCHIVE",',
        ),
        finds="error-named: no-UNSAFE_MEMBER",
        cases=("bad-parent-name", "bad-fifo", "bad-symlink-absolute"),
    ),
    wrong(
        "truncation-has-another-code",
        "A truncated archive has a code of its own.",
        (
            '    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:\n        raise refusal("INVALID_ARCHIVE",',
            '    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:\n        raise refusal("TRUNCATED",',
        ),
        finds="error-named: no-INVALID_ARCHIVE",
        cases=("bad-truncated-half", "bad-truncated-gzip"),
    ),
    wrong(
        "hyperparameters-have-no-code",
        "Malformed hyperparameters end in the error of the JSON parser.",
        (
            '        raise refusal("INVALID_HYPERPARAMETERS", "{}: {}".format(path, defect(content)))\n',
            "        raise ValueError(defect(content))\n",
        ),
        finds="error-named: no-INVALID_HYPERPARAMETERS",
        cases=("provided-malformed", "provided-latin-1"),
    ),
    wrong(
        "a-directory-for-a-model-is-a-crash",
        "A folder named model.tar.gz is passed over as if it were not there.",
        (
            "SCRIPT_DIR / MODEL):\n        if path.exists():",
            "SCRIPT_DIR / MODEL):\n        if path.is_file():",
        ),
        ('"{} nor in {}".format(models / MODEL, SCRIPT_DIR / MODEL)', '"the places above"'),
        finds="error-named: no-path",
        cases="model-is-a-directory",
    ),
    wrong(
        "a-fifo-for-a-model-hangs",
        "A FIFO named model.tar.gz is opened, which blocks for ever.",
        (
            '    if not stat.S_ISREG(os.stat(str(path)).st_mode):\n        raise refusal("INVALID_ARCHIVE"',
            '    if os.path.isdir(str(path)):\n        raise refusal("INVALID_ARCHIVE"',
        ),
        finds="exit-code: hangs",
        cases="model-is-a-fifo",
    ),
    wrong(
        "full-disk-reported-as-an-archive-error",
        "Whatever goes wrong with a file is called an invalid archive.",
        (
            "        with reading(model) as old:\n            copy_members(old, new)\n",
            "        try:\n            with reading(model) as old:\n                copy_members(old, new)\n"
            "        except OSError as error:\n            raise refusal('INVALID_ARCHIVE', str(error))\n",
        ),
        finds="error-named: no-own-fault",
        cases="full-disk",
    ),
)
