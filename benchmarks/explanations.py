"""Do explanations point at the disease? `python -m benchmarks.explanations --workdir DIR`.

Maps of the model of a run are held against drawn lesions and lungs, beside occlusion, a random map
and a blob in the middle; then boxes and extent. Films that the run has trained on or chosen by are
left out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tfx.utils import path_utils

from benchmarks.explanation_films import SIDE_PX, Films, draw_phantoms, learned_from, read_films
from benchmarks.explanation_maps import OCCLUSION, Maps, all_maps, occlusion
from benchmarks.explanation_scores import agreement, box_agreement, extent_agreement
from models import features
from models.calibration import Calibration
from models.cut_open import activations_and_logits, of_films_alone
from models.explanation import explain
from models.grad_cam import grad_cam
from models.heat_boxes import GRID
from models.hyperparameters import Hyperparameters
from models.lung_fields.whole_films import WholeFilms, look_at_whole
from models.network import pneumonia_logit
from models.placing import place
from models.preprocessing import standardise, unpack_images
from models.records import read_network, read_record
from models.reference_film import read_reference
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory

_TILE_PX = 192
_TILES_A_ROW = 6


class Trained(NamedTuple):
    """The model of a run, opened."""

    network: keras.Model
    served: Any
    settings: Hyperparameters
    calibration: Calibration
    reference: tf.Tensor


class Prepared(NamedTuple):
    """Films as the network and as a person sees them."""

    films: Films
    images: tf.Tensor
    whole: WholeFilms


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures and prints Markdown tables."""
    flags = _parse(arguments)
    work = WorkDirectory(flags.workdir.resolve())
    run_id = os.readlink(work.runs / "latest")
    trained = open_model(work, run_id)
    seen = learned_from(work, run_id)
    for films in _sources(flags, seen):
        prepared = prepare(trained, films)
        maps = maps_of(trained, prepared, flags.occlusion)
        print(f"\n{len(prepared.films.encoded)} films of {films.source}\n")
        print(maps_table(maps, prepared.films))
        answers = answers_of(trained, prepared)
        if prepared.films.lesions is not None:
            print(f"\n{boxes_line(answers, prepared.films)}")
        if flags.montage:
            file = flags.montage.with_name(f"{flags.montage.stem}_{films.source}.png")
            cv2.imwrite(str(file), montage(prepared, answers))


def open_model(work: WorkDirectory, run_id: str) -> Trained:
    """Opens the model of a run.

    Args:
        work: The work directory.
        run_id: Of a run that has trained, whether it has pushed or not.
    """
    outputs = run_outputs(work.metadata, run_id)
    folder = outputs["Trainer", "model_run"].uri
    record = read_record(folder)
    settings = Hyperparameters.model_validate(record["hyperparameters"])
    return Trained(
        of_films_alone(
            activations_and_logits(read_network(settings, folder), settings.network.flip_average)
        ),
        tf.saved_model.load(path_utils.serving_model_path(outputs["Trainer", "model"].uri)),
        settings,
        Calibration.of_record(record["calibration"]),
        tf.constant(read_reference(folder)),
    )


def prepare(trained: Trained, films: Films) -> Prepared:
    """Prepares films as the model does, and leaves out those that it does not judge."""
    transformed = trained.served.signatures[features.TRANSFORM_FEATURES](
        examples=tf.constant([_example_of(film) for film in films.encoded])
    )
    judged = transformed[features.QUALITY_XF][:, 0] == features.QUALITY_OK
    settings = trained.settings.preprocessing
    images = standardise(
        unpack_images(transformed, settings.image_size_px), transformed, settings.normalisation
    )
    films = films.chosen(judged.numpy())
    whole = look_at_whole(tf.constant(films.encoded), settings, GRID)
    return Prepared(films, tf.boolean_mask(images, judged), whole)


def maps_of(trained: Trained, prepared: Prepared, with_occlusion: bool) -> dict[str, Maps]:
    """Returns maps of whole films, `[films, SIDE_PX, SIDE_PX]`, by name."""
    maps = all_maps(trained.network, prepared.images, trained.reference)
    if with_occlusion:
        maps[OCCLUSION] = occlusion(trained.network, prepared.images, trained.reference)
    placed = {
        name: place(tf.constant(one[..., np.newaxis]), prepared.whole.frames, SIDE_PX)[
            ..., 0
        ].numpy()
        for name, one in maps.items()
    }
    if trained.settings.network.segmentation:
        placed[features.LESIONS] = _marked_lesions(trained.served, prepared.films.encoded)
    return placed


def _marked_lesions(served: Any, films: Sequence[bytes]) -> Maps:
    marked = [
        served.signatures[features.EXPLAIN_IMAGES](image_bytes=tf.constant([film]))
        for film in films
    ]
    return np.stack(
        [cv2.resize(one[features.LESIONS][0].numpy(), (SIDE_PX, SIDE_PX)) for one in marked]
    )


def answers_of(trained: Trained, prepared: Prepared) -> dict[str, npt.NDArray[Any]]:
    """Returns what `explain_images` answers."""
    evidence, logits = tf.function(grad_cam)(trained.network, prepared.images, trained.reference)
    probability = trained.calibration.probabilities(pneumonia_logit(logits).numpy()[:, 0])
    answers = explain(evidence, tf.constant(probability, tf.float32), prepared.whole)
    return {name: answer.numpy() for name, answer in answers.items()}


