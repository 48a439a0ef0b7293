"""Classes of the script, and their objects."""

from __future__ import annotations

import ast

from harness.reading.endings import Endings
from harness.reading.values import (
    UNKNOWN,
    Class,
    External,
    Function,
    Instance,
    Result,
    Scope,
    Value,
)


class Classes(Endings):
    """Defines classes, and makes their objects."""

    def _instance(
        self,
        kind: Class,
        given: list[Value],
        named: dict[str, Value],
        node: ast.AST,
        loose: bool,
    ) -> Value:
        made = Instance(kind)
        start = kind.find("__init__")
        if isinstance(start, Function):
            self.loose = loose
            self.call(start, [made, *given], named, node)
            return made
        if kind.fields:
            for name, value in zip(kind.fields, given, strict=False):
                made.attributes[name] = value
            made.attributes.update(named)
            for name in kind.fields:
                if name not in made.attributes:
                    made.attributes[name] = self._field_default(kind.find(name), node)
            after = kind.find("__post_init__")
            if isinstance(after, Function):
                self.call(after, [made], {}, node)
            return made
        if given and self._is_enumeration(kind):
            return UNKNOWN
        self.hand_over(given, named, node)
        return made

    def _is_enumeration(self, kind: Class) -> bool:
        return any(isinstance(one, External) and "enum" in one.name for one in kind.bases)

    def _field_default(self, default: Value | None, node: ast.AST) -> Value:
        if isinstance(default, Result):
            if "default" in default.named:
                return default.named["default"]
            factory = default.named.get("default_factory")
            if factory is not None:
                return self.call(factory, [], {}, node)
            return UNKNOWN
        return UNKNOWN if default is None else default

    def define_class(self, node: ast.ClassDef) -> Class:
        """A class of the script."""
        bases = tuple(self.evaluate(one) for one in node.bases)
        made = Class(node, self.module, Scope(outer=self.scope), bases)
        outer, self.scope = self.scope, made.scope
        self.open_classes.append(made)
        self.block(node.body)
        self.open_classes.pop()
        self.scope = outer
        # Functions in a class do not see its names.
        for value in made.scope.names.values():
            if isinstance(value, Function) and value.scope is made.scope:
                value.scope = outer
                value.owner = made
        decorators = [self.evaluate(one) for one in node.decorator_list]
        names = {one.name for one in (*bases, *decorators) if isinstance(one, External)}
        names |= {one.name for one in decorators if isinstance(one, Result)}
        own = [
            part.target.id
            for part in node.body
            if isinstance(part, ast.AnnAssign)
            and isinstance(part.target, ast.Name)
            and "ClassVar" not in ast.unparse(part.annotation)
        ]
        inherited = [one for base in bases if isinstance(base, Class) for one in base.fields]
        last = {name.rpartition(".")[2] for name in names}
        has_fields = last & {"dataclass", "NamedTuple", "BaseModel", "BaseSettings", "define"}
        if has_fields or "attr.s" in names or inherited:
            made.fields = tuple(dict.fromkeys((*inherited, *own)))
        self.classes.append(made)
        if self._is_settings(made):
            self.settings_fields(made)
        return made

    def _is_settings(self, kind: Class) -> bool:
        return any(
            one.name.endswith("BaseSettings")
            if isinstance(one, External)
            else isinstance(one, Class) and self._is_settings(one)
            for one in kind.bases
        )
