"""What can be wrong with the user's data, as exceptions whose text is for the user."""

from __future__ import annotations


class DataError(ValueError):
    """The data cannot be used; the text is one sentence: what, where, what to do."""


class UnusableImage(DataError):
    """A single file is no usable film; it is set aside and the run goes on."""

    def __init__(self, reason: str):
        """Remembers why.

        Args:
            reason: What is wrong with the file and what to do, without its path.
        """
        super().__init__(reason)
        self.reason = reason
