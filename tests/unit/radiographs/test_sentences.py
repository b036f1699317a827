"""What stands between the apostrophes of a sentence is found, whatever it holds itself."""

from __future__ import annotations

import pytest

from radiographs.sentences import quoted_paths, with_quoted

WORDS = {"a/O'Brien.dcm": "x1", "b": "x2", "a/O": "x3", ", ": "x4"}


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("'b' and 'c'", "'x2' and 'c'"),
        ("such as 'a/O'Brien.dcm'", "such as 'x1'"),
        ("'a/O', 'a/O'Brien.dcm', 'b'.", "'x3', 'x1', 'x2'."),
        ("the patient's films 'b'", "the patient's films 'x2'"),
        ("b, a/O'Brien.dcm", "b, a/O'Brien.dcm"),
        ("'b", "'b"),
        ("", ""),
    ],
)
def test_quoted_words_are_replaced(sentence: str, told: str) -> None:
    assert with_quoted(sentence, WORDS) == told


def test_paths_are_told_from_other_words() -> None:
    sentence = r"'Study No.' has 'a/O'Brien' (line 3), 'c\d', 'e.png', 'f'; such as 'x/y'"
    assert quoted_paths(sentence) == ["a/O'Brien", r"c\d", "e.png", "x/y"]
