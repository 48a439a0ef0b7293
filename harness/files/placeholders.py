"""Templates: nested data whose texts hold placeholders such as `$name`.

A text that consists of one placeholder is replaced by the value itself, also by a list or a
mapping; within a longer text, values other than texts are written as JSON. Some names belong to a
group with several members, such as `$channel` to the channels: a mapping entry whose key uses such
a name, or a list item that uses it anywhere, is repeated for each member. A mapping entry whose
value is `LEFT_OUT` is left out. `$$` is a dollar sign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

KeyPath = tuple[str | int, ...]
# The value of a name whose mapping entry is not to be there.
LEFT_OUT: Any = object()


@dataclass(frozen=True)
class Names:
    """The names that a template may use: single names, and groups of names that repeat."""

    single: frozenset[str]
    groups: tuple[frozenset[str], ...]

    def without(self, group: frozenset[str]) -> Names:
        """The names within a repeated part, where those of `group` are single."""
        return Names(self.single | group, tuple(one for one in self.groups if one != group))

    def group_of(self, placeholders: set[str]) -> frozenset[str] | None:
        """The group that one of these placeholders belongs to; None when there is none."""
        return next((group for group in self.groups if group & placeholders), None)


@dataclass(frozen=True)
class Scope:
    """The values of names: `single` ones, and for each group those of its members."""

    single: Mapping[str, Any]
    groups: Mapping[frozenset[str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """The names that have a value in this scope."""
        return Names(frozenset(self.single), tuple(self.groups))

    def members(self, group: frozenset[str]) -> Iterator[Scope]:
        """The scope of each member of a group."""
        others = {one: members for one, members in self.groups.items() if one != group}
        for member in self.groups[group]:
            yield Scope({**self.single, **member}, others)


def fill(template: Any, scope: Scope) -> Any:
    """The template with every placeholder replaced; raises `KeyError` for an unknown name."""
    if isinstance(template, str):
        return _fill_text(template, scope.single)
    if isinstance(template, Mapping):
        filled = (
            (as_text(_fill_text(key, inner.single)), fill(value, inner))
            for key, value in template.items()
            for inner in _scopes_for(key, scope)
        )
        return {key: value for key, value in filled if value is not LEFT_OUT}
    if isinstance(template, list | tuple):
        return [fill(item, inner) for item in template for inner in _scopes_for(item, scope)]
    return template


def find_unknown(template: Any, names: Names, keys: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each use of a name that is unknown or not allowed there: its keys, and what is wrong."""
    if isinstance(template, str):
        for match in Template.pattern.finditer(template):
            name = match["named"] or match["braced"]
            if match["invalid"] is not None:
                yield keys, "a dollar sign that begins no placeholder is written $$"
            elif name and name not in names.single:
                yield keys, f"there is no ${name} here"
    elif isinstance(template, Mapping):
        for key, value in template.items():
            inner = _names_within(key, names)
            yield from find_unknown(key, inner, (*keys, key))
            yield from find_unknown(value, inner, (*keys, key))
    elif isinstance(template, list | tuple):
        for number, item in enumerate(template):
            yield from find_unknown(item, _names_within(item, names), (*keys, number))


def as_text(value: Any) -> str:
    """A value as text: itself when it is a str, else JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _fill_text(text: str, values: Mapping[str, Any]) -> Any:
    if "$" not in text:
        return text
    placeholder = Template.pattern.fullmatch(text)
    if placeholder and (name := placeholder["named"] or placeholder["braced"]):
        return values[name]
    return Template.pattern.sub(lambda match: _substitute(match, values), text)


def _substitute(match: re.Match[str], values: Mapping[str, Any]) -> str:
    name = match["named"] or match["braced"]
    return as_text(values[name]) if name else "$"


def _scopes_for(template: Any, scope: Scope) -> Iterator[Scope]:
    group = scope.names.group_of(set(placeholders_in(template)))
    if group is None:
        yield scope
    else:
        yield from scope.members(group)


def _names_within(template: Any, names: Names) -> Names:
    group = names.group_of(set(placeholders_in(template)))
    return names if group is None else names.without(group)


def placeholders_in(template: Any) -> Iterator[str]:
    """The names of all placeholders of a template."""
    if isinstance(template, str):
        for match in Template.pattern.finditer(template):
            if name := match["named"] or match["braced"]:
                yield name
    elif isinstance(template, Mapping):
        for key, value in template.items():
            yield from (*placeholders_in(key), *placeholders_in(value))
    elif isinstance(template, list | tuple):
        for item in template:
            yield from placeholders_in(item)
