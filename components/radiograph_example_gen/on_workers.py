"""Work that a plan has for many files, done by Beam's workers instead of the executor."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.coders import PickleCoder
from tfx.dsl.io import fileio

from components.radiograph_example_gen.record_files import ReadRecords, WriteRecords
from radiographs.spread import Item, Result, chunks, here, log_progress

_RESULTS = PickleCoder()
_AT_ONCE = 32  # items; fewer make Beam cost more than the work


class OnWorkers:
    """A `radiographs.spread.Spread` that runs a Beam pipeline for each piece of work.

    Results come back through files, the only way that every engine has. What one worker
    would do at a stretch is done here.
    """

    def __init__(self, make_pipeline: Callable[[], beam.Pipeline], folder: str):
        """Remembers how a pipeline is made.

        Args:
            make_pipeline: Of the engine and its workers.
            folder: Every worker has to reach it; whoever made it removes it afterwards.
        """
        self._make_pipeline = make_pipeline
        self._folder = folder

    def __call__(
        self, work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], what: str
    ) -> list[Result]:
        """Hands out the items, as `Spread` says.

        Raises:
            RuntimeError: If results do not come back.
        """
        if len(items) <= _AT_ONCE:
            return here(work, items, what)
        prefix = os.path.join(self._folder, f"results-{uuid.uuid4().hex}")
        with self._make_pipeline() as pipeline:
            _ = (
                pipeline
                | "Some" >> beam.Create(list(enumerate(chunks(items, _AT_ONCE))))
                | "SpreadOverWorkers" >> beam.Reshuffle()
                | "Work" >> beam.ParDo(_Work(work, what, len(items)))
                | "Results" >> WriteRecords(prefix, _RESULTS)
            )
        done = sorted(_read(prefix), key=lambda one: one[0])
        results = [result for _, of_some in done for result in of_some]
        if len(results) != len(items):
            raise RuntimeError(
                f"{what}: {len(results):,} of {len(items):,} results came back through "
                f"{self._folder}; every worker has to reach it, so put the pipeline root where all "
                "can"
            )
        return results


class _Work(beam.DoFn):
    """From a place and some items to the place and their results."""

    def __init__(self, work: Callable[[Sequence[Any]], Iterable[Any]], what: str, items: int):
        self._work = work
        self._what = what
        self._items = items

    def setup(self) -> None:
        self._advance = log_progress(self._what, self._items)  # by this worker

    def process(self, some: tuple[int, Sequence[Any]]) -> Iterator[tuple[int, list[Any]]]:
        place, items = some
        yield place, list(self._work(items))
        self._advance(len(items))


def _read(prefix: str) -> Iterator[Any]:
    read = ReadRecords(_RESULTS)
    for file in fileio.glob(f"{prefix}*"):
        yield from read.process(file)
