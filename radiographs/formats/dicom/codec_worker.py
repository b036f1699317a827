"""The process that compressed pixels are decoded in: requests on stdin, answers on stdout.

Codecs of medical archives are C++ that a damaged file can abort, hang or make eat all memory. Here
that ends a process that holds nothing but the film in question. `codec_process` starts it.

A request is a JSON object `{"coding", "width_px", "height_px", "bits", "bytes"}` on a line, then so
many bytes; an answer is `{"dtype", "bytes"}` and the samples, or `{"error"}`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any, BinaryIO

import numpy as np

# Bytes of address space: what Python and the codecs take, and what a film may add to it. OpenJPEG
# holds each sample as 32 bits, twice.
_LIBRARIES, _FOR_A_PIXEL = 1 << 30, 24


def decode(coding: str, width_px: int, height_px: int, bits: int, data: bytes) -> np.ndarray:
    """Decodes one grey frame.

    Args:
        coding: As of `codestreams.Codestream`, or `RLE`.
        width_px: Of the frame.
        height_px: Of the frame.
        bits: Of a sample; of RLE those allocated, 8 or 16.
        data: The compressed frame.

    Returns:
        `[height, width]` of 8 or 16 bit integers, signed only where a JPEG 2000 says so.
    """
    if coding == "JPEG 2000":
        import openjpeg

        return openjpeg.decode(data, 0)
    if coding == "JPEG-LS":
        import jpeg_ls

        samples, _ = jpeg_ls.decode_pixel_data(data)
        return _shaped(samples, width_px, height_px, bits)
    if coding == "RLE":
        from rle.rle import decode_frame

        planes = decode_frame(data, height_px * width_px, bits, "<")
        return _shaped(planes, width_px, height_px, bits)
    if coding == "lossless JPEG":
        return _shaped(_by_gdcm(coding, width_px, height_px, bits, data), width_px, height_px, bits)
    # GDCM drops the bits above those asked for, so black that overshoots would come out white. One
    # more bit tells what lies below black and above white.
    samples = _by_gdcm(coding, width_px, height_px, bits + 1, data)
    values = _shaped(samples, width_px, height_px, 16)
    below = values >= 3 << (bits - 1)
    return np.where(below, 0, np.minimum(values, (1 << bits) - 1)).astype(np.uint16)


def _shaped(samples: bytes | bytearray, width_px: int, height_px: int, bits: int) -> np.ndarray:
    dtype = np.dtype(np.uint8 if bits <= 8 else "<u2")
    values = np.frombuffer(samples, dtype, width_px * height_px)
    return values.reshape(height_px, width_px)


def _by_gdcm(coding: str, width_px: int, height_px: int, bits: int, data: bytes) -> bytes:
    """Decodes JPEG that is lossless or of 12 bits, which few others read."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixels = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixels.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((width_px, height_px, 1))
    image.SetDataElement(pixels)
    grey = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntaxes = gdcm.TransferSyntax
    lossless = coding == "lossless JPEG"
    syntax = syntaxes.JPEGLosslessProcess14 if lossless else syntaxes.JPEGExtendedProcess2_4
    image.SetTransferSyntax(syntaxes(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(1, 8 if bits <= 8 else 16, bits, bits - 1, 0))
    return image.GetBuffer().encode("utf-8", "surrogateescape")


def _answer(request: dict[str, Any], requests: BinaryIO, answers: BinaryIO) -> None:
    data = requests.read(request.pop("bytes"))
    _allow(len(data), request["width_px"] * request["height_px"])
    try:
        samples = np.ascontiguousarray(decode(**request, data=data))
        found, content = {"dtype": samples.dtype.str, "bytes": samples.nbytes}, samples.tobytes()
    except BaseException as error:  # a panic of Rust is no Exception
        found, content = {"error": type(error).__name__}, b""
    answers.write(json.dumps(found).encode() + b"\n")
    answers.write(content)
    answers.flush()


def _allow(compressed_bytes: int, pixels: int) -> None:
    """Lets a film take as much memory as its size explains, and no more."""
    most = _LIBRARIES + 4 * compressed_bytes + _FOR_A_PIXEL * pixels
    _, hard = resource.getrlimit(resource.RLIMIT_AS)  # may be lowered, but only by root raised
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def main() -> None:
    """Answers until stdin ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a codec prints must not come between the answers.
    with os.fdopen(os.dup(1), "wb") as answers, open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        for line in iter(sys.stdin.buffer.readline, b""):
            _answer(json.loads(line), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
