"""Transfer syntaxes that hold compressed pixels, and the family of codecs each belongs to.

PS3.5, annex A.4. Within a family the codestream itself tells more than the syntax.
"""

from __future__ import annotations

from typing import Literal

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)  # fmt: skip

Codec = Literal["JPEG", "JPEG-LS", "JPEG 2000", "RLE"]

CODECS: dict[str, Codec] = {
    JPEGBaseline8Bit: "JPEG",
    JPEGExtended12Bit: "JPEG",
    JPEGLossless: "JPEG",
    JPEGLosslessSV1: "JPEG",
    JPEGLSLossless: "JPEG-LS",
    JPEGLSNearLossless: "JPEG-LS",
    JPEG2000Lossless: "JPEG 2000",
    JPEG2000: "JPEG 2000",
    HTJ2K: "JPEG 2000",
    HTJ2KLossless: "JPEG 2000",
    HTJ2KLosslessRPCL: "JPEG 2000",
    RLELossless: "RLE",
}
