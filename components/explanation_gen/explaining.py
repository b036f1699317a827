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
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from components.auditor.scoring import (
    ANSWER,
    DECISION,
    REASON,
    batches,
    image_of,
    read_examples,
    score_examples,
)
from components.auditor.served_pixels import ServedPixels
from components.explanation_gen.index import ExplainedFilm
from components.explanation_gen.pictures import (
    Picture,
    draw_feature_maps,
    draw_film,
    draw_heat,
    encode_small,
)
from components.explanation_gen.sampling import sample
from components.explanation_gen.strata import OUTCOME, OUTCOMES, strata_of, with_outcomes
from models import features
from models.explanation_settings import ExplanationSettings
from models.network import activations_and_logits
from models.records import read_network
from models.remote_files import write_bytes
from models.served_facts import read_facts

_LOG = logging.getLogger(__name__)

FILMS, HEAT, FEATURE_MAPS = "films", "heat", "feature_maps"  # folders of pictures

_FILMS_A_CALL = 8  # gradients of a film take far more memory than its answer


@dataclass(frozen=True)
class ExplainedModel:
    """A model that is asked where it looks.

    Attributes:
        served: A loaded SavedModel.
        prepared: How it prepares a film.
        network: The same network, of `activations_and_logits` without its mirror image.
        threshold: Probability from which a film is called PNEUMONIA.
    """

    served: Any
    prepared: ServedPixels
    network: keras.Model
    threshold: float

    @classmethod
    def open(cls, saved_model: str, model_run: str) -> ExplainedModel:
        """Opens what a training left.

        Args:
            saved_model: Folder of the SavedModel.
            model_run: Folder of the training record.
        """
        served, facts = tf.saved_model.load(saved_model), read_facts(saved_model)
        return cls(
            served,
            ServedPixels(served, facts.settings.preprocessing),
            activations_and_logits(read_network(facts.settings, model_run)),
            facts.operating_point.threshold,
        )


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
    for folder in (FILMS, HEAT, FEATURE_MAPS):
        tf.io.gfile.makedirs(posixpath.join(uri, folder))
    chosen = (
        (place, image_of(example))
        for place, example in enumerate(read_examples(test_uris))
        if place in films
    )
    for batch in batches(chosen, _FILMS_A_CALL):
        places, images = zip(*batch, strict=True)
        for place, image, answer in zip(places, images, _ask(model.served, images), strict=True):
            drawn = _draw(films[place], image, answer[features.OVERLAY_BYTES], settings.size_px)
            if place in mapped:
                drawn[FEATURE_MAPS] = _draw_feature_maps(model, image)
            films[place] = replace(
                films[place], **_write(drawn, films[place].sha256, uri), **_found(answer)
            )
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
    once = scored.drop_duplicates(features.SHA256)
    chosen = sample(strata_of(once, threshold), at_most)
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


def _first_of_each_outcome(films: Mapping[int, ExplainedFilm], at_most: int) -> set[int]:
    of_outcome = {
        outcome: [place for place, film in films.items() if film.outcome == outcome]
        for outcome in OUTCOMES
    }
    return {place for places in of_outcome.values() for place in places[:at_most]}


def _ask(served: Any, images: Sequence[bytes]) -> list[dict[str, Any]]:
    """Returns what `explain_images` answers of each film, without the heatmap itself."""
    answer = served.signatures[features.EXPLAIN_IMAGES](
        **{features.IMAGE_BYTES: tf.constant(images)}
    )
    wanted = (
        features.OVERLAY_BYTES, features.BOXES, features.BOX_SCORES, features.LUNG_OPACITY,
    )  # fmt: skip
    columns = {name: answer[name].numpy() for name in wanted}
    return [{name: column[row] for name, column in columns.items()} for row in range(len(images))]


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


def _draw(
    film: ExplainedFilm, image: bytes, overlay: bytes, size_px: int
) -> dict[str, Picture | None]:
    """Draws a film and its heat, unless it is so large that decoding it is dangerous."""
    picture = draw_film(image, size_px) if film.quality != features.TOO_LARGE else None
    return {FILMS: picture, HEAT: None if picture is None else draw_heat(overlay, picture)}


def _draw_feature_maps(model: ExplainedModel, image: bytes) -> Picture:
    _, given = model.prepared.of_images([image])
    (layers,), _ = model.network(given, training=False)
    return draw_feature_maps([layer[0].numpy() for layer in reversed(layers)])


def _write(drawn: Mapping[str, Picture | None], name: str, uri: str) -> dict[str, str]:
    """Writes pictures and returns where they are, by field of an `ExplainedFilm`."""
    fields = {FILMS: "film", HEAT: "heat", FEATURE_MAPS: "feature_maps"}
    written = {}
    for folder, picture in drawn.items():
        if picture is not None:
            written[fields[folder]] = f"{folder}/{name}.jpg"
            write_bytes(posixpath.join(uri, folder, f"{name}.jpg"), encode_small(picture))
    return written


def _tell(films: Collection[ExplainedFilm], test_films: int) -> None:
    counted = Counter(OUTCOMES.get(film.outcome, "not judged") for film in films)
    _LOG.info(
        "%d of %d test films are explained%s",
        len(films),
        test_films,
        "".join(f", {count} {outcome}" for outcome, count in counted.items()),
    )
    missing = sum(not film.film for film in films)
    if missing:
        _LOG.warning("%d explained films cannot be drawn", missing)
