"""Files beside the films that are none: system files, thumbnails, masks and other annotations."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from radiographs.file_names import composed

HIDDEN = "hidden or system file"
THUMBNAIL = "thumbnail, not a film"
ANNOTATION = "mask or other annotation, not a film"

# What operating systems, file servers and tools leave behind; a leading dot hides as well.
_SYSTEM_NAMES = frozenset((
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__",
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot",
    "$recycle.bin", "recycler", "recycled", "recycle bin", "system volume information",
    "lost+found", "trash", "network trash folder", "temporary items", "found.000",
))  # fmt: skip
_SYSTEM_PATTERN = re.compile(r"\.|~\$|synofile_thumb|.*@syno(?:eastream|resource)$")

_THUMBNAILS = frozenset(("thumbnail", "thumbnails", "thumb", "thumbs"))
_ANNOTATIONS = frozenset((
    "mask", "masks", "lungmask", "lungmasks", "segmentation", "segmentations", "seg", "segs",
    "heatmap", "heatmaps", "saliency", "saliencymaps", "gradcam", "overlay", "overlays",
    "contour", "contours", "boundingboxes", "bbox", "bboxes", "groundtruth", "annotation",
    "annotations",
))  # fmt: skip
# Words that also name a folder of films; they are annotations beside a folder of images.
_ANNOTATIONS_BESIDE_IMAGES = frozenset(("label", "labels", "lesion", "lesions", "gt", "json"))
_IMAGES = frozenset(("image", "images", "img", "imgs", "film", "films", "xray", "xrays"))
_ANNOTATION_SUFFIX = re.compile(
    r"[ _.-](?:lung)?[_-]?(?:masks?|seg|segmentation|heatmap|overlay|contour|gradcam)$",
    re.IGNORECASE,
)


def is_hidden(path: str) -> bool:
    """Returns whether a file, or a folder above it, is hidden or a system's own."""
    return any(
        part.strip() in _SYSTEM_NAMES or _SYSTEM_PATTERN.match(part)
        for part in path.lower().split("/")
    )


class Bystanders:
    """Tells the files that only look like films, from the company they are in."""

    def __init__(self, paths: Collection[str]):
        """Remembers which folders lie side by side, and which stems lie in each.

        Args:
            paths: All files below the root.
        """
        self._beside: Mapping[str, set[str]] = defaultdict(set)
        self._stems: Mapping[str, set[str]] = defaultdict(set)
        for path in paths:
            folder, name = posixpath.split(path)
            self._stems[folder].add(posixpath.splitext(name)[0])
            while folder:
                folder, name = posixpath.split(folder)
                self._beside[folder].add(_plain(name))

    def reason(self, path: str) -> str:
        """Returns why a file is no film, or an empty string."""
        if is_hidden(path):
            return HIDDEN
        folders = path.split("/")[:-1]
        words = {_plain(folder) for folder in folders}
        if words & _THUMBNAILS:
            return THUMBNAIL
        if words & _ANNOTATIONS or self._beside_images(folders) or self._beside_its_film(path):
            return ANNOTATION
        return ""

    def _beside_images(self, folders: list[str]) -> bool:
        return any(
            _plain(folder) in _ANNOTATIONS_BESIDE_IMAGES
            and bool(self._beside["/".join(folders[:depth])] & _IMAGES)
            for depth, folder in enumerate(folders)
        )

    def _beside_its_film(self, path: str) -> bool:
        folder, name = posixpath.split(path)
        stem = posixpath.splitext(name)[0]
        film = _ANNOTATION_SUFFIX.sub("", stem)
        return film != stem and film in self._stems[folder]


def _plain(folder: str) -> str:
    """Returns a folder's name without case and separators: `Lung-Masks` is `lungmasks`."""
    return re.sub(r"[\W_]+", "", composed(folder).lower())
