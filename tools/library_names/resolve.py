"""Tells from unpacked packages, without importing them, whether a dotted name exists.

An import would need the Python, the C library and the rest of the column. What cannot be
told from the source (a module with `__getattr__`, a class with a base of another library)
counts as present, so that an absent name is absent for certain.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard, Union

from tools.library_names import messages


@dataclass(frozen=True)
class _Opaque:
    """Something whose attributes the source does not tell."""


@dataclass(frozen=True)
class _Names:
    """A protobuf message or enum: a tree of names."""

    names: messages.Names


@dataclass(frozen=True)
class _Class:
    module: _Module
    node: ast.ClassDef


_Thing = Union["_Module", _Class, _Names, _Opaque]
_OPAQUE = _Opaque()
_INNER_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_OF_ANY_CLASS = frozenset({*dir(object), *dir(type)})
_Key = tuple[str, str]


class _Module:
    """A module or package; a package without `__init__.py` is one with an empty file."""

    def __init__(self, name: str, file: Path):
        self.name = name
        self.is_package = file.is_dir()
        self.source = file / "__init__.py" if self.is_package else file

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source."""
        text = self.source.read_text(encoding="utf-8") if self.source.is_file() else ""
        return ast.parse(text)

    @cached_property
    def bindings(self) -> dict[str, ast.AST]:
        """What the module's own statements bind, the last one of each name."""
        return dict(_bound(self.tree))

    @cached_property
    def messages(self) -> messages.Names:
        """What protobuf binds when a generated module is loaded."""
        generated = self.source.stem.endswith("_pb2")
        return messages.read_names(self.tree) if generated else {}

    @cached_property
    def stars(self) -> list[str]:
        """Modules of which everything is imported, the last first."""
        found = (
            absolute(node, self.name, self.is_package)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        )
        return list(found)[::-1]

    @cached_property
    def exported(self) -> set[str] | None:
        """The literal `__all__`, or None without one."""
        value = getattr(self.bindings.get("__all__"), "value", None)
        if not isinstance(value, (ast.List, ast.Tuple)):
            return None
        return {str(one.value) for one in value.elts if isinstance(one, ast.Constant)}


