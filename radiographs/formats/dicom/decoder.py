"""The decoder of DICOM films."""

from __future__ import annotations

from radiographs.errors import UnusableImage
from radiographs.formats.decoder import CheckSides, DecodedFilm
from radiographs.formats.dicom.facts import read_facts
from radiographs.formats.dicom.grey_scale import grey_levels_of
from radiographs.formats.dicom.pixels import describe_pixels, stored_patterns
from radiographs.formats.dicom.reading import is_dicom, read_header, read_pixels
from radiographs.formats.dicom.refusals import why_no_film


class DicomDecoder:
    """Grey DICOM images of one frame, 8 or 16 bits allocated, uncompressed or compressed."""

    name = "DICOM"
    start = b""  # 128 bytes of anything come first

    def recognises(self, data: bytes) -> bool:
        """Tells by the word behind the preamble, or by the elements that a file begins with."""
        return is_dicom(data)

    def decode(self, data: bytes, check_sides: CheckSides) -> DecodedFilm:
        """Decodes a frontal film of a chest as it is meant to be shown."""
        header = read_header(data)
        reason = why_no_film(header.tags)
        if reason:
            raise UnusableImage(reason)
        description = describe_pixels(header.tags)
        check_sides(description.width_px, description.height_px)
        most_bytes = description.width_px * description.height_px * description.allocated // 8
        file = read_pixels(data, most_bytes)
        levels = grey_levels_of(stored_patterns(file, description), file, description)
        return DecodedFilm(
            levels, description.width_px, description.height_px, None, read_facts(header.tags)
        )
