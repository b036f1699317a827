"""Explains a sample of the test films: scores all, chooses, asks the model where it looked, draws.

The test films are scored once more and not taken from the Auditor. That takes seconds, and so an
explanation needs no audit: it is there where an audit has failed, and a changed audit leaves it in
the cache. The films are read twice, a batch at a time; in memory are the scores of all and the
images of a few.
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from components.auditor.lesions import MARKED, drawn_lesions
from components.auditor.scoring import (
    ANSWER,
    DECISION,
    REASON,
    batches,
    image_of,
    read_examples,
    score_examples,
)
from components.explanation_gen.explained_model import ExplainedModel
from components.explanation_gen.index import ExplainedFilm
from components.explanation_gen.pictures import (
    CYAN,
    WHITE,
    Picture,
    draw_feature_maps,
    draw_film,
    draw_heat,
    encode_small,
    outlined,
)
from components.explanation_gen.projector import ProjectedFilm, tile_of, write_tensorboard
from components.explanation_gen.sampling import sample
from components.explanation_gen.strata import (
    NOT_JUDGED,
    OUTCOME,
    OUTCOMES,
    strata_of,
    with_outcomes,
)
from models import features
from models.explanation_settings import ExplanationSettings
from models.remote_files import write_bytes

_LOG = logging.getLogger(__name__)

_FOLDERS = {"film": "films", "heat": "heat", "feature_maps": "feature_maps"}  # by field

_NAMED = 5  # kinds of films that a message names
_FILMS_A_CALL = 8  # gradients of a film take far more memory than its answer


def explain_films(
    model: ExplainedModel, test_uris: Sequence[str], settings: ExplanationSettings, uri: str
) -> list[ExplainedFilm]:
    """Explains a sample of films and writes the pictures.

    Args:
        model: That is asked.
        test_uris: Folders of the raw test split.
        settings: How many films, how large.
        uri: Folder of the artifact, which may be remote.

    Returns:
        The films, in the order in which they were chosen. What cannot be drawn has no picture.
    """
    scored = with_outcomes(score_examples(model.served, read_examples(test_uris)))
    films = choose_films(scored, model.threshold, settings.films)
    mapped = _first_of_each_outcome(films, settings.feature_maps)
    for folder in _FOLDERS.values():
        tf.io.gfile.makedirs(posixpath.join(uri, folder))
    projected: list[ProjectedFilm] = []
    for batch in batches(_examples(films, test_uris), _FILMS_A_CALL):
        places, examples = zip(*batch, strict=True)
        images = [image_of(example) for example in examples]
        for place, example, answer in zip(places, examples, model.explain(images), strict=True):
            film, image = films[place], image_of(example)
            drawn = _draw(film, image, answer[features.OVERLAY_BYTES], settings.size_px)
            if features.LESIONS in answer and "heat" in drawn:
                drawn["heat"] = _with_lesions(drawn["heat"], answer[features.LESIONS], example)
            if place in mapped:
                drawn["feature_maps"] = draw_feature_maps(model.feature_maps(image))
            found = _found(answer)
            found |= {field: _write(one, film.sha256, field, uri) for field, one in drawn.items()}
            films[place] = replace(film, **found)
        projected += _projected(model, [films[place] for place in places], images)
    write_tensorboard(projected, scored, uri)
    _tell(films.values(), len(scored))
    return list(films.values())


def choose_films(scored: pd.DataFrame, threshold: float, at_most: int) -> dict[int, ExplainedFilm]:
    """Chooses scored films, a file only once, with the reasons why.

    Args:
        scored: Of `with_outcomes`.
        threshold: Probability from which a film is called PNEUMONIA.
        at_most: Films chosen.

    Returns:
        What is known of each film before it is explained, by its place in the split, in the order
        in which they were chosen.
    """
    if scored.empty:
        return {}
    strata = strata_of(scored.drop_duplicates(features.SHA256), threshold)
    chosen = sample(strata, at_most)
    if left_out := [reason for reason, order in strata if chosen.keys().isdisjoint(order)]:
        _LOG.warning(
            "explanations.films=%d leaves %d of %d kinds of films without an example: %s",
            at_most,
            len(left_out),
            len(strata),
            ", ".join(left_out[:_NAMED]) + ("" if len(left_out) <= _NAMED else ", ..."),
        )
    return {place: _known(scored.loc[place], reasons) for place, reasons in chosen.items()}


def _known(film: pd.Series, reasons: tuple[str, ...]) -> ExplainedFilm:
    return ExplainedFilm(
        sha256=film[features.SHA256],
        patient_id=film[features.PATIENT_ID],
        label=film[features.LABEL],
        forced_label=film[DECISION],
        answer=film[ANSWER],
        probability=float(film[features.PROBABILITY]),
        quality=film[REASON],
        out_of_distribution=float(film[features.OUT_OF_DISTRIBUTION]),
        outcome=film[OUTCOME],
        reasons=reasons,
        slices={name: str(film[name]) for name in features.SLICES},
    )


def _examples(
    places: Collection[int], uris: Sequence[str]
) -> Iterator[tuple[int, tf.train.Example]]:
    for place, example in enumerate(read_examples(uris)):
        if place in places:
            yield place, example


def _first_of_each_outcome(films: Mapping[int, ExplainedFilm], at_most: int) -> set[int]:
    of_outcome = {
        outcome: [place for place, film in films.items() if film.outcome == outcome]
        for outcome in OUTCOMES
    }
    return {place for places in of_outcome.values() for place in places[:at_most]}


def _projected(
    model: ExplainedModel, films: Sequence[ExplainedFilm], images: Sequence[bytes]
) -> list[ProjectedFilm]:
    """Returns films for the projector, without those that were not judged or cannot be drawn."""
    told = [
        (film, image, tile_of(image))
        for film, image in zip(films, images, strict=True)
        if film.outcome and film.film
    ]
    if not told:
        return []
    vectors = model.embeddings([image for _, image, _ in told])
    return [
        ProjectedFilm(film, tile, vector)
        for (film, _, tile), vector in zip(told, vectors, strict=True)
        if tile is not None
    ]


def _found(answer: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns boxes and extent as an index holds them, without the rows that are left over."""
    used = np.isfinite(answer[features.BOX_SCORES])
    opacity = answer[features.LUNG_OPACITY]
    return {
        "boxes": tuple(tuple(_rounded(box)) for box in answer[features.BOXES][used]),
        "box_scores": tuple(_rounded(answer[features.BOX_SCORES][used])),
        "lung_opacity": tuple(_rounded(opacity)) if np.isfinite(opacity).all() else (),
    }


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [round(float(number), 4) for number in numbers]


