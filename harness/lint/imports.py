"""The packages that the script imports against the contract's framework_requirements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.contracts.contract import Contract
from harness.lint import failures
from harness.lint.facts import Facts
from harness.lint.problem import Problem

# Python's own in some version, if not in the one that runs the harness.
_PYTHONS = {
    *sys.stdlib_module_names,
    *("__main__", "_typeshed", "annotationlib", "compression", "tomllib"),
    *("aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils"),
    *("dummy_threading", "formatter", "imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis"),
    *("nntplib", "ossaudiodev", "parser", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "symbol"),
    *("telnetlib", "uu", "xdrlib"),
}
# Where the name of a package is not that of what it installs.
_PACKAGES: Mapping[str, tuple[str, ...]] = {
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
# Packages share these: google-cloud-storage is imported as google.cloud.storage.
_SHARED = ("azure", "google", "opentelemetry", "ruamel", "snowflake")
_DYNAMIC = ("importlib.import_module", "__import__")


def missing_requirements(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each import of a package that is neither Python's, nor beside the script, nor required."""
    required = {_canonical(name) for name in contract.framework_requirements}
    optional = set(_optional(facts))
    folders = (facts.script.parent, contract.folder)
    seen = set(_PYTHONS)
    for node in facts.nodes:
        for name in _imported(facts, node) if node not in optional else ():
            if name in seen or any(_is_in(folder, name) for folder in folders):
                continue
            seen.add(name)
            if not _is_required(name, required):
                yield facts.problem(
                    "H601",
                    f"{name} is imported, and framework_requirements lack it",
                    f"add {_PACKAGES.get(name, (name,))[0]} to framework_requirements",
                    node,
                )


def _is_required(name: str, required: set[str]) -> bool:
    if required & {_canonical(one) for one in (name, *_PACKAGES.get(name, ()))}:
        return True
    return name in _SHARED and any(one.startswith(f"{name}-") for one in required)


def _imported(facts: Facts, node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module]
    elif isinstance(node, ast.Call) and node.args and facts.called(node) in _DYNAMIC:
        text = facts.texts.of(node.args[0])
        names = [text.value] if text is not None and text.whole else []
    # A relative name begins with a dot.
    yield from (top for name in names if (top := name.partition(".")[0]))


def _optional(facts: Facts) -> Iterator[ast.AST]:
    """What is imported only if it is there, or never when the script runs."""
    for node in facts.nodes:
        blocks: list[ast.AST] = []
        if isinstance(node, ast.Try):
            without = [one for one in node.handlers if _does_without(facts, one)]
            blocks += node.body if without else []
            tried = {name for one in node.body for name in _imported(facts, one)}
            if tried <= _PYTHONS:
                # What an older Python has in its place.
                blocks += without
        elif isinstance(node, ast.If):
            blocks += node.body if facts.dotted(node.test) == "typing.TYPE_CHECKING" else []
        elif isinstance(node, ast.With):
            blocks += node.body if any(_suppresses(facts, one) for one in node.items) else []
        for block in blocks:
            yield from ast.walk(block)


def _does_without(facts: Facts, handler: ast.ExceptHandler) -> bool:
    """Whether a handler is for a failed import: by its name, or with all else that it swallows."""
    kind = handler.type
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [] if kind is None else [kind]
    names = {facts.dotted(one) for one in kinds}
    if names & {"ImportError", "ModuleNotFoundError"}:
        return True
    broad = kind is None or names & {"Exception", "BaseException"}
    return bool(broad) and not failures.goes_on(facts, handler)


def _suppresses(facts: Facts, item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and facts.called(call) == "contextlib.suppress"


def _is_in(folder: Path, name: str) -> bool:
    try:
        return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
    except OSError:
        # No file system has names as long as Python's may be.
        return False


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~\[;]", name, maxsplit=1)[0]).lower()
