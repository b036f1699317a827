"""Files beside the films that are none: system files, thumbnails, masks and other annotations.

Names are told by their words. A folder named for masks holds masks; a file named for one is told
by the film that it is a mask of, for a film may be called so as well.
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Collection, Sequence
from itertools import pairwise

from radiographs.words import words_of

HIDDEN = "hidden or system file"
THUMBNAIL = "thumbnail, not a film"
ANNOTATION = "mask or other annotation, not a film"
NO_PICTURE = "text or table, not a picture"

# What operating systems, file servers and tools leave behind; a leading dot hides as well.
_SYSTEM_NAMES = frozenset((
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__",
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot",
    "$recycle.bin", "recycler", "recycled", "recycle bin", "system volume information",
    "lost+found", "trash", "network trash folder", "temporary items", "found.000",
))  # fmt: skip
_SYSTEM_PATTERN = re.compile(
    r"\.|~\$|synofile_thumb|.*@syno(?:eastream|resource)$|.*:zone\.identifier$"
)

_THUMBNAIL_WORD = re.compile(r"\w*thumb(?:nail)?s?|previews?|miniatures?")
_ANNOTATION_WORD = re.compile(
    r"(?!un)\w*(?:masks?|segmentations?|heatmaps?|overlays?|contours?|outlines?|annotations?)"
    r"|(?:lung)?segs?|saliency|landmarks|keypoints|bbox(?:es)?|(?:groundtruth|gradcam|labelmap)s?"
    r"|boundingbox(?:es)?"
)
_TWO_WORDS = frozenset((
    ("ground", "truth"), ("grad", "cam"), ("heat", "map"), ("heat", "maps"), ("label", "map"),
    ("label", "maps"), ("bounding", "box"), ("bounding", "boxes"),
))  # fmt: skip
# Words that also name a folder of films: annotations beside pictures, or beside a folder of them.
_BESIDE_PICTURES = frozenset(("label", "labels", "gt", "json", "xml"))
_BESIDE_IMAGES = _BESIDE_PICTURES | {"lesion", "lesions", "roi", "rois"}
# With these a name tells of films: `no masks`, `before segmentation`, `oxygen mask`.
_OF_FILMS = frozenset((
    "no", "non", "not", "without", "wo", "with", "and", "for", "before", "after", "removed",
    "oxygen", "face", "surgical", "wearing",
))  # fmt: skip
_IMAGES = frozenset((
    "image", "images", "img", "imgs", "film", "films", "xray", "xrays", "cxr", "cxrs",
))  # fmt: skip
# What may stand in the name of a mask, or in that of its film, and not in the other.
_UNTOLD = _IMAGES | {
    "left", "right", "lung", "lungs", "heart", "manual", "auto", "pred", "predicted", "infection",
    "png", "jpg", "jpeg", "dcm",
}  # fmt: skip
_TABLE = re.compile(r"\.[ct]sv(?:\.txt)?(?: line \d+)?$")
_NO_PICTURE_ENDINGS = (
    ".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".md", ".html", ".htm", ".pdf", ".rtf",
    ".doc", ".docx", ".xls", ".xlsx", ".ods", ".yaml", ".yml", ".ini", ".log", ".py", ".ipynb",
)  # fmt: skip


def is_hidden(path: str) -> bool:
    """Returns whether a file, or a folder above it, is hidden or a system's own."""
    return any(
        {part, part.strip()} & _SYSTEM_NAMES or _SYSTEM_PATTERN.match(part)
        for part in path.lower().split("/")
    )


