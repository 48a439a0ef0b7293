"""Values that are others in each run: the time, and names made by chance."""

from __future__ import annotations

from harness.reading.values import (
    Many,
    Member,
    Result,
    Row,
    Table,
    Text,
    Value,
)

_DEEPEST = 7
_MOST_ITEMS = 50
# They give another value in each run, whatever they are given.
_ALWAYS = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    *("datetime.date.today", "time.time", "time.time_ns", "time.ctime", "time.asctime"),
    *("pandas.Timestamp.now", "pandas.Timestamp.utcnow", "pandas.Timestamp.today"),
    *("uuid.uuid1", "uuid.uuid4", "secrets.token_hex", "secrets.token_urlsafe", "os.urandom"),
    *("pendulum.now", "arrow.now", "arrow.utcnow", "django.utils.timezone.now"),
)
# They give the time where they are given none: the number of arguments that they have else.
_WITHOUT_TIME = {"time.strftime": 1, "time.gmtime": 0, "time.localtime": 0}
# What these make of a value depends on it.
_PASSING = (
    *("builtins.", "json.", "yaml.", "pprint.", "pandas.", "polars.", "pyarrow.", "numpy."),
    *("datetime.", "time.", "uuid.", "?.", "copy.", "changed", "hashlib.", "base64."),
)
_TIMES_IN_WORDS = ("now", "today")


def stamp_in(value: Value, depth: int = 0) -> str | None:
    """The function that makes a value another one in each run; None where nothing is known to."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, Text):
        return _first([one for one in value.parts if not isinstance(one, str)], depth)
    if isinstance(value, Table):
        return _first(list(value.items.values()), depth)
    if isinstance(value, Row):
        return _first(value.items, depth)
    if isinstance(value, Member):
        return stamp_in(value.owner, depth + 1)
    if isinstance(value, Many):
        found = [stamp_in(one, depth + 1) for one in value.options]
        return found[0] if all(found) else None
    if isinstance(value, Result):
        return _of_result(value, depth)
    return None


def stamped(value: Value) -> tuple[str, ...]:
    """The JSON pointers of what `stamp_in` finds in a document; none where its keys are unknown."""
    if isinstance(value, Result) and value.name in ("json.dumps", "json.dump") and value.given:
        return stamped(value.given[0])
    if not isinstance(value, Table):
        return ()
    found: list[str] = []
    for key, item in value.items.items():
        if not stamp_in(item):
            continue
        if not isinstance(key, str):
            return ()
        name = key.replace("~", "~0").replace("/", "~1")
        found += [f"/{name}{below}" for below in stamped(item) or ("",)]
    return tuple(found)


def _first(values: list[Value], depth: int) -> str | None:
    found = (stamp_in(one, depth + 1) for one in values[:_MOST_ITEMS])
    return next((one for one in found if one), None)


def _of_result(value: Result, depth: int) -> str | None:
    name = value.name
    for one in _ALWAYS:
        if name == one or name.startswith(f"{one}."):
            return one
    if name in _WITHOUT_TIME and len(value.given) <= _WITHOUT_TIME[name]:
        return name
    if name in ("pandas.to_datetime", "numpy.datetime64", "pandas.Timestamp") and value.given:
        said = value.given[0]
        return name if isinstance(said, Text) and said.known in _TIMES_IN_WORDS else None
    if name.startswith("?."):
        # A method: what it makes depends on its object first.
        return _first([*value.given, *value.named.values(), *value.held], depth)
    if name.startswith(_PASSING) and name != "builtins.open":
        return _first([*value.given, *value.named.values(), *value.held], depth)
    return _first(value.held, depth)