def maps_table(maps: dict[str, Maps], films: Films) -> str:
    """Returns a row a map: agreement with lesions, where there are some, and with lungs."""
    lungs = films.lungs.any(axis=-1)
    rows = [
        "| map | hottest place in a lesion | heat in lesions | overlap with lesions "
        "| hottest place in the lungs | heat in the lungs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, one in maps.items():
        within = agreement(one, lungs)
        cells = ["", "", ""]
        if films.lesions is not None:
            on = agreement(one, films.lesions)
            cells = [
                f"{on.pointing:.3f}",
                f"{on.share:.3f}",
                f"{on.overlap:.3f} ({on.threshold:.2f})",
            ]
        cells += [f"{within.pointing:.3f}", f"{within.share:.3f}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    covered = [films.lesions, lungs]
    shares = [f"{part.mean():.3f}" if part is not None else "none" for part in covered]
    return "\n".join([*rows, "", f"Share of the film: lesions {shares[0]}, lungs {shares[1]}."])


def boxes_line(answers: dict[str, npt.NDArray[Any]], films: Films) -> str:
    """Says how boxes and extent agree with lesions."""
    assert films.lesions is not None
    met = box_agreement(answers[features.BOXES], films.lesions)
    ranks = extent_agreement(answers[features.LUNG_OPACITY], films.lesions, films.lungs)
    return (
        f"Boxes: the first meets a lesion in {met.first:.3f} of films, any in {met.any:.3f}; "
        f"{met.found:.3f} of lesions are met; {met.boxes:.1f} boxes a film. Hot and drawn share of "
        f"a lung: Spearman {ranks:.2f}."
    )


def montage(prepared: Prepared, answers: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Draws films: overlay, boxes in blue, lesions in green, lungs in grey."""
    tiles = [
        np.hstack([_film_tile(prepared, number), _heat_tile(prepared, answers, number)])
        for number in range(min(4 * _TILES_A_ROW // 2, len(prepared.films.encoded)))
    ]
    across = _TILES_A_ROW // 2
    rows = [tiles[first : first + across] for first in range(0, len(tiles), across)]
    return np.vstack([np.hstack(row) for row in rows if len(row) == across])


def _film_tile(prepared: Prepared, number: int) -> npt.NDArray[np.uint8]:
    film = cv2.resize(prepared.whole.pixels[number].numpy(), (_TILE_PX, _TILE_PX))
    return _outlined(cv2.cvtColor(film, cv2.COLOR_GRAY2BGR), prepared.films, number)


def _heat_tile(
    prepared: Prepared, answers: dict[str, npt.NDArray[Any]], number: int
) -> npt.NDArray[np.uint8]:
    encoded = np.frombuffer(answers[features.OVERLAY_BYTES][number], np.uint8)
    picture = cv2.resize(cv2.imdecode(encoded, cv2.IMREAD_COLOR), (_TILE_PX, _TILE_PX))
    tile = _outlined(picture, prepared.films, number)
    for box, score in zip(
        answers[features.BOXES][number], answers[features.BOX_SCORES][number], strict=True
    ):
        if np.isfinite(score):
            top, left, bottom, right = (int(edge) for edge in np.round(box * _TILE_PX))
            cv2.rectangle(tile, (left, top), (right, bottom), (255, 128, 0), 1)
            cv2.putText(tile, f"{score:.2f}", (left + 2, top + 10), 0, 0.3, (255, 128, 0))
    return tile


def _outlined(tile: npt.NDArray[np.uint8], films: Films, number: int) -> npt.NDArray[np.uint8]:
    masks = [(films.lungs[number].any(axis=-1), (128, 128, 128))]
    if films.lesions is not None:
        masks.append((films.lesions[number], (0, 255, 0)))
    for mask, colour in masks:
        large = cv2.resize(mask.astype(np.uint8), (_TILE_PX, _TILE_PX))
        outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, outlines, -1, colour, 1)
    return tile


def _example_of(film: bytes) -> bytes:
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[film]))
    facts = tf.train.Features(feature={features.IMAGE: value})
    return tf.train.Example(features=facts).SerializeToString()


def _sources(flags: argparse.Namespace, seen: set[str]) -> Iterator[Films]:
    if flags.phantoms:
        yield draw_phantoms(flags.phantoms)
    for folder in flags.masks:
        yield read_films(folder, flags.films, seen)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explanations", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--workdir", type=Path, default=Path("work"), help="of the run (work)")
    parser.add_argument("--phantoms", type=int, default=0, help="phantoms to draw (0)")
    parser.add_argument(
        "--masks",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="with masks/ of lungs, lesions/ if there are some, and images/; FOLDER=FILMS where "
        "the films are elsewhere",
    )
    parser.add_argument("--films", type=int, default=200, help="of a folder, at most (200)")
    parser.add_argument("--occlusion", action="store_true", help="occlude too, which is slow")
    parser.add_argument("--montage", type=Path, help="PNG for each source, to be looked at")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
