"""Files of lesion masks: which are understood, what goes on of them, how a manifest names them."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from radiographs.data_roots import read_layout
from radiographs.decoding import CanonicalFilm, read_film
from radiographs.errors import DataError, UnusableImage
from radiographs.films import Film
from radiographs.lesion_masks import canonical_mask, read_mask
from radiographs.local_roots import LocalRoot
from radiographs.options import IngestOptions
from tests.support import draw_film, encode

HEIGHT, WIDTH = 80, 100
FILM = Film("film.png", "PNEUMONIA", "virus", "p")
RNG = np.random.default_rng(0)
INSIDE = np.zeros((HEIGHT, WIDTH), bool)
INSIDE[20:40, 10:30] = True


def image_of(orientation: int = 1) -> CanonicalFilm:
    stored = Image.fromarray(RNG.integers(0, 255, (HEIGHT, WIDTH), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif.tobytes())
    return read_film(file.getvalue(), IngestOptions())


def saved(mask: np.ndarray | Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    picture.save(file, options.pop("format", "PNG"), **options)
    return file.getvalue()


def levels(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def of_palette() -> Image.Image:
    picture = Image.fromarray(INSIDE.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 200, 30, 30] + [0] * (3 * 254))
    return picture


def without_last_rows() -> bytes:
    """Sound in all but that half of the rows its header tells of are not there."""
    half = saved(INSIDE.astype(np.uint8)[: HEIGHT // 2] * 255)
    header = b"IHDR" + struct.pack(">II", WIDTH, HEIGHT) + half[24:29]
    return half[:12] + header + struct.pack(">I", zlib.crc32(header)) + half[33:]


GREY = INSIDE.astype(np.uint8)


@pytest.mark.parametrize(
    "mask",
    [
        GREY * 255, GREY, INSIDE, INSIDE.astype(np.uint16) * 65535, np.dstack([GREY * 255] * 3),
        np.dstack([GREY * 200, GREY * 0, GREY * 0]), of_palette(),
        np.dstack([GREY * 255] * 3 + [GREY * 0 + 255]), np.dstack([GREY * 255, GREY * 0 + 255]),
    ],
    ids=[
        "0 and 255", "0 and 1", "1 bit", "16 bit", "RGB", "red", "palette", "opaque RGBA",
        "opaque grey alpha",
    ],
)  # fmt: skip
def test_a_mask_of_two_values_is_read_whatever_they_are(mask: np.ndarray | Image.Image) -> None:
    goes_on = levels(canonical_mask(saved(mask), FILM, image_of()))
    assert goes_on.dtype == np.uint8
    np.testing.assert_array_equal(goes_on, np.where(INSIDE, 255, 0))


def test_a_mask_without_a_lesion_is_known_to_be_empty() -> None:
    nothing = canonical_mask(saved(GREY * 0), FILM, image_of())
    assert nothing and not levels(nothing).any()
    normal = Film("film.png", "NORMAL", "none", "p")
    assert canonical_mask(saved(GREY * 0), normal, image_of()) == nothing


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(GREY[:, :-1]), "has 99 x 80 pixels and the film upright 100 x 80; save it in"),
        (saved(GREY.T), "has 80 x 100 pixels and the film upright 100 x 80; save it in"),
        (saved(RNG.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)), "is not black with one other"),
        (saved(GREY + (GREY.cumsum(1) > 12)), "is not black with one other value"),
        (saved(255 - GREY * 200), "is not black with one other value"),
        (saved(GREY * 0 + 255), "is not black with one other value"),
        (saved(np.dstack([GREY * 255] * 3 + [GREY * 255])), "transparent; save it without alpha"),
        (saved(np.dstack([GREY * 255, GREY])), "transparent; save it without alpha"),
        (saved(GREY * 255, format="JPEG"), "is no PNG, or a damaged one; save it again as PNG"),
        (saved(GREY * 255)[:60], "is no PNG, or a damaged one"),
        (without_last_rows(), "is no PNG, or a damaged one"),
        (b"", "is no PNG, or a damaged one"),
    ],
    ids=[
        "narrower", "turned", "colours", "three values", "inverted", "white", "RGBA", "grey alpha",
        "JPEG", "cut short", "rows missing", "empty",
    ],
)  # fmt: skip
def test_what_is_no_mask_of_the_film_is_refused_in_one_sentence(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableImage, match=reason) as refused:
        canonical_mask(data, FILM, image_of())
    assert str(refused.value).count(".") == 0
    assert "lesion mask" in str(refused.value)


def test_a_lesion_on_a_normal_film_is_refused() -> None:
    normal = Film("film.png", "NORMAL", "none", "p")
    with pytest.raises(UnusableImage, match="shows a lesion, but its label is NORMAL; correct"):
        canonical_mask(saved(GREY), normal, image_of())


def test_nothing_that_is_written_in_the_file_goes_on() -> None:
    told = PngInfo()
    told.add_text("Author", "Jane Doe")
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe"
    data = saved(GREY * 255, pnginfo=told, exif=exif.tobytes())
    assert b"Jane" in data
    assert canonical_mask(data, FILM, image_of()) == canonical_mask(saved(GREY), FILM, image_of())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_of_the_film_as_viewers_show_it(orientation: int) -> None:
    """Drawn on the upright film, or stored as the film is and turned by the same EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = saved(GREY * 255, exif=exif.tobytes())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(stored))))
    for data in (stored, saved(upright)):
        np.testing.assert_array_equal(
            levels(canonical_mask(data, FILM, image_of(orientation))), upright
        )


