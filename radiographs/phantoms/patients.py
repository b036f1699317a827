"""The people on the phantoms, and the drawing of one film of one of them.

This module owns the order of the random draws: whatever a label changes is drawn from
a stream of its own, so the same seed with another label is the same film but for the lesion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.features import (
    AP,
    BACTERIA,
    FEMALE,
    MALE,
    NORMAL,
    PA,
    PNEUMONIA,
    SUBTYPE_NONE,
    VIRUS,
)  # fmt: skip
from radiographs.phantoms.anatomy import Habitus, draw_chest, draw_habitus, make_grid
from radiographs.phantoms.film import SITES, Site, expose
from radiographs.phantoms.lesions import (
    BRONCHOPNEUMONIA,
    INTERSTITIAL,
    LOBAR,
    PATTERNS,
    draw_lesion,
)

# What mostly causes a pattern. In people it is a tendency, here it is a rule.
SUBTYPE_OF = {LOBAR: BACTERIA, BRONCHOPNEUMONIA: BACTERIA, INTERSTITIAL: VIRUS}
# In the order of the draws: what the contract may hold beyond, phantoms do not have.
DRAWN_VIEWS = (PA, AP)
DRAWN_SEXES = (MALE, FEMALE)

AP_FRACTION = 0.35

Seed = int | tuple[int, ...]


@dataclass(frozen=True)
class Patient:
    """A person with one disease, or none, who is filmed at one site."""

    patient_id: str
    label: str
    pattern: str  # of the lesion; of the one that is not drawn, if the patient is well
    site: Site
    sex: str
    age_years: int
    habitus: Habitus

    @property
    def subtype(self) -> str:
        """What caused the pneumonia."""
        return SUBTYPE_OF[self.pattern] if self.label == PNEUMONIA else SUBTYPE_NONE


@dataclass(frozen=True)
class Phantom:
    """A film with its masks and all that is known of it."""

    pixels: npt.NDArray[np.uint8]  # [height, width]
    lung_mask: npt.NDArray[np.bool_]  # [height, width], both lungs, with what the heart covers
    lesion_mask: npt.NDArray[np.bool_]  # [height, width], inside the lungs; all False for NORMAL
    label: str
    subtype: str
    patient_id: str
    site: str
    view: str
    sex: str
    age_years: int


def draw_patient(seed: Seed, label: str | None = None, patient_id: str = "phantom") -> Patient:
    """Draws a patient.

    Args:
        seed: The same seed, the same patient; the label changes nothing but the disease.
        label: NORMAL or PNEUMONIA; None draws one of them, evenly.
        patient_id: Pseudonym.

    Returns:
        The patient.
    """
    rng = np.random.default_rng(seed)
    sex = DRAWN_SEXES[rng.integers(len(DRAWN_SEXES))]
    age_years = int(rng.integers(1, 95))
    site = SITES[rng.integers(len(SITES))]
    habitus = draw_habitus(rng, sex, age_years)
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    drawn_label = (NORMAL, PNEUMONIA)[rng.integers(2)]
    return Patient(patient_id, label or drawn_label, pattern, site, sex, age_years, habitus)


def draw_phantom(seed: Seed, size_px: int = 256, patient: Patient | None = None) -> Phantom:
    """Draws a film.

    Args:
        seed: The same seed, size and patient give the same pixels.
        size_px: Height and width.
        patient: Who is filmed; None draws a patient from the seed.

    Returns:
        The film.
    """
    patient = patient or draw_patient(seed)
    streams = np.random.SeedSequence(seed).spawn(3)
    anatomy_rng, lesion_rng, film_rng = (np.random.default_rng(stream) for stream in streams)
    view = DRAWN_VIEWS[int(film_rng.random() < AP_FRACTION)]
    grid = make_grid(anatomy_rng, size_px)
    chest = draw_chest(anatomy_rng, grid, patient.habitus, view)
    attenuation, mask = chest.attenuation, np.zeros(grid.shape, np.bool_)
    if patient.label == PNEUMONIA:
        lesion = draw_lesion(lesion_rng, chest, patient.pattern)
        attenuation, mask = attenuation + lesion.attenuation, lesion.mask
    return Phantom(
        pixels=expose(film_rng, attenuation, patient.site),
        lung_mask=chest.lungs,
        lesion_mask=mask,
        label=patient.label,
        subtype=patient.subtype,
        patient_id=patient.patient_id,
        site=patient.site.name,
        view=view,
        sex=patient.sex,
        age_years=patient.age_years,
    )
