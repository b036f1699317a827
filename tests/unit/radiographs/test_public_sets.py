"""Public data sets as their publishers give them out: what each row becomes, worked out by hand."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import pytest

from radiographs import data_roots
from radiographs.data_roots import read_layout
from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.layouts import Layout
from radiographs.local_roots import LocalRoot
from radiographs.options import IngestOptions

NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    "00000001_000.png,Cardiomegaly|Pneumonia,0,1,058Y,M,PA,2682,2749,0.143,0.143,\n"
    "00000002_000.png,No Finding,0,2,414,F,AP,2500,2048,0.168,0.168,\n"
    "00000003_000.png,Effusion,0,3,7,F,PA,2500,2048,0.168,0.168,\n"
    "00000004_000.png,No Finding,0,4,31,M,PA,2500,2048,0.168,0.168,\n"
)
CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices\n"
)


def chexpert_row(path: str, view: str, no_finding: str, pneumonia: str) -> str:
    frontal = "Lateral" if not view else "Frontal"
    return (
        f"CheXpert-v1.0-small/{path},Female,68,{frontal},{view},{no_finding},,,,,,,{pneumonia}"
        ",,,,,,\n"
    )


CHEXPERT = CHEXPERT_HEADER + "".join((
    chexpert_row("train/patient00001/study1/view1_frontal.jpg", "AP", "1.0", ""),
    chexpert_row("train/patient00002/study2/view1_frontal.jpg", "PA", "", "1.0"),
    chexpert_row("train/patient00002/study2/view2_lateral.jpg", "", "", "1.0"),
    chexpert_row("train/patient00003/study1/view1_frontal.jpg", "AP", "", "-1.0"),
    chexpert_row("train/patient00004/study1/view1_frontal.jpg", "LL", "", "0.0"),
))  # fmt: skip
MIMIC_FINDINGS = "subject_id,study_id,Edema,No Finding,Pneumonia\n"


def write(root: Path, files: dict[str, str], films: list[str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        (root / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for name in films:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def layout_of(
    root: Path, uncertain: Literal["leave_out", "pneumonia", "normal"] = "leave_out"
) -> Layout:
    return read_layout(LocalRoot(str(root)), IngestOptions(uncertain_labels=uncertain))


def by_path(layout: Layout) -> dict[str, Film]:
    return {film.path: film for film in layout.films}


def test_nih_is_read_from_its_own_table(tmp_path: Path) -> None:
    films = [f"images_001/images/0000000{number}_000.png" for number in (1, 2, 3)]
    files = {"Data_Entry_2017.csv": NIH, "test_list.txt": "00000002_000.png\n"}
    layout = layout_of(write(tmp_path, files, films))
    pneumonia, normal = (by_path(layout)[path] for path in films[:2])
    assert (pneumonia.label, pneumonia.patient_id, pneumonia.given_split) == (
        "PNEUMONIA", "1", "train",
    )  # fmt: skip
    assert (pneumonia.age_years, pneumonia.sex, pneumonia.view) == (58, "M", "PA")
    assert (normal.label, normal.given_split, normal.view) == ("NORMAL", "test", "AP")
    assert normal.age_years == -1  # nobody is 414 years old
    assert len(layout.films) == 2
    assert dict(layout.ignored)[films[2]] == "neither No Finding nor Pneumonia"
    assert layout.notes[:2] == [
        "Data_Entry_2017.csv and test_list.txt: read as NIH ChestX-ray14, 2 films; 1 of neither "
        "class or not frontal are left out.",
        "1 film that it names is not below the data root, as after a download in part.",
    ]


@pytest.mark.parametrize(
    ("setting", "label"), [("leave_out", None), ("pneumonia", "PNEUMONIA"), ("normal", "NORMAL")]
)
def test_chexpert_with_its_uncertain_labels(
    tmp_path: Path, setting: Literal["leave_out", "pneumonia", "normal"], label: str | None
) -> None:
    films = [
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00002/study2/view1_frontal.jpg",
        "train/patient00002/study2/view2_lateral.jpg",
        "train/patient00003/study1/view1_frontal.jpg",
        "train/patient00004/study1/view1_frontal.jpg",
    ]
    layout = layout_of(write(tmp_path, {"train.csv": CHEXPERT}, films), setting)
    found = by_path(layout)
    assert (found[films[0]].label, found[films[0]].patient_id) == ("NORMAL", "patient00001")
    assert (found[films[1]].label, found[films[1]].view, found[films[1]].age_years) == (
        "PNEUMONIA", "PA", 68,
    )  # fmt: skip
    assert found[films[1]].given_split == "train"
    assert (found[films[3]].label if films[3] in found else None) == label
    reasons = dict(layout.ignored)
    assert reasons[films[2]] == "not a frontal film: Lateral"
    assert reasons[films[4]] == "neither No Finding nor Pneumonia"
    assert ("uncertain" in reasons.get(films[3], "")) == (label is None)


def test_another_train_csv_is_no_chexpert(tmp_path: Path) -> None:
    films = ["NORMAL/a.png", "PNEUMONIA/b.png"]
    layout = layout_of(write(tmp_path, {"train.csv": "id,x\n1,2\n"}, films))
    assert layout.kind == "folders"
    assert len(layout.films) == 2


def test_who_has_sorted_films_by_class_is_believed(tmp_path: Path) -> None:
    films = ["NORMAL/00000001_000.png", "PNEUMONIA/00000002_000.png"]
    layout = layout_of(write(tmp_path, {"Data_Entry_2017.csv": NIH}, films))
    assert layout.kind == "folders"
    assert {film.path: film.label for film in layout.films} == {
        films[0]: "NORMAL",
        films[1]: "PNEUMONIA",
    }


def test_rsna_leaves_out_what_is_neither(tmp_path: Path) -> None:
    classes = (
        "patientId,class\na1,Normal\nb2,Lung Opacity\nb2,Lung Opacity\n"
        "c3,No Lung Opacity / Not Normal\n"
    )
    boxes = "patientId,x,y,width,height,Target\na1,,,,,0\nb2,1,1,9,9,1\nb2,3,3,9,9,1\nc3,,,,,0\n"
    films = [f"stage_2_train_images/{name}.dcm" for name in ("a1", "b2", "c3")]
    root = write(
        tmp_path,
        {"stage_2_detailed_class_info.csv": classes, "stage_2_train_labels.csv": boxes},
        films,
    )
    labels = {film.patient_id: film.label for film in layout_of(root).films}
    assert labels == {"a1": "NORMAL", "b2": "PNEUMONIA"}
    (root / "stage_2_detailed_class_info.csv").unlink()
    labels = {film.patient_id: film.label for film in layout_of(root).films}
    assert labels == {"a1": "NORMAL", "b2": "PNEUMONIA", "c3": "NORMAL"}


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_mimic_joins_labels_views_and_splits(tmp_path: Path, ending: str) -> None:
    labels = MIMIC_FINDINGS + (
        "10000032,50414267,,1.0,\n10000048,50414268,,,1.0\n10000050,50414269,1.0,,-1.0\n"
    )
    metadata = (
        "dicom_id,subject_id,study_id,ViewPosition\nd1,10000032,50414267,PA\n"
        "d2,10000048,50414268,AP\nd3,10000048,50414268,LATERAL\nd4,10000050,50414269,AP\n"
    )
    splits = (
        "dicom_id,study_id,subject_id,split\nd1,50414267,10000032,train\n"
        "d2,50414268,10000048,validate\n"
    )
    tables = {"chexpert": labels, "metadata": metadata, "split": splits}
    files = {f"mimic-cxr-2.0.0-{kind}{ending}": text for kind, text in tables.items()}
    films = [
        "files/p10/p10000032/s50414267/d1.jpg",
        "files/p10/p10000048/s50414268/d2.jpg",
        "files/p10/p10000048/s50414268/d3.jpg",
        "files/p10/p10000050/s50414269/d4.jpg",
    ]
    layout = layout_of(write(tmp_path, files, films))
    told = {
        path: (film.label, film.patient_id, film.view, film.given_split)
        for path, film in by_path(layout).items()
    }
    assert told == {
        films[0]: ("NORMAL", "10000032", "PA", "train"),
        films[1]: ("PNEUMONIA", "10000048", "AP", "eval"),
    }
    assert dict(layout.ignored)[films[2]] == "not a frontal film: LATERAL"
    assert "uncertain" in dict(layout.ignored)[films[3]]


def test_vindr_counts_pneumonias_of_several_names(tmp_path: Path) -> None:
    header = "image_id,rad_ID,No finding,Bronchitis,Brocho-pneumonia,Pneumonia,Pleuro-pneumonia\n"
    train = header + "a,R1,1.0,0,0,0,0\nb,R2,0,0,1.0,0,0\nc,R2,0,1.0,0,0,0\n"
    test = header + "d,R1,0,0,0,1,0\nd,R2,1,0,0,0,0\ne,R1,0,0,0,0,1\n"
    films = [*(f"train/{name}.dicom" for name in "abc"), *(f"test/{name}.dicom" for name in "de")]
    files = {"image_labels_train.csv": train, "image_labels_test.csv": test}
    layout = layout_of(write(tmp_path, files, films))
    assert {film.path: (film.label, film.given_split) for film in layout.films} == {
        "train/a.dicom": ("NORMAL", "train"),
        "train/b.dicom": ("PNEUMONIA", "train"),
        "test/e.dicom": ("PNEUMONIA", "test"),
    }
    assert "uncertain" in dict(layout.ignored)["test/d.dicom"]  # two readers, two labels


def test_covid_radiography_is_told_by_its_folders(tmp_path: Path) -> None:
    above = "COVID-19_Radiography_Dataset"
    kinds = {"COVID": "COVID-1", "Normal": "Normal-1", "Viral Pneumonia": "Viral Pneumonia-1",
             "Lung_Opacity": "Lung_Opacity-1"}  # fmt: skip
    films = [f"{above}/{folder}/images/{name}.png" for folder, name in kinds.items()]
    masks = [path.replace("/images/", "/masks/") for path in films]
    root = write(tmp_path, {f"{above}/COVID.metadata.xlsx": "x"}, [*films, *masks])
    layout = layout_of(root)
    assert {film.path: (film.label, film.subtype) for film in layout.films} == {
        films[1]: ("NORMAL", "none"),
        films[2]: ("PNEUMONIA", "virus"),
    }
    reasons = dict(layout.ignored)
    assert "uncertain" in reasons[films[0]]
    assert reasons[films[3]] == "neither No Finding nor Pneumonia"
    assert all("mask" in reasons[path] for path in masks)
    assert len(layout_of(root, "pneumonia").films) == 3


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    films = [f"images/0000000{number}_000.png" for number in (1, 2, 3)]
    others = ["images/0000009_000.png", "notes.txt"]
    root = write(tmp_path, {"Data_Entry_2017.csv": NIH}, [*films, *others])
    layout = layout_of(root)
    told = [film.path for film in layout.films] + [path for path, _ in layout.ignored]
    assert sorted([*told, "Data_Entry_2017.csv"]) == sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()
    )


def test_a_class_without_films_stops_with_the_name_of_the_set(tmp_path: Path) -> None:
    root = write(tmp_path, {"Data_Entry_2017.csv": NIH}, ["images/00000002_000.png"])
    with pytest.raises(DataError, match="NIH ChestX-ray14 has no films of PNEUMONIA"):
        layout_of(root)


@pytest.mark.parametrize("change", ["cut", "no gzip", "too large"])
def test_a_packed_table_that_is_damaged_or_a_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    name = "mimic-cxr-2.0.0-chexpert.csv.gz"
    tables = {name: MIMIC_FINDINGS, "mimic-cxr-2.0.0-metadata.csv": "dicom_id\n"}
    root = write(tmp_path, tables, ["files/p10/a.jpg"])
    data = (root / name).read_bytes()
    (root / name).write_bytes({"cut": data[:-9], "no gzip": b"x" * 50}.get(change, data))
    if change == "too large":
        monkeypatch.setattr(data_roots, "_MOST_BYTES", 20)
    with pytest.raises(DataError, match=f"^{name} (is damaged|unpacks to more than 20 bytes)"):
        layout_of(root)


def test_a_value_that_is_no_number_is_named(tmp_path: Path) -> None:
    path = "train/patient00001/study1/view1_frontal.jpg"
    text = CHEXPERT_HEADER + chexpert_row(path, "AP", "1.0", "maybe")
    root = write(tmp_path, {"train.csv": text}, [path])
    with pytest.raises(DataError, match=r"^'maybe' in the column 'Pneumonia'"):
        layout_of(root)
