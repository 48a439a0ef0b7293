"""Scripts whose functions are not what other programs call."""

from tests.miniatures.miniature import wrong

MINIATURES = (
    wrong(
        "function-renamed",
        "validate_model has another name.",
        ("def validate_model(input_path):", "def check_model(input_path):"),
        finds="functions: validate_model-missing",
        cases="call-validate",
    ),
    wrong(
        "signature-changed",
        "extract_tarfile has other parameters.",
        (
            "def extract_tarfile(tar_path, extract_path):\n",
            "def extract_tarfile(archive, folder):\n    tar_path, extract_path = archive, folder\n",
        ),
        finds="functions: extract_tarfile-wrong",
        cases="call-extract",
    ),
    wrong(
        "importing-runs-the-step",
        "Importing the script runs it.",
        ('if __name__ == "__main__":\n    sys.exit(run())', "sys.exit(run())"),
        finds="functions: import-fails",
        cases=("call-main", "call-ensure-new"),
    ),
    wrong(
        "main-ignores-its-paths",
        "main looks into the channels, whatever it is given.",
        (
            '    models = Path(input_paths.get("model_artifacts_input", os.devnull))\n',
            '    input_paths = dict(input_paths, model_artifacts_input=assign("m", MODEL_CHANNELS, MODEL_SOURCES, Path.is_dir))\n    models = Path(input_paths.get("model_artifacts_input", os.devnull))\n',
        ),
        finds="output: ",
        cases="call-main",
    ),
    wrong(
        "main-demands-hyperparameters",
        "main takes an input whose key is absent for an error of the caller.",
        (
            '    settings = Path(input_paths.get("hyperparameters_s3_uri", os.devnull))\n',
            '    settings = Path(input_paths["hyperparameters_s3_uri"])\n',
        ),
        finds="functions: main-wrong",
        cases=(
            "call-main-without-the-key-of-hyperparameters",
            "call-main-without-the-key-and-any-hyperparameters",
        ),
    ),
    wrong(
        "main-demands-arguments",
        "main has no default for the arguments of the job.",
        ("environ_vars, job_args=None):", "environ_vars, job_args):"),
        finds="functions: main-wrong",
        cases="call-main-without-the-key-of-hyperparameters",
    ),
    wrong(
        "main-writes-elsewhere",
        "main writes to the output folder of a job, whatever it is given.",
        ('Path(output_paths["model_output"]), searched)', "OUTPUT, searched)"),
        finds="functions: main-wrong",
        cases="call-main",
    ),
    wrong(
        "main-returns-nothing",
        "main does not return the path of the output.",
        (
            "    return process(model, hyperparameters, Path(",
            "    process(model, hyperparameters, Path(",
        ),
        finds="functions: main-wrong",
        cases="call-main",
    ),
    wrong(
        "main-exits",
        "main ends the process where it should raise an error.",
        (
            '        raise FileNotFoundError("No model: not found',
            '        sys.exit("No model: not found',
        ),
        finds="functions: main-wrong",
        cases="call-main-without-model",
    ),
    wrong(
        "find-raises",
        "find_model_file raises an error where it should return None.",
        (
            '        log.warning("there is no %s", path)\n    return None\n\n\ndef find_hyperparams',
            '        log.warning("there is no %s", path)\n    raise FileNotFoundError(MODEL)\n\n\ndef find_hyperparams',
        ),
        finds="functions: find_model_file-wrong",
        cases="call-find-no-model",
    ),
    wrong(
        "find-returns-text",
        "find_hyperparams_file returns a text instead of a Path.",
        (
            '        log.info("the hyperparameters are %s", path)\n        return path\n',
            '        log.info("the hyperparameters are %s", path)\n        return str(path)\n',
        ),
        finds="functions: find_hyperparams_file-wrong",
        cases="call-find-hyperparameters",
    ),
    wrong(
        "any-name-accepted",
        "validate_model does not look at the file's name.",
        ('    if not str(path).endswith(".tar.gz"):\n', "    if not str(path):\n"),
        finds="functions: validate_model-wrong",
        cases=("call-validate-model-tar", "call-validate-model-tgz", "call-validate-model-zip"),
    ),
    wrong(
        "invalid-format-has-no-code",
        "The error for a wrong name has no code.",
        ('        raise refusal("INVALID_FORMAT",', '        raise refusal("BAD_NAME",'),
        finds="functions: validate_model-wrong",
        cases="call-validate-model-zip",
    ),
    wrong(
        "validate-returns-false",
        "validate_model returns False where it should raise ValueError.",
        (
            "    survey(input_path)\n    log.info",
            "    try:\n        survey(input_path)\n    except ValueError:\n        return False\n    log.info",
        ),
        finds="functions: validate_model-wrong",
        cases=("call-validate-text", "call-validate-empty"),
    ),
    wrong(
        "extracts-the-unsafe",
        "extract_tarfile writes before it looks, and leaves what it wrote.",
        (
            "    log_contents(members)\n    refuse_unsafe(members)\n    if not ensure_directory(extract_path):",
            "    log_contents(members)\n    if not ensure_directory(extract_path):",
        ),
        ('    log.info("extracted %d members", len(members))\n', "    refuse_unsafe(members)\n"),
        finds="nothing-undeclared: written",
        cases=("call-extract-parent-name", "call-extract-symlink-escape"),
    ),
    wrong(
        "contents-not-logged",
        "extract_tarfile does not list what is in the archive.",
        (
            "    log_contents(members)\n    refuse_unsafe(members)\n    if not ensure_directory(extract_path):",
            "    refuse_unsafe(members)\n    if not ensure_directory(extract_path):",
        ),
        finds="log: no-member-listed",
        cases="call-extract",
    ),
    wrong(
        "empty-directories-not-packed",
        "create_tarfile packs files only.",
        (
            '    paths = sorted(Path(source_dir).rglob("*"))\n',
            '    paths = sorted(p for p in Path(source_dir).rglob("*") if not p.is_dir())\n',
        ),
        finds="output: member-missing",
        cases="call-create",
    ),
    wrong(
        "links-followed-when-packed",
        "create_tarfile packs what links point to.",
        (
            "            tar.add(str(path), arcname",
            "            tar.dereference = True\n            tar.add(str(path), arcname",
        ),
        finds="output: wrong-type",
        cases="call-create",
    ),
    wrong(
        "packed-below-a-folder",
        "create_tarfile puts all below the name of the folder.",
        (
            "arcname=str(path.relative_to(source_dir))",
            "arcname=str(path.relative_to(Path(source_dir).parent))",
        ),
        finds="output: member-",
        cases="call-create",
    ),
    wrong(
        "summary-not-logged",
        "create_tarfile does not sum up what it has packed.",
        ("Tar creation summary", "Done"),
        finds="log: no-summary",
        cases="call-create",
    ),
    wrong(
        "ensure-raises",
        "ensure_directory raises an error where it should return False.",
        (
            '    except Exception:\n        log.exception("the folder %s cannot be made", directory)\n        return False\n',
            "    except ZeroDivisionError:\n        return False\n",
        ),
        finds="functions: ensure_directory-wrong",
        cases="call-ensure-below-a-file",
    ),
    wrong(
        "ensure-makes-one-folder",
        "ensure_directory does not make the parents.",
        (
            "        Path(directory).mkdir(parents=True, exist_ok=True)\n",
            "        Path(directory).mkdir(exist_ok=True)\n",
        ),
        finds="functions: ensure_directory-wrong",
        cases="call-ensure-new",
    ),
    wrong(
        "copy-loses-mode-and-date",
        "copy_file copies the bytes only.",
        ("    shutil.copy2(str(src), str(dst))\n", "    shutil.copyfile(str(src), str(dst))\n"),
        finds="output: wrong-m",
        cases="call-copy",
    ),
    wrong(
        "copy-of-nothing-is-fine",
        "copy_file says nothing when there is nothing to copy.",
        (
            '        raise FileNotFoundError("there is no file {} to copy".format(src))\n',
            "        return\n",
        ),
        finds="functions: copy_file-wrong",
        cases="call-copy-nothing",
    ),
    wrong(
        "parameters-in-another-order",
        "process_model_with_hyperparameters takes its parameters in another order.",
        (
            "def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):",
            "def process_model_with_hyperparameters(model_path, output_dir, hyperparams_path):",
        ),
        finds="functions: process_model_with_hyperparameters-wrong",
        cases="call-process-by-position",
    ),
    wrong(
        "ensure-takes-a-file",
        "ensure_directory is content with a file in the folder's place.",
        (
            "        Path(directory).mkdir(parents=True, exist_ok=True)\n",
            "        if not Path(directory).exists():\n            Path(directory).mkdir(parents=True)\n",
        ),
        finds="functions: ensure_directory-wrong",
        cases="call-ensure-is-a-file",
    ),
    wrong(
        "copy-swallows-errors",
        "copy_file only logs what goes wrong.",
        (
            "    shutil.copy2(str(src), str(dst))\n",
            "    try:\n        shutil.copy2(str(src), str(dst))\n    except OSError:\n        log.exception('not copied')\n",
        ),
        finds="functions: copy_file-wrong",
        cases="call-copy-a-folder",
    ),
    wrong(
        "extract-swallows-errors",
        "extract_tarfile only logs that the archive cannot be read.",
        (
            "    members = survey(tar_path)[0]\n    log_contents(members)\n    refuse_unsafe(members)\n    if not ensure_directory(extract_path):",
            "    try:\n        members = survey(tar_path)[0]\n    except ValueError:\n        return log.exception('not extracted')\n    log_contents(members)\n    refuse_unsafe(members)\n    if not ensure_directory(extract_path):",
        ),
        finds="functions: extract_tarfile-wrong",
        cases="call-extract-text",
    ),
    wrong(
        "create-swallows-errors",
        "create_tarfile only logs that the archive cannot be made.",
        (
            "    with writing(Path(output_tar_path)) as tar:\n",
            "    if not ensure_directory(Path(output_tar_path).parent):\n        return log.error('not created')\n    with writing(Path(output_tar_path)) as tar:\n",
        ),
        finds="functions: create_tarfile-wrong",
        cases="call-create-below-a-file",
    ),
    wrong(
        "any-gz-will-do",
        "validate_model looks at the last ending only.",
        ('endswith(".tar.gz")', 'endswith(".gz")'),
        finds="functions: validate_model-wrong",
        cases="call-validate-model-gz",
    ),
    wrong(
        "create-removes-the-older-one-first",
        "create_tarfile removes an older archive before the new one is whole.",
        (
            "    with writing(Path(output_tar_path)) as tar:\n",
            "    if Path(output_tar_path).exists():\n        Path(output_tar_path).unlink()\n    with writing(Path(output_tar_path)) as tar:\n",
        ),
        finds="nothing-undeclared: removed",
        cases="call-create-on-a-full-disk",
    ),
)
