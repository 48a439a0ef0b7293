"""The keys of an input that holds settings: each is left out, and has another value.

Settings are a JSON or YAML object of few keys, whose values are no objects. What the script does
without a key is not said by the contract: it fails and names the key, or has a default for it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.cases.expectation import Expectation, Matches
from harness.cases.other_values import other_number
from harness.cases.parts import Files

# With more keys it is data.
_MOST_KEYS = 12
_NOT_IN_IDS = re.compile(r"[=,\s]")
_YAML = (".yaml", ".yml")


def changed_settings(files: Files) -> Iterator[tuple[str, str, bytes, Expectation]]:
    """Each change of a key: the word for it, the file's name and new content, and what is expected.

    Of several files of one kind the first is changed.
    """
    tried: set[str] = set()
    for name, data in files.items():
        kind = PurePosixPath(name).suffix
        if kind in tried or (settings := _settings(name, data)) is None:
            continue
        tried.add(kind)
        write = _as_yaml if kind in _YAML else _as_json
        for number, (key, value) in enumerate(settings.items(), 1):
            word = f"key-{number}" if _NOT_IN_IDS.search(key) else key
            rest = {other: one for other, one in settings.items() if other != key}
            yield f"without-{word}", name, write(rest), _without(key, name)
            if (other := _other(value)) is not None:
                changed = {**settings, key: other}
                yield f"other-{word}", name, write(changed), _with_other(key, settings)


def _settings(name: str, data: bytes) -> Mapping[str, Any] | None:
    """The settings in a file; None where it holds something else."""
    try:
        if name.endswith(".json"):
            value = json.loads(data)
        elif name.endswith(_YAML):
            value = YAML(typ="safe").load(data)
        else:
            return None
    except (ValueError, RecursionError, YAMLError):
        return None
    if not isinstance(value, dict) or not 1 < len(value) <= _MOST_KEYS:
        return None
    is_flat = all(isinstance(key, str) and _is_flat(one) for key, one in value.items())
    return value if is_flat else None


def _is_flat(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(one, dict | list) for one in parts)


def _other(value: Any) -> Any:
    """The opposite of true or false, and a number near a number; None for other values."""
    if isinstance(value, bool):
        return not value
    return other_number(value) if isinstance(value, int | float) else None


def _without(key: str, name: str) -> Expectation:
    named = Matches(
        "missing-part", rf"(?<!\w){re.escape(key)}(?!\w)", f"names the key {key!r} of {name}"
    )
    success = Expectation(explained=False, lacks=("key",))
    return Expectation(None, error=(named,), explained=False, lacks=("key",), otherwise=success)


def _with_other(key: str, settings: Mapping[str, Any]) -> Expectation:
    """A success that it changes, if the script reads such keys; it may be no value for this key."""
    refusal = Expectation(None, explained=False, lacks=("key",), own_value=True)
    return Expectation(
        explained=False,
        varies=key,
        own_value=True,
        settings=tuple(settings),
        otherwise=refusal,
    )


def _as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode()


def _as_yaml(value: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    YAML(typ="safe").dump(dict(value), stream)
    return stream.getvalue()