def test_a_huge_mask_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(np.zeros((3000, 3000), np.uint8))

    def load(self: Image.Image) -> None:
        raise AssertionError("its pixels were decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(UnusableImage, match="has 3000 x 3000 pixels"):
        canonical_mask(data, FILM, image_of())


def write_root(folder: Path, masks: dict[str, str]) -> Path:
    """Films of both classes with a manifest; masks by the name of their film."""
    rows = ["path,label,lesion_mask"]
    for number, label in enumerate(["NORMAL"] * 3 + ["PNEUMONIA"] * 3):
        name = f"films/{label}{number}.png"
        (folder / "films").mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(draw_film(number)))
        rows.append(f"{name},{label},{masks.get(f'{label}{number}', '')}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


class TestManifest:
    def layout(self, root: Path, **options: Any) -> dict[str, str]:
        found = read_layout(LocalRoot(str(root)), IngestOptions(**options))
        self.ignored = dict(found.ignored)
        self.notes = found.notes
        return {film.path: film.lesion_mask for film in found.films}

    def test_an_empty_cell_is_a_film_without_a_mask(self, tmp_path: Path) -> None:
        root = write_root(tmp_path, {"PNEUMONIA3": "drawn/a.png", "PNEUMONIA4": "n/a"})
        (root / "drawn").mkdir()
        (root / "drawn" / "a.png").write_bytes(saved(GREY))
        found = self.layout(root)
        assert {path: mask for path, mask in found.items() if mask} == {
            "films/PNEUMONIA3.png": "drawn/a.png"
        }
        assert len(found) == 6
        assert self.ignored == {} and not any("lesion_mask" in note for note in self.notes)

    @pytest.mark.parametrize("written", ["drawn\\a.png", "./drawn/a.png", "drawn/x/../a.png"])
    def test_a_path_is_found_however_it_is_written(self, tmp_path: Path, written: str) -> None:
        root = write_root(tmp_path, {"PNEUMONIA3": written})
        (root / "drawn").mkdir()
        (root / "drawn" / "a.png").write_bytes(saved(GREY))
        assert self.layout(root)["films/PNEUMONIA3.png"] == "drawn/a.png"

    @pytest.mark.parametrize("written", ["../Doe.png", "/etc/Doe.png", "gs://b/Doe.png"])
    def test_a_path_out_of_the_root_is_refused_and_not_quoted(
        self, tmp_path: Path, written: str
    ) -> None:
        root = write_root(tmp_path, {"PNEUMONIA3": written})
        told = r"manifest\.csv line 5: .* leads out of the data root"
        with pytest.raises(DataError, match=told) as refused:
            self.layout(root)
        assert "Doe" not in str(refused.value)

    def test_what_is_not_listed_is_never_opened(self, tmp_path: Path) -> None:
        root = write_root(tmp_path, {"PNEUMONIA3": "pipe.png"})
        os.mkfifo(root / "pipe.png")  # whoever opens it waits for ever
        mask = self.layout(root)["films/PNEUMONIA3.png"]
        film = Film("films/PNEUMONIA3.png", "PNEUMONIA", "virus", "p", lesion_mask=mask)
        with pytest.raises(UnusableImage, match="its lesion mask cannot be read; put it where"):
            read_mask(LocalRoot(str(root)).content, film, image_of())

    def test_a_film_is_no_mask(self, tmp_path: Path) -> None:
        root = write_root(tmp_path, {"PNEUMONIA3": "films/PNEUMONIA4.png"})
        with pytest.raises(DataError, match="line 5: the lesion_mask is a film itself; name the"):
            self.layout(root)

    def test_a_mask_may_have_the_name_of_its_film(self, tmp_path: Path) -> None:
        masks = {f"PNEUMONIA{number}": f"drawn/PNEUMONIA{number}.png" for number in (3, 4, 5)}
        root = write_root(tmp_path, masks)
        (root / "drawn").mkdir()
        for mask in masks.values():
            (root / mask).write_bytes(saved(GREY))
        table = root / "manifest.csv"
        by_name = table.read_text().replace("path,", "Image Index,").replace("\nfilms/", "\n")
        table.write_text(by_name)
        assert self.layout(root) == {
            **{f"films/NORMAL{number}.png": "" for number in (0, 1, 2)},
            **{f"films/{film}.png": mask for film, mask in masks.items()},
        }
        shutil.move(root / "drawn" / "PNEUMONIA3.png", root)
        table.write_text(by_name.replace("drawn/PNEUMONIA3", "PNEUMONIA3"))
        assert self.layout(root)["films/PNEUMONIA3.png"] == "PNEUMONIA3.png"
        (root / "PNEUMONIA3.png").unlink()
        shutil.rmtree(root / "drawn")
        table.write_text(by_name.replace("drawn/PNEUMONIA3", "films/PNEUMONIA4"))
        with pytest.raises(DataError, match="line 5: the lesion_mask is a film itself; name the"):
            self.layout(root)

    def test_masks_of_sites_lie_in_their_folders(self, tmp_path: Path) -> None:
        for site in ("A", "B"):
            root = write_root(tmp_path / site, {"PNEUMONIA3": "drawn/a.png"})
            (root / "drawn").mkdir()
            (root / "drawn" / "a.png").write_bytes(saved(GREY))
        found = self.layout(tmp_path, layout="sites")
        assert {path: mask for path, mask in found.items() if mask} == {
            f"{site}/films/PNEUMONIA3.png": f"{site}/drawn/a.png" for site in ("A", "B")
        }
