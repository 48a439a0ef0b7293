"""Scripts that work where they were written, and not under other circumstances."""

from tests.miniatures.miniature import product, wrong

BOTH = product(model_channel="present", hyperparameters_channel="present")
RETURN = '    log.info("done: %s", output / MODEL)\n'
START = '    log.info("inputs: %s and %s", models, settings)\n'
COPY = "        with reading(model) as old:\n            copy_members(old, new)\n"
FAILED = '        log.error("the step failed", exc_info=True)\n'
IMPORT = "import zlib\n"
STAMP = "        stamp = {}.encode()\n        info = tarfile.TarInfo('stamp')\n        info.size = len(stamp)\n        new.addfile(info, io.BytesIO(stamp))\n"

MINIATURES = (
    wrong(
        "time-of-packing-inside",
        "The archive holds the time of its creation.",
        (IMPORT, IMPORT + "import time\n"),
        (COPY, COPY + STAMP.format("str(time.time_ns())")),
        finds="repeatable: differs",
        cases="circumstance=again",
    ),
    wrong(
        "date-in-local-time-inside",
        "The archive holds the model's date in local time.",
        (IMPORT, IMPORT + "import time\n"),
        (COPY, COPY + STAMP.format("time.ctime(model.stat().st_mtime)")),
        finds="any-time-zone: other-output",
        cases="circumstance=other-time-zone",
    ),
    wrong(
        "only-in-its-own-folder",
        "The step wants to be started in its own folder.",
        (
            START,
            START + '    if Path.cwd() != SCRIPT_DIR:\n        raise OSError("start me there")\n',
        ),
        finds="any-folder: exit-code/1-for-0",
        cases="circumstance=other-folder",
    ),
    wrong(
        "says-more-than-ascii",
        "What is printed cannot be, where the locale knows ASCII alone.",
        (RETURN, RETURN + '    print("done \\u2713")\n'),
        finds="any-locale: exit-code/1-for-0",
        cases="circumstance=lang-c",
    ),
    wrong(
        "modes-masked-by-the-umask",
        "The members' modes are those that the umask lets through.",
        (
            "    header.name = name\n",
            "    header.name = name\n    header.mode &= ~current_umask()\n",
        ),
        finds="any-umask: output/wrong-mode",
        cases="circumstance=umask-077",
    ),
    wrong(
        "output-folder-made-anew",
        "The output folder is removed and made again, where something is mounted.",
        (
            START,
            START
            + "    made = Path(output_paths['model_output'])\n"
            + "    if made.is_dir():\n        made.rmdir()\n",
        ),
        finds="own-mounts: exit-code/1-for-0",
        cases="circumstance=own-mounts",
    ),
    wrong(
        "must-be-root",
        "The step makes its output root's own.",
        (RETURN, RETURN + "    os.chown(str(output / MODEL), 0, 0)\n"),
        finds="non-root: exit-code/1-for-0",
        cases="circumstance=non-root",
    ),
    wrong(
        "lock-beside-the-model",
        "A lock lies beside the model while the step runs.",
        (
            COPY,
            "        lock = model.parent / '.lock'\n        lock.touch()\n        lock.unlink()\n"
            + COPY,
        ),
        finds="read-only-inputs: exit-code/1-for-0",
        cases="circumstance=read-only-inputs",
    ),
    wrong(
        "lock-in-opt-ml",
        "A lock lies in /opt/ml while the step runs.",
        (
            COPY,
            "        lock = Path('/opt/ml/.lock')\n        lock.touch()\n        lock.unlink()\n"
            + COPY,
        ),
        finds="read-only-root: exit-code/1-for-0",
        cases="circumstance=read-only-root",
    ),
    wrong(
        "asks-the-metadata-service",
        "The step asks the instance's metadata service who it is.",
        (IMPORT, IMPORT + "import socket\n"),
        (START, START + '    socket.create_connection(("169.254.169.254", 80), 2).close()\n'),
        finds="no-network: reaches-out",
        cases=BOTH,
    ),
    wrong(
        "logs-its-environment",
        "All variables are logged.",
        (START, START + '    log.info("environment: %s", dict(os.environ))\n'),
        finds="no-secrets: tells-AWS_SECRET_ACCESS_KEY",
        cases=(BOTH, product()),
    ),
    wrong(
        "environment-beside-the-output",
        "All variables are written to a temporary file.",
        (START, START + '    Path("/tmp/env.json").write_text(json.dumps(dict(os.environ)))\n'),
        finds="no-secrets: tells-AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        cases=BOTH,
    ),
    wrong(
        "failure-reason-too-long",
        "The reason of a failure is longer than what is shown of it.",
        (
            FAILED,
            FAILED
            + '        os.makedirs("/opt/ml/output", exist_ok=True)\n        Path("/opt/ml/output/failure").write_text(str(error) * 100)\n',
        ),
        finds="failure-reason: failure-too-long",
        cases=product(),
    ),
    wrong(
        "message-in-latin-1",
        "The message to the service is not UTF-8.",
        (
            RETURN,
            RETURN
            + '    os.makedirs("/opt/ml/output", exist_ok=True)\n    Path("/opt/ml/output/message").write_bytes(b"fertig f\\xfcr heute")\n',
        ),
        finds="exit-message: message-not-utf-8",
        cases=BOTH,
    ),
    wrong(
        "message-too-long",
        "The message to the service is longer than 1 KB.",
        (
            RETURN,
            RETURN
            + '    os.makedirs("/opt/ml/output", exist_ok=True)\n    Path("/opt/ml/output/message").write_text("done " * 300)\n',
        ),
        finds="exit-message: message-too-long",
        cases=BOTH,
    ),
    wrong(
        "draft-stays-after-sigterm",
        "SIGTERM ends the process without any cleaning, and the draft stays.",
        (
            "    signal.signal(signal.SIGTERM, on_sigterm)\n",
            "    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n",
        ),
        (
            "        self.raw.write(self.compressor.compress(data))\n",
            "        self.raw.write(self.compressor.compress(data))\n        self.raw.flush()\n",
        ),
        finds="sigterm: nothing-undeclared/written",
        cases="circumstance=sigterm-at-50-percent",
    ),
    wrong(
        "draft-stays-on-a-full-disk",
        "What was written of the archive stays when the disk is full.",
        (
            "        if path.exists():\n            path.unlink()\n",
            "        if path.exists() and getattr(sys.exc_info()[1], 'errno', 0) != 28:\n            path.unlink()\n",
        ),
        finds="full-disk: nothing-undeclared/written",
        cases="circumstance=full-disk",
    ),
    wrong(
        "no-word-of-the-missing-folder",
        "The output folder is not made, and the error does not name it.",
        (
            '    if not ensure_directory(destination.parent):\n        raise OSError("the folder {} cannot be made".format(destination.parent))\n    draft',
            '    if not destination.parent.is_dir():\n        raise OSError("there is no place to write to")\n    draft',
        ),
        finds="output-folder-missing: ",
        cases="circumstance=output-folder-missing",
    ),
    wrong(
        "read-only-output-is-fine",
        "A folder that cannot be written to is logged, and the exit code is 0.",
        (
            '    except Exception as error:\n        log.error("the step',
            "    except OSError as error:\n        log.error('no archive: %s', error)\n        return 0 if error.errno == 30 else 1\n    except Exception as error:\n        log.error(\"the step",
        ),
        finds="output-folder-read-only: exit-code/0-for-1",
        cases="circumstance=output-folder-read-only",
    ),
)
