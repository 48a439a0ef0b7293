"""Scripts that look for their inputs in the wrong places, or do not say where."""

from tests.miniatures.miniature import product, wrong

GIVEN = {"hyperparameters_channel": "present"}
MODEL = {"model_channel": "present"}

MINIATURES = (
    wrong(
        "training-mount-of-the-model-not-looked-at",
        "The model channel of a training job is not looked for.",
        ('    Path("/opt/ml/input/data/model_artifacts_input"),\n', ""),
        finds="exit-code: 1-for-0",
        cases=product(job="training", **MODEL, **GIVEN),
    ),
    wrong(
        "processing-mount-of-the-model-not-looked-at",
        "The model channel of a processing job is not looked for.",
        ('    Path("/opt/ml/processing/input/model_artifacts_input"),\n', ""),
        finds="exit-code: 1-for-0",
        cases=product(**MODEL, **GIVEN),
    ),
    wrong(
        "training-mount-of-the-hyperparameters-not-looked-at",
        "The hyperparameters channel of a training job is not looked for.",
        ('    Path("/opt/ml/input/data/hyperparameters_s3_uri"),\n', ""),
        finds="exit-code: 1-for-0",
        cases=product(job="training", **MODEL, **GIVEN),
    ),
    wrong(
        "processing-mount-of-the-hyperparameters-not-looked-at",
        "The hyperparameters channel of a processing job is not looked for.",
        ('    Path("/opt/ml/processing/input/hyperparameters_s3_uri"),\n', ""),
        finds="exit-code: 1-for-0",
        cases=product(**MODEL, **GIVEN),
    ),
    wrong(
        "channel-mounts-in-the-wrong-order",
        "Of two channel mounts the second one is taken.",
        ("    for folder in channels:\n", "    for folder in reversed(channels):\n"),
        finds="output: wrong-bytes",
        cases=("both-channel-mounts-of-the-model", "both-channel-mounts-of-the-hyperparameters"),
    ),
    wrong(
        "empty-channel-falls-through",
        "An empty channel is passed over, and SOURCE folders are consulted.",
        (
            "        if folder.is_dir():\n            log.info",
            "        if folder.is_dir() and os.listdir(str(folder)):\n            log.info",
        ),
        finds="exit-code: 0-for-1",
        cases=(
            product(model_channel="empty", code_models="present", **GIVEN),
            product(hyperparameters_channel="empty", code_hyperparams="present", **MODEL),
        ),
    ),
    wrong(
        "empty-mount-passed-over-for-the-other-mount",
        "An empty first mount is passed over for the second one.",
        (
            "        if folder.is_dir():\n            log.info",
            "        if folder.is_dir() and (folder == channels[-1] or os.listdir(str(folder))):\n            log.info",
        ),
        finds="exit-code: 0-for-1",
        cases="first-model-mount-empty-second-filled",
    ),
    wrong(
        "source-before-channel",
        "A SOURCE folder wins over a channel.",
        (
            "    for folder in channels:\n",
            "    for folder in [one for one in channels if not holds(sources[0])]:\n",
        ),
        finds="output: wrong-bytes",
        cases=(
            product(code_models="present", **MODEL, **GIVEN),
            product(code_hyperparams="present", **MODEL, **GIVEN),
        ),
    ),
    wrong(
        "code-models-not-looked-at",
        "/opt/ml/code/models is not looked for.",
        ('(Path("/opt/ml/code/models"), SCRIPT_DIR / "models")', '(SCRIPT_DIR / "model",)'),
        finds="exit-code: 1-for-0",
        cases=product(code_models="present", **GIVEN),
    ),
    wrong(
        "models-beside-the-script-not-looked-at",
        "models/ beside the script is not looked for.",
        (', SCRIPT_DIR / "models")', ",)"),
        finds="exit-code: 1-for-0",
        cases="code-in-processing-input",
    ),
    wrong(
        "hyperparams-beside-the-script-not-looked-at",
        "hyperparams/ beside the script is not looked for.",
        (' SCRIPT_DIR / "hyperparams",', ""),
        finds="exit-code: 1-for-0",
        cases="code-in-processing-input",
    ),
    wrong(
        "hyperparameters-beside-the-script-not-looked-at",
        "hyperparameters.json beside the script is not looked for.",
        (' SCRIPT_DIR / "hyperparams", SCRIPT_DIR)', ' SCRIPT_DIR / "hyperparams")'),
        finds="exit-code: 1-for-0",
        cases=product(hyperparameters_beside="present", **MODEL),
    ),
    wrong(
        "code-hyperparams-not-looked-at",
        "/opt/ml/code/hyperparams is looked for last.",
        (
            '(Path("/opt/ml/code/hyperparams"), SCRIPT_DIR / "hyperparams", SCRIPT_DIR)',
            '(SCRIPT_DIR, Path("/opt/ml/code/hyperparams"), SCRIPT_DIR / "hyperparams")',
        ),
        finds="output: wrong-bytes",
        cases=product(code_hyperparams="present", hyperparameters_beside="present", **MODEL),
    ),
    wrong(
        "empty-source-folder-assigned",
        "A SOURCE folder without hyperparameters.json is assigned because it exists.",
        ("lambda folder: (folder / HYPERPARAMETERS).exists()", "lambda folder: folder.is_dir()"),
        finds="exit-code: 1-for-0",
        cases="opt-ml-code-hyperparams-empty-script-folder-filled",
    ),
    wrong(
        "model-beside-the-script-not-looked-at",
        "model.tar.gz beside the script is not looked for.",
        ("MODEL, SCRIPT_DIR / MODEL):", "MODEL,):"),
        finds="exit-code: 1-for-0",
        cases=(
            product(model_beside="present", **GIVEN),
            product(model_beside="present", model_channel="empty", **GIVEN),
        ),
    ),
    wrong(
        "model-beside-the-script-first",
        "model.tar.gz beside the script wins over the assigned folder.",
        (
            '(Path(input_paths.get("model_artifacts_input", os.devnull)) / MODEL, SCRIPT_DIR / MODEL):',
            '(SCRIPT_DIR / MODEL, Path(input_paths.get("model_artifacts_input", os.devnull)) / MODEL):',
        ),
        finds="output: wrong-bytes",
        cases=product(model_beside="present", **MODEL, **GIVEN),
    ),
    wrong(
        "looks-in-a-third-place",
        "find_model_file also looks into /opt/ml/code/models.",
        ("MODEL, SCRIPT_DIR / MODEL):", "MODEL, SCRIPT_DIR / MODEL, MODEL_SOURCES[0] / MODEL):"),
        finds="exit-code: 0-for-1",
        cases=product(model_channel="empty", code_models="present", **GIVEN),
    ),
    wrong(
        "hyperparameters-in-a-second-place",
        "find_hyperparams_file also looks beside the script.",
        (
            '    if path.exists():\n        log.info("the hyperparameters',
            '    if not path.exists():\n        path = SCRIPT_DIR / HYPERPARAMETERS\n    if path.exists():\n        log.info("the hyperparameters',
        ),
        finds="exit-code: 0-for-1",
        cases=product(hyperparameters_channel="empty", hyperparameters_beside="present", **MODEL),
    ),
    wrong(
        "working-directory-for-script-folder",
        "The working directory is taken for the script's folder.",
        ("SCRIPT_DIR = Path(os.path.abspath(__file__)).parent", "SCRIPT_DIR = Path(os.getcwd())"),
        finds="exit-code: 0-for-1",
        cases="working-directory-with-decoys",
    ),
    wrong(
        "code-folder-for-script-folder",
        "/opt/ml/code is taken for the script's folder.",
        (
            "SCRIPT_DIR = Path(os.path.abspath(__file__)).parent",
            'SCRIPT_DIR = Path("/opt/ml/code")',
        ),
        finds="exit-code: 1-for-0",
        cases="all-beside-the-script-in-processing-input",
    ),
    wrong(
        "another-name-accepted",
        "Any archive in the channel is taken for the model.",
        (
            '    for path in (Path(input_paths.get("model_artifacts_input", os.devnull)) / MODEL,',
            '    for path in (*Path(input_paths.get("model_artifacts_input", os.devnull)).glob("*.tgz"), Path(input_paths.get("model_artifacts_input", os.devnull)) / MODEL,',
        ),
        finds="error-named: no-searched-place",
        cases="channel-holds-another-name",
    ),
    wrong(
        "channel-mark-missing",
        "The log does not mark the channel that was assigned.",
        ("[Input Channel] %s", "[Channel] %s"),
        finds="log: no-model-mark",
        cases=product(**MODEL, **GIVEN),
    ),
    wrong(
        "source-mark-missing",
        "The log marks a SOURCE folder as a channel.",
        ("[SOURCE Fallback] %s", "[Input Channel] %s"),
        finds="log: no-hyperparameters-mark",
        cases=product(code_models="present", code_hyperparams="present"),
    ),
    wrong(
        "any-archive-will-do",
        "The first .tar.gz in the assigned folder is taken, whatever its name.",
        (
            "SCRIPT_DIR / MODEL):\n        if path.exists():\n",
            "SCRIPT_DIR / MODEL):\n        for path in [path, *sorted(path.parent.glob('*.tar.gz'))][:2]:\n            pass\n        if path.exists():\n",
        ),
        finds="exit-code: 0-for-1",
        cases="channel-holds-another-name",
    ),
    wrong(
        "subfolders-searched",
        "The model is looked for in the folders of the assigned folder too.",
        (
            "SCRIPT_DIR / MODEL):\n        if path.exists():\n",
            "SCRIPT_DIR / MODEL):\n        path = next(iter(path.parent.glob('*/' + MODEL)), path)\n        if path.exists():\n",
        ),
        finds="exit-code: 0-for-1",
        cases="channel-holds-another-name",
    ),
)
