"""The work of RadiographExampleGen: plan the splits, read the films, write the report."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.types import Artifact, artifact_utils, standard_component_specs

from components.radiograph_example_gen.identical import find_identical_files
from components.radiograph_example_gen.listing import read_bytes, read_layout
from components.radiograph_example_gen.report import (
    LINES_SUFFIX,
    QUARANTINE_LINES,
    STYLE_LINES,
    write_report,
)
from components.radiograph_example_gen.styles import FindStyles, place_of, places_of
from models import features
from models.hyperparameters import Preprocessing
from models.lung_fields.fields import check_weights
from models.preprocessing import quality_and_lungs
from radiographs.acquisition import acquisition_statistics
from radiographs.decoding import CanonicalFilm, read_film
from radiographs.errors import UnusableImage
from radiographs.films import Film
from radiographs.label_conflicts import settle_label_conflicts
from radiographs.layouts import Layout, ignored_notes
from radiographs.options import BY_STYLE, IngestOptions
from radiographs.patient_ids import patient_notes
from radiographs.pseudonyms import HiddenPath
from radiographs.splits import SplitPlan, assign_splits
from radiographs.styles import Description, Place, Styles, describe_surroundings

_LOG = logging.getLogger(__name__)

# Execution properties and the second output.
OPTIONS = "options"  # JSON of IngestOptions
JUDGING = "judging"  # JSON of Preprocessing, as its `judging` gives it
REPORT = "report"

_UNUSABLE = "unusable"
_STYLED = "styled"

_FILMS_PER_MESSAGE = 1000

_ANY_FILM = Preprocessing()


class RadiographExecutor(BaseExampleGenExecutor):
    """Writes films as tf.Examples in the splits of the plan."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Plans, writes the examples, then accounts for every file.

        Args:
            input_dict: Empty.
            output_dict: `examples` and `report`.
            exec_properties: `input_base`, `OPTIONS` and FileBasedExampleGen's own.

        Raises:
            DataError: If the folder cannot be read as films, or too many are unusable.
            ValueError: If there are no weights to find lungs by.
        """
        root = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        options = IngestOptions.model_validate_json(exec_properties[OPTIONS])
        judging = Preprocessing.model_validate_json(exec_properties[JUDGING])
        check_judging(judging)
        self._report_uri = artifact_utils.get_single_uri(output_dict[REPORT])
        self._layout, self._plan = plan_ingest(root, options, judging)
        super().Do(input_dict, output_dict, exec_properties)
        write_report(self._report_uri, root, self._layout, self._plan, options)

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:  # noqa: N802
        """Not used: `GenerateExamplesByBeam` reads all splits at once."""
        return ReadFilms

    def GenerateExamplesByBeam(  # noqa: N802
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """Returns the examples of each split."""
        root = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        options = IngestOptions.model_validate_json(exec_properties[OPTIONS])
        judging = Preprocessing.model_validate_json(exec_properties[JUDGING])
        planned = [(film, self._plan.split_of[film.path]) for film in self._layout.films]
        # In hash order: neighbours in a file share neither class nor patient.
        planned.sort(key=lambda pair: hashlib.sha256(pair[0].path.encode()).digest())
        films = ReadFilms(root, options, judging, self._plan.places)
        read = pipeline | "Films" >> beam.Create(planned) | films
        for tag, name in ((_UNUSABLE, QUARANTINE_LINES), (_STYLED, STYLE_LINES)):
            file = f"{self._report_uri}/{name}"
            _ = (
                read[tag]
                | f"{tag}Line" >> beam.Map(json.dumps)
                | f"{tag}Write" >> beam.io.WriteToText(file, LINES_SUFFIX, num_shards=1)
            )
        return {split: read[split] for split in features.SPLITS}


@dataclass(frozen=True)
class _Read:
    """A film that has been read, with all but its style."""

    path: str
    split: str
    example: tf.train.Example
    description: Description


class ReadFilms(beam.PTransform):
    """Reads films: `(Film, split)` becomes tf.Examples tagged by split.

    A file that is no usable film goes to the tag `unusable` as `[path, reason]`, the style of every
    other one to the tag `styled` as `[path, style, distance to its centre]`.
    """

    def __init__(
        self,
        root: str,
        options: IngestOptions,
        judging: Preprocessing = _ANY_FILM,
        places: Mapping[str, Place] | None = None,
    ):
        """Remembers where the films are, what is usable, and styles where they are known."""
        super().__init__()
        self._read = _ReadFilm(root, options, judging)
        self._seed = options.seed
        self._places = places or {}

    def expand(self, planned: beam.PCollection) -> dict[str, beam.PCollection]:
        """Reads each film once; its style is known when all have been read."""
        read = (
            planned
            | "SpreadOverWorkers" >> beam.Reshuffle()
            | "ReadFilm" >> beam.ParDo(self._read).with_outputs(_UNUSABLE, main=_STYLED)
        )
        described = read[_STYLED] | "Describe" >> beam.Map(_described)
        styles = described | "FindStyles" >> FindStyles(self._seed)
        give = beam.ParDo(_GiveStyle(self._places), beam.pvalue.AsSingleton(styles))
        given = read[_STYLED] | "GiveStyle" >> give.with_outputs(_STYLED, *features.SPLITS)
        of_tag = {tag: given[tag] for tag in (_STYLED, *features.SPLITS)}
        return {_UNUSABLE: read[_UNUSABLE], **of_tag}


def _described(film: _Read) -> tuple[str, Description]:
    return str(film.path), film.description  # a plain string, which Beam has a coder for


class _ReadFilm(beam.DoFn):
    def __init__(self, root: str, options: IngestOptions, judging: Preprocessing):
        self._root = root
        self._options = options
        self._judging = judging

    def process(self, planned: tuple[Film, str]) -> Iterator[_Read | beam.pvalue.TaggedOutput]:
        film, split = planned
        try:
            read = read_and_describe(self._root, film.path, self._options, self._judging)
        except UnusableImage as error:
            yield beam.pvalue.TaggedOutput(_UNUSABLE, [film.path, str(error)])
        else:
            image, description = read
            yield _Read(film.path, split, to_example(film, image), description)


class _GiveStyle(beam.DoFn):
    def __init__(self, places: Mapping[str, Place]):
        self._places = places

    def process(self, film: _Read, styles: Styles) -> Iterator[beam.pvalue.TaggedOutput]:
        # What a split was made by stays as it is, to the last rounding.
        style, distance = self._places.get(film.path) or place_of(styles, film.description)
        example = tf.train.Example()
        example.CopyFrom(film.example)  # Beam forbids to change what it hands out
        example.features.feature[features.STYLE].bytes_list.value[:] = [style.encode()]
        yield beam.pvalue.TaggedOutput(film.split, example)
        yield beam.pvalue.TaggedOutput(_STYLED, [film.path, style, distance])


def check_judging(judging: Preprocessing) -> None:
    """Finds weights that cannot be used before the first film is read.

    Args:
        judging: As of `read_image`.

    Raises:
        ValueError: Naming the setting and the file.
    """
    if judging.lungs != "none":
        check_weights(judging.lung_fields_weights)


def read_image(
    root: str, path: str, options: IngestOptions, judging: Preprocessing = _ANY_FILM
) -> CanonicalFilm:
    """Reads a file and makes sure that training and serving can.

    Args:
        root: Local or remote folder.
        path: Of the file, relative to it.
        options: Which films are usable.
        judging: Which films the graph judges; by default it looks for no lungs.

    Returns:
        The film that goes on.

    Raises:
        UnusableImage: Saying why the file is no usable film.
    """
    return _judged(root, path, options, judging)[0]


def read_and_describe(
    root: str, path: str, options: IngestOptions, judging: Preprocessing
) -> tuple[CanonicalFilm, Description]:
    """Reads a film, and describes what lies outside the lungs that the graph has found.

    Args:
        root: As of `read_image`, and so are the others.
        path: Of the file.
        options: Which films are usable.
        judging: Which films the graph judges.

    Returns:
        The film, and `radiographs.styles.describe_surroundings` of the part that is kept of it.

    Raises:
        UnusableImage: As `read_image`.
    """
    film, lungs = _judged(root, path, options, judging)
    return film, describe_surroundings(_without_border(film.grey, judging.border_crop), lungs)


def _judged(
    root: str, path: str, options: IngestOptions, judging: Preprocessing
) -> tuple[CanonicalFilm, npt.NDArray[np.bool_] | None]:
    film = read_film(read_bytes(root, path), options)
    if film.facts.dicom and not isinstance(path, HiddenPath):
        raise UnusableImage("it is DICOM, and named as something else; rename it to end in .dcm")
    quality, lungs = quality_and_lungs(film.encoded, options, judging)
    if quality == features.NO_LUNGS:
        raise UnusableImage(
            "no lungs found; it shows no upright frontal chest, or its lung fields are hidden "
            "(preprocessing.lungs=none does without them)"
        )
    if quality != features.QUALITY_OK:
        raise UnusableImage(
            f"the graph that prepares films finds it {quality}; open it and save it again as PNG"
        )
    return film, lungs


def _without_border(grey: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.uint8]:
    """Cuts off what the graph has cut off before it looked for lungs."""
    rows, columns = (round(share * side) for side in grey.shape)
    return grey[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns]


def to_example(film: Film, image: CanonicalFilm) -> tf.train.Example:
    """Makes the tf.Example of the contract; its style is not known yet.

    Args:
        film: What is known of the film.
        image: What was read of its file.

    Returns:
        Example with every feature of `models.features`, one value each.
    """
    facts = image.facts
    strings: dict[str, bytes] = {
        features.IMAGE: image.encoded,
        features.LABEL: film.label.encode(),
        features.SUBTYPE: film.subtype.encode(),
        features.PATIENT_ID: film.patient_id.encode(),
        features.SITE: film.site.encode(),
        features.VIEW: film.view.encode(),
        features.SEX: film.sex.encode(),
        features.SOURCE_FORMAT: facts.source_format.encode(),
        features.SHA256: facts.sha256.encode(),
        features.STYLE: features.UNKNOWN.encode(),
        features.LATERALITY: film.tags.laterality.encode(),
        features.MODALITY: film.tags.modality.encode(),
        features.BODY_PART: film.tags.body_part.encode(),
        features.MANUFACTURER: film.tags.manufacturer.encode(),
        features.DEVICE_MODEL: film.tags.device_model.encode(),
    }
    integers = {
        features.STUDY_DAY: film.tags.study_day,
        features.AGE_YEARS: film.age_years,
        features.WIDTH_PX: facts.width_px,
        features.HEIGHT_PX: facts.height_px,
    }
    floats = {
        features.MEAN_INTENSITY: facts.mean_intensity,
        features.PIXEL_SPACING_MM: film.tags.pixel_spacing_mm,
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in strings.items()
    }
    for name, value in integers.items():
        feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    for name, number in floats.items():
        feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[number]))
    return tf.train.Example(features=tf.train.Features(feature=feature))


def plan_ingest(
    root: str, options: IngestOptions, judging: Preprocessing = _ANY_FILM
) -> tuple[Layout, SplitPlan]:
    """Reads the layout of a data root and assigns each film to a split.

    Args:
        root: Local or remote folder.
        options: Layout, splits, patients.
        judging: Which films the graph judges, for a split by style.

    Returns:
        The films found and the split of each.

    Raises:
        DataError: Saying what is wrong with the folder and what to do.
    """
    found = read_layout(root, options)
    identical = find_identical_files(root, [film.path for film in found.films], options)
    layout = settle_label_conflicts(found, identical, options)
    places: dict[str, Place] = {}
    if options.split == BY_STYLE:

        def describe(path: str) -> Description:
            return read_and_describe(root, path, options, judging)[1]

        places = places_of([film.path for film in layout.films], describe, options.seed)
    plan = assign_splits(
        layout.films,
        options,
        identical=identical,
        statistics_of=lambda measured: _measure(root, measured, options),
        places=places,
    )
    plan = replace(plan, notes=[*layout.notes, *patient_notes(layout.films), *plan.notes])
    for note in (*ignored_notes(layout), *plan.notes):
        _LOG.info("%s", note)
    return layout, plan


def _measure(root: str, paths: Sequence[str], options: IngestOptions) -> dict[str, np.ndarray]:
    """Returns the acquisition statistics of the usable films, by path."""

    def measure(path: str) -> np.ndarray | None:
        try:
            return acquisition_statistics(read_bytes(root, path), options)
        except UnusableImage:  # the ingest puts it on the quarantine list
            return None

    _LOG.info("Measuring how %s films were taken, for the stress split", f"{len(paths):,}")
    statistics = {}
    with ThreadPoolExecutor() as threads:
        for count, (path, values) in enumerate(
            zip(paths, threads.map(measure, paths), strict=True), start=1
        ):
            if values is not None:
                statistics[path] = values
            if count % _FILMS_PER_MESSAGE == 0:
                _LOG.info("%s of %s films measured", f"{count:,}", f"{len(paths):,}")
    return statistics
