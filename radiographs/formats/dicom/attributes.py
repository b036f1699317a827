"""The DICOM attributes that are read; every other one is skipped unseen.

Those that identify somebody are read for the plan of an ingest only, which keeps nothing of them
but pseudonyms.
"""

from __future__ import annotations

PIXEL_DESCRIPTION = (
    "SOPClassUID", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "ModalityLUTSequence", "RescaleSlope",
    "RescaleIntercept", "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "PresentationLUTShape",
)  # fmt: skip
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
FACTS = (
    "Modality", "BodyPartExamined", "AnatomicRegionSequence", "ViewPosition", "ViewCodeSequence",
    "SeriesDescription", "PatientOrientation", "ImageLaterality", "Laterality",
    "PresentationIntentType", "BurnedInAnnotation", "PatientSex", "PatientAge", "PatientBirthDate",
    "StudyDate", "PixelSpacing", "ImagerPixelSpacing", "Manufacturer", "ManufacturerModelName",
)  # fmt: skip
IDENTITY = ("PatientID", "IssuerOfPatientID", "AccessionNumber", "SOPInstanceUID")
