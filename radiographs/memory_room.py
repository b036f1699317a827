"""Room in memory for films that are decoded at once, so that a few huge ones do not fill it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Lets threads go on together as long as they need no more than there is; one may need more."""

    def __init__(self, size: int):
        """Measures it.

        Args:
            size: In whatever unit is asked for.
        """
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Takes a part while something is done; waits for it where others have taken too much.

        Args:
            size: Of the part; one that is larger than the room is taken when nothing else is.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()
