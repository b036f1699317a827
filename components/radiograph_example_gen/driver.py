"""The driver of RadiographExampleGen: tells whether the data root has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tfx.components.example_gen import driver, input_processor
from tfx.proto import example_gen_pb2, range_config_pb2

from components.radiograph_example_gen.listing import list_files, size_and_time


class RadiographInputProcessor(input_processor.FileBasedInputProcessor):
    """Fingerprints all files below the root, at any depth."""

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Fingerprints names, sizes and times; there is one span and no version."""
        digest = hashlib.sha256()
        root = self._input_base_uri
        for path in list_files(root):
            size, time = size_and_time(root, path)
            facts = f"{path}\0{size}\0{time}\n"
            digest.update(facts.encode("utf-8", "surrogateescape"))
        self._fingerprint = digest.hexdigest()
        return 0, None


class RadiographDriver(driver.FileBasedDriver):
    """FileBasedDriver that looks into sub-folders; a glob sees one level."""

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> input_processor.InputProcessor:
        """Returns the processor that walks the root."""
        return RadiographInputProcessor(input_base_uri, splits, range_config)
