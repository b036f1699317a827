"""Holds found lung fields against drawn ones: `python -m models.lung_fields.evaluate`.

Prints a Markdown table, a row a folder: Dice and Jaccard of both lungs together at the size of
the drawn mask, as a mean over films with a 95 % interval by patient. "Beside the heart" leaves
out what lies between the inner edges of the drawn lungs, row by row, since some masks count the
lung behind the heart and some do not.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.lung_fields.fields import LUNG, are_plausible, find_fields
from models.lung_fields.films import (
    MaskedFilm,
    list_films,
    read_mask,
    read_pixels,
    separate_fields,
)
from models.lung_fields.network import SIDE_PX
from models.lung_fields.scores import Mask, between_the_lungs, dice, interval, jaccard
from models.lung_fields.weights import SHIPPED
from models.remote_files import write_text, written_beside

_LOG = logging.getLogger(__name__)

_FILMS_PER_MESSAGE = 200
_DRAWN_FILMS = 8  # of a source in the montage, in each of two rows


@dataclass(frozen=True)
class Agreement:
    """How one film's fields agree with those that were drawn."""

    source: str
    name: str
    patient_id: str
    dice: float
    jaccard: float
    dice_beside_heart: float
    found: bool  # whether the fields pass as two lungs


def evaluate(films: Sequence[MaskedFilm], weights: str = SHIPPED) -> list[Agreement]:
    """Finds the fields of films and compares them with the drawn ones.

    Args:
        films: of `films.list_films`.
        weights: `SHIPPED` or a file.

    Returns:
        One a film, in order.
    """
    find = finder(weights)
    agreements = []
    for count, film in enumerate(films, start=1):
        drawn = read_mask(film)
        probabilities, found = find(read_pixels(film))
        agreements.append(_compare(film, at_size_of(drawn, probabilities), drawn, found))
        if count % _FILMS_PER_MESSAGE == 0:
            _LOG.info("%s: %d of %d films", film.source, count, len(films))
    return agreements


def finder(
    weights: str,
) -> Callable[[npt.NDArray[np.uint8]], tuple[npt.NDArray[np.float32], bool]]:
    """Returns what finds the fields of one film: probabilities, and whether they pass as lungs."""

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE_PX, SIDE_PX], tf.uint8)])
    def find(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        probabilities = find_fields(pixels, weights)
        return probabilities, are_plausible(probabilities)

    def find_one(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], bool]:
        probabilities, found = find(tf.constant(pixels[np.newaxis]))
        return probabilities[0].numpy(), bool(found[0])

    return find_one


def at_size_of(drawn: Mask, probabilities: npt.NDArray[np.float32]) -> Mask:
    """Returns both fields as one mask of the size of a drawn one."""
    both = np.max(probabilities, axis=-1)
    return cv2.resize(both, drawn.shape[::-1], interpolation=cv2.INTER_LINEAR) > LUNG


def table(agreements: Sequence[Agreement]) -> str:
    """Returns the means of each source with their intervals, as Markdown."""
    rows = [
        "| source | films | patients | Dice | Jaccard | Dice beside the heart | no lungs found |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for source in dict.fromkeys(one.source for one in agreements):
        of_source = [one for one in agreements if one.source == source]
        patients = [one.patient_id for one in of_source]
        cells = [
            _mean([getattr(one, name) for one in of_source], patients)
            for name in ("dice", "jaccard", "dice_beside_heart")
        ]
        missed = sum(not one.found for one in of_source)
        counts = f"{len(of_source)} | {len(set(patients))}"
        rows.append(f"| {source} | {counts} | {' | '.join(cells)} | {missed} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m models.lung_fields.evaluate", description=__doc__
    )
    for name, words in (
        ("--masks", "as for training; every film counts"),
        ("--held-back", "folders that were trained on; only the test patients count"),
    ):
        parser.add_argument(name, nargs="+", default=[], metavar="FOLDER", help=words)
    parser.add_argument("--weights", default=SHIPPED, help="a file of the training (shipped)")
    parser.add_argument("--csv", default="", help="file for a row a film")
    parser.add_argument("--montage", default="", help="PNG of the worst and of other films")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    films = [film for one in given.held_back for film in _films(one) if film.split == features.TEST]
    films += [film for one in given.masks for film in _films(one)]
    if not films:
        parser.error("no films; name a folder with --masks or --held-back")
    agreements = evaluate(films, given.weights)
    print(table(agreements))
    if given.csv:
        write_text(given.csv, _csv(agreements))
    if given.montage:
        with written_beside(given.montage) as path:
            cv2.imwrite(path, montage(films, agreements, given.weights))


def montage(
    films: Sequence[MaskedFilm], agreements: Sequence[Agreement], weights: str
) -> npt.NDArray[np.uint8]:
    """Draws films with the outlines of drawn fields in green and found ones in red.

    Args:
        films: as given to `evaluate`.
        agreements: what it returned.
        weights: the same.

    Returns:
        `[height, width, 3]` uint8, blue first: of each source a row of the worst films and one
        evenly from all.
    """
    find = finder(weights)
    rows = []
    for source in dict.fromkeys(film.source for film in films):
        pairs = [pair for pair in zip(films, agreements, strict=True) if pair[0].source == source]
        worst = sorted(pairs, key=lambda pair: pair[1].dice)[:_DRAWN_FILMS]
        others = pairs[:: max(1, len(pairs) // _DRAWN_FILMS)][:_DRAWN_FILMS]
        for row in (worst, others):
            tiles = [_tile(film, agreement, find) for film, agreement in row]
            tiles += [np.zeros_like(tiles[0])] * (_DRAWN_FILMS - len(tiles))
            rows.append(np.concatenate(tiles, axis=1))
    return np.concatenate(rows)


def _tile(
    film: MaskedFilm,
    agreement: Agreement,
    find: Callable[[npt.NDArray[np.uint8]], tuple[npt.NDArray[np.float32], bool]],
) -> npt.NDArray[np.uint8]:
    side = 2 * SIDE_PX
    pixels = read_pixels(film)
    drawn = cv2.resize(read_mask(film).astype(np.uint8), (side, side)) > 0
    found = at_size_of(drawn, find(pixels)[0])
    tile = cv2.cvtColor(cv2.resize(pixels, (side, side)), cv2.COLOR_GRAY2BGR)
    for mask, colour in ((drawn, (0, 255, 0)), (found, (0, 0, 255))):
        outlines, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(tile, outlines, -1, colour, 1)
    words = f"{agreement.dice:.3f}{'' if agreement.found else ' none'}"
    cv2.putText(tile, words, (4, side - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255))
    return tile


def _films(folder: str) -> list[MaskedFilm]:
    return list_films(*folder.split("=", 1))


def _compare(film: MaskedFilm, found: Mask, drawn: Mask, passes: bool) -> Agreement:
    elsewhere = ~between_the_lungs(separate_fields(drawn))
    return Agreement(
        source=film.source,
        name=film.name,
        patient_id=film.patient_id,
        dice=dice(found, drawn),
        jaccard=jaccard(found, drawn),
        dice_beside_heart=dice(found & elsewhere, drawn & elsewhere),
        found=passes,
    )


def _mean(values: Sequence[float], patients: Sequence[str]) -> str:
    low, high = interval(values, patients)
    return f"{np.mean(values):.4f} ({low:.4f} to {high:.4f})"


def _csv(agreements: Sequence[Agreement]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [one.name for one in fields(Agreement)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in agreements)
    return text.getvalue()


if __name__ == "__main__":
    main()