class Packages:
    """A folder of unpacked packages."""

    def __init__(self, folder: Path):
        """Names the folder; nothing is read before it is asked for."""
        self._folder = folder
        self._modules: dict[str, _Module | None] = {}

    def have(self, dotted: str) -> bool:
        """Tells whether a name can be imported, or reached from an import by attributes.

        Args:
            dotted: From the top-level package on. Of a package that is not in the folder
                every name counts as present.
        """
        return self._find(dotted, frozenset()) is not None

    def _find(self, dotted: str, seen: frozenset[_Key]) -> _Thing | None:
        root, *rest = dotted.split(".")
        thing: _Thing | None = self._module(root) or _OPAQUE
        for name in rest:
            thing = self._member(thing, name, seen) if thing else None
        return thing

    def _member(self, owner: _Thing, name: str, seen: frozenset[_Key]) -> _Thing | None:
        if isinstance(owner, _Module):
            return self._of_module(owner, name, seen)
        if isinstance(owner, _Class):
            return self._of_class(owner, name, seen)
        if isinstance(owner, _Names):
            return _Names(owner.names[name]) if name in owner.names else None
        return _OPAQUE

    def _of_module(self, module: _Module, name: str, seen: frozenset[_Key]) -> _Thing | None:
        key = (module.name, name)
        if key not in seen:
            seen |= {key}
            if name in module.bindings:
                return self._bound_to(module, module.bindings[name], name, seen)
            if name in module.messages:
                return _Names(module.messages[name])
        submodule = self._module(f"{module.name}.{name}") if module.is_package else None
        if submodule or "__getattr__" in module.bindings:
            return submodule or _OPAQUE
        if name in ("__name__", "__file__", "__doc__", "__path__"):
            return _OPAQUE
        return self._of_stars(module, name, seen)

    def _of_stars(self, module: _Module, name: str, seen: frozenset[_Key]) -> _Thing | None:
        for star in module.stars:
            key = (star, f"* {name}")
            if key in seen:
                continue
            source = self._find(star, seen)
            if isinstance(source, _Opaque):
                return _OPAQUE
            if isinstance(source, _Module) and _lets_out(source, name):
                thing = self._of_module(source, name, seen | {key})
                if thing:
                    return thing
        return None

    def _bound_to(
        self, module: _Module, node: ast.AST, name: str, seen: frozenset[_Key]
    ) -> _Thing | None:
        if isinstance(node, ast.ClassDef):
            return _Class(module, node)
        if isinstance(node, ast.ImportFrom):
            original = next(a.name for a in node.names if name in (a.asname, a.name))
            return self._find(f"{absolute(node, module.name, module.is_package)}.{original}", seen)
        if isinstance(node, ast.Import):
            alias = next(a for a in node.names if name in (a.asname, a.name.partition(".")[0]))
            return self._find(alias.name if alias.asname else name, seen)
        if isinstance(node, ast.Assign):
            return self._value(module, node.value, seen) or _OPAQUE
        return _OPAQUE

    def _value(self, module: _Module, node: ast.AST, seen: frozenset[_Key]) -> _Thing | None:
        """Follows a name, or a chain of attributes, in a module."""
        if isinstance(node, ast.Name):
            return self._of_module(module, node.id, seen)
        if isinstance(node, ast.Attribute):
            owner = self._value(module, node.value, seen)
            return self._member(owner, node.attr, seen) if owner else None
        return _OPAQUE

    def _of_class(self, owner: _Class, name: str, seen: frozenset[_Key]) -> _Thing | None:
        members = dict(_bound(owner.node)) | dict(_set_on_self(owner.node))
        if name in members:
            node = members[name]
            return _Class(owner.module, node) if isinstance(node, ast.ClassDef) else _OPAQUE
        if name in _OF_ANY_CLASS or "__getattr__" in members or _has_metaclass(owner.node):
            return _OPAQUE
        key = (f"{owner.module.name}:{owner.node.name}:{owner.node.lineno}", name)
        if key in seen:
            return None
        seen |= {key}
        for base in owner.node.bases:
            if isinstance(base, ast.Name) and base.id == "object":
                continue
            found = self._member(self._value(owner.module, base, seen) or _OPAQUE, name, seen)
            if found:
                return found
        return None

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            self._modules[name] = self._open(name)
        return self._modules[name]

    def _open(self, name: str) -> _Module | None:
        path = self._folder.joinpath(*name.split("."))
        if path.is_dir():
            return _Module(name, path)
        file = path.with_name(f"{path.name}.py")
        compiled = path.parent.is_dir() and any(path.parent.glob(f"{path.name}.*so"))
        return _Module(name, file) if file.is_file() or compiled else None


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """Returns the module that a `from` statement in another one names."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if is_package else module.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def _lets_out(module: _Module, name: str) -> bool:
    if module.exported is not None:
        return name in module.exported
    return not name.startswith("_")


def _bound(scope: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yields each name that the statements of a module or class body bind, and by what."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                plain = isinstance(node, ast.Import) and not alias.asname
                name = alias.name.partition(".")[0] if plain else alias.name
                yield alias.asname or name, node
        elif isinstance(node, ast.Assign):
            for one in (one for target in node.targets for one in ast.walk(target)):
                if _is_stored(one):
                    yield one.id, node
        elif _is_stored(node):
            yield node.id, node
        elif not isinstance(node, _INNER_SCOPES):
            yield from _bound(node)


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _has_metaclass(node: ast.ClassDef) -> bool:
    """Tells whether a metaclass may add attributes; that of abstract classes adds none."""
    of = [getattr(one.value, "attr", getattr(one.value, "id", "")) for one in node.keywords]
    return any(name != "ABCMeta" for name in of)


def _set_on_self(node: ast.ClassDef) -> Iterator[tuple[str, ast.AST]]:
    """Yields the attributes that a class's methods give to its instances."""
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store):
            yield one.attr, one
