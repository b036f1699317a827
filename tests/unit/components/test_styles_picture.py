"""The picture of the styles of an ingest."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from components.montages import titled
from components.radiograph_example_gen.styles import CELL_PX, TYPICAL, write_montage
from radiographs.formats.png import decode_grey_png, encode_png
from radiographs.options import IngestOptions
from tests.support import draw_film


def test_a_film_that_has_gone_since_is_left_out_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("near.png", "far.png", "other.png")
    films = {name: draw_film(seed) for seed, name in enumerate(names)}
    for name, film in films.items():
        (tmp_path / name).write_bytes(encode_png(film))
    places = {
        "far.png": ("1", 0.9), "gone.png": ("1", 0.5), "near.png": ("1", 0.1),
        "other.png": ("2", 0.0),
    }  # fmt: skip
    with caplog.at_level(logging.WARNING):
        write_montage(str(tmp_path), str(tmp_path), places, IngestOptions())
    drawn = decode_grey_png((tmp_path / "styles.png").read_bytes())
    assert drawn.shape[0] == 2 * CELL_PX
    titles, drawn = drawn[:, : -TYPICAL * CELL_PX], drawn[:, -TYPICAL * CELL_PX :]
    np.testing.assert_array_equal(
        titled(drawn, ["style 1", "style 2"])[:, : titles.shape[1]], titles
    )
    for name, row, column in (("near.png", 0, 0), ("far.png", 0, 1), ("other.png", 1, 0)):
        cell = drawn[row * CELL_PX :, column * CELL_PX :][:CELL_PX, :CELL_PX]
        small = cv2.resize(films[name], (CELL_PX, CELL_PX), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(cell, small)
    assert not drawn[:CELL_PX, 2 * CELL_PX :].any() and not drawn[CELL_PX:, CELL_PX:].any()
    (told,) = caplog.messages
    assert told.startswith("gone.png, which is left out of styles.png, now cannot be read (")
