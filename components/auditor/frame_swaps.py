"""Frame-swap audit: does the model follow the lungs, or what lies around them?

How a film was taken shows around the lungs, and often goes with the class. A test split made of
the same films shares that with train, so a model that reads it is not found out. Here the lungs of
each film are pasted into the frame of a film of the same class, and into one of the other class:
a model that reads lungs gives the same answer in both, one that reads frames the opposite one.
The label is that of the lungs. What a model leans on is measured, not what it can do, so this
stands beside the plain figures. Both kinds of film together are a test in which frames tell
nothing of the class: a network that sees no lungs is at 0.5 there, whatever it reaches on the plain
test, so there a model can be fairly asked to be above it. The test splits foreground from
background as in K. Xiao et al., "Noise or Signal: The Role of Image Backgrounds in Object
Recognition", ICLR 2021.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from components.auditor.chests import Chest, Grey, frame_alone, lungs_alone, with_lungs_of
from components.auditor.controls import NetworkControls, compare
from components.auditor.findings import (
    EITHER_FRAME,
    FRAME_ALONE,
    LUNGS_ALONE,
    OTHER_FRAME,
    OWN_FRAME,
    PICTURED,
    SAME_FRAME,
    Control,
    FrameSwaps,
)
from components.auditor.scoring import judged, score_images, scores_of
from components.auditor.served_pixels import example_of
from components.montages import titled
from metrics.estimates import estimate
from metrics.scores import AUC
from models import features
from radiographs.formats.png import encode_png

_LOG = logging.getLogger(__name__)

CELL_PX = 160  # of a film in the montage

_SEED = 0  # of the choice of frames
_SHOWN_OF_A_CLASS = 3
_EITHER = (SAME_FRAME, OTHER_FRAME)
_ROWS = (OWN_FRAME, SAME_FRAME, OTHER_FRAME, EITHER_FRAME, LUNGS_ALONE, FRAME_ALONE)

Picture = Callable[[int], Grey]  # of a film's position


def audit_frame_swaps(
    served: Any,
    films: pd.DataFrame,
    chests: Sequence[Chest | None],
    samples: int,
    controls: NetworkControls | None = None,
    blind: Mapping[str, npt.NDArray] = MappingProxyType({}),
) -> FrameSwaps | None:
    """Scores films with their lungs in frames of others.

    Args:
        served: A loaded SavedModel.
        films: What is known of them, rows of `score_examples`.
        chests: The same films in the same order; None where no lungs were found.
        samples: Draws of patients, those of the lungs, behind an interval.
        controls: Networks that see no lungs, where they have been trained.
        blind: Scores of the films by controls that see no picture, by name. They stay those of the
            film that gives the lungs: it is its patient who is ill or is not.

    Returns:
        What was reached; None if no film of one class has lungs that were found.
    """
    found = [place for place, chest in enumerate(chests) if chest is not None]
    known = films[[features.PATIENT_ID, features.LABEL]].iloc[found].reset_index(drop=True)
    if known[features.LABEL].nunique() < 2:
        _LOG.warning("no frame swap: of a class, no film has lungs that were found")
        return None
    found_chests = [chest for chest in chests if chest is not None]
    pictures = swapped_films(found_chests, known)
    every = {
        name: known.join(score_images(served, _encoded(picture, len(known))))
        for name, picture in pictures.items()
    }
    every[EITHER_FRAME] = pd.concat([every[name] for name in _EITHER], ignore_index=True)
    rows = {name: estimate(scores_of(judged(every[name])), samples) for name in _ROWS}
    for name, reached in rows.items():
        _LOG.info("%s: AUC %.4f on %d films", name, reached.metrics[AUC], reached.films)
    shown = encode_png(montage(found_chests, known))
    of_controls = {name: np.tile(one[found], len(_EITHER)) for name, one in blind.items()}
    if controls is not None:
        images = chain.from_iterable(_encoded(pictures[name], len(known)) for name in _EITHER)
        of_controls |= controls.score(map(example_of, images))
    compared = _compared(of_controls, judged(every[EITHER_FRAME]), samples)
    return FrameSwaps(len(chests) - len(found), len(found), rows, compared, shown)


def swapped_films(chests: Sequence[Chest], known: pd.DataFrame) -> dict[str, Picture]:
    """Returns how each kind of film is made, drawn when it is asked for.

    Args:
        chests: Films with lungs.
        known: Label and patient of each.

    Returns:
        By kind, from a film's position to its picture.
    """
    same, other = (_frames(known, same_class) for same_class in (True, False))
    return {
        OWN_FRAME: lambda place: with_lungs_of(chests[place], chests[place]),
        SAME_FRAME: lambda place: with_lungs_of(chests[same[place]], chests[place]),
        OTHER_FRAME: lambda place: with_lungs_of(chests[other[place]], chests[place]),
        LUNGS_ALONE: lambda place: lungs_alone(chests[place]),
        FRAME_ALONE: lambda place: frame_alone(chests[place]),
    }


def montage(chests: Sequence[Chest], known: pd.DataFrame) -> Grey:
    """Shows a few films of each class in every kind, to be looked at.

    Args:
        chests: Films with lungs.
        known: Label and patient of each.

    Returns:
        `[height, width]` uint8: a row a film with its label beside it, NORMAL first, the kinds of
        `PICTURED` across with their names above, each film `CELL_PX` high and wide.
    """
    labels = known[features.LABEL].to_numpy()
    places = np.concatenate(
        [np.flatnonzero(labels == label)[:_SHOWN_OF_A_CLASS] for label in features.LABELS]
    )
    pictures = swapped_films(chests, known)
    rows = [
        np.hstack([cv2.resize(pictures[kind](place), (CELL_PX, CELL_PX)) for kind in PICTURED])
        for place in places
    ]
    return titled(np.vstack(rows), labels[places].tolist(), PICTURED)


def _frames(known: pd.DataFrame, same_class: bool) -> npt.NDArray[np.int64]:
    """Draws a film as frame for each, of another patient where the class has one."""
    labels, patients = (known[name].to_numpy() for name in (features.LABEL, features.PATIENT_ID))
    draw = np.random.default_rng(_SEED)

    def frame_of(label: str, patient: str) -> int:
        of_class = (labels == label) == same_class
        of_others = of_class & (patients != patient)
        return int(draw.choice(np.flatnonzero(of_others if of_others.any() else of_class)))

    return np.array([frame_of(*film) for film in zip(labels, patients, strict=True)])


def _compared(
    scores: Mapping[str, npt.NDArray], films: pd.DataFrame, samples: int
) -> list[Control]:
    """Compares controls with the model on the films it has judged; none of one class alone."""
    if films[features.LABEL].nunique() < len(features.LABELS):
        return []
    model, places = scores_of(films), films.index.to_numpy()
    return [compare(name, one[places], model, samples) for name, one in scores.items()]


def _encoded(picture: Picture, films: int) -> Iterator[bytes]:
    return (encode_png(picture(place)) for place in range(films))
