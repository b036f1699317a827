"""What tags say of a film, what sets it aside, and what they leave open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.features import UNKNOWN
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.formats.dicom.facts import DicomFacts, read_facts
from radiographs.formats.dicom.reading import read_header
from radiographs.formats.dicom.refusals import why_no_film
from radiographs.options import IngestOptions
from tests.dicom_films import CHEST_PA, dicom_file, drawn_values

NOTHING = dict.fromkeys(CHEST_PA)
VALUES = np.zeros((2, 2), np.uint8)


def header(**tags: Any) -> Dataset:
    return read_header(dicom_file(VALUES, **tags)).tags


def facts(**tags: Any) -> DicomFacts:
    return read_facts(header(**{**NOTHING, **tags}))


def reason(**tags: Any) -> str:
    return why_no_film(header(**tags), keep_burned_in=False)


def coded(meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "SCT", meaning
    return Sequence([item])


class TestFacts:
    def test_of_no_tags_are_unknown(self) -> None:
        assert facts() == DicomFacts()

    @pytest.mark.parametrize(
        ("tags", "view"),
        [
            ({"ViewPosition": "PA"}, "PA"),
            ({"ViewPosition": "ap"}, "AP"),
            ({"ViewPosition": "AP SUPINE"}, "AP"),
            ({"ViewPosition": "LLD"}, UNKNOWN),
            ({"ViewCodeSequence": coded("left lateral decubitus")}, UNKNOWN),
            ({"ViewCodeSequence": coded("postero-anterior")}, "PA"),
            ({"ViewCodeSequence": coded("antero-posterior")}, "AP"),
            ({"SeriesDescription": "Chest PA"}, "PA"),
            ({"SeriesDescription": "THORAX AP liegend"}, UNKNOWN),
            ({"SeriesDescription": "PA and lateral chest"}, UNKNOWN),
            ({"SeriesDescription": "Chest"}, UNKNOWN),
            ({"ViewPosition": "AP", "SeriesDescription": "Chest PA"}, "AP"),
        ],
    )
    def test_view(self, tags: dict[str, Any], view: str) -> None:
        assert facts(**tags).view == view

    @pytest.mark.parametrize(
        ("tags", "age"),
        [
            ({"PatientAge": "054Y"}, 54),
            ({"PatientAge": "011M"}, 0),
            ({"PatientAge": "030M"}, 2),
            ({"PatientAge": "81"}, 81),
            ({"PatientAge": "999Y"}, -1),
            ({"PatientBirthDate": "20000615", "StudyDate": "20100614"}, 9),
            ({"PatientBirthDate": "20000615", "StudyDate": "20100615"}, 10),
            ({"PatientBirthDate": "20000615"}, -1),
            ({"PatientBirthDate": "20200615", "StudyDate": "20100615"}, -1),
            ({"PatientAge": "054Y", "PatientBirthDate": "20000615", "StudyDate": "20100615"}, 54),
        ],
    )
    def test_age(self, tags: dict[str, str], age: int) -> None:
        assert facts(**tags).age_years == age

    @pytest.mark.parametrize(
        ("tags", "spacing_mm"),
        [
            ({"PixelSpacing": [0.15, 0.16]}, 0.15),
            ({"ImagerPixelSpacing": [0.2, 0.2]}, 0.2),
            ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.2, 0.2]}, 0.15),
            ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, 0.2),
        ],
    )
    def test_spacing(self, tags: dict[str, Any], spacing_mm: float) -> None:
        assert facts(**tags).pixel_spacing_mm == spacing_mm

    def test_words_that_are_known_and_no_others(self) -> None:
        told = facts(
            Modality="DX", BodyPartExamined="CHEST", ImageLaterality="L", PatientSex="F",
            Manufacturer="Philips Medical Systems",
        )  # fmt: skip
        assert (told.modality, told.body_part, told.laterality, told.sex) == (
            "DX",
            "CHEST",
            "L",
            "F",
        )
        assert told.manufacturer == "Philips"
        untold = facts(
            Modality="JANE", ImageLaterality="JANE", PatientSex="JANE", Manufacturer="Jane Doe",
            ViewPosition="JANE",
        )  # fmt: skip
        assert untold == DicomFacts(manufacturer="other")


class TestSetAside:
    @pytest.mark.parametrize(
        ("tags", "why"),
        [
            ({"Modality": "CT"}, "no plain radiograph by its tags: modality CT"),
            ({"Modality": "RF"}, "no plain radiograph by its tags: modality RF"),
            ({"BodyPartExamined": "HAND"}, "no chest by its tags: HAND"),
            ({"BodyPartExamined": "JANE DOE"}, "no chest by its tags"),
            ({"BodyPartExamined": None, "AnatomicRegionSequence": coded("Hand")},
             "no chest by its tags"),
            ({"ViewPosition": "LL"}, "no frontal view by its tags"),
            ({"ViewPosition": "LATERAL"}, "no frontal view by its tags"),
            ({"ViewPosition": None, "ViewCodeSequence": coded("left lateral")},
             "no frontal view by its tags"),
            ({"ViewPosition": None, "SeriesDescription": "Chest lateral"},
             "no frontal view by its tags"),
            ({"ViewPosition": None, "PatientOrientation": ["A", "F"]},
             "no frontal view by its tags"),
            ({"PresentationIntentType": "FOR PROCESSING"},
             "raw pixels for processing by its tags; take the image for presentation"),
            ({"BurnedInAnnotation": "YES"},
             "text burned into the pixels by its tags (data.keep_burned_in=true keeps it)"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"},
             "a DICOM object that is no image: Comprehensive SR"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"},
             "a DICOM object that is no image: Encapsulated PDF"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"},
             "a DICOM object that is no image: Grayscale Softcopy Presentation State"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": None},
             "no plain radiograph by its tags: CT Image"),
        ],
    )  # fmt: skip
    def test_with_the_reason(self, tags: dict[str, Any], why: str) -> None:
        assert reason(**tags) == why

    @pytest.mark.parametrize(
        "tags",
        [
            {},
            NOTHING,
            {"Modality": "CR"},
            {"Modality": "OT"},
            {"BodyPartExamined": "THORAX"},
            {"ViewPosition": "RLD"},
            {"ViewPosition": None, "PatientOrientation": ["L", "F"]},
            {"SeriesDescription": "PA and lateral chest"},
            {"PresentationIntentType": "FOR PRESENTATION"},
            {"BurnedInAnnotation": "NO"},
        ],
    )
    def test_what_tags_do_not_say_is_decided_by_nothing(self, tags: dict[str, Any]) -> None:
        assert reason(**tags) == ""

    def test_text_in_the_pixels_is_kept_where_that_is_wanted(self) -> None:
        assert why_no_film(header(BurnedInAnnotation="YES"), keep_burned_in=True) == ""

    def test_the_decoder_refuses_as_well(self) -> None:
        data = dicom_file(drawn_values(8), Modality="MG")
        with pytest.raises(UnusableImage, match="modality MG"):
            read_film(data, IngestOptions())
