"""What a decoder of a file format has to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from radiographs.errors import UnusableImage

if TYPE_CHECKING:
    from radiographs.formats.dicom.facts import DicomFacts

CheckSides = Callable[[int, int], None]  # of width and height in pixels


@dataclass(frozen=True)
class DecodedFilm:
    """A film as a person would see it: upright, and grey.

    Attributes:
        levels: `[height, width]` uint8 or uint16, larger is brighter. Where `encoded` is given,
            it may be a copy reduced to `REDUCED_SIDE_PX` at the least.
        width_px: Of the upright film.
        height_px: Of the upright film.
        encoded: A grey JPEG or PNG of 8 bits without metadata that holds the very same film, where
            the file was one; None where the film has to be encoded anew.
        facts: What its tags say, of DICOM.
    """

    levels: np.ndarray
    width_px: int
    height_px: int
    encoded: bytes | None
    facts: DicomFacts | None = None


class FilmDecoder(Protocol):
    """Reads one file format."""

    name: str  # what the feature `source_format` says
    start: bytes  # of a file; empty where it is nothing certain

    def recognises(self, data: bytes) -> bool:
        """Tells by its first bytes whether a file is of this format."""
        ...

    def decode(self, data: bytes, check_sides: CheckSides) -> DecodedFilm:
        """Decodes a file.

        Args:
            data: The encoded file.
            check_sides: Called with the sides that the header tells, before any pixel is decoded.

        Returns:
            The film.

        Raises:
            UnusableImage: Saying what is wrong with the file.
        """
        ...


def damaged(how: str) -> UnusableImage:
    """Returns what is said of a file that is not as it was written.

    Args:
        how: What shows the damage.
    """
    return UnusableImage(f"the file is truncated or damaged ({how}); copy it again from its source")


def transparent() -> UnusableImage:
    """Returns what is said of a film that lets through what lies behind it."""
    return UnusableImage("parts of it are transparent; save it without an alpha channel")
