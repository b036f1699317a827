"""DICOM: what of a file is read, and how its stored values become the grey levels of a film.

The order is that of the standard's display pipeline (PS3.3, section C.7.6.3, C.11.1, C.11.2 and
C.8.11.3.1.2; PS3.4, annex N.2): bytes, stored values, modality values, window, polarity. Nothing
of a file is parsed but the elements named in `attributes`.
"""

from radiographs.formats.dicom.decoder import DicomDecoder
from radiographs.formats.dicom.facts import DicomFacts

__all__ = ["DicomDecoder", "DicomFacts"]
