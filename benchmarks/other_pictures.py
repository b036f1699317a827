"""Pictures that are no upright frontal chest film, made alike on every machine.

What a client may send by mistake: noise, gradients, pages of text, charts, photographs that
packages bring along, drawings of other parts of the body, and films turned, upended or inverted.
Packages that are not installed (scikit-image, matplotlib, pydicom) are left out.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

Picture = np.ndarray  # [height, width] uint8

_SIDE_PX = 256
_TILE_SHARE = 0.6  # of a photograph's sides: how much of it a crop shows
_PARTS_OF_THE_BODY = ("hand", "knee", "skull", "abdomen", "foot", "lateral chest")
_TEXT = (
    "The quick brown fox jumps over the lazy dog while 1,234 radiographs wait in the queue. "
    "Findings: none. Impression: the request was sent to the wrong address. "
)


def other_pictures(each: int, seed: int = 0) -> dict[str, list[Picture]]:
    """Makes pictures that have nothing of a chest film.

    Args:
        each: Pictures of each kind that is drawn; of photographs there are as many as there are.
        seed: Of what is drawn.

    Returns:
        Pictures by kind.
    """
    random = np.random.default_rng(seed)
    drawn: dict[str, Callable[[np.random.Generator], Picture]] = {
        "noise": noise,
        "smooth noise": smooth_noise,
        "gradient": gradient,
        "text": page_of_text,
        "chart": chart,
        **{part: _part_drawer(part) for part in _PARTS_OF_THE_BODY},
    }
    pictures = {kind: [draw(random) for _ in range(each)] for kind, draw in drawn.items()}
    return {**pictures, "photograph": photographs(), "other modality": other_modalities()}


def turned_films(films: Iterable[Picture]) -> dict[str, list[Picture]]:
    """Turns, upends and inverts films.

    Args:
        films: Upright ones.

    Returns:
        As many of each kind.
    """
    films = list(films)
    changes: Mapping[str, Callable[[Picture], Picture]] = {
        "turned left": lambda film: np.rot90(film),
        "turned right": lambda film: np.rot90(film, -1),
        "upside down": lambda film: film[::-1, ::-1],
        "inverted": lambda film: 255 - film,
    }
    return {
        kind: [np.ascontiguousarray(change(film)) for film in films]
        for kind, change in changes.items()
    }


def noise(random: np.random.Generator) -> Picture:
    """Draws grains of even or normal law, each pixel by itself."""
    if random.random() < 0.5:
        return random.integers(0, 256, (_SIDE_PX, _SIDE_PX), dtype=np.uint8)
    mean, deviation = random.uniform(64, 192), random.uniform(10, 60)
    return _levels(random.normal(mean, deviation, (_SIDE_PX, _SIDE_PX)))


def smooth_noise(random: np.random.Generator) -> Picture:
    """Draws clouds: a few random levels, interpolated."""
    cells = int(random.integers(3, 24))
    coarse = random.uniform(0, 255, (cells, cells)).astype(np.float32)
    return _levels(cv2.resize(coarse, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC))


def gradient(random: np.random.Generator) -> Picture:
    """Draws levels that rise evenly, across a random direction or from the middle."""
    rows, columns = np.mgrid[-1 : 1 : _SIDE_PX * 1j, -1 : 1 : _SIDE_PX * 1j]
    if random.random() < 0.5:
        angle = random.uniform(0, 2 * np.pi)
        ramp = np.cos(angle) * columns + np.sin(angle) * rows
    else:
        centre = random.uniform(-0.5, 0.5, 2)
        ramp = np.hypot(rows - centre[0], columns - centre[1]) * random.choice([-1, 1])
    return _levels(255 * (ramp - ramp.min()) / np.ptp(ramp))


def page_of_text(random: np.random.Generator) -> Picture:
    """Writes lines of letters, dark on light or light on dark."""
    page = np.full((_SIDE_PX * 2, _SIDE_PX * 2), 250, np.uint8)
    size, step = random.uniform(0.4, 0.9), int(random.integers(18, 32))
    for line in range(step, page.shape[0] - step, step):
        start = int(random.integers(len(_TEXT)))
        words = (_TEXT[start:] + _TEXT)[: int(random.integers(20, 80))]
        cv2.putText(page, words, (24, line), cv2.FONT_HERSHEY_SIMPLEX, size, 20, 1, cv2.LINE_AA)
    return page if random.random() < 0.5 else 255 - page


def chart(random: np.random.Generator) -> Picture:
    """Draws bars and a curve, as on a slide or a screenshot."""
    page = np.full((_SIDE_PX, _SIDE_PX), 245, np.uint8)
    bars = int(random.integers(4, 12))
    width = (_SIDE_PX - 40) // bars
    for bar in range(bars):
        left, top = 20 + bar * width, int(random.integers(30, _SIDE_PX - 40))
        level = int(random.integers(30, 200))
        cv2.rectangle(page, (left, top), (left + width - 4, _SIDE_PX - 20), level, -1)
    across = np.arange(20, _SIDE_PX - 20)
    height = 128 + 60 * np.sin(across / random.uniform(8, 40) + random.uniform(0, 6))
    cv2.polylines(page, [np.stack([across, height], axis=-1).astype(np.int32)], False, 0, 2)
    return page


def photographs() -> list[Picture]:
    """Reads what packages bring along; of each photograph the whole and its four corners."""
    pictures = []
    for photograph in (*load_sample_images().images, *_read(_photograph_files())):
        grey = photograph if photograph.ndim == 2 else _grey(photograph)
        height, width = (round(_TILE_SHARE * side) for side in grey.shape)
        tops, lefts = (0, grey.shape[0] - height), (0, grey.shape[1] - width)
        corners = [grey[top:, left:][:height, :width] for top in tops for left in lefts]
        pictures += [np.ascontiguousarray(part) for part in (grey, *corners)]
    return pictures


def other_modalities() -> list[Picture]:
    """Reads slices of CT, MR, ultrasound and nuclear medicine that packages bring along."""
    return [] if importlib.util.find_spec("pydicom") is None else _pydicom_pictures()


def _pydicom_pictures() -> list[Picture]:
    import pydicom
    from pydicom.data import get_testdata_file

    names = (
        "CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "examples_palette.dcm",
        "examples_rgb_color.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm", "liver_1frame.dcm",
    )  # fmt: skip
    pictures = []
    for name in names:
        file = get_testdata_file(name, download=False)
        if file is None:
            continue
        levels = pydicom.dcmread(file).pixel_array.astype(np.float32)
        grey = levels if levels.ndim == 2 else levels.mean(axis=-1)
        span = max(float(np.ptp(grey)), 1.0)
        pictures.append(_levels(255 * (grey - grey.min()) / span))
    return pictures


def _photograph_files() -> list[Path]:
    folders = (("skimage", "data"), ("matplotlib", "mpl-data/sample_data"))
    files: list[Path] = []
    for package, folder in folders:
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or ()) if found else ():
            files += sorted(Path(place, folder).glob("*.[jp][pn]g"))
    return files


def _read(files: Iterable[Path]) -> list[Picture]:
    read = (cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files)
    return [picture for picture in read if picture is not None]


def _part_drawer(part: str) -> Callable[[np.random.Generator], Picture]:
    """Returns what draws bones and soft tissue of a part of the body, roughly."""

    def draw(random: np.random.Generator) -> Picture:
        soft, bone = (np.zeros((_SIDE_PX, _SIDE_PX), np.uint8) for _ in range(2))
        _DRAWERS[part](soft, bone, random)
        tissue = cv2.GaussianBlur(soft, (0, 0), 4).astype(np.float32)
        bones = cv2.GaussianBlur(bone, (0, 0), 1.5).astype(np.float32)
        grain = random.normal(0, 4, soft.shape)
        return _turned(_levels(15 + 0.4 * tissue + 0.5 * bones + grain), random)

    return draw


def _hand(soft: Picture, bone: Picture, random: np.random.Generator) -> None:
    palm = (128, 180)
    cv2.ellipse(soft, palm, (52, 60), 0, 0, 360, 255, -1)
    cv2.rectangle(bone, (108, 215), (124, 255), 220, -1)
    cv2.rectangle(bone, (132, 215), (148, 255), 220, -1)
    cv2.rectangle(soft, (96, 200), (160, 255), 255, -1)
    for degrees, length in ((-52, 85), (-22, 125), (-5, 138), (12, 128), (30, 105)):
        angle = np.radians(degrees + random.uniform(-4, 4))
        ends = [
            (int(palm[0] + share * length * np.sin(angle)),
             int(palm[1] - 20 - share * length * np.cos(angle)))
            for share in (0.1, 0.45, 0.72, 0.95)
        ]  # fmt: skip
        cv2.line(soft, ends[0], ends[-1], 255, 26)
        for near, far in itertools.pairwise(ends):
            cv2.line(bone, near, far, 230, 10)
            cv2.circle(bone, far, 2, 0, -1)


def _knee(soft: Picture, bone: Picture, random: np.random.Generator) -> None:
    width = int(random.integers(28, 40))
    cv2.rectangle(soft, (128 - 2 * width, 0), (128 + 2 * width, 255), 255, -1)
    cv2.rectangle(bone, (128 - width // 2, 0), (128 + width // 2, 90), 230, -1)
    cv2.ellipse(bone, (128, 105), (int(1.4 * width), 24), 0, 0, 360, 240, -1)
    cv2.ellipse(bone, (128, 155), (int(1.4 * width), 20), 0, 0, 360, 240, -1)
    cv2.rectangle(bone, (128 - width // 2, 160), (128 + width // 2, 255), 225, -1)
    cv2.line(bone, (128 + width, 170), (128 + width, 255), 200, 10)


def _skull(soft: Picture, bone: Picture, random: np.random.Generator) -> None:
    axes = (int(random.integers(80, 95)), int(random.integers(95, 112)))
    cv2.ellipse(soft, (128, 120), axes, 0, 0, 360, 200, -1)
    cv2.ellipse(bone, (128, 120), axes, 0, 0, 360, 255, 9)
    for left in (95, 161):
        cv2.ellipse(bone, (left, 140), (20, 16), 0, 0, 360, 210, 4)
    cv2.rectangle(bone, (92, 190), (164, 206), 230, -1)
    cv2.rectangle(soft, (100, 200), (156, 255), 180, -1)


def _abdomen(soft: Picture, bone: Picture, random: np.random.Generator) -> None:
    cv2.ellipse(soft, (128, 128), (115, 150), 0, 0, 360, 230, -1)
    for top in range(0, 190, 24):
        cv2.rectangle(bone, (112, top), (144, top + 18), 170, -1)
    for side in (-1, 1):
        cv2.ellipse(bone, (128 + side * 62, 205), (46, 38), side * 25, 0, 360, 190, -1)
    for _ in range(int(random.integers(4, 9))):
        centre = tuple(int(value) for value in random.integers(50, 200, 2))
        cv2.ellipse(soft, centre, (18, 12), float(random.uniform(0, 180)), 0, 360, 90, -1)


def _foot(soft: Picture, bone: Picture, random: np.random.Generator) -> None:
    cv2.line(soft, (40, 200), (215, 215), 255, 60)
    cv2.line(soft, (75, 20), (80, 190), 255, 70)
    cv2.line(bone, (75, 0), (80, 140), 230, 26)
    cv2.ellipse(bone, (70, 205), (34, 20), 0, 0, 360, 235, -1)
    cv2.ellipse(bone, (95, 165), (24, 18), 0, 0, 360, 235, -1)
    for toe in range(5):
        far = (225, 195 + 8 * toe + int(random.integers(-3, 4)))
        cv2.line(bone, (130, 190 + 5 * toe), far, 215, 6)


def _lateral_chest(soft: Picture, bone: Picture, random: np.random.Generator) -> None:
    depth = int(random.integers(78, 95))
    cv2.ellipse(soft, (128, 140), (depth + 25, 140), 0, 0, 360, 255, -1)
    cv2.ellipse(soft, (128, 120), (depth - 15, 95), 8, 0, 360, 60, -1)
    cv2.ellipse(soft, (95, 165), (38, 48), 20, 0, 360, 190, -1)
    cv2.ellipse(soft, (128, 225), (depth, 40), 0, 180, 360, 255, -1)
    for top in range(10, 240, 22):
        cv2.rectangle(bone, (178 + top // 16, top), (204 + top // 16, top + 16), 160, -1)
        cv2.ellipse(bone, (128, top + 30), (depth, 40), 20, 180, 360, 70, 4)
    cv2.line(bone, (48, 60), (62, 180), 140, 6)


_DRAWERS = dict(
    zip(
        _PARTS_OF_THE_BODY,
        (_hand, _knee, _skull, _abdomen, _foot, _lateral_chest),
        strict=True,
    )
)


def _turned(picture: Picture, random: np.random.Generator) -> Picture:
    """Turns a drawing by a few degrees and zooms a little."""
    middle = (_SIDE_PX / 2, _SIDE_PX / 2)
    turn = cv2.getRotationMatrix2D(middle, random.uniform(-8, 8), random.uniform(0.9, 1.15))
    return cv2.warpAffine(picture, turn, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def _grey(colour: np.ndarray) -> Picture:
    return cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)


def _levels(values: np.ndarray) -> Picture:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
