"""How a view is written: `PA`, `AP supine`, `Postero-Anterior`, `Frontal`."""

from __future__ import annotations

from models.features import AP, PA, UNKNOWN
from radiographs.words import split_words, words_of

# Which way the rays went, by the first letters.
_DIRECTIONS = {
    "ap": "ap",
    "pa": "pa",
    **dict.fromkeys(("antero", "anterior", "a"), "a"),
    **dict.fromkeys(("postero", "posterior", "p"), "p"),
}
_VIEWS = {"ap": AP, "pa": PA}
_FRONTAL = frozenset(("frontal", "front"))
# What else is said of a frontal film: how the patient was placed, and where.
_PLACED = frozenset((
    "view", "projection", "position", "chest", "thorax", "cxr", "xray", "x", "ray", "film",
    "supine", "erect", "upright", "standing", "sitting", "seated", "semi", "semierect", "recumbent",
    "horizontal", "vertical", "portable", "mobile", "bedside", "bed", "in",
))  # fmt: skip
NOT_FRONTAL = "not frontal"
_SIDEWAYS = frozenset(("lateral", "lat", "ll", "rl", "llat", "rlat"))
_OBLIQUE = frozenset(("rao", "lao", "rpo", "lpo", "llo", "rlo", "oblique", "obl", "lordotic"))
_LEFT_RIGHT = frozenset(("left", "right", "l", "r"))
_GLUED = frozenset(("antero", "anterior", "postero", "posterior"))


def is_lateral(path: str) -> bool:
    """Tells whether a path names a lateral view, as `view2_lateral.jpg` does.

    A film of somebody lying on a side, lateral decubitus, is frontal.

    Args:
        path: Of a film, below the data root.
    """
    words = set(words_of(path))
    return "lateral" in words and not words & {"decubitus", *_FRONTAL}


def frontal_view(written: str) -> str | None:
    """Reads a view.

    Args:
        written: Value of a table; empty where nothing is known.

    Returns:
        One of `features.VIEWS`, unknown for a frontal film of either direction; None for a view
        that is not frontal, or no view at all.
    """
    if not written:
        return UNKNOWN
    words = split_words(written, _GLUED)
    directions = [word for word in words if word in _DIRECTIONS]
    others = {word for word in words if word not in _DIRECTIONS}
    if not others <= _PLACED | _FRONTAL:
        return None
    if directions:
        return _VIEWS.get("".join(_DIRECTIONS[word] for word in directions))
    return UNKNOWN if others & _FRONTAL else None


def view_of_words(written: str) -> str:
    """Reads a view out of a tag, where it is certain.

    Args:
        written: Of a view position, the meaning of a code or a description.

    Returns:
        PA or AP, `NOT_FRONTAL` for a lateral or oblique view, or unknown.
    """
    words = set(split_words(written, _GLUED)) - _LEFT_RIGHT
    if words & (_SIDEWAYS | _OBLIQUE) and words <= _PLACED | _SIDEWAYS | _OBLIQUE:
        return NOT_FRONTAL
    return frontal_view(written) or UNKNOWN
