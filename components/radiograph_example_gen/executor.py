"""The work of RadiographExampleGen: plan the splits, read the films, write the report."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils, standard_component_specs

from components.radiograph_example_gen.identical import find_identical_files
from components.radiograph_example_gen.listing import read_bytes, read_layout
from models import features
from models.hyperparameters import Preprocessing
from models.lung_fields.fields import check_weights
from models.preprocessing import quality_of
from models.remote_files import write_text
from radiographs.acquisition import acquisition_statistics
from radiographs.decoding import CanonicalFilm, read_film
from radiographs.errors import DataError, UnusableImage
from radiographs.films import Film
from radiographs.label_conflicts import settle_label_conflicts
from radiographs.layouts import Layout, ignored_notes, ignored_summary
from radiographs.options import IngestOptions
from radiographs.patient_ids import patient_notes
from radiographs.splits import SplitPlan, assign_splits

_LOG = logging.getLogger(__name__)

# Execution properties and the second output.
OPTIONS = "options"  # JSON of IngestOptions
JUDGING = "judging"  # JSON of Preprocessing, as its `judging` gives it
REPORT = "report"

INGEST_FILE = "ingest.json"
QUARANTINE_FILE = "quarantine.csv"
IGNORED_FILE = "ignored.csv"

_UNUSABLE = "unusable"

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
        check_judging(Preprocessing.model_validate_json(exec_properties[JUDGING]))
        self._report_uri = artifact_utils.get_single_uri(output_dict[REPORT])
        self._layout, self._plan = plan_ingest(root, options)
        super().Do(input_dict, output_dict, exec_properties)
        write_report(self._report_uri, self._layout, self._plan, options)

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
        read = pipeline | "Films" >> beam.Create(planned) | ReadFilms(root, options, judging)
        _ = (
            read[_UNUSABLE]
            | "QuarantineLine" >> beam.Map(json.dumps)
            | "WriteQuarantine"
            >> beam.io.WriteToText(f"{self._report_uri}/quarantine", ".jsonl", num_shards=1)
        )
        return {split: read[split] for split in features.SPLITS}


class ReadFilms(beam.PTransform):
    """Reads films: `(Film, split)` becomes tf.Examples tagged by split.

    A file that is no usable film goes to the tag `unusable` as `[path, reason]`.
    """

    def __init__(self, root: str, options: IngestOptions, judging: Preprocessing = _ANY_FILM):
        """Remembers where the films are and what is usable."""
        super().__init__()
        self._read = _ReadFilm(root, options, judging)

    def expand(self, planned: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        """Reads each film once."""
        return (
            planned
            | "SpreadOverWorkers" >> beam.Reshuffle()
            | "ReadFilm" >> beam.ParDo(self._read).with_outputs(_UNUSABLE, *features.SPLITS)
        )


class _ReadFilm(beam.DoFn):
    def __init__(self, root: str, options: IngestOptions, judging: Preprocessing):
        self._root = root
        self._options = options
        self._judging = judging

    def process(self, planned: tuple[Film, str]) -> Iterator[beam.pvalue.TaggedOutput]:
        film, split = planned
        try:
            image = read_image(self._root, film.path, self._options, self._judging)
        except UnusableImage as error:
            yield beam.pvalue.TaggedOutput(_UNUSABLE, [film.path, str(error)])
        else:
            yield beam.pvalue.TaggedOutput(split, to_example(film, image))


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
    film = read_film(read_bytes(root, path), options)
    quality = quality_of(film.encoded, options, judging)
    if quality == features.NO_LUNGS:
        raise UnusableImage(
            "no lungs found; it shows no upright frontal chest, or its lung fields are hidden "
            "(preprocessing.lungs=none does without them)"
        )
    if quality != features.QUALITY_OK:
        raise UnusableImage(
            f"the graph that prepares films finds it {quality}; open it and save it again as PNG"
        )
    return film


def to_example(film: Film, image: CanonicalFilm) -> tf.train.Example:
    """Makes the tf.Example of the contract.

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
    }
    integers = {
        features.AGE_YEARS: film.age_years,
        features.WIDTH_PX: facts.width_px,
        features.HEIGHT_PX: facts.height_px,
    }
    floats = {features.MEAN_INTENSITY: facts.mean_intensity}
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in strings.items()
    }
    for name, value in integers.items():
        feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    for name, number in floats.items():
        feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[number]))
    return tf.train.Example(features=tf.train.Features(feature=feature))


def plan_ingest(root: str, options: IngestOptions) -> tuple[Layout, SplitPlan]:
    """Reads the layout of a data root and assigns each film to a split.

    Args:
        root: Local or remote folder.
        options: Layout, splits, patients.

    Returns:
        The films found and the split of each.

    Raises:
        DataError: Saying what is wrong with the folder and what to do.
    """
    found = read_layout(root, options)
    identical = find_identical_files(root, [film.path for film in found.films], options)
    layout = settle_label_conflicts(found, identical, options)
    plan = assign_splits(
        layout.films,
        options,
        identical=identical,
        statistics_of=lambda measured: _measure(root, measured, options),
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


def write_report(uri: str, layout: Layout, plan: SplitPlan, options: IngestOptions) -> None:
    """Accounts for every file: counts, notes, quarantine and ignored files.

    Args:
        uri: Folder of the report, which holds the lines that Beam wrote.
        layout: What was found.
        plan: The split of each film.
        options: The share that may be unusable.

    Raises:
        DataError: If more than `max_quarantine_fraction` of the films are unusable.
    """
    unusable = _quarantined(uri)
    rejected = {path for path, _ in unusable}
    kept = [film for film in layout.films if film.path not in rejected]
    patients: dict[str, set[str]] = {split: set() for split in features.SPLITS}
    images: Counter[str] = Counter()
    for film in kept:
        patients[plan.split_of[film.path]].add(film.patient_id)
        images[plan.split_of[film.path]] += 1
    reasons, folders = ignored_summary(layout)
    report = {
        "layout": layout.kind,
        "images": {split: images[split] for split in features.SPLITS},
        "patients": {split: len(patients[split]) for split in features.SPLITS},
        "labels": dict(Counter(film.label for film in kept)),
        "rejected": len(unusable),
        "ignored": len(layout.ignored),
        "ignored_reasons": reasons,
        "ignored_folders": folders,
        "notes": plan.notes,
    }
    write_text(f"{uri}/{QUARANTINE_FILE}", _csv(unusable))
    write_text(f"{uri}/{IGNORED_FILE}", _csv(layout.ignored))
    write_text(f"{uri}/{INGEST_FILE}", json.dumps(report, indent=2))
    if unusable:
        _LOG.info("%d of %d files quarantined", len(unusable), len(layout.films))
    _refuse_too_many(unusable, len(layout.films), options)


def _refuse_too_many(unusable: list[list[str]], films: int, options: IngestOptions) -> None:
    share = len(unusable) / films
    if share > options.max_quarantine_fraction:
        path, reason = unusable[0]
        raise DataError(
            f"{len(unusable)} of {films} files are unusable ({share:.1%}, allowed is "
            f"{options.max_quarantine_fraction:.1%}), the first is {path}: {reason}; mend them "
            "or raise data.max_quarantine_fraction",
            {QUARANTINE_FILE: _csv(unusable)},
        )


def _quarantined(uri: str) -> list[list[str]]:
    lines: list[str] = []
    for file_name in fileio.glob(f"{uri}/quarantine-*.jsonl"):
        with fileio.open(file_name, "r") as file:
            lines += file.read().splitlines()
        fileio.remove(file_name)
    return sorted(json.loads(line) for line in lines)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *rows])
    return text.getvalue()
