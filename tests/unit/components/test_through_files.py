"""Elements that go through files come out as they went in."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from components.radiograph_example_gen.through_files import ThroughFiles
from pipeline.beam import LOCAL_RUNNER


def test_every_element_comes_back_once_and_has_been_in_a_file(tmp_path: Path) -> None:
    example = tf.train.Example()
    example.features.feature["image"].bytes_list.value.append(bytes(range(256)))
    elements = [("a", 1.5, example), ("b", None, example), ("a", 1.5, example)]
    with beam.Pipeline(runner=LOCAL_RUNNER) as pipeline:
        back = pipeline | beam.Create(elements) | ThroughFiles(str(tmp_path))
        assert_that(back, equal_to(elements))
    (file,) = tmp_path.iterdir()
    assert len(list(tf.data.TFRecordDataset(str(file)))) == 3


def test_nothing_goes_through_as_nothing(tmp_path: Path) -> None:
    with beam.Pipeline(runner=LOCAL_RUNNER) as pipeline:
        back = pipeline | beam.Create([]) | ThroughFiles(str(tmp_path))
        assert_that(back, equal_to([]))
