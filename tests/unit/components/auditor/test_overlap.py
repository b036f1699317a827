"""Who counts as the same patient at two sites, and who by chance only has the same number."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.auditor.overlap import (
    digests_where_sizes_agree,
    hash_of,
    identities_of_examples,
    identities_of_films,
    refuse_alike,
    refuse_shared,
    shared_patients,
)
from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.phantoms import draw_phantom
from tests.unit.components.auditor.films import example_of, film_of, write_split


def films(*known: dict[str, Any]) -> pd.DataFrame:
    """Identities of films with digests of their own, all called f0.png, f1.png and so on."""
    listed = [
        Film(f"NORMAL/f{number}.png", "NORMAL", "none", **one) for number, one in enumerate(known)
    ]
    return identities_of_films(listed, [""] * len(listed))


def patients(external: pd.DataFrame, own: pd.DataFrame, by_name: bool = False) -> list[str]:
    return sorted(set(shared_patients(external, own, by_name)["patient_id"]))


@pytest.mark.parametrize(
    ("site", "own_site", "shared"),
    [
        ("a", "a", ["7"]),
        ("a", "b", []),
        ("unknown", "a", ["7"]),
        ("a", "unknown", ["7"]),
        ("unknown", "unknown", ["7"]),
    ],
)
def test_an_id_means_something_within_its_site(site: str, own_site: str, shared: list[str]) -> None:
    external = films({"patient_id": "7", "site": site}, {"patient_id": "8", "site": site})
    own = films({"patient_id": "7", "site": own_site}, {"patient_id": "9", "site": own_site})
    assert patients(external, own) == shared


@pytest.mark.parametrize(("site", "shared"), [("a", ["7"]), ("b", []), ("unknown", ["7"])])
def test_an_id_that_the_ingest_added_the_site_to_is_the_same_one(
    site: str, shared: list[str]
) -> None:
    own = films({"patient_id": "a/7", "site": "a"}, {"patient_id": "b/8", "site": "b"})
    assert patients(films({"patient_id": "7", "site": site}), own) == shared


@pytest.mark.parametrize(
    ("patient_id", "by_name", "site", "shared"),
    [
        ("f0", True, "unknown", []),
        ("f0", False, "unknown", ["f0"]),
        ("f0", True, "a", ["f0"]),
        ("f", True, "unknown", ["f"]),
    ],
)
def test_the_name_of_a_file_is_no_patient(
    patient_id: str, by_name: bool, site: str, shared: list[str]
) -> None:
    both = films({"patient_id": patient_id, "site": site})
    assert patients(both, both, by_name) == shared


def test_a_name_is_compared_as_the_ingest_composes_it() -> None:
    film = Film("NORMAL/Mu\u0308ller.png", "NORMAL", "none", patient_id="M\u00fcller")
    both = identities_of_films([film], [""])
    assert patients(both, both, by_name=True) == []


@pytest.mark.parametrize(("other_sex", "numbered_anew"), [(1, False), (2, False), (3, True)])
def test_ids_whose_sex_differs_are_numbered_anew(other_sex: int, numbered_anew: bool) -> None:
    people = [{"patient_id": str(number), "sex": "F"} for number in range(8)]
    # A second film of a patient is no second piece of evidence.
    external = films(*people, *[people[7]] * 20, {"patient_id": "9", "sex": "unknown"})
    changed = [{**one, "sex": "M"} if int(one["patient_id"]) < other_sex else one for one in people]
    own = films(*changed, {"patient_id": "9", "sex": "M"})
    shared = patients(external, own)
    assert shared == ([] if numbered_anew else [*"012345679"])


def test_films_of_either_split_may_be_the_shared_one(tmp_path: Path) -> None:
    examples = [
        example_of(film_of(seed, 99), patient_id=f"p{seed}", site="here", sex="F")
        for seed in range(2)
    ]
    uris = [
        write_split(tmp_path / name, [one])
        for name, one in zip(("train", "test"), examples, strict=True)
    ]
    own = identities_of_examples(uris)
    assert sorted(own["patient_id"]) == ["p0", "p1"]
    assert own["site"].tolist() == ["here", "here"]
    assert own["sex"].tolist() == ["F", "F"]
    listed = [Film("NORMAL/x.png", "NORMAL", "none", patient_id="q")]
    for digest in own["sha256"]:
        with pytest.raises(DataError, match=r"1 of the 1 films below /site are films of train"):
            refuse_shared("/site", identities_of_films(listed, [digest]), own, True)
    refuse_shared("/site", identities_of_films(listed, ["0" * 64]), own, True)


def test_an_unknown_digest_is_not_a_shared_one() -> None:
    external, own = films({"patient_id": "1"}), films({"patient_id": "2"})
    refuse_shared("/site", external, own, by_name=False)


def test_shared_patients_are_counted_and_named() -> None:
    external = films(*({"patient_id": one} for one in ("a", "b", "b", "c")))
    own = films(*({"patient_id": one} for one in ("b", "b", "c", "d")))
    with pytest.raises(DataError, match=r"2 of the 3 patients below /s .* 'b' \('NORMAL/f1"):
        refuse_shared("/s", external, own, by_name=False)


def test_digests_are_of_files_whose_size_both_folders_have(tmp_path: Path) -> None:
    contents = {"there/a": b"same", "there/b": b"longer", "there/c": b"also", "here/d": b"SAME",
                "here/e": b""}  # fmt: skip
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    found = digests_where_sizes_agree(
        str(tmp_path / "there"), ["a", "b", "c"], str(tmp_path / "here"), ["e", "d"]
    )
    same, also, other = (hashlib.sha256(one).hexdigest() for one in (b"same", b"also", b"SAME"))
    assert found == ([same, "", also], ["", other])


def test_the_same_film_in_another_file_is_found(tmp_path: Path) -> None:
    film = draw_phantom(3, 192).pixels
    uri = write_split(
        tmp_path / "train", [example_of(film), example_of(draw_phantom(4, 192).pixels)]
    )
    own = identities_of_examples([uri])
    again = example_of(film[::2, ::2], suffix=".jpg")
    external = pd.DataFrame({"path": ["a/new.jpg"], "difference_hash": [hash_of(again)]})
    with pytest.raises(DataError, match=r"1 of the 1 films below /s show films of train.*'a/new"):
        refuse_alike("/s", external, own)
    other = pd.DataFrame({"path": ["b"], "difference_hash": [hash_of(example_of(film[:, ::-1]))]})
    refuse_alike("/s", other, own)
    refuse_alike("/s", other, own.iloc[:0])


@pytest.mark.parametrize(("sex", "own_sex"), [("F", "unknown"), ("unknown", "M")])
def test_an_unknown_sex_does_not_tell_numbers_apart(sex: str, own_sex: str) -> None:
    external = films(*({"patient_id": number, "sex": sex} for number in "0123456789"))
    own = films(*({"patient_id": number, "sex": own_sex} for number in "0123456789"))
    assert patients(external, own) == [*"0123456789"]
