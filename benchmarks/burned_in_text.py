"""How much text that is burned into films is found, and in which films as they are text is seen.

Names, dates, ids and places are drawn into films of each folder, written as the film was, and read
as the ingest reads them. Sizes are heights of a capital in thousandths of the longest side. Prints
tables; with `--montage DIR` also writes the films as they are in which text is seen.

    python -m benchmarks.burned_in_text --data-root DIR [DIR ...] --films 60
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from benchmarks.comparison import describe_machine
from pipeline.flags import positive
from radiographs.burned_in_text import shows_text, text_boxes
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions

_PROGRAM = "benchmarks.burned_in_text"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm")
SIZES = (8, 12, 16, 24, 32, 48)  # thousandths of the longest side
TEXTS = ("SMITH, JOHN", "1961-03-07", "ID 00482913", "St. Mary's Hospital", "14:22:05")
FONTS = ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "Hershey")
_CAPITAL = 0.73  # of the size of a font
_HERSHEY_PX = 21  # height of a capital at scale 1
_MARGIN = 0.02
_DIM = 70  # grey levels above the tissue
_TILE_PX, _TILES = 320, 6

Film = npt.NDArray[np.uint8]
# From the grey levels of a film where text is to be, to those of a stroke and of what is behind it;
# None leaves it as it is.
Ink = Callable[[Film], tuple[int, int | None]]

INKS: Mapping[str, tuple[str, Ink]] = {
    "white in a corner": ("corner", lambda film: (255, None)),
    "white anywhere": ("anywhere", lambda film: (255, None)),
    f"{_DIM} levels above the tissue": (
        "anywhere", lambda film: (min(255, int(film.mean()) + _DIM), None)
    ),
    "black on a white box": ("corner", lambda film: (0, 255)),
    "white on a black box": ("anywhere", lambda film: (255, 0)),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints tables and returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    flags = _parse(words)
    print(f"`python -m {_PROGRAM} {shlex.join(words)}`\n\n{describe_machine()}\n")
    print("| films as they are | films | text is seen in | ms a film |\n|---|---:|---:|---:|")
    for root in flags.data_root:
        print(as_they_are(root, flags.montage), flush=True)
    print(f"\n| text, height in 1/1000 | {' | '.join(map(str, SIZES))} |")
    print(f"|---|{'---:|' * len(SIZES)}")
    for root in flags.data_root:
        for ink in INKS:
            shares = [recall(root, flags.films, ink, size, flags.seed) for size in SIZES]
            row = " | ".join(f"{share:.2f}" for share in shares)
            print(f"| {name_of(root)}, {ink} | {row} |", flush=True)
    return 0


def name_of(root: Path) -> str:
    """Returns what a folder is called in a table: of `images` also what it is in."""
    return root.parent.name if root.name == "images" else root.name


def as_they_are(root: Path, montage: Path | None) -> str:
    """Returns a row: films, how many of them show text, and the time it takes to tell.

    Args:
        root: Folder of films.
        montage: Folder for a picture of those, or None.
    """
    films, seen, seconds = 0, [], 0.0
    for file in _files(root):
        grey = _read(file.read_bytes())
        if grey is None:
            continue
        films += 1
        began = time.thread_time()
        boxes = text_boxes(grey)
        seconds += time.thread_time() - began
        if boxes:
            seen.append(_framed(grey, boxes))
    if montage and seen:
        montage.mkdir(parents=True, exist_ok=True)
        black = [np.zeros_like(seen[0])] * (-len(seen) % _TILES)
        tiles = np.stack([*seen, *black]).reshape(-1, _TILES, _TILE_PX, _TILE_PX, 3)
        picture = np.concatenate([np.concatenate(list(row), axis=1) for row in tiles])
        cv2.imwrite(str(montage / f"{name_of(root)}.png"), picture)
    return f"| {name_of(root)} | {films} | {len(seen)} | {1000 * seconds / max(films, 1):.2f} |"


def recall(root: Path, films: int, ink: str, size: int, seed: int) -> float:
    """Returns the share of films in which a text that is drawn into them is found.

    Args:
        root: Folder of films; those that show text as they are take no part.
        films: How many of them.
        ink: Of `INKS`.
        size: Height of a capital, in thousandths of the longest side.
        seed: Of texts, fonts and places.
    """
    files = _files(root)
    found = []
    for number, file in enumerate(files[:: max(1, len(files) // films)]):
        data = file.read_bytes()
        before = _read(data)
        film = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        if before is None or film is None or shows_text(before):
            continue
        random = np.random.default_rng((seed, size, number))
        marked = burn(film, ink, size, random)
        after = _read(cv2.imencode(file.suffix, marked)[1].tobytes())
        found.append(after is not None and shows_text(after))
    return float(np.mean(found)) if found else float("nan")


def burn(film: Film, ink: str, size: int, random: np.random.Generator) -> Film:
    """Draws a text into a film.

    Args:
        film: `[height, width]` uint8.
        ink: Of `INKS`.
        size: Height of a capital, in thousandths of the longest side.
        random: Chooses text, font and place.
    """
    height_px = max(3, round(size * max(film.shape) / 1000))
    text, font = TEXTS[random.integers(len(TEXTS))], FONTS[random.integers(len(FONTS))]
    mask = draw_text(text, font, height_px)
    margin = round(_MARGIN * max(film.shape))
    height, width = (min(mask.shape[axis], film.shape[axis] - 2 * margin) for axis in (0, 1))
    mask = mask[:height, :width]
    place, colours = INKS[ink]
    free = (film.shape[0] - height - 2 * margin, film.shape[1] - width - 2 * margin)
    corner = random.integers(2, size=2) * free
    anywhere = [int(random.integers(most + 1)) for most in free]
    top, left = (margin + int(one) for one in (corner if place == "corner" else anywhere))
    marked = film.copy()
    part = marked[top : top + height, left : left + width]
    level, behind = colours(part)
    ground = part if behind is None else np.full_like(part, behind)
    opacity = mask.astype(np.float32) / 255
    part[:] = np.round(level * opacity + ground * (1 - opacity)).astype(np.uint8)
    return marked


def draw_text(text: str, font: str, height_px: int) -> Film:
    """Draws a text, white on black, with a rim of half its height.

    Args:
        text: One line.
        font: Of `FONTS`.
        height_px: Of a capital.
    """
    rim = max(2, height_px // 2)
    if font == "Hershey":
        scale, thickness = height_px / _HERSHEY_PX, max(1, height_px // 12)
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        picture = np.zeros((height + below + 2 * rim, width + 2 * rim), np.uint8)
        cv2.putText(
            picture, text, (rim, height + rim), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness,
            cv2.LINE_AA,
        )  # fmt: skip
        return picture
    letters = ImageFont.truetype(font_manager.findfont(font), max(4, round(height_px / _CAPITAL)))
    left, top, right, bottom = (round(edge) for edge in letters.getbbox(text))
    drawn = Image.new("L", (right - left + 2 * rim, bottom - top + 2 * rim))
    ImageDraw.Draw(drawn).text((rim - left, rim - top), text, fill=255, font=letters)
    return np.asarray(drawn)


def _files(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*") if file.suffix.lower() in _SUFFIXES)


def _read(data: bytes) -> Film | None:
    try:
        return read_film(data, IngestOptions()).grey
    except UnusableImage:
        return None


def _framed(grey: Film, boxes: Sequence[tuple[int, int, int, int]]) -> Film:
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    for left, top, width, height in boxes:
        rim = max(1, max(grey.shape) // 200)
        corners = (left - rim, top - rim), (left + width + rim, top + height + rim)
        cv2.rectangle(picture, *corners, (0, 0, 255), rim)
    return np.asarray(cv2.resize(picture, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {_PROGRAM}", description=__doc__)
    parser.add_argument("--data-root", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--films", type=positive, default=60, help="that get a text (60)")
    parser.add_argument("--seed", type=int, default=0, help="of texts, fonts and places (0)")
    parser.add_argument("--montage", type=Path, help="folder for the films that text is seen in")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
