"""All kinds of damage, each with the formats that it can be done to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.mutated_films import (
    any_file,
    dicom_data_set,
    dicom_pixels,
    dicom_values,
    jpeg,
    png,
)
from tests.mutated_films.formats import DICOM, JPEG, PNG, SUFFIXES
from tests.mutated_films.spoiling import Damages, Spoil

_BY_SUFFIXES: Sequence[tuple[Sequence[str], Damages]] = (
    (SUFFIXES, any_file.DAMAGES),
    ((PNG,), png.DAMAGES),
    ((JPEG,), jpeg.DAMAGES),
    ((DICOM,), dicom_values.DAMAGES),
    ((DICOM,), dicom_pixels.DAMAGES),
    ((DICOM,), dicom_data_set.DAMAGES),
)
DAMAGES: Mapping[str, tuple[Sequence[str], Spoil]] = {
    kind: (suffixes, spoil) for suffixes, damages in _BY_SUFFIXES for kind, spoil in damages.items()
}
GIANTS = png.GIANTS
