"""What can be wrong with the user's data, as exceptions whose text is for the user."""

from __future__ import annotations

from collections.abc import Mapping


class DataError(ValueError):
    """The data cannot be used; the text is one sentence: what, where, what to do.

    Attributes:
        files: What a user has to see beside the sentence, text by file name. TFX removes
            the output of a component that fails, so it travels with the error.
    """

    def __init__(self, sentence: str, files: Mapping[str, str] | None = None):
        """Remembers what to say and what to keep."""
        super().__init__(sentence)
        self.files = dict(files or {})


class UnusableImage(DataError):
    """A single file is no usable film; it is set aside and the run goes on."""

    def __init__(self, reason: str):
        """Remembers why.

        Args:
            reason: What is wrong with the file and what to do, without its path.
        """
        super().__init__(reason)
        self.reason = reason
