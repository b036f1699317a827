"""What lies beside films without being one."""

from __future__ import annotations

import pytest

from radiographs.not_films import ANNOTATION, HIDDEN, THUMBNAIL, Bystanders

FILMS = ("NORMAL/images/a.png", "PNEUMONIA/images/b.png", "NORMAL/c.png")


def reason(path: str, *others: str) -> str:
    return Bystanders([*FILMS, *others, path]).reason(path)


@pytest.mark.parametrize(
    "path",
    ["NORMAL/@eaDir/a.png/SYNOPHOTO_THUMB_XL.jpg", "#recycle/NORMAL/a.png",
     "$RECYCLE.BIN/S-1-5/a.png", "NORMAL/.thumbnails/a.png", "lost+found/a.png",
     "System Volume Information/x", ".Trash-1000/files/a.png", "NORMAL/.snapshot/h/a.png",
     "~snapshot/NORMAL/a.png", "@Recycle/a.png", "NORMAL/.AppleDouble/a.png", "NORMAL/._a.png",
     "NORMAL/Thumbs.db", "NORMAL/.DS_Store", "desktop.ini", "__MACOSX/NORMAL/a.png",
     "NORMAL/.ipynb_checkpoints/a-checkpoint.png", "#snapshot/NORMAL/a.png",
     "NORMAL/a.png@SynoEAStream", "@Recently-Snapshot/NORMAL/a.png", "NORMAL/~$a.png",
     "RECYCLER/a.png"],
)  # fmt: skip
def test_what_storage_systems_leave(path: str) -> None:
    assert reason(path) == HIDDEN


@pytest.mark.parametrize(
    "path",
    ["NORMAL/masks/a.png", "NORMAL/Masks/a.png", "NORMAL/mask/a.png", "NORMAL/lung_masks/a.png",
     "NORMAL/Lung Masks/deep/a.png", "train/NORMAL/segmentation/a.png",
     "NORMAL/segmentations/a.png", "NORMAL/heatmaps/a.png", "NORMAL/annotations/a.xml",
     "NORMAL/ground-truth/a.png", "NORMAL/labels/a.png", "NORMAL/lesions/a.png",
     "NORMAL/images/c_mask.png"],
)  # fmt: skip
def test_annotations(path: str) -> None:
    assert reason(path, "NORMAL/images/c.png", "train/NORMAL/images/a.png") == ANNOTATION


def test_thumbnails() -> None:
    assert reason("NORMAL/thumbnails/a.png") == THUMBNAIL


@pytest.mark.parametrize(
    "path",
    ["NORMAL/images/a.png", "NORMAL/ward 1/a.png", "OTHER/labels/a.png", "PNEUMONIA/lesion/x.png",
     "NORMAL/a_mask.png", "NORMAL/masked/a.png", "NORMAL/unmask.png", "NORMAL/#12/a.png",
     "NORMAL/@home/a.png", "NORMAL/mask.png", "NORMAL/segundo/a.png", "NORMAL/~a.png"],
)  # fmt: skip
def test_what_may_well_be_a_film(path: str) -> None:
    bystanders = Bystanders([path for path in (*FILMS[2:], path)])
    assert bystanders.reason(path) == ""
