"""The driver of RadiographExampleGen: tells whether what it reads has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from tfx.components.example_gen import driver, input_processor
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2

from components.radiograph_example_gen.executor import JUDGING, OPTIONS
from components.radiograph_example_gen.listing import list_root, read_bytes, size_and_time
from models.hyperparameters import Preprocessing
from models.source import SOURCE_FINGERPRINT
from radiographs.decoding import sha256_of
from radiographs.errors import UnusableImage
from radiographs.options import ALL, IngestOptions
from radiographs.spans import latest_span, window_of


class RadiographInputProcessor(input_processor.FileBasedInputProcessor):
    """Fingerprints the files that are read, at any depth: those of the window of spans.

    TFX's own reads one span; a window of several is one for it, by the number of the latest.
    """

    spans = ALL  # IngestOptions.spans

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Fingerprints names, sizes and times; returns the latest span of the window.

        Raises:
            DataError: If no span is in the window.
        """
        digest = hashlib.sha256()
        root = self._input_base_uri
        listing = list_root(root)
        window = window_of(listing.all_places, self.spans)
        for path in filter(window.holds, listing.paths):
            size, time = size_and_time(root, path)
            facts = f"{path}\0{size}\0{time}\n"
            digest.update(facts.encode("utf-8", "surrogateescape"))
        self._fingerprint = digest.hexdigest()
        return latest_span(window.spans)


class RadiographDriver(driver.FileBasedDriver):
    """FileBasedDriver that looks into sub-folders; a glob sees one level."""

    _spans = ALL

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Adds span, version and fingerprint of what the options choose."""
        options = IngestOptions.model_validate_json(exec_properties[OPTIONS])
        self._spans = options.spans
        judging = Preprocessing.model_validate_json(exec_properties[JUDGING])
        # Not to the fingerprint of the films, which are the same whatever is made of them.
        for name in (options.exclude_films, judging.own_lung_weights):
            exec_properties[SOURCE_FINGERPRINT] += _digest_of(name)
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> input_processor.InputProcessor:
        """Returns the processor that walks the root."""
        processor = RadiographInputProcessor(input_base_uri, splits, range_config)
        processor.spans = self._spans
        return processor


def _digest_of(name: str) -> str:
    """Returns what changes with a file, local or remote; nothing where there is none."""
    with suppress(UnusableImage):  # the executor says why it cannot be read
        return sha256_of(read_bytes("", name))[:16] if name else ""
    return ""