class Bystanders:
    """Tells the files that only look like films, from their names and the company they are in."""

    def __init__(self, paths: Collection[str]):
        """Remembers where pictures lie, and what they are called.

        Args:
            paths: All files below the root.
        """
        self._with_pictures: set[str] = set()
        self._with_images: set[str] = set()
        self._films: set[tuple[str, ...]] = set()
        self._films_in: set[tuple[str, tuple[str, ...]]] = set()
        for path in paths:
            if is_hidden(path) or is_no_picture(path):
                continue
            *folders, name = path.split("/")
            if any(_reason_of_name(folder) for folder in folders):
                continue
            self._with_pictures.add("/".join(folders))
            self._with_images.update(
                "/".join(folders[:depth])
                for depth, folder in enumerate(folders)
                if _IMAGES.intersection(words_of(folder))
            )
            words = words_of(posixpath.splitext(name)[0])
            if not any(_marks(words)):
                film = _told(words)
                self._films.add(film)
                self._films_in.add(("/".join(folders), film))

    def reason(self, path: str) -> str:
        """Returns why a file is no film, or an empty string."""
        if is_hidden(path):
            return HIDDEN
        folders = path.split("/")[:-1]
        reasons = {_reason_of_name(folder) for folder in folders} - {""}
        if reasons:
            return THUMBNAIL if THUMBNAIL in reasons else ANNOTATION
        if self._beside_pictures(folders):
            return ANNOTATION
        return self._reason_of_file(path) or (NO_PICTURE if is_no_picture(path) else "")

    def _beside_pictures(self, folders: Sequence[str]) -> bool:
        return any(
            ("/".join(folders[:depth]) in beside and words.intersection(words_of(folder)))
            for depth, folder in enumerate(folders)
            for words, beside in (
                (_BESIDE_PICTURES, self._with_pictures),
                (_BESIDE_IMAGES, self._with_images),
            )
        )

    def _reason_of_file(self, path: str) -> str:
        """Returns why a file is none of its own: its name is that of a film, and a word more."""
        folder, name = posixpath.split(path)
        stem = posixpath.splitext(name)[0]
        words = words_of(stem)
        marks = _marks(words)
        if not any(marks) or _OF_FILMS.intersection(words):
            return ""
        told = _reason_of_name(stem)
        for film in _films_of(words, marks):
            if (folder, film) in self._films_in or (told and film and film in self._films):
                return told or ANNOTATION
        return ""


def doubtful_notes(films: Collection[str]) -> list[str]:
    """Says which films are named like something else, though there is no film that they belong to.

    Args:
        films: Paths.

    Returns:
        At most one sentence.
    """
    doubtful = [
        path for path in films if _reason_of_name(posixpath.splitext(posixpath.basename(path))[0])
    ]
    if not doubtful:
        return []
    are = "1 film is" if len(doubtful) == 1 else f"{len(doubtful):,} films are"
    return [
        f"{are} named like a mask, an annotation or a thumbnail, such as '{doubtful[0]}', but no "
        "film of that name is there, so they are read as films; take out what is none."
    ]


def is_table(path: str) -> bool:
    """Returns whether a file is named as a table, or is a line of one as messages name it."""
    return bool(_TABLE.search(path.lower()))


def is_no_picture(path: str) -> bool:
    """Returns whether a file is named as text or a table."""
    return path.lower().endswith(_NO_PICTURE_ENDINGS)


@functools.lru_cache(maxsize=4096)
def _reason_of_name(name: str) -> str:
    """Returns what the words of a name say by themselves: a reason, or nothing."""
    words = words_of(name)
    if _OF_FILMS.intersection(words):
        return ""
    if any(map(_THUMBNAIL_WORD.fullmatch, words)):
        return THUMBNAIL
    is_annotation = any(map(_ANNOTATION_WORD.fullmatch, words)) or _TWO_WORDS.intersection(
        pairwise(words)
    )
    return ANNOTATION if is_annotation else ""


def _marks(words: Sequence[str]) -> list[bool]:
    """Tells for each word whether it makes something else of the name of a film."""
    marks = [_is_mark(word) for word in words]
    for place, pair in enumerate(pairwise(words)):
        if pair in _TWO_WORDS:
            marks[place] = marks[place + 1] = True
    return marks


@functools.lru_cache(maxsize=4096)
def _is_mark(word: str) -> bool:
    return word in _BESIDE_IMAGES or bool(
        _THUMBNAIL_WORD.fullmatch(word) or _ANNOTATION_WORD.fullmatch(word)
    )


def _films_of(words: Sequence[str], marks: Sequence[bool]) -> set[tuple[str, ...]]:
    """Returns the names of the films that a file with marks in its name may belong to."""
    first, last = marks.index(True), len(marks) - marks[::-1].index(True)
    before, after = _told(words[:first]), _told(words[last:])
    return {before + after, *filter(None, (before, after))}


def _told(words: Sequence[str]) -> tuple[str, ...]:
    """Returns the words by which a film and what belongs to it have the same name."""
    return tuple(word for word in words if word not in _UNTOLD)
