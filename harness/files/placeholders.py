"""Data with placeholders, filled: `$name` in a text stands for what a job has under that name.

A text that is nothing but a placeholder becomes the value itself, be it a list or a mapping; in a
longer text a value that is none is written as JSON. What is named after one of several things, as
`$channel` is, makes its place repeat: a mapping's entry whose key names it, or a list's item that
names it anywhere, stands there once for each of them. A dollar sign itself is written `$$`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Names:
    """The names that a template may use: single ones, and groups of those that repeat."""

    single: frozenset[str]
    groups: tuple[frozenset[str], ...]

    def without(self, group: frozenset[str]) -> Names:
        """These names, where `group` no longer repeats since its place has."""
        return Names(self.single | group, tuple(one for one in self.groups if one != group))

    def repeating(self, used: set[str]) -> frozenset[str] | None:
        """The group that one of the names `used` is of."""
        return next((group for group in self.groups if group & used), None)


@dataclass(frozen=True)
class Scope:
    """What the names stand for: `single` values, and for each group its members in turn."""

    single: Mapping[str, Any]
    groups: Mapping[frozenset[str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """The names that have a value here."""
        return Names(frozenset(self.single), tuple(self.groups))

    def members(self, group: frozenset[str]) -> Iterator[Scope]:
        """The scope of each member of a group."""
        others = {one: members for one, members in self.groups.items() if one != group}
        for member in self.groups[group]:
            yield Scope({**self.single, **member}, others)


def filled(template: Any, scope: Scope) -> Any:
    """The template with every placeholder replaced; raises KeyError at an unknown name."""
    if isinstance(template, str):
        return _filled_text(template, scope.single)
    if isinstance(template, Mapping):
        return {
            as_text(_filled_text(key, inner.single)): filled(value, inner)
            for key, value in template.items()
            for inner in _repeated(key, scope)
        }
    if isinstance(template, list | tuple):
        return [filled(item, inner) for item in template for inner in _repeated(item, scope)]
    return template


def unknown(template: Any, names: Names, where: Where = ()) -> Iterator[tuple[Where, str]]:
    """Where a template uses a name that is not there or cannot stand there, and what is wrong."""
    if isinstance(template, str):
        for match in Template.pattern.finditer(template):
            name = match["named"] or match["braced"]
            if match["invalid"] is not None:
                yield where, "a dollar sign that begins no placeholder is written $$"
            elif name and name not in names.single:
                yield where, f"there is no ${name} here"
    elif isinstance(template, Mapping):
        for key, value in template.items():
            inner = _inside(key, names)
            yield from unknown(key, inner, (*where, key))
            yield from unknown(value, inner, (*where, key))
    elif isinstance(template, list | tuple):
        for number, item in enumerate(template):
            yield from unknown(item, _inside(item, names), (*where, number))


def as_text(value: Any) -> str:
    """A value as a text: itself if it is one, else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _filled_text(text: str, values: Mapping[str, Any]) -> Any:
    if "$" not in text:
        return text
    alone = Template.pattern.fullmatch(text)
    if alone and (name := alone["named"] or alone["braced"]):
        return values[name]
    return Template.pattern.sub(lambda match: _stood_for(match, values), text)


def _stood_for(match: re.Match[str], values: Mapping[str, Any]) -> str:
    name = match["named"] or match["braced"]
    return as_text(values[name]) if name else "$"


def _repeated(named: Any, scope: Scope) -> Iterator[Scope]:
    group = scope.names.repeating(set(_used(named)))
    if group is None:
        yield scope
    else:
        yield from scope.members(group)


def _inside(named: Any, names: Names) -> Names:
    group = names.repeating(set(_used(named)))
    return names if group is None else names.without(group)


def _used(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        for match in Template.pattern.finditer(template):
            if name := match["named"] or match["braced"]:
                yield name
    elif isinstance(template, Mapping):
        for key, value in template.items():
            yield from (*_used(key), *_used(value))
    elif isinstance(template, list | tuple):
        for item in template:
            yield from _used(item)
