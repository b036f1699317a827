"""Whatever a manifest or a folder holds, it is read or refused in a sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from radiographs.errors import DataError
from radiographs.layouts import read_films
from radiographs.options import IngestOptions

PATHS = ("a/person1_bacteria_1.jpeg", "a/IM-0001-0001.jpeg", "ü/film 3.png", "b/x.png")
COLUMNS = st.sampled_from(
    ("path", "label", "subtype", "patient_id", "site", "view", "sex", "age_years", "split",
     "Patient ID", "Image Index", "Finding Labels", "patientId", "Age", "gender", "class", "", "x")
) | st.text(max_size=12)  # fmt: skip
VALUES = (
    st.sampled_from(
        (*PATHS, "NORMAL", "PNEUMONIA", "No Finding", "Pneumonia|Effusion", "bacteria", "PA", "ap",
         "M", "female", "058Y", "011M", "-1", "1e400", "nan", "N/A", "0", "123.0", "train", "test",
         "../x", "/etc/passwd", "C:\\x", "s3://b/x", "", " ", "\x00", "\ufeff", '"', "'", ",", ";")
    )
    | st.text(max_size=12)
    | st.integers().map(str)
    | st.floats().map(str)
)  # fmt: skip
DELIMITERS = st.sampled_from((",", ";", "\t"))
FOLDERS = st.sampled_from(
    ("NORMAL", "normal", "PNEUMONIA", "Pneumonia ", "train", "Test_Set", "masks", "images",
     "@eaDir", "..", "x", ".hidden", "study1", "patient00001")
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> str:
    delimiter = draw(DELIMITERS)
    header = draw(st.lists(COLUMNS, max_size=8))
    if draw(st.booleans()):
        header = ["path", "label", *header]
    width = st.integers(max(0, len(header) - 1), len(header) + 1)
    rows = [
        draw(st.lists(VALUES, min_size=n, max_size=n)) for n in draw(st.lists(width, max_size=6))
    ]
    ends = draw(st.sampled_from(("\n", "\r\n", "\r")))
    return ends.join(delimiter.join(row) for row in (header, *rows))


def read(paths: list[str], text: str) -> None:
    try:
        layout = read_films(paths, lambda _: text, IngestOptions())
    except DataError as error:
        assert str(error)
        return
    told = [film.path for film in layout.films] + [path for path, _ in layout.ignored]
    assert sorted(told) == sorted(path for path in paths if path != "manifest.csv")
    assert all(film.patient_id and film.label for film in layout.films)


@given(tables())
def test_a_table_is_read_or_refused(text: str) -> None:
    read([*PATHS, "manifest.csv"], text)


@given(st.text(max_size=300))
def test_so_is_any_text(text: str) -> None:
    read([*PATHS, "manifest.csv"], text)


@given(
    st.lists(
        st.tuples(st.lists(FOLDERS, max_size=4), st.text(min_size=1, max_size=12)), max_size=12
    )
)
def test_no_file_of_a_folder_is_lost(files: list[tuple[list[str], str]]) -> None:
    paths = sorted({"/".join([*folders, name.replace("/", "_")]) for folders, name in files})
    read([path for path in paths if path != "manifest.csv"], "")
