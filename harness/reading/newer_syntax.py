"""Writes syntax of newer versions of Python as older ones know it, with every line in its place."""

from __future__ import annotations

import sys

import libcst


def in_older_syntax(source: str) -> str | None:
    """The same program for older versions; None when no version takes it.

    `type X = Y` becomes an assignment, parameters of types go, and an f-string that holds its own
    quotes is written with three.
    """
    try:
        module = libcst.parse_module(source)
        return module.visit(_Older()).code
    except (libcst.ParserSyntaxError, libcst.CSTValidationError, RecursionError):
        return None


class _Older(libcst.CSTTransformer):
    """Takes newer syntax out."""

    def leave_TypeAlias(
        self, original_node: libcst.TypeAlias, updated_node: libcst.TypeAlias
    ) -> libcst.BaseSmallStatement:
        """`type X = Y` is `X = Y`."""
        target = libcst.AssignTarget(updated_node.name)
        return libcst.Assign((target,), libcst.Name("object"), updated_node.semicolon)

    def leave_FunctionDef(
        self, original_node: libcst.FunctionDef, updated_node: libcst.FunctionDef
    ) -> libcst.FunctionDef:
        """`def f[T](x: T)` is `def f(x: T)`."""
        return updated_node.with_changes(type_parameters=None)

    def leave_ClassDef(
        self, original_node: libcst.ClassDef, updated_node: libcst.ClassDef
    ) -> libcst.ClassDef:
        """`class C[T]` is `class C`."""
        return updated_node.with_changes(type_parameters=None)

    def leave_FormattedString(
        self, original_node: libcst.FormattedString, updated_node: libcst.FormattedString
    ) -> libcst.FormattedString:
        """`f"{x["a"]}"` has three quotes."""
        quote = updated_node.end
        inner = "".join(
            libcst.Module([]).code_for_node(one)
            for one in updated_node.parts
            if isinstance(one, libcst.FormattedStringExpression)
        )
        if len(quote) == 1 and quote in inner and quote * 3 not in inner:
            start = updated_node.start.replace(quote, quote * 3)
            updated_node = updated_node.with_changes(start=start, end=quote * 3)
        if "\\" in inner:
            # What stands in such a part is not looked at.
            parts = [
                one.with_changes(expression=libcst.Name("object"))
                if isinstance(one, libcst.FormattedStringExpression)
                else one
                for one in updated_node.parts
            ]
            updated_node = updated_node.with_changes(parts=parts)
        return updated_node


if __name__ == "__main__":
    older = in_older_syntax(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    if older is None:
        sys.exit(1)
    sys.stdout.buffer.write(older.encode("utf-8", "surrogatepass"))
