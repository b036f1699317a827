"""What is no frontal film of a chest by its tags; what these do not say is decided by nothing.

Reasons quote words of the standard only, never a value as somebody wrote it.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import UID

from models.features import MODALITIES
from radiographs.formats.dicom.facts import read_facts, shows_chest
from radiographs.formats.dicom.reading import number_of, text_of
from radiographs.views import NOT_FRONTAL

NO_IMAGE = "a DICOM object that is no image"
NO_RADIOGRAPH = "no plain radiograph by its tags"
NO_CHEST = "no chest by its tags"
LATERAL_BY_TAGS = "no frontal view by its tags"
RAW = "raw pixels for processing by its tags; take the image for presentation"
BURNED_IN = "text burned into the pixels by its tags (data.keep_burned_in=true keeps it)"
FRAMES = "more than one frame by its tags; a film is one"
COLOURS = "in colours by its tags; films are grey"

# Other modalities that are met in archives (PS3.3, C.7.3.1.1.1).
_OTHER_MODALITIES = frozenset((
    "AR", "BI", "BMD", "CT", "DOC", "ECG", "EPS", "ES", "FID", "GM", "HD", "IO", "IVUS", "KO",
    "MG", "MR", "NM", "OCT", "OP", "OPT", "PR", "PT", "PX", "REG", "RF", "RTDOSE", "RTIMAGE",
    "RTPLAN", "RTSTRUCT", "SEG", "SM", "SR", "US", "XA", "XC",
))  # fmt: skip
_OF_RADIOGRAPHS = (
    "Computed Radiography Image Storage",
    "Digital X-Ray Image Storage - For Presentation",
    "Digital X-Ray Image Storage - For Processing",
)
_SECONDARY = "Secondary Capture Image Storage"
_OTHER_PARTS = frozenset((
    "abdomen", "ankle", "arm", "breast", "clavicle", "elbow", "extremity", "femur", "finger",
    "foot", "forearm", "hand", "head", "heel", "hip", "humerus", "jaw", "knee", "leg", "neck",
    "pelvis", "scapula", "shoulder", "skull", "spine", "thumb", "toe", "wrist",
))  # fmt: skip


def why_no_film(tags: Dataset, keep_burned_in: bool = True) -> str:
    """Returns why a file is no frontal film of a chest, or an empty string.

    Args:
        tags: Of `read_header`.
        keep_burned_in: Whether a film that tells of text in its pixels is one.
    """
    return _why_no_radiograph(tags) or _why_no_frontal_chest(tags, keep_burned_in)


def _why_no_radiograph(tags: Dataset) -> str:
    name = _class_name(tags)
    if name and "Image" not in name:
        return f"{NO_IMAGE}: {name.removesuffix(' Storage')}"
    modality = text_of(tags, "Modality").upper()
    if modality in _OTHER_MODALITIES:
        return f"{NO_RADIOGRAPH}: modality {modality}"
    of_radiographs = name in _OF_RADIOGRAPHS or _SECONDARY in name
    if name and not of_radiographs and modality not in MODALITIES:
        return f"{NO_RADIOGRAPH}: {name.removesuffix(' Storage')}"
    return ""


def _why_no_frontal_chest(tags: Dataset, keep_burned_in: bool) -> str:
    if shows_chest(tags) is False:
        written = text_of(tags, "BodyPartExamined").lower()
        return f"{NO_CHEST}: {written.upper()}" if written in _OTHER_PARTS else NO_CHEST
    if read_facts(tags).view == NOT_FRONTAL:
        return LATERAL_BY_TAGS
    if text_of(tags, "PresentationIntentType").upper() == "FOR PROCESSING":
        return RAW
    if not keep_burned_in and text_of(tags, "BurnedInAnnotation").upper() == "YES":
        return BURNED_IN
    return ""


def why_not_read(tags: Dataset) -> str:
    """Returns why pixels are of a kind that is not read, as far as the tags are numbers at all."""
    try:
        if (number_of(tags, "NumberOfFrames", 1) or 1) > 1:
            return FRAMES
        if (number_of(tags, "SamplesPerPixel", 1) or 1) > 1:
            return COLOURS
    except ValueError:  # the decoder says so
        return ""
    return ""


def _class_name(tags: Dataset) -> str:
    """Returns what the standard calls the object, or an empty string for one that it does not."""
    uid = UID(text_of(tags, "SOPClassUID"))
    return "" if not uid or uid.name == uid else uid.name
