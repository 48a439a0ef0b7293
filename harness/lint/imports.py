"""Imports: the packages of the script against the contract's framework_requirements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.contracts.contract import Contract
from harness.lint import beside, failures
from harness.lint.facts import Facts
from harness.lint.problem import Problem

# The standard library of all versions of Python.
_STANDARD_LIBRARY = {
    *sys.stdlib_module_names,
    *("__main__", "_typeshed", "annotationlib", "compression", "tomllib"),
    *("aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils"),
    *("dummy_threading", "formatter", "imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis"),
    *("nntplib", "ossaudiodev", "parser", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "symbol"),
    *("telnetlib", "uu", "xdrlib"),
}
# Import name → distributions, where the names differ.
_DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "Crypto": ("pycryptodome", "pycrypto"),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow",),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cv2": (
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "google": ("protobuf",),
    "imblearn": ("imbalanced-learn",),
    "jwt": ("pyjwt",),
    "magic": ("python-magic",),
    "mpl_toolkits": ("matplotlib",),
    "onnxruntime": ("onnxruntime-gpu",),
    "pkg_resources": ("setuptools",),
    "psycopg2": ("psycopg2-binary",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "tensorflow": ("tensorflow-cpu", "tensorflow-gpu"),
    "umap": ("umap-learn",),
    "xgboost": ("xgboost-cpu",),
    "yaml": ("pyyaml",),
}
# Namespaces of several distributions: google-cloud-storage is imported as google.cloud.storage.
_NAMESPACE_PACKAGES = ("azure", "google", "opentelemetry", "ruamel", "snowflake")
_IMPORT_FUNCTIONS = ("importlib.import_module", "__import__")


def missing_requirements(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each import that is not of the standard library, the script's folder or a requirement.

    A requirement stands in the contract, or in a requirements.txt beside the script.
    """
    names = (*contract.framework_requirements, *beside.required_beside(facts, contract))
    required = {_canonical(name) for name in names}
    optional = set(_optional_imports(facts))
    folders = (facts.script.parent, contract.folder)
    seen = set(_STANDARD_LIBRARY)
    for node in facts.nodes:
        for name in _imported_packages(facts, node) if node not in optional else ():
            if name in seen or any(_is_in(folder, name) for folder in folders):
                continue
            seen.add(name)
            if not _is_required(name, required):
                yield facts.problem(
                    "H601",
                    f"{name} is imported, and framework_requirements lack it",
                    f"add {_DISTRIBUTIONS.get(name, (name,))[0]} to framework_requirements",
                    node,
                )


def _is_required(name: str, required: set[str]) -> bool:
    if required & {_canonical(one) for one in (name, *_DISTRIBUTIONS.get(name, ()))}:
        return True
    return name in _NAMESPACE_PACKAGES and any(one.startswith(f"{name}-") for one in required)


def _imported_packages(facts: Facts, node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module]
    elif isinstance(node, ast.Call) and node.args and facts.called_name(node) in _IMPORT_FUNCTIONS:
        text = facts.texts.text_of(node.args[0])
        names = [text.value] if text is not None and text.is_complete else []
    # A relative name begins with a dot.
    yield from (top for name in names if (top := name.partition(".")[0]))


def _optional_imports(facts: Facts) -> Iterator[ast.AST]:
    """The nodes of imports that may fail, or that do not run with the script."""
    for node in facts.nodes:
        blocks: list[ast.AST] = []
        if isinstance(node, ast.Try):
            handlers = [one for one in node.handlers if _handles_import_error(facts, one)]
            blocks += node.body if handlers else []
            tried_packages = {name for one in node.body for name in _imported_packages(facts, one)}
            if tried_packages <= _STANDARD_LIBRARY:
                # The handler imports a replacement for older versions of Python.
                blocks += handlers
        elif isinstance(node, ast.If):
            blocks += node.body if facts.dotted_name(node.test) == "typing.TYPE_CHECKING" else []
        elif isinstance(node, ast.With):
            blocks += node.body if any(_suppresses(facts, one) for one in node.items) else []
        for block in blocks:
            yield from ast.walk(block)


def _handles_import_error(facts: Facts, handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failed import and continues."""
    caught = failures.exception_types(handler)
    names = {facts.dotted_name(one) for one in caught or ()}
    if names & {"ImportError", "ModuleNotFoundError"}:
        return True
    broad = caught is None or names & {"Exception", "BaseException"}
    return bool(broad) and not failures.propagates(facts, handler)


def _suppresses(facts: Facts, item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and facts.called_name(call) == "contextlib.suppress"


def _is_in(folder: Path, name: str) -> bool:
    try:
        return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
    except OSError:
        # The name is too long for the file system.
        return False


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~\[;@]", name, maxsplit=1)[0]).lower()
