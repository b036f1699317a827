"""Changes that Cosmic Ray lacks and that wiring needs: what is handed over, and what is chosen."""

from __future__ import annotations

from collections.abc import Iterator

import parso
from cosmic_ray.operators.operator import Example, Operator
from parso.tree import BaseNode, NodeOrLeaf

Span = tuple[tuple[int, int], tuple[int, int]]


class InvertMembership(Operator):
    """Replaces `in` by `not in` and the other way round."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Span]:
        """Yields the place of each membership test."""
        for operator in _memberships(node):
            yield operator.start_pos, operator.end_pos

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        """Inverts one of them."""
        operator = list(_memberships(node))[index]
        inverted = "in" if operator.get_code().split() == ["not", "in"] else "not in"
        _replace(node, operator, f" {inverted}")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """As Cosmic Ray asks for."""
        return Example("a in b", "a not in b"), Example("a not in b", "a in b")


class NegateFilter(Operator):
    """Negates the condition of a comprehension."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Span]:
        """Yields the place of a condition."""
        if isinstance(node, BaseNode) and node.type == "comp_if":
            condition = node.children[1]
            yield condition.start_pos, condition.end_pos

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        """Negates it."""
        condition = node.children[1]
        _replace(node, condition, f" not ({condition.get_code().strip()})")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """As Cosmic Ray asks for."""
        return (Example("[a for a in b if c]", "[a for a in b if not (c)]"),)


class DropKeywordArgument(Operator):
    """Leaves an argument out that is handed over by name, so that its default holds."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Span]:
        """Yields the place of each."""
        for argument in _keyword_arguments(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        """Leaves one out."""
        _replace(node, list(_keyword_arguments(node))[index], "**{}")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """As Cosmic Ray asks for."""
        return (Example("f(a, b=1)", "f(a, **{})"),)


OPERATORS = {one.__name__: one for one in (InvertMembership, NegateFilter, DropKeywordArgument)}


def _memberships(node: NodeOrLeaf) -> Iterator[NodeOrLeaf]:
    if isinstance(node, BaseNode) and node.type == "comparison":
        for child in node.children[1::2]:
            if child.get_code().split() in (["in"], ["not", "in"]):
                yield child


def _keyword_arguments(node: NodeOrLeaf) -> Iterator[NodeOrLeaf]:
    if isinstance(node, BaseNode) and node.type in ("arglist", "trailer"):
        for child in node.children:
            if child.type == "argument" and child.children[1] == "=":
                yield child


def _replace(node: BaseNode, child: NodeOrLeaf, code: str) -> None:
    prefix = child.get_first_leaf().prefix
    (new,) = parso.parse("x").children[:1]
    new.value, new.prefix = code.lstrip(), prefix
    node.children[node.children.index(child)] = new
