"""JPEG: which files hold a film, and what of them is kept (ITU-T T.81, annex B).

libjpeg-turbo decodes, by way of simplejpeg, which takes a warning for the damage that it is.
Metadata is read for the orientation and left out of what is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import simplejpeg

from radiographs.errors import UnusableImage
from radiographs.formats.decoder import CheckSides, DecodedFilm, damaged
from radiographs.formats.orientation import TRANSPOSED, UPRIGHT, orientation_of, upright

REDUCED_SIDE_PX = 256  # a film that is kept as it is need not be decoded any larger

_START = b"\xff\xd8\xff"
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_KEPT_APPLICATION = (0xE0, 0xEE)  # JFIF, and Adobe's, which says what the components are
_FILL = re.compile(rb"\xff*")
_EXIF_SEGMENT, _EXIF = 0xE1, b"Exif\0\0"
_STUFFED, _PADDING, _RESTARTS = 0x00, 0xFF, (0xD0, 0xD7)  # do not end a scan

_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
_UNREAD_FRAMES = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG"),
    0xF7: "a JPEG-LS",
}
_BITS = 8
# A progressive film has a dozen scans, each of which may cost as much as all pixels; thousands of
# them in a few kilobytes are a trap.
_MOST_SCANS, _MOST_SEGMENTS = 100, 10_000


@dataclass(frozen=True)
class _Segment:
    marker: int
    content: bytes  # after the length; of a scan its header alone
    whole: bytes  # as in the file; of a scan with its data


class JpegDecoder:
    """Baseline, progressive and arithmetic-coded JPEG of 8 bits, grey or colour."""

    name = "JPEG"
    start = _START

    def recognises(self, data: bytes) -> bool:
        """Tells by the first marker."""
        return data.startswith(self.start)

    def decode(self, data: bytes, check_sides: CheckSides) -> DecodedFilm:
        """Decodes the luminance; a grey upright film is kept without its metadata."""
        segments = _segments(data)
        _check_frame(segments)
        picture = _without_metadata(segments)
        orientation = _orientation(segments)
        try:
            height_px, width_px, _, colours = simplejpeg.decode_jpeg_header(picture)
            if orientation in TRANSPOSED:
                height_px, width_px = width_px, height_px
            check_sides(width_px, height_px)
            keep = colours == "Gray" and orientation == UPRIGHT
            levels = _decode(picture, REDUCED_SIDE_PX if keep else 0)
        except ValueError as error:
            if isinstance(error, UnusableImage):
                raise
            raise damaged(str(error)) from None
        return DecodedFilm(
            upright(levels, orientation), width_px, height_px, picture if keep else None
        )


def decode_grey_jpeg(data: bytes, least_side_px: int) -> np.ndarray:
    """Decodes a grey JPEG that `JpegDecoder` has kept.

    Args:
        data: The file.
        least_side_px: Both sides may be reduced as far as that; 0 for the full size.

    Returns:
        `[height, width]` uint8.
    """
    return _decode(data, least_side_px)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Returns width and height of a JPEG that `JpegDecoder` has kept, in pixels."""
    height_px, width_px, _, _ = simplejpeg.decode_jpeg_header(data)
    return width_px, height_px


def _decode(data: bytes, least_side_px: int) -> np.ndarray:
    levels = simplejpeg.decode_jpeg(
        data, "GRAY", min_height=least_side_px, min_width=least_side_px, min_factor=2
    )
    return levels[..., 0]


def _segments(data: bytes) -> list[_Segment]:
    """Cuts a file into its segments, from the first one to the end marker."""
    segments: list[_Segment] = []
    markers = _markers(data)
    place, scans = len(_START) - 1, 0
    while True:
        filled = _FILL.match(data, place)
        place = max(place, filled.end() - 1 if filled else 0)  # markers may be padded
        if data[place : place + 1] != b"\xff" or place + 2 > len(data):
            raise damaged("a segment does not end where it says")
        marker = data[place + 1]
        if marker == _EOI:
            return segments
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        content = data[place + 4 : end]
        if marker == _SOS:
            following = np.searchsorted(markers, end)
            if following == len(markers):
                raise damaged("the end is missing")
            end = int(markers[following])
        segments.append(_Segment(marker, content, data[place:end]))
        scans += marker == _SOS
        if scans > _MOST_SCANS or len(segments) > _MOST_SEGMENTS:
            raise damaged(f"it holds more than {_MOST_SCANS} scans or {_MOST_SEGMENTS:,} segments")
        place = max(end, place + 4)


def _markers(data: bytes) -> np.ndarray:
    """Returns where markers are that end a scan, with what only looks like one between scans."""
    levels = np.frombuffer(data, np.uint8)
    begins = np.flatnonzero((levels[:-1] == _PADDING) & (levels[1:] != _PADDING))
    kinds = levels[begins + 1]
    first, last = _RESTARTS
    is_data = (kinds == _STUFFED) | ((kinds >= first) & (kinds <= last))
    return begins[~is_data]


def _check_frame(segments: Iterable[_Segment]) -> None:
    frame = next((one for one in segments if one.marker in _FRAMES), None)
    if frame is None or not frame.content:
        raise damaged("it holds no picture")
    if frame.marker in _UNREAD_FRAMES:
        kind = _UNREAD_FRAMES[frame.marker]
        raise UnusableImage(f"it is {kind}, which is not read; convert it to PNG")
    if frame.content[0] != _BITS:
        raise UnusableImage(
            f"it is a {frame.content[0]}-bit JPEG, and only those of 8 bits are read; convert it "
            "to a PNG of 16 bits"
        )


def _without_metadata(segments: Iterable[_Segment]) -> bytes:
    kept = [
        one.whole
        for one in segments
        if one.marker != _COM
        and (one.marker not in _APPLICATION or one.marker in _KEPT_APPLICATION)
    ]
    return b"".join([bytes((0xFF, _SOI)), *kept, bytes((0xFF, _EOI))])


def _orientation(segments: Iterable[_Segment]) -> int:
    blocks = (
        one.content
        for one in segments
        if one.marker == _EXIF_SEGMENT and one.content.startswith(_EXIF)
    )
    block = next(blocks, None)
    return UPRIGHT if block is None else orientation_of(block)
