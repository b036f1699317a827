"""The same bytes under both labels stop the run, or leave it."""

from __future__ import annotations

import pytest

from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.label_conflicts import (
    CONFLICTS_FILE,
    find_label_conflicts,
    settle_label_conflicts,
)
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
CONFLICTS = find_label_conflicts(FILMS, IDENTICAL)


def test_only_groups_of_both_labels_are_conflicts() -> None:
    assert [[film.path for film in group] for group in CONFLICTS] == [
        ["NORMAL/c.png", "PNEUMONIA/d.png", "PNEUMONIA/e.png"]
    ]


def test_stop_names_the_files_and_lists_them() -> None:
    with pytest.raises(DataError) as error:
        settle_label_conflicts(LAYOUT, CONFLICTS, IngestOptions())
    sentence = str(error.value)
    assert "'NORMAL/c.png' (NORMAL) and 'PNEUMONIA/d.png' (PNEUMONIA)" in sentence
    assert "data.label_conflicts=drop" in sentence
    assert error.value.files == {
        CONFLICTS_FILE: "group,path,label\n1,NORMAL/c.png,NORMAL\n"
        "1,PNEUMONIA/d.png,PNEUMONIA\n1,PNEUMONIA/e.png,PNEUMONIA\n"
    }


def test_a_long_list_is_cut_in_the_sentence_only() -> None:
    with pytest.raises(DataError, match="; and 2 more groups;") as error:
        settle_label_conflicts(LAYOUT, CONFLICTS * 5, IngestOptions())
    assert error.value.files[CONFLICTS_FILE].count("\n") == 16


def test_drop_leaves_all_of_them_out_and_says_so() -> None:
    layout = settle_label_conflicts(LAYOUT, CONFLICTS, IngestOptions(label_conflicts="drop"))
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
def test_without_conflicts_nothing_changes(choice: str) -> None:
    options = IngestOptions(label_conflicts=choice)
    assert settle_label_conflicts(LAYOUT, [], options) is LAYOUT
