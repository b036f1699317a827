"""The same bytes under both labels stop the run, or leave it."""

from __future__ import annotations

import pytest

from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.label_conflicts import CONFLICTS_FILE, settle_label_conflicts
from radiographs.layouts import Layout
from radiographs.options import IngestOptions

FILMS = [
    Film(f"{label}/{name}.png", label, "none", name)
    for label, names in (("NORMAL", "abc"), ("PNEUMONIA", "def"))
    for name in names
]
LAYOUT = Layout("folders", FILMS, [("x", "hidden")], ["a note"])
IDENTICAL = [
    ["NORMAL/a.png", "NORMAL/b.png"],
    ["PNEUMONIA/d.png", "PNEUMONIA/e.png", "NORMAL/c.png"],
]


def test_stop_names_the_files_and_lists_them() -> None:
    with pytest.raises(DataError) as error:
        settle_label_conflicts(LAYOUT, IDENTICAL, IngestOptions())
    sentence = str(error.value)
    assert "'NORMAL/c.png' (NORMAL) and 'PNEUMONIA/d.png' (PNEUMONIA)" in sentence
    assert "data.label_conflicts=drop" in sentence
    assert error.value.files == {
        CONFLICTS_FILE: "group,path,label\n1,NORMAL/c.png,NORMAL\n"
        "1,PNEUMONIA/d.png,PNEUMONIA\n1,PNEUMONIA/e.png,PNEUMONIA\n"
    }


def test_a_long_list_is_cut_in_the_sentence_only() -> None:
    films = [
        Film(f"{label}/{i}.png", label, "none", f"{label}{i}")
        for label in ("NORMAL", "PNEUMONIA")
        for i in range(5)
    ]
    identical = [[f"PNEUMONIA/{i}.png", f"NORMAL/{i}.png"] for i in range(5)]
    with pytest.raises(DataError, match="; and 2 more groups;") as error:
        settle_label_conflicts(Layout("folders", films, []), identical, IngestOptions())
    assert "NORMAL/2.png" in str(error.value)
    assert "NORMAL/3.png" not in str(error.value)
    assert error.value.files[CONFLICTS_FILE].count("\n") == 11


def test_drop_leaves_all_of_them_out_and_says_so() -> None:
    layout = settle_label_conflicts(LAYOUT, IDENTICAL, IngestOptions(label_conflicts="drop"))
    assert [film.patient_id for film in layout.films] == ["a", "b", "f"]
    assert layout.ignored == [
        ("NORMAL/c.png", "label conflict: the same bytes as PNEUMONIA/d.png"),
        ("PNEUMONIA/d.png", "label conflict: the same bytes as NORMAL/c.png"),
        ("PNEUMONIA/e.png", "label conflict: the same bytes as NORMAL/c.png"),
        ("x", "hidden"),
    ]
    assert layout.notes[0] == "a note"
    assert layout.notes[1].startswith("3 films with the same bytes under both labels are left out")
    assert LAYOUT.notes == ["a note"]


@pytest.mark.parametrize("choice", ["stop", "drop"])
def test_copies_under_one_label_are_no_conflict(choice: str) -> None:
    options = IngestOptions(label_conflicts=choice)
    assert settle_label_conflicts(LAYOUT, IDENTICAL[:1], options) == LAYOUT


def test_copies_under_two_subtypes_are_said() -> None:
    films = [Film(f"{kind}.png", "PNEUMONIA", kind, kind) for kind in ("virus", "bacteria")]
    layout = settle_label_conflicts(
        Layout("folders", films, []), [["virus.png", "bacteria.png"]], IngestOptions()
    )
    assert layout.films == films
    assert layout.notes == [
        "The same bytes are under different subtypes once, such as 'bacteria.png' and 'virus.png'."
    ]
