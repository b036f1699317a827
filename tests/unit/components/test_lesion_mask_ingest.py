"""Masks on their way from a data root to raw examples, or to quarantine."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from apache_beam.pvalue import TaggedOutput

from components.radiograph_example_gen.driver import RadiographInputProcessor
from components.radiograph_example_gen.executor import _ReadSome
from components.radiograph_example_gen.listing import read_layout
from components.radiograph_example_gen.reading import ANY_FILM
from models import features
from radiographs.data_roots import DataRoot
from radiographs.inspect.reading import read_films
from radiographs.local_roots import LocalRoot
from radiographs.options import IngestOptions
from tests.support import draw_film, encode

MASK = np.zeros((64, 64), np.uint8)
MASK[10:20, 30:40] = 255
SAME_PICTURES = IngestOptions(near_duplicates="ignore")


@pytest.fixture(name="root")
def make_root(tmp_path: Path) -> Path:
    """Three films a class; of the ill ones one has a mask, one a mask that is not there."""
    rows = ["path,label,lesion_mask"]
    masks = {3: "drawn/3.png", 4: "drawn/jane_doe.png"}
    for number, label in enumerate(["NORMAL"] * 3 + ["PNEUMONIA"] * 3):
        (tmp_path / f"{number}.png").write_bytes(encode(draw_film(number, 64)))
        rows.append(f"{number}.png,{label},{masks.get(number, '')}")
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "3.png").write_bytes(encode(MASK))
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_mask_goes_with_its_film_and_a_missing_one_sets_it_aside(root: Path) -> None:
    films = read_layout(str(root), SAME_PICTURES).films
    planned = [(film, "train") for film in films]
    examples, unusable = {}, []
    for one in _ReadSome(str(root), SAME_PICTURES, ANY_FILM).process(planned):
        if isinstance(one, TaggedOutput):
            unusable += [one.value] if one.tag == "unusable" else []
        else:
            (mask,) = one.example.features.feature[features.LESION_MASK].bytes_list.value
            examples[one.path] = mask
    assert unusable == [
        [
            "4.png",
            "its lesion mask cannot be read; put it where the manifest says, or empty the cell",
        ]
    ]
    kept = cv2.imdecode(np.frombuffer(examples.pop("3.png"), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(kept, MASK)
    assert examples == {f"{number}.png": b"" for number in (0, 1, 2, 5)}


def test_an_inspection_says_the_same(root: Path) -> None:
    local: DataRoot = LocalRoot(str(root))
    found = read_films(local, read_layout(str(root), SAME_PICTURES).films, SAME_PICTURES)
    assert [path for path, _ in found.unusable] == ["4.png"]
    assert "lesion mask cannot be read" in found.unusable[0][1]
    assert sorted(found.facts) == [f"{number}.png" for number in (0, 1, 2, 3, 5)]


def test_another_mask_is_another_data_set(root: Path) -> None:
    def fingerprint() -> str | None:
        processor = RadiographInputProcessor(str(root), [], None)
        processor.resolve_span_and_version()
        return processor._fingerprint

    before = fingerprint()
    assert fingerprint() == before
    mask = root / "drawn" / "3.png"
    state = mask.stat()
    mask.write_bytes(encode(255 - MASK))
    os.utime(mask, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert fingerprint() != before
