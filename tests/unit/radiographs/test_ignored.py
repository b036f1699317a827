"""What was set aside is counted by reason and by the folder that a user would look into."""

from __future__ import annotations

from radiographs.ignored import count_reasons, ignored_sentence, largest_folders

IGNORED = [
    *[(f"test_set/{label}/{i}.png", "not in a class folder") for label in "ab" for i in range(40)],
    *[(f"NORMAL/masks/{i}.png", "mask") for i in range(3)],
    ("NORMAL/x/y/1.png", "another name of a film: A"),
    ("NORMAL/x/z/2.png", "another name of a film: B"),
    ("NORMAL/.hidden", "hidden"),
    ("README.md", "not in a class folder"),
]  # fmt: skip
FILMS = ["NORMAL/1.png", "PNEUMONIA/2.png"]


def test_reasons_are_counted_without_particulars() -> None:
    assert count_reasons(IGNORED) == {
        "not in a class folder": 81, "mask": 3, "another name of a film": 2, "hidden": 1,
    }  # fmt: skip


def test_the_largest_folders_are_the_uppermost_without_films() -> None:
    assert largest_folders(IGNORED, FILMS) == {"test_set": 80, "NORMAL/masks": 3, "NORMAL/x": 2}


def test_files_beside_films_are_of_their_folder() -> None:
    ignored = [("NORMAL/.hidden", "hidden"), ("README.md", "outside")]
    assert largest_folders(ignored, FILMS) == {"NORMAL": 1, "the data root itself": 1}


def test_the_sentence() -> None:
    assert ignored_sentence({}, {}) == ""
    assert ignored_sentence({"hidden": 1}, {"NORMAL": 1}) == (
        "ignored 1 file: 1 hidden; most in NORMAL (1)"
    )
    assert ignored_sentence({"outside": 1200, "hidden": 3}, {"a": 1200, "b": 3}) == (
        "ignored 1,203 files: 1,200 outside, 3 hidden; most in a (1,200), b (3)"
    )
