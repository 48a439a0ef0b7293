"""The outputs of a contract: their folders, the files in them, and what these must hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from harness.contracts import schemas
from harness.contracts.paths import AbsolutePath, closed
from harness.contracts.patterns import leads_to, matches

_ROWS = re.compile(r"(?P<low>\d+)(?P<range>\.\.(?P<high>\d+)?)?|same as (?P<input>[^=,]+)")


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("output", "{what}", {"what": what})


def _inside(name: str) -> str:
    if not {".", ".."}.isdisjoint(name.split("/")):
        raise _wrong("should be a path below the output's, without . and ..")
    return closed(name)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise _wrong(f"should be a regular expression: {error}") from None
    return text


def _metric(text: str) -> str:
    try:
        schemas.of_metric(text)
    except ValueError as error:
        raise _wrong(str(error)) from None
    return text


def _schema(value: Any) -> Any:
    try:
        return schemas.checked(value)
    except ValueError as error:
        raise _wrong(str(error)) from None


# A file in an output's folder, by name or glob pattern; `*` stays within a folder, `**` does not.
FilePattern = Annotated[str, Field(pattern=r"^[^/]+(/[^/]+)*$"), AfterValidator(_inside)]
_Volatile = Annotated[str, Field(pattern=r"^[^/#]+(/[^/#]+)*(#.+)?$")]
_Regex = Annotated[str, AfterValidator(_pattern)]
_Metric = Annotated[str, AfterValidator(_metric)]
_SCHEMA_FORM = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "object"}]}


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)


class Golden(_Part):
    """A file that holds what an output file must; `tolerance` is relative, for numbers in it.

    For several output files it is a folder with a file for each.
    """

    file: Annotated[str, Field(min_length=1)]
    """The file beside the contract, or for several output files their folder."""
    tolerance: Annotated[float, Field(ge=0, strict=False)] = 0.0
    """How far numbers may be off, relative to what is expected."""


class Rows(_Part):
    """How many rows a table has: `low` to `high` (None: any number), those of an input.

    `split` is the input whose rows the files of all outputs that say so hold together: each once.
    """

    low: int = 0
    """The least number of rows."""
    high: int | None = None
    """The greatest number of rows."""
    same_as: str = ""
    """The input that has as many."""
    split: str = ""
    """The input whose rows the output's files hold together, each once."""


class Columns(_Part):
    """The columns of a table: those of the input `same_as`, in its order."""

    same_as: str
    """The input that has the same columns, in the same order."""


class Members(_Part):
    """An archive holds every member of the archive in the input `of`, below the folder `at`.

    With `unchanged` their kinds, links, modes and bytes are those of the input too.
    """

    of: str
    """The input with the archive whose members must be there."""
    unchanged: bool = True
    """Whether their kinds, links, modes and bytes must be the same too."""
    at: str = "/"
    """The folder of the archive that they are in."""
    except_: Annotated[tuple[FilePattern, ...], Field(strict=False, alias="except")] = ()
    """Members that may be replaced or left out: names or patterns, such as `code/**`."""


def _golden(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


def _rows(value: Any) -> Any:
    if value is None or isinstance(value, Rows):
        return value
    if isinstance(value, Mapping) and set(value) == {"split"} and isinstance(value["split"], str):
        return Rows(split=value["split"])
    found = _ROWS.fullmatch(str(value)) if isinstance(value, str | int) else None
    if found is None or isinstance(value, bool):
        raise _wrong("should be N, N..M, N.., `same as INPUT` or {split: INPUT}")
    if found["input"]:
        return Rows(same_as=found["input"])
    low = int(found["low"])
    high = found["high"] if found["range"] else found["low"]
    if high is not None and int(high) < low:
        raise _wrong("should not begin above its end")
    return Rows(low=low, high=None if high is None else int(high))


_ROWS_FORM = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^(\d+(\.\.(\d+)?)?|same as [^=,]+)$"},
        {
            "type": "object",
            "properties": {"split": {"type": "string"}},
            "required": ["split"],
            "additionalProperties": False,
        },
    ]
}
_GOLDEN_FORM = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {
                "file": {"type": "string", "minLength": 1},
                "tolerance": {"type": "number", "minimum": 0},
            },
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
}


