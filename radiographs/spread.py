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

# Is told what is done to how many items; returns what is told each time that so many more are.
Tell = Callable[[str, int], Callable[[int], None]]

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


def log_progress(what: str, items: int) -> Callable[[int], None]:
    """Says in the log, now and then, how far work has come, as `Tell` says."""
    done = 0

    def advance(some: int) -> None:
        nonlocal done
        before, done = done, done + some
        if done // _ITEMS_PER_MESSAGE > before // _ITEMS_PER_MESSAGE:
            _LOG.info("%s of %s %s", f"{done:,}", f"{items:,}", what)

    return advance


def in_this_process(tell: Tell = log_progress) -> Spread:
    """Returns what does all work in this process.

    Args:
        tell: Is told how far it has come.
    """

    def spread(
        work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], what: str
    ) -> list[Result]:
        results: list[Result] = []
        if not items:
            return results
        advance = tell(what, len(items))
        for some in chunks(items, _AT_ONCE):
            results += work(some)
            advance(len(some))
        return results

    return spread


def chunks(items: Iterable[Item], at_once: int) -> Iterator[tuple[Item, ...]]:
    """Yields items in groups of so many; the last one may be smaller."""
    left = iter(items)
    while chunk := tuple(islice(left, at_once)):
        yield chunk


here = in_this_process()
