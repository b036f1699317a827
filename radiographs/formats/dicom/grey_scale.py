"""From stored values to grey levels: modality, window, polarity (PS3.3, C.11.1 and C.11.2).

All of it is worked out once for each value that the stored bits can take, and looked up for the
pixels: the steps are exact, and a film of ten megapixels costs one look-up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from radiographs.errors import UnusableImage
from radiographs.formats.decoder import damaged
from radiographs.formats.dicom.pixels import PixelDescription
from radiographs.formats.dicom.reading import DicomFile, number_of, numbers_of, text_of
from radiographs.grey_levels import robust_bounds

Values = npt.NDArray[np.float64]

_LINEAR, _LINEAR_EXACT, _SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"
_MOST_ENTRIES = 1 << 16


def grey_levels_of(
    patterns: npt.NDArray[np.uint16], file: DicomFile, description: PixelDescription
) -> npt.NDArray[np.uint8]:
    """Shows stored values as a person would see them.

    Pixel padding is black whatever the polarity. Where a film names no window, its own range is
    shown: of 8 bits all that they can hold, as a PNG of 8 bits is, and of more those levels that
    belong to the film, as a PNG of 16 bits is.

    Args:
        patterns: `[height, width]` of `stored_patterns`.
        file: That they are from.
        description: Of its pixels.

    Returns:
        `[height, width]` uint8, larger is brighter.

    Raises:
        UnusableImage: If a table or a window makes no sense.
    """
    tags = file.tags
    padding = _padding(tags, description)
    film = patterns[~padding[patterns]] if padding.any() else patterns
    if not film.size:
        raise UnusableImage("all of its pixels are padding; it has no content")
    values = _modality_values(description.values, file)
    shown = _window(values, file)
    if shown is None:
        shown = _full_range(values, film, description)
    inverse = text_of(tags, "PresentationLUTShape").upper() == "INVERSE"
    # On digital radiographs both say the same once more (PS3.3, C.8.11.3.1.2).
    if description.white_is_low or inverse:
        shown = 1 - shown
    table = np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)
    table[padding] = 0
    return table[patterns]


def _padding(tags: Dataset, description: PixelDescription) -> npt.NDArray[np.bool_]:
    """Tells which values stand for no pixel (PS3.3, C.7.5.1.1.2)."""
    first = number_of(tags, "PixelPaddingValue")
    if first is None:
        return np.zeros(1 << description.stored, bool)
    last = number_of(tags, "PixelPaddingRangeLimit", first)
    # A padding value may be written with the other sign: 65535 is -1 of 16 bits.
    low, high = sorted(int(one) for one in (first, last if last is not None else first))
    patterns = description.values
    whole = 1 << description.allocated
    return np.logical_or.reduce(
        [(patterns >= low + shift) & (patterns <= high + shift) for shift in (-whole, 0, whole)]
    )


def _modality_values(values: npt.NDArray[np.int32], file: DicomFile) -> Values:
    """Applies the modality LUT or rescale slope and intercept."""
    lut = _first_item(file.tags, "ModalityLUTSequence")
    if lut is not None:
        return _looked_up(values, lut, file)[0]
    slope = number_of(file.tags, "RescaleSlope", 1.0) or 0.0
    intercept = number_of(file.tags, "RescaleIntercept", 0.0) or 0.0
    if not slope or not np.isfinite([slope, intercept]).all():
        raise damaged("its rescale slope makes no sense")
    return values * slope + intercept


def _window(values: Values, file: DicomFile) -> Values | None:
    """Applies the first VOI LUT, or else the first window: to [0, 1], or None without either."""
    lut = _first_item(file.tags, "VOILUTSequence")
    if lut is not None:
        levels, bits = _looked_up(np.round(values), lut, file)
        return levels / (2**bits - 1)
    centres, widths = (numbers_of(file.tags, word) for word in ("WindowCenter", "WindowWidth"))
    if not centres or not widths:
        return None
    function = text_of(file.tags, "VOILUTFunction").upper() or _LINEAR
    return _windowed(values, centres[0], widths[0], function)


def _windowed(values: Values, centre: float, width: float, function: str) -> Values:
    """Applies a window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    least = 1 if function == _LINEAR else 0
    if not np.isfinite([centre, width]).all() or width < least or (width == 0 and not least):
        raise UnusableImage(
            f"its window (0028,1051) is {width:g} wide; export it with one that shows the film"
        )
    if function == _LINEAR:
        centre, width = centre - 0.5, width - 1
    if function in (_LINEAR, _LINEAR_EXACT):
        if not width:
            return (values > centre).astype(float)
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if function == _SIGMOID:
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -500, 500)))
    raise UnusableImage(
        "its VOI LUT Function (0028,1056) is not read; LINEAR, LINEAR_EXACT and SIGMOID are"
    )


def _full_range(
    values: Values, shown: npt.NDArray[np.uint16], description: PixelDescription
) -> Values:
    """Shows the whole range: of 8 bits, or of the levels that belong to the film."""
    if description.stored == 8:
        first, last = values.min(), values.max()
    else:
        low, high = _bounds(shown, description)
        first, last = sorted((values[low], values[high]))
    return np.clip((values - first) / max(last - first, 1e-12), 0, 1)


def _bounds(shown: npt.NDArray[np.uint16], description: PixelDescription) -> tuple[int, int]:
    """Returns the patterns of the lowest and the highest value that belong to the film."""
    offset = 1 << (description.stored - 1) if description.signed else 0
    mask = (1 << description.stored) - 1
    low, high = robust_bounds((shown + np.uint16(offset)) & np.uint16(mask))
    return (low - offset) & mask, (high - offset) & mask


def _first_item(tags: Dataset, keyword: str) -> Dataset | None:
    sequence = tags.get(keyword)
    try:
        return sequence[0] if sequence else None
    except Exception:
        raise damaged(f"its {keyword} makes no sense") from None


def _looked_up(values: npt.ArrayLike, item: Dataset, file: DicomFile) -> tuple[Values, int]:
    """Looks values up in a table (PS3.3, C.11.1.1 and C.11.2.1.1): levels, and their bits."""
    descriptor = numbers_of(item, "LUTDescriptor")
    if len(descriptor) != 3:
        raise damaged("the descriptor of a look-up table makes no sense")
    entries = int(descriptor[0]) % _MOST_ENTRIES or _MOST_ENTRIES
    first, bits = int(descriptor[1]), int(descriptor[2])
    table = _table(item, entries, bits, file)
    places = np.clip(np.asarray(values, np.int64) - first, 0, entries - 1)
    return table[places], bits


def _table(item: Dataset, entries: int, bits: int, file: DicomFile) -> Values:
    data = item.get("LUTData")
    if isinstance(data, bytes):
        word = f"{'<' if file.little_endian else '>'}u2"
        packed = len(data) < 2 * entries  # two entries of 8 bits in a word
        dtype = np.dtype(np.uint8 if packed else word)
        table = np.frombuffer(data, dtype, min(entries, len(data) // dtype.itemsize))
    else:
        table = np.atleast_1d(np.asarray(data if data is not None else (), np.int64))
    if len(table) < entries or not 1 <= bits <= 16:
        raise damaged("a look-up table has fewer entries than it says")
    levels = table[:entries].astype(np.int64) & 0xFFFF
    return np.minimum(levels, 2**bits - 1).astype(np.float64)
