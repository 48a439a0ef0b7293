"""Scripts that leave the world otherwise than they must: outputs, inputs, scratch, signals."""

from tests.miniatures.miniature import product, wrong

BOTH = product(model_channel="present", hyperparameters_channel="present")
NOTHING = "    if model is None:\n        places"
RETURN = '    log.info("done: %s", output / MODEL)\n'
DRAFT = '    draft = destination.parent / ".{}.{}".format(destination.name, os.urandom(8).hex())\n'
PLACE = "        os.replace(str(draft), str(destination))\n"
RUN = "    signal.signal(signal.SIGTERM, on_sigterm)\n"

TRAINING_JOB = product(job="training", model_channel="present", hyperparameters_channel="present")
COLLECT = "        if TRAINING.exists() and not PROCESSING.exists():\n"

MINIATURES = (
    wrong(
        "nothing-collected",
        "A training job leaves nothing where it is collected.",
        (COLLECT, "        if False:\n"),
        finds="output: missing",
        cases=TRAINING_JOB,
    ),
    wrong(
        "collected-of-processing-jobs",
        "A processing job writes to the folder of a training job too.",
        (COLLECT, "        if True:\n"),
        finds="nothing-undeclared: written",
        cases=product(model_channel="present", hyperparameters_channel="present"),
    ),
    wrong(
        "archive-collected",
        "A training job gets the archive, and not its members.",
        (
            "            tar.extractall(str(hidden))\n",
            "            hidden.mkdir()\n            shutil.copy2(str(archive), str(hidden))\n",
        ),
        finds="output: missing",
        cases=TRAINING_JOB,
    ),
    wrong(
        "draft-has-a-fixed-name",
        "The draft has a fixed name, so that a file of that name is lost.",
        (
            '".{}.{}".format(destination.name, os.urandom(8).hex())',
            '".{}.tmp".format(destination.name)',
        ),
        ("os.O_WRONLY | os.O_CREAT | os.O_EXCL", "os.O_WRONLY | os.O_CREAT | os.O_TRUNC"),
        finds="older-output: older-output-gone",
        cases="older-scratch-files",
    ),
    # --- The output ---
    wrong(
        "written-in-place",
        "The archive is written under its own name from the start.",
        (DRAFT, "    draft = destination\n"),
        ("os.O_WRONLY | os.O_CREAT | os.O_EXCL", "os.O_WRONLY | os.O_CREAT | os.O_TRUNC"),
        finds="older-output: ",
        cases=("sigkill-at-60-percent", "full-disk-over-older-output"),
    ),
    wrong(
        "older-output-deleted-first",
        "An older output is deleted before anything else is done.",
        (
            "    models = Path(input_paths",
            '    with suppress_missing():\n        os.remove(os.path.join(output_paths["model_output"], MODEL))\n    models = Path(input_paths',
        ),
        (
            "def on_sigterm(",
            "def suppress_missing():\n    import contextlib\n\n    return contextlib.suppress(FileNotFoundError)\n\n\ndef on_sigterm(",
        ),
        finds="older-output: older-output-gone",
        cases=("older-output-kept-without-model", "provided-array", "bad-text"),
    ),
    wrong(
        "older-output-not-replaced",
        "An older output is taken for the result of an earlier run.",
        (
            PLACE,
            "        if not destination.exists():\n            os.replace(str(draft), str(destination))\n",
        ),
        finds="output: ",
        cases="older-output-replaced",
    ),
    wrong(
        "nothing-written",
        "The archive is written and not put into its place.",
        (PLACE, ""),
        finds="output: missing",
        cases=BOTH,
    ),
    wrong(
        "output-folder-must-be-there",
        "The output folder is not made.",
        (
            "    if not ensure_directory(destination.parent):\n        raise OSError",
            "    if not destination.parent.is_dir():\n        raise OSError",
        ),
        finds="exit-code: 1-for-0",
        cases=("output-folder-missing", "output-folder-and-parents-missing"),
    ),
    wrong(
        "renamed-across-file-systems",
        "The archive is written in /tmp and renamed, which fails where the output is a mount.",
        (
            DRAFT,
            '    draft = Path("/tmp") / ".{}.{}".format(destination.name, os.urandom(8).hex())\n',
        ),
        finds="exit-code: 1-for-0",
        cases="output-is-its-own-file-system",
    ),
    wrong(
        "draft-left-on-success",
        "A copy of the archive stays beside it.",
        (PLACE, "        shutil.copy(str(draft), str(destination))\n        scratch.clear()\n"),
        finds="nothing-undeclared: written",
        cases=BOTH,
    ),
    wrong(
        "draft-left-on-failure",
        "What was written of the archive stays when the disk is full.",
        (
            "        if path.exists():\n            path.unlink()\n",
            "        if path.exists() and not sys.exc_info()[0]:\n            path.unlink()\n",
        ),
        finds="nothing-undeclared: written",
        cases=("full-disk",),
    ),
    wrong(
        "a-second-file-in-the-output",
        "A checksum is written beside the archive.",
        (RETURN, RETURN + '    (output / "model.md5").write_text("0")\n'),
        finds="nothing-undeclared: written",
        cases=BOTH,
    ),
    wrong(
        "hyperparameters-in-the-output",
        "hyperparameters.json is copied to the output folder, too.",
        (RETURN, RETURN + "    (output / HYPERPARAMETERS).write_bytes(content)\n"),
        finds="nothing-undeclared: written",
        cases=BOTH,
    ),
    wrong(
        "written-to-opt-ml-model",
        "A second copy is written to /opt/ml/model.",
        (
            RETURN,
            RETURN
            + '    os.makedirs("/opt/ml/model", exist_ok=True)\n    shutil.copy(str(output / MODEL), "/opt/ml/model/")\n',
        ),
        finds="nothing-undeclared: written",
        cases=(BOTH, BOTH.replace("job=processing", "job=training")),
    ),
    wrong(
        "failure-file-written-on-success",
        "The reason of a failure is written to /opt/ml/output/failure, and there was none.",
        (
            RETURN,
            RETURN
            + '    os.makedirs("/opt/ml/output", exist_ok=True)\n    Path("/opt/ml/output/failure").write_text("none")\n',
        ),
        finds="nothing-undeclared: written",
        cases=BOTH,
    ),
    wrong(
        "other-outputs-deleted",
        "The output folder is emptied first.",
        (
            DRAFT,
            "    for other in destination.parent.iterdir():\n        if other != destination:\n            other.unlink()\n"
            + DRAFT,
        ),
        finds="older-output: older-output-gone",
        cases="other-files-in-the-output-folder",
    ),
    # --- The inputs ---
    wrong(
        "input-moved",
        "The model is deleted once it is written on.",
        (RETURN, RETURN + "    model.unlink()\n"),
        finds="inputs-unchanged: removed",
        cases=BOTH,
    ),
    wrong(
        "input-touched",
        "The model gets a new date.",
        (RETURN, RETURN + "    model.touch()\n"),
        finds="inputs-unchanged: mtime-changed",
        cases=BOTH,
    ),
    wrong(
        "input-made-read-only",
        "The model's mode is changed.",
        (RETURN, RETURN + "    model.chmod(0o444)\n"),
        finds="inputs-unchanged: mode-changed",
        cases=BOTH,
    ),
    wrong(
        "injected-into-the-input",
        "The output is copied over the input.",
        (RETURN, RETURN + "    shutil.copyfile(str(output / MODEL), str(model))\n"),
        finds="inputs-unchanged: content-changed",
        cases=BOTH,
    ),
    wrong(
        "unpacked-beside-the-input",
        "The model is unpacked in its channel, and the files stay there.",
        (RETURN, RETURN + '    (model.parent / "unpacked").mkdir()\n'),
        finds="nothing-undeclared: written",
        cases=BOTH,
    ),
    # --- Scratch ---
    wrong(
        "scratch-left-on-success",
        "A temporary folder stays behind.",
        (RETURN, RETURN + '    os.mkdir("/tmp/model-work")\n'),
        finds="scratch-clean: left-behind",
        cases=BOTH,
    ),
    wrong(
        "scratch-left-on-failure",
        "A temporary file stays behind when the step fails.",
        (
            '        log.error("the step failed", exc_info=True)\n',
            '        Path("/tmp/last-error.txt").write_text(str(error))\n        log.error("the step failed", exc_info=True)\n',
        ),
        finds="scratch-clean: left-behind",
        cases=(product(), "bad-text"),
    ),
    wrong(
        "scratch-in-var-tmp",
        "A temporary file stays behind in /var/tmp.",
        (RETURN, RETURN + '    Path("/var/tmp/model-work").touch()\n'),
        finds="scratch-clean: left-behind",
        cases=BOTH,
    ),
    wrong(
        "scratch-of-others-cleaned",
        "The whole of /tmp is emptied.",
        (
            RETURN,
            RETURN + '    for one in Path("/tmp").iterdir():\n        shutil.rmtree(str(one))\n',
        ),
        finds="scratch-clean: removed",
        cases="things-in-the-temporary-folder",
    ),
    wrong(
        "cache-in-the-home-folder",
        "A cache is left in the home folder.",
        (RETURN, RETURN + '    Path("~/.cache").expanduser().mkdir()\n'),
        finds="nothing-undeclared: written",
        cases=BOTH,
    ),
    # --- Signals ---
    wrong(
        "sigterm-not-handled",
        "SIGTERM ends the step at once, and the draft stays.",
        (RUN, ""),
        finds="nothing-undeclared: written",
        cases=("sigterm-at-50-percent",),
    ),
    wrong(
        "sigterm-ignored",
        "SIGTERM is ignored.",
        (RUN, "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"),
        finds="exit-code: 0-for-143",
        cases=("sigterm-at-50-percent", "sigterm-at-5-percent"),
    ),
    wrong(
        "sigterm-exits-0",
        "SIGTERM ends the step with exit code 0.",
        (
            "    stopped.append(number)\n    raise SystemExit(143)\n",
            "    stopped.append(number)\n    raise SystemExit(0)\n",
        ),
        finds="exit-code: 0-for-143",
        cases="sigterm-at-25-percent",
    ),
    wrong(
        "sigterm-is-an-error",
        "SIGTERM ends the step with exit code 1, like any error.",
        (
            "    stopped.append(number)\n    raise SystemExit(143)\n",
            "    stopped.append(number)\n    raise RuntimeError('stopped')\n",
        ),
        finds="exit-code: 1-for-143",
        cases="sigterm-at-50-percent",
    ),
    wrong(
        "sigterm-leaves-at-once",
        "SIGTERM ends the process without any cleaning.",
        ("    stopped.append(number)\n    raise SystemExit(143)\n", "    os._exit(143)\n"),
        finds="nothing-undeclared: written",
        cases="sigterm-at-75-percent",
    ),
    wrong(
        "full-disk-is-fine",
        "What goes wrong while the archive is written is logged, and the exit code is 0.",
        (
            '    except Exception as error:\n        log.error("the step',
            "    except OSError as error:\n        log.error('no archive: %s', error)\n        return 0 if error.errno == 28 else 1\n    except Exception as error:\n        log.error(\"the step",
        ),
        finds="exit-code: 0-for-1",
        cases="full-disk",
    ),
)
