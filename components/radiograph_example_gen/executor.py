"""The work of RadiographExampleGen: plan the splits, read the films, write the report."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.components.example_gen import write_split
from tfx.components.example_gen.utils import SPAN_PROPERTY_NAME, VERSION_PROPERTY_NAME
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs

from components.radiograph_example_gen.listing import TfxRoot, read_bytes
from components.radiograph_example_gen.on_workers import OnWorkers
from components.radiograph_example_gen.reading import (
    ANY_FILM,
    FILMS_AT_ONCE,
    check_judging,
    describe_films,
    read_and_describe,
)
from components.radiograph_example_gen.record_files import WriteRecords
from components.radiograph_example_gen.report import (
    AGREEMENT_LINES,
    LINES_SUFFIX,
    PRINT_LINES,
    QUARANTINE_LINES,
    STYLE_LINES,
    TEXT_LINES,
    write_report,
)
from components.radiograph_example_gen.styles import FindStyles, agreement_of, place_of
from components.radiograph_example_gen.through_files import ThroughFiles
from models import features
from models.hyperparameters import Preprocessing
from radiographs import ingest_plan
from radiographs.burned_in_text import shows_text
from radiographs.decoding import CanonicalFilm
from radiographs.errors import UnusableImage
from radiographs.excluded import read_excluded
from radiographs.films import Film
from radiographs.layouts import Layout, ignored_notes
from radiographs.lesion_masks import read_mask
from radiographs.measures import FilmFiles
from radiographs.near_duplicates import fingerprint, to_hex
from radiographs.options import IGNORE, IngestOptions
from radiographs.spans import latest_span
from radiographs.splits import SplitPlan
from radiographs.spread import Spread, chunks, here
from radiographs.styles import Description, Place, Styles

_LOG = logging.getLogger(__name__)

# Execution properties and the second output.
OPTIONS = "options"  # JSON of IngestOptions
JUDGING = "judging"  # JSON of Preprocessing, as its `judging` gives it
REPORT = "report"

SPANS = "spans"  # property of the examples: numbers of all spans read; `span` is the latest

_UNUSABLE = "unusable"
_STYLED = "styled"
_AGREEMENT = "agreement"
_PRINTED = "printed"
_TEXT = "text"
# Tag of what is not an example, and how the files of its lines begin.
_LINES = (
    (_UNUSABLE, QUARANTINE_LINES), (_STYLED, STYLE_LINES), (_PRINTED, PRINT_LINES),
    (_TEXT, TEXT_LINES), (_AGREEMENT, AGREEMENT_LINES),
)  # fmt: skip

_EXAMPLE_FILES = write_split.DEFAULT_TF_RECORD_FILE_NAME


class RadiographExecutor(BaseBeamExecutor):
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
        report_uri = artifact_utils.get_single_uri(output_dict[REPORT])
        examples = output_dict[standard_component_specs.EXAMPLES_KEY]
        with self._waiting_room() as folder:
            spread = OnWorkers(self._make_beam_pipeline, folder)
            files = film_files(root, options, judging, spread)
            layout, plan = plan_ingest(files)
            _describe_examples(examples, layout)
            with self._make_beam_pipeline() as pipeline:
                films = ReadFilms(root, options, judging, folder, plan.places)
                planned = chunks(_in_hash_order(layout, plan), FILMS_AT_ONCE)
                read = pipeline | "Films" >> beam.Create(list(planned)) | films
                _write_examples(read, examples)
                _write_lines(read, report_uri)
            write_report(report_uri, root, files, layout, plan)

    @contextmanager
    def _waiting_room(self) -> Iterator[str]:
        """Yields a folder for what waits, or comes back from workers, which is gone afterwards."""
        folder = os.path.join(self._get_tmp_dir(), "waiting")
        fileio.makedirs(folder)
        try:
            yield folder
        finally:
            fileio.rmtree(folder)


def _in_hash_order(layout: Layout, plan: SplitPlan) -> list[tuple[Film, str]]:
    """Returns each film with its split; neighbours share neither class nor patient."""
    films = sorted(layout.films, key=lambda film: hashlib.sha256(film.path.encode()).digest())
    return [(film, plan.split_of[film.path]) for film in films]


def _write_examples(read: Mapping[str, beam.PCollection], examples: list[Artifact]) -> None:
    """Writes each split as it comes; TFX's own transform would first hold all of it in memory."""
    for split in features.SPLITS:
        files = os.path.join(artifact_utils.get_split_uri(examples, split), _EXAMPLE_FILES)
        coder = beam.coders.ProtoCoder(tf.train.Example)
        _ = read[split] | f"Write[{split}]" >> WriteRecords(files, coder, ".gz")


def _write_lines(read: Mapping[str, beam.PCollection], report_uri: str) -> None:
    for tag, name in _LINES:
        file = f"{report_uri}/{name}"
        _ = (
            read[tag]
            | f"{tag}Line" >> beam.Map(json.dumps)
            | f"{tag}Write" >> beam.io.WriteToText(file, LINES_SUFFIX, num_shards=1)
        )


def _describe_examples(examples: list[Artifact], layout: Layout) -> None:
    """Tells those who read the examples, as TFX's example generators do, how they are written.

    The driver tells the span as well, but a service may run another driver, or none.
    """
    artifact = artifact_utils.get_single_instance(examples)
    artifact.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
    examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
    file_format = write_split.to_file_format_str(example_gen_pb2.FORMAT_TFRECORDS_GZIP)
    examples_utils.set_file_format(artifact, file_format)
    if layout.spans:
        span, version = latest_span(layout.spans)
        artifact.set_int_custom_property(SPAN_PROPERTY_NAME, span)
        if version is not None:
            artifact.set_int_custom_property(VERSION_PROPERTY_NAME, version)
        numbers = ",".join(str(one.number) for one in layout.spans)
        artifact.set_string_custom_property(SPANS, numbers)


