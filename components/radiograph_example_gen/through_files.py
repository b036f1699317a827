"""Elements that wait for the end of a step wait in files, not in memory."""

from __future__ import annotations

import os

import apache_beam as beam
from apache_beam.coders import PickleCoder
from apache_beam.io import fileio

from components.radiograph_example_gen.record_files import ReadRecords, WriteRecords


class ThroughFiles(beam.PTransform):
    """Writes elements of any kind to files and reads them again.

    Where all elements have to be read before the first can go on, Beam's local runner holds them in
    memory, however many films that is. What they wait for goes on being a side input of what
    follows.
    """

    def __init__(self, folder: str):
        """Remembers where the files go.

        Args:
            folder: Every worker has to reach it; whoever runs the pipeline removes it afterwards.
        """
        super().__init__()
        self._prefix = os.path.join(folder, "films")

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        """Returns the same elements, a file's in their order."""
        coder = PickleCoder()
        written = elements | "Write" >> WriteRecords(self._prefix, coder)
        # The names that come of a write are of the end of time, where not every engine groups.
        return (
            elements.pipeline
            | "Files" >> beam.Create([f"{self._prefix}*"])
            | "WhenWritten" >> beam.Map(lambda files, _: files, beam.pvalue.AsList(written))
            | "Match" >> fileio.MatchAll()
            | "Name" >> beam.Map(lambda file: file.path)
            | "SpreadFiles" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(ReadRecords(coder))
        )
