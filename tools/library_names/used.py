"""Finds the names of libraries in our source: imports, chains of attributes, base classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_NOT_OURS = {"work", "build", "dist"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Bindings = dict[str, str | None]


@dataclass(frozen=True, order=True)
class Use:
    """A name of a library, and where the code uses it.

    Attributes:
        name: Dotted, from the library's root, as `tfx.v1.dsl.Pipeline`.
        file: Path below the checkout.
        line: Of the use, from 1.
    """

    name: str
    file: str
    line: int


def find_uses(checkout: Path, libraries: Collection[str]) -> list[Use]:
    """Lists every use of a library's name in the Python files of a checkout.

    Args:
        checkout: Root of the project; hidden folders and outputs below it are passed over.
        libraries: Top-level packages to look for.

    Returns:
        The uses, sorted.
    """
    uses: set[Use] = set()
    for file in sorted(checkout.rglob("*.py")):
        relative = file.relative_to(checkout)
        if not relative.parts[0].startswith(".") and relative.parts[0] not in _NOT_OURS:
            finder = _Finder(str(relative), libraries)
            finder.visit(ast.parse(file.read_text(encoding="utf-8")))
            uses |= finder.uses
    return sorted(uses)


class _Finder(ast.NodeVisitor):
    """Walks one file, with the names that each scope binds, innermost last."""

    def __init__(self, file: str, libraries: Collection[str]):
        self.uses: set[Use] = set()
        self._file = file
        self._libraries = libraries
        roots = "|".join(libraries)
        self._path_like = re.compile(rf"(?:{roots})" + r"(?:\.\w+){2,}")
        self._scopes: list[tuple[ast.AST, Bindings]] = []

    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, (ast.Module, *_SCOPES)):
            super().visit(node)
            return
        self._scopes.append((node, _bindings(node)))
        super().visit(node)
        self._scopes.pop()

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._use(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level:
            for alias in node.names:
                self._use(f"{node.module}.{alias.name}", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self._dotted(node)
        if dotted is None:
            self.generic_visit(node)
        else:
            self._use(dotted, node)

    def visit_Call(self, node: ast.Call) -> None:
        """Takes `getattr(library, "name")` and a test's `patch.setattr(library, "name", value)`."""
        of = node.func
        function = of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")
        by_default = function == "getattr" and len(node.args) > 2
        if function in ("getattr", "setattr") and len(node.args) > 1 and not by_default:
            owner, name = self._dotted(node.args[0]), node.args[1]
            if owner and isinstance(name, ast.Constant) and isinstance(name.value, str):
                self._use(f"{owner}.{name.value}", node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Takes a string that is a dotted name of a library, of three parts or more."""
        if isinstance(node.value, str) and self._path_like.fullmatch(node.value):
            self._use(node.value, node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [self._dotted(base) for base in node.bases]
        if len(bases) == 1 and bases[0] is not None:
            for name, attribute in _inherited(node):
                self._use(f"{bases[0]}.{name}", attribute)
        self.generic_visit(node)

    def _use(self, dotted: str, node: ast.AST) -> None:
        if dotted.partition(".")[0] in self._libraries:
            self.uses.add(Use(dotted, self._file, node.lineno))  # type: ignore[attr-defined]

    def _dotted(self, node: ast.AST) -> str | None:
        """Returns the dotted name of a chain of attributes that starts at an import."""
        if isinstance(node, ast.Attribute):
            owner = self._dotted(node.value)
            return owner and f"{owner}.{node.attr}"
        return self._imported(node.id) if isinstance(node, ast.Name) else None

    def _imported(self, name: str) -> str | None:
        for depth, (scope, bindings) in enumerate(reversed(self._scopes)):
            # What a class binds is not seen by the functions in it.
            if name in bindings and not (depth and isinstance(scope, ast.ClassDef)):
                return bindings[name]
        return None


def _bindings(scope: ast.AST) -> Bindings:
    """Returns what a scope binds: the dotted name of an import, otherwise None."""
    bound: Bindings = {}
    imported: Bindings = {}
    for node in _own_nodes(scope):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound[node.id] = None
        elif isinstance(node, ast.arg):
            bound[node.arg] = None
        elif isinstance(node, _DEFINITIONS) or (isinstance(node, ast.ExceptHandler) and node.name):
            bound[str(node.name)] = None
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                imported[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return bound | imported


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of a scope; of the scopes inside it the defining nodes alone."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, _SCOPES):
            yield from _own_nodes(node)


def _inherited(node: ast.ClassDef) -> Iterator[tuple[str, ast.Attribute]]:
    """Yields what a class takes of its base: `super().name`, and `self.name` that it lacks."""
    attributes = [child for child in ast.walk(node) if isinstance(child, ast.Attribute)]
    own = set(_bindings(node)) | {
        one.attr for one in attributes if isinstance(one.ctx, ast.Store) and _is_self(one.value)
    }
    for one in attributes:
        called = one.value.func if isinstance(one.value, ast.Call) else None
        of_super = isinstance(called, ast.Name) and called.id == "super"
        if of_super or (_is_self(one.value) and one.attr not in own):
            yield one.attr, one


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