@dataclass(frozen=True)
class _Read:
    """A film that has been read, with all but its style."""

    path: str
    split: str
    example: tf.train.Example
    description: Description


class ReadFilms(beam.PTransform):
    """Reads films: each group of `(Film, split)` becomes tf.Examples tagged by split.

    A file that is no usable film goes to the tag `unusable` as `[path, reason]`, the style of every
    other one to the tag `styled` as `[path, style, distance to its centre, sha256]`. How far halves
    of the films agree on the styles goes to the tag `agreement`.
    """

    def __init__(
        self,
        root: str,
        options: IngestOptions,
        judging: Preprocessing,
        folder: str,
        places: Mapping[str, Place],
    ):
        """Remembers where the films are, what is usable, and styles where they are known.

        Args:
            root: Of the films.
            options: Which films are usable.
            judging: Which films the graph judges.
            folder: For films that wait for their style, of `ThroughFiles`.
            places: Style and distance by path, where a split was made by them.
        """
        super().__init__()
        self._read = _ReadSome(root, options, judging)
        self._seed = options.seed
        self._places = places
        self._folder = folder

    def expand(self, planned: beam.PCollection) -> dict[str, beam.PCollection]:
        """Reads each film once; its style is known when all have been read."""
        read = (
            planned
            | "SpreadOverWorkers" >> beam.Reshuffle()
            | "ReadFilms"
            >> beam.ParDo(self._read).with_outputs(_UNUSABLE, _PRINTED, _TEXT, main=_STYLED)
        )
        described = read[_STYLED] | "Describe" >> beam.Map(_described)
        styles = described | "FindStyles" >> FindStyles(self._seed)
        give = beam.ParDo(_GiveStyle(self._places), beam.pvalue.AsSingleton(styles))
        waiting = read[_STYLED] | "Wait" >> ThroughFiles(self._folder)
        given = waiting | "GiveStyle" >> give.with_outputs(_STYLED, *features.SPLITS)
        of_tag = {tag: given[tag] for tag in (_STYLED, *features.SPLITS)}
        of_tag[_AGREEMENT] = styles | "Agreement" >> beam.FlatMap(agreement_of)
        return {**{tag: read[tag] for tag in (_UNUSABLE, _PRINTED, _TEXT)}, **of_tag}


def _described(film: _Read) -> tuple[str, Description]:
    return str(film.path), film.description  # a plain string, which Beam has a coder for


class _ReadSome(beam.DoFn):
    def __init__(self, root: str, options: IngestOptions, judging: Preprocessing):
        self._root = root
        self._options = options
        self._judging = judging

    def process(
        self, planned: Sequence[tuple[Film, str]]
    ) -> Iterator[_Read | beam.pvalue.TaggedOutput]:
        paths = [film.path for film, _ in planned]
        all_read = read_and_describe(self._root, paths, self._options, self._judging)
        for (film, split), read in zip(planned, all_read, strict=True):
            if isinstance(read, UnusableImage):
                yield beam.pvalue.TaggedOutput(_UNUSABLE, [film.path, str(read)])
                continue
            image, description = read
            try:
                mask = read_mask(partial(read_bytes, self._root), film, image)
            except UnusableImage as error:
                yield beam.pvalue.TaggedOutput(_UNUSABLE, [film.path, str(error)])
                continue
            yield _Read(str(film.path), split, to_example(film, image, mask), description)
            if shows_text(image.grey):
                yield beam.pvalue.TaggedOutput(_TEXT, film.path)
            if self._options.near_duplicates != IGNORE:
                found_by = to_hex(fingerprint(image.grey))
                yield beam.pvalue.TaggedOutput(_PRINTED, [film.path, image.facts.sha256, found_by])


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
        digest = example.features.feature[features.SHA256].bytes_list.value[0].decode()
        yield beam.pvalue.TaggedOutput(_STYLED, [film.path, style, distance, digest])


def to_example(film: Film, image: CanonicalFilm, lesion_mask: bytes = b"") -> tf.train.Example:
    """Makes the tf.Example of the contract; its style is not known yet.

    Args:
        film: What is known of the film.
        image: What was read of its file.
        lesion_mask: Of `radiographs.lesion_masks.canonical_mask`; empty where none is drawn.

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
        features.LESION_MASK: lesion_mask,
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


def film_files(
    root: str,
    options: IngestOptions,
    judging: Preprocessing = ANY_FILM,
    spread: Spread = here,
) -> FilmFiles:
    """Returns the files of a data root as a plan sees them.

    Args:
        root: Local or remote folder.
        options: Layout, splits, patients, and which films are usable.
        judging: Which films the graph judges, for a split by style.
        spread: Who looks into them.
    """
    return FilmFiles(TfxRoot(root), options, spread, partial(describe_films, options, judging))


def plan_ingest(files: FilmFiles) -> tuple[Layout, SplitPlan]:
    """Reads the layout of a data root and assigns each film to a split.

    Args:
        files: Of `film_files`.

    Returns:
        The films found and the split of each.

    Raises:
        DataError: Saying what is wrong with the folder and what to do.
    """
    excluded = read_excluded(files.options.exclude_films, partial(read_bytes, ""))
    layout, plan = ingest_plan.plan_ingest(files, excluded)
    for note in (*ignored_notes(layout), *plan.notes):
        _LOG.info("%s", note)
    return layout, plan
