"""A table of names as public data sets write them, and the patient and subtype of each."""

from __future__ import annotations

import unicodedata

import pytest

from radiographs.file_names import FileNameRules
from radiographs.options import IngestOptions

MIMIC_FILM = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014.jpg"

PATIENTS = {
    # Kermany, second version, in its own folders
    "train/PNEUMONIA/person1_bacteria_2.jpeg": "person1_bacteria",
    "train/PNEUMONIA/person1_virus_2.jpeg": "person1_virus",
    "test/PNEUMONIA/person100_bacteria_475.jpeg": "person100_bacteria",
    "train/NORMAL/IM-0115-0001.jpeg": "IM-0115",
    "train/NORMAL/IM-0115-0001-0002.jpeg": "IM-0115",
    "train/NORMAL/NORMAL2-IM-1427-0001.jpeg": "NORMAL2-IM-1427",
    # third version: disease, patient, number of the image
    "PNEUMONIA/BACTERIA-2034017-0002.jpeg": "2034017",
    "PNEUMONIA/VIRUS-2034017-0001.jpeg": "2034017",
    "NORMAL/NORMAL-28501-0001.jpeg": "28501",
    "NORMAL/normal-28501-0012.JPG": "28501",
    "PNEUMONIA/BACTERIA-2034017.jpeg": "2034017",
    "NORMAL/NORMAL-28501.jpeg": "28501",
    # Copies, and names that something was put before
    "PNEUMONIA/copy of person1_bacteria_2.jpeg": "person1_bacteria",
    "PNEUMONIA/Copy of Copy of person1_virus_2.jpeg": "person1_virus",
    "PNEUMONIA/person1_bacteria_2 (1).jpeg": "person1_bacteria",
    "PNEUMONIA/person1_bacteria_2 - Copy.jpeg": "person1_bacteria",
    "PNEUMONIA/person1_bacteria_2 - Copy (2).jpeg": "person1_bacteria",
    "PNEUMONIA/Copy (2) of BACTERIA-2034017-0002.jpeg": "2034017",
    "PNEUMONIA/train_person1_virus_2.jpeg": "person1_virus",
    "NORMAL/Kopie von IM-0115-0001.jpeg": "IM-0115",
    "NORMAL/copy_of_00000013_005.png": "00000013",
    "NORMAL/00000013_005 (1).png": "00000013",
    "PNEUMONIA/superperson1_virus_2.jpeg": "",
    # CheXpert, whole or below another folder
    "patient00001/study1/view1_frontal.jpg": "patient00001",
    "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg": "patient00002",
    "NORMAL/patient00003/study1/view2_lateral.jpg": "patient00003",
    "patient00004_study1_view1_frontal.jpg": "patient00004",
    "PNEUMONIA/Patient_12/1.png": "Patient_12",
    "PNEUMONIA/subject-7.png": "subject-7",
    # NIH ChestX-ray14
    "images_001/images/00000013_005.png": "00000013",
    "NORMAL/00000013_026.jpeg": "00000013",
    # MIMIC-CXR
    f"p10/p10000032/s50414267/{MIMIC_FILM}": "p10000032",
    "p10000032_s50414267.jpg": "p10000032",
    "NORMAL/p10000032-s50414267-02aa804e.jpg": "p10000032",
    "xp10000032_s50414267.jpg": "",
    "p100000321_s50414267.jpg": "",
    f"files/p19/p19999987/s58621812/{MIMIC_FILM}": "p19999987",
    # Open-i, Montgomery and Shenzhen, BIDS
    "CXR1_1_IM-0001-3001.png": "CXR1",
    "1000_IM-0003-1001.dcm.png": "1000",
    "CHNCXR_0327_1.png": "CHNCXR_0327",
    "MCUCXR_0001_0.png": "MCUCXR_0001",
    "sub-S03044/ses-E06078/mod-rx/sub-S03044_ses-E06078_run-1_bp-chest_vp-pa_dx.png": "sub-S03044",
    # What tells no patient
    "RSNA/0004cfab-14fd-4e49-80ba-63a80b6bddd6.png": "",
    f"loose/{MIMIC_FILM}": "",
    "PNEUMONIA/COVID-19 (12).png": "",
    "NORMAL/Normal-10.png": "",
    "PNEUMONIA/Viral Pneumonia-100.png": "",
    "nejmoa2001191_f1-PA.jpeg": "",
    "000434271f63a053c4128a0ba6352c7f.png": "",  # VinDr
    "216840111366964012819207061112010307142602253_04-014-084.png": "",  # PadChest
    "00000013.png": "",
    "100000013_005.png": "",
    "view1_frontal.jpg": "",
    "patients/view1.jpg": "",
    "inpatient12/1.png": "",
    "scan 12.png": "",
}


def rules(**options: str) -> FileNameRules:
    return FileNameRules(IngestOptions(**options))


@pytest.mark.parametrize(("path", "patient"), PATIENTS.items())
def test_patient_of_public_names(path: str, patient: str) -> None:
    assert rules().patient_of(path) == patient


@pytest.mark.parametrize(
    ("pattern", "path", "patient"),
    [
        (r"^([^_]+)_", "ward_1/7_a.png", "7"),  # the file name goes first
        (r"^(\d+)_", "ward/x.png", ""),
        (r"(ward\d+)", "ward12/x.png", "ward12"),  # then the path
        (r"^ward(\d+)/", "ward12/x.png", "12"),
        (r"^ward(\d+)/", "deep/ward12/x.png", ""),
        (r"/(\d+)/", "NORMAL/12/7.png", "12"),
        (r"p(\d+)|q(\d+)", "q7.png", "7"),  # first group that holds something
        (r"a(\d*)(b?)", "ab.png", "b"),
        (r"^a(\d+)?", "a.png", ""),
        (r"(person\d+)", "Person7.png", ""),  # a pattern of one's own minds the case
    ],
)
def test_a_pattern_of_ones_own(pattern: str, path: str, patient: str) -> None:
    assert rules(patient_pattern=pattern).patient_of(path) == patient


def test_a_folder_is_composed_like_a_name() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    own = rules(patient_pattern=r"^NORMAL/([^/]+)/")
    assert own.patient_of(f"NORMAL/{decomposed}/1.png") == composed
    assert own.patient_of(f"NORMAL/{composed}/2.png") == composed


@pytest.mark.parametrize(
    ("name", "label", "subtype"),
    [
        ("person1_bacteria_2.jpeg", "PNEUMONIA", "bacteria"),
        ("person1_virus_2.jpeg", "PNEUMONIA", "virus"),
        ("BACTERIA-2034017-0002.jpeg", "PNEUMONIA", "bacteria"),
        ("VIRUS-2040930-0001.jpeg", "PNEUMONIA", "virus"),
        ("VIRUS-2040930-0001.jpeg", "NORMAL", "none"),
        ("Copy of VIRUS-2040930-0001.jpeg", "PNEUMONIA", "virus"),
        ("antivirus_3.png", "PNEUMONIA", "unknown"),
        ("NORMAL-28501-0001.jpeg", "PNEUMONIA", "unknown"),
        ("a.png", "PNEUMONIA", "unknown"),
    ],
)
def test_subtype(name: str, label: str, subtype: str) -> None:
    assert rules().subtype_of(f"x/{name}", label) == subtype


def test_a_subtype_pattern_of_ones_own() -> None:
    own = rules(subtype_pattern=r"-([A-Za-z]+)\.")
    assert own.subtype_of("1-VIRAL.png", "PNEUMONIA") == "virus"
    assert own.subtype_of("1-Lobar.png", "PNEUMONIA") == "Lobar"
