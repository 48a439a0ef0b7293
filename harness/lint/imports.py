"""Imports: the packages of the script against the contract's framework_requirements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path, PurePosixPath

from harness.cases.code_beside import imported_modules
from harness.cases.imports import chosen_by_interpreter, modules_made
from harness.lint import propagation
from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Syntax
from harness.reading.packages import (
    BRINGS,
    PACKAGES,
    brings,
    canonical,
    engines_of,
    packages_of,
    with_all_brought,
)
from harness.reading.platform import STANDARD_LIBRARY
from harness.reading.values import Place

_REQUIREMENTS = "requirements.txt"
_INCLUDES = ("-r", "--requirement")
# Modules that are gone → what to import.
_GONE: Mapping[str, str] = {
    "sagemaker_containers": "sagemaker_training",
    "sagemaker.amazon.common": "sagemaker.serializers",
    "sagemaker.predictor.csv_serializer": "sagemaker.serializers",
    "sagemaker.predictor.json_serializer": "sagemaker.serializers",
    "sklearn.externals": "joblib",
    "sklearn.cross_validation": "sklearn.model_selection",
    "sklearn.grid_search": "sklearn.model_selection",
    "sklearn.learning_curve": "sklearn.model_selection",
    "sklearn.datasets.load_boston": "another table",
    "sklearn.preprocessing.Imputer": "sklearn.impute.SimpleImputer",
    "sklearn.utils.testing": "sklearn.utils._testing",
    "sklearn.metrics.plot_confusion_matrix": "sklearn.metrics.ConfusionMatrixDisplay",
    "sklearn.metrics.plot_roc_curve": "sklearn.metrics.RocCurveDisplay",
    "scipy.misc.imread": "imageio",
    "scipy.misc.imresize": "skimage.transform",
    "scipy.misc.imsave": "imageio",
    "tensorflow.contrib": "what took its place in TensorFlow 2",
    "tensorflow.examples": "tensorflow_datasets",
    "tensorflow.estimator": "keras",
    "keras.utils.np_utils": "keras.utils",
    "keras.layers.normalization.BatchNormalization": "keras.layers",
    "keras.backend.tensorflow_backend": "keras.backend",
    "keras.wrappers.scikit_learn": "scikeras",
    "pandas.io.json.json_normalize": "pandas",
    "pandas.util.testing": "pandas.testing",
    "pandas.tools": "pandas",
    "pandas.Panel": "xarray",
    "pytorch_pretrained_bert": "transformers",
    "pytorch_transformers": "transformers",
    "torch._six": "the standard library",
    "torchtext.legacy": "torchtext",
    "fbprophet": "prophet",
    "mxnet.contrib.onnx": "mxnet.onnx",
    "collections.Mapping": "collections.abc",
    "collections.Iterable": "collections.abc",
    "collections.Callable": "collections.abc",
    "numpy.testing.decorators": "numpy.testing",
    "smdebug.exceptions": "the newer debugger",
}
_IMPORT_FUNCTIONS = ("importlib.import_module", "__import__")


def missing_requirements(subject: Subject) -> Iterator[Problem]:
    """Each import that is not of the standard library, the script's folder or a requirement.

    A requirement stands in the contract, or in a requirements.txt beside the script, or is
    installed by the script itself.
    """
    required = _required(subject)
    folders = (subject.script.script.parent, subject.contract.folder)
    seen = set(STANDARD_LIBRARY)
    for facts in subject.syntaxes():
        optional = set(_optional_imports(facts))
        seen |= {*modules_made(facts.tree), *_modules_beside(facts, subject.contract.folder)}
        for node in facts.nodes:
            for name in _imported_packages(facts, node) if node not in optional else ():
                if name in seen or any(_is_in(folder, name) for folder in folders):
                    continue
                seen.add(name)
                if not brings(required, name):
                    fix = f"add {packages_of(name)[0]} to framework_requirements"
                    if not _is_package(name):
                        fix = "name its package in framework_requirements, or put it beside"
                    message = f"{name} is imported, and framework_requirements lack it"
                    problem = subject.at_node(facts, "STEP601", message, fix, node)
                    package = packages_of(name)[0] if _is_package(name) else None
                    edit = package and subject.new_key("framework_requirements", package, '""')
                    yield replace(problem, edit=edit or None)


def _modules_beside(facts: Syntax, folder: Path) -> Iterator[str]:
    """The modules in folders beside the script that it adds to those it imports from."""
    for name in imported_modules(folder, "\n".join(facts.lines).encode()):
        path = PurePosixPath(name)
        yield from (path.stem, *path.parent.parts)


def _is_package(name: str) -> bool:
    """Whether a module is known to be of somebody's package, and no lost module of the script's."""
    return name in PACKAGES or name in BRINGS or bool(installed_packages().get(name))


@lru_cache(maxsize=1)
def installed_packages() -> Mapping[str, list[str]]:
    """The modules of the packages that are installed beside the harness."""
    return metadata.packages_distributions()


def _required(subject: Subject) -> frozenset[str]:
    names = [*subject.contract.framework_requirements, *_required_beside(subject)]
    for facts in subject.syntaxes():
        names += [name for node in facts.calls() for name in _installed_by(facts, node)]
    return with_all_brought(names)


def _required_beside(subject: Subject) -> Iterator[str]:
    """The lines of the requirements.txt beside the script, which the service installs."""
    for folder in dict.fromkeys((subject.script.script.parent, subject.contract.folder)):
        yield from _requirements(folder / _REQUIREMENTS, 0)


def _requirements(file: Path, depth: int) -> Iterator[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in (one.partition("#")[0].strip() for one in lines):
        option, _, other = line.replace("=", " ", line.startswith("--")).partition(" ")
        if option in _INCLUDES and depth < len(lines):
            yield from _requirements(file.parent / other.strip(), depth + 1)
        elif line and not line.startswith("-"):
            yield line


def engines(subject: Subject) -> Iterator[Problem]:
    """Each format that pandas reads or writes with a package that nothing names."""
    required = _required(subject)
    seen: set[str] = set()
    for facts in subject.syntaxes():
        if "pandas" not in {name.partition(".")[0] for name in facts.imports.values()}:
            continue
        for node in facts.calls():
            method = getattr(node.func, "attr", "")
            packages = engines_of(method)
            if not packages or method in seen:
                continue
            if not required & {canonical(one) for one in packages}:
                seen.add(method)
                message = f"{method}() needs {' or '.join(packages)}, and nothing names it"
                fix = f"add {packages[0]} to framework_requirements"
                yield subject.at_node(facts, "STEP602", message, fix, node)


def gone_modules(subject: Subject) -> Iterator[Problem]:
    """Each import of a module that newer versions of its package lack."""
    for facts in subject.syntaxes():
        for node in facts.nodes:
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{one.name}" for one in node.names]
            for name in names:
                gone = next((one for one in _GONE if name == one or name.startswith(f"{one}.")), "")
                if gone and node not in set(_optional_imports(facts)):
                    message = f"{gone} is gone from newer versions"
                    fix = f"import {_GONE[gone]}"
                    yield subject.at_node(facts, "STEP603", message, fix, node)
                    break


def too_new(subject: Subject) -> Iterator[Problem]:
    """Each module of a step that needs a newer Python than the job has."""
    named = re.search(r"3(\.\d+)*", subject.contract.python)
    if named is None:
        return
    # Imported here, since few contracts ask for it.
    import vermin

    _, _, minor = named[0].partition(".")
    limit = (3, int(minor.split(".")[0]))
    config = vermin.Config()
    config.set_verbose(3)
    fix = "write it as that version takes it, or name a newer one under python"
    for facts in subject.syntaxes():
        guarded = {getattr(one, "lineno", 0) for one in _optional_imports(facts)}
        told = vermin.visit("\n".join(facts.lines), config=config).output_text()
        for line in told.splitlines():
            found = re.fullmatch(r"L(\d+)(?: C\d+)?: (.+) requires? .*\b3\.(\d+)", line.strip())
            if found is None or (3, int(found[3])) <= limit or int(found[1]) in guarded:
                continue
            message = f"{found[2]} needs Python 3.{found[3]}, and the job has {named[0]}"
            yield subject.problem("STEP605", message, fix, Place(facts.script, int(found[1])))


def installs(subject: Subject) -> Iterator[Problem]:
    """Each call that installs packages while the step runs."""
    if "no-network" in subject.contract.waivers:
        return
    for facts in subject.syntaxes():
        for node in facts.calls():
            if any(True for _ in _installed_by(facts, node)):
                message = "packages are installed when the step runs"
                fix = "name them in a requirements.txt beside the script, or in the image"
                yield subject.at_node(facts, "STEP604", message, fix, node)


def _installed_by(facts: Syntax, node: ast.Call) -> Iterator[str]:
    """What a call of pip or conda installs; "" where that is not known."""
    name = facts.called_name(node)
    if not name.startswith(("subprocess.", "os.system", "os.popen", "pip.")) or not node.args:
        return
    parts = [one for argument in node.args for one in ast.walk(argument)]
    words = [
        word
        for one in parts
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
        for word in one.value.split()
    ]
    is_pip = name.startswith("pip.") or bool({"pip", "pip3", "conda", "mamba", "uv"} & set(words))
    if is_pip and "install" in words:
        found = [one for one in words[words.index("install") + 1 :] if not one.startswith("-")]
        yield from found or [""]


def _imported_packages(facts: Syntax, node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module]
    elif isinstance(node, ast.Call) and node.args and facts.called_name(node) in _IMPORT_FUNCTIONS:
        name = node.args[0]
        if isinstance(name, ast.Name):
            name = facts.constants.get(name.id, name)
        value = name.value if isinstance(name, ast.Constant) else None
        names = [value] if isinstance(value, str) and value else []
    # A relative name begins with a dot.
    yield from (top for name in names if (top := name.partition(".")[0]))


def _optional_imports(facts: Syntax) -> Iterator[ast.AST]:
    """The nodes of imports that may fail, or that do not run with the script."""
    yield from chosen_by_interpreter(facts.tree)
    for node in facts.nodes:
        blocks: list[ast.AST] = []
        if isinstance(node, ast.Try):
            handlers = [one for one in node.handlers if _handles_import_error(facts, one)]
            blocks += node.body if handlers else []
            tried_packages = {name for one in node.body for name in _imported_packages(facts, one)}
            if tried_packages <= STANDARD_LIBRARY:
                # The handler imports a replacement for older versions of Python.
                blocks += handlers
        elif isinstance(node, ast.If):
            blocks += node.body if facts.dotted_name(node.test) == "typing.TYPE_CHECKING" else []
        elif isinstance(node, ast.With):
            blocks += node.body if any(_suppresses(facts, one) for one in node.items) else []
        for block in blocks:
            yield from ast.walk(block)


def _handles_import_error(facts: Syntax, handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failed import and continues."""
    caught = propagation.exception_types(handler)
    names = {facts.dotted_name(one) for one in caught or ()}
    if names & {"ImportError", "ModuleNotFoundError"}:
        return True
    broad = caught is None or names & {"Exception", "BaseException"}
    return bool(broad) and not propagation.propagates(facts, handler)


def _suppresses(facts: Syntax, item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and facts.called_name(call) == "contextlib.suppress"


def _is_in(folder: Path, name: str) -> bool:
    try:
        return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
    except OSError:
        # The name is too long for the file system.
        return False
