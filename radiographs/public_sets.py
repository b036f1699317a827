"""Public data sets in the files that their publishers give out, without a manifest of ours.

A set is told by the names and columns of its tables. Its rows become rows of a manifest; films of
neither class, of uncertain label or not frontal are left out with the reason, and films that are
named but not there, as of a download in part, are counted.

- NIH ChestX-ray14 (X. Wang et al., CVPR 2017): `Data_Entry_2017.csv`, `test_list.txt`
- RSNA Pneumonia Detection Challenge, stage 2 (G. Shih et al., Radiology: AI 2019)
- CheXpert (J. Irvin et al., AAAI 2019): `train.csv`, `valid.csv`
- MIMIC-CXR-JPG 2.0.0 (A. Johnson et al., 2019): labels, metadata and split, also as `.csv.gz`
- VinDr-PCXR (N. Nguyen et al., 2022) and VinDr-CXR, both with `image_labels_train.csv` and
  `image_labels_test.csv`
- COVID-19 Radiography Database (M. Chowdhury et al., IEEE Access 2020): its folders
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.features import EVAL, NORMAL, PNEUMONIA, TEST, TRAIN, VIRUS
from radiographs.csv_tables import csv_table
from radiographs.errors import DataError
from radiographs.file_names import stem_of
from radiographs.manifest_columns import (
    AGE_YEARS,
    LABEL,
    PATH,
    PATIENT_ID,
    SEX,
    SPLIT,
    SUBTYPE,
    VIEW,
)  # fmt: skip
from radiographs.manifests import MAX_AGE_YEARS
from radiographs.not_films import Bystanders
from radiographs.options import IngestOptions
from radiographs.views import frontal_view

NEITHER = "neither No Finding nor Pneumonia"
UNCERTAIN = "whether it shows pneumonia is uncertain (data.uncertain_labels)"
NOT_FRONTAL = "not a frontal film"

_AGE = re.compile(r"(\d+(?:\.\d+)?)[yY]?([dwmDWM]?)")
_SEXES = ("m", "f", "o", "male", "female", "other")

Row = Mapping[str, str]
ReadText = Callable[[str], str]


@dataclass(frozen=True)
class PublicFilm:
    """A film as a public set tells of it.

    Attributes:
        name: A path of which the end may be known, or the name of the file without ending.
        label: NORMAL, PNEUMONIA, `UNCERTAIN` or the reason why it is left out.
        known: Whatever else is known, under the names of our columns.
    """

    name: str
    label: str
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PublicSet:
    """A set that was recognised.

    Attributes:
        title: Its name.
        tables: Paths of what it was recognised by.
        films: Reads the tables.
    """

    title: str
    tables: list[str]
    films: Callable[[ReadText], Iterator[PublicFilm]]


@dataclass(frozen=True)
class PublicManifest:
    """A public set as a manifest of ours.

    Attributes:
        title: Name of the set.
        tables: Paths of its tables.
        text: The manifest, as CSV.
        left_out: Path and reason.
        notes: What the user has to know, as sentences.
    """

    title: str
    tables: list[str]
    text: str
    left_out: list[tuple[str, str]]
    notes: list[str]


def public_manifest(
    paths: Sequence[str], read_text: ReadText, options: IngestOptions
) -> PublicManifest | None:
    """Recognises a public set and turns it into a manifest.

    Args:
        paths: All files below the root.
        read_text: Returns the content of one of them.
        options: What an uncertain label counts as.

    Returns:
        The manifest, or None where no set is recognised.

    Raises:
        DataError: If a table cannot be read.
    """
    found = _recognised(paths, read_text)
    if found is None:
        return None
    find = _finder(paths)
    rows: dict[str, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    missing = 0
    for film in found.films(read_text):
        film = _decided(film, options)
        path = find(film.name)
        if path is None:
            missing += 1
        elif film.label in (NORMAL, PNEUMONIA):
            rows[path] = {PATH: path, LABEL: film.label, **film.known}
        else:
            left_out[path] = film.label
    notes = [_read_note(found, rows, left_out, options)]
    if missing:
        are = "1 film that it names is" if missing == 1 else f"{missing:,} films that it names are"
        notes.append(f"{are} not below the data root, as after a download in part.")
    return PublicManifest(
        found.title, found.tables, _csv(rows.values()), sorted(left_out.items()), notes
    )


def _read_note(
    found: PublicSet,
    rows: Mapping[str, Row],
    left_out: Mapping[str, str],
    options: IngestOptions,
) -> str:
    uncertain = sum(reason == UNCERTAIN for reason in left_out.values())
    others = f", {uncertain:,} of them uncertain (data.uncertain_labels)" if uncertain else ""
    return (
        f"{' and '.join(found.tables[:2])}: read as {found.title}, {len(rows):,} films; "
        f"{len(left_out):,} of neither class or not frontal are left out{others}."
    )


def _decided(film: PublicFilm, options: IngestOptions) -> PublicFilm:
    """Decides on an uncertain label, and drops a view that is unknown and an age that is none."""
    known = {name: value.strip() for name, value in film.known.items()}
    view = frontal_view(known.get(VIEW, ""))
    if view is None:
        return PublicFilm(film.name, f"{NOT_FRONTAL}: {known[VIEW]}")
    age = _AGE.fullmatch(known.get(AGE_YEARS, ""))
    if not age or (not age[2] and float(age[1]) > MAX_AGE_YEARS):  # NIH has people of 414 years
        known[AGE_YEARS] = ""
    if known.get(SEX, "").lower() not in _SEXES:
        known[SEX] = ""
    label = film.label
    if label == UNCERTAIN:
        label = {"pneumonia": PNEUMONIA, "normal": NORMAL}.get(options.uncertain_labels, UNCERTAIN)
    return replace(film, label=label, known=known)


def _csv(rows: Iterable[Row]) -> str:
    rows = list(rows)
    named = [
        column
        for column in (PATH, LABEL, SUBTYPE, PATIENT_ID, VIEW, SEX, AGE_YEARS, SPLIT)
        if column in (PATH, LABEL) or any(row.get(column) for row in rows)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, named, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _finder(paths: Sequence[str]) -> Callable[[str], str | None]:
    """Finds films by the end of their path, or by their name with or without ending."""
    bystanders = Bystanders(paths)
    of: dict[str, str] = {}
    for path in sorted(paths, reverse=True):
        if bystanders.reason(path):
            continue
        parts = path.split("/")
        of.update({"/".join(parts[-depth:]): path for depth in (1, 4) if len(parts) >= depth})
        of[stem_of(path)] = of[path] = path

    def find(written: str) -> str | None:
        if written in of:
            return of[written]
        parts = written.replace("\\", "/").split("/")
        if len(parts) > 1:
            return of.get("/".join(parts[-4:]))
        return of.get(stem_of(written))

    return find


def _recognised(paths: Sequence[str], read_text: ReadText) -> PublicSet | None:
    by_name: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (path.count("/"), path), reverse=True):
        by_name[posixpath.basename(path).lower().removesuffix(".gz")] = path
    recognisers = (_nih, _rsna, _chexpert, _mimic, _vindr)
    for recognise in recognisers:
        found = recognise(by_name, read_text)
        if found:
            return found
    return _covid_radiography(paths)


def _has(read_text: ReadText, path: str | None, *columns: str) -> bool:
    """Tells whether a table is there and has these columns."""
    if path is None:
        return False
    _, header = next(csv_table(path, read_text(path)))
    return set(columns) <= {name.strip() for name in header}


def _rows(read_text: ReadText, path: str) -> Iterator[dict[str, str]]:
    table = csv_table(path, read_text(path))
    _, header = next(table)
    names = [name.strip() for name in header]
    for _, cells in table:
        yield dict(zip(names, (cell.strip() for cell in cells), strict=True))


def _present(paths: Iterable[str | None]) -> list[str]:
    return [path for path in paths if path]


def _nih(by_name: Mapping[str, str], read_text: ReadText) -> PublicSet | None:
    names = ("data_entry_2017_v2020.csv", "data_entry_2017.csv", "sample_labels.csv")
    table = next((by_name[name] for name in names if name in by_name), None)
    if not table or not _has(read_text, table, "Image Index", "Finding Labels", "Patient ID"):
        return None
    list_of_test = by_name.get("test_list.txt", by_name.get("test_list_nih.txt"))

    def films(read: ReadText) -> Iterator[PublicFilm]:
        test = set(read(list_of_test).split()) if list_of_test else set()
        for row in _rows(read, table):
            name = row["Image Index"]
            split = (TEST if name in test else TRAIN) if test else ""
            known = {
                PATIENT_ID: row["Patient ID"],
                AGE_YEARS: row.get("Patient Age", ""),
                SEX: row.get("Patient Gender") or row.get("Patient Sex", ""),
                VIEW: row.get("View Position", ""),
                SPLIT: split,
            }
            yield PublicFilm(name, _of_findings(row["Finding Labels"].split("|")), known)

    return PublicSet("NIH ChestX-ray14", _present((table, list_of_test)), films)


def _of_findings(findings: Sequence[str]) -> str:
    if "Pneumonia" in findings:
        return PNEUMONIA
    return NORMAL if findings == ["No Finding"] else NEITHER


def _rsna(by_name: Mapping[str, str], read_text: ReadText) -> PublicSet | None:
    classes = by_name.get("stage_2_detailed_class_info.csv")
    boxes = by_name.get("stage_2_train_labels.csv")
    if _has(read_text, classes, "patientId", "class"):
        table, column = str(classes), "class"
    elif _has(read_text, boxes, "patientId", "Target"):
        table, column = str(boxes), "Target"
    else:
        return None
    label_of = {"Normal": NORMAL, "Lung Opacity": PNEUMONIA, "0": NORMAL, "1": PNEUMONIA}

    def films(read: ReadText) -> Iterator[PublicFilm]:
        for row in _rows(read, table):  # a row a box; the label is that of the film
            name = row["patientId"]
            yield PublicFilm(name, label_of.get(row[column], NEITHER), {PATIENT_ID: name})

    return PublicSet("RSNA Pneumonia Detection, stage 2", [table], films)


def _chexpert(by_name: Mapping[str, str], read_text: ReadText) -> PublicSet | None:
    needed = ("Path", "Frontal/Lateral", "AP/PA", "No Finding", "Pneumonia")
    splits = {
        path: split
        for name, split in (("train.csv", TRAIN), ("valid.csv", EVAL), ("test.csv", TEST))
        if _has(read_text, path := by_name.get(name), *needed) and path
    }

    def films(read: ReadText) -> Iterator[PublicFilm]:
        for table, split in splits.items():
            for row in _rows(read, table):
                frontal = row["Frontal/Lateral"] != "Lateral"
                known = {
                    SEX: row.get("Sex", ""),
                    AGE_YEARS: row.get("Age", ""),
                    VIEW: row["AP/PA"] if frontal else "Lateral",
                    SPLIT: split,
                }
                if known[VIEW] not in ("AP", "PA", "Lateral"):  # LL and RL, of films named frontal
                    known[VIEW] = ""
                yield PublicFilm(row["Path"], _of_values(row), known)

    return PublicSet("CheXpert", list(splits), films) if splits else None


def _of_values(row: Row) -> str:
    """Reads what CheXpert's labeller writes: 1 is yes, 0 no, -1 uncertain, nothing unmentioned."""
    pneumonia, no_finding = (_number(row, name) for name in ("Pneumonia", "No Finding"))
    if pneumonia:
        return PNEUMONIA if pneumonia > 0 else UNCERTAIN
    return NORMAL if no_finding > 0 else NEITHER


