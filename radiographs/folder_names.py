"""What the folders above a film say: its label and, above that, its split."""

from __future__ import annotations

from models.features import EVAL, LABELS, TEST, TRAIN
from radiographs.file_names import composed

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval"), EVAL),
    **dict.fromkeys(("test", "testing"), TEST),
}
CLASS_WORDS = {label.lower(): label for label in LABELS}


def folders_of(path: str) -> list[str]:
    """Returns the folders above a file as they are compared: composed, lower case, stripped."""
    return [composed(folder).strip().lower() for folder in path.split("/")[:-1]]


def label_and_split(path: str) -> tuple[str, str] | None:
    """Returns label and given split, or None outside the class folders.

    Args:
        path: Relative to the root. The label is its first folder, or the second where the first
            is a split.
    """
    folders = folders_of(path)
    split = SPLIT_WORDS.get(folders[0], "") if folders else ""
    below = folders[1:] if split else folders
    return (CLASS_WORDS[below[0]], split) if below and below[0] in CLASS_WORDS else None