def _draw(film: ExplainedFilm, image: bytes, overlay: bytes, size_px: int) -> dict[str, Picture]:
    """Draws a film and its heat, by field; nothing of one that is too large to be decoded."""
    picture = draw_film(image, size_px) if film.quality != features.TOO_LARGE else None
    if picture is None:
        return {}
    heat = draw_heat(overlay, picture)
    return {"film": picture} if heat is None else {"film": picture, "heat": heat}


def _with_lesions(
    heat: Picture, marked: npt.NDArray[np.float32], example: tf.train.Example
) -> Picture:
    """Draws lines round the lesions that the model marks, and round those that a person drew."""
    heat = outlined(heat, marked >= MARKED, CYAN)
    drawn = drawn_lesions(example)
    return heat if drawn is None else outlined(heat, drawn, WHITE)


def _write(picture: Picture, name: str, field: str, uri: str) -> str:
    """Writes a picture and returns where it is below the folder of the artifact."""
    file = f"{_FOLDERS[field]}/{name}.jpg"
    write_bytes(posixpath.join(uri, file), encode_small(picture))
    return file


def _tell(films: Collection[ExplainedFilm], test_films: int) -> None:
    counted = Counter(OUTCOMES.get(film.outcome, NOT_JUDGED) for film in films)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counted.items())
    _LOG.info("%d of %d test films are explained: %s", len(films), test_films, kinds or "none")
    missing = sum(not film.film for film in films)
    if missing:
        _LOG.warning("%d explained films cannot be drawn", missing)
