"""Pictures and figures as they stand in the page."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np

from components.report_gen.pictures import MOST_BYTES, data_uri, fitted_uris
from components.report_gen.svg import INK, MODEL, drawing
from tests.support import draw_film, encode


def content_of(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_a_small_picture_stays_as_it_is() -> None:
    picture = encode(draw_film(0, 64))
    assert content_of(fitted_uris({"a": picture})["a"]) == picture
    assert data_uri(picture).startswith("data:image/png;base64,")
    assert data_uri(b"") == ""


def test_a_large_picture_is_made_smaller_in_its_proportions() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (800, 400), dtype=np.uint8)
    small = content_of(fitted_uris({"a": encode(noise)})["a"])
    assert len(small) <= MOST_BYTES
    height_px, width_px = cv2.imdecode(np.frombuffer(small, np.uint8), 0).shape
    assert height_px == 2 * width_px < 800


def test_what_is_no_picture_is_left_out() -> None:
    assert fitted_uris({"a": b"no picture", "b": encode(draw_film(1))}).keys() == {"b"}


def test_figures_take_the_colours_of_the_page_and_have_names_of_their_own() -> None:
    figures = []
    for name in ("one", "two", "one"):
        with drawing(name, 'says "<b>"') as drawn:
            drawn.axes.plot([0, 1], [0, 1], "o-", color=MODEL, label="$5 <i>")
            drawn.axes.legend()
        figures.append(str(drawn.svg))
    first, second, again = figures
    assert first == again
    assert "var(--model)" in first and "var(--ink)" in first
    assert MODEL not in first and INK not in first
    assert 'aria-label="says &quot;&lt;b&gt;&quot;"' in first
    assert "$5 &lt;i&gt;" in first and "<i>" not in first
    names = [set(re.findall(r'id="([^"]+)"', one)) for one in (first, second)]
    assert names[0] and not names[0] & names[1]
    assert set(re.findall(r'(?:url\(#|href="#)([\w-]+)', first)) <= names[0]