def _number(row: Row, name: str) -> float:
    """Returns a value of a labeller, 0 where nothing is written."""
    written = row.get(name, "")
    try:
        return float(written or 0)
    except ValueError:
        raise DataError(
            f"'{written}' in the column '{name}' of a public data set is no number; copy the table "
            "again from its source"
        ) from None


def _mimic(by_name: Mapping[str, str], read_text: ReadText) -> PublicSet | None:
    of = {
        kind: by_name.get(f"mimic-cxr-2.0.0-{kind}.csv")
        for kind in ("chexpert", "negbio", "metadata", "split")
    }
    labels = of["chexpert"] or of["negbio"]
    metadata, splits = of["metadata"], of["split"]
    if not labels or not metadata or not _has(read_text, labels, "subject_id", "study_id"):
        return None

    def films(read: ReadText) -> Iterator[PublicFilm]:
        label_of = {row["study_id"]: _of_values(row) for row in _rows(read, labels)}
        split_of = {row["dicom_id"]: row["split"] for row in _rows(read, splits)} if splits else {}
        for row in _rows(read, metadata):
            name = row["dicom_id"]
            known = {
                PATIENT_ID: row["subject_id"],
                VIEW: row.get("ViewPosition", ""),
                SPLIT: split_of.get(name, ""),
            }
            yield PublicFilm(name, label_of.get(row["study_id"], NEITHER), known)

    return PublicSet("MIMIC-CXR-JPG", _present((labels, metadata, splits)), films)


