"""What the header of a compressed picture says, before a codec is let loose on it.

ITU-T T.81 (JPEG), T.87 (JPEG-LS) and T.800 (JPEG 2000). A header that tells of another picture
than the data set, or of a huge one, is found out here for the price of a few bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from radiographs.formats.decoder import damaged
from radiographs.formats.dicom.syntaxes import Codec

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7
_FRAMES = (0xC0, 0xC1, 0xC2, _LOSSLESS, *range(0xC5, 0xC8), *range(0xC9, 0xCC),
           *range(0xCD, 0xD0), _JPEG_LS)  # fmt: skip
_SOS = 0xDA
_ALONE = (0x01, *range(0xD0, 0xD8))  # markers that no length follows
_CODESTREAM = b"\xff\x4f\xff\x51"  # SOC and SIZ
_CONTAINER = b"\0\0\0\x0cjP  "
_MOST_BITS = 16
_MOST_STEPS = 100_000  # segments and padding before the pixels; no film has as many
_DEEP_BITS = 12  # of a lossy JPEG of more than 8; GDCM itself writes 16 into the header


@dataclass(frozen=True)
class Codestream:
    """A compressed picture.

    Attributes:
        data: The picture without what a container or padding adds.
        width_px: As its own header tells, and so are the others.
        height_px: In pixels.
        bits: Of a sample.
        components: 1 for grey.
        coding: `JPEG`, `lossless JPEG`, `JPEG-LS` or `JPEG 2000`.
    """

    data: bytes
    width_px: int
    height_px: int
    bits: int
    components: int
    coding: str


def read_codestream(data: bytes, codec: Codec) -> Codestream:
    """Reads the header of a JPEG, JPEG-LS or JPEG 2000.

    Args:
        data: All fragments of a frame.
        codec: The family that the transfer syntax names.

    Returns:
        The picture, not yet decoded.

    Raises:
        UnusableImage: If the data is of another family, or cut off.
    """
    stream = _jpeg_2000(data) if codec == "JPEG 2000" else _jpeg(data)
    told = "JPEG" if stream.coding == "lossless JPEG" else stream.coding
    if told != codec:
        raise damaged(f"its transfer syntax tells of {codec}, and its pixels are {told}")
    if not 1 < stream.bits <= _MOST_BITS:
        raise damaged(f"its pixels have {stream.bits} bits")
    return stream


def _jpeg(data: bytes) -> Codestream:
    end = data.rfind(_EOI)
    if not data.startswith(_SOI) or end < 0:
        raise damaged("the start or the end of its compressed pixels is missing")
    data = data[: end + len(_EOI)]
    place, found, steps = len(_SOI), None, 0
    while place + 4 <= len(data) and steps < _MOST_STEPS:
        steps += 1
        if data[place] != 0xFF:
            raise damaged("a segment of its compressed pixels does not end where it says")
        marker = data[place + 1]
        if marker == 0xFF or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            if found or place + 10 > len(data):
                raise damaged("its compressed pixels hold more than one picture, or none")
            bits, height, width, components = struct.unpack_from(">BHHB", data, place + 4)
            if marker not in (_LOSSLESS, _JPEG_LS) and bits > 8:
                bits = _DEEP_BITS
            coding = {_LOSSLESS: "lossless JPEG", _JPEG_LS: "JPEG-LS"}.get(marker, "JPEG")
            found = Codestream(data, width, height, bits, components, coding)
        if marker == _SOS:
            break
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    if found is None:
        raise damaged("its compressed pixels hold no picture")
    return found


def _jpeg_2000(data: bytes) -> Codestream:
    start = data.find(_CODESTREAM) if data.startswith(_CONTAINER) else 0
    end = data.rfind(_EOI)
    if start < 0 or not data.startswith(_CODESTREAM, start) or end < start + 43:
        raise damaged("the start or the end of its compressed pixels is missing")
    data = data[start : end + len(_EOI)]
    right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
    (components,) = struct.unpack_from(">H", data, 40)
    bits = (data[42] & 0x7F) + 1
    across, down = data[43], data[44]
    if (across, down) != (1, 1):
        raise damaged("its compressed pixels are subsampled")
    return Codestream(data, right - left, bottom - top, bits, components, "JPEG 2000")
