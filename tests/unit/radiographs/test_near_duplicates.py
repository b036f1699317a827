"""Near duplicates: copies are found whatever was done to them, other films are not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from radiographs import near_duplicates as module
from radiographs.film_groups import count_groups, describe_groups, near_duplicate_notes
from radiographs.films import Film
from radiographs.ingest_plan import plan_ingest
from radiographs.local_roots import LocalRoot
from radiographs.measures import FilmFiles
from radiographs.near_duplicates import (
    CANDIDATE_BITS,
    Pair,
    candidates,
    fingerprint,
    from_hex,
    near_duplicates,
    pairs_of_one_film,
    reduced,
    same_film,
    to_hex,
)
from radiographs.options import IngestOptions
from radiographs.phantoms import draw_patient, draw_phantom
from tests.support import encode

FILMS = 12


def film_of(seed: int) -> np.ndarray:
    label = "PNEUMONIA" if seed % 2 else "NORMAL"
    return draw_phantom(seed, 256, draw_patient(seed, label)).pixels


@pytest.fixture(scope="module", name="films")
def draw_films() -> list[np.ndarray]:
    return [film_of(seed) for seed in range(FILMS)]


def as_jpeg(film: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def cropped(film: np.ndarray, share: float) -> np.ndarray:
    rows, columns = (round(share * side) for side in film.shape)
    return film[rows : film.shape[0] - rows, columns : film.shape[1] - columns]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "encoded again": lambda film: as_jpeg(film, 40),
    "smaller": lambda film: cv2.resize(film, (150, 190), interpolation=cv2.INTER_AREA),
    "cropped by 2 %": lambda film: cropped(film, 0.02),
    "cropped by 1 % on two sides": lambda film: film[3:, 3:],
    "darker": lambda film: (film * 0.8).astype(np.uint8),
    "brighter": lambda film: np.clip(film * 1.05 + 8.0, 0, 255).astype(np.uint8),
    "cropped, small and encoded": lambda film: as_jpeg(
        cv2.resize(cropped(film, 0.01), (160, 160), interpolation=cv2.INTER_AREA), 60
    ),
}


def comparing(
    films: Mapping[str, np.ndarray], compared: list[Pair]
) -> Callable[[Sequence[Pair]], list[bool]]:
    """Compares films by path, and keeps an account of it."""

    def compare(pairs: Sequence[Pair]) -> list[bool]:
        compared.extend(pairs)
        return [same_film(*(reduced(films[path]) for path in pair)) for pair in pairs]

    return compare


def groups_of(films: dict[str, np.ndarray]) -> list[list[str]]:
    return near_duplicates(
        {path: fingerprint(film) for path, film in films.items()},
        {path: path for path in films},
        comparing(films, []),
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_and_nothing_else(films: list[np.ndarray], change: str) -> None:
    named = {f"film{number:02}": film for number, film in enumerate(films)}
    copies = {f"copy{number:02}": CHANGES[change](film) for number, film in enumerate(films)}
    expected = [[f"copy{number:02}", f"film{number:02}"] for number in range(FILMS)]
    assert groups_of({**named, **copies}) == expected


def test_copies_of_copies_are_one_group(films: list[np.ndarray]) -> None:
    named = {change: CHANGES[change](films[0]) for change in CHANGES}
    assert groups_of({"film": films[0], "other": films[1], **named}) == [sorted(["film", *CHANGES])]


def test_files_with_the_same_bytes_take_part_once(films: list[np.ndarray]) -> None:
    prints = {path: fingerprint(films[0]) for path in "abc"}
    compare = comparing(dict.fromkeys("abc", films[0]), [])
    digests = {"a": "1", "b": "1", "c": "2"}
    assert near_duplicates(prints, digests, compare) == [["a", "c"]]
    assert near_duplicates(prints, dict.fromkeys("abc", "1"), compare) == []
    assert near_duplicates({}, {}, compare) == []


def test_candidates_alone_are_compared_and_each_pair_once(films: list[np.ndarray]) -> None:
    named = {f"film{number:02}": film for number, film in enumerate(films)}
    named["copy"] = as_jpeg(films[3], 50)
    compared: list[Pair] = []
    prints = {path: fingerprint(film) for path, film in named.items()}
    near_duplicates(prints, {path: path for path in named}, comparing(named, compared))
    paths = sorted(prints)
    pairs = candidates(np.stack([prints[path] for path in paths]))
    assert sorted(compared) == sorted((paths[one], paths[other]) for one, other in pairs)


def test_of_many_copies_as_many_pairs_as_copies_are_compared(films: list[np.ndarray]) -> None:
    copies = {f"copy{quality}": as_jpeg(films[0], quality) for quality in range(60, 90)}
    compared: list[Pair] = []
    prints = {path: fingerprint(film) for path, film in copies.items()}
    groups = near_duplicates(prints, {path: path for path in copies}, comparing(copies, compared))
    assert groups == [sorted(copies)]
    assert len(compared) == len(copies) - 1


def test_a_pair_is_compared_though_nearer_ones_are_not_one_film() -> None:
    bits = np.random.default_rng(0).random((3, 256)) < 0.5
    flipped = {"a": [], "b": [0], "c": [1, 2]}  # so b and c are farther apart than both from a
    prints = {path: bits.copy() for path in flipped}
    for path, places in flipped.items():
        prints[path][:, places] ^= True
    groups = near_duplicates(
        {path: np.packbits(one, axis=1) for path, one in prints.items()},
        {path: path for path in prints},
        lambda pairs: [pair == ("b", "c") for pair in pairs],
    )
    assert groups == [["b", "c"]]


def test_a_film_of_several_pairs_is_read_once(films: list[np.ndarray], tmp_path: Path) -> None:
    for name, film in (("a", films[0]), ("b", as_jpeg(films[0], 50)), ("c", films[1])):
        (tmp_path / name).write_bytes(encode(film))
    read: list[str] = []

    class Root(LocalRoot):
        def content(self, path: str, most: int = -1) -> bytes:
            read.append(path)
            return super().content(path, most)

    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs_of_one_film(Root(str(tmp_path)), IngestOptions(), pairs) == [True, False, False]
    assert sorted(read) == ["a", "b", "c"]


def test_candidates_are_those_that_comparing_all_pairs_finds() -> None:
    # Prints drawn in clusters: some pairs are near, most are half the bits apart.
    rng = np.random.default_rng(0)
    centres = rng.random((40, 256)) < 0.5
    bits = np.stack([centre ^ (rng.random((3, 256)) < 0.02) for centre in centres for _ in "abc"])
    prints = np.packbits(bits, axis=2)
    expected = set()
    for one, other in itertools.combinations(range(len(bits)), 2):
        near = [(bits[one, frame] ^ bits[other, 0]).sum() for frame in range(3)]
        near += [(bits[other, frame] ^ bits[one, 0]).sum() for frame in range(3)]
        if min(near) <= CANDIDATE_BITS:
            expected.add((one, other))
    found = candidates(prints)
    assert len(found) == len(set(found))
    assert set(found) <= expected
    assert len(found) >= 0.97 * len(expected) > 100


def test_pairs_are_checked_a_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    centre = rng.random((1, 1, 256)) < 0.5
    prints = np.packbits(centre ^ (rng.random((30, 3, 256)) < 0.01), axis=2)
    at_once = candidates(prints)
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 7)
    assert candidates(prints) == at_once
    assert {place for pair in at_once for place in pair} == set(range(30))


def test_a_print_survives_as_text(films: list[np.ndarray]) -> None:
    assert np.array_equal(from_hex(to_hex(fingerprint(films[0]))), fingerprint(films[0]))


def test_films_that_cannot_be_laid_upon_each_other_are_not_one() -> None:
    flat = np.full((64, 64), 7, np.uint8)
    assert not same_film(flat, reduced(film_of(1)))


def test_one_film_is_the_other_whichever_goes_first() -> None:
    # Of this film, only one of both can be laid upon the other.
    whole, inner = reduced(film_of(10)), reduced(film_of(10)[6:-6, 6:-6])
    assert same_film(whole, inner) and same_film(inner, whole)


def film(path: str, patient: str, label: str = "NORMAL") -> Film:
    return Film(path=path, label=label, subtype="none", patient_id=patient)


class TestNotes:
    def test_within_a_patient_nothing_is_said(self) -> None:
        films = [film("a", "p"), film("b", "p")]
        groups = describe_groups([["a", "b"]], films, {"a": "train", "b": "test"})
        assert near_duplicate_notes(groups) == []
        assert count_groups(groups)["across_patients"] == 0

    def test_a_leak_and_a_label_conflict_are_said(self) -> None:
        films = [film("a", "p"), film("b", "q"), film("c", "r"), film("d", "s", "PNEUMONIA")]
        split_of = {"a": "train", "b": "test", "c": "train", "d": "train"}
        groups = describe_groups([["a", "b"], ["c", "d"]], films, split_of)
        leak, conflict = near_duplicate_notes(groups)
        assert "in two splits once, such as 'a' and 'b'" in leak
        assert "under both labels once, such as 'c' and 'd'" in conflict
        counted = count_groups(groups)
        assert (counted["across_splits"], counted["across_labels"]) == (1, 1)
        assert counted["listed"][0]["paths"] == ["c", "d"]  # what is worst goes first

    def test_a_film_that_is_left_out_does_not_count(self) -> None:
        assert describe_groups([["a", "gone"]], [film("a", "p")], {}) == []


def test_join_keeps_patients_with_the_same_picture_together(tmp_path: Path) -> None:
    for number in range(12):
        for label, seed in (("NORMAL", 2 * number), ("PNEUMONIA", 2 * number + 1)):
            (tmp_path / label).mkdir(exist_ok=True)
            pixels = film_of(seed)
            (tmp_path / label / f"{label}{number}.png").write_bytes(encode(pixels))
            copy = as_jpeg(cropped(pixels, 0.01), 70)
            (tmp_path / label / f"again{number}.jpg").write_bytes(encode(copy, ".jpg"))

    def parted(setting: str) -> int:
        options = IngestOptions.model_validate({"near_duplicates": setting})
        _, plan = plan_ingest(FilmFiles(LocalRoot(str(tmp_path)), options))
        return sum(
            plan.split_of[f"{label}/{label}{number}.png"]
            != plan.split_of[f"{label}/again{number}.jpg"]
            for label in ("NORMAL", "PNEUMONIA")
            for number in range(12)
        )

    assert parted("note") > 0
    assert parted("join") == 0


def test_films_that_are_alike_but_for_their_detail_are_two() -> None:
    """Two chests of one build: nearly the same grey levels, another texture."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[-1:1:256j, -1:1:256j]
    chest = 60 + 140 * np.exp(-3 * columns**2) * (1 + 0.3 * rows)
    one, other = (
        np.clip(chest + cv2.GaussianBlur(random.normal(0, 60, chest.shape), (0, 0), 4), 0, 255)
        for _ in range(2)
    )
    films = [reduced(film.astype(np.uint8)) for film in (one, other)]
    assert np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1] > 0.97
    assert not same_film(*films)
    brighter = np.clip(one * 0.8 + 30, 0, 255).astype(np.uint8)
    assert same_film(films[0], reduced(brighter))
