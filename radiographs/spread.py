"""Who looks into many files: this process, or the workers of an engine.

A plan goes by what is in the files, which may be a terabyte on another machine. What it asks of
them is a function of some of them; where that runs is for the caller to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)

_AT_ONCE = 64  # items, to bound the memory
_ITEMS_PER_MESSAGE = 1000


class Spread(Protocol):
    """Does work on items, wherever that is."""

    def __call__(
        self, work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], what: str
    ) -> list[Result]:
        """Hands out the items.

        Args:
            work: Takes some of the items, and gives a result for each in their order; it can be
                pickled, and uses threads where these help.
            items: They can be pickled as well.
            what: Is done to them, to tell how far it has come, such as `films measured`.

        Returns:
            A result for each item, in their order.
        """
        ...


def here(
    work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], what: str
) -> list[Result]:
    """Does all work in this process, as `Spread` says."""
    results: list[Result] = []
    for some in chunks(items, _AT_ONCE):
        results += work(some)
        tell_progress(what, len(results), len(some), len(items))
    return results


def chunks(items: Iterable[Item], at_once: int) -> Iterator[tuple[Item, ...]]:
    """Yields items in groups of so many; the last one may be smaller."""
    left = iter(items)
    while chunk := tuple(islice(left, at_once)):
        yield chunk


def tell_progress(what: str, done: int, last: int, of_all: int) -> None:
    """Says how far work has come, now and then.

    Args:
        what: Is done.
        done: Items so far.
        last: How many of them since it was last called.
        of_all: Items.
    """
    if done // _ITEMS_PER_MESSAGE > (done - last) // _ITEMS_PER_MESSAGE:
        _LOG.info("%s of %s %s", f"{done:,}", f"{of_all:,}", what)