def _vindr(by_name: Mapping[str, str], read_text: ReadText) -> PublicSet | None:
    splits = {
        path: split
        for split in (TRAIN, TEST)
        if _has(read_text, path := by_name.get(f"image_labels_{split}.csv"), "image_id")
        and _has(read_text, path, "No finding", "Pneumonia")
        and path
    }

    def films(read: ReadText) -> Iterator[PublicFilm]:
        for table, split in splits.items():
            readers: dict[str, set[str]] = defaultdict(set)
            for row in _rows(read, table):  # a row a radiologist
                readers[row["image_id"]].add(_of_readings(row))
            for name, labels in readers.items():
                label = labels.pop() if len(labels) == 1 else UNCERTAIN
                yield PublicFilm(name, label, {SPLIT: split})

    of_children = any(_has(read_text, path, "Brocho-pneumonia") for path in splits)
    title = "VinDr-PCXR" if of_children else "VinDr-CXR"
    return PublicSet(title, list(splits), films) if splits else None


_PNEUMONIAS = ("Pneumonia", "Brocho-pneumonia", "Broncho-pneumonia", "Pleuro-pneumonia")


def _of_readings(row: Row) -> str:
    if any(_number(row, name) > 0 for name in _PNEUMONIAS):
        return PNEUMONIA
    return NORMAL if _number(row, "No finding") > 0 else NEITHER


