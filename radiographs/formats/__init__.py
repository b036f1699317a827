"""File formats that films come in: one decoder each, behind `radiographs.decoding`."""

from radiographs.formats.decoder import DecodedFilm, FilmDecoder
from radiographs.formats.dicom import DicomDecoder
from radiographs.formats.jpeg import JpegDecoder
from radiographs.formats.png import PngDecoder

DECODERS: tuple[FilmDecoder, ...] = (JpegDecoder(), PngDecoder(), DicomDecoder())

__all__ = ["DECODERS", "DecodedFilm", "FilmDecoder"]
