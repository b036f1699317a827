"""The list of kept films leads from a digest to a file, and back."""

from __future__ import annotations

from pathlib import Path

from components.radiograph_example_gen.film_list import FILMS_FILE, read_film_list, write_film_list
from radiographs.films import Film
from radiographs.pseudonyms import HiddenPath

FILMS = [
    Film("b, c.png", "PNEUMONIA", "virus", "p"),
    Film("a.png", "NORMAL", "none", "q"),
    Film(HiddenPath("dicom/01", "Jane Doe/1.dcm"), "NORMAL", "none", "r"),
]
DIGESTS = {film.path: 64 * str(number) for number, film in enumerate(FILMS)}
SPLITS = dict(zip(DIGESTS, ("train", "test", "eval"), strict=True))


def test_each_film_has_a_row_and_a_hidden_path_stays_hidden(tmp_path: Path) -> None:
    write_film_list(str(tmp_path), FILMS, DIGESTS, SPLITS, [["a.png", "b, c.png"]], {"dicom/01"})
    assert (tmp_path / FILMS_FILE).read_text(encoding="utf-8") == (
        "path,sha256,split,label,subtype,copies,burned_in_text\n"
        f"a.png,{64 * '1'},test,NORMAL,none,1,\n"
        f'"b, c.png",{64 * "0"},train,PNEUMONIA,virus,1,\n'
        f"dicom/01,{64 * '2'},eval,NORMAL,none,,seen\n"
    )


def test_what_was_written_is_read_as_text(tmp_path: Path) -> None:
    write_film_list(str(tmp_path), FILMS, DIGESTS, SPLITS, [], ())
    listed = read_film_list(str(tmp_path))
    assert listed["path"].tolist() == ["a.png", "b, c.png", "dicom/01"]
    assert listed["sha256"].tolist() == [64 * "1", 64 * "0", 64 * "2"]  # no number
    assert listed["subtype"].tolist() == ["none", "virus", "none"]  # no missing value
    assert set(listed["copies"]) == {""}