# COVID-19 alone is no finding on a film: some of them show none.
_COVID_FOLDERS = {
    "normal": (NORMAL, ""),
    "viral pneumonia": (PNEUMONIA, VIRUS),
    "covid": (UNCERTAIN, VIRUS),
    "lung_opacity": (NEITHER, ""),
}


def _covid_radiography(paths: Sequence[str]) -> PublicSet | None:
    """Recognises the folders `COVID`, `Normal` and `Viral Pneumonia`, with `images` below them."""
    tables = [path for path in paths if posixpath.basename(path).lower().startswith("covid.meta")]
    films = {path: found for path in paths if (found := _covid_folder(path))}
    if not {"normal", "viral pneumonia", "covid"} <= {*films.values()}:
        return None

    def read(_: ReadText) -> Iterator[PublicFilm]:
        for path, folder in films.items():
            label, subtype = _COVID_FOLDERS[folder]
            yield PublicFilm(path, label, {SUBTYPE: subtype})

    return PublicSet("COVID-19 Radiography Database", tables or ["Viral Pneumonia/"], read)


def _covid_folder(path: str) -> str:
    """Returns the folder of a class that a film lies in, or an empty string."""
    above = [part.lower() for part in path.split("/")[:-1]]
    if above[-1:] == ["images"]:
        above.pop()
    return above[-1] if above and above[-1] in _COVID_FOLDERS else ""
