"""What of a case each axis of a derived suite reaches.

The edits of such an axis are data, so that it is known which paths and variables they change. What
any other axis reaches is not known: it may be everything.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.cases.case import Case
from harness.cases.edits import Mounted, Variable
from harness.cases.following import BENEATH
from harness.cases.matrix import Axis, as_it_is
from harness.cases.observed import Query
from harness.files.placeholders import placeholders_in
from harness.worlds.tree import is_under, parents

# The placeholders whose values depend on the channels of a job; those in the second, on the one
# whose name is filled in.
_ALL_CHANNELS = frozenset(("channels", "sorted_channels"))
_ONE_CHANNEL = re.compile(r"channel|CHANNEL|channel_folder|content_type|distribution|input_mode")
_ENVIRONMENT = "environment"


@dataclass(frozen=True)
class _Reached:
    """The paths, channels and variables that the edits of one axis change."""

    paths: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reach:
    """Which axes of a suite, that has this start case, each part of a case depends on.

    All are asked for by name, and given in the order of the axes.
    """

    start: Case
    axes: Sequence[Axis]
    _found: dict[object, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def _reached(self) -> Mapping[str, _Reached]:
        known = {one.name: _reached(one, self.start) for one in self.axes}
        return {name: one for name, one in known.items() if one is not None}

    @cached_property
    def everything(self) -> tuple[str, ...]:
        """All axes."""
        return tuple(one.name for one in self.axes)

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """The axes that may reach everything."""
        return tuple(one.name for one in self.axes if one.name not in self._reached)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The axes that the case's own variables depend on."""
        return self._where(lambda one: bool(one.variables))

    @cached_property
    def request(self) -> tuple[str, ...]:
        """The axes that the parameters of the job depend on."""
        return self._where(lambda one: bool(one.variables or one.channels))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The axes that the tree depends on."""
        return self._together(self.request, self._where(lambda one: bool(one.paths)))

    def at(self, path: str) -> tuple[str, ...]:
        """The axes that what is at a path depends on."""
        return self._kept(("at", path), lambda: self._of(lambda one: one == path))

    def below(self, *folders: str) -> tuple[str, ...]:
        """The axes that all that is in these folders, or is one of them, depends on."""
        return self._kept(
            ("below", folders),
            lambda: self._of(lambda one: any(is_under(one, folder) for folder in folders)),
        )

    def variable(self, name: str) -> tuple[str, ...]:
        """The axes that an environment variable depends on."""
        return self._kept(("variable", name), lambda: self._of_variables(lambda one: one == name))

    def variables_like(self, name: re.Pattern[str]) -> tuple[str, ...]:
        """The axes that the variables depend on in whose names the pattern occurs."""
        key = ("variables", name.pattern)
        return self._kept(key, lambda: self._of_variables(lambda one: bool(name.search(one))))

    def beginning(self) -> tuple[str, ...]:
        """The axes that all that a run sees before it looks at anything depends on."""
        entries = self.start.tree.entries
        links = {path for path, one in entries.items() if one.kind == "symlink"}
        in_links = self._of(lambda one: posixpath.dirname(one) in links)
        script = self.at(self.start.script)
        return self._together(self.unknown, in_links, script, self.variables_like(BENEATH))

    def asked_by(self, query: Query) -> tuple[str, ...]:
        """The axes that the answer to a question of a run depends on."""
        kind, name = query
        if kind in ("stat", "read"):
            return self.at(name)
        if kind == "lookup":
            way = {name, *parents(name)}
            return self._kept(query, lambda: self._of(lambda one: one in way))
        if kind == "list":
            return self._kept(query, lambda: self._of(lambda one: posixpath.dirname(one) == name))
        if kind == "tree":
            return self.below(name)
        if kind == "variable":
            return self.variable(name)
        return self._together(self.variables, self.request)

    def _kept(self, key: object, find: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        if key not in self._found:
            self._found[key] = find()
        return self._found[key]

    def _where(self, is_reached: Callable[[_Reached], bool]) -> tuple[str, ...]:
        return tuple(name for name, one in self._reached.items() if is_reached(one))

    def _together(self, *some: Sequence[str]) -> tuple[str, ...]:
        found = {name for one in some for name in one}
        return tuple(one.name for one in self.axes if one.name in found)

    def _of(self, is_meant: Callable[[str], bool]) -> tuple[str, ...]:
        """The axes that reach some of the paths that are meant."""
        found = self._where(lambda one: any(map(is_meant, one.paths)))
        job = self.start.tree.job
        made = {} if job is None else {**job.files, **job.config}
        used = {
            name for path, one in made.items() if is_meant(path) for name in placeholders_in(one)
        }
        return self._together(found, *self._of_placeholders(used))

    def _of_variables(self, is_meant: Callable[[str], bool]) -> tuple[str, ...]:
        found = self._where(lambda one: any(map(is_meant, one.variables)))
        return self._together(found, *self._of_jobs_variables(is_meant))

    def _of_jobs_variables(self, is_meant: Callable[[str], bool]) -> Iterator[Sequence[str]]:
        """The axes that the variables depend on that the type of job makes of its parameters."""
        job = self.start.tree.job
        for key, value in {} if job is None else job.environment.items():
            used = {*placeholders_in(key), *placeholders_in(value)}
            if not any(map(_ONE_CHANNEL.fullmatch, placeholders_in(key))):
                # Of a hyperparameter's name it is not looked at which one is meant.
                if is_meant(key) or any(True for _ in placeholders_in(key)):
                    yield from self._of_placeholders(used)
                continue
            for name, one in self._reached.items():
                for channel in one.channels:
                    filled = re.sub(
                        r"\$\{?(channel|CHANNEL)\}?",
                        lambda at, channel=channel: (  # type: ignore[misc]
                            channel if at[1] == "channel" else channel.upper()
                        ),
                        key,
                    )
                    if "$" in filled or is_meant(filled):
                        yield (name,)
                        yield from self._of_placeholders(
                            {one for one in used if not _ONE_CHANNEL.fullmatch(one)}
                        )

    def _of_placeholders(self, used: set[str]) -> Iterator[Sequence[str]]:
        if used & _ALL_CHANNELS or any(map(_ONE_CHANNEL.fullmatch, used)):
            yield self._where(lambda one: bool(one.channels))
        if _ENVIRONMENT in used:
            yield self.variables


def _reached(axis: Axis, start: Case) -> _Reached | None:
    """What an axis reaches; None when that is not known."""
    paths: set[str] = set()
    channels: set[str] = set()
    variables: set[str] = set()
    for edit in (*axis.choices.values(), *axis.alone.values(), *axis.beside.values()):
        if edit is as_it_is:
            continue
        if isinstance(edit, Variable):
            variables.add(edit.name)
        elif isinstance(edit, Mounted):
            folder = posixpath.normpath(edit.folder)
            files = {posixpath.normpath(posixpath.join(folder, one)) for one in edit.files}
            # A folder that is there is left as it is.
            made = {folder, *(up for one in (folder, *files) for up in parents(one))}
            paths |= files | {one for one in made if one not in start.tree.entries}
            channels |= {edit.channel} if edit.channel is not None else set()
        else:
            return None
    return _Reached(frozenset(paths), frozenset(channels), frozenset(variables))
