"""Films as grey levels, for what changes or measures them outside the served model.

The model never sees these through anything but `predict_images`, so this decoder only
has to be close to its own.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

_JPEG_START = b"\xff\xd8\xff"


def decode_film(data: bytes, max_side_px: int) -> np.ndarray:
    """Decodes a film that the ingest has let through; a large one is shrunk by areas.

    Args:
        data: JPEG or PNG file, grey or RGB, 8 or 16 bit.
        max_side_px: Longest side of the result.

    Returns:
        `[height, width]` uint8. 16 bits are stretched between darkest and brightest
        pixel, as the served model does it.
    """
    # The classes are called directly: `PIL.Image.open` has its own limit of pixels.
    is_jpeg = data.startswith(_JPEG_START)
    image: Image.Image = (JpegImageFile if is_jpeg else PngImageFile)(io.BytesIO(data))
    image.draft("L", (max_side_px, max_side_px))
    grey = _stretched(image) if image.mode.startswith("I") else image.convert("L")
    factor = max(grey.size) / max_side_px
    if factor > 1:
        width_px, height_px = (max(1, round(side / factor)) for side in grey.size)
        grey = grey.resize((width_px, height_px), Image.Resampling.BOX)
    return np.asarray(grey)


def image_size(data: bytes) -> tuple[int, int]:
    """Returns width and height of an encoded film in pixels, as stored."""
    is_jpeg = data.startswith(_JPEG_START)
    image = (JpegImageFile if is_jpeg else PngImageFile)(io.BytesIO(data))
    return image.size


def encode_png(film: np.ndarray) -> bytes:
    """Encodes `[height, width]` uint8 without loss."""
    file = io.BytesIO()
    Image.fromarray(film).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _stretched(image: Image.Image) -> Image.Image:
    levels = np.asarray(image).astype(np.float32)
    darkest = levels.min()
    stretched = (levels - darkest) * (255 / max(float(levels.max() - darkest), 1.0))
    return Image.fromarray(np.round(stretched).astype(np.uint8))
