"""The changes that are tried: one at each place of a module."""

from __future__ import annotations

import ast
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tools.mutants.operators import OPERATORS

_Place = tuple[tuple[int, int], tuple[int, int]]

# Changes that no test can be asked to notice: equal constants are mostly identical, and what
# freezes a dataclass or checks lengths guards against code that is not there. Indentation and
# progress are only looked at.
_IDENTITY = re.compile(r"_(Eq_Is|NotEq_IsNot|Is_Eq|IsNot_NotEq)$")
_GUARDS = {"frozen", "strict"}
_LOOKS = {"indent", "verbose", "encoding", "lineterminator"}


@dataclass(frozen=True)
class Mutation:
    """A changed module.

    Attributes:
        line: Where it was changed, from 1.
        operator: What Cosmic Ray calls the change.
        before: The line as it is.
        after: The line as it was tried.
        source: The whole module, changed.
    """

    line: int
    operator: str
    before: str
    after: str
    source: str


def mutations(source: str, seed: int) -> Iterator[Mutation]:
    """Yields one change for each place that Cosmic Ray or `OPERATORS` can change.

    An operator can be replaced by a dozen others at the same place; one of them is drawn.
    Left out is what changes annotations alone, `==` for `is`, the flags `frozen` and `strict`, and
    arguments that change the look of something.

    Args:
        source: The module.
        seed: Of the draws.

    Yields:
        Changed modules, in the order of the places.
    """
    draw = random.Random(seed)
    meaning = _meaning(source)
    for _, candidates in sorted(_by_place(source).items()):
        draw.shuffle(candidates)
        for name, occurrence in candidates:
            changed = _changed(source, name, occurrence)
            if changed is not None and _meaning(changed) not in (meaning, None):
                yield _described(source, changed, name)
                break


def _operator(name: str) -> Any:
    return OPERATORS.get(name) or get_operator(name)


def _changed(source: str, name: str, occurrence: int) -> str | None:
    try:
        return mutate_code(source, _operator(name)(), occurrence)
    except AttributeError:  # Cosmic Ray stumbles over a dotted exception in a tuple of them
        return None


def _by_place(source: str) -> dict[_Place, list[tuple[str, int]]]:
    """Returns the changes (operator, occurrence) that are possible at each place."""
    found: dict[_Place, list[tuple[str, int]]] = defaultdict(list)
    tree = get_ast(source)
    for name in sorted([*operator_names(), *OPERATORS]):
        operator = _operator(name)
        if operator.arguments() or _IDENTITY.search(name):
            continue  # the former replace names by others, and have to be told which
        nodes = ast_nodes(tree)
        places = (place for node in nodes for place in operator().mutation_positions(node))
        for occurrence, place in enumerate(places):
            found[place].append((name, occurrence))
    return found


def _meaning(source: str) -> str | None:
    """Returns what a module does, without annotations, guards and looks; None if no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.Call):
            node.keywords = [word for word in node.keywords if not _is_left_out(word)]
    return ast.dump(tree)


def _is_left_out(word: ast.keyword) -> bool:
    nothing = word.arg is None and isinstance(word.value, ast.Dict) and not word.value.keys
    return nothing or word.arg in _GUARDS | _LOOKS


def _described(source: str, changed: str, operator: str) -> Mutation:
    before, after = source.splitlines(), changed.splitlines()
    number = next(
        (at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
        min(len(before), len(after)) - 1,
    )
    short = operator.rpartition("/")[2]
    return Mutation(number + 1, short, before[number].strip(), after[number].strip(), changed)
