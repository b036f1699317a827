"""Phantoms: synthetic frontal chest radiographs, the data a first run needs no download for.

Label, sex, age, view, site, position and exposure are drawn independently of one
another, so that only the lungs tell the classes apart. The same parameters give the same
bytes, whatever the number of processes.

    python -m radiographs.phantoms --output DIR --films 900 --size-px 256 --seed 0

`anatomy` draws a healthy chest, `lesions` adds pneumonia, `film` takes the picture,
`patients` ties them to a person, and `folder` writes what RadiographExampleGen reads.
"""

from radiographs.phantoms.folder import PNEUMONIA_FRACTION, write_phantoms
from radiographs.phantoms.patients import Patient, Phantom, draw_patient, draw_phantom

__all__ = [
    "PNEUMONIA_FRACTION",
    "Patient",
    "Phantom",
    "draw_patient",
    "draw_phantom",
    "write_phantoms",
]
