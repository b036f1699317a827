"""What lies beside films without being one."""

from __future__ import annotations

import pytest

from radiographs.not_films import (
    ANNOTATION,
    HIDDEN,
    NO_PICTURE,
    THUMBNAIL,
    Bystanders,
    doubtful_notes,
)

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
     "NORMAL/images/c_mask.png", "NORMAL/left_mask/a.png", "NORMAL/ManualMask/leftMask/a.png",
     "NORMAL/lung_segmentation/a.png", "NORMAL/infection masks/a.png", "NORMAL/leftmasks/a.png",
     "NORMAL/GroundTruth_masks/a.png", "NORMAL/GT masks/a.png", "NORMAL/ground truth/a.png",
     "NORMAL/MASKS2/a.png", "NORMAL/Grad-CAM/a.png", "NORMAL/mask_images/a.png",
     "NORMAL/YOLO labels/a.png", "NORMAL/images/mask_c.png", "NORMAL/images/c(mask).png",
     "NORMAL/images/c-overlay.png", "NORMAL/images/c_left_mask_1.png", "NORMAL/images/c.seg.png",
     "NORMAL/other/lung-mask_c.png", "NORMAL/images/cMask.png", "NORMAL/images/c_label.png",
     "NORMAL/images/Bounding Box c.png", "NORMAL/images/c.png.mask.png"],
)  # fmt: skip
def test_annotations(path: str) -> None:
    assert reason(path, "NORMAL/images/c.png", "train/NORMAL/images/a.png") == ANNOTATION


@pytest.mark.parametrize(
    "path",
    ["NORMAL/thumbnails/a.png", "NORMAL/preview/a.png", "NORMAL/Previews/a.png",
     "NORMAL/my thumbs/a.png", "NORMAL/c_thumb.jpg", "NORMAL/thumb_c.jpg",
     "NORMAL/c.thumbnail.png", "NORMAL/c-preview.jpg", "NORMAL/images/thumbnail (a).png"],
)  # fmt: skip
def test_thumbnails(path: str) -> None:
    assert reason(path) == THUMBNAIL


@pytest.mark.parametrize(
    "name", ["a.txt", "a.xml", "a.JSON", "notes.csv", "README.md", "index.html", "report.pdf"]
)
def test_text_is_no_picture(name: str) -> None:
    assert reason(f"NORMAL/{name}") == NO_PICTURE


def test_a_mask_is_known_by_the_number_of_its_picture() -> None:
    assert reason("NORMAL/mask_12.png", "NORMAL/img_12.png") == ANNOTATION
    assert reason("NORMAL/p1/mask.png", "NORMAL/p1/image.png") == ANNOTATION
    assert reason("NORMAL/mask_12.png", "NORMAL/img_1.png") == ""


def test_labels_beside_films_are_none_of_them() -> None:
    assert reason("OTHER/labels/x.png", "OTHER/a.png") == ANNOTATION
    assert reason("OTHER/labels/x.png", "OTHER/a.txt") == ""


@pytest.mark.parametrize(
    "path",
    ["NORMAL/images/a.png", "NORMAL/ward 1/a.png", "OTHER/labels/a.png", "PNEUMONIA/lesion/x.png",
     "NORMAL/a_mask.png", "NORMAL/masked/a.png", "NORMAL/unmask.png", "NORMAL/#12/a.png",
     "NORMAL/@home/a.png", "NORMAL/mask.png", "NORMAL/segundo/a.png", "NORMAL/~a.png",
     "NORMAL/Unmasked/a.png", "NORMAL/unmask/a.png", "NORMAL/without masks/a.png",
     "NORMAL/oxygen_mask/a.png", "NORMAL/before_segmentation/a.png", "NORMAL/no-overlay/a.png",
     "NORMAL/Damaskus/a.png", "NORMAL/mask_a.png", "NORMAL/c_no_mask.png", "NORMAL/c2_mask.png",
     "NORMAL/label 7/a.png", "NORMAL/gt_1.png", "NORMAL/reviewed/a.png"],
)  # fmt: skip
def test_what_may_well_be_a_film(path: str) -> None:
    bystanders = Bystanders([path for path in ("PNEUMONIA/c.png", path)])
    assert bystanders.reason(path) == ""


def test_films_named_like_masks_are_said() -> None:
    assert doubtful_notes(["NORMAL/a.png", "NORMAL/unmasked.png", "NORMAL/label_1.png"]) == []
    (note,) = doubtful_notes(["NORMAL/a_mask.png", "NORMAL/a.png", "NORMAL/thumb_1.jpg"])
    assert note.startswith("2 films are named like a mask, an annotation or a thumbnail, such as ")
    assert "'NORMAL/a_mask.png'" in note