class FileContent(_Part):
    """What a file must hold when the step succeeds; every key is optional.

    `schema` is a JSON Schema for JSON, inline or in a file beside the contract, or the types of all
    columns of a table: integer, number, string, boolean, date or datetime, with a `?` where a cell
    may be empty. `header` says whether a table has one. `metrics` maps a dotted path or a JSON
    pointer to a number and its bounds, such as `number >= 0`.
    """

    schema_: Annotated[Any, AfterValidator(_schema), WithJsonSchema(_SCHEMA_FORM)] = Field(
        default=None, alias="schema"
    )
    """A JSON Schema, inline or in a file beside the contract; of a table its columns' types."""
    header: bool | None = None
    """Whether a table must have a header; without it `schema` and `columns` ask for one."""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """What delimits the fields of a `.csv` table; with `schema` or `columns` a comma by default."""
    rows: Annotated[Rows | None, BeforeValidator(_rows), WithJsonSchema(_ROWS_FORM)] = None
    """How many rows a table has: `N`, `N..M`, `N..`, `same as INPUT`, or `{split: INPUT}`."""
    columns: Columns | None = None
    """The columns of a table: `{same_as: INPUT}`."""
    contains: Annotated[tuple[_Regex, ...], Field(strict=False)] = ()
    """Regular expressions that must be found in the file."""
    metrics: Mapping[str, _Metric] = {}
    """Numbers in JSON: a dotted path or JSON pointer with bounds, such as `number >= 0`."""
    golden: Annotated[Golden | None, BeforeValidator(_golden), WithJsonSchema(_GOLDEN_FORM)] = None
    """A file beside the contract with what the output must hold; `harness accept` writes it."""
    members: Members | None = None
    """That an archive holds the members of an input's archive."""

    @property
    def demands(self) -> bool:
        """Whether it says anything."""
        return any(getattr(self, name) not in (None, (), {}) for name in FileContent.model_fields)

    @property
    def inputs(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The inputs that are named: the keys of each, and its name."""
        if self.rows is not None and self.rows.same_as:
            yield ("rows",), self.rows.same_as
        if self.rows is not None and self.rows.split:
            yield ("rows", "split"), self.rows.split
        if self.columns is not None:
            yield ("columns", "same_as"), self.columns.same_as
        if self.members is not None:
            yield ("members", "of"), self.members.of

    @property
    def files_beside(self) -> Iterator[tuple[str, str]]:
        """The files beside the contract that are named and must be there: key and path."""
        if isinstance(self.schema_, str):
            yield "schema", self.schema_


class _Files:
    """A list of names and patterns, or a mapping of them to `FileContent`; always the latter."""

    @staticmethod
    def __get_pydantic_core_schema__(
        source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def listed(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if isinstance(value, list | tuple):
                names = _LISTED.validate_python(tuple(value))
                value = dict.fromkeys(names, FileContent())
            elif isinstance(value, Mapping):
                value = {name: {} if one is None else one for name, one in value.items()}
            elif not isinstance(value, Mapping):
                raise _wrong("should be a list of names, or a mapping of names to what they hold")
            return validate(value)

        return core_schema.no_info_wrap_validator_function(listed, handler(source))

    @staticmethod
    def __get_pydantic_json_schema__(
        schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        mapping = {**handler(schema), "additionalProperties": False}
        for name, content in mapping.get("patternProperties", {}).items():
            mapping["patternProperties"][name] = {"anyOf": [content, {"type": "null"}]}
        return {"anyOf": [_LISTED.json_schema(), mapping]}


_LISTED = TypeAdapter(tuple[FilePattern, ...])


class OutputContent(FileContent):
    """What an output holds: the `files` that may be in it, and what these must hold.

    The keys of a file stand here for all of them. `volatile` is what may differ from run to run: a
    file or a pattern, `FILE#/json/pointer`, `FILE#column`, or `FILE#member` of an archive.
    """

    files: Annotated[Mapping[FilePattern, FileContent], _Files] = {}
    """The only files that may be there: a list of names or patterns, or what each must hold."""
    volatile: Annotated[tuple[_Volatile, ...], Field(strict=False)] = ()
    """What may differ from run to run: a file, `FILE#/json/pointer`, `FILE#column`."""
    on_failure: bool = False
    """Whether a failure may leave something there, a report or what was done so far."""

    def at(self, path: str, required: bool = True) -> Output:
        """The output with this content."""
        names = (name for name in OutputContent.model_fields if name != "schema_")
        given = {name: getattr(self, name) for name in names}
        return Output(path=path, required=required, schema=self.schema_, **given)


class Output(OutputContent):
    """An output folder, and the files that the step may write in it (none named: any).

    On success a `required` one holds something; others may stay empty.
    """

    path: AbsolutePath
    """The folder that the step writes to."""
    required: bool = True
    """Whether the folder holds something after success."""
    description: str = ""
    """What the output is, for people."""

    def relative(self, path: str) -> str | None:
        """The path of a file relative to the output's folder; None for what is not below it."""
        folder = self.path.rstrip("/") + "/"
        return path[len(folder) :] if path.startswith(folder) else None

    def names(self, path: str) -> bool:
        """Whether `files` names this absolute path, or matches it."""
        relative = self.relative(path)
        return relative is not None and any(matches(relative, one) for one in self.files)

    def may_write(self, path: str) -> bool:
        """Whether the step may write a file at this absolute path."""
        return self.names(path) or (not self.files and self.relative(path) is not None)

    def may_make(self, folder: str) -> bool:
        """Whether a file that may be written lies below this absolute path."""
        relative = self.relative(folder)
        if relative is None:
            return folder == self.path
        return not self.files or any(leads_to(relative, one) for one in self.files)

    def contents_of(self, path: str) -> Iterator[tuple[FileContent, str]]:
        """What the file at this absolute path must hold, and the pattern that says so.

        The pattern is "" for what stands at the output.
        """
        relative = self.relative(path)
        if relative is None:
            return
        yield self, ""
        for pattern, content in self.files.items():
            if matches(relative, pattern):
                yield content, pattern

    @property
    def contents(self) -> Iterator[tuple[tuple[str, ...], FileContent]]:
        """All that is said of its files: the keys of each, and what stands there."""
        yield (), self
        for pattern, content in self.files.items():
            yield ("files", pattern), content


def files_beside(outputs: Mapping[str, Output], folder: Path) -> dict[str, bytes]:
    """The files beside a contract that it names: schemas and golden files; path → bytes."""
    named = [
        folder / name
        for output in outputs.values()
        for _, content in output.contents
        for name in (content.schema_, content.golden and content.golden.file)
        if isinstance(name, str)
    ]
    files = [one for path in named for one in (path, *path.rglob("*")) if one.is_file()]
    return {os.path.relpath(file, folder): file.read_bytes() for file in sorted(set(files))}


def find_output_errors(
    outputs: Mapping[str, Output], inputs: Mapping[str, object], folder: Path | None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The errors that no single value shows: inputs and files that are not there.

    Yields the keys below `outputs` of each, and what is wrong. `folder` is that of the contract;
    with None files are not looked for.
    """
    for name, output in outputs.items():
        for where, content in output.contents:
            for key, one in content.inputs:
                if one not in inputs:
                    known = ", ".join(inputs) or "none"
                    yield (name, *where, *key), f"{one} is no input; they are: {known}"
            for key_of_file, file in content.files_beside:
                if folder is None:
                    continue
                try:
                    schemas.read(folder / file)
                except (OSError, ValueError) as error:
                    reason = getattr(error, "strerror", None) or error
                    yield (name, *where, key_of_file), f"{file} cannot be used: {reason}"
